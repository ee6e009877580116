//! What can be wrong with the edges of a graph.

use thiserror::Error;

/// Why a graph could not be built or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Edges must ascend by source, relation and target.
    #[error(
        "edge {position} ({source_node} -[{relation}]-> {target_node}) sorts before the one it \
         follows; sort by source, relation, target or use `from_edges`"
    )]
    Unsorted {
        /// Place of the edge in the input, from 0.
        position: usize,
        /// Index of its source.
        source_node: u32,
        /// Number of its relation.
        relation: u16,
        /// Index of its target.
        target_node: u32,
    },
    /// One source, relation and target may have one edge; fold its evidence first.
    #[error(
        "edge {source_node} -[{relation}]-> {target_node} is given twice; fold its evidence into \
         one edge"
    )]
    Duplicate {
        /// Index of the source.
        source_node: u32,
        /// Number of the relation.
        relation: u16,
        /// Index of the target.
        target_node: u32,
    },
    /// An edge ends at a node that the graph does not have.
    #[error("node {node} is not in the graph of {n_nodes} nodes; add it before its edges")]
    OutOfRange {
        /// The index asked for.
        node: u32,
        /// Number of nodes in the graph.
        n_nodes: usize,
    },
    /// Indices have 32 bits, of which petgraph keeps the last value for "none".
    #[error("{found} nodes are more than the {} that 32-bit indices can tell apart", u32::MAX)]
    TooManyNodes {
        /// Number of nodes asked for.
        found: usize,
    },
    /// Indices have 32 bits, of which petgraph keeps the last value for "none".
    #[error("more edges than the {} that 32-bit indices can tell apart", u32::MAX)]
    TooManyEdges,
}
