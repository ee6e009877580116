//! How the edges of an overlay are read: base and newer edges merged into one order.

use std::{
    collections::{btree_map, btree_set},
    ops::{Range, RangeInclusive},
};

use petgraph::{
    Direction,
    visit::{
        EdgeRef, IntoEdgeReferences, IntoEdges, IntoEdgesDirected, IntoNeighbors,
        IntoNeighborsDirected,
    },
};

use super::{Key, Overlay};
use crate::{
    graph::{EdgeReference, NodeIndex},
    schema::RelationId,
};

const ALL_RELATIONS: RangeInclusive<RelationId> = RelationId(0)..=RelationId(u16::MAX);

/// The edges of a node along one direction, by relation and then by the other end.
#[derive(Clone, Debug)]
pub struct OverlayEdges<'a> {
    overlay: &'a Overlay,
    node: NodeIndex,
    direction: Direction,
    slots: Range<usize>,
    hidden: btree_set::Range<'a, u32>,
    next_hidden: Option<u32>,
    added: btree_map::Range<'a, Key, u32>,
    next_added: Option<EdgeReference<'a>>,
}

impl<'a> OverlayEdges<'a> {
    /// The edges in `slots` of the base, and the newer ones of `node` with one of `relations`.
    pub(super) fn new(
        overlay: &'a Overlay,
        node: NodeIndex,
        direction: Direction,
        slots: Range<usize>,
        relations: RangeInclusive<RelationId>,
    ) -> Self {
        let layer = match direction {
            Direction::Outgoing => &overlay.outgoing,
            Direction::Incoming => &overlay.incoming,
        };
        let slot = |slot: usize| u32::try_from(slot).unwrap_or(u32::MAX);
        let mut hidden = layer.hidden.range(slot(slots.start)..slot(slots.end));
        let first = (node, *relations.start(), NodeIndex::new(0));
        let last = (node, *relations.end(), NodeIndex::end());
        let added = layer.added.range(first..=last);
        let next_hidden = hidden.next().copied();
        let mut edges =
            Self { overlay, node, direction, slots, hidden, next_hidden, added, next_added: None };
        edges.advance_added();
        edges
    }

    fn advance_added(&mut self) {
        let overlay = self.overlay;
        self.next_added = self.added.next().and_then(|(_, place)| {
            let added = overlay.added.get(*place as usize)?.as_ref()?;
            let index = overlay.index_of(*place);
            Some(EdgeReference::new(index, added.source, added.target, &added.data))
        });
    }

    /// What edges of one node are ordered by.
    fn rank(&self, edge: EdgeReference<'_>) -> (RelationId, NodeIndex) {
        let other = match self.direction {
            Direction::Outgoing => edge.target(),
            Direction::Incoming => edge.source(),
        };
        (edge.data().relation, other)
    }

    #[inline]
    fn skip_hidden(&mut self) {
        while let Some(hidden) = self.next_hidden {
            if hidden as usize != self.slots.start {
                break;
            }
            self.slots.start += 1;
            self.next_hidden = self.hidden.next().copied();
        }
    }
}

impl<'a> Iterator for OverlayEdges<'a> {
    type Item = EdgeReference<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.skip_hidden();
        let in_base = (!self.slots.is_empty())
            .then(|| self.overlay.base.edge_at(self.node, self.direction, self.slots.start));
        match (in_base, self.next_added) {
            (Some(edge), None) => {
                self.slots.start += 1;
                Some(edge)
            }
            (Some(edge), Some(added)) if self.rank(edge) < self.rank(added) => {
                self.slots.start += 1;
                Some(edge)
            }
            (_, added) => {
                self.advance_added();
                added
            }
        }
    }

    /// Exact where nothing lies on top of the base.
    fn size_hint(&self) -> (usize, Option<usize>) {
        match (self.next_hidden, self.next_added) {
            (None, None) => self.slots.size_hint(),
            _ => (0, None),
        }
    }
}

/// The other ends of the edges of a node along one direction, in the order of [`OverlayEdges`].
#[derive(Clone, Debug)]
pub struct OverlayNeighbors<'a>(OverlayEdges<'a>);

impl Iterator for OverlayNeighbors<'_> {
    type Item = NodeIndex;

    #[inline]
    fn next(&mut self) -> Option<NodeIndex> {
        self.0.next().map(|edge| match self.0.direction {
            Direction::Outgoing => edge.target(),
            Direction::Incoming => edge.source(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// All edges that show, by source, relation and target.
#[derive(Clone, Debug)]
pub struct OverlayEdgeReferences<'a> {
    edges: OverlayEdges<'a>,
}

impl<'a> Iterator for OverlayEdgeReferences<'a> {
    type Item = EdgeReference<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(edge) = self.edges.next() {
                return Some(edge);
            }
            let (overlay, next) = (self.edges.overlay, self.edges.node.index() + 1);
            if next >= overlay.node_count() {
                return None;
            }
            self.edges = overlay.edges(NodeIndex::new(next));
        }
    }
}

impl<'a> IntoNeighbors for &'a Overlay {
    type Neighbors = OverlayNeighbors<'a>;

    fn neighbors(self, node: NodeIndex) -> OverlayNeighbors<'a> {
        self.neighbors_directed(node, Direction::Outgoing)
    }
}

impl<'a> IntoNeighborsDirected for &'a Overlay {
    type NeighborsDirected = OverlayNeighbors<'a>;

    fn neighbors_directed(self, node: NodeIndex, direction: Direction) -> OverlayNeighbors<'a> {
        OverlayNeighbors(self.edges_directed(node, direction))
    }
}

impl<'a> IntoEdgeReferences for &'a Overlay {
    type EdgeRef = EdgeReference<'a>;
    type EdgeReferences = OverlayEdgeReferences<'a>;

    fn edge_references(self) -> OverlayEdgeReferences<'a> {
        OverlayEdgeReferences { edges: self.edges(NodeIndex::new(0)) }
    }
}

impl<'a> IntoEdges for &'a Overlay {
    type Edges = OverlayEdges<'a>;

    fn edges(self, node: NodeIndex) -> OverlayEdges<'a> {
        self.edges_directed(node, Direction::Outgoing)
    }
}

impl<'a> IntoEdgesDirected for &'a Overlay {
    type EdgesDirected = OverlayEdges<'a>;

    fn edges_directed(self, node: NodeIndex, direction: Direction) -> OverlayEdges<'a> {
        let slots = self.base.slots(node, direction);
        OverlayEdges::new(self, node, direction, slots, ALL_RELATIONS)
    }
}
