//! What changes the graph: to the store, to disk, and into a new snapshot, in this order.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Engine, EngineError, lock};
use crate::event::{Document, Event, NodeKey};
use crate::ingest::{self, Backlog, LoadParams, LoadReport, Progress, mutations};
use crate::recommend;
use crate::snapshot::{Name, Snapshot};
use crate::store::{Edge, EdgeKey, Mutation, Node, NodeId, Outcome};

/// Newer edges over a base, as a share of the base, at which the base is built anew.
const MERGE_SHARE: usize = 16;
/// Newer edges that never make it worth building the base anew.
const MERGE_LEAST: usize = 20_000;
/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What became of each event or document, in order.
    pub outcomes: Vec<Outcome>,
    /// The store's sequence number after it: the token of the write.
    pub sequence: u64,
}

impl Engine {
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
        let applied = self.store.apply(&[Mutation::Remove(fact)])?;
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
