//! petgraph's `visit` traits for [`CompactGraph`], and the iterators behind them.
//!
//! Traits that do not depend on how edges are laid out are written once, in `common_traits!`, and
//! used by [`Overlay`](super::Overlay) too.

use std::{iter::Map, ops::Range, slice};

use petgraph::{
    Direction,
    visit::{
        EdgeRef, IntoEdgeReferences, IntoEdges, IntoEdgesDirected, IntoNeighbors,
        IntoNeighborsDirected,
    },
};

use super::{CompactGraph, EdgeData, EdgeIndex, NodeIndex};

/// The map of visited nodes that petgraph's own graphs use: one bit per node.
pub(super) type VisitedNodes = <petgraph::Graph<(), ()> as petgraph::visit::Visitable>::Map;

/// The nodes of a graph, ascending.
pub type NodeIdentifiers = Map<Range<u32>, fn(u32) -> NodeIndex>;

/// The nodes of a graph with their weights, of which they have none.
pub type NodeReferences = Map<Range<u32>, fn(u32) -> (NodeIndex, ())>;

/// An edge as petgraph's algorithms see it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EdgeReference<'a> {
    index: EdgeIndex,
    source: NodeIndex,
    target: NodeIndex,
    data: &'a EdgeData,
}

impl<'a> EdgeReference<'a> {
    pub(super) fn new(
        index: EdgeIndex,
        source: NodeIndex,
        target: NodeIndex,
        data: &'a EdgeData,
    ) -> Self {
        Self { index, source, target, data }
    }

    /// The data of the edge, for as long as the graph is borrowed.
    pub fn data(&self) -> &'a EdgeData {
        self.data
    }
}

impl EdgeRef for EdgeReference<'_> {
    type NodeId = NodeIndex;
    type EdgeId = EdgeIndex;
    type Weight = EdgeData;

    fn source(&self) -> NodeIndex {
        self.source
    }

    fn target(&self) -> NodeIndex {
        self.target
    }

    fn weight(&self) -> &EdgeData {
        self.data
    }

    fn id(&self) -> EdgeIndex {
        self.index
    }
}

/// The edges of a node along one direction, by relation and then by the other end.
#[derive(Clone, Debug)]
pub struct Edges<'a> {
    graph: &'a CompactGraph,
    node: NodeIndex,
    direction: Direction,
    slots: Range<usize>,
}

impl<'a> Edges<'a> {
    pub(super) fn new(
        graph: &'a CompactGraph,
        node: NodeIndex,
        direction: Direction,
        slots: Range<usize>,
    ) -> Self {
        Self { graph, node, direction, slots }
    }
}

impl<'a> Iterator for Edges<'a> {
    type Item = EdgeReference<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.slots.next()?;
        Some(self.graph.edge_at(self.node, self.direction, slot))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.slots.size_hint()
    }
}

impl ExactSizeIterator for Edges<'_> {}

/// The other ends of the edges of a node along one direction, in the order of [`Edges`].
#[derive(Clone, Debug)]
pub struct Neighbors<'a>(slice::Iter<'a, u32>);

impl Iterator for Neighbors<'_> {
    type Item = NodeIndex;

    #[inline]
    fn next(&mut self) -> Option<NodeIndex> {
        self.0.next().map(|node| NodeIndex::new(*node as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Neighbors<'_> {}

/// All edges of a graph, by source, relation and target.
#[derive(Clone, Debug)]
pub struct EdgeReferences<'a> {
    graph: &'a CompactGraph,
    source: NodeIndex,
    slot: usize,
}

impl<'a> Iterator for EdgeReferences<'a> {
    type Item = EdgeReference<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.slot >= self.graph.edge_count() {
            return None;
        }
        while self.graph.slots(self.source, Direction::Outgoing).end <= self.slot {
            self.source = NodeIndex::new(self.source.index() + 1);
        }
        let edge = self.graph.edge_at(self.source, Direction::Outgoing, self.slot);
        self.slot += 1;
        Some(edge)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.graph.edge_count() - self.slot;
        (left, Some(left))
    }
}

impl ExactSizeIterator for EdgeReferences<'_> {}

impl<'a> IntoNeighbors for &'a CompactGraph {
    type Neighbors = Neighbors<'a>;

    fn neighbors(self, node: NodeIndex) -> Neighbors<'a> {
        self.neighbors_directed(node, Direction::Outgoing)
    }
}

impl<'a> IntoNeighborsDirected for &'a CompactGraph {
    type NeighborsDirected = Neighbors<'a>;

    fn neighbors_directed(self, node: NodeIndex, direction: Direction) -> Neighbors<'a> {
        Neighbors(self.others(node, direction).iter())
    }
}

impl<'a> IntoEdgeReferences for &'a CompactGraph {
    type EdgeRef = EdgeReference<'a>;
    type EdgeReferences = EdgeReferences<'a>;

    fn edge_references(self) -> EdgeReferences<'a> {
        EdgeReferences { graph: self, source: NodeIndex::new(0), slot: 0 }
    }
}

impl<'a> IntoEdges for &'a CompactGraph {
    type Edges = Edges<'a>;

    fn edges(self, node: NodeIndex) -> Edges<'a> {
        self.edges_directed(node, Direction::Outgoing)
    }
}

impl<'a> IntoEdgesDirected for &'a CompactGraph {
    type EdgesDirected = Edges<'a>;

    fn edges_directed(self, node: NodeIndex, direction: Direction) -> Edges<'a> {
        Edges::new(self, node, direction, self.slots(node, direction))
    }
}

/// Implements the traits that need only `node_count` and `edge_count`, and the bound of edge
/// indices, which `$edge_bound` names.
macro_rules! common_traits {
    ($graph:ty, $edge_bound:ident) => {
        impl petgraph::visit::GraphBase for $graph {
            type NodeId = NodeIndex;
            type EdgeId = EdgeIndex;
        }

        impl petgraph::visit::GraphProp for $graph {
            type EdgeType = petgraph::Directed;
        }

        impl petgraph::visit::Data for $graph {
            type NodeWeight = ();
            type EdgeWeight = EdgeData;
        }

        impl petgraph::visit::NodeCount for $graph {
            fn node_count(&self) -> usize {
                <$graph>::node_count(self)
            }
        }

        impl petgraph::visit::EdgeCount for $graph {
            fn edge_count(&self) -> usize {
                <$graph>::edge_count(self)
            }
        }

        impl petgraph::visit::NodeIndexable for $graph {
            fn node_bound(&self) -> usize {
                <$graph>::node_count(self)
            }

            fn to_index(&self, node: NodeIndex) -> usize {
                node.index()
            }

            fn from_index(&self, index: usize) -> NodeIndex {
                NodeIndex::new(index)
            }
        }

        impl petgraph::visit::NodeCompactIndexable for $graph {}

        impl petgraph::visit::EdgeIndexable for $graph {
            fn edge_bound(&self) -> usize {
                <$graph>::$edge_bound(self)
            }

            fn to_index(&self, edge: EdgeIndex) -> usize {
                edge.index()
            }

            fn from_index(&self, index: usize) -> EdgeIndex {
                EdgeIndex::new(index)
            }
        }

        impl petgraph::visit::Visitable for $graph {
            type Map = $crate::graph::visit::VisitedNodes;

            fn visit_map(&self) -> Self::Map {
                Self::Map::with_capacity(<$graph>::node_count(self))
            }

            fn reset_map(&self, map: &mut Self::Map) {
                map.clear();
                map.grow(<$graph>::node_count(self));
            }
        }

        impl petgraph::visit::IntoNodeIdentifiers for &$graph {
            type NodeIdentifiers = $crate::graph::visit::NodeIdentifiers;

            fn node_identifiers(self) -> Self::NodeIdentifiers {
                let n_nodes = u32::try_from(<$graph>::node_count(self)).unwrap_or(u32::MAX);
                (0..n_nodes).map(|node| NodeIndex::new(node as usize))
            }
        }

        impl petgraph::visit::IntoNodeReferences for &$graph {
            type NodeRef = (NodeIndex, ());
            type NodeReferences = $crate::graph::visit::NodeReferences;

            fn node_references(self) -> Self::NodeReferences {
                let n_nodes = u32::try_from(<$graph>::node_count(self)).unwrap_or(u32::MAX);
                (0..n_nodes).map(|node| (NodeIndex::new(node as usize), ()))
            }
        }
    };
}

pub(super) use common_traits;

common_traits!(CompactGraph, edge_count);
