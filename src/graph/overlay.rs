//! Newer edges on top of a [`CompactGraph`] that others share.
//!
//! The base is never copied: a clone costs as much as the newer edges do. Edges are read in the
//! order that the merged graph would have, so an algorithm that adds up floating-point numbers gives
//! the same bits before and after [`Overlay::merge`].

mod edges;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use petgraph::{
    Direction,
    visit::{EdgeRef, IntoEdgeReferences},
};

pub use self::edges::{OverlayEdgeReferences, OverlayEdges, OverlayNeighbors};

use super::{
    CompactGraph, EdgeData, EdgeIndex, GraphError, NodeIndex, compact::accumulate,
    visit::common_traits,
};
use crate::schema::RelationId;

/// A node, a relation and the node at the other end.
type Key = (NodeIndex, RelationId, NodeIndex);

/// What lies on top of one direction of the base.
#[derive(Clone, Debug, Default)]
struct Layer {
    /// Places in `Overlay::added`, in the order in which this direction reads its edges.
    added: BTreeMap<Key, u32>,
    /// Slots of the base's edges that were replaced or removed.
    hidden: BTreeSet<u32>,
    /// How many of both each node has; a node without changes is not here.
    tallies: HashMap<NodeIndex, Tally>,
}

/// How many changes a node has along one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    added: usize,
    hidden: usize,
}

impl Layer {
    fn add(&mut self, key: Key, place: u32) {
        if self.added.insert(key, place).is_none() {
            self.tallies.entry(key.0).or_default().added += 1;
        }
    }

    fn take(&mut self, key: Key) -> Option<u32> {
        let place = self.added.remove(&key)?;
        if let Some(tally) = self.tallies.get_mut(&key.0) {
            tally.added -= 1;
            if tally.added + tally.hidden == 0 {
                self.tallies.remove(&key.0);
            }
        }
        Some(place)
    }

    /// Hides a slot of the base that is one of `node`'s; says whether it showed.
    fn hide(&mut self, node: NodeIndex, slot: u32) -> bool {
        let showed = self.hidden.insert(slot);
        if showed {
            self.tallies.entry(node).or_default().hidden += 1;
        }
        showed
    }
}

#[derive(Clone, Copy, Debug)]
struct Added {
    source: NodeIndex,
    target: NodeIndex,
    data: EdgeData,
}

/// A shared graph and the edges that came, changed or went since it was built.
///
/// An edge of the base keeps its index for as long as it shows; an edge put since has the number of
/// base edges plus the place where it is kept, which is used again after it was removed.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use predilect::{graph::{CompactGraph, EdgeData, Overlay}, schema::RelationId};
///
/// let data = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
/// let base = Arc::new(CompactGraph::from_edges(2, [(0, 1, data)])?);
/// let mut overlay = Overlay::new(base);
/// let (zero, two) = (0.into(), overlay.add_node()?);
/// overlay.put(zero, two, data)?;
/// overlay.remove(zero, RelationId(0), 1.into());
/// assert_eq!(overlay.merge(), CompactGraph::from_edges(3, [(0, 2, data)])?);
/// # Ok::<(), predilect::graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Overlay {
    base: Arc<CompactGraph>,
    n_nodes: u32,
    added: Vec<Option<Added>>,
    free: Vec<u32>,
    outgoing: Layer,
    incoming: Layer,
}

impl Overlay {
    /// Nothing newer than `base`.
    pub fn new(base: Arc<CompactGraph>) -> Self {
        let n_nodes = u32::try_from(base.node_count()).unwrap_or(u32::MAX);
        Self {
            base,
            n_nodes,
            added: Vec::new(),
            free: Vec::new(),
            outgoing: Layer::default(),
            incoming: Layer::default(),
        }
    }

    /// The graph below.
    pub fn base(&self) -> &Arc<CompactGraph> {
        &self.base
    }

    /// Number of nodes, the base's included.
    pub fn node_count(&self) -> usize {
        self.n_nodes as usize
    }

    /// Number of edges that show.
    pub fn edge_count(&self) -> usize {
        self.base.edge_count() - self.outgoing.hidden.len() + self.outgoing.added.len()
    }

    /// Number of changes on top of the base: when it grows, [`Overlay::merge`] pays.
    pub fn change_count(&self) -> usize {
        self.outgoing.hidden.len() + self.outgoing.added.len()
    }

    /// One more than the greatest edge index in use.
    fn edge_bound(&self) -> usize {
        self.base.edge_count() + self.added.len()
    }

    /// Appends one node without edges.
    ///
    /// # Errors
    /// [`GraphError::TooManyNodes`] when 32 bits do not suffice.
    pub fn add_node(&mut self) -> Result<NodeIndex, GraphError> {
        let node = NodeIndex::new(self.node_count());
        let too_many = GraphError::TooManyNodes { found: self.node_count() + 1 };
        self.n_nodes = self.n_nodes.checked_add(1).ok_or(too_many)?;
        Ok(node)
    }

    /// Puts the edge from `source` to `target` of `data.relation`, in place of an earlier one.
    ///
    /// # Errors
    /// [`GraphError::OutOfRange`] when an end is not in the graph, [`GraphError::TooManyEdges`].
    ///
    /// # Complexity
    /// **O(log n)** in the number of changes and in the degrees of both ends.
    pub fn put(
        &mut self,
        source: NodeIndex,
        target: NodeIndex,
        data: EdgeData,
    ) -> Result<EdgeIndex, GraphError> {
        for node in [source, target] {
            if node.index() >= self.node_count() {
                let node = u32::try_from(node.index()).unwrap_or(u32::MAX);
                return Err(GraphError::OutOfRange { node, n_nodes: self.node_count() });
            }
        }
        let added = Some(Added { source, target, data });
        let relation = data.relation;
        if let Some(place) = self.outgoing.added.get(&(source, relation, target)) {
            self.added[*place as usize] = added;
            return Ok(self.index_of(*place));
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.added[place as usize] = added;
                place
            }
            None if self.edge_bound() < u32::MAX as usize => {
                self.added.push(added);
                u32::try_from(self.added.len() - 1).map_err(|_| GraphError::TooManyEdges)?
            }
            None => return Err(GraphError::TooManyEdges),
        };
        self.hide(source, relation, target);
        self.outgoing.add((source, relation, target), place);
        self.incoming.add((target, relation, source), place);
        Ok(self.index_of(place))
    }

    /// Removes the edge; says whether there was one.
    pub fn remove(&mut self, source: NodeIndex, relation: RelationId, target: NodeIndex) -> bool {
        if let Some(place) = self.outgoing.take((source, relation, target)) {
            self.incoming.take((target, relation, source));
            self.added[place as usize] = None;
            self.free.push(place);
            return true;
        }
        self.hide(source, relation, target)
    }

    /// Hides the base's edge; says whether it showed.
    fn hide(&mut self, source: NodeIndex, relation: RelationId, target: NodeIndex) -> bool {
        let slot = |node, direction, other| {
            let slot = self.base.find_slot(node, direction, relation, other)?;
            u32::try_from(slot).ok()
        };
        let out_slot = slot(source, Direction::Outgoing, target);
        let in_slot = slot(target, Direction::Incoming, source);
        let (Some(out_slot), Some(in_slot)) = (out_slot, in_slot) else { return false };
        self.incoming.hide(target, in_slot);
        self.outgoing.hide(source, out_slot)
    }

    fn layer(&self, direction: Direction) -> &Layer {
        match direction {
            Direction::Outgoing => &self.outgoing,
            Direction::Incoming => &self.incoming,
        }
    }

    fn index_of(&self, place: u32) -> EdgeIndex {
        EdgeIndex::new(self.base.edge_count() + place as usize)
    }

    fn added(&self, edge: EdgeIndex) -> Option<&Added> {
        let place = edge.index().checked_sub(self.base.edge_count())?;
        self.added.get(place)?.as_ref()
    }

    fn hides(&self, edge: EdgeIndex) -> bool {
        u32::try_from(edge.index()).is_ok_and(|slot| self.outgoing.hidden.contains(&slot))
    }

    /// The data of `edge`, if it shows.
    pub fn edge_weight(&self, edge: EdgeIndex) -> Option<&EdgeData> {
        match self.added(edge) {
            Some(added) => Some(&added.data),
            None if self.hides(edge) => None,
            None => self.base.edge_weight(edge),
        }
    }

    /// Source and target of `edge`, if it shows.
    pub fn edge_endpoints(&self, edge: EdgeIndex) -> Option<(NodeIndex, NodeIndex)> {
        match self.added(edge) {
            Some(added) => Some((added.source, added.target)),
            None if self.hides(edge) => None,
            None => self.base.edge_endpoints(edge),
        }
    }

    /// The edge of one source, relation and target, if it shows.
    pub fn find_edge(
        &self,
        source: NodeIndex,
        relation: RelationId,
        target: NodeIndex,
    ) -> Option<EdgeIndex> {
        if let Some(place) = self.outgoing.added.get(&(source, relation, target)) {
            return Some(self.index_of(*place));
        }
        self.base.find_edge(source, relation, target).filter(|edge| !self.hides(*edge))
    }

    /// The out-edges of `node` of one relation, by target.
    pub fn edges_of(&self, node: NodeIndex, relation: RelationId) -> OverlayEdges<'_> {
        OverlayEdges::of_relation(self, node, Direction::Outgoing, relation)
    }

    /// The in-edges of `node` of one relation, by source.
    pub fn edges_into(&self, node: NodeIndex, relation: RelationId) -> OverlayEdges<'_> {
        OverlayEdges::of_relation(self, node, Direction::Incoming, relation)
    }

    /// A graph of just the edges that show.
    ///
    /// # Complexity
    /// **O(|V| + |E| + c log c)** for **c** changes.
    pub fn merge(&self) -> CompactGraph {
        let mut out_offsets = vec![0; self.node_count() + 1];
        let mut targets = Vec::with_capacity(self.edge_count());
        let mut data = Vec::with_capacity(self.edge_count());
        for edge in self.edge_references() {
            out_offsets[edge.source().index() + 1] += 1;
            targets.push(u32::try_from(edge.target().index()).unwrap_or(u32::MAX));
            data.push(*edge.data());
        }
        accumulate(&mut out_offsets);
        CompactGraph::from_rows(out_offsets, targets, data)
    }
}

common_traits!(Overlay, edge_bound);
