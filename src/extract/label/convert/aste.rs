//! `aste`: a review of tokens, `####`, and triplets `([aspect], [opinion], 'POS')` by token.
//!
//! Aspects and opinions are entities; the polarity is a relation from the aspect to the opinion.

use std::ops::Range;

use super::joined::Joined;
use super::{Converted, Dropped, Fault, Labelled, Problem, each_line};

/// Type of the entity that is spoken about.
pub(super) const ASPECT: &str = "aspect";
/// Type of the entity that is said about it.
pub(super) const OPINION: &str = "opinion";

type Triplet = (Vec<usize>, Vec<usize>, String);

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_line(text, labelled)
}

fn labelled(row: &str, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let expected = "TOKENS####[([ASPECT], [OPINION], 'POS'), …], the polarity POS, NEG or NEU";
    let (sentence, triplets) = row.rsplit_once("####").ok_or(Problem::Parts { expected })?;
    // The triplets are written as Python writes them; with other brackets they are JSON.
    let triplets = triplets.replace('(', "[").replace(')', "]").replace('\'', "\"");
    let triplets: Vec<Triplet> = serde_json::from_str(&triplets)?;
    let mut joined = Joined::new(sentence.split_whitespace(), " ");
    for (aspect, opinion, polarity) in &triplets {
        let relation = match polarity.as_str() {
            "POS" => "positive",
            "NEG" => "negative",
            "NEU" => "neutral",
            _ => return Err(Problem::Parts { expected }),
        };
        let (Some(aspect), Some(opinion)) = (run(aspect), run(opinion)) else {
            dropped.count("triplet of tokens that do not stand side by side");
            continue;
        };
        let aspect = joined.add_entity(aspect, ASPECT)?;
        let opinion = joined.add_entity(opinion, OPINION)?;
        if !joined.labelled.add_relation(aspect, opinion, relation) {
            dropped.count("relation given twice");
        }
    }
    Ok(joined.labelled)
}

/// The tokens as a range, if they follow each other.
fn run(tokens: &[usize]) -> Option<Range<usize>> {
    let (&first, &last) = (tokens.first()?, tokens.last()?);
    let side_by_side = tokens.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    side_by_side.then_some(first..last.saturating_add(1))
}
