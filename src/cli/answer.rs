//! Answers as a person likes to read them.

use std::io::Write;

use super::source::{Explanation, Interests, PathAnswer, Recommendations, SimilarAnswer};
use crate::engine::Fallback;
use crate::explain::EventRef;
use crate::interest::{Interest, Reason};
use crate::recommend::{Because, Effect, Moved, Recommendation};
use crate::schema::Timestamp;

/// How many events stand behind an interest in a list.
const EVENTS: usize = 3;

pub(super) fn interests(out: &mut dyn Write, found: &Interests) -> anyhow::Result<()> {
    writeln!(out, "{} is into{}:", found.user, as_of(found.as_of))?;
    for interest in &found.interests {
        writeln!(out)?;
        writeln!(out, "  {}", headline(interest))?;
        for reason in interest.contributions.iter().take(EVENTS) {
            writeln!(out, "    {}", because_of(reason))?;
        }
        let more = interest.contributions.len().saturating_sub(EVENTS);
        if more > 0 {
            writeln!(out, "    and {more} more")?;
        }
    }
    if found.interests.is_empty() {
        writeln!(out, "  nothing yet")?;
    }
    Ok(())
}

pub(super) fn recommendations(out: &mut dyn Write, found: &Recommendations) -> anyhow::Result<()> {
    let whom = found.user.as_deref().unwrap_or("the session");
    writeln!(out, "For {whom}{}, by {}:", as_of(found.as_of), found.method)?;
    if let Some(fallback) = found.fallback {
        let why = match fallback {
            Fallback::UnknownUser => "nobody is known by this id",
            Fallback::NoHistory => "nothing is known of what they did",
            Fallback::UnknownItems => "nothing of the session is known",
        };
        writeln!(out, "  {why}, so this is what everybody cares for")?;
    }
    for (place, placed) in found.recommendations.iter().enumerate() {
        let answer = &placed.recommendation;
        writeln!(out)?;
        writeln!(
            out,
            "  {:>2}. {} ({}), score {:.3}",
            place + 1,
            answer.label,
            answer.item,
            answer.score
        )?;
        for line in reasons(answer) {
            writeln!(out, "      {line}")?;
        }
        for Moved { rule, from, to } in &placed.moved {
            writeln!(out, "      Moved by {rule} from place {from} to {to}.")?;
        }
        if placed.explored {
            writeln!(out, "      Here to learn from, with probability {:.4}.", placed.propensity)?;
        }
    }
    if found.recommendations.is_empty() {
        writeln!(out, "  nothing: the user has seen all that there is, or there is nothing")?;
    }
    let dropped = found.effects.iter().filter(|effect| effect.dropped > 0 && effect.rule != "seen");
    for Effect { rule, dropped, .. } in dropped {
        writeln!(out, "\n  {dropped} dropped by {rule}")?;
    }
    Ok(())
}

pub(super) fn explanation(out: &mut dyn Write, found: &Explanation) -> anyhow::Result<()> {
    writeln!(out, "{}{}: {}", found.user, as_of(found.as_of), headline(&found.interest))?;
    writeln!(out)?;
    for reason in &found.interest.contributions {
        writeln!(out, "  {:>+8.4}  {}", reason.contribution.value, because_of(reason))?;
    }
    writeln!(out, "  {:>+8.4}  in all", found.interest.score)?;
    for span in &found.spans {
        writeln!(out)?;
        writeln!(out, "  {} says \"{}\":", span.label, span.surface)?;
        if let Some(sentence) = &span.sentence {
            writeln!(out, "    {sentence}")?;
        }
    }
    if found.capped {
        writeln!(out, "  and more texts")?;
    }
    Ok(())
}

pub(super) fn paths(out: &mut dyn Write, paths: &[PathAnswer]) -> anyhow::Result<()> {
    for path in paths {
        write!(out, "{:.6}  {}", path.score, path.nodes.first().map_or("", |node| &node.label))?;
        let steps = path.relations.iter().zip(&path.forward).zip(path.nodes.iter().skip(1));
        for ((relation, forward), node) in steps {
            let (before, after) = if *forward { ("-", "->") } else { ("<-", "-") };
            write!(out, " {before}{relation}{after} {}", node.label)?;
        }
        writeln!(out)?;
    }
    if paths.is_empty() {
        writeln!(out, "no path of so few edges")?;
    }
    Ok(())
}

pub(super) fn similar(out: &mut dyn Write, similar: &[SimilarAnswer]) -> anyhow::Result<()> {
    for SimilarAnswer { node, score } in similar {
        writeln!(out, "{score:.4}  {} ({}:{})", node.label, node.kind, node.id)?;
    }
    if similar.is_empty() {
        writeln!(out, "nothing shares a neighbour with it")?;
    }
    Ok(())
}

/// `Horror (genre), rising: 21% of the genres, 3.2 times everybody's share, since 3 March 2013`.
pub(super) fn headline(interest: &Interest) -> String {
    format!(
        "{} ({}), {}: {:.0}% against everybody's {:.1}%, since {}",
        interest.label,
        interest.entity_type,
        interest.stage.name(),
        100.0 * interest.share,
        100.0 * interest.background,
        day(interest.since)
    )
}

fn because_of(reason: &Reason) -> String {
    reason.contribution.event.as_ref().map_or_else(|| "everybody's doing".to_owned(), act)
}

/// `3 March 2013: rated The Ring 8`.
pub(super) fn act(event: &EventRef) -> String {
    let EventRef { action, label, .. } = event;
    let value = event.event_value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{}: {action} {label}{value}", day(event.at))
}

/// Why an item is recommended, a sentence a line.
pub(super) fn reasons(answer: &Recommendation) -> Vec<String> {
    let mut lines: Vec<String> = answer.because.iter().map(because).collect();
    if lines.is_empty() {
        lines.push("Many people care for it.".to_owned());
    }
    lines
}

fn because(because: &Because) -> String {
    let Because { label, users, shared, .. } = because;
    let people = match users {
        0 => None,
        1 => Some("one other person cares for both".to_owned()),
        n => Some(format!("{n} people care for both")),
    };
    let shared = match shared.as_slice() {
        [] => None,
        shared => Some(format!("both have {}", list(shared))),
    };
    let why = match (people, shared) {
        (Some(people), Some(shared)) => format!("{people}, and {shared}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "walks over the graph lead from one to the other".to_owned(),
    };
    format!("Because of {label}: {why}.")
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// `, as of 3 March 2013`.
fn as_of(at: Option<Timestamp>) -> String {
    at.map(|at| format!(", as of {}", day(at))).unwrap_or_default()
}

/// `3 March 2013`.
pub(super) fn day(at: Timestamp) -> String {
    match chrono::DateTime::from_timestamp_millis(at.millis()) {
        Some(time) => time.format("%-d %B %Y").to_string(),
        None => at.to_string(),
    }
}
