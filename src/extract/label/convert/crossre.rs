//! `crossre`: JSON lines of tokens; entities and relations name them by index, ends included.

use serde::Deserialize;

use super::joined::Joined;
use super::{Converted, Dropped, Fault, Labelled, Problem, each_json};

#[derive(Deserialize)]
struct Sentence {
    sentence: Vec<String>,
    #[serde(default)]
    ner: Vec<(usize, usize, String)>,
    #[serde(default)]
    relations: Vec<Annotation>,
}

/// Head, tail, relation; then an explanation and two flags of the annotator.
type Annotation = (usize, usize, usize, usize, String, String, bool, bool);

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_json(text, |row, dropped| labelled(&row, dropped))
}

fn labelled(sentence: &Sentence, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let mut joined = Joined::new(sentence.sentence.iter().map(String::as_str), " ");
    let mut spans = Vec::new();
    for (first, last, entity_type) in &sentence.ner {
        let entity = joined.add_entity(*first..last.saturating_add(1), entity_type)?;
        spans.push(((*first, *last), entity));
    }
    let entity = |at| spans.iter().find(|(span, _)| *span == at).map(|&(_, entity)| entity);
    let mut labelled = joined.labelled;
    for (head_first, head_last, tail_first, tail_last, relation, ..) in &sentence.relations {
        let ends = (entity((*head_first, *head_last)), entity((*tail_first, *tail_last)));
        let (Some(head), Some(tail)) = ends else {
            dropped.count("relation between spans that are no entities");
            continue;
        };
        if !labelled.add_relation(head, tail, relation) {
            dropped.count("relation given twice");
        }
    }
    labelled.check().map(|()| labelled)
}
