//! `snips`: a folder with `seq.in` (tokens) and `seq.out` (BIO tags), in step by line.
//!
//! The intents of the requests, in `label`, have no place in labelled text and are passed over.

use super::joined::Joined;
use super::tags::Scheme;
use super::{Converted, Fault, LabelError, Labelled, Problem, Source, text_of};

/// Takes the folder, or the `seq.in` in it.
pub(super) fn convert(source: &Source<'_>) -> Result<Converted, LabelError> {
    let folder = source.path.is_dir();
    let tokens = if folder { source.path.join("seq.in") } else { source.path.to_owned() };
    let tags = tokens.with_file_name("seq.out");
    parse(&text_of(&tokens)?, &text_of(&tags)?).map_err(|fault| fault.of(&tags))
}

fn parse(tokens: &str, tags: &str) -> Result<Converted, Fault> {
    let (n_tokens, n_tags) = (tokens.lines().count(), tags.lines().count());
    if n_tokens != n_tags {
        let problem = Problem::Parts { expected: "as many lines as in seq.in" };
        return Err(Fault { line: n_tokens.min(n_tags) + 1, problem });
    }
    let mut converted = Converted::default();
    for (line, (tokens, tags)) in (1..).zip(tokens.lines().zip(tags.lines())) {
        let labelled = labelled(tokens, tags).map_err(|problem| Fault { line, problem })?;
        if !labelled.text.is_empty() {
            converted.texts.push(labelled);
        }
    }
    Ok(converted)
}

fn labelled(tokens: &str, tags: &str) -> Result<Labelled, Problem> {
    let tokens: Vec<&str> = tokens.split_whitespace().collect();
    let tags: Vec<&str> = tags.split_whitespace().collect();
    if tokens.len() != tags.len() {
        return Err(Problem::Unpaired { n_tokens: tokens.len(), n_tags: tags.len() });
    }
    let spans = Scheme::Bio
        .spans(&tags)
        .map_err(|at| Problem::Tag { tag: tags[at].to_owned(), known: Scheme::Bio.known() })?;
    let mut joined = Joined::new(tokens, " ");
    for (span, entity_type) in spans {
        joined.add_entity(span, entity_type)?;
    }
    Ok(joined.labelled)
}
