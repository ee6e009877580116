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
        let mut walks = PprWalks::new(&graph).unwrap();
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
fn walks_end_at_the_cap() {
    let graph = kite();
    let mut walks = PprWalks::new(&graph).unwrap();
    let params = PprWalkParams { epsilon: 1.0, n_walks: 100_000, ..PprWalkParams::default() };
    let mut n_visits = |params: &PprWalkParams| {
        let found = walks.rank(0.into(), params).unwrap();
        let sum: f64 = found.iter().map(|(_, score)| score).sum();
        // Of the sum, alpha is of walks that begin and stop at the seed, and the rest is what one step
        // brings: of that again alpha is the seed's for certain, and each visit after it is worth
        // alpha (1 - alpha) over the number of walks.
        ((sum - 0.15) / 0.85 - 0.15) / (0.15 * 0.85) * 100_000.0
    };
    let all = n_visits(&params);
    assert!((all / 666_667.0 - 1.0).abs() < 0.02, "{all}");
    let some = n_visits(&PprWalkParams { budget: Budget::visits(1000), ..params });
    assert!((999.0..1100.0).contains(&some), "{some}");
}

/// Users 0 to 1499 with 4 to 40 of 500 items each, few items with many users and many with few.
fn users_and_items() -> CompactGraph {
    let mut drawn = 7_u64;
    let mut draw = |n: u64| {
        drawn =
            drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (drawn >> 33) % n
    };
    let mut edges = BTreeMap::new();
    for user in 0..1500 {
        for _ in 0..4 + draw(37) {
            // Users have a taste: three of four items are of a tenth of all.
            let (rank, taste) = (draw(50) * draw(50) / 50, u64::from(user) % 10);
            let taste = if draw(4) == 0 { draw(10) } else { taste };
            edges.insert((user, 0, 1500 + (rank * 10 + taste) as u32), data(0, 1.0));
        }
    }
    compact(2000, &edges)
}

#[test]
fn few_walks_find_most_of_the_best() {
    let graph = users_and_items();
    let mut walks = PprWalks::new(&graph).unwrap();
    let params = PprWalkParams { n_walks: 300, ..PprWalkParams::default() };
    let mut n_hits = 0;
    for seed in (0..1500).step_by(75) {
        let exact = oracle::pagerank(UndirectedAdaptor(&graph), seed, params.alpha);
        let mut nodes: Vec<usize> = (0..exact.len()).collect();
        nodes.sort_by(|&a, &b| exact[b].total_cmp(&exact[a]));
        let found = walks.rank((seed as u32).into(), &params).unwrap();
        assert_eq!(found.len(), 50);
        n_hits += found.iter().filter(|(node, _)| nodes[..50].contains(&node.index())).count();
    }
    assert!(n_hits >= 900, "{n_hits} of 1000");
}

#[test]
fn shares_of_long_and_short_rows_are_right() {
    // A hub of 600 nodes, whose row is counted node by node, and a triangle at one of them.
    let spokes = (1..=600).map(|node| (0, node, data(0, 1.0)));
    let triangle = [(1, 601), (1, 602), (601, 602)].map(|(s, t)| (s, t, data(0, 1.0)));
    let graph = CompactGraph::from_edges(603, spokes.chain(triangle)).unwrap();
    let mut walks = PprWalks::new(&graph).unwrap();
    for seed in [0, 1, 2, 602] {
        let params =
            PprWalkParams { n_walks: 50_000, epsilon: 1.0, k: 603, ..PprWalkParams::default() };
        let found = walks.rank(seed.into(), &params).unwrap();
        let exact = oracle::pagerank(UndirectedAdaptor(&graph), seed as usize, params.alpha);
        for (node, score) in found {
            let exact = exact[node.index()];
            // Six standard errors of visits that count by themselves.
            let error = 6.0 * (exact * 0.15 / 50_000.0).sqrt() + 1e-5;
            assert!((score - exact).abs() < error, "{seed}, {node:?}: {score}, {exact}");
        }
    }
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
    let mut walks = PprWalks::new(&graph).unwrap();
    for params in [
        PprWalkParams { alpha: 1.0, ..PprWalkParams::default() },
        PprWalkParams { alpha: 1e-9, ..PprWalkParams::default() },
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
    let fresh = PprWalks::new(&graph).unwrap().rank(0.into(), &PprWalkParams::default());
    assert_eq!(walks.rank(0.into(), &PprWalkParams::default()), fresh);
    let params = WalkParams { budget, ..WalkParams::default() };
    assert_eq!(Walker::new(&graph, params).unwrap().all(2), Err(TraverseError::Cancelled));
}
