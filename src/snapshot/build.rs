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
use crate::store::{Edge, EdgeKey, Merges, NodeId, StoreError, View};
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
        let merges = view.merges()?;
        let mut ids = Vec::new();
        let mut names = Vec::new();
        let mut titled = Vec::new();
        for item in view.nodes()? {
            let (id, node) = item?;
            if !merges.is_merged(id) {
                ids.push(id);
                titled.push(node.document.as_ref().is_some_and(|found| found.title().is_some()));
                names.push(Name::of(node, None));
            }
        }
        let rules = (&*schema, &merges);
        let (mut edges, mut last) = read_edges(view, rules, &ids, None)?;
        if let Some(as_of) = as_of.filter(|as_of| last.is_some_and(|last| last > *as_of)) {
            (edges, last) = read_edges(view, rules, &ids, Some(as_of))?;
        }
        label(&schema, &mut names, &titled, &mut edges);
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
            names: Names::new(ids, names, &merges),
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

/// Every edge as it is read, and the time of the last event; with `until`, of those up to then.
fn read_edges(
    view: &View<'_>,
    (schema, merges): (&Schema, &Merges),
    ids: &[NodeId],
    until: Option<Timestamp>,
) -> Result<(Vec<Row>, Option<Timestamp>), SnapshotError> {
    let mut rows = Vec::new();
    let mut last = None;
    for item in view.edges_as_read(merges, until)? {
        let (key, edge) = item?;
        if fades(schema, &key) {
            last = last.max(Some(edge.last));
        }
        rows.extend(row(ids, &key, edge));
    }
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

/// Labels each entity without a title as most catalogue fields spell it; of equals, the spelling
/// that sorts first. Texts write names as their sentences need them, so what they say counts only
/// for an entity that no catalogue names.
fn label(schema: &Schema, names: &mut [Name], titled: &[bool], rows: &mut [Row]) {
    /// By the catalogue and by texts: how often each spelling is there.
    type Spellings = [HashMap<String, usize>; 2];
    let reviews = schema.reviews.as_ref();
    let by_text = |relation| {
        relation == schema.mentions()
            || reviews.is_some_and(|rules| [rules.relation, rules.action].contains(&relation))
    };
    let mut spellings: HashMap<u32, Spellings> = HashMap::new();
    for (_, target, data, surface) in rows {
        if let Some(surface) = surface.take() {
            let of_target = spellings.entry(*target).or_default();
            *of_target[usize::from(by_text(data.relation))].entry(surface).or_default() += 1;
        }
    }
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
