//! What an edge weighs in a traversal.

use petgraph::visit::{EdgeIndexable, EdgeRef, IntoEdgeReferences};

use crate::graph::Array;

const LEAST: f64 = 1e-100;
const GREATEST: f64 = 1e100;

/// The weight as the algorithms use it: 0, or between the least and the greatest.
#[inline]
pub(super) fn usable(weight: f64) -> f64 {
    if weight.is_finite() && weight >= LEAST { weight.min(GREATEST) } else { 0.0 }
}

/// Weights computed once, to be used by many traversals of one graph as of one time.
///
/// A weight that fades costs a power of two per visit; this costs a load. Weights are kept as f32.
///
/// # Example
/// ```
/// use petgraph::{Graph, visit::EdgeRef};
/// use predilect::traverse::{PprParams, WeightTable, personalized_pagerank};
///
/// let graph = Graph::<(), f32>::from_edges([(0, 1, 3.0), (0, 2, 1.0)]);
/// let table = WeightTable::build(&graph, |edge| f64::from(*edge.weight()));
/// let scores = personalized_pagerank(
///     &graph,
///     &[(0.into(), 1.0)],
///     |edge| table.get(edge.id().index()),
///     &PprParams { alpha: 0.5, ..PprParams::default() },
/// )?;
/// assert_eq!(scores, [(0.into(), 0.5), (1.into(), 0.375), (2.into(), 0.125)]);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct WeightTable {
    weights: Array<f32>,
}

impl WeightTable {
    /// The weight of every edge of `graph`.
    ///
    /// # Complexity
    /// **O(|E|)** calls of `weight`; 4 bytes per edge index.
    pub fn build<G>(graph: G, weight: impl Fn(G::EdgeRef) -> f64) -> Self
    where
        G: IntoEdgeReferences + EdgeIndexable,
    {
        let mut weights = vec![0.0; graph.edge_bound()];
        for edge in graph.edge_references() {
            if let Some(slot) = weights.get_mut(graph.to_index(edge.id())) {
                *slot = Self::kept(weight(edge));
            }
        }
        Self { weights: weights.into() }
    }

    /// A weight as a table keeps it.
    pub(crate) fn kept(weight: f64) -> f32 {
        usable(weight).min(f64::from(f32::MAX)) as f32
    }

    /// A table of weights as [`WeightTable::kept`] makes them.
    pub(crate) fn from_weights(weights: Array<f32>) -> Self {
        Self { weights }
    }

    /// The weight of every edge index.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The weight of the edge with this index; 0 for an unknown one.
    #[inline]
    pub fn get(&self, edge_index: usize) -> f64 {
        self.weights.get(edge_index).copied().map_or(0.0, f64::from)
    }
}
