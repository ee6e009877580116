//! `conll` and `bieos`: one token a line with its tag, an empty line between sentences.
//!
//! Columns are parted by tabs, or by spaces where a line has no tab; the first is the token, the
//! last the tag. A line that holds only a tag has a space for its token. Sentences are joined by
//! spaces, unless most tokens of the file are single Han characters: those had none between them.
//!
//! Read so: `CrossNER`, WNUT 2017, MIT Movie, MIT Restaurant, `MusicRecoNER`, Youku, e-commerce
//! titles.

use super::joined::Joined;
use super::tags::Scheme;
use super::{Converted, Fault, Problem};
use crate::extract::normalize::is_han;

/// A sentence, and the line of its first token.
#[derive(Default)]
struct Sentence<'t> {
    line: usize,
    tokens: Vec<&'t str>,
    tags: Vec<&'t str>,
}

pub(super) fn parse(text: &str, scheme: Scheme) -> Result<Converted, Fault> {
    let sentences = sentences(text);
    let separator = if is_unspaced(&sentences) { "" } else { " " };
    let mut converted = Converted::default();
    for Sentence { line, tokens, tags } in &sentences {
        let spans = scheme.spans(tags).map_err(|at| {
            let problem = Problem::Tag { tag: tags[at].to_owned(), known: scheme.known() };
            Fault { line: line + at, problem }
        })?;
        let mut joined = Joined::new(tokens.iter().copied(), separator);
        for (span, entity_type) in spans {
            let entity = joined.add_entity(span, entity_type);
            entity.map_err(|problem| Fault { line: *line, problem })?;
        }
        converted.texts.push(joined.labelled);
    }
    Ok(converted)
}

fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut sentences = Vec::new();
    let mut open = Sentence::default();
    for (line, row) in (1..).zip(text.lines()) {
        if row.trim().is_empty() || row.starts_with("-DOCSTART-") {
            sentences.push(std::mem::take(&mut open));
            continue;
        }
        if open.tokens.is_empty() {
            open.line = line;
        }
        let (token, tag) = columns(row);
        open.tokens.push(token);
        open.tags.push(tag);
    }
    sentences.push(open);
    sentences.retain(|sentence| !sentence.tokens.is_empty());
    sentences
}

/// The token and the tag of a line.
fn columns(row: &str) -> (&str, &str) {
    let row = row.trim_end_matches([' ', '\t']);
    let separator = if row.contains('\t') { '\t' } else { ' ' };
    let token = row.split(separator).next().filter(|token| !token.is_empty());
    match row.rsplit_once(separator) {
        Some((_, tag)) => (token.unwrap_or(" "), tag),
        None => (" ", row),
    }
}

fn is_unspaced(sentences: &[Sentence<'_>]) -> bool {
    let is_one_han = |token: &&&str| token.chars().all(is_han) && token.chars().nth(1).is_none();
    let tokens = || sentences.iter().flat_map(|sentence| &sentence.tokens);
    tokens().filter(is_one_han).count() * 2 > tokens().count()
}
