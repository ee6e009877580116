//! The paths that a random walk is most likely to take from one node to another.

use std::{cmp::Ordering, collections::BinaryHeap};

use petgraph::visit::{EdgeRef, IntoEdges, NodeIndexable};

use super::{Budget, TraverseError, known, weight::usable};

/// How far and how long to look for paths.
#[derive(Clone, Debug)]
pub struct PathParams {
    /// Most edges of a path. Default: 3, such as user, item, entity, item.
    pub max_hops: usize,
    /// Most paths to return. Default: 5.
    pub k: usize,
    /// Most edges to look at, and the flag that cancels. Default: 1,000,000 edges.
    pub budget: Budget,
}

impl Default for PathParams {
    fn default() -> Self {
        Self { max_hops: 3, k: 5, budget: Budget::visits(1_000_000) }
    }
}

/// A path without loops.
#[derive(Clone, PartialEq, Debug)]
pub struct Path<N, E> {
    /// Source to target; one more than `edges`.
    pub nodes: Vec<N>,
    /// The edges between them, in order.
    pub edges: Vec<E>,
    /// The probability that a walk from the source takes just these edges, in (0, 1].
    pub score: f64,
}

/// The best paths.
#[derive(Clone, PartialEq, Debug)]
pub struct Paths<N, E> {
    /// Best first; ties by the indices of the nodes, then by the order of parallel edges.
    pub paths: Vec<Path<N, E>>,
    /// Whether the budget ended before `k` paths or all were found; those found are the best still.
    pub capped: bool,
}

/// The `k` best paths without loops from `source` to `target`.
///
/// The score of a path is the product over its edges of *weight / strength*, where strength is the
/// sum of the weights of all edges of the node stepped from.
///
/// # Arguments
/// * `graph`: paths follow `edges`; wrap it in `UndirectedAdaptor` to step both ways.
/// * `weight`: what an edge weighs; one that is not finite, or negative, counts as 0.
/// * `params`: see [`PathParams`].
///
/// # Returns
/// [`Paths`]. When `source` is `target`, the path of that one node, with the score 1.
///
/// # Errors
/// [`TraverseError::UnknownNode`] for either end, [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(v (h + log v))** for **v** edges looked at (`budget.max_visits` at most) and **h**
///   hops; partial paths likelier than the last path returned are all looked at.
/// * Space: **O(v h)**.
///
/// # Example
/// ```
/// use petgraph::{Graph, visit::EdgeRef};
/// use predilect::traverse::{PathParams, find_paths};
///
/// let graph = Graph::<(), f64>::from_edges([(0, 1, 3.0), (0, 2, 1.0), (1, 3, 1.0), (2, 3, 1.0)]);
/// let params = PathParams::default();
/// let found = find_paths(&graph, 0.into(), 3.into(), |edge| *edge.weight(), &params)?;
/// assert_eq!(found.paths[0].nodes, [0.into(), 1.into(), 3.into()]);
/// assert_eq!(found.paths.iter().map(|path| path.score).collect::<Vec<_>>(), [0.75, 0.25]);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Best-first search over paths (Hart, Nilsson & Raphael 1968, with no heuristic): a path never
/// scores more than its beginning, so complete paths leave the queue best first.
pub fn find_paths<G>(
    graph: G,
    source: G::NodeId,
    target: G::NodeId,
    weight: impl Fn(G::EdgeRef) -> f64,
    params: &PathParams,
) -> Result<Paths<G::NodeId, G::EdgeId>, TraverseError>
where
    G: IntoEdges + NodeIndexable,
{
    find_paths_where(graph, source, target, weight, |_, _| true, params)
}

/// As [`find_paths`], but only along edges for which `allow(hop, edge)` holds, `hop` from 0.
///
/// An edge that is not allowed still counts in the strength of its node: the score remains the
/// probability of the walk. To walk as if the edge was not there, wrap the graph in `EdgeFiltered`.
///
/// # Errors
/// Those of [`find_paths`].
pub fn find_paths_where<G>(
    graph: G,
    source: G::NodeId,
    target: G::NodeId,
    weight: impl Fn(G::EdgeRef) -> f64,
    allow: impl Fn(usize, G::EdgeRef) -> bool,
    params: &PathParams,
) -> Result<Paths<G::NodeId, G::EdgeId>, TraverseError>
where
    G: IntoEdges + NodeIndexable,
{
    let target = known(graph, target)?;
    let mut queue = BinaryHeap::new();
    queue.push(Partial { score: 1.0, start: known(graph, source)?, hops: Vec::new() });
    let mut paths = Vec::new();
    let mut visits = 0;
    let mut edges = Vec::new();
    while paths.len() < params.k {
        let Some(partial) = queue.pop() else { break };
        params.budget.check()?;
        if partial.end() == target {
            paths.push(partial.into_path(graph));
            continue;
        }
        let hop = partial.hops.len();
        if hop >= params.max_hops {
            continue;
        }
        edges.clear();
        for edge in graph.edges(graph.from_index(partial.end())) {
            if visits >= params.budget.max_visits {
                return Ok(Paths { paths, capped: true });
            }
            visits += 1;
            edges.push((edge, usable(weight(edge))));
        }
        let strength: f64 = edges.iter().map(|(_, weight)| weight).sum();
        for (rank, (edge, weight)) in edges.iter().enumerate() {
            let node = graph.to_index(edge.target());
            let too_far = hop + 1 == params.max_hops && node != target;
            let score = partial.score * (weight / strength);
            if !too_far && score > 0.0 && !partial.holds(node) && allow(hop, *edge) {
                queue.push(partial.extended(Hop { node, rank, edge: edge.id() }, score));
            }
        }
    }
    Ok(Paths { paths, capped: false })
}

/// One step of a path: to which node, by which of the edges of the node before it.
#[derive(Clone, Copy)]
struct Hop<E> {
    node: usize,
    rank: usize,
    edge: E,
}

/// A path from the source that may not have reached the target yet.
struct Partial<E> {
    score: f64,
    start: usize,
    hops: Vec<Hop<E>>,
}

impl<E: Copy> Partial<E> {
    fn end(&self) -> usize {
        self.hops.last().map_or(self.start, |hop| hop.node)
    }

    fn holds(&self, node: usize) -> bool {
        self.start == node || self.hops.iter().any(|hop| hop.node == node)
    }

    fn extended(&self, hop: Hop<E>, score: f64) -> Self {
        let mut hops = Vec::with_capacity(self.hops.len() + 1);
        hops.extend_from_slice(&self.hops);
        hops.push(hop);
        Self { score, start: self.start, hops }
    }

    fn into_path<G>(self, graph: G) -> Path<G::NodeId, E>
    where
        G: NodeIndexable,
    {
        let indices = std::iter::once(self.start).chain(self.hops.iter().map(|hop| hop.node));
        Path {
            nodes: indices.map(|index| graph.from_index(index)).collect(),
            edges: self.hops.iter().map(|hop| hop.edge).collect(),
            score: self.score,
        }
    }

    fn steps(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.hops.iter().map(|hop| (hop.node, hop.rank))
    }
}

/// The greatest is the best: the likeliest, then the one with the least steps in dictionary order.
/// As the beginning of a path precedes the path, ties leave the queue in that order too.
impl<E: Copy> Ord for Partial<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.steps().cmp(self.steps()))
    }
}

impl<E: Copy> PartialOrd for Partial<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Copy> PartialEq for Partial<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E: Copy> Eq for Partial<E> {}
