//! A snapshot is built by one ordered scan of the store: ids ascend, so edges come in the order
//! that the graph in memory keeps them in.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use petgraph::Incoming;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use thiserror::Error;

use super::background::Background;
use super::names::{Name, Names};
use super::{Base, Snapshot, worth};
use crate::graph::{CompactGraph, EdgeData, GraphError, NodeIndex, Overlay};
use crate::schema::{NodeKind, Schema, Timestamp};
use crate::store::{Edge, EdgeKey, NodeId, StoreError, View};
use crate::traverse::WeightTable;

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
        let mut ids = Vec::new();
        let mut names = Vec::new();
        for item in view.nodes()? {
            let (id, node) = item?;
            ids.push(id);
            names.push(Name::of(node, None));
        }
        let (mut edges, mut last) = read_edges(view, &schema, &ids)?;
        if let Some(as_of) = as_of.filter(|as_of| last.is_some_and(|last| last > *as_of)) {
            (edges, last) = fold_edges(view, &schema, &ids, as_of)?;
        }
        label(&schema, &mut names, &mut edges);
        let graph = edges.into_iter().map(|(source, target, data, _)| (source, target, data));
        let graph = Arc::new(CompactGraph::from_sorted_edges(ids.len(), graph)?);
        let last = last.unwrap_or(Timestamp::MIN);
        let as_of = as_of.unwrap_or(last);
        let clock = as_of.min(last);
        let table = WeightTable::build(&*graph, |edge| worth(&schema, edge.data(), clock));
        let base = Base {
            norms: norms(&graph, &names, &table),
            worth: table,
            background: Background::default(),
            nearest: HashMap::new(),
        };
        let mut snapshot = Self {
            sequence: view.sequence()?,
            as_of,
            clock,
            schema,
            graph: Overlay::new(graph),
            names: Names::new(ids, names),
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

/// The length of each node's row of users; what a user did in several ways adds up first.
fn norms(graph: &CompactGraph, names: &[Name], worth: &WeightTable) -> Vec<f64> {
    let user =
        |node: NodeIndex| names.get(node.index()).map(|n| n.key.kind) == Some(NodeKind::User);
    let norm = |node| {
        let edges = graph.edges_directed(node, Incoming).filter(|edge| user(edge.source()));
        let mut row: Vec<_> =
            edges.map(|edge| (edge.source(), worth.get(edge.id().index()))).collect();
        row.sort_unstable_by_key(|(user, _)| *user);
        let rows = row.chunk_by(|a, b| a.0 == b.0);
        rows.map(|row| row.iter().map(|(_, weight)| weight).sum::<f64>().powi(2))
            .sum::<f64>()
            .sqrt()
    };
    (0..graph.node_count()).map(|index| norm(NodeIndex::new(index))).collect()
}

/// Ends, data, and the spelling of the target.
type Row = (u32, u32, EdgeData, Option<String>);

/// Every edge, and the time of the last event.
fn read_edges(
    view: &View<'_>,
    schema: &Schema,
    ids: &[NodeId],
) -> Result<(Vec<Row>, Option<Timestamp>), SnapshotError> {
    let mut rows = Vec::new();
    let mut last = None;
    for item in view.edges()? {
        let (key, edge) = item?;
        if fades(schema, &key) {
            last = last.max(Some(edge.last));
        }
        rows.extend(row(ids, &key, edge));
    }
    Ok((rows, last))
}

/// Every edge as its evidence up to `as_of` makes it, and the time of the last event up to then.
fn fold_edges(
    view: &View<'_>,
    schema: &Schema,
    ids: &[NodeId],
    as_of: Timestamp,
) -> Result<(Vec<Row>, Option<Timestamp>), SnapshotError> {
    let mut rows = Vec::new();
    let mut last = None;
    let mut open: Option<(EdgeKey, Edge)> = None;
    for item in view.evidence()? {
        let (key, stamp, evidence) = item?;
        if stamp.at > as_of {
            continue;
        }
        if fades(schema, &key) {
            last = last.max(Some(stamp.at));
        }
        let half_life = schema.relation(key.relation).and_then(|found| found.half_life_days);
        let before = match open.take() {
            Some((of, edge)) if of == key => Some(edge),
            done => {
                rows.extend(done.and_then(|(of, edge)| row(ids, &of, edge)));
                None
            }
        };
        open = Some((key, Edge::fold(before, stamp.at, &evidence, half_life)));
    }
    rows.extend(open.and_then(|(of, edge)| row(ids, &of, edge)));
    Ok((rows, last))
}

fn fades(schema: &Schema, key: &EdgeKey) -> bool {
    schema.relation(key.relation).is_some_and(|relation| relation.half_life_days.is_some())
}

fn row(ids: &[NodeId], key: &EdgeKey, edge: Edge) -> Option<Row> {
    let index = |id| ids.binary_search(&id).ok().and_then(|index| u32::try_from(index).ok());
    let data = EdgeData::new(key.relation, edge.sum as f32, edge.last);
    Some((index(key.source)?, index(key.target)?, data, edge.surface))
}

/// Labels each entity as most catalogue fields spell it; of equals, the spelling that sorts first.
/// Texts write names as their sentences need them, so what they say counts for nothing here.
fn label(schema: &Schema, names: &mut [Name], rows: &mut [Row]) {
    let mut spellings: HashMap<u32, HashMap<String, usize>> = HashMap::new();
    for (_, target, data, surface) in rows {
        let surface = surface.take().filter(|_| data.relation != schema.mentions());
        if let Some(surface) = surface {
            *spellings.entry(*target).or_default().entry(surface).or_default() += 1;
        }
    }
    for (target, spellings) in spellings {
        let best = spellings.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
        let name = names.get_mut(NodeIndex::new(target as usize).index());
        if let (Some(name), Some((surface, _))) = (name, best)
            && name.key.kind == NodeKind::Entity
        {
            name.label = surface;
        }
    }
}
