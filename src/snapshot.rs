//! The immutable picture that readers share: the graph, its names, and everybody's interests.
//!
//! A snapshot never changes and takes no lock: a newer one is swapped in whole. What many readers
//! ask again (the items nearest to an item) is computed at the first question and kept; it depends
//! on the snapshot's base alone, so it does not matter who asks first.

mod background;
mod build;
mod embedded;
mod file;
mod names;
mod population;
mod scan;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use petgraph::{Direction, Outgoing};

use crate::event::NodeKey;
use crate::graph::{EdgeData, GraphError, NodeIndex, Overlay};
use crate::model::{ModelError, Recipe};
use crate::schema::{NodeKind, RelationId, Schema, Timestamp};
use crate::store::{Edge, EdgeKey, NodeId};
use crate::traverse::WeightTable;

pub use background::Background;
pub use build::SnapshotError;
pub use embedded::{Embedded, EmbeddedError, KeptRows, NodeRow, row_name};
pub use file::GraphFileError;
pub use names::{Name, Names};
pub use population::{Fitted, Population};

/// Nodes and scores, best first.
pub type Ranked = Box<[(NodeIndex, f64)]>;

/// What a snapshot shares with those that only lay newer edges over the same base.
pub struct Base {
    /// The store's sequence number when it was built.
    sequence: u64,
    /// See [`crate::store::View::stamp`].
    stamp: Vec<u8>,
    /// What each edge of the base is worth at the clock, times its relation's weight.
    worth: WeightTable,
    /// Length of each node's row of users, as they weigh.
    norms: Vec<f64>,
    /// Everybody's interests and everybody's items.
    background: Background,
    /// Answers that depend on the base alone, by recommender and node.
    nearest: HashMap<&'static str, Vec<OnceLock<Ranked>>>,
    /// Models fitted to the base, once somebody asks.
    fitted: OnceLock<Fitted>,
    /// Rows of nodes, once somebody asks and the store keeps none.
    embedded: OnceLock<Embedded>,
}

/// The graph as of one moment.
#[derive(Clone)]
pub struct Snapshot {
    /// The store's sequence number: the snapshot has every write up to here.
    pub sequence: u64,
    /// The time that answers are given for, unless a query names another.
    pub as_of: Timestamp,
    /// The time that edges are weighed at: `as_of`, or the last event's where that is earlier, so
    /// that a graph nobody added to for years still has edges of weight.
    pub clock: Timestamp,
    schema: Arc<Schema>,
    graph: Overlay,
    names: Names,
    recipe: Arc<Recipe>,
    rows: Arc<KeptRows>,
    base: Arc<Base>,
}

impl Snapshot {
    /// The schema of the store.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The graph, with what came since its base was built.
    pub fn graph(&self) -> &Overlay {
        &self.graph
    }

    /// Names and labels of the nodes.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Everybody's interests, as of the base.
    pub fn background(&self) -> &Background {
        &self.base.background
    }

    /// The index of the node with this key.
    pub fn find(&self, key: &NodeKey) -> Option<NodeIndex> {
        self.names.find(NodeId::of(key))
    }

    /// What an edge is worth at the clock, times its relation's weight; negative counts as 0.
    pub fn weigh(&self, edge: crate::graph::EdgeIndex, data: &EdgeData) -> f64 {
        if edge.index() < self.graph.base().edge_count() {
            self.base.worth.get(edge.index())
        } else {
            worth(&self.schema, data, self.clock).max(0.0)
        }
    }

    /// What an edge of the base is worth; for traversals of the base alone.
    pub fn base_weight(&self, edge: crate::graph::EdgeIndex) -> f64 {
        self.base.worth.get(edge.index())
    }

    /// The length of the vector of what the base's users are worth to a node; 0 without users.
    pub fn norm(&self, node: NodeIndex) -> f64 {
        self.base.norms.get(node.index()).copied().unwrap_or(0.0)
    }

    /// The answer of `compute` for `node`, kept under `name`: computed once for all snapshots of
    /// one base. `compute` must depend on the base alone.
    ///
    /// # Errors
    /// Those of `compute`; then nothing is kept.
    pub fn nearest<E>(
        &self,
        name: &'static str,
        node: NodeIndex,
        compute: impl FnOnce() -> Result<Ranked, E>,
    ) -> Result<&[(NodeIndex, f64)], E> {
        let Some(slot) = self.base.nearest.get(name).and_then(|slots| slots.get(node.index()))
        else {
            return Ok(&[]);
        };
        if slot.get().is_none() {
            // Two readers may both compute it; they find the same, and one of the two is kept.
            let _ = slot.set(compute()?);
        }
        Ok(slot.get().map_or(&[], |ranked| ranked))
    }

    /// This snapshot, whose models are fitted by `recipe`; said before anybody asks them.
    pub fn with_recipe(self, recipe: Arc<Recipe>) -> Self {
        Self { recipe, ..self }
    }

    /// This snapshot, whose nodes have these rows; said before anybody asks for them.
    pub fn with_rows(self, rows: Arc<KeptRows>) -> Self {
        Self { rows, ..self }
    }

    /// The rows of the nodes: those that the store keeps, or those that are learnt from the base at the
    /// first question.
    ///
    /// # Errors
    /// [`EmbeddedError`].
    pub fn embedded(&self) -> Result<&Embedded, EmbeddedError> {
        if let Some(kept) = self.rows.get()? {
            return Ok(kept);
        }
        if let Some(learnt) = self.base.embedded.get() {
            return Ok(learnt);
        }
        let learnt = Embedded::learnt(self)?;
        // Two readers may both learn; they find the same, and one of the two is kept.
        Ok(self.base.embedded.get_or_init(|| learnt))
    }

    /// The names of the rows of the base's nodes, in the order of the nodes.
    pub fn row_names(&self) -> Vec<String> {
        let nodes = (0..self.graph.base().node_count()).map(NodeIndex::new);
        let name = |node| self.names.get(node).map(|name| row_name(&name.key)).unwrap_or_default();
        nodes.map(name).collect()
    }

    /// The models of the snapshot's recipe, fitted to its base at the first question.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn fitted(&self) -> Result<&Fitted, ModelError> {
        if let Some(fitted) = self.base.fitted.get() {
            return Ok(fitted);
        }
        let fitted = Fitted::of(self, &self.recipe)?;
        // Two readers may both fit; they find the same, and one of the two is kept.
        Ok(self.base.fitted.get_or_init(|| fitted))
    }

    /// The entities of an item or a content that an interest in it passes over to, each with the relation that speaks most for it and
    /// its share among the node's entities of the same type; ascending by entity.
    pub fn entities(&self, node: NodeIndex) -> Vec<Facet> {
        let mut best: HashMap<NodeIndex, Facet> = HashMap::new();
        for edge in (&self.graph).edges_directed(node, Outgoing) {
            let (entity, data) = (edge.target(), edge.data());
            let weight = self.weigh(edge.id(), data);
            let passes = self.schema.carries_interest(data.relation);
            if self.names.kind(entity) != NodeKind::Entity || weight <= 0.0 || !passes {
                continue;
            }
            let facet = Facet { entity, relation: data.relation, share: weight };
            let kept = best.entry(entity).or_insert(facet);
            if weight > kept.share {
                *kept = facet;
            }
        }
        let mut facets: Vec<_> = best.into_values().collect();
        facets.sort_unstable_by_key(|facet| facet.entity);
        let mut totals: HashMap<&str, f64> = HashMap::new();
        for facet in &facets {
            *totals.entry(self.names.entity_type(facet.entity)).or_default() += facet.share;
        }
        for facet in &mut facets {
            facet.share /= totals[self.names.entity_type(facet.entity)];
        }
        facets
    }

    /// The neighbours of a node along one direction that are of a kind.
    pub fn neighbors(
        &self,
        node: NodeIndex,
        direction: Direction,
        kind: NodeKind,
    ) -> impl Iterator<Item = (NodeIndex, EdgeData)> + '_ {
        (&self.graph).edges_directed(node, direction).filter_map(move |edge| {
            let other = match direction {
                Direction::Outgoing => edge.target(),
                Direction::Incoming => edge.source(),
            };
            (self.names.kind(other) == kind).then(|| (other, *edge.data()))
        })
    }

    /// This snapshot with edges of the store put over it (`Some`) or taken away.
    ///
    /// # Errors
    /// [`SnapshotError::Graph`] when there are more nodes or edges than 32 bits number.
    pub fn with(
        &self,
        sequence: u64,
        names: Vec<(NodeId, Name)>,
        edges: Vec<(EdgeKey, Option<Edge>)>,
    ) -> Result<Self, SnapshotError> {
        let mut next = self.clone();
        next.sequence = sequence;
        for (id, name) in names {
            next.put_name(id, name)?;
        }
        for (key, edge) in edges {
            let ends = (next.names.find(key.source), next.names.find(key.target));
            let (Some(source), Some(target)) = ends else { continue };
            match edge {
                Some(edge) => {
                    let data = EdgeData::new(key.relation, edge.sum as f32, edge.last);
                    next.graph.put(source, target, data)?;
                    next.as_of = next.as_of.max(edge.last);
                }
                None => drop(next.graph.remove(source, key.relation, target)),
            }
        }
        Ok(next)
    }

    fn put_name(&mut self, id: NodeId, name: Name) -> Result<(), GraphError> {
        if !self.names.rename(id, &name) {
            let index = self.graph.add_node()?;
            self.names.add(index, id, name);
        }
        Ok(())
    }
}

/// An entity of an item or a content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facet {
    /// The entity.
    pub entity: NodeIndex,
    /// The relation that speaks most for it.
    pub relation: RelationId,
    /// Its share among the node's entities of its type, in (0, 1].
    pub share: f64,
}

/// What an edge is worth at `now`, times its relation's weight where the evidence does not hold it.
fn worth(schema: &Schema, data: &EdgeData, now: Timestamp) -> f64 {
    match schema.relation(data.relation) {
        Some(relation) if relation.action.is_some() => data.worth(now, relation.half_life_days),
        Some(relation) => relation.weight * data.worth(now, None),
        None => 0.0,
    }
}
