//! Why a traversal gave no answer.

use thiserror::Error;

/// Why a traversal gave no answer.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum TraverseError {
    /// The flag of the [`Budget`](super::Budget) was set.
    #[error("traversal was cancelled before it finished; allow it more time or a smaller budget")]
    Cancelled,
    /// A start, source or target lies beyond the graph.
    #[error("node {index} is not in the graph, whose indices are below {bound}")]
    UnknownNode {
        /// The index asked for.
        index: usize,
        /// The graph's `node_bound`.
        bound: usize,
    },
    /// A seed's mass must be a positive number.
    #[error("seed {index} has mass {mass}; give it a positive one or leave it out")]
    Seed {
        /// Index of the seed's node.
        index: usize,
        /// The mass given.
        mass: f64,
    },
    /// Nodes are numbered with 32 bits.
    #[error("graph has {found} nodes, more than 32 bits number; leave some out")]
    TooManyNodes {
        /// The graph's `node_bound`.
        found: usize,
    },
    /// Walks number both ends of every edge with 32 bits.
    #[error("graph has {found} edges, of which walks go over {} at most; leave some out", u32::MAX / 2)]
    TooManyEdges {
        /// The graph's number of edges.
        found: usize,
    },
    /// The masses of the seeds must sum to 1.
    #[error("masses of the seeds sum to {found}; divide each by their sum, so that they sum to 1")]
    SeedMass {
        /// The sum found.
        found: f64,
    },
    /// A parameter lies outside its range.
    #[error("{name} is {found}; it must lie in {expected}")]
    Param {
        /// Name of the parameter.
        name: &'static str,
        /// The value given.
        found: f64,
        /// The range it must lie in.
        expected: &'static str,
    },
    /// Forward push reached its cap before its bound.
    #[error(
        "stopped after {pushes} pushes with {residual} of the mass not placed; raise epsilon, \
         max_pushes or max_visits"
    )]
    Unfinished {
        /// Pushes done.
        pushes: usize,
        /// Mass that no node has been given.
        residual: f64,
    },
}
