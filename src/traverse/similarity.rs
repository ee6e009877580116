//! Nodes that have the same neighbors, by the cosine of their weights.

use std::collections::HashMap;

use petgraph::visit::{EdgeRef, IntoEdges, NodeIndexable};

use super::{Budget, TraverseError, known, weight::usable};

/// The nodes most like another.
#[derive(Clone, PartialEq, Debug)]
pub struct Similar<N> {
    /// Node and cosine in (0, 1], best first, ties by node index.
    pub nodes: Vec<(N, f64)>,
    /// Whether the budget ended before all common neighbors were seen. Then the cosines count only
    /// the common neighbors seen, which makes them lower bounds, and nodes may be missing.
    pub capped: bool,
}

/// The `k` nodes whose neighbors are most like those of `node`.
///
/// # Arguments
/// * `graph`: leads from a node to its neighbors and back, as `UndirectedAdaptor` does; on a graph of
///   users and items, users are then compared by items, and items by users.
/// * `weight`: what an edge weighs, the same from both ends. Parallel edges add up. One that is not
///   finite, or negative, counts as 0.
/// * `k`: most nodes to return.
/// * `budget`: most edges to look at, and the flag that cancels.
///
/// # Returns
/// [`Similar`] nodes, without `node` itself: cosine of *x(a)* and *x(b)*, where *x(a)\[n\]* is the
/// weight of the edges between *a* and *n*.
///
/// # Errors
/// [`TraverseError::UnknownNode`] for `node`, [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(v log v)** for **v** edges within two steps of `node` and of its candidates.
/// * Space: **O(c)** for **c** candidates.
///
/// # Example
/// ```
/// use petgraph::{Graph, visit::{EdgeRef, UndirectedAdaptor}};
/// use predilect::traverse::{Budget, similar_nodes};
///
/// // Users 0, 1, 2 and items 3, 4.
/// let views = Graph::<(), f64>::from_edges([(0, 3, 1.0), (1, 3, 1.0), (1, 4, 1.0), (2, 4, 1.0)]);
/// let both_ways = UndirectedAdaptor(&views);
/// let similar = similar_nodes(both_ways, 0.into(), |e| *e.weight(), 10, &Budget::default())?;
/// assert_eq!(similar.nodes.len(), 1);
/// assert_eq!(similar.nodes[0].0, 1.into());
/// assert!((similar.nodes[0].1 - 0.5_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation algorithms",
/// WWW 2001, section 3.1.1, over weights instead of ratings.
pub fn similar_nodes<G>(
    graph: G,
    node: G::NodeId,
    weight: impl Fn(G::EdgeRef) -> f64,
    k: usize,
    budget: &Budget,
) -> Result<Similar<G::NodeId>, TraverseError>
where
    G: IntoEdges + NodeIndexable,
{
    let start = known(graph, node)?;
    let mut visits = 0;
    let Some(own) = row(graph, start, &weight, budget, &mut visits)? else {
        return Ok(Similar { nodes: Vec::new(), capped: true });
    };
    let mut products = HashMap::new();
    let mut capped = false;
    for (neighbor, own_weight) in &own {
        let Some(back) = row(graph, *neighbor, &weight, budget, &mut visits)? else {
            capped = true;
            break;
        };
        for (other, other_weight) in back {
            if other != start {
                *products.entry(other).or_insert(0.0) += own_weight * other_weight;
            }
        }
    }
    let mut candidates: Vec<(usize, f64)> = products.into_iter().collect();
    sort_best_first(&mut candidates);

    let own_norm = norm(&own);
    let mut similar = Vec::with_capacity(candidates.len());
    for (other, product) in candidates {
        let Some(theirs) = row(graph, other, &weight, budget, &mut visits)? else {
            capped = true;
            break;
        };
        let theirs = norm(&theirs);
        if theirs > 0.0 {
            similar.push((other, (product / own_norm / theirs).min(1.0)));
        }
    }
    sort_best_first(&mut similar);
    similar.truncate(k);
    let nodes = similar.into_iter().map(|(index, cosine)| (graph.from_index(index), cosine));
    Ok(Similar { nodes: nodes.collect(), capped })
}

/// The neighbors of a node by index with the sum of their weights; none when the budget ends first.
fn row<G>(
    graph: G,
    index: usize,
    weight: impl Fn(G::EdgeRef) -> f64,
    budget: &Budget,
    visits: &mut usize,
) -> Result<Option<Vec<(usize, f64)>>, TraverseError>
where
    G: IntoEdges + NodeIndexable,
{
    budget.check()?;
    let mut row = Vec::new();
    for edge in graph.edges(graph.from_index(index)) {
        if *visits >= budget.max_visits {
            return Ok(None);
        }
        *visits += 1;
        let weight = usable(weight(edge));
        if weight > 0.0 {
            row.push((graph.to_index(edge.target()), weight));
        }
    }
    row.sort_by_key(|(neighbor, _)| *neighbor);
    row.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    Ok(Some(row))
}

fn norm(row: &[(usize, f64)]) -> f64 {
    row.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt()
}

fn sort_best_first(scored: &mut [(usize, f64)]) {
    scored.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
}
