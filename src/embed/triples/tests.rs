//! What every model of triples promises.

use std::sync::Arc;

use super::*;

/// Families of so many people: everybody's parents, and, the other way and at two steps, what follows.
///
/// Entity `f * 4 + i` of family `f`: 0 and 1 are married, 2 and 3 are their children. Relations: 0 `parent
/// of`, 1 `child of`, 2 `married to`, 3 `sibling of`.
fn families(n: u32) -> Vec<Triple> {
    let mut triples = Vec::new();
    for family in 0..n {
        let mut add = |head: u32, relation, tail: u32| {
            triples.push(Triple { head: family * 4 + head, relation, tail: family * 4 + tail });
        };
        for (parent, child) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            add(parent, 0, child);
            add(child, 1, parent);
        }
        for (one, other) in [(0, 1), (1, 0)] {
            add(one, 2, other);
            add(one + 2, 3, other + 2);
        }
    }
    triples
}

/// The families without one triple, and that triple as a question with its answer.
fn asked(n: u32, relation: u32, from: u32) -> (Vec<Triple>, Query, u32) {
    let mut triples = families(n);
    let at = triples.iter().position(|t| t.relation == relation && t.head == from).unwrap();
    let Triple { head, relation, tail } = triples.remove(at);
    (triples, Query { entity: head, step: relation }, tail)
}

fn set(triples: &[Triple], n: u32) -> TripleSet<'_> {
    TripleSet { n_entities: n * 4, n_relations: 4, triples }
}

fn scores(entry: &Entry, set: &TripleSet, params: &Params, query: Query) -> Vec<f32> {
    let scorer = entry.fit(set, params, &mut |_| ()).unwrap();
    let mut scores = vec![0.0; set.n_entities as usize];
    scorer.score(&[query], &mut scores);
    scores
}

#[test]
fn every_model_tells_what_was_left_out() {
    let (triples, query, answer) = asked(12, 2, 0);
    for entry in MODELS {
        let mut params = entry.defaults(16, 2);
        if entry.has_rows() {
            entry.set(&mut params, "epochs", 100.0).unwrap();
            entry.set(&mut params, "batch", 32.0).unwrap();
        }
        let scores = scores(entry, &set(&triples, 12), &params, query);
        let own = scores[answer as usize];
        let n_above = scores.iter().filter(|score| **score > own).count();
        assert!(n_above <= 2, "{}: {n_above} above {own}", entry.name);
    }
}

#[test]
fn threads_change_no_bit_and_the_seed_does() {
    let (triples, query, _) = asked(40, 0, 4);
    let set = set(&triples, 40);
    for entry in MODELS {
        let mut params = entry.defaults(10, 1);
        if entry.has_rows() {
            entry.set(&mut params, "epochs", 3.0).unwrap();
            entry.set(&mut params, "negatives", 50.0).unwrap();
            entry.set(&mut params, "batch", 100.0).unwrap();
        }
        let on = |n_threads| {
            super::super::on_threads(Some(n_threads), || scores(entry, &set, &params, query))
                .unwrap()
        };
        let once = on(1);
        assert!(once.iter().all(|score| score.is_finite()), "{}", entry.name);
        assert_eq!(once, on(3), "{}", entry.name);
        if entry.has_rows() {
            let other = Params { seed: 2, ..params.clone() };
            assert_ne!(once, scores(entry, &set, &other, query), "{}", entry.name);
        }
    }
}

#[test]
fn slopes_are_those_of_the_questions() {
    for entry in MODELS {
        let Kind::Rows(geometry) = entry.kind else { continue };
        let dim = 6;
        let width = geometry.relation_width(dim);
        let number = |at: usize| ((at * 37 + 11) % 23) as f32 / 10.0 - 1.1;
        let head: Vec<f32> = (0..dim).map(number).collect();
        let relation: Vec<f32> = (dim..dim + width).map(number).collect();
        let slope: Vec<f32> = (20..20 + dim).map(number).collect();
        let along = |head: &[f32], relation: &[f32]| {
            let mut query = vec![0.0; dim];
            geometry.query(head, relation, &mut query);
            query.iter().zip(&slope).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        let (mut of_head, mut of_relation) = (vec![0.0; dim], vec![0.0; width]);
        geometry.back([&head, &relation], &slope, &mut of_head, &mut of_relation);
        let moved = |row: &[f32], at: usize, by: f32| {
            let mut row = row.to_vec();
            row[at] += by;
            row
        };
        let step = 1e-2;
        let near = |found: f32, [less, more]: [f64; 2], what: &str| {
            let expected = (more - less) / (2.0 * f64::from(step));
            let error = (f64::from(found) - expected).abs();
            assert!(error < 2e-3, "{} {what}: {found} {expected}", entry.name);
        };
        for (at, found) in of_head.iter().enumerate() {
            let around = [-step, step].map(|by| along(&moved(&head, at, by), &relation));
            near(*found, around, "head");
        }
        for (at, found) in of_relation.iter().enumerate() {
            let around = [-step, step].map(|by| along(&head, &moved(&relation, at, by)));
            near(*found, around, "relation");
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let triples = families(2);
    let fit = |name: &str, set: &TripleSet, dim| {
        let entry = by_name(name).unwrap();
        entry.fit(set, &entry.defaults(dim, 1), &mut |_| ()).err().unwrap().to_string()
    };
    assert!(fit("complex", &set(&triples, 2), 5).contains("even number"));
    assert!(fit("transe", &set(&triples, 2), 0).contains("dim is 0"));
    for entry in MODELS {
        assert!(fit(entry.name, &set(&[], 2), 4).contains("no edges"), "{}", entry.name);
    }
    assert!(by_name("none").is_err_and(|error| error.to_string().contains("rules, complex")));
    let rules = by_name("rules").unwrap();
    let rows = rules.train(&set(&triples, 2), &rules.defaults(4, 1), &mut |_| ());
    assert!(matches!(rows, Err(EmbedError::NoRows { .. })));
    assert!(rules.set(&mut rules.defaults(4, 1), "length", 9.0).is_err());
}

#[test]
fn rules_say_which_path_they_go_by() {
    let (triples, query, answer) = asked(12, 3, 6);
    let rules = by_name("rules").unwrap();
    let fitted = rules.fit(&set(&triples, 12), &rules.defaults(1, 1), &mut |_| ()).unwrap();
    let reasons = fitted.explain(query, answer);
    // The other sibling says so, and both have a parent in common; no rule is certain.
    let best = &reasons[0];
    assert!(best.is_path && best.confidence > 0.7 && best.confidence < 1.0, "{best:?}");
    for path in [vec![(3 + 4, answer)], vec![(1, 4), (0, answer)]] {
        assert!(reasons.iter().any(|reason| reason.steps == path), "{reasons:?}");
    }
    let sure: Vec<f32> = reasons.iter().map(|reason| reason.confidence).collect();
    assert!(sure.is_sorted_by(|a, b| a >= b));
}

#[test]
fn progress_ends_when_all_is_done() {
    let triples = families(3);
    let last = Arc::new(std::sync::Mutex::new(None));
    for entry in MODELS {
        let told = Arc::clone(&last);
        entry
            .fit(&set(&triples, 3), &entry.defaults(4, 1), &mut |progress| {
                *told.lock().unwrap() = Some(progress);
            })
            .unwrap();
        let Progress { done, of } = last.lock().unwrap().take().unwrap();
        assert_eq!(done, of, "{}", entry.name);
    }
}
