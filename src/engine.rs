//! Owns store, extractor and the current snapshot: the one place with a lock.
//!
//! A write goes to the store, then to disk, then into a new snapshot that is swapped in whole, and
//! only then is it acknowledged: so whoever reads after an acknowledgement sees the write. Readers
//! take the snapshot that is there and wait for nobody.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use petgraph::visit::{EdgeRef, UndirectedAdaptor};
use thiserror::Error;

use crate::event::{Document, Event, EventError, NodeKey};
use crate::explain::{History, TextSpan};
use crate::extract::{ExtractError, Extractor};
use crate::graph::{EdgeIndex, NodeIndex};
use crate::ingest::{self, Backlog, IngestError, LoadParams, LoadReport, Progress, mutations};
use crate::interest::{self, Explanation, Interest, InterestParams, MAX_SPANS};
use crate::recommend::{self, RecommendError, RecommendParams, Recommendation};
use crate::schema::{RelationId, Schema, Timestamp};
use crate::snapshot::{Name, Snapshot, SnapshotError};
use crate::store::{Edge, EdgeKey, Evidence, GraphStore, Node, NodeId, Outcome, Problems, Stamp};
use crate::store::{Stats, StoreError};
use crate::traverse::{self, PathParams, Paths, Similar, TraverseError};

/// Newer edges over a base, as a share of the base, at which the base is built anew.
const MERGE_SHARE: usize = 16;
/// Newer edges that never make it worth building the base anew.
const MERGE_LEAST: usize = 20_000;
/// Snapshots of earlier times that are kept for the next question.
const PAST_KEPT: usize = 4;

/// Why the engine could not answer or change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A node that the graph does not have.
    #[error("unknown {key}; ids are case-sensitive, and `predilect stats` tells what is there")]
    Unknown {
        /// The node asked for.
        key: NodeKey,
    },
    /// An entity that the user is not into.
    #[error("{user} is not into {entity}; `predilect interests` tells what they are into")]
    NoInterest {
        /// The user.
        user: NodeKey,
        /// The entity.
        entity: NodeKey,
    },
    /// A token that this store never gave.
    #[error("token {token} is not of this store, which is at {sequence}; leave it out")]
    Token {
        /// The token's sequence number.
        token: u64,
        /// The store's.
        sequence: u64,
    },
    /// What arrived is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A load or a write failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The extractor failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// No snapshot could be built.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Nothing can be recommended.
    #[error(transparent)]
    Recommend(#[from] RecommendError),
    /// A walk over the graph failed.
    #[error(transparent)]
    Traverse(#[from] TraverseError),
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What became of each event or document, in order.
    pub outcomes: Vec<Outcome>,
    /// The store's sequence number after it: the token of the write.
    pub sequence: u64,
}

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
}

impl Engine {
    /// Opens the store in the folder `path` (see [`GraphStore::open`]) and builds its snapshot.
    /// Without an `extractor`, texts wait in the backlog.
    ///
    /// # Errors
    /// [`EngineError::Store`] and [`EngineError::Snapshot`].
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
        let current = Snapshot::build(&store.view(), None, recommend::CACHED)?;
        let current = ArcSwap::from_pointee(current);
        let (past, writing) = (Mutex::default(), Mutex::default());
        Ok(Self { store, extractor, current, past, writing })
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
        let built = Arc::new(built);
        past.push_front((built.sequence, as_of, Arc::clone(&built)));
        past.truncate(PAST_KEPT);
        Ok(built)
    }

    /// Writes events as one batch and returns when they are on disk and in the snapshot.
    ///
    /// # Errors
    /// [`EngineError::Store`]; then none was written.
    pub fn write_events(&self, events: Vec<Event>) -> Result<Written, EngineError> {
        let _one_writer = lock(&self.writing);
        let mutations: Vec<_> = events.into_iter().map(mutations::of_event).collect();
        let applied = self.store.apply(&mutations)?;
        self.store.sync()?;
        self.advance(&[], &applied.edges)?;
        Ok(Written { outcomes: applied.outcomes, sequence: applied.sequence })
    }

    /// Writes documents as one batch, extracts from their texts, and returns when all of it is on
    /// disk and in the snapshot.
    ///
    /// # Errors
    /// [`EngineError::Ingest`]; then no document was written, or all were and some still wait for
    /// extraction.
    pub fn upsert(&self, documents: Vec<(NodeKey, Document)>) -> Result<u64, EngineError> {
        let _one_writer = lock(&self.writing);
        let ids: Vec<NodeId> = documents.iter().map(|(key, _)| NodeId::of(key)).collect();
        let (_, mut edges) = ingest::write_documents(&self.store, documents)?;
        self.store.sync()?;
        if let Some(extractor) = &self.extractor {
            let mut backlog = Backlog::of(&self.store.view(), self.schema(), &**extractor)?;
            backlog.waiting.retain(|id| ids.contains(id));
            let found = ingest::extract_backlog(&self.store, &**extractor, &backlog, &mut |_| {})?;
            edges.extend(found.edges);
        }
        self.advance(&ids, &edges)
    }

    /// Takes an event back; says whether it was there.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn retract_event(&self, event_id: &str) -> Result<bool, EngineError> {
        let _one_writer = lock(&self.writing);
        let Some(fact) = self.store.fact_of_event(event_id)? else { return Ok(false) };
        let applied = self.store.apply(&[crate::store::Mutation::Remove(fact)])?;
        self.store.sync()?;
        self.advance(&[], &applied.edges)?;
        Ok(true)
    }

    /// Takes a document back with all that came with it; says whether it was there. Other texts'
    /// mentions follow when the backlog is worked off.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn retract_document(&self, key: &NodeKey) -> Result<bool, EngineError> {
        let _one_writer = lock(&self.writing);
        let id = NodeId::of(key);
        if self.store.view().node(id)?.is_none_or(|node| node.document.is_none()) {
            return Ok(false);
        }
        let known = self.store.facts_of_document(id)?;
        let applied = self.store.apply(&mutations::of_retraction(key, known))?;
        self.store.sync()?;
        self.advance(&[id], &applied.edges)?;
        Ok(true)
    }

    /// Loads files (see [`ingest::load`]) and builds the snapshot anew.
    ///
    /// # Errors
    /// [`EngineError::Ingest`] and [`EngineError::Snapshot`].
    pub fn load(
        &self,
        params: &LoadParams,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<LoadReport, EngineError> {
        let _one_writer = lock(&self.writing);
        let report = ingest::load(&self.store, self.extractor.as_deref(), params, progress)?;
        self.rebuild()?;
        Ok(report)
    }

    /// How many documents wait for extraction; none where there is no extractor.
    ///
    /// # Errors
    /// [`EngineError::Ingest`].
    pub fn backlog(&self) -> Result<usize, EngineError> {
        let Some(extractor) = &self.extractor else { return Ok(0) };
        Ok(Backlog::of(&self.store.view(), self.schema(), &**extractor)?.waiting.len())
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

    /// Why a user is into an entity.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] and [`EngineError::NoInterest`], and those of a snapshot.
    pub fn explain_interest(
        &self,
        user: &NodeKey,
        entity: &NodeKey,
        moment: &Moment,
    ) -> Result<(Arc<Snapshot>, Explanation), EngineError> {
        let (snapshot, interests) = self.interests(user, moment, Vec::new(), usize::MAX)?;
        find(&snapshot, entity)?;
        let found = interests.into_iter().find(|interest| interest.entity == entity.name);
        let interest = found.ok_or_else(|| EngineError::NoInterest {
            user: user.clone(),
            entity: entity.clone(),
        })?;
        let mut evidence = self.spans(&interest, entity)?;
        let evidence_capped = evidence.len() > MAX_SPANS;
        evidence.truncate(MAX_SPANS);
        Ok((snapshot, Explanation { interest, evidence, evidence_capped }))
    }

    /// Where the texts behind an interest name its entity: all, or more than [`MAX_SPANS`].
    fn spans(&self, interest: &Interest, entity: &NodeKey) -> Result<Vec<TextSpan>, EngineError> {
        let (mut spans, mut seen) = (Vec::new(), BTreeSet::new());
        let events =
            interest.contributions.iter().filter_map(|why| why.contribution.event.as_ref());
        for event in events {
            let document = NodeKey { kind: event.target_kind, name: event.target.clone() };
            if spans.len() > MAX_SPANS || !seen.insert(document.clone()) {
                continue;
            }
            let evidence = self.evidence(&document, self.schema().mentions(), entity)?;
            spans.extend(evidence.into_iter().filter_map(|(_, why)| TextSpan::of(&document, why)));
        }
        Ok(spans)
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

    /// The evidence of an edge, ascending by time.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn evidence(
        &self,
        source: &NodeKey,
        relation: RelationId,
        target: &NodeKey,
    ) -> Result<Vec<(Stamp, Evidence)>, EngineError> {
        let edge = EdgeKey { source: NodeId::of(source), relation, target: NodeId::of(target) };
        let view = self.store.view();
        let found = view.evidence_of(&edge)?.map(|item| item.map(|(_, stamp, why)| (stamp, why)));
        Ok(found.collect::<Result<_, _>>()?)
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
        let (view, id) = (self.store.view(), NodeId::of(key));
        let edges = match direction {
            petgraph::Outgoing => view.edges_out(id)?,
            petgraph::Incoming => view.edges_in(id)?,
        };
        Ok(edges.collect::<Result<_, _>>()?)
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

    /// Swaps in a snapshot with what the store says of these nodes and edges now.
    fn advance(&self, nodes: &[NodeId], edges: &[EdgeKey]) -> Result<u64, EngineError> {
        let snapshot = self.snapshot();
        let view = self.store.view();
        let sequence = view.sequence()?;
        let new = |id: &NodeId| snapshot.names().find(*id).is_none();
        let ends = edges.iter().flat_map(|edge| [edge.source, edge.target]).filter(new);
        let ids: BTreeSet<NodeId> = ends.chain(nodes.iter().copied()).collect();
        let mut names = Vec::new();
        for id in ids {
            names.extend(view.node(id)?.map(|node| (id, node)));
        }
        let mut changed = Vec::new();
        for key in edges {
            changed.push((*key, view.edge(key)?));
        }
        let names = names.into_iter().map(|(id, node)| (id, named(node, id, &changed))).collect();
        let next = snapshot.with(sequence, names, changed)?;
        let many = MERGE_LEAST.max(next.graph().base().edge_count() / MERGE_SHARE);
        if next.graph().change_count() > many {
            return self.rebuild();
        }
        self.current.store(Arc::new(next));
        Ok(sequence)
    }

    fn rebuild(&self) -> Result<u64, EngineError> {
        let snapshot = Snapshot::build(&self.store.view(), None, recommend::CACHED)?;
        let sequence = snapshot.sequence;
        self.current.store(Arc::new(snapshot));
        Ok(sequence)
    }
}

/// The name of a node; an entity without a document is called as a new edge to it spells it.
fn named(node: Node, id: NodeId, edges: &[(EdgeKey, Option<Edge>)]) -> Name {
    let spelled = edges.iter().find(|(key, edge)| key.target == id && edge.is_some());
    let surface = spelled.and_then(|(_, edge)| edge.as_ref()?.surface.as_deref());
    Name::of(node, surface)
}

fn find(snapshot: &Snapshot, key: &NodeKey) -> Result<NodeIndex, EngineError> {
    snapshot.find(key).ok_or_else(|| EngineError::Unknown { key: key.clone() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is whole between any two statements: a panic elsewhere breaks nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
