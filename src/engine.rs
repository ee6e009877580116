//! Owns store, extractor and the current snapshot: the one place with a lock.
//!
//! A write goes to the store, then to disk, then into a new snapshot that is swapped in whole, and
//! only then is it acknowledged: so whoever reads after an acknowledgement sees the write. Readers
//! take the snapshot that is there and wait for nobody.

mod basket;
mod communities;
mod crowd;
mod embedding;
mod erase;
mod error;
mod explain;
mod group;
mod keep;
mod merge;
mod overlay;
mod recipe;
mod temporal;
mod serve;
mod session;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use petgraph::visit::{EdgeRef, UndirectedAdaptor};

use crate::embed::Versions;
use crate::event::NodeKey;
use crate::explain::History;
use crate::extract::Extractor;
use crate::graph::{EdgeIndex, NodeIndex};
use crate::ingest::{Backlog, Catalogue};
use crate::interest::{self, Interest, InterestParams};
use crate::model::Recipe;
use crate::recommend::{self, RecommendParams, Recommendation};
use crate::schema::{RelationId, Schema, Timestamp};
use crate::snapshot::{KeptRows, Snapshot};
use crate::store::{
    Edge, EdgeKey, Evidence, GraphStore, Node, NodeId, Problems, ServedLog, Stamp, Stats,
};
use crate::traverse::{self, PathParams, Paths, Similar};

pub use basket::Baskets;
pub use crowd::Found;
pub use embedding::{EmbeddingPlan, Likeness};
pub use erase::Erased;
pub use error::EngineError;
pub use group::Durability;
pub use overlay::Merger;
pub use serve::{ServeRequest, Served};
pub use session::{Fallback, MAX_SESSION, SessionEvent};
pub use temporal::Parted;
pub use write::Written;

/// Snapshots of earlier times that are kept for the next question.
const PAST_KEPT: usize = 4;

/// Which moment a question is about.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// The time; without one, the last event's.
    pub as_of: Option<Timestamp>,
    /// Events that are to weigh nothing.
    pub masked: BTreeSet<String>,
}

/// Store, extractor and current snapshot.
pub struct Engine {
    store: GraphStore,
    extractor: Option<Box<dyn Extractor>>,
    current: ArcSwap<Snapshot>,
    past: Mutex<VecDeque<(u64, Timestamp, Arc<Snapshot>)>>,
    writing: Mutex<()>,
    gathered: group::Gathered,
    /// The catalogue's words, once a write has asked for them.
    catalogue: Mutex<Option<Catalogue>>,
    /// The sequence number of the snapshot that is kept in a file, where one is.
    kept: Mutex<Option<u64>>,
    /// What models are fitted by.
    recipe: Arc<Recipe>,
    /// The rows of nodes that the store keeps.
    rows: ArcSwap<KeptRows>,
    merging: overlay::Merging,
    /// What was shown to whom.
    served: Mutex<ServedLog>,
    /// Answers to users, by the user's id.
    serving: [Mutex<()>; serve::STRIPES],
}

impl Engine {
    /// Opens the store in the folder `path` (see [`GraphStore::open`]) and maps its snapshot, or builds it.
    /// Without an `extractor`, texts wait in the backlog.
    ///
    /// # Errors
    /// [`EngineError::Store`], [`EngineError::Snapshot`] and [`EngineError::Recipe`].
    pub fn open(
        path: &Path,
        create: bool,
        schema: Option<&str>,
        extractor: Option<Box<dyn Extractor>>,
    ) -> Result<Self, EngineError> {
        Self::new(GraphStore::open(path, create, schema)?, extractor)
    }

    /// An engine around `store`.
    ///
    /// # Errors
    /// [`EngineError::Snapshot`].
    pub fn new(
        store: GraphStore,
        extractor: Option<Box<dyn Extractor>>,
    ) -> Result<Self, EngineError> {
        let (current, kept) = keep::open(&store)?;
        let recipe = recipe::read(&store)?;
        let rows = Arc::new(KeptRows::of(store.folder().map(Versions::of)));
        let current = current.with_recipe(Arc::clone(&recipe)).with_rows(Arc::clone(&rows));
        let current = ArcSwap::from_pointee(current);
        let (past, writing, catalogue) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (gathered, kept) = (group::Gathered::default(), Mutex::new(kept));
        let merging = overlay::Merging::default();
        let served = Mutex::new(ServedLog::new(store.folder()));
        let serving = std::array::from_fn(|_| Mutex::default());
        Ok(Self {
            store,
            extractor,
            current,
            past,
            writing,
            gathered,
            catalogue,
            kept,
            recipe,
            rows: ArcSwap::new(rows),
            merging,
            served,
            serving,
        })
    }

    /// The schema of the store.
    pub fn schema(&self) -> &Schema {
        self.store.schema()
    }

    /// The graph as of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The graph as of now, which has every write that `token` stands for.
    ///
    /// # Errors
    /// [`EngineError::Token`] for a token of another store.
    pub fn snapshot_with(&self, token: u64) -> Result<Arc<Snapshot>, EngineError> {
        let snapshot = self.snapshot();
        let sequence = snapshot.sequence;
        if sequence < token { Err(EngineError::Token { token, sequence }) } else { Ok(snapshot) }
    }

    /// The graph as of `as_of`: built anew for an earlier time than the last event's.
    ///
    /// # Errors
    /// [`EngineError::Snapshot`].
    pub fn snapshot_as_of(&self, as_of: Option<Timestamp>) -> Result<Arc<Snapshot>, EngineError> {
        let current = self.snapshot();
        let Some(as_of) = as_of.filter(|as_of| *as_of != current.as_of) else { return Ok(current) };
        let mut past = lock(&self.past);
        let same = |(sequence, at, _): &&(u64, Timestamp, Arc<Snapshot>)| {
            *sequence == current.sequence && *at == as_of
        };
        if let Some((.., snapshot)) = past.iter().find(same) {
            return Ok(Arc::clone(snapshot));
        }
        let built = Snapshot::build(&self.store.view(), Some(as_of), recommend::CACHED)?;
        let built = Arc::new(self.dressed(built));
        past.push_front((built.sequence, as_of, Arc::clone(&built)));
        past.truncate(PAST_KEPT);
        Ok(built)
    }

    /// How many documents and reviews wait for extraction; none where there is no extractor.
    ///
    /// # Errors
    /// [`EngineError::Ingest`].
    pub fn backlog(&self) -> Result<usize, EngineError> {
        let Some(extractor) = &self.extractor else { return Ok(0) };
        Ok(Backlog::of(&self.store.view(), self.schema(), &**extractor)?.len())
    }

    /// The extractor, where there is one.
    pub fn extractor(&self) -> Option<&dyn Extractor> {
        self.extractor.as_deref()
    }

    /// What `user` did up to the moment, as weights on the nodes of `snapshot`.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] for a user that the graph does not have.
    pub fn history(
        &self,
        snapshot: &Snapshot,
        user: &NodeKey,
        moment: &Moment,
    ) -> Result<History, EngineError> {
        if snapshot.find(user).is_none() {
            return Err(EngineError::Unknown { key: user.clone() });
        }
        let (view, id) = (self.store.view(), NodeId::of(user));
        Ok(History::read(&view, snapshot, id, snapshot.as_of, &moment.masked)?)
    }

    /// What a user is into: see [`interest::of_history`].
    ///
    /// # Errors
    /// [`EngineError::Unknown`], and those of a snapshot.
    pub fn interests(
        &self,
        user: &NodeKey,
        moment: &Moment,
        types: Vec<String>,
        k: usize,
    ) -> Result<(Arc<Snapshot>, Vec<Interest>), EngineError> {
        let snapshot = self.snapshot_as_of(moment.as_of)?;
        let history = self.history(&snapshot, user, moment)?;
        let params = InterestParams { at: snapshot.as_of, types, k };
        let interests = interest::of_history(&snapshot, &history, &params);
        Ok((snapshot, interests))
    }

    /// What to show a user: see [`recommend::recommend`].
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Recommend`], and those of a snapshot.
    pub fn recommend(
        &self,
        user: &NodeKey,
        moment: &Moment,
        params: &RecommendParams,
    ) -> Result<(Arc<Snapshot>, Vec<Recommendation>), EngineError> {
        let snapshot = self.snapshot_as_of(moment.as_of)?;
        let history = self.history(&snapshot, user, moment)?;
        let answers = recommend::recommend(&snapshot, &history, params)?;
        Ok((snapshot, answers))
    }

    /// The evidence of an edge, ascending by time; of merged entities, that of all that are read as
    /// one.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn evidence(
        &self,
        source: &NodeKey,
        relation: RelationId,
        target: &NodeKey,
    ) -> Result<Vec<(Stamp, Evidence)>, EngineError> {
        let view = self.store.view();
        let merges = view.merges()?;
        let mut found = Vec::new();
        for source in merges.members(NodeId::of(source)) {
            for target in merges.members(NodeId::of(target)) {
                for item in view.evidence_of(&EdgeKey { source, relation, target })? {
                    let (_, stamp, why) = item?;
                    found.push((stamp, why));
                }
            }
        }
        found.sort_by_key(|(stamp, _)| *stamp);
        Ok(found)
    }

    /// The node with this key.
    ///
    /// # Errors
    /// [`EngineError::Unknown`].
    pub fn node(&self, key: &NodeKey) -> Result<Node, EngineError> {
        let node = self.store.view().node(NodeId::of(key))?;
        node.ok_or_else(|| EngineError::Unknown { key: key.clone() })
    }

    /// The edges of a node in either direction, ascending by relation and other end.
    ///
    /// # Errors
    /// [`EngineError::Unknown`].
    pub fn edges(
        &self,
        key: &NodeKey,
        direction: petgraph::Direction,
    ) -> Result<Vec<(EdgeKey, Edge)>, EngineError> {
        self.node(key)?;
        let view = self.store.view();
        let merges = view.merges()?;
        let (mut edges, mut united) = (BTreeMap::new(), BTreeSet::new());
        for id in merges.members(NodeId::of(key)) {
            let found = match direction {
                petgraph::Outgoing => view.edges_out(id)?,
                petgraph::Incoming => view.edges_in(id)?,
            };
            for item in found {
                let (edge, folded) = item?;
                if merges.touches(&edge) {
                    united.insert(merges.read_edge(&edge));
                } else {
                    edges.insert(edge, folded);
                }
            }
        }
        for edge in united {
            let folded = view.united_edge(&merges, &edge, Timestamp::MAX)?;
            edges.extend(folded.map(|folded| (edge, folded)));
        }
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort_by_key(|(edge, _)| match direction {
            petgraph::Outgoing => (edge.relation, edge.target),
            petgraph::Incoming => (edge.relation, edge.source),
        });
        Ok(edges)
    }

    /// The likeliest paths between two nodes, in either direction of each edge.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Traverse`].
    pub fn paths(
        &self,
        snapshot: &Snapshot,
        (source, target): (&NodeKey, &NodeKey),
        params: &PathParams,
    ) -> Result<Paths<NodeIndex, EdgeIndex>, EngineError> {
        let (from, to) = (find(snapshot, source)?, find(snapshot, target)?);
        let graph = UndirectedAdaptor(snapshot.graph());
        Ok(traverse::find_paths(
            graph,
            from,
            to,
            |edge| snapshot.weigh(edge.id(), edge.weight()),
            params,
        )?)
    }

    /// The nodes of the same kind whose neighbours are most like those of a node.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Traverse`].
    pub fn similar(
        &self,
        snapshot: &Snapshot,
        key: &NodeKey,
        k: usize,
        budget: &traverse::Budget,
    ) -> Result<Similar<NodeIndex>, EngineError> {
        let node = find(snapshot, key)?;
        let graph = UndirectedAdaptor(snapshot.graph());
        let mut similar = traverse::similar_nodes(
            graph,
            node,
            |edge| snapshot.weigh(edge.id(), edge.weight()),
            usize::MAX,
            budget,
        )?;
        similar.nodes.retain(|(node, _)| snapshot.names().kind(*node) == key.kind);
        similar.nodes.truncate(k);
        Ok(similar)
    }

    /// How much of what the store holds.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn stats(&self) -> Result<Stats, EngineError> {
        Ok(self.store.view().stats()?)
    }

    /// What is wrong with the store: see [`crate::store::View::check`].
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn verify(&self) -> Result<Problems, EngineError> {
        Ok(self.store.view().check()?)
    }
}

fn find(snapshot: &Snapshot, key: &NodeKey) -> Result<NodeIndex, EngineError> {
    snapshot.find(key).ok_or_else(|| EngineError::Unknown { key: key.clone() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is whole between any two statements: a panic elsewhere breaks nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
