//! A snapshot is built by one ordered scan of the store: ids ascend, so edges come in the order
//! that the graph in memory keeps them in. Threads share the scan out, and what is computed of each node
//! or edge; sums are added up in the order of the nodes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use petgraph::Incoming;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use rayon::prelude::*;
use thiserror::Error;

use super::background::Background;
use super::names::{Name, Names};
use super::scan::{Nodes, Places, Read, Spellings};
use super::{Base, Snapshot, worth};
use crate::graph::{CompactGraph, GraphError, NodeIndex, Overlay};
use crate::schema::{NodeKind, Schema, Timestamp};
use crate::store::{NodeId, StoreError, View};
use crate::traverse::WeightTable;

/// Edges that a thread weighs at a time, at least.
const EDGES: usize = 1 << 12;

/// Why no snapshot could be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The graph is larger than its indices, or the store is damaged.
    #[error("the graph cannot be built: {0}; run `predilect verify`")]
    Graph(#[from] GraphError),
}

impl Snapshot {
    /// The graph of a store as of `as_of`: what happened later is left out. Without a time, as of
    /// the last event. `cached` are the names under which answers are kept.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn build(
        view: &View<'_>,
        as_of: Option<Timestamp>,
        cached: &[&'static str],
    ) -> Result<Self, SnapshotError> {
        let schema = Arc::new(view.schema().clone());
        let merges = view.merges()?;
        let Nodes { ids, mut names, titled } = Nodes::read(view, &merges)?;
        let places = Places::new(&ids);
        let mut read = Read::all(view, &merges, &places)?;
        if let Some(as_of) = as_of.filter(|as_of| read.last.is_some_and(|last| last > *as_of)) {
            drop(read);
            read = Read::until(view, &merges, &places, as_of)?;
        }
        let Read { parts, last, spellings } = read;
        label(&mut names, &titled, spellings);
        let graph = Arc::new(CompactGraph::from_sorted_edges(ids.len(), Read::edges(parts))?);
        let last = last.unwrap_or(Timestamp::MIN);
        let as_of = as_of.unwrap_or(last);
        let clock = as_of.min(last);
        let worth = weights(&graph, &schema, clock);
        let sequence = view.sequence()?;
        let base = Base {
            sequence,
            stamp: view.stamp()?,
            norms: norms(&graph, &ids, &worth),
            worth,
            background: Background::default(),
            nearest: HashMap::new(),
            fitted: OnceLock::new(),
            embedded: OnceLock::new(),
        };
        let mut snapshot = Self {
            sequence,
            as_of,
            clock,
            schema,
            graph: Overlay::new(graph),
            names: Names::new(ids, names, &merges),
            recipe: Arc::default(),
            rows: Arc::default(),
            base: Arc::new(base),
        };
        let background = Background::of(&snapshot);
        let n_nodes = snapshot.graph.node_count();
        let slots = |name| (name, (0..n_nodes).map(|_| OnceLock::new()).collect());
        let nearest = cached.iter().copied().map(slots).collect();
        if let Some(base) = Arc::get_mut(&mut snapshot.base) {
            base.background = background;
            base.nearest = nearest;
        }
        Ok(snapshot)
    }
}

/// What each edge is worth at `clock`.
fn weights(graph: &CompactGraph, schema: &Schema, clock: Timestamp) -> WeightTable {
    let edges = graph.arrays().data.par_iter().with_min_len(EDGES);
    let weights: Vec<_> = edges.map(|data| WeightTable::kept(worth(schema, data, clock))).collect();
    WeightTable::from_weights(weights.into())
}

/// The length of each node's row of users; what a user did in several ways adds up first.
fn norms(graph: &CompactGraph, ids: &[NodeId], worth: &WeightTable) -> Vec<f64> {
    let is_user = |node: NodeIndex| ids[node.index()].kind() == Some(NodeKind::User);
    let norm = |node| {
        let edges = graph.edges_directed(node, Incoming).filter(|edge| is_user(edge.source()));
        let mut row: Vec<_> =
            edges.map(|edge| (edge.source(), worth.get(edge.id().index()))).collect();
        row.sort_unstable_by_key(|(user, _)| *user);
        let rows = row.chunk_by(|a, b| a.0 == b.0);
        rows.map(|row| row.iter().map(|(_, weight)| weight).sum::<f64>().powi(2))
            .sum::<f64>()
            .sqrt()
    };
    (0..ids.len()).into_par_iter().map(|index| norm(NodeIndex::new(index))).collect()
}

/// Labels each entity without a title as most catalogue fields spell it; of equals, the spelling
/// that sorts first. Texts write names as their sentences need them, so what they say counts only
/// for an entity that no catalogue names.
fn label(names: &mut [Name], titled: &[bool], spellings: HashMap<u32, Spellings>) {
    for (target, spellings) in spellings {
        let place = NodeIndex::new(target as usize).index();
        let best = |spellings: HashMap<String, usize>| {
            spellings.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
        };
        let [catalogue, texts] = spellings;
        if let (Some(name), Some((surface, _))) =
            (names.get_mut(place), best(catalogue).or_else(|| best(texts)))
            && name.key.kind == NodeKind::Entity
            && titled.get(place) == Some(&false)
        {
            name.label = surface;
        }
    }
}
