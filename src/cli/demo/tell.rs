//! The demo's sentences.

use std::io::{self, Write};

use super::{RECOMMENDATIONS, TYPES, Tale, USER};
use crate::cli::answer::{act, day, list, reasons};
use crate::cli::source::NamedSpan;
use crate::interest::{Interest, Stage};

/// Characters to a line.
const WIDTH: usize = 88;
/// Events told of an interest, reasons told of a recommendation.
const TOLD: usize = 2;

pub(super) fn all(out: &mut dyn Write, tale: &Tale<'_>) -> io::Result<()> {
    loaded(out, tale)?;
    mentions(out, &tale.spans)?;
    interests(out, tale)?;
    recommendations(out, tale)?;
    next(out, tale)
}

fn count(counts: &std::collections::BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

/// `34,124`.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn loaded(out: &mut dyn Write, tale: &Tale<'_>) -> io::Result<()> {
    let stats = &tale.stats;
    let kind = |name: &str| number(stats.nodes.get(name).copied().unwrap_or_default());
    let text = format!(
        "{} people rated {} films {} times in 2013, and Wikipedia says what the films are about. \
         From the ratings and the texts came a graph of {} nodes and {} edges; every edge knows \
         why it is there. In the texts, {} spans were found that name a genre, a person, a work \
         or a place.",
        kind("user"),
        kind("item"),
        number(count(&stats.events)),
        number(count(&stats.nodes)),
        number(count(&stats.edges)),
        number(stats.mentions),
    );
    wrapped(out, "", &text)
}

fn mentions(out: &mut dyn Write, spans: &[NamedSpan]) -> io::Result<()> {
    heading(out, "Two of these spans")?;
    for (place, span) in spans.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let how = match span.method.as_str() {
            "surface" => "as it is written".to_owned(),
            _ => format!("by its meaning, with confidence {:.2}", span.confidence),
        };
        let entity = capital(&span.entity);
        let text = format!("\"{}\" in {} names {entity}, found {how}:", span.surface, span.label);
        wrapped(out, "  ", &text)?;
        wrapped(out, "    ", span.sentence.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

fn interests(out: &mut dyn Write, tale: &Tale<'_>) -> io::Result<()> {
    heading(out, "What one of these people is into")?;
    let (first, last) = tale.span;
    let text = format!("They rated {} films, from {} to {}.", tale.seen, day(first), day(last));
    wrapped(out, "  ", &text)?;
    let width = tale.interests.iter().map(|one| one.label.chars().count()).max().unwrap_or(0);
    for one in &tale.interests {
        writeln!(out)?;
        interest(out, one, width)?;
    }
    Ok(())
}

fn interest(out: &mut dyn Write, one: &Interest, width: usize) -> io::Result<()> {
    let (label, kind) = (capital(&one.label), &one.entity_type);
    let times =
        if one.lift < 9.95 { format!("{:.1}", one.lift) } else { format!("{:.0}", one.lift) };
    writeln!(
        out,
        "  {label:<width$}  {kind:<7} {:>3.0}% of their {}, {times} times everybody's share",
        100.0 * one.share,
        plural(kind),
    )?;
    let stage = match one.stage {
        Stage::New => "new",
        Stage::Rising => "rising of late",
        Stage::Steady => "steady",
        Stage::Fading => "fading of late",
        Stage::Dormant => "not seen for long",
    };
    let pad = " ".repeat(width + 4);
    writeln!(out, "{pad}since {}, {stage}", day(one.since))?;
    let why: Vec<_> =
        one.contributions.iter().filter_map(|reason| reason.contribution.event.as_ref()).collect();
    for event in why.iter().take(TOLD) {
        writeln!(out, "{pad}{}", act(event))?;
    }
    if why.len() > TOLD {
        writeln!(out, "{pad}and {} more", why.len() - TOLD)?;
    }
    Ok(())
}

fn plural(kind: &str) -> &str {
    match kind {
        "person" => "cast",
        _ => "genres",
    }
}

fn recommendations(out: &mut dyn Write, tale: &Tale<'_>) -> io::Result<()> {
    heading(out, "What to show them next")?;
    for (place, answer) in tale.recommendations.iter().take(RECOMMENDATIONS).enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        writeln!(out, "  {}. {}", place + 1, answer.label)?;
        for reason in reasons(answer).iter().take(TOLD) {
            wrapped(out, "     ", reason)?;
        }
    }
    writeln!(out)?;
    wrapped(
        out,
        "  ",
        "Every score is the sum of what single ratings brought; `query` tells all of them.",
    )
}

fn next(out: &mut dyn Write, tale: &Tale<'_>) -> io::Result<()> {
    let store = tale.store.display();
    heading(out, "Try next")?;
    writeln!(out, "  predilect export --store {store} --format parquet --dest {store}-export")?;
    writeln!(out, "  predilect serve --store {store} --listen 127.0.0.1:7433")?;
    writeln!(
        out,
        "  grpcurl -plaintext -d '{{\"user\":\"{USER}\"}}' 127.0.0.1:7433 \
         predilect.v1.InterestService/GetInterests"
    )?;
    writeln!(out)?;
    let types = list(&TYPES.map(plural));
    wrapped(
        out,
        "",
        &format!("The person is user {USER} of MovieTweetings; told were {types} alone."),
    )
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{text}\n")
}

fn capital(label: &str) -> String {
    let mut chars = label.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Writes a paragraph, every line after `indent`.
fn wrapped(out: &mut dyn Write, indent: &str, text: &str) -> io::Result<()> {
    let mut line = String::new();
    for word in text.split_whitespace() {
        let long = indent.len() + line.chars().count() + 1 + word.chars().count() > WIDTH;
        if long && !line.is_empty() {
            writeln!(out, "{indent}{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{indent}{line}")
}
