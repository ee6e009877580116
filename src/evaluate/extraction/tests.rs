//! Worked examples, by hand.

use super::*;
use crate::extract::{Mention, Method, RelationMention, Span};

/// A text of these entities (`start-end type`) and relations (`head relation tail`, by index).
fn gold(entities: &str, relations: &str) -> Labelled {
    let mut labelled = Labelled::new("x".repeat(99));
    for (start, end, entity_type) in parts(entities) {
        // Not by `add_entity`, so that repeated labels stay.
        labelled.entities.push(crate::extract::label::LabelledEntity { start, end, entity_type });
    }
    for (head, tail, relation) in parts(relations) {
        labelled.relations.push(crate::extract::label::LabelledRelation { head, tail, relation });
    }
    labelled
}

/// The same as a machine finds it; the first number of `confidences` is of the first mention.
fn found(entities: &str, relations: &str, confidences: &[f32]) -> Extraction {
    let mention = |(place, (start, end, entity_type)): (usize, (usize, usize, String))| Mention {
        span: Span { byte_start: 7, byte_end: 8, char_start: start as u32, char_end: end as u32 },
        surface: String::new(),
        entity_type,
        entity: None,
        confidence: confidences.get(place).copied().unwrap_or(1.0),
        method: Method::Model,
    };
    let relation =
        |(head, tail, relation)| RelationMention { head, tail, relation, confidence: 1.0 };
    Extraction {
        mentions: parts(entities).enumerate().map(mention).collect(),
        relations: parts(relations).map(relation).collect(),
    }
}

/// `1-2 name, …`
fn parts(text: &str) -> impl Iterator<Item = (usize, usize, String)> {
    text.split(", ").filter(|part| !part.is_empty()).map(|part| {
        let (numbers, name) = part.split_once(' ').unwrap();
        let (first, second) = numbers.split_once('-').unwrap();
        (first.parse().unwrap(), second.parse().unwrap(), name.to_owned())
    })
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn entities_are_right_by_span_and_type() {
    let gold = [gold("0-4 brand, 5-9 product, 10-12 brand, 13-14 color", "")];
    // Right; wrong type; wrong end; found twice, counted once.
    let found = [found("0-4 brand, 5-9 brand, 10-11 brand, 0-4 brand", "", &[])];
    let entities = score(&gold, &found).entities;
    near(entities.scores.precision, 1.0 / 3.0);
    near(entities.scores.recall, 1.0 / 4.0);
    near(entities.scores.f1, 2.0 / 7.0);
    let brand = entities.by_type["brand"];
    near(brand.scores.precision, 1.0 / 3.0);
    near(brand.scores.recall, 1.0 / 2.0);
    near(brand.scores.f1, 2.0 / 5.0);
    assert_eq!((brand.support, entities.support), (2, 4));
    // Three types: 2/5, 0 and 0.
    near(entities.macro_f1, 2.0 / 15.0);
}

#[test]
fn a_type_that_is_only_found_lowers_the_macro_average() {
    let gold = [gold("0-4 brand", "")];
    let scores = score(&gold, &[found("0-4 brand, 5-6 color", "", &[])]);
    near(scores.entities.macro_f1, 0.5);
    assert_eq!(scores.entities.by_type["color"].support, 0);
}

#[test]
fn texts_are_scored_each_with_its_own() {
    let gold = [gold("0-4 brand", ""), gold("5-9 brand", "")];
    let crossed = [found("5-9 brand", "", &[]), found("0-4 brand", "", &[])];
    near(score(&gold, &crossed).entities.scores.f1, 0.0);
    let scores = score(&gold, &[found("0-4 brand", "", &[])]);
    near(scores.entities.scores.recall, 0.5);
    assert_eq!(scores.n_texts, 2);
}

#[test]
fn relations_ask_for_both_ends() {
    let gold = [gold("0-4 brand, 5-9 product, 10-12 person", "0-1 makes, 2-1 likes, 0-1 makes")];
    let all = "0-4 brand, 5-9 product, 10-12 person";
    let relations = |found: Extraction| score(&gold, &[found]).relations;
    let right = relations(found(all, "0-1 makes, 2-1 likes", &[]));
    near(right.scores.f1, 1.0);
    assert_eq!((right.support, right.by_type["makes"].support), (2, 1));
    near(relations(found(all, "1-0 makes, 1-2 likes", &[])).scores.f1, 0.0);
    near(relations(found(all, "0-1 likes, 0-7 makes", &[])).scores.precision, 0.0);
    let half = relations(found(all, "0-1 makes, 0-2 makes", &[]));
    near(half.scores.precision, 0.5);
    near(half.scores.recall, 0.5);
    near(half.macro_f1, (2.0 / 3.0) / 2.0);
}

#[test]
fn boundaries_pass_over_types_only() {
    let gold = [gold("0-4 brand, 5-9 product", "0-1 makes")];
    let relations = |entities| score(&gold, &[found(entities, "0-1 makes", &[])]).relations;
    let mistyped = relations("0-4 person, 5-9 product");
    near(mistyped.scores.f1, 0.0);
    near(mistyped.boundaries.scores.f1, 1.0);
    assert_eq!(mistyped.boundaries.support, 1);
    near(relations("0-3 brand, 5-9 product").boundaries.scores.f1, 0.0);
}

#[test]
fn calibration_is_by_bins() {
    // Two mentions at 0.9, one right; two at 0.1, none right: (|1.8 - 1| + |0.2 - 0|) / 4.
    let gold = [gold("0-1 a", "")];
    let spans = "0-1 a, 2-3 a, 4-5 a, 6-7 a";
    near_single(&score(&gold, &[found(spans, "", &[0.9, 0.9, 0.1, 0.1])]), 0.25);
    // All in one bin: |(0.95 + 0.98) - 1| / 2.
    near_single(&score(&gold, &[found("0-1 a, 2-3 a", "", &[0.95, 0.98])]), 0.465);
    // Two bins that would cancel out in one: (|0.5 - 1| + |0.9 - 0|) / 2.
    near_single(&score(&gold, &[found("0-1 a, 2-3 a", "", &[0.5, 0.9])]), 0.7);
    near_single(&score(&gold, &[found("0-1 a", "", &[1.0])]), 0.0);
}

/// Confidences are single precision.
fn near_single(scores: &ExtractionScores, expected: f64) {
    let error = scores.calibration_error;
    assert!((error - expected).abs() < 1e-6, "{error}, not {expected}");
}

#[test]
fn nothing_is_scored_as_nothing() {
    assert_eq!(score(&[], &[]), ExtractionScores::default());
    let scores = score(&[Labelled::new("x")], &[]);
    assert_eq!(scores, ExtractionScores { n_texts: 1, ..ExtractionScores::default() });
}

#[test]
fn the_json_has_the_shape_promised() {
    let gold = [gold("0-4 brand, 5-9 product", "0-1 makes")];
    let scores = score(&gold, &[found("0-4 brand, 5-9 product", "0-1 makes", &[])]);
    let one = serde_json::json!({"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1});
    let expected = serde_json::json!({
        "entities": {
            "precision": 1.0, "recall": 1.0, "f1": 1.0, "macro_f1": 1.0, "support": 2,
            "by_type": {"brand": one, "product": one},
        },
        "relations": {
            "precision": 1.0, "recall": 1.0, "f1": 1.0, "macro_f1": 1.0, "support": 1,
            "by_type": {"makes": one}, "boundaries": one,
        },
        "calibration_error": 0.0,
        "n_texts": 1,
    });
    assert_eq!(serde_json::to_value(scores).unwrap(), expected);
}
