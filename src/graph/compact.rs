//! The graph to read: compressed sparse rows in both directions, immutable.
//!
//! Out-edges lie in the order (source, relation, target), so the edges of one relation are a
//! sub-range and one edge is found by binary search; an [`EdgeIndex`] is the place of the edge in
//! that order. In-edges lie in the order (target, relation, source) and name the place of the same
//! edge among the out-edges, so an edge's data is held once: 16 bytes out, 8 bytes in, and 8 bytes
//! per node for the two rows of offsets.
//!
//! `petgraph::Graph` links the edges of a node in a list, which cannot be adjacent in memory both
//! ways; `petgraph::csr::Csr` has neither parallel edges nor incoming ones.

mod arrays;
mod build;

use std::ops::Range;

use petgraph::Direction;

pub(crate) use self::arrays::Arrays;
pub(crate) use self::build::accumulate;
use super::{Array, EdgeData, EdgeIndex, EdgeReference, Edges, NodeIndex};
use crate::schema::RelationId;

/// An immutable directed graph with typed, parallel edges, readable along both directions.
///
/// # Example
/// ```
/// use petgraph::visit::{EdgeRef, IntoEdges};
/// use predilect::{graph::{CompactGraph, EdgeData, NodeIndex}, schema::RelationId};
///
/// let viewed = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
/// let graph = CompactGraph::from_edges(3, [(0, 2, viewed), (0, 1, viewed)])?;
/// let targets: Vec<_> = graph.edges(NodeIndex::new(0)).map(|e| e.target().index()).collect();
/// assert_eq!(targets, [1, 2]);
/// # Ok::<(), predilect::graph::GraphError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CompactGraph {
    out_offsets: Array<u32>,
    targets: Array<u32>,
    data: Array<EdgeData>,
    in_offsets: Array<u32>,
    sources: Array<u32>,
    in_edges: Array<u32>,
    /// Whether every row ascends by the other end alone, whatever the relations.
    by_node: bool,
}

/// The edges of one direction as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// `[nodes + 1]`: where each node's row begins, and the end of the last; empty without nodes.
    pub offsets: &'a [u32],
    /// `[edges]`: the other end of each edge, in a row by relation and then by node.
    pub others: &'a [u32],
    /// Whether the rows of both directions ascend strictly by node, whatever the relations.
    pub by_node: bool,
}

impl<'a> Rows<'a> {
    /// The other ends of a node's edges.
    ///
    /// # Panics
    /// When the graph has no such node.
    #[inline]
    pub fn of(&self, node: u32) -> &'a [u32] {
        let node = node as usize;
        &self.others[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }
}

impl CompactGraph {
    /// Number of nodes, with or without edges.
    pub fn node_count(&self) -> usize {
        self.out_offsets.len().saturating_sub(1)
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.data.len()
    }

    /// Bytes that the arrays occupy: 24 per edge and 8 per node.
    pub fn bytes(&self) -> usize {
        size_of::<u32>()
            * (self.out_offsets.len()
                + self.in_offsets.len()
                + self.targets.len()
                + self.sources.len()
                + self.in_edges.len())
            + size_of::<EdgeData>() * self.data.len()
    }

    /// The rows of one direction as they lie in memory, for inner loops.
    pub fn rows(&self, direction: Direction) -> Rows<'_> {
        let (offsets, others) = match direction {
            Direction::Outgoing => (&self.out_offsets, &self.targets),
            Direction::Incoming => (&self.in_offsets, &self.sources),
        };
        Rows { offsets, others, by_node: self.by_node }
    }

    /// The data of `edge`, if the graph has it.
    pub fn edge_weight(&self, edge: EdgeIndex) -> Option<&EdgeData> {
        self.data.get(edge.index())
    }

    /// Source and target of `edge`, if the graph has it; **O(log |V|)**.
    pub fn edge_endpoints(&self, edge: EdgeIndex) -> Option<(NodeIndex, NodeIndex)> {
        let target = *self.targets.get(edge.index())?;
        let source =
            self.out_offsets.partition_point(|offset| *offset as usize <= edge.index()) - 1;
        Some((NodeIndex::new(source), NodeIndex::new(target as usize)))
    }

    /// The out-edges of `node` of one relation, by target; **O(log degree)** to find.
    pub fn edges_of(&self, node: NodeIndex, relation: RelationId) -> Edges<'_> {
        let slots = self.relation_slots(node, Direction::Outgoing, relation);
        Edges::new(self, node, Direction::Outgoing, slots)
    }

    /// The in-edges of `node` of one relation, by source; **O(log degree)** to find.
    pub fn edges_into(&self, node: NodeIndex, relation: RelationId) -> Edges<'_> {
        let slots = self.relation_slots(node, Direction::Incoming, relation);
        Edges::new(self, node, Direction::Incoming, slots)
    }

    /// The edge of one source, relation and target, if there is one; **O(log degree)**.
    pub fn find_edge(
        &self,
        source: NodeIndex,
        relation: RelationId,
        target: NodeIndex,
    ) -> Option<EdgeIndex> {
        self.find_slot(source, Direction::Outgoing, relation, target).map(EdgeIndex::new)
    }

    /// The slot, among those of `direction`, of the edge that joins `node` and `other`.
    pub(super) fn find_slot(
        &self,
        node: NodeIndex,
        direction: Direction,
        relation: RelationId,
        other: NodeIndex,
    ) -> Option<usize> {
        let slots = self.relation_slots(node, direction, relation);
        let others = match direction {
            Direction::Outgoing => &self.targets[slots.clone()],
            Direction::Incoming => &self.sources[slots.clone()],
        };
        let place = others.binary_search_by_key(&other.index(), |o| *o as usize).ok()?;
        Some(slots.start + place)
    }

    /// The slots of all edges of `node` along `direction`; none for an unknown node.
    pub(super) fn slots(&self, node: NodeIndex, direction: Direction) -> Range<usize> {
        let offsets = match direction {
            Direction::Outgoing => &self.out_offsets,
            Direction::Incoming => &self.in_offsets,
        };
        match offsets.get(node.index()..).and_then(|rest| rest.get(..2)) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// The slots of the edges of `node` along `direction` that have `relation`.
    pub(super) fn relation_slots(
        &self,
        node: NodeIndex,
        direction: Direction,
        relation: RelationId,
    ) -> Range<usize> {
        let slots = self.slots(node, direction);
        let bounds = |before: &dyn Fn(RelationId) -> bool| match direction {
            Direction::Outgoing => {
                self.data[slots.clone()].partition_point(|edge| before(edge.relation))
            }
            Direction::Incoming => self.in_edges[slots.clone()]
                .partition_point(|edge| before(self.data[*edge as usize].relation)),
        };
        let (start, end) = (bounds(&|r| r < relation), bounds(&|r| r <= relation));
        slots.start + start..slots.start + end
    }

    /// The other ends of the edges of `node` along `direction`.
    pub(super) fn others(&self, node: NodeIndex, direction: Direction) -> &[u32] {
        let slots = self.slots(node, direction);
        match direction {
            Direction::Outgoing => &self.targets[slots],
            Direction::Incoming => &self.sources[slots],
        }
    }

    /// The edge in `slot` of `direction`, which must be one of `node`'s.
    #[inline]
    pub(super) fn edge_at(
        &self,
        node: NodeIndex,
        direction: Direction,
        slot: usize,
    ) -> EdgeReference<'_> {
        match direction {
            Direction::Outgoing => {
                let target = NodeIndex::new(self.targets[slot] as usize);
                EdgeReference::new(EdgeIndex::new(slot), node, target, &self.data[slot])
            }
            Direction::Incoming => {
                let edge = self.in_edges[slot] as usize;
                let source = NodeIndex::new(self.sources[slot] as usize);
                EdgeReference::new(EdgeIndex::new(edge), source, node, &self.data[edge])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::GraphError;
    use super::*;

    fn edge(source: u32, relation: u16, target: u32) -> (u32, u32, EdgeData) {
        let data = EdgeData { relation: RelationId(relation), sum: 1.0, last_minutes: 0 };
        (source, target, data)
    }

    fn check(edges: &[(u32, u32, EdgeData)], expected: GraphError) {
        assert_eq!(CompactGraph::from_sorted_edges(4, edges.iter().copied()), Err(expected));
    }

    #[test]
    fn faulty_edges_are_named() {
        let unsorted =
            GraphError::Unsorted { position: 1, source_node: 1, relation: 1, target_node: 0 };
        let twice = GraphError::Duplicate { source_node: 1, relation: 2, target_node: 3 };
        check(&[edge(1, 2, 0), edge(1, 1, 0)], unsorted);
        check(&[edge(1, 2, 3), edge(1, 2, 3)], twice);
        check(&[edge(0, 0, 4)], GraphError::OutOfRange { node: 4, n_nodes: 4 });
        check(&[edge(9, 0, 0)], GraphError::OutOfRange { node: 9, n_nodes: 4 });
        let found = u32::MAX as usize + 1;
        let none = std::iter::empty();
        let error = CompactGraph::from_sorted_edges(found, none);
        assert_eq!(error, Err(GraphError::TooManyNodes { found }));
    }

    #[test]
    fn unknown_nodes_and_edges_are_absent() {
        let graph = CompactGraph::from_edges(2, [edge(0, 1, 1)]).unwrap();
        for node in [2, usize::MAX >> 32] {
            let node = NodeIndex::new(node);
            assert_eq!(graph.edges_of(node, RelationId(1)).count(), 0);
            assert_eq!(graph.find_edge(node, RelationId(1), node), None);
        }
        assert_eq!(graph.edge_weight(EdgeIndex::new(1)), None);
        assert_eq!(graph.edge_endpoints(EdgeIndex::end()), None);
        assert_eq!(CompactGraph::default().node_count(), 0);
    }

    #[test]
    fn an_edge_takes_24_bytes() {
        let edges = (0..1000).map(|i| edge(i, 0, (i * 7) % 1000));
        let graph = CompactGraph::from_edges(1000, edges).unwrap();
        assert_eq!(graph.bytes(), 24 * 1000 + 8 * 1001);
    }
}
