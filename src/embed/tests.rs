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
