//! What changes the graph: to the store, to disk, and into a new snapshot, in this order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Durability, Engine, EngineError, lock};
use crate::event::{Document, Event, NodeKey};
use crate::extract::Extractor;
use crate::ingest::{self, Backlog, Catalogue, LoadParams, LoadReport, Progress, mutations};
use crate::schema::{NodeKind, Timestamp};
use crate::snapshot::{Name, Snapshot};
use crate::store::{Edge, EdgeKey, EvidenceId, Mutation, Node, NodeId, Outcome};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What became of each event or document, in order.
    pub outcomes: Vec<Outcome>,
    /// The store's sequence number after it: the token of the write.
    pub sequence: u64,
}

impl Engine {
    /// Writes events as one batch, reads the reviews among them where the extractor does, and
    /// returns when all of it is on disk and in the snapshot.
    ///
    /// # Errors
    /// Those of [`Engine::write_events_with`].
    pub fn write_events(&self, events: Vec<Event>) -> Result<Written, EngineError> {
        self.write_events_with(events, Durability::Sync)
    }

    /// Writes events as [`Engine::write_events`] does, and returns when they are where `durability` says.
    /// Writes that come at the same time share a sync.
    ///
    /// # Errors
    /// [`EngineError::Store`]; then none was written. [`EngineError::Gathered`]; then the sync or the
    /// snapshot failed, and they may be found written later. [`EngineError::Ingest`]; then all were, and
    /// some reviews still wait for extraction.
    pub fn write_events_with(
        &self,
        events: Vec<Event>,
        durability: Durability,
    ) -> Result<Written, EngineError> {
        let texts = events.iter().filter(|event| event.text.is_some());
        let reviews: BTreeSet<_> =
            texts.map(|event| EvidenceId::of_event(&event.event_id)).collect();
        let mutations = events.into_iter().map(mutations::of_event).collect();
        let mut written = self.write_in_group(mutations, durability)?;
        let reads = self.extractor.as_deref().is_some_and(Extractor::finds_relations);
        if reads && !reviews.is_empty() {
            let _one_writer = lock(&self.writing);
            let edges = self.read_reviews(&reviews)?;
            written.sequence = written.sequence.max(self.advance(&[], &edges)?);
        }
        Ok(written)
    }

    /// Extracts from the texts of events, where the extractor reads such; says what edges changed.
    fn read_reviews(&self, ids: &BTreeSet<EvidenceId>) -> Result<Vec<EdgeKey>, EngineError> {
        let Some(extractor) = self.extractor.as_deref().filter(|found| found.finds_relations())
        else {
            return Ok(Vec::new());
        };
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut slot = lock(&self.catalogue);
        let view = self.store.view();
        let catalogue = match slot.take() {
            Some(catalogue) => catalogue,
            None => Catalogue::of(&view)?,
        };
        let backlog = Backlog::of_events(&view, extractor, &catalogue, ids);
        *slot = Some(catalogue);
        drop(view);
        Ok(ingest::extract_backlog(&self.store, extractor, &backlog?, &mut |_| {})?.edges)
    }

    /// Writes documents as one batch, extracts from their texts, and returns when all of it is on
    /// disk and in the snapshot.
    ///
    /// # Errors
    /// [`EngineError::Ingest`]; then no document was written, or all were and some still wait for
    /// extraction.
    pub fn upsert(&self, documents: Vec<(NodeKey, Document)>) -> Result<u64, EngineError> {
        Ok(self.upsert_counted(documents)?.0)
    }

    /// As [`Engine::upsert`]; also how many documents changed the store.
    ///
    /// # Errors
    /// Those of [`Engine::upsert`].
    pub fn upsert_counted(
        &self,
        documents: Vec<(NodeKey, Document)>,
    ) -> Result<(u64, u64), EngineError> {
        let _one_writer = lock(&self.writing);
        let documents: BTreeMap<_, _> = documents.into_iter().collect();
        let ids: BTreeSet<NodeId> = documents.keys().map(NodeId::of).collect();
        let mut slot = lock(&self.catalogue);
        // Without an extractor nobody asks for the words; where the write fails they are read anew.
        let known = slot.take();
        let catalogue = match &self.extractor {
            Some(extractor) => Some((extractor, self.catalogue_with(known, &documents)?)),
            None => None,
        };
        let documents = documents.into_iter().collect();
        let (changed, mut edges) = ingest::write_documents(&self.store, documents)?;
        self.store.sync()?;
        if let Some((extractor, catalogue)) = catalogue {
            let view = self.store.view();
            let backlog = Backlog::of_documents(&view, &**extractor, &catalogue, &ids)?;
            drop(view);
            let found = ingest::extract_backlog(&self.store, &**extractor, &backlog, &mut |_| {})?;
            edges.extend(found.edges);
            *slot = Some(catalogue);
        }
        let sequence = self.advance(&ids.into_iter().collect::<Vec<_>>(), &edges)?;
        Ok((sequence, changed))
    }

    /// The catalogue as it is once `documents` are written.
    fn catalogue_with(
        &self,
        known: Option<Catalogue>,
        documents: &BTreeMap<NodeKey, Document>,
    ) -> Result<Catalogue, EngineError> {
        let view = self.store.view();
        let mut catalogue = match known {
            Some(catalogue) => catalogue,
            None => Catalogue::of(&view)?,
        };
        for (key, document) in documents {
            if let Some(old) = view.node(NodeId::of(key))?.and_then(|node| node.document) {
                catalogue.remove(self.schema(), key, &old);
            }
            catalogue.add(self.schema(), key, document);
        }
        Ok(catalogue)
    }

    /// Takes an event back, with the opinions in its text; says whether it was there.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn retract_event(&self, event_id: &str) -> Result<bool, EngineError> {
        let _one_writer = lock(&self.writing);
        let facts = self.store.facts_of_event(EvidenceId::of_event(event_id))?;
        if facts.is_empty() {
            return Ok(false);
        }
        let text = self.text_of_event(event_id)?;
        let changes: Vec<_> = facts.into_iter().map(Mutation::Remove).collect();
        let applied = self.store.apply(&changes)?;
        self.store.forget(text.as_deref().into_iter())?;
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
        let found = self.store.view().node(id)?.and_then(|node| node.document);
        let Some(document) = found else { return Ok(false) };
        // A copy of the words would keep what is gone: the next write reads them anew.
        *lock(&self.catalogue) = None;
        let known = self.store.facts_of_document(id)?;
        let applied = self.store.apply(&mutations::of_retraction(key, known))?;
        self.store.forget(document.text.values().map(String::as_str))?;
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
        *lock(&self.catalogue) = None;
        let report = ingest::load(&self.store, self.extractor.as_deref(), params, progress)?;
        self.rebuild()?;
        Ok(report)
    }

    /// `snapshot` with what the store says of these nodes and edges now.
    pub(super) fn laid_over(
        &self,
        snapshot: &Snapshot,
        nodes: &[NodeId],
        edges: &[EdgeKey],
    ) -> Result<Snapshot, EngineError> {
        let view = self.store.view();
        let sequence = view.sequence()?;
        let new = |id: &NodeId| snapshot.names().find(*id).is_none();
        let ends = edges.iter().flat_map(|edge| [edge.source, edge.target]).filter(new);
        let ids: BTreeSet<NodeId> = ends.chain(nodes.iter().copied()).collect();
        let mut names = Vec::new();
        for id in ids {
            names.extend(view.node(id)?.map(|node| (id, node)));
        }
        // An entity without a title keeps the label that its edges gave it.
        let titled = |node: &Node| node.document.as_ref().is_some_and(|d| d.title().is_some());
        names.retain(|(id, node)| node.key.kind != NodeKind::Entity || new(id) || titled(node));
        let merges = view.merges()?;
        let mut changed = Vec::new();
        for key in edges {
            changed.push(if merges.touches(key) {
                let key = merges.read_edge(key);
                (key, view.united_edge(&merges, &key, Timestamp::MAX)?)
            } else {
                (*key, view.edge(key)?)
            });
        }
        let names = names.into_iter().map(|(id, node)| (id, named(node, id, &changed))).collect();
        Ok(snapshot.with(sequence, names, changed)?)
    }
}

/// The name of a node; an entity without a document is called as a new edge to it spells it.
fn named(node: Node, id: NodeId, edges: &[(EdgeKey, Option<Edge>)]) -> Name {
    let spelled = edges.iter().find(|(key, edge)| key.target == id && edge.is_some());
    let surface = spelled.and_then(|(_, edge)| edge.as_ref()?.surface.as_deref());
    Name::of(node, surface)
}
