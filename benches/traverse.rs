//! How fast the graph is built, and walked with and without an overlay.

mod common;

use std::{hint::black_box, sync::Arc};

use common::{LAST_DAY, PowerLaw, power_law};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use petgraph::visit::{
    EdgeRef, IntoEdges, IntoEdgesDirected, NodeIndexable, UndirectedAdaptor, Visitable,
};
use predilect::{
    graph::{CompactGraph, EdgeData, EdgeIndex, NodeIndex, Overlay},
    schema::{RelationId, Timestamp},
    traverse::{
        Budget, PathParams, PprParams, PprScratch, WeightTable, find_paths, k_hop, similar_nodes,
    },
};

const MILLION: usize = 1_000_000;

fn compact(input: &PowerLaw) -> CompactGraph {
    CompactGraph::from_sorted_edges(input.n_nodes, input.edges.iter().copied()).unwrap()
}

/// An overlay with `n_changes` edges put: half replace one, half are new.
fn changed(input: &PowerLaw, base: &Arc<CompactGraph>, n_changes: usize) -> Overlay {
    let mut overlay = Overlay::new(Arc::clone(base));
    for (place, (source, target, data)) in
        input.edges.iter().step_by(MILLION / n_changes).enumerate()
    {
        let relation = if place % 2 == 0 { data.relation } else { RelationId(9) };
        let data = EdgeData { relation, ..*data };
        overlay.put((*source).into(), (*target).into(), data).unwrap();
    }
    overlay
}

fn build(c: &mut Criterion) {
    let input = power_law(MILLION, 1);
    let base = Arc::new(compact(&input));
    let overlay = changed(&input, &base, 10_000);
    let mut group = c.benchmark_group("build/csr/1M");
    group.sample_size(10).throughput(Throughput::Elements(MILLION as u64));
    group.bench_function("from_sorted_edges", |b| b.iter(|| compact(black_box(&input))));
    group.bench_function("merge_10k", |b| b.iter(|| black_box(&overlay).merge()));
    group.finish();
    let mut group = c.benchmark_group("clone/overlay/1M");
    group.bench_function("changes_10k", |b| b.iter(|| black_box(&overlay).clone()));
    group.finish();
}

/// The sum over all nodes of the worth of their edges, both ways.
fn scan_all<G>(graph: G) -> f64
where
    G: IntoEdgesDirected<NodeId = NodeIndex, EdgeWeight = EdgeData> + NodeIndexable,
{
    let both_ways = UndirectedAdaptor(graph);
    let nodes = (0..graph.node_bound()).map(NodeIndex::new);
    nodes.flat_map(|node| both_ways.edges(node)).map(|edge| f64::from(edge.weight().sum)).sum()
}

fn scan(c: &mut Criterion) {
    let input = power_law(MILLION, 1);
    let base = Arc::new(compact(&input));
    let (empty, overlay) = (Overlay::new(Arc::clone(&base)), changed(&input, &base, 10_000));
    let mut group = c.benchmark_group("scan/edges/1M");
    group.sample_size(20).throughput(Throughput::Elements(2 * MILLION as u64));
    group.bench_function("compact", |b| b.iter(|| scan_all(black_box(&*base))));
    group.bench_function("empty_overlay", |b| b.iter(|| scan_all(black_box(&empty))));
    group.bench_function("overlay_10k", |b| b.iter(|| scan_all(black_box(&overlay))));
    group.finish();
}

fn near<G>(graph: G, n_users: u32) -> usize
where
    G: IntoEdgesDirected<NodeId = NodeIndex> + NodeIndexable + Visitable,
{
    let users = (0..n_users).step_by(n_users as usize / 16).map(NodeIndex::from);
    let both_ways = UndirectedAdaptor(graph);
    users.map(|user| k_hop(both_ways, user, 2, 5000, &Budget::default()).unwrap().nodes.len()).sum()
}

fn hop(c: &mut Criterion) {
    let input = power_law(MILLION, 1);
    let base = Arc::new(compact(&input));
    let empty = Overlay::new(Arc::clone(&base));
    let mut group = c.benchmark_group("hop/2_of_16_users/1M");
    group.throughput(Throughput::Elements(near(&*base, input.n_users) as u64));
    group.bench_function("compact", |b| b.iter(|| near(black_box(&*base), input.n_users)));
    group.bench_function("empty_overlay", |b| b.iter(|| near(black_box(&empty), input.n_users)));
    group.finish();
}

/// Pushes from 16 users, and returns the edges looked at.
fn push_users<G>(
    graph: G,
    n_users: u32,
    epsilon: f64,
    weight: impl Fn(G::EdgeRef) -> f64,
    scratch: &mut PprScratch,
) -> usize
where
    G: IntoEdges<NodeId = NodeIndex> + NodeIndexable,
{
    let params = PprParams { epsilon, ..PprParams::default() };
    let users = (0..n_users).step_by(n_users as usize / 16).map(NodeIndex::from);
    users.map(|user| scratch.run(graph, &[(user, 1.0)], &weight, &params).unwrap().visits).sum()
}

fn push(c: &mut Criterion) {
    let input = power_law(MILLION, 1);
    let base = Arc::new(compact(&input));
    let (empty, overlay) = (Overlay::new(Arc::clone(&base)), changed(&input, &base, 10_000));
    let now = Timestamp::from_millis(i64::from(LAST_DAY) * 86_400_000).unwrap();
    let worth = |data: &EdgeData| data.worth(now, Some(30.0));
    let table = WeightTable::build(&*base, |edge| worth(edge.weight()));
    let kept = |edge: EdgeIndex| table.get(edge.index());
    let (both, n_users) = (UndirectedAdaptor(&*base), input.n_users);
    for (name, epsilon) in [("push/16_users_at_1e-4/1M", 1e-4), ("push/16_users_at_1e-5/1M", 1e-5)]
    {
        let mut scratch = PprScratch::new();
        let visits = push_users(both, n_users, epsilon, |e| worth(e.weight()), &mut scratch);
        let mut group = c.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(visits as u64));
        group.bench_function("compact", |b| {
            b.iter(|| push_users(both, n_users, epsilon, |e| worth(e.weight()), &mut scratch));
        });
        group.bench_function("compact_table", |b| {
            b.iter(|| push_users(both, n_users, epsilon, |e| kept(e.id()), &mut scratch));
        });
        for (name, overlay) in [("empty_overlay", &empty), ("overlay_10k", &overlay)] {
            let both = UndirectedAdaptor(overlay);
            group.bench_function(name, |b| {
                b.iter(|| push_users(both, n_users, epsilon, |e| worth(e.weight()), &mut scratch));
            });
        }
        group.finish();
    }
}

fn search(c: &mut Criterion) {
    let input = power_law(MILLION, 1);
    let base = compact(&input);
    let both = UndirectedAdaptor(&base);
    let sum = |data: &EdgeData| f64::from(data.sum);
    let (user, item) = (NodeIndex::new(7), NodeIndex::new(input.n_nodes - 100));
    let mut group = c.benchmark_group("search/paths_and_similar/1M");
    group.sample_size(10);
    let params = PathParams::default();
    group.bench_function("paths_3_hops", |b| {
        b.iter(|| find_paths(both, user, item, |e| sum(e.weight()), &params));
    });
    let budget = Budget::visits(MILLION);
    group.bench_function("similar_items", |b| {
        b.iter(|| similar_nodes(both, item, |e| sum(e.weight()), 20, &budget));
    });
    group.finish();
}

criterion_group!(benches, build, scan, hop, push, search);
criterion_main!(benches);
