//! Components and communities against their definitions.

use std::collections::BTreeSet;
use std::sync::{Arc, atomic::AtomicBool};

use petgraph::algo::connected_components as count_of_petgraph;
use predilect::{
    graph::{CompactGraph, Overlay},
    traverse::{
        Budget, Communities, CommunityParams, TraverseError, communities, connected_components,
    },
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::case::{Edges, compact, data, oracle, some_edges, weight};

fn find(graph: &CompactGraph, params: &CommunityParams) -> Communities {
    communities(graph, weight, params).unwrap()
}

/// Symmetric weights, those of loops twice.
fn matrix(n_nodes: u32, edges: &Edges) -> Vec<Vec<f64>> {
    let mut matrix = vec![vec![0.0; n_nodes as usize]; n_nodes as usize];
    for ((source, _, target), data) in edges {
        let sum = f64::from(data.sum).max(0.0);
        matrix[*source as usize][*target as usize] += sum;
        matrix[*target as usize][*source as usize] += sum;
    }
    matrix
}

/// Newman's definition: the sum over pairs of one community of what they have beyond chance.
fn modularity(matrix: &[Vec<f64>], labels: &[u32], resolution: f64) -> f64 {
    let strengths: Vec<f64> = matrix.iter().map(|row| row.iter().sum()).collect();
    let total: f64 = strengths.iter().sum();
    let mut sum = 0.0;
    for (i, row) in matrix.iter().enumerate() {
        for (j, weight) in row.iter().enumerate() {
            if labels[i] == labels[j] {
                sum += weight - resolution * strengths[i] * strengths[j] / total;
            }
        }
    }
    if total > 0.0 { sum / total } else { 0.0 }
}

/// The greatest modularity of any partition, by trying all of them.
fn greatest(matrix: &[Vec<f64>]) -> f64 {
    fn go(matrix: &[Vec<f64>], labels: &mut Vec<u32>, n_groups: u32) -> f64 {
        if labels.len() == matrix.len() {
            return modularity(matrix, labels, 1.0);
        }
        let mut best = f64::NEG_INFINITY;
        for label in 0..=n_groups {
            labels.push(label);
            best = best.max(go(matrix, labels, n_groups.max(label + 1)));
            labels.pop();
        }
        best
    }
    go(matrix, &mut Vec::new(), 0)
}

fn positive(edges: &Edges) -> Edges {
    edges.iter().filter(|(_, data)| data.sum > 0.0).map(|(key, data)| (*key, *data)).collect()
}

/// Each label is the smallest node of its group, and there are so many groups.
fn assert_labels(labels: &[u32], count: usize) {
    for (node, label) in labels.iter().enumerate() {
        assert!(*label as usize <= node && labels[*label as usize] == *label);
    }
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), count);
}

/// The edges between nodes of one group.
fn within(edges: &Edges, labels: &[u32]) -> Edges {
    let same = |(source, _, target): &(u32, u16, u32)| {
        labels[*source as usize] == labels[*target as usize]
    };
    edges.iter().filter(|(key, _)| same(key)).map(|(key, data)| (*key, *data)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn components_are_petgraphs((n_nodes, edges) in some_edges()) {
        let edges_that_weigh = positive(&edges);
        let found =
            connected_components(&compact(n_nodes, &edges), weight, &Budget::default()).unwrap();
        prop_assert_eq!(found.count, count_of_petgraph(&oracle(n_nodes, &edges_that_weigh)));
        assert_labels(&found.labels, found.count);
        for (source, _, target) in edges_that_weigh.keys() {
            prop_assert_eq!(found.labels[*source as usize], found.labels[*target as usize]);
        }
        prop_assert!(!found.capped);
    }

    #[test]
    fn communities_are_what_they_say(
        (n_nodes, edges) in some_edges(), seed in 0_u64..5, tenths in 1_u8..30,
    ) {
        let resolution = f64::from(tenths) / 10.0;
        let graph = compact(n_nodes, &edges);
        let params = CommunityParams { resolution, seed, ..CommunityParams::default() };
        let found = find(&graph, &params);
        assert_labels(&found.labels, found.count);
        let matrix = matrix(n_nodes, &edges);
        let by_definition = modularity(&matrix, &found.labels, resolution);
        prop_assert!((found.modularity - by_definition).abs() < 1e-9);
        let components = connected_components(&graph, weight, &Budget::default()).unwrap();
        let alone: Vec<u32> = (0..n_nodes).collect();
        for other in [&components.labels, &alone] {
            prop_assert!(found.modularity >= modularity(&matrix, other, resolution) - 1e-9);
        }
        // Each hangs together by its own edges.
        let own = oracle(n_nodes, &within(&positive(&edges), &found.labels));
        prop_assert_eq!(count_of_petgraph(&own), found.count);
        prop_assert_eq!(&find(&graph, &params), &found);
    }

    #[test]
    fn newer_edges_are_seen_and_change_nothing_else((n_nodes, edges) in some_edges()) {
        let whole = compact(n_nodes, &edges);
        let half: Edges = edges.iter().step_by(2).map(|(key, data)| (*key, *data)).collect();
        let mut overlay = Overlay::new(Arc::new(compact(n_nodes, &half)));
        for ((source, _, target), data) in &edges {
            overlay.put((*source).into(), (*target).into(), *data).unwrap();
        }
        let params = CommunityParams::default();
        let found = communities(&overlay, weight, &params).unwrap();
        prop_assert_eq!(found, find(&whole, &params));
    }

    #[test]
    fn a_budget_ends_the_search((n_nodes, edges) in some_edges(), max_visits in 0_usize..60) {
        let graph = compact(n_nodes, &edges);
        let budget = Budget::visits(max_visits);
        let params = CommunityParams { budget: budget.clone(), ..CommunityParams::default() };
        let found = find(&graph, &params);
        assert_labels(&found.labels, found.count);
        let by_definition = modularity(&matrix(n_nodes, &edges), &found.labels, 1.0);
        prop_assert!((found.modularity - by_definition).abs() < 1e-9);
        let components = connected_components(&graph, weight, &budget).unwrap();
        assert_labels(&components.labels, components.count);
        prop_assert_eq!(components.capped, max_visits < edges.len());
    }
}

/// `n_groups` groups of `size` nodes, with edges within and between by chance.
fn planted(n_groups: u32, size: u32, (p_in, p_out): (f64, f64), seed: u64) -> (u32, Edges) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let n_nodes = n_groups * size;
    let mut edges = Edges::new();
    for source in 0..n_nodes {
        for target in 0..source {
            // Members of a group are not neighbours by number.
            let p = if source % n_groups == target % n_groups { p_in } else { p_out };
            if random.random_bool(p) {
                edges.insert((source, 1, target), data(1, 1.0));
            }
        }
    }
    (n_nodes, edges)
}

#[test]
fn planted_groups_are_found() {
    for seed in 0..8 {
        let (n_nodes, edges) = planted(6, 30, (0.4, 0.02), seed);
        let found =
            find(&compact(n_nodes, &edges), &CommunityParams { seed, ..Default::default() });
        let expected: Vec<u32> = (0..n_nodes).map(|node| node % 6).collect();
        assert_eq!(found.labels, expected, "seed {seed}");
        assert!(!found.capped);
    }
}

#[test]
fn little_is_lost_to_the_best_of_all_partitions() {
    let (mut lost, mut best) = (0.0, 0.0);
    for seed in 0..60 {
        let (n_nodes, edges) = planted(2, 4, (0.7, 0.3), seed);
        let greatest = greatest(&matrix(n_nodes, &edges));
        let found = find(&compact(n_nodes, &edges), &CommunityParams::default()).modularity;
        assert!(found <= greatest + 1e-9);
        lost += greatest - found;
        best += greatest;
    }
    assert!(lost < 0.05 * best, "{lost} of {best}");
}

#[test]
fn a_greater_resolution_makes_smaller_communities() {
    let (n_nodes, edges) = planted(6, 30, (0.4, 0.02), 1);
    let graph = compact(n_nodes, &edges);
    let count = |resolution| {
        find(&graph, &CommunityParams { resolution, ..CommunityParams::default() }).count
    };
    assert!(count(0.01) == 1 && count(1.0) == 6 && count(50.0) > 60);
}

#[test]
fn what_cannot_be_is_refused_and_what_is_cancelled_ends() {
    let graph = compact(3, &Edges::from([((0, 1, 1), data(1, 1.0))]));
    for resolution in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let params = CommunityParams { resolution, ..CommunityParams::default() };
        let error = communities(&graph, weight, &params).unwrap_err();
        assert!(matches!(error, TraverseError::Param { name: "resolution", .. }));
    }
    let params = CommunityParams { max_rounds: 0, ..CommunityParams::default() };
    assert!(communities(&graph, weight, &params).is_err());
    let cancelled = Some(Arc::new(AtomicBool::new(true)));
    let budget = Budget { cancelled, ..Budget::default() };
    let found = connected_components(&graph, weight, &budget);
    assert_eq!(found, Err(TraverseError::Cancelled));
    let params = CommunityParams { budget, ..CommunityParams::default() };
    assert_eq!(communities(&graph, weight, &params), Err(TraverseError::Cancelled));
    let none = find(&CompactGraph::default(), &CommunityParams::default());
    assert_eq!((none.count, none.modularity), (0, 0.0));
}
