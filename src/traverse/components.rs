//! Which nodes hang together, whatever the direction of the edges.

use petgraph::visit::{EdgeRef, IntoEdgeReferences, NodeCompactIndexable};

use super::{Budget, TraverseError, weight::usable};

/// Edges between two looks at the flag of the budget.
const BETWEEN_CHECKS: usize = 1 << 12;

/// A graph's nodes in groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Components {
    /// By node index: the smallest index of the node's group.
    pub labels: Vec<u32>,
    /// How many groups there are; a node without edges is one.
    pub count: usize,
    /// Whether the budget ended before all edges were seen: then groups may belong together.
    pub capped: bool,
}

/// The weakly connected components of a graph.
///
/// # Arguments
/// * `graph`: edges count whatever their direction.
/// * `weight`: what an edge weighs; one that weighs nothing joins nothing.
/// * `budget`: most edges to look at, and the flag that cancels.
///
/// # Errors
/// [`TraverseError::TooManyNodes`], [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(|V| + |E| α(|V|))**.
/// * Space: 4 bytes per node.
///
/// # Example
/// ```
/// use petgraph::Graph;
/// use predilect::traverse::{Budget, connected_components};
///
/// let graph = Graph::<(), ()>::from_edges([(0, 1), (3, 2), (4, 3)]);
/// let found = connected_components(&graph, |_| 1.0, &Budget::default())?;
/// assert_eq!(found.labels, [0, 0, 2, 2, 2]);
/// assert_eq!(found.count, 2);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Tarjan & van Leeuwen, "Worst-case analysis of set union algorithms", J. ACM 31, 1984: path
/// halving; linked by index, so that the root of a set is its smallest node.
pub fn connected_components<G>(
    graph: G,
    weight: impl Fn(G::EdgeRef) -> f64,
    budget: &Budget,
) -> Result<Components, TraverseError>
where
    G: IntoEdgeReferences + NodeCompactIndexable,
{
    let mut sets = Sets::new(graph.node_bound())?;
    let mut capped = false;
    for (visits, edge) in graph.edge_references().enumerate() {
        if visits % BETWEEN_CHECKS == 0 {
            budget.check()?;
        }
        if visits >= budget.max_visits {
            capped = true;
            break;
        }
        let ends = (graph.to_index(edge.source()), graph.to_index(edge.target()));
        if usable(weight(edge)) > 0.0 {
            sets.unite(ends.0, ends.1);
        }
    }
    let (labels, count) = sets.labels();
    Ok(Components { labels, count, capped })
}

/// Disjoint sets of nodes.
pub(super) struct Sets {
    /// By node: a node of its set with a smaller index; a root has itself.
    parents: Vec<u32>,
}

impl Sets {
    /// Every node by itself.
    pub(super) fn new(n_nodes: usize) -> Result<Self, TraverseError> {
        let too_many = TraverseError::TooManyNodes { found: n_nodes };
        let n_nodes = u32::try_from(n_nodes).map_err(|_| too_many)?;
        Ok(Self { parents: (0..n_nodes).collect() })
    }

    fn root(&mut self, node: usize) -> u32 {
        let mut at = node;
        loop {
            let parent = self.parents[at];
            if parent as usize == at {
                return parent;
            }
            let above = self.parents[parent as usize];
            self.parents[at] = above;
            at = above as usize;
        }
    }

    pub(super) fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }

    /// The smallest node of each one's set, and how many sets there are.
    pub(super) fn labels(mut self) -> (Vec<u32>, usize) {
        let mut count = 0;
        // A parent comes before its children and is a root by then.
        for node in 0..self.parents.len() {
            let label = self.parents[self.parents[node] as usize];
            self.parents[node] = label;
            count += usize::from(label as usize == node);
        }
        (self.parents, count)
    }
}
