//! `duie`: JSON lines of texts with triples by surface; nothing says where in the text they stand.
//!
//! Of all places of a triple's subject and object, the pair with the least text between them is
//! taken, and places that do not overlap before those that do: a sentence mostly states a relation
//! where it names both. A span keeps its first type, since one name is often listed under several
//! (a person, and an entertainer). Objects with several slots keep the one called `@value`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::{Converted, Dropped, Fault, Labelled, Problem, chars_before, each_json};

/// The slot of an object that every object has.
const VALUE: &str = "@value";

#[derive(Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    spo_list: Vec<Triple>,
}

#[derive(Deserialize)]
struct Triple {
    subject: String,
    subject_type: String,
    predicate: String,
    object: BTreeMap<String, String>,
    object_type: BTreeMap<String, String>,
}

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_json(text, labelled)
}

fn labelled(row: Row, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let mut labelled = Labelled::new(row.text);
    for triple in &row.spo_list {
        let (Some(object), Some(object_type)) =
            (triple.object.get(VALUE), triple.object_type.get(VALUE))
        else {
            return Err(Problem::Parts { expected: "an object and an object_type with @value" });
        };
        (1..triple.object.len()).for_each(|_| dropped.count("further slot of an object"));
        let Some((head, tail)) = closest(&labelled.text, triple.subject.trim(), object.trim())
        else {
            dropped.count("triple whose ends are not two places of the text");
            continue;
        };
        let head = entity(&mut labelled, head, &triple.subject_type, dropped);
        let tail = entity(&mut labelled, tail, object_type, dropped);
        if !labelled.add_relation(head, tail, &triple.predicate) {
            dropped.count("relation given twice");
        }
    }
    labelled.check().map(|()| labelled)
}

/// The entity at these bytes, whatever its type; a new one of this type when there is none.
fn entity(
    labelled: &mut Labelled,
    place: Range<usize>,
    entity_type: &str,
    dropped: &mut Dropped,
) -> usize {
    let start = chars_before(&labelled.text, place.start);
    let end = chars_before(&labelled.text, place.end);
    let there = labelled.entities.iter().position(|e| (e.start, e.end) == (start, end));
    match there {
        Some(there) => {
            if labelled.entities[there].entity_type != entity_type {
                dropped.count("second type of a span");
            }
            there
        }
        None => labelled.add_entity(start, end, entity_type),
    }
}

/// The places of the two surfaces, in bytes, that lie closest; the first of equally close ones.
fn closest(text: &str, head: &str, tail: &str) -> Option<(Range<usize>, Range<usize>)> {
    let places = |surface: &str| -> Vec<Range<usize>> {
        let found = text.match_indices(surface).filter(|(_, found)| !found.is_empty());
        found.map(|(start, found)| start..start + found.len()).collect()
    };
    let tails = places(tail);
    let pairs = places(head).into_iter().flat_map(|head| {
        let others = tails.iter().filter(|&tail| *tail != head);
        others.map(|tail| (head.clone(), tail.clone())).collect::<Vec<_>>()
    });
    pairs.min_by_key(|(head, tail)| {
        let (first, second) = if head.start <= tail.start { (head, tail) } else { (tail, head) };
        let apart = first.end <= second.start;
        (Reverse(apart), second.start.saturating_sub(first.end), first.start, second.start)
    })
}
