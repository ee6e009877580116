//! `conll04`: a JSON array of sentences; relations number the entities of the sentence in order.

use serde::Deserialize;

use super::joined::Joined;
use super::tags::Scheme;
use super::{Converted, Dropped, Fault, Labelled, Problem};
use crate::extract::label::LabelledRelation;

#[derive(Deserialize)]
struct Sentence {
    tokens: Vec<String>,
    tags: Vec<String>,
    #[serde(default)]
    relations: Vec<LabelledRelation>,
}

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    let sentences: Vec<Sentence> = serde_json::from_str(text)
        .map_err(|error| Fault { line: error.line(), problem: error.into() })?;
    let mut converted = Converted::default();
    for sentence in &sentences {
        let labelled = labelled(sentence, &mut converted.dropped);
        // The array stands on one line, or nobody knows where in it the sentence is.
        converted.texts.push(labelled.map_err(|problem| Fault { line: 1, problem })?);
    }
    Ok(converted)
}

fn labelled(sentence: &Sentence, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let Sentence { tokens, tags, relations } = sentence;
    if tokens.len() != tags.len() {
        return Err(Problem::Unpaired { n_tokens: tokens.len(), n_tags: tags.len() });
    }
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let spans = Scheme::Bieos
        .spans(&tags)
        .map_err(|at| Problem::Tag { tag: tags[at].to_owned(), known: Scheme::Bieos.known() })?;
    let mut joined = Joined::new(tokens.iter().map(String::as_str), " ");
    for (span, entity_type) in spans {
        joined.add_entity(span, entity_type)?;
    }
    let mut labelled = joined.labelled;
    for LabelledRelation { head, tail, relation } in relations {
        if !labelled.add_relation(*head, *tail, relation) {
            dropped.count("relation given twice");
        }
    }
    labelled.check().map(|()| labelled)
}
