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
use crate::graph::{CompactGraph, EdgeData, GraphError, NodeIndex, Overlay, accumulate};
use crate::schema::{NodeKind, Schema, Timestamp};
use crate::store::{EdgeKey, Merges, NodeId, StoreError, View};
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
        let places = Places::new(&ids);
        let mut read = Read::of(view, &merges, &places, None)?;
        if let Some(as_of) = as_of.filter(|as_of| read.last.is_some_and(|last| last > *as_of)) {
            read = Read::of(view, &merges, &places, Some(as_of))?;
        }
        let Read { edges, last, spellings } = read;
        label(&mut names, &titled, spellings);
        let graph = Arc::new(CompactGraph::from_sorted_edges(ids.len(), edges)?);
        let last = last.unwrap_or(Timestamp::MIN);
        let as_of = as_of.unwrap_or(last);
        let clock = as_of.min(last);
        let table = WeightTable::build(&*graph, |edge| worth(&schema, edge.data(), clock));
        let sequence = view.sequence()?;
        let base = Base {
            sequence,
            norms: norms(&graph, &names, &table),
            worth: table,
            background: Background::default(),
            nearest: HashMap::new(),
        };
        let mut snapshot = Self {
            sequence,
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

/// Where each id is in an ascending list. Ids are hashes, so their upper bits nearly tell.
struct Places<'a> {
    ids: &'a [NodeId],
    /// By upper bits: the first id that has them, or more.
    starts: Vec<u32>,
    shift: u32,
}

impl<'a> Places<'a> {
    fn new(ids: &'a [NodeId]) -> Self {
        // Three bits for the kind, and about as many beginnings of a hash as there are ids.
        let n_bits = (ids.len().max(1).ilog2() + 3).min(30);
        let shift = u64::BITS - n_bits;
        let mut starts = vec![0_u32; (1 << n_bits) + 1];
        for id in ids {
            starts[(id.0 >> shift) as usize + 1] += 1;
        }
        accumulate(&mut starts);
        Self { ids, starts, shift }
    }

    fn find(&self, id: NodeId) -> Option<u32> {
        let at = (id.0 >> self.shift) as usize;
        let (start, end) = (self.starts[at] as usize, self.starts[at + 1] as usize);
        let place = self.ids[start..end].binary_search(&id).ok()?;
        u32::try_from(start + place).ok()
    }
}

/// How often entities are spelled in which way: by the catalogue, and by texts.
type Spellings = [HashMap<String, usize>; 2];

/// What one scan of the edges tells.
struct Read {
    /// Ends and data, ascending.
    edges: Vec<(u32, u32, EdgeData)>,
    /// The time of the last event.
    last: Option<Timestamp>,
    /// By entity.
    spellings: HashMap<u32, Spellings>,
}

impl Read {
    /// Every edge as it is read; with `until`, of what happened up to then.
    fn of(
        view: &View<'_>,
        merges: &Merges,
        places: &Places<'_>,
        until: Option<Timestamp>,
    ) -> Result<Self, SnapshotError> {
        let schema = view.schema();
        let reviews = schema.reviews.as_ref();
        let by_text = |relation| {
            relation == schema.mentions()
                || reviews.is_some_and(|rules| [rules.relation, rules.action].contains(&relation))
        };
        let mut read = Self { edges: Vec::new(), last: None, spellings: HashMap::new() };
        for item in view.edges_as_read(merges, until)? {
            let (key, edge) = item?;
            if fades(schema, &key) {
                read.last = read.last.max(Some(edge.last));
            }
            let Some(source) = places.find(key.source) else { continue };
            let Some(target) = places.find(key.target) else { continue };
            read.edges.push((
                source,
                target,
                EdgeData::new(key.relation, edge.sum as f32, edge.last),
            ));
            if let Some(surface) = edge.surface {
                let spellings = read.spellings.entry(target).or_default();
                let of_kind = &mut spellings[usize::from(by_text(key.relation))];
                *of_kind.entry(surface).or_default() += 1;
            }
        }
        Ok(read)
    }
}

fn fades(schema: &Schema, key: &EdgeKey) -> bool {
    schema.relation(key.relation).is_some_and(|relation| relation.half_life_days.is_some())
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
