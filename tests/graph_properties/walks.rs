//! What goes over a graph both ways as slices, against its definition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, atomic::AtomicBool};

use petgraph::visit::{IntoNeighbors, UndirectedAdaptor};
use predilect::{
    graph::{CompactGraph, NodeIndex},
    traverse::{
        Budget, NeighborhoodSizes, PprWalkParams, PprWalks, TraverseError, WalkParams, Walker,
        k_hop,
    },
};
use proptest::prelude::*;

use super::{
    case::{compact, data, some_edges},
    oracle,
};

fn neighbors(graph: &CompactGraph, node: u32) -> Vec<u32> {
    let both_ways = UndirectedAdaptor(graph);
    both_ways.neighbors(node.into()).map(|other| other.index() as u32).collect()
}

/// How many nodes are near, by sets.
fn near(graph: &CompactGraph, start: u32, hops: u8, fanout: usize) -> usize {
    let mut seen = BTreeSet::from([start]);
    let mut last = seen.clone();
    for _ in 0..hops {
        let mut next = BTreeSet::new();
        for node in last {
            let all: BTreeSet<u32> = neighbors(graph, node).into_iter().collect();
            let fits = neighbors(graph, node).len() <= fanout;
            next.extend(all.into_iter().take(if fits { usize::MAX } else { fanout }));
        }
        last = next.difference(&seen).copied().collect();
        seen.extend(&last);
    }
    seen.len() - 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn sizes_are_those_of_sets((n_nodes, edges) in some_edges(), fanout in 0_usize..8) {
        let graph = compact(n_nodes, &edges);
        let mut sizes = NeighborhoodSizes::new(&graph);
        let budget = Budget::default();
        for start in 0..n_nodes {
            for hops in 0..4 {
                let all = sizes.of(start.into(), hops, usize::MAX, &budget).unwrap();
                let listed = k_hop(
                    UndirectedAdaptor(&graph), start.into(), hops, usize::MAX, &budget,
                );
                prop_assert_eq!(all, listed.unwrap().nodes.len() - 1);
                let some = sizes.of(start.into(), hops, fanout, &budget).unwrap();
                prop_assert_eq!(some, near(&graph, start, hops, fanout));
            }
        }
    }

    #[test]
    fn walks_follow_edges_whoever_makes_them(
        (n_nodes, edges) in some_edges(),
        (p, q) in prop_oneof![Just((1.0, 1.0)), (0.1_f64..4.0, 0.1_f64..4.0)],
        (seed, length) in (any::<u64>(), 1_usize..9),
    ) {
        let graph = compact(n_nodes, &edges);
        let params = WalkParams { per_node: 30, length, p, q, seed, ..WalkParams::default() };
        let walker = Walker::new(&graph, params).unwrap();
        let walks = walker.all(1).unwrap();
        let starts = (0..n_nodes).filter(|&node| !neighbors(&graph, node).is_empty());
        prop_assert_eq!(walker.n_walks(), 30 * starts.count());
        for walk in walks.chunks_exact(length) {
            for pair in walk.windows(2) {
                prop_assert!(neighbors(&graph, pair[0]).contains(&pair[1]));
            }
        }
        prop_assert_eq!(&walker.all(3).unwrap(), &walks);
        if walker.n_walks() > 7 {
            let mut some = Vec::new();
            walker.extend(2..7, &mut some).unwrap();
            prop_assert_eq!(&some, &walks[2 * length..7 * length]);
        }
    }

    #[test]
    fn walks_rank_as_pagerank_does(
        (n_nodes, edges) in some_edges(),
        (seed, epsilon) in (any::<u32>(), prop_oneof![Just(1.0), Just(0.1), Just(1e-3)]),
    ) {
        let edges = edges.into_keys().map(|(s, r, t)| ((s, r, t), data(r, 1.0))).collect();
        let graph = compact(n_nodes, &edges);
        let seed = seed % n_nodes;
        let k = usize::MAX;
        let params = PprWalkParams { n_walks: 20_000, epsilon, k, ..PprWalkParams::default() };
        let mut walks = PprWalks::new(&graph);
        let found = walks.rank(seed.into(), &params).unwrap();
        prop_assert!(found.is_sorted_by(|a, b| (b.1, a.0) < (a.1, b.0)));
        let exact = oracle::pagerank(UndirectedAdaptor(&graph), seed as usize, params.alpha);
        let found_by_node: BTreeMap<_, _> = found.iter().copied().collect();
        for (node, exact) in exact.iter().enumerate() {
            let found = found_by_node.get(&NodeIndex::new(node)).copied().unwrap_or(0.0);
            // Four standard errors of a share, with the visits of a walk that comes back often.
            prop_assert!((found - exact).abs() < 0.03, "{node}: {found}, {exact}");
        }
        prop_assert_eq!(walks.rank(seed.into(), &params).unwrap(), found);
    }
}

/// Nodes 0, 1 and 2 are joined to each other, and 3 to 2.
fn kite() -> CompactGraph {
    let edges = [(0, 1), (0, 2), (1, 2), (2, 3)].map(|(s, t)| (s, t, data(0, 1.0)));
    CompactGraph::from_edges(4, edges).unwrap()
}

#[test]
fn biased_steps_have_their_chances() {
    for (p, q) in [(0.25, 4.0), (4.0, 0.25), (0.5, 0.5), (2.0, 1.0)] {
        let graph = kite();
        let params = WalkParams { per_node: 4000, length: 12, p, q, ..WalkParams::default() };
        let walks = Walker::new(&graph, params).unwrap().all(2).unwrap();
        // From 1 to 2, and on: back to 1, to 0 that is joined to 1, or to 3 that is not.
        let mut counts = [0_u32; 4];
        for walk in walks.chunks_exact(12) {
            for steps in walk.windows(3).filter(|steps| steps[..2] == [1, 2]) {
                counts[steps[2] as usize] += 1;
            }
        }
        let weights = [1.0, 1.0 / p, 0.0, 1.0 / q];
        let (all, sum): (u32, f64) = (counts.iter().sum(), weights.iter().sum());
        for (count, weight) in counts.into_iter().zip(weights) {
            let (found, expected) = (f64::from(count) / f64::from(all), weight / sum);
            assert!((found - expected).abs() < 0.015, "p {p}, q {q}: {counts:?}");
        }
    }
}

#[test]
fn walks_end_early_when_enough_is_known() {
    let graph = kite();
    let mut walks = PprWalks::new(&graph);
    let params = PprWalkParams { epsilon: 1.0, n_walks: 100_000, ..PprWalkParams::default() };
    let visits = |found: Vec<(NodeIndex, f64)>| {
        // A visit is worth alpha over the number of walks.
        found.iter().map(|(_, score)| score).sum::<f64>() / 0.15 * 100_000.0
    };
    let all = visits(walks.rank(0.into(), &params).unwrap());
    assert!((all / 666_667.0 - 1.0).abs() < 0.02, "{all}");
    let enough = PprWalkParams { enough: Some((2, 500)), ..params.clone() };
    let some = visits(walks.rank(0.into(), &enough).unwrap());
    assert!((1000.0..3000.0).contains(&some), "{some}");
    let capped = PprWalkParams { budget: Budget::visits(1000), ..params };
    let few = visits(walks.rank(0.into(), &capped).unwrap());
    assert!((1000.0..1100.0).contains(&few), "{few}");
}

#[test]
fn what_cannot_be_walked_is_refused() {
    let graph = kite();
    let walker = |params| Walker::new(&graph, params).map(|_| ());
    for params in [
        WalkParams { per_node: 0, ..WalkParams::default() },
        WalkParams { length: 0, ..WalkParams::default() },
        WalkParams { p: 0.0, ..WalkParams::default() },
        WalkParams { q: f64::NAN, ..WalkParams::default() },
    ] {
        assert!(matches!(walker(params), Err(TraverseError::Param { .. })));
    }
    let mut walks = PprWalks::new(&graph);
    for params in [
        PprWalkParams { alpha: 1.0, ..PprWalkParams::default() },
        PprWalkParams { epsilon: 0.0, ..PprWalkParams::default() },
        PprWalkParams { n_walks: 0, ..PprWalkParams::default() },
    ] {
        assert!(matches!(walks.rank(0.into(), &params), Err(TraverseError::Param { .. })));
    }
    let unknown = TraverseError::UnknownNode { index: 4, bound: 4 };
    assert_eq!(walks.rank(4.into(), &PprWalkParams::default()), Err(unknown));
    let sizes = NeighborhoodSizes::new(&graph).of(4.into(), 1, 1, &Budget::default());
    assert_eq!(sizes, Err(unknown));

    let cancelled = Some(Arc::new(AtomicBool::new(true)));
    let budget = Budget { max_visits: usize::MAX, cancelled };
    let params = PprWalkParams { budget: budget.clone(), ..PprWalkParams::default() };
    assert_eq!(walks.rank(0.into(), &params), Err(TraverseError::Cancelled));
    // What was begun is forgotten.
    let fresh = PprWalks::new(&graph).rank(0.into(), &PprWalkParams::default());
    assert_eq!(walks.rank(0.into(), &PprWalkParams::default()), fresh);
    let params = WalkParams { budget, ..WalkParams::default() };
    assert_eq!(Walker::new(&graph, params).unwrap().all(2), Err(TraverseError::Cancelled));
}
