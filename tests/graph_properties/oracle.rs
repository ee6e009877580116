//! The traversals by their definitions, on graphs small enough for it.

use petgraph::visit::{EdgeRef, IntoEdges, NodeIndexable};
use predilect::graph::{EdgeData, EdgeIndex, NodeIndex};

use super::case::weight;

/// Exact Personalized PageRank of one seed, by power iteration until nothing is left to walk.
pub fn pagerank<G>(graph: G, seed: usize, alpha: f64) -> Vec<f64>
where
    G: IntoEdges<NodeId = NodeIndex, EdgeWeight = EdgeData> + NodeIndexable,
{
    let n_nodes = graph.node_bound();
    let mut scores = vec![0.0; n_nodes];
    let mut walking = vec![0.0; n_nodes];
    walking[seed] = 1.0;
    while walking.iter().sum::<f64>() > 1e-17 {
        let mut next = vec![0.0; n_nodes];
        for (node, mass) in walking.iter().enumerate() {
            let edges = || graph.edges(graph.from_index(node));
            let strength: f64 = edges().map(|edge| weight(edge).max(0.0)).sum();
            if strength == 0.0 {
                scores[node] += mass;
                continue;
            }
            scores[node] += alpha * mass;
            for edge in edges() {
                let share = weight(edge).max(0.0) / strength;
                next[graph.to_index(edge.target())] += (1.0 - alpha) * mass * share;
            }
        }
        walking = next;
    }
    scores
}

/// A path as the steps it takes: node and rank of the edge, the edges, and the score.
pub struct Found {
    pub steps: Vec<(usize, usize)>,
    pub edges: Vec<EdgeIndex>,
    pub score: f64,
}

/// Every path without loops from `source` to `target`, best first.
pub fn paths<G>(
    graph: G,
    source: usize,
    target: usize,
    max_hops: usize,
    allow: &dyn Fn(usize, &EdgeData) -> bool,
) -> Vec<Found>
where
    G: IntoEdges<NodeId = NodeIndex, EdgeId = EdgeIndex, EdgeWeight = EdgeData> + NodeIndexable,
{
    let mut complete = Vec::new();
    let mut open = vec![Found { steps: Vec::new(), edges: Vec::new(), score: 1.0 }];
    while let Some(path) = open.pop() {
        let end = path.steps.last().map_or(source, |step| step.0);
        if end == target {
            complete.push(path);
            continue;
        }
        if path.edges.len() == max_hops {
            continue;
        }
        let weights = || graph.edges(graph.from_index(end)).map(|edge| weight(edge).max(0.0));
        let strength: f64 = weights().sum();
        for (rank, edge) in graph.edges(graph.from_index(end)).enumerate() {
            let node = graph.to_index(edge.target());
            let loops = node == source || path.steps.iter().any(|step| step.0 == node);
            let edge_weight = weight(edge);
            if loops || edge_weight <= 0.0 || !allow(path.edges.len(), edge.weight()) {
                continue;
            }
            let steps = path.steps.iter().copied().chain([(node, rank)]).collect();
            let edges = path.edges.iter().copied().chain([edge.id()]).collect();
            open.push(Found { steps, edges, score: path.score * (edge_weight / strength) });
        }
    }
    complete.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.steps.cmp(&b.steps)));
    complete
}

/// Cosine between the rows of two nodes in the dense matrix of weights.
pub fn cosine<G>(graph: G, a: usize, b: usize) -> f64
where
    G: IntoEdges<NodeId = NodeIndex, EdgeWeight = EdgeData> + NodeIndexable,
{
    let row = |node| {
        let mut row = vec![0.0; graph.node_bound()];
        for edge in graph.edges(graph.from_index(node)) {
            row[graph.to_index(edge.target())] += weight(edge).max(0.0);
        }
        row
    };
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (a, b) = (row(a), row(b));
    let product = dot(&a, &b);
    if product == 0.0 { 0.0 } else { product / (dot(&a, &a) * dot(&b, &b)).sqrt() }
}
