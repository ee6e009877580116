//! The nodes within a few steps, nearest first.

use petgraph::visit::{IntoNeighbors, NodeIndexable, VisitMap, Visitable};

use super::{Budget, TraverseError, known};

/// The nodes around a start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Neighborhood<N> {
    /// Each node once with its distance in steps, the start first with 0, nearest first and then in
    /// the order in which the graph lists them.
    pub nodes: Vec<(N, u8)>,
    /// Whether there were more nodes than the cap, or more edges than the budget.
    pub capped: bool,
}

/// The nodes within `hops` steps of `start`, by breadth-first search.
///
/// # Arguments
/// * `graph`: steps follow `neighbors`; an adaptor turns or filters them.
/// * `hops`: greatest distance.
/// * `cap`: most nodes to return, the start included.
/// * `budget`: most neighbors to look at, and the flag that cancels.
///
/// # Returns
/// A [`Neighborhood`]; when it is capped, the nodes are the first of those that a greater cap gives.
///
/// # Errors
/// [`TraverseError::UnknownNode`] for `start`, [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(|V| / 64 + v)** for **v** edges of the nodes returned.
/// * Space: **O(|V| / 64 + t)** words for **t** nodes returned.
///
/// # Example
/// ```
/// use petgraph::Graph;
/// use predilect::traverse::{Budget, k_hop};
///
/// let graph = Graph::<(), ()>::from_edges([(0, 1), (1, 2), (2, 3)]);
/// let near = k_hop(&graph, 0.into(), 2, 100, &Budget::default())?;
/// assert_eq!(near.nodes, [(0.into(), 0), (1.into(), 1), (2.into(), 2)]);
/// assert!(!near.capped);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Breadth-first search as petgraph's `Bfs`, with distances and caps.
pub fn k_hop<G>(
    graph: G,
    start: G::NodeId,
    hops: u8,
    cap: usize,
    budget: &Budget,
) -> Result<Neighborhood<G::NodeId>, TraverseError>
where
    G: IntoNeighbors + NodeIndexable + Visitable,
{
    known(graph, start)?;
    if cap == 0 {
        return Ok(Neighborhood { nodes: Vec::new(), capped: true });
    }
    let mut seen = graph.visit_map();
    seen.visit(start);
    let mut nodes = vec![(start, 0)];
    let mut next = 0;
    let mut visits = 0;
    while let Some(&(node, distance)) = nodes.get(next).filter(|(_, distance)| *distance < hops) {
        budget.check()?;
        next += 1;
        for neighbor in graph.neighbors(node) {
            visits += 1;
            if visits > budget.max_visits {
                return Ok(Neighborhood { nodes, capped: true });
            }
            if seen.visit(neighbor) {
                if nodes.len() == cap {
                    return Ok(Neighborhood { nodes, capped: true });
                }
                nodes.push((neighbor, distance + 1));
            }
        }
    }
    Ok(Neighborhood { nodes, capped: false })
}
