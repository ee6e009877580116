//! Random small graphs, as a map from (source, relation, target) to data, and in petgraph's form.

use std::collections::BTreeMap;

use petgraph::{
    Graph,
    visit::{EdgeRef, IntoEdgesDirected},
};
use predilect::{
    graph::{CompactGraph, EdgeData, NodeIndex},
    schema::RelationId,
};
use proptest::{collection::vec, prelude::*};

pub type Edges = BTreeMap<(u32, u16, u32), EdgeData>;
pub type Oracle = Graph<(), EdgeData>;

/// Few relations, or with the last one many numbers of them.
pub const RELATIONS: [u16; 4] = [0, 1, 2, 9];

pub fn data(relation: u16, sum: f32) -> EdgeData {
    EdgeData { relation: RelationId(relation), sum, last_minutes: 7 }
}

/// What the tests take an edge to weigh; some weights are negative, and count as 0.
pub fn weight<E: EdgeRef<Weight = EdgeData>>(edge: E) -> f64 {
    f64::from(edge.weight().sum)
}

/// A graph of at most 16 nodes, with loops, parallel relations and lone nodes among them.
pub fn edges() -> impl Strategy<Value = (u32, Edges)> {
    let sums = prop_oneof![4 => 1_u8..5, 1 => Just(0)];
    (0_u32..16).prop_flat_map(move |n_nodes| {
        let n_edges = if n_nodes == 0 { 0..1 } else { 0..48 };
        let ends = 0..n_nodes.max(1);
        let relations = proptest::sample::select(RELATIONS.as_slice());
        vec((ends.clone(), relations, ends, sums.clone()), n_edges).prop_map(move |edges| {
            let edges = edges.into_iter().map(|(source, relation, target, sum)| {
                let sum = if sum == 0 { -1.0 } else { f32::from(sum) / 2.0 };
                ((source, relation, target), data(relation, sum))
            });
            (n_nodes, edges.collect())
        })
    })
}

/// As [`edges`], with at least one node.
pub fn some_edges() -> impl Strategy<Value = (u32, Edges)> {
    edges().prop_filter("one node", |(n_nodes, _)| *n_nodes > 0)
}

pub fn triples(edges: &Edges) -> impl Iterator<Item = (u32, u32, EdgeData)> + '_ {
    edges.iter().map(|((source, _, target), data)| (*source, *target, *data))
}

pub fn compact(n_nodes: u32, edges: &Edges) -> CompactGraph {
    CompactGraph::from_sorted_edges(n_nodes as usize, triples(edges)).unwrap()
}

/// petgraph's graph, whose edges have the indices that `CompactGraph` gives.
pub fn oracle(n_nodes: u32, edges: &Edges) -> Oracle {
    let mut graph = Graph::new();
    for _ in 0..n_nodes {
        graph.add_node(());
    }
    for (source, target, data) in triples(edges) {
        graph.add_edge(source.into(), target.into(), data);
    }
    graph
}

/// Source, relation and target of each edge of a node, as the graph lists them, with the sum.
pub fn listed<G>(
    graph: G,
    node: NodeIndex,
    direction: petgraph::Direction,
) -> Vec<((usize, u16, usize), f32)>
where
    G: IntoEdgesDirected<NodeId = NodeIndex, EdgeWeight = EdgeData>,
{
    let edges = graph.edges_directed(node, direction);
    edges.map(|e| (key(e), e.weight().sum)).collect()
}

pub fn key<E>(edge: E) -> (usize, u16, usize)
where
    E: EdgeRef<NodeId = NodeIndex, Weight = EdgeData>,
{
    (edge.source().index(), edge.weight().relation.0, edge.target().index())
}
