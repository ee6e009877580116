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

use std::ops::Range;

use petgraph::Direction;

use super::{EdgeData, EdgeIndex, EdgeReference, Edges, GraphError, NodeIndex};
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
    out_offsets: Vec<u32>,
    targets: Vec<u32>,
    data: Vec<EdgeData>,
    in_offsets: Vec<u32>,
    sources: Vec<u32>,
    in_edges: Vec<u32>,
}

impl CompactGraph {
    /// Builds the graph from edges in the order that the store yields them.
    ///
    /// # Arguments
    /// * `n_nodes`: nodes are `0..n_nodes`, with or without edges.
    /// * `edges`: source, target and data, ascending strictly by (source, relation, target).
    ///
    /// # Errors
    /// [`GraphError::Unsorted`], [`GraphError::Duplicate`] and [`GraphError::OutOfRange`] name the
    /// first edge at fault; [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`].
    ///
    /// # Complexity
    /// * Time: **O(|V| + |E|)**, two counting sorts.
    /// * Space: the graph, and 8 bytes per edge while it is built.
    pub fn from_sorted_edges(
        n_nodes: usize,
        edges: impl IntoIterator<Item = (u32, u32, EdgeData)>,
    ) -> Result<Self, GraphError> {
        if u32::try_from(n_nodes).is_err() {
            return Err(GraphError::TooManyNodes { found: n_nodes });
        }
        let edges = edges.into_iter();
        let expected = edges.size_hint().0;
        let (mut targets, mut data) = (Vec::with_capacity(expected), Vec::with_capacity(expected));
        let mut out_offsets = vec![0_u32; n_nodes + 1];
        let mut previous = None;
        for (position, (source, target, edge)) in edges.enumerate() {
            for node in [source, target] {
                if node as usize >= n_nodes {
                    return Err(GraphError::OutOfRange { node, n_nodes });
                }
            }
            let key = (source, edge.relation, target);
            ascending(previous, key, position)?;
            if position >= u32::MAX as usize {
                return Err(GraphError::TooManyEdges);
            }
            previous = Some(key);
            out_offsets[source as usize + 1] += 1;
            targets.push(target);
            data.push(edge);
        }
        accumulate(&mut out_offsets);
        targets.shrink_to_fit();
        data.shrink_to_fit();
        Ok(Self::from_rows(out_offsets, targets, data))
    }

    /// Builds the graph from edges in any order; see [`CompactGraph::from_sorted_edges`].
    ///
    /// # Errors
    /// Those of [`CompactGraph::from_sorted_edges`] but for [`GraphError::Unsorted`].
    ///
    /// # Complexity
    /// * Time: **O(|V| + |E| log |E|)**.
    /// * Space: the graph, and 28 bytes per edge while it is built.
    pub fn from_edges(
        n_nodes: usize,
        edges: impl IntoIterator<Item = (u32, u32, EdgeData)>,
    ) -> Result<Self, GraphError> {
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort_unstable_by_key(|(source, target, edge)| (*source, edge.relation, *target));
        Self::from_sorted_edges(n_nodes, edges)
    }

    /// Adds the in-edges to rows of out-edges that are in order and in range.
    ///
    /// A stable counting sort by relation, then one by target, leaves (target, relation, source).
    pub(super) fn from_rows(out_offsets: Vec<u32>, targets: Vec<u32>, data: Vec<EdgeData>) -> Self {
        let n_relations = data.iter().map(|e| e.relation.0 as usize + 1).max().unwrap_or(0);
        let mut relation_slots = vec![0_u32; n_relations + 1];
        let mut in_offsets = vec![0_u32; out_offsets.len()];
        for (target, edge) in targets.iter().zip(&data) {
            relation_slots[edge.relation.0 as usize + 1] += 1;
            in_offsets[*target as usize + 1] += 1;
        }
        accumulate(&mut relation_slots);
        accumulate(&mut in_offsets);

        let mut by_relation = vec![(0_u32, 0_u32); data.len()];
        for (source, row) in (0_u32..).zip(out_offsets.windows(2)) {
            for edge in row[0]..row[1] {
                let slot = &mut relation_slots[data[edge as usize].relation.0 as usize];
                by_relation[*slot as usize] = (source, edge);
                *slot += 1;
            }
        }
        let mut node_slots = in_offsets.clone();
        let (mut sources, mut in_edges) = (vec![0; data.len()], vec![0; data.len()]);
        for (source, edge) in by_relation {
            let slot = &mut node_slots[targets[edge as usize] as usize];
            sources[*slot as usize] = source;
            in_edges[*slot as usize] = edge;
            *slot += 1;
        }
        Self { out_offsets, targets, data, in_offsets, sources, in_edges }
    }

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

/// Holds when `key` sorts after `previous`; else says how not.
fn ascending(
    previous: Option<(u32, RelationId, u32)>,
    key: (u32, RelationId, u32),
    position: usize,
) -> Result<(), GraphError> {
    let (source_node, RelationId(relation), target_node) = key;
    match previous {
        Some(previous) if previous == key => {
            Err(GraphError::Duplicate { source_node, relation, target_node })
        }
        Some(previous) if previous > key => {
            Err(GraphError::Unsorted { position, source_node, relation, target_node })
        }
        _ => Ok(()),
    }
}

/// Turns counts, shifted by one place, into offsets.
pub(super) fn accumulate(offsets: &mut [u32]) {
    let mut total = 0;
    for offset in offsets {
        total += *offset;
        *offset = total;
    }
}

#[cfg(test)]
mod tests {
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
