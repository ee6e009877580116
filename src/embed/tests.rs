//! What every model promises.

use super::*;
use crate::graph::EdgeData;
use crate::schema::RelationId;

/// Two cliques of so many nodes, joined by one edge.
fn cliques(size: u32) -> CompactGraph {
    let edge = |source, target| {
        (source, target, EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 })
    };
    let mut edges = vec![edge(0, size)];
    for first in [0, size] {
        for source in first..first + size {
            edges.extend((source + 1..first + size).map(|target| edge(source, target)));
        }
    }
    CompactGraph::from_edges(2 * size as usize + 1, edges).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn trained(entry: &Entry, graph: &CompactGraph, n_threads: usize, seed: u64) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
    let params = entry.defaults(20, seed);
    pool.install(|| entry.train(graph, &params, &mut |_| ())).unwrap()
}

#[test]
fn nodes_of_a_clique_lie_near_each_other() {
    let graph = cliques(10);
    for entry in MODELS {
        let mut params = entry.defaults(8, 3);
        if entry.knobs.iter().any(|knob| knob.name == "epochs") {
            entry.set(&mut params, "epochs", 20.0).unwrap();
        }
        let rows = entry.train(&graph, &params, &mut |_| ()).unwrap();
        let row = |node: usize| &rows[node * 8..(node + 1) * 8];
        let (own, other) = (cosine(row(3), row(7)), cosine(row(3), row(13)));
        assert!(own > other + 0.3, "{}: {own} {other}", entry.name);
        assert_eq!(row(20), [0.0; 8], "{}", entry.name);
    }
}

#[test]
fn threads_change_no_byte_and_the_seed_does() {
    let graph = cliques(150);
    for entry in MODELS {
        let once = trained(entry, &graph, 1, 1);
        assert!(once.iter().all(|value| value.is_finite()));
        assert_eq!(once, trained(entry, &graph, 1, 1), "{}", entry.name);
        assert_eq!(once, trained(entry, &graph, 2, 1), "{}", entry.name);
        assert_eq!(once, trained(entry, &graph, 3, 1), "{}", entry.name);
        assert_ne!(once, trained(entry, &graph, 1, 2), "{}", entry.name);
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let (graph, none) = (cliques(3), CompactGraph::from_edges(3, []).unwrap());
    for entry in MODELS {
        let train = |graph, params: &Params| entry.train(graph, params, &mut |_| ());
        let params = entry.defaults(8, 1);
        assert!(matches!(train(&none, &params), Err(EmbedError::NoEdges)));
        for dim in [0, MAX_DIM + 1] {
            let params = Params { dim, ..params.clone() };
            assert!(matches!(train(&graph, &params), Err(EmbedError::Param { name: "dim", .. })));
        }
        for knob in entry.knobs {
            for value in [f64::NAN, knob.range.0 - 1.0, knob.range.1 + 1.0] {
                let refused = entry.set(&mut params.clone(), knob.name, value);
                assert!(matches!(refused, Err(EmbedError::Param { .. })), "{}", knob.name);
            }
        }
        assert!(entry.set(&mut params.clone(), "none", 1.0).is_err());
    }
    assert!(by_name("none").is_err_and(|error| error.to_string().contains("deepwalk, node2vec")));
}

/// Rows after a course, trained on so many threads.
fn by_course(params: &Params, course: &Course<'_>, n_threads: usize) -> Vec<f32> {
    let entry = by_name("node2vec").unwrap();
    let graph = cliques(60);
    entry.train_by(Some(n_threads), &graph, params, course, &mut |_| ()).unwrap()
}

#[test]
fn a_training_that_was_ended_goes_on_to_the_same_bytes() {
    let entry = by_name("node2vec").unwrap();
    for patience in [0.0, 2.0] {
        let mut params = entry.defaults(12, 5);
        for (name, value) in [("epochs", 6.0), ("patience", patience), ("walks", 4.0)] {
            entry.set(&mut params, name, value).unwrap();
        }
        let unbroken = by_course(&params, &Course::default(), 1);
        let folder = tempfile::tempdir().unwrap();
        let at = |resume, every| {
            let folder = folder.path().to_owned();
            Course {
                start: None,
                checkpoint: Some(Checkpoint { folder, resume, every: Some(every) }),
            }
        };
        // Written down after each of the steps, so that every ending can be gone on from.
        assert_eq!(by_course(&params, &at(false, 1), 2), unbroken);
        assert_eq!(by_course(&params, &at(true, 1), 1), unbroken, "ended after the last step");
        for ended in [1, 2, 5, 7] {
            let graph = cliques(60);
            let mut steps = 0;
            // As if it had been ended: what a later step wrote is not there.
            let file = folder.path().join("embedding.steps");
            let mut kept = Vec::new();
            entry
                .train_by(Some(1), &graph, &params, &at(false, 1), &mut |_| {
                    // What is there is of the step before.
                    if steps == ended {
                        kept = std::fs::read(&file).unwrap();
                    }
                    steps += 1;
                })
                .unwrap();
            assert!(steps > ended, "{steps} steps");
            std::fs::write(&file, kept).unwrap();
            assert_eq!(by_course(&params, &at(true, 3), 2), unbroken, "ended after step {ended}");
        }
    }
}

#[test]
fn known_rows_start_where_they_were() {
    let entry = by_name("node2vec").unwrap();
    let mut params = entry.defaults(8, 3);
    entry.set(&mut params, "epochs", 10.0).unwrap();
    let old = by_course(&params, &Course::default(), 1);
    let again = Params { seed: 4, ..params };
    let warm = Course { start: Some(&old), checkpoint: None };
    let mean = |new: &[f32]| {
        let rows = old.chunks(8).zip(new.chunks(8)).take(120);
        rows.map(|(old, new)| cosine(old, new)).sum::<f32>() / 120.0
    };
    let (warm, cold) =
        (mean(&by_course(&again, &warm, 2)), mean(&by_course(&again, &Course::default(), 2)));
    assert!(warm > 0.9 && warm > cold + 0.3, "{warm} {cold}");
    // Rows of zeros start at random, as all do without a start.
    let zeros = vec![0.0; old.len()];
    let start = Course { start: Some(&zeros), checkpoint: None };
    assert_eq!(by_course(&again, &start, 1), by_course(&again, &Course::default(), 1));
}

#[test]
fn a_training_that_learns_no_more_ends() {
    let entry = by_name("deepwalk").unwrap();
    let graph = cliques(10);
    let mut params = entry.defaults(8, 3);
    let mut steps = |patience: f64, epochs: f64| {
        for (name, value) in [("epochs", epochs), ("patience", patience), ("rate", 0.2)] {
            entry.set(&mut params, name, value).unwrap();
        }
        let mut last = 0;
        let mut n_steps = 0;
        let rows = entry
            .train(&graph, &params, &mut |progress| {
                (last, n_steps) = (progress.done, n_steps + 1);
            })
            .unwrap();
        assert!(rows.iter().all(|value| value.is_finite()));
        (n_steps, last)
    };
    let (all, last) = steps(0.0, 60.0);
    assert_eq!(all, last);
    let (some, last) = steps(3.0, 60.0);
    assert!(some < all && last == all, "{some} of {all} steps");
}

#[test]
fn what_is_found_at_once_takes_no_course() {
    let graph = cliques(3);
    let prone = by_name("prone").unwrap();
    let start = vec![1.0; 7 * 8];
    let course = Course { start: Some(&start), checkpoint: None };
    let train = |entry: &Entry, dim| {
        entry.train_by(None, &graph, &entry.defaults(dim, 1), &course, &mut |_| ())
    };
    let error = train(prone, 8).unwrap_err();
    assert!(matches!(error, EmbedError::Whole { .. }) && error.to_string().contains("node2vec"));
    let refused = train(by_name("deepwalk").unwrap(), 9);
    assert!(matches!(refused, Err(EmbedError::Start { found: 56, expected: 63 })));
}
