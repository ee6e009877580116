//! The graph's embedding: trained, kept in versions beside the store, compared and asked.

use std::sync::Arc;

use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use petgraph::{Incoming, Outgoing};

use super::{Engine, EngineError, find};
use crate::embed::{
    Checkpoint, Course, Drift, EmbeddingTable, Entry, Params, Progress, Version, Versions, drift,
    row_of_new,
};
use crate::event::NodeKey;
use crate::graph::{CompactGraph, NodeIndex};
use crate::snapshot::{NodeRow, Snapshot};
use crate::traverse::{Budget, Similar};

/// What makes nodes alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Likeness {
    /// The weights of their edges.
    #[default]
    Neighbors,
    /// Their rows of the graph's embedding.
    Embedding,
}

impl Likeness {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Neighbors, Self::Embedding];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neighbors => "neighbors",
            Self::Embedding => "embedding",
        }
    }

    /// The one of this name; the first when empty.
    pub fn parse(name: &str) -> Option<Self> {
        let wanted = if name.is_empty() { Self::default().name() } else { name };
        Self::ALL.into_iter().find(|likeness| likeness.name() == wanted)
    }
}

/// How to train the graph's embedding.
pub struct EmbeddingPlan {
    /// The model.
    pub entry: &'static Entry,
    /// Its parameters.
    pub params: Params,
    /// Threads of its own; those of the current pool without a number.
    pub threads: Option<usize>,
    /// Start known nodes where the last version has them.
    pub warm_start: bool,
    /// Where to write down how far it is; removed once the version is kept.
    pub checkpoint: Option<Checkpoint>,
}

impl Engine {
    /// The versions of the graph's embedding, ascending; none for a store in memory.
    ///
    /// # Errors
    /// [`EngineError::Table`].
    pub fn embedding_versions(&self) -> Result<Vec<Version>, EngineError> {
        match self.store.folder() {
            Some(folder) => Ok(Versions::of(folder).list()?),
            None => Ok(Vec::new()),
        }
    }

    /// How far rows moved between two versions, the `k` that moved most by name.
    ///
    /// # Errors
    /// [`EngineError::Table`] for a version that is not there, [`EngineError::NoDrift`].
    pub fn embedding_drift(&self, (old, new): (u32, u32), k: usize) -> Result<Drift, EngineError> {
        let versions = self.versions()?;
        let found = drift(&versions.load(old)?, &versions.load(new)?, k);
        found.ok_or(EngineError::NoDrift { old, new })
    }

    /// Trains the graph's embedding and keeps it as the next version. Answers of this engine go on with the
    /// rows that they began with; the next start takes the new ones.
    ///
    /// # Errors
    /// [`EngineError::Embed`]; [`EngineError::WarmStart`] where the last version cannot be started from;
    /// [`EngineError::Table`]. Then there is no new version.
    pub fn train_embedding(
        &self,
        plan: &EmbeddingPlan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Version, EngineError> {
        let versions = self.versions()?;
        let snapshot = self.snapshot();
        let graph = &**snapshot.graph().base();
        let names = snapshot.row_names();
        let warm = plan.warm_start.then(|| to_start_from(&versions, &plan.params)).transpose()?;
        let start = warm.as_ref().map(|(_, table)| start_rows(graph, &names, table));
        let course = Course { start: start.as_deref(), checkpoint: plan.checkpoint.clone() };
        let Params { dim, seed, .. } = plan.params;
        let values = plan.entry.train_by(plan.threads, graph, &plan.params, &course, progress)?;
        let table = EmbeddingTable::new(plan.entry.name, &plan.params, names, values)?;
        let about = Version {
            version: 0,
            model: plan.entry.name.to_owned(),
            dim,
            seed,
            params: table.params().clone(),
            nodes: table.names().len(),
            edges: graph.edge_count(),
            snapshot: snapshot.sequence,
            as_of: snapshot.as_of,
            warm_start: warm.map(|(version, _)| version),
        };
        let kept = versions.add(&table, &about)?;
        if let Some(checkpoint) = &plan.checkpoint {
            checkpoint.remove().map_err(crate::embed::EmbedError::from)?;
        }
        Ok(kept)
    }

    /// The row of a node of `snapshot`, and the version that it is of.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Embedded`]; [`EngineError::NoRow`] for a node that was not
    /// trained and has no neighbour that was.
    pub fn embedding_row<'s>(
        &self,
        snapshot: &'s Snapshot,
        key: &NodeKey,
    ) -> Result<(Option<u32>, NodeRow<'s>), EngineError> {
        let node = find(snapshot, key)?;
        let embedded = snapshot.embedded()?;
        let row = embedded.row(snapshot, node);
        let row = row.ok_or_else(|| EngineError::NoRow { key: key.clone() })?;
        Ok((embedded.version(), row))
    }

    /// The nodes of the same kind whose rows are nearest to that of a node, by cosine.
    ///
    /// # Errors
    /// Those of [`embedding_row`](Self::embedding_row).
    pub fn near_in_embedding(
        &self,
        snapshot: &Snapshot,
        key: &NodeKey,
        k: usize,
    ) -> Result<Similar<NodeIndex>, EngineError> {
        let (_, row) = self.embedding_row(snapshot, key)?;
        let but = find(snapshot, key)?;
        let nodes = snapshot.embedded()?.near(snapshot, &row.values, (key.kind, but), k)?;
        Ok(Similar { nodes, capped: false })
    }

    /// The nodes of the same kind that are most like a node.
    ///
    /// # Errors
    /// Those of [`similar`](Self::similar) and [`near_in_embedding`](Self::near_in_embedding).
    pub fn alike(
        &self,
        snapshot: &Snapshot,
        key: &NodeKey,
        (likeness, k): (Likeness, usize),
        budget: &Budget,
    ) -> Result<Similar<NodeIndex>, EngineError> {
        match likeness {
            Likeness::Neighbors => self.similar(snapshot, key, k, budget),
            Likeness::Embedding => self.near_in_embedding(snapshot, key, k),
        }
    }

    fn versions(&self) -> Result<Versions, EngineError> {
        self.store.folder().map(Versions::of).ok_or(EngineError::NoFolder)
    }

    /// The snapshot, with what all of this engine's answers go by.
    pub(super) fn dressed(&self, snapshot: Snapshot) -> Snapshot {
        snapshot.with_recipe(Arc::clone(&self.recipe)).with_rows(self.rows.load_full())
    }
}

/// The last version, if a training with `params` can start from it.
fn to_start_from(
    versions: &Versions,
    params: &Params,
) -> Result<(u32, EmbeddingTable), EngineError> {
    let refused = |reason: String| EngineError::WarmStart { reason };
    let last = versions.last()?;
    let last = last.ok_or_else(|| refused("the store keeps no version".to_owned()))?;
    let table = versions.load(last)?;
    if table.dim() != params.dim {
        let dim = table.dim();
        return Err(refused(format!("version {last} has {dim} numbers a row: give --dim {dim}")));
    }
    // Rows that were spread are of another scale than those that are learnt.
    let spread = |value: Option<&f64>| value.is_some_and(|terms| *terms > 0.0);
    if spread(table.params().get("spread")) || spread(params.values.get("spread")) {
        let reason = "rows that were spread, in the last version or to be, are no start";
        return Err(refused(reason.to_owned()));
    }
    Ok((last, table))
}

/// Where nodes start, `[nodes, dim]`: where `table` has them; a new one among its neighbours that the table
/// has; zeros for the others.
fn start_rows(graph: &CompactGraph, names: &[String], table: &EmbeddingTable) -> Vec<f32> {
    let places: Vec<Option<usize>> = names.iter().map(|name| table.find(name)).collect();
    let mut rows = Vec::with_capacity(names.len() * table.dim());
    for (node, place) in places.iter().enumerate() {
        if let Some(place) = place {
            rows.extend(table.row(*place));
            continue;
        }
        let mut neighbors = Vec::new();
        for direction in [Outgoing, Incoming] {
            for edge in graph.edges_directed(NodeIndex::new(node), direction) {
                let other = if direction == Outgoing { edge.target() } else { edge.source() };
                neighbors.extend(places[other.index()].map(|place| (place, 1.0)));
            }
        }
        let row = row_of_new(table, &neighbors).unwrap_or_else(|| vec![0.0; table.dim()]);
        rows.extend(row);
    }
    rows
}
