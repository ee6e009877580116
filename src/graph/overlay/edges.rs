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

use super::{Key, Overlay, Tally};
use crate::{
    graph::{EdgeReference, Edges, Neighbors, NodeIndex},
    schema::RelationId,
};

/// The edges of a node along one direction, by relation and then by the other end.
#[derive(Clone, Debug)]
pub struct OverlayEdges<'a>(Reading<'a, Edges<'a>>);

/// The other ends of the edges of a node along one direction, in the order of [`OverlayEdges`].
#[derive(Clone, Debug)]
pub struct OverlayNeighbors<'a>(Reading<'a, Neighbors<'a>>);

/// Most nodes have no changes, and are read from the base as if there was no overlay.
#[derive(Clone, Debug)]
enum Reading<'a, B> {
    Base(B),
    Merged(Box<Merged<'a>>),
}

impl<'a> OverlayEdges<'a> {
    pub(super) fn of_relation(
        overlay: &'a Overlay,
        node: NodeIndex,
        direction: Direction,
        relation: RelationId,
    ) -> Self {
        let slots = overlay.base.relation_slots(node, direction, relation);
        if !overlay.layer(direction).tallies.contains_key(&node) {
            return Self(Reading::Base(Edges::new(&overlay.base, node, direction, slots)));
        }
        let merged = Merged::new(overlay, node, direction, slots, relation..=relation);
        Self(Reading::Merged(Box::new(merged)))
    }
}

impl<'a> Iterator for OverlayEdges<'a> {
    type Item = EdgeReference<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Reading::Base(edges) => edges.next(),
            Reading::Merged(edges) => edges.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Reading::Base(edges) => edges.size_hint(),
            Reading::Merged(edges) => edges.size_hint(),
        }
    }
}

impl Iterator for OverlayNeighbors<'_> {
    type Item = NodeIndex;

    #[inline]
    fn next(&mut self) -> Option<NodeIndex> {
        match &mut self.0 {
            Reading::Base(neighbors) => neighbors.next(),
            Reading::Merged(edges) => edges.next().map(|edge| edges.other(edge)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Reading::Base(neighbors) => neighbors.size_hint(),
            Reading::Merged(edges) => edges.size_hint(),
        }
    }
}

/// The edges of a node that has changes.
#[derive(Clone, Debug)]
struct Merged<'a> {
    overlay: &'a Overlay,
    node: NodeIndex,
    direction: Direction,
    slots: Range<usize>,
    hidden: btree_set::Range<'a, u32>,
    next_hidden: Option<u32>,
    added: btree_map::Range<'a, Key, u32>,
    next_added: Option<EdgeReference<'a>>,
    /// Number of edges to come, if known.
    left: Option<usize>,
}

impl<'a> Merged<'a> {
    /// The edges in `slots` of the base, and the newer ones of `node` with one of `relations`.
    fn new(
        overlay: &'a Overlay,
        node: NodeIndex,
        direction: Direction,
        slots: Range<usize>,
        relations: RangeInclusive<RelationId>,
    ) -> Self {
        let layer = overlay.layer(direction);
        let slot = |slot: usize| u32::try_from(slot).unwrap_or(u32::MAX);
        let mut hidden = layer.hidden.range(slot(slots.start)..slot(slots.end));
        let first = (node, *relations.start(), NodeIndex::new(0));
        let last = (node, *relations.end(), NodeIndex::end());
        let added = layer.added.range(first..=last);
        let next_hidden = hidden.next().copied();
        let (next_added, left) = (None, None);
        let mut edges =
            Self { overlay, node, direction, slots, hidden, next_hidden, added, next_added, left };
        edges.advance_added();
        edges
    }

    fn all(overlay: &'a Overlay, node: NodeIndex, direction: Direction, tally: Tally) -> Self {
        let slots = overlay.base.slots(node, direction);
        let left = Some(slots.len() - tally.hidden + tally.added);
        let relations = RelationId(0)..=RelationId(u16::MAX);
        Self { left, ..Self::new(overlay, node, direction, slots, relations) }
    }

    fn advance_added(&mut self) {
        let overlay = self.overlay;
        self.next_added = self.added.next().and_then(|(_, place)| {
            let added = overlay.added.get(*place as usize)?.as_ref()?;
            let index = overlay.index_of(*place);
            Some(EdgeReference::new(index, added.source, added.target, &added.data))
        });
    }

    fn other(&self, edge: EdgeReference<'_>) -> NodeIndex {
        match self.direction {
            Direction::Outgoing => edge.target(),
            Direction::Incoming => edge.source(),
        }
    }

    /// What edges of one node are ordered by.
    fn rank(&self, edge: EdgeReference<'_>) -> (RelationId, NodeIndex) {
        (edge.data().relation, self.other(edge))
    }

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

impl<'a> Iterator for Merged<'a> {
    type Item = EdgeReference<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.map(|left| left.saturating_sub(1));
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

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.unwrap_or(0), self.left)
    }
}

/// All edges that show, by source, relation and target.
#[derive(Clone, Debug)]
pub struct OverlayEdgeReferences<'a> {
    overlay: &'a Overlay,
    source: NodeIndex,
    edges: OverlayEdges<'a>,
}

impl<'a> Iterator for OverlayEdgeReferences<'a> {
    type Item = EdgeReference<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(edge) = self.edges.next() {
                return Some(edge);
            }
            let next = self.source.index() + 1;
            if next >= self.overlay.node_count() {
                return None;
            }
            self.source = NodeIndex::new(next);
            self.edges = self.overlay.edges(self.source);
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
        OverlayNeighbors(match self.layer(direction).tallies.get(&node) {
            None => Reading::Base(self.base.neighbors_directed(node, direction)),
            Some(tally) => Reading::Merged(Box::new(Merged::all(self, node, direction, *tally))),
        })
    }
}

impl<'a> IntoEdgeReferences for &'a Overlay {
    type EdgeRef = EdgeReference<'a>;
    type EdgeReferences = OverlayEdgeReferences<'a>;

    fn edge_references(self) -> OverlayEdgeReferences<'a> {
        let source = NodeIndex::new(0);
        OverlayEdgeReferences { overlay: self, source, edges: self.edges(source) }
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
        OverlayEdges(match self.layer(direction).tallies.get(&node) {
            None => Reading::Base(self.base.edges_directed(node, direction)),
            Some(tally) => Reading::Merged(Box::new(Merged::all(self, node, direction, *tally))),
        })
    }
}
