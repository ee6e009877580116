//! Shapes that break code: nothing, loops, hubs, chains, bad arguments and extreme weights.

use std::sync::Arc;

use petgraph::{
    Direction::Incoming,
    algo::{connected_components, dijkstra, page_rank},
    visit::{EdgeRef, IntoEdgesDirected, IntoNeighbors, UndirectedAdaptor},
};
use predilect::{
    graph::{CompactGraph, GraphError, NodeIndex, Overlay},
    schema::RelationId,
    traverse::{
        Budget, PathParams, PprParams, PprScratch, TraverseError, find_paths, k_hop,
        personalized_pagerank, similar_nodes,
    },
};

use super::case::{data, weight};

const MANY: u32 = 100_000;

/// Node 0 is the target of an edge from each of the others.
fn hub() -> CompactGraph {
    let edges = (1..=MANY).map(|user| (user, 0, data(0, 1.0)));
    CompactGraph::from_sorted_edges(MANY as usize + 1, edges).unwrap()
}

fn chain() -> CompactGraph {
    let edges = (1..MANY).map(|node| (node - 1, node, data(0, 1.0)));
    CompactGraph::from_sorted_edges(MANY as usize, edges).unwrap()
}

#[test]
fn the_empty_graph_has_nothing() {
    for graph in [CompactGraph::default(), CompactGraph::from_edges(0, []).unwrap()] {
        let (nobody, overlay) = (NodeIndex::new(0), Overlay::new(Arc::new(graph.clone())));
        assert_eq!((overlay.node_count(), overlay.edge_count()), (0, 0));
        assert_eq!(overlay.merge().node_count(), 0);
        assert!(page_rank(&graph, 0.85_f64, 2).is_empty());
        assert_eq!(connected_components(&graph), 0);
        assert_eq!((&graph).neighbors(nobody).count() + (&overlay).neighbors(nobody).count(), 0);
        let unknown = TraverseError::UnknownNode { index: 0, bound: 0 };
        let seeds = [(nobody, 1.0)];
        let params = PprParams::default();
        assert_eq!(personalized_pagerank(&graph, &seeds, weight, &params), Err(unknown));
        assert_eq!(k_hop(&graph, nobody, 2, 9, &Budget::default()), Err(unknown));
    }
}

#[test]
fn a_node_may_be_put_on_nothing() {
    let mut overlay = Overlay::new(Arc::new(CompactGraph::default()));
    let node = overlay.add_node().unwrap();
    overlay.put(node, node, data(1, 2.0)).unwrap();
    assert_eq!(overlay.merge(), CompactGraph::from_edges(1, [(0, 0, data(1, 2.0))]).unwrap());
    let beyond = overlay.put(node, 1.into(), data(1, 2.0));
    assert_eq!(beyond, Err(GraphError::OutOfRange { node: 1, n_nodes: 1 }));
}

#[test]
fn a_hub_is_searched_not_scanned() {
    let graph = hub();
    let item = NodeIndex::new(0);
    assert_eq!((&graph).edges_directed(item, Incoming).len(), MANY as usize);
    for user in [1, 777, MANY] {
        let edge = graph.find_edge(user.into(), RelationId(0), item).unwrap();
        assert_eq!(edge.index(), user as usize - 1);
    }
    let both_ways = UndirectedAdaptor(&graph);
    let near = k_hop(both_ways, 5.into(), 2, 1000, &Budget::default()).unwrap();
    assert!(near.capped && near.nodes.len() == 1000);
    let params = PprParams { epsilon: 1e-9, max_pushes: usize::MAX, ..PprParams::default() };
    let scores = personalized_pagerank(both_ways, &[(item, 1.0)], weight, &params).unwrap();
    assert_eq!(scores.len(), MANY as usize + 1);
    let exact = 0.85 / 1.85 / f64::from(MANY);
    assert!((scores[1].1 - exact).abs() < 2e-9);
    let budget = Budget::visits(50_000);
    assert!(similar_nodes(both_ways, 5.into(), weight, 3, &budget).unwrap().capped);
    let params = PathParams { budget, ..PathParams::default() };
    assert!(find_paths(both_ways, 5.into(), 9.into(), weight, &params).unwrap().capped);
}

#[test]
fn an_overlay_on_a_hub_stays_fast() {
    let mut overlay = Overlay::new(Arc::new(hub()));
    let item = NodeIndex::new(0);
    for user in 1..=MANY {
        overlay.put(user.into(), item, data(0, 2.0)).unwrap();
        overlay.put(user.into(), item, data(1, 3.0)).unwrap();
    }
    assert_eq!(overlay.edge_count(), 2 * MANY as usize);
    let strength: f64 = (&overlay).edges_directed(item, Incoming).map(weight).sum();
    assert_eq!(strength, 5.0 * f64::from(MANY));
    for user in 1..=MANY {
        assert!(overlay.remove(user.into(), RelationId(0), item));
    }
    assert_eq!(overlay.merge().edge_count(), MANY as usize);
}

#[test]
fn a_chain_does_not_overflow() {
    let graph = chain();
    assert_eq!(connected_components(UndirectedAdaptor(&graph)), 1);
    let last = NodeIndex::new(MANY as usize - 1);
    assert_eq!(dijkstra(&graph, 0.into(), Some(last), |_| 1_u32)[&last], MANY - 1);
    let near = k_hop(&graph, 0.into(), u8::MAX, usize::MAX, &Budget::default()).unwrap();
    assert_eq!((near.nodes.len(), near.capped), (256, false));
    let params = PathParams { max_hops: 300, k: 2, budget: Budget::default() };
    let found = find_paths(&graph, 0.into(), 300.into(), weight, &params).unwrap();
    assert_eq!((found.paths.len(), found.paths[0].score), (1, 1.0));
    let seeds = [(0.into(), 1.0)];
    let scores = personalized_pagerank(&graph, &seeds, weight, &PprParams::default()).unwrap();
    assert_eq!(scores[0], (0.into(), 0.15));
    assert!((scores[1].1 - 0.15 * 0.85).abs() < 1e-12);
}

#[test]
fn weights_at_the_limits_leave_scores_finite() {
    let sums = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, -1.0, 0.0];
    let edges = (1_u32..).zip(sums).map(|(target, sum)| (0, target, data(0, sum)));
    let graph = CompactGraph::from_edges(7, edges).unwrap();
    let seeds = [(0.into(), 1.0)];
    for scale in [1.0, 1e300, 1e-300, f64::NAN] {
        let scaled = |edge: predilect::graph::EdgeReference<'_>| weight(edge) * scale;
        let params = PprParams::default();
        let scores = personalized_pagerank(&graph, &seeds, scaled, &params).unwrap();
        let total: f64 = scores.iter().map(|(_, score)| score).sum();
        assert!(total <= 1.0 + 1e-12 && total > 0.99, "{total} at {scale}");
        let both_ways = UndirectedAdaptor(&graph);
        let any = |edge: petgraph::visit::MaybeReversedEdgeReference<_>| weight(edge) * scale;
        let similar = similar_nodes(both_ways, 3.into(), any, 9, &Budget::default()).unwrap();
        assert!(similar.nodes.iter().all(|(_, cosine)| *cosine > 0.0 && *cosine <= 1.0));
    }
}

#[test]
fn wrong_arguments_are_named_and_leave_no_scores() {
    let graph = chain();
    let mut scratch = PprScratch::new();
    let fine = PprParams::default();
    let mut run = |seeds: &[(u32, f64)], params: &PprParams| {
        let seeds: Vec<_> = seeds.iter().map(|(node, mass)| ((*node).into(), *mass)).collect();
        scratch.run(&graph, &seeds, weight, &fine).ok();
        let error = scratch.run(&graph, &seeds, weight, params).err();
        (error, error.is_some() && scratch.scores().count() > 0)
    };
    let bound = MANY as usize;
    let unknown = TraverseError::UnknownNode { index: bound, bound };
    assert_eq!(run(&[(MANY, 1.0)], &fine), (Some(unknown), false));
    let seed = TraverseError::Seed { index: 1, mass: -1.0 };
    assert_eq!(run(&[(0, 2.0), (1, -1.0)], &fine), (Some(seed), false));
    assert_eq!(run(&[], &fine), (Some(TraverseError::SeedMass { found: 0.0 }), false));
    assert_eq!(run(&[(0, 0.5)], &fine), (Some(TraverseError::SeedMass { found: 0.5 }), false));
    let alpha = TraverseError::Param { name: "alpha", found: 1.0, expected: "(0, 1)" };
    assert_eq!(run(&[(0, 1.0)], &PprParams { alpha: 1.0, ..fine.clone() }), (Some(alpha), false));
    let epsilon = TraverseError::Param { name: "epsilon", found: 0.0, expected: "(0, 1)" };
    let params = PprParams { epsilon: 0.0, ..fine.clone() };
    assert_eq!(run(&[(0, 1.0)], &params), (Some(epsilon), false));
    assert_eq!(run(&[(0, 0.5), (0, 0.5)], &fine), (None, false));
    let first = (&graph).edges_directed(0.into(), petgraph::Outgoing).next().unwrap();
    assert_eq!(first.target().index(), 1);
}
