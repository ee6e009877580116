//! Every traversal against its definition.

use std::sync::{Arc, atomic::AtomicBool};

use petgraph::visit::{Bfs, UndirectedAdaptor, Walker};
use predilect::{
    graph::{CompactGraph, NodeIndex},
    traverse::{
        Budget, PathParams, PprParams, PprScratch, TraverseError, WeightTable, find_paths,
        find_paths_where, k_hop, personalized_pagerank, similar_nodes,
    },
};
use proptest::prelude::*;

use super::{
    case::{compact, data, some_edges, weight},
    oracle,
};

const ROUNDING: f64 = 1e-12;

fn params(alpha: f64, epsilon: f64) -> PprParams {
    PprParams { alpha, epsilon, ..PprParams::default() }
}

/// Scores of seeds as a row, walking both ways.
fn scores(graph: &CompactGraph, seeds: &[(NodeIndex, f64)], params: &PprParams) -> Vec<f64> {
    let found = personalized_pagerank(UndirectedAdaptor(graph), seeds, weight, params).unwrap();
    let mut row = vec![0.0; graph.node_count()];
    for (node, score) in &found {
        row[node.index()] = *score;
    }
    assert!(found.is_sorted_by(|a, b| (b.1, a.0) < (a.1, b.0)));
    row
}

/// The documented bound of each node: epsilon times the sum of d(u) ppr(u, v) over u.
fn bounds(graph: &CompactGraph, params: &PprParams) -> Vec<f64> {
    let both_ways = UndirectedAdaptor(graph);
    let mut bounds = vec![0.0; graph.node_count()];
    for node in 0..graph.node_count() {
        let exact = oracle::pagerank(both_ways, node, params.alpha);
        let degree = both_ways_degree(graph, node).max(1) as f64;
        for (bound, score) in bounds.iter_mut().zip(exact) {
            *bound += params.epsilon * degree * score;
        }
    }
    bounds
}

fn both_ways_degree(graph: &CompactGraph, node: usize) -> usize {
    use petgraph::visit::IntoNeighbors;
    UndirectedAdaptor(graph).neighbors(NodeIndex::new(node)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn push_keeps_its_bound(
        (n_nodes, edges) in some_edges(),
        (a, b, share) in (any::<u32>(), any::<u32>(), 0.05_f64..0.95),
        (alpha, epsilon) in (0.1_f64..0.9, prop_oneof![Just(1e-1), Just(1e-2), Just(1e-5)]),
    ) {
        let graph = compact(n_nodes, &edges);
        let (a, b) = (a % n_nodes, b % n_nodes);
        let params = params(alpha, epsilon);
        let bounds = bounds(&graph, &params);
        let one = |node: u32| scores(&graph, &[(node.into(), 1.0)], &params);
        let exact = |node: u32| {
            oracle::pagerank(UndirectedAdaptor(&graph), node as usize, alpha)
        };
        let (push_a, push_b) = (one(a), one(b));
        for ((found, exact), bound) in push_a.iter().zip(exact(a)).zip(&bounds) {
            prop_assert!(*found <= exact + ROUNDING, "{found} > {exact}");
            prop_assert!(exact - found <= bound + ROUNDING, "{exact} - {found} > {bound}");
        }
        let both = scores(&graph, &[(a.into(), share), (b.into(), 1.0 - share)], &params);
        for (node, bound) in bounds.iter().enumerate() {
            let sum = share * push_a[node] + (1.0 - share) * push_b[node];
            prop_assert!((both[node] - sum).abs() <= bound + ROUNDING);
        }
    }

    #[test]
    fn push_reports_what_is_left(
        (n_nodes, edges) in some_edges(),
        max_pushes in 0_usize..20,
    ) {
        let graph = compact(n_nodes, &edges);
        let mut scratch = PprScratch::new();
        let params = PprParams { max_pushes, ..params(0.2, 1e-3) };
        for seed in 0..n_nodes {
            let ranked = scratch.rank(&graph, &[(seed.into(), 1.0)], weight, &params).unwrap();
            let placed: f64 = ranked.scores.iter().map(|(_, score)| score).sum();
            prop_assert!((placed + ranked.run.residual - 1.0).abs() < ROUNDING);
            let exact = oracle::pagerank(&graph, seed as usize, 0.2);
            for (node, score) in &ranked.scores {
                let missing = exact[node.index()] - score;
                prop_assert!(missing >= -ROUNDING && missing <= ranked.run.residual + ROUNDING);
            }
            let fresh = personalized_pagerank(&graph, &[(seed.into(), 1.0)], weight, &params);
            match fresh {
                Ok(scores) => prop_assert_eq!(scores, ranked.scores),
                Err(error) => {
                    let unfinished = matches!(error, TraverseError::Unfinished { .. });
                    prop_assert!(unfinished && ranked.run.capped);
                }
            }
        }
    }

    #[test]
    fn equal_weights_bound_by_degree((n_nodes, edges) in some_edges(), epsilon in 1e-4_f64..0.2) {
        let edges = edges.into_keys().map(|(s, r, t)| ((s, r, t), data(r, 1.0))).collect();
        let graph = compact(n_nodes, &edges);
        for seed in 0..n_nodes {
            let found = scores(&graph, &[(seed.into(), 1.0)], &params(0.15, epsilon));
            let exact = oracle::pagerank(UndirectedAdaptor(&graph), seed as usize, 0.15);
            for (node, (found, exact)) in found.iter().zip(exact).enumerate() {
                let bound = epsilon * both_ways_degree(&graph, node).max(1) as f64;
                prop_assert!(exact - found <= bound + ROUNDING);
            }
        }
    }

    #[test]
    fn a_weight_table_changes_nothing((n_nodes, edges) in some_edges()) {
        let graph = compact(n_nodes, &edges);
        let table = WeightTable::build(&graph, weight);
        let params = params(0.3, 1e-4);
        let seeds = [(0.into(), 1.0)];
        let looked_up = |edge: predilect::graph::EdgeReference<'_>| {
            use petgraph::visit::EdgeRef;
            table.get(edge.id().index())
        };
        prop_assert_eq!(
            personalized_pagerank(&graph, &seeds, looked_up, &params),
            personalized_pagerank(&graph, &seeds, weight, &params)
        );
    }

    #[test]
    fn paths_are_the_best_of_all(
        (n_nodes, edges) in some_edges(),
        (source, target) in (any::<u32>(), any::<u32>()),
        (max_hops, k, relation) in (0_usize..5, 0_usize..12, 0_u16..4),
    ) {
        let graph = compact(n_nodes, &edges);
        let both_ways = UndirectedAdaptor(&graph);
        let (source, target) = (source % n_nodes, target % n_nodes);
        let params = PathParams { max_hops, k, budget: Budget::default() };
        let allow = |hop: usize, data: &predilect::graph::EdgeData| {
            relation == 3 || hop > 0 || data.relation.0 == relation
        };
        let found = find_paths_where(
            both_ways,
            source.into(),
            target.into(),
            weight,
            |hop, edge| {
                use petgraph::visit::EdgeRef;
                allow(hop, edge.weight())
            },
            &params,
        ).unwrap();
        let all = oracle::paths(both_ways, source as usize, target as usize, max_hops, &allow);
        prop_assert!(!found.capped);
        prop_assert_eq!(found.paths.len(), k.min(all.len()));
        for (found, wanted) in found.paths.iter().zip(&all) {
            let nodes: Vec<_> = found.nodes[1..].iter().map(|node| node.index()).collect();
            let steps: Vec<_> = wanted.steps.iter().map(|step| step.0).collect();
            prop_assert_eq!(nodes, steps);
            prop_assert_eq!(found.nodes[0], source.into());
            prop_assert_eq!(&found.edges, &wanted.edges);
            prop_assert_eq!(found.score, wanted.score);
        }
    }

    #[test]
    fn capped_paths_are_the_first((n_nodes, edges) in some_edges(), max_visits in 0_usize..40) {
        let graph = compact(n_nodes, &edges);
        let target = (n_nodes - 1).into();
        let all = PathParams { max_hops: 4, k: 50, budget: Budget::default() };
        let few = PathParams { budget: Budget::visits(max_visits), ..all.clone() };
        let all = find_paths(&graph, 0.into(), target, weight, &all).unwrap();
        let few = find_paths(&graph, 0.into(), target, weight, &few).unwrap();
        prop_assert_eq!(&few.paths[..], &all.paths[..few.paths.len()]);
        prop_assert!(few.capped || few == all);
    }

    #[test]
    fn hops_are_those_of_bfs(
        (n_nodes, edges) in some_edges(),
        (start, hops, cap) in (any::<u32>(), 0_u8..6, 0_usize..20),
    ) {
        let graph = compact(n_nodes, &edges);
        let start = (start % n_nodes).into();
        let distance = petgraph::algo::dijkstra(&graph, start, None, |_| 1_u8);
        let all: Vec<_> = Bfs::new(&graph, start)
            .iter(&graph)
            .map(|node| (node, distance[&node]))
            .filter(|(_, distance)| *distance <= hops)
            .collect();
        let found = k_hop(&graph, start, hops, cap, &Budget::default()).unwrap();
        prop_assert_eq!(&found.nodes[..], &all[..cap.min(all.len())]);
        prop_assert_eq!(found.capped, cap < all.len());
        let few = k_hop(&graph, start, hops, cap, &Budget::visits(cap / 2)).unwrap();
        prop_assert_eq!(&few.nodes[..], &found.nodes[..few.nodes.len()]);
        prop_assert!(few.capped || few == found);
    }

    #[test]
    fn similarity_is_the_cosine((n_nodes, edges) in some_edges(), k in 0_usize..20) {
        let graph = compact(n_nodes, &edges);
        let both_ways = UndirectedAdaptor(&graph);
        for node in 0..n_nodes {
            let unlimited = Budget::default();
            let found = similar_nodes(both_ways, node.into(), weight, k, &unlimited).unwrap();
            let cosines: Vec<_> = (0..n_nodes)
                .map(|other| oracle::cosine(both_ways, node as usize, other as usize))
                .collect();
            let others = (0..n_nodes).filter(|other| *other != node);
            let positive = others.filter(|other| cosines[*other as usize] > 0.0).count();
            prop_assert!(!found.capped);
            prop_assert_eq!(found.nodes.len(), k.min(positive));
            prop_assert!(found.nodes.is_sorted_by(|a, b| (b.1, a.0) < (a.1, b.0)));
            for (other, cosine) in &found.nodes {
                prop_assert!((cosine - cosines[other.index()]).abs() < 1e-9);
            }
            let worst = found.nodes.last().map_or(f64::MAX, |(_, cosine)| *cosine);
            let listed = |other: u32| found.nodes.iter().any(|(node, _)| node.index() as u32 == other);
            for other in (0..n_nodes).filter(|other| *other != node && !listed(*other)) {
                prop_assert!(k == 0 || cosines[other as usize] <= worst + 1e-9);
            }
        }
    }
}

#[test]
fn a_set_flag_cancels() {
    let graph = CompactGraph::from_edges(2, [(0, 1, data(0, 1.0))]).unwrap();
    let budget = Budget { cancelled: Some(Arc::new(AtomicBool::new(true))), ..Budget::default() };
    let (start, cancelled) = (0.into(), TraverseError::Cancelled);
    let ppr = PprParams { budget: budget.clone(), ..PprParams::default() };
    let paths = PathParams { budget: budget.clone(), ..PathParams::default() };
    assert_eq!(personalized_pagerank(&graph, &[(start, 1.0)], weight, &ppr), Err(cancelled));
    assert_eq!(find_paths(&graph, start, 1.into(), weight, &paths), Err(cancelled));
    assert_eq!(k_hop(&graph, start, 2, 9, &budget), Err(cancelled));
    assert_eq!(similar_nodes(&graph, start, weight, 9, &budget), Err(cancelled));
}
