//! `CompactGraph` and `Overlay` against `petgraph::Graph`.

use std::{collections::BTreeSet, sync::Arc};

use petgraph::{
    Direction::{Incoming, Outgoing},
    algo::{connected_components, dijkstra, page_rank},
    visit::{
        EdgeCount, EdgeFiltered, EdgeIndexable, EdgeRef, IntoEdgesDirected, IntoNodeIdentifiers,
        NodeCompactIndexable, Reversed, UndirectedAdaptor, Visitable,
    },
};
use predilect::{
    graph::{CompactGraph, EdgeData, GraphError, NodeIndex, Overlay},
    schema::RelationId,
    traverse::{PprParams, personalized_pagerank},
};
use proptest::{collection::vec, prelude::*};

use super::case::{
    Edges, Oracle, RELATIONS, compact, data, edges, key, listed, oracle, triples, weight,
};

/// Everything that petgraph's traits show of `graph` is what they show of `expected`.
fn agree<G>(graph: G, expected: &Oracle)
where
    G: IntoEdgesDirected<NodeId = NodeIndex, EdgeWeight = EdgeData>
        + IntoNodeIdentifiers
        + NodeCompactIndexable
        + EdgeCount
        + Visitable,
{
    assert_eq!(graph.node_count(), expected.node_count());
    assert_eq!(graph.edge_count(), expected.edge_count());
    assert!(graph.node_identifiers().eq(expected.node_identifiers()));
    for node in expected.node_identifiers() {
        for direction in [Outgoing, Incoming] {
            let found = listed(graph, node, direction);
            let mut wanted = listed(expected, node, direction);
            wanted.sort_by_key(|((source, relation, target), _)| match direction {
                Outgoing => (*relation, *target),
                Incoming => (*relation, *source),
            });
            assert_eq!(found, wanted);
            let n_edges = (wanted.len(), Some(wanted.len()));
            assert_eq!(graph.edges_directed(node, direction).size_hint(), n_edges);
            let mut found: Vec<_> = graph.neighbors_directed(node, direction).collect();
            let mut wanted: Vec<_> = expected.neighbors_directed(node, direction).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted);
        }
        assert!(graph.neighbors(node).eq(graph.edges(node).map(|edge| edge.target())));
    }
    let wanted = expected.edge_references().map(|edge| (key(edge), edge.weight()));
    let found: Vec<_> = graph.edge_references().collect();
    assert!(found.iter().map(|edge| (key(*edge), edge.weight())).eq(wanted));
    algorithms_agree(graph, expected);
}

fn algorithms_agree<G>(graph: G, expected: &Oracle)
where
    G: IntoEdgesDirected<NodeId = NodeIndex, EdgeWeight = EdgeData>
        + NodeCompactIndexable
        + Visitable,
{
    let found = page_rank(graph, 0.85_f64, 3);
    let wanted = page_rank(expected, 0.85_f64, 3);
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9));
    assert_eq!(
        connected_components(UndirectedAdaptor(graph)),
        connected_components(UndirectedAdaptor(expected))
    );
    let cost = |sum: f32| u64::from(sum > 1.0) + 1;
    for start in expected.node_indices() {
        assert_eq!(
            dijkstra(graph, start, None, |edge| cost(edge.weight().sum)),
            dijkstra(expected, start, None, |edge| cost(edge.weight().sum))
        );
        assert_eq!(
            dijkstra(Reversed(graph), start, None, |edge| cost(edge.weight().sum)),
            dijkstra(Reversed(expected), start, None, |edge| cost(edge.weight().sum))
        );
        assert_eq!(
            dijkstra(UndirectedAdaptor(graph), start, None, |_| 1),
            dijkstra(UndirectedAdaptor(expected), start, None, |_| 1)
        );
        let one = EdgeFiltered::from_fn(graph, |edge| edge.weight().relation == RelationId(1));
        let same = EdgeFiltered::from_fn(expected, |edge| edge.weight().relation == RelationId(1));
        assert_eq!(dijkstra(&one, start, None, |_| 1), dijkstra(&same, start, None, |_| 1));
    }
}

/// One change to an overlay; nodes are taken modulo their number.
#[derive(Clone, Debug)]
enum Change {
    AddNode,
    Put(u32, u16, u32, f32),
    Remove(u32, u16, u32),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let ends = || (0_u32..24, 0_u16..3, 0_u32..24);
    let change = prop_oneof![
        1 => Just(Change::AddNode),
        4 => (ends(), 1_u8..9).prop_map(|((s, r, t), sum)| Change::Put(s, r, t, f32::from(sum))),
        3 => ends().prop_map(|(s, r, t)| Change::Remove(s, r, t)),
    ];
    vec(change, 0..64)
}

fn apply(overlay: &mut Overlay, n_nodes: &mut u32, model: &mut Edges, change: &Change) {
    match *change {
        Change::AddNode => {
            assert_eq!(overlay.add_node(), Ok((*n_nodes).into()));
            *n_nodes += 1;
        }
        Change::Put(..) | Change::Remove(..) if *n_nodes == 0 => {}
        Change::Put(source, relation, target, sum) => {
            let (source, target) = (source % *n_nodes, target % *n_nodes);
            let edge = overlay.put(source.into(), target.into(), data(relation, sum)).unwrap();
            assert_eq!(overlay.edge_weight(edge), Some(&data(relation, sum)));
            model.insert((source, relation, target), data(relation, sum));
        }
        Change::Remove(source, relation, target) => {
            let (source, target) = (source % *n_nodes, target % *n_nodes);
            let found = overlay.remove(source.into(), RelationId(relation), target.into());
            assert_eq!(found, model.remove(&(source, relation, target)).is_some());
        }
    }
}

/// Edges of an overlay are found by key and by index, and no two share an index.
fn indices_agree(overlay: &Overlay, n_nodes: u32, model: &Edges) {
    let mut used = BTreeSet::new();
    for source in 0..n_nodes {
        for relation in RELATIONS {
            for target in 0..n_nodes {
                let (from, to) = (source.into(), target.into());
                let found = overlay.find_edge(from, RelationId(relation), to);
                let wanted = model.get(&(source, relation, target));
                assert_eq!(found.and_then(|edge| overlay.edge_weight(edge)), wanted);
                if let Some(edge) = found {
                    assert_eq!(overlay.edge_endpoints(edge), Some((from, to)));
                    assert!(used.insert(edge) && edge.index() < overlay.edge_bound());
                }
            }
            let (node, id) = (source.into(), RelationId(relation));
            let of = |direction| {
                let mut all = listed(overlay, node, direction);
                all.retain(|((_, r, _), _)| *r == relation);
                all
            };
            let out = overlay.edges_of(node, id).map(|edge| (key(edge), edge.data().sum));
            assert!(out.eq(of(Outgoing)));
            let into = overlay.edges_into(node, id).map(|edge| (key(edge), edge.data().sum));
            assert!(into.eq(of(Incoming)));
        }
    }
    for edge in (0..overlay.edge_bound()).map(predilect::graph::EdgeIndex::new) {
        assert_eq!(overlay.edge_weight(edge).is_some(), used.contains(&edge));
        assert_eq!(overlay.edge_endpoints(edge).is_some(), used.contains(&edge));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn compact_is_petgraph((n_nodes, edges) in edges()) {
        let graph = compact(n_nodes, &edges);
        let expected = oracle(n_nodes, &edges);
        agree(&graph, &expected);
        for (source, relation, target) in (0..n_nodes)
            .flat_map(|s| RELATIONS.into_iter().flat_map(move |r| (0..n_nodes).map(move |t| (s, r, t))))
        {
            let found = graph.find_edge(source.into(), RelationId(relation), target.into());
            let wanted = edges.get(&(source, relation, target));
            prop_assert_eq!(found.and_then(|edge| graph.edge_weight(edge)), wanted);
        }
        for edge in expected.edge_indices() {
            prop_assert_eq!(graph.edge_endpoints(edge), expected.edge_endpoints(edge));
            prop_assert_eq!(graph.edge_weight(edge), expected.edge_weight(edge));
        }
        for (node, relation) in (0..n_nodes).flat_map(|n| (0..4).map(move |r| (n.into(), r))) {
            let id = RelationId(relation);
            let sorted = |direction| {
                let mut all = listed(&expected, node, direction);
                all.retain(|((_, r, _), _)| *r == relation);
                all.sort_by_key(|(key, _)| *key);
                all
            };
            let out = graph.edges_of(node, id).map(|edge| (key(edge), edge.data().sum));
            prop_assert!(out.eq(sorted(Outgoing)));
            let into = graph.edges_into(node, id).map(|edge| (key(edge), edge.data().sum));
            prop_assert!(into.eq(sorted(Incoming)));
        }
    }

    #[test]
    fn order_of_edges_does_not_show((n_nodes, edges) in edges(), seed in any::<u64>()) {
        let mut shuffled: Vec<_> = triples(&edges).collect();
        shuffled.sort_by_key(|(source, target, data)| {
            seed.wrapping_mul(u64::from(source * 64 + target * 3 + u32::from(data.relation.0)) | 1)
        });
        let graph = CompactGraph::from_edges(n_nodes as usize, shuffled.iter().copied()).unwrap();
        prop_assert_eq!(&graph, &compact(n_nodes, &edges));
        if let Some(first) = shuffled.first().copied() {
            shuffled.push(first);
            let twice = CompactGraph::from_edges(n_nodes as usize, shuffled);
            let is_duplicate = matches!(twice, Err(GraphError::Duplicate { .. }));
            prop_assert!(is_duplicate);
        }
    }

    #[test]
    fn overlay_is_petgraph((mut n_nodes, mut model) in edges(), changes in changes()) {
        let base = Arc::new(compact(n_nodes, &model));
        let mut overlay = Overlay::new(Arc::clone(&base));
        agree(&overlay, &oracle(n_nodes, &model));
        let (before, n_before) = (overlay.clone(), n_nodes);
        let unchanged = model.clone();
        for change in &changes {
            apply(&mut overlay, &mut n_nodes, &mut model, change);
        }
        agree(&overlay, &oracle(n_nodes, &model));
        indices_agree(&overlay, n_nodes, &model);
        agree(&before, &oracle(n_before, &unchanged));

        let merged = overlay.merge();
        let rebuilt = CompactGraph::from_edges(n_nodes as usize, triples(&model)).unwrap();
        prop_assert_eq!(&merged, &rebuilt);
        if n_nodes > 0 {
            let params = PprParams { alpha: 0.2, epsilon: 1e-4, ..PprParams::default() };
            let seeds = [(0.into(), 1.0)];
            let on_overlay =
                personalized_pagerank(UndirectedAdaptor(&overlay), &seeds, weight, &params);
            let on_merged =
                personalized_pagerank(UndirectedAdaptor(&merged), &seeds, weight, &params);
            prop_assert_eq!(on_overlay, on_merged);
        }
    }
}
