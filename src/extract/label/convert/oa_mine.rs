//! `oa-mine`: JSON lines of product titles with the values of their attributes.
//!
//! The attribute's name is the type, as written. Values are taken longest first; each is found
//! literally, once, where nothing longer stands, and at borders of words where there is such a
//! place.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::{Converted, Dropped, Fault, Labelled, Problem, chars_before, each_json};
use crate::extract::normalize::is_joined;

#[derive(Deserialize)]
struct Title {
    input: String,
    /// By attribute the values, each with a number that is always 1.
    #[serde(default)]
    target_scores: BTreeMap<String, BTreeMap<String, f64>>,
}

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_json(text, labelled)
}

fn labelled(title: Title, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let Title { input, target_scores } = title;
    let values = target_scores
        .iter()
        .flat_map(|(name, values)| values.keys().map(move |value| (value.trim(), name.as_str())));
    let mut values: Vec<(&str, &str)> = values.collect();
    values.sort_by_key(|(value, _)| Reverse(value.chars().count()));
    let mut found: Vec<(Range<usize>, &str)> = Vec::new();
    for (value, name) in values {
        if value.is_empty() || value == "n/a" {
            dropped.count("attribute without a value");
            continue;
        }
        let free = |place: &Range<usize>| {
            found.iter().all(|(other, _)| place.end <= other.start || other.end <= place.start)
        };
        let mut places = places(&input, value).filter(free).peekable();
        let first = places.peek().cloned();
        match places.find(|place| is_whole(&input, place)).or(first) {
            Some(place) => found.push((place, name)),
            None if input.contains(value) => dropped.count("value inside a longer one"),
            None => dropped.count("value that the title does not have"),
        }
    }
    found.sort_by_key(|(place, _)| place.start);
    let mut labelled = Labelled::new(input);
    for (place, name) in found {
        let start = chars_before(&labelled.text, place.start);
        let end = chars_before(&labelled.text, place.end);
        labelled.add_entity(start, end, name);
    }
    labelled.check().map(|()| labelled)
}

/// Where `value` stands in `text`, in bytes.
fn places(text: &str, value: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(value).map(|(start, found)| start..start + found.len())
}

/// Whether a place neither begins nor ends inside a word.
fn is_whole(text: &str, place: &Range<usize>) -> bool {
    let (before, inside, after) = (&text[..place.start], &text[place.clone()], &text[place.end..]);
    let joined = |left: &str, right: &str| {
        let ends = (left.chars().next_back(), right.chars().next());
        matches!(ends, (Some(left), Some(right)) if is_joined(left, right))
    };
    !joined(before, inside) && !joined(inside, after)
}
