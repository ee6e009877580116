//! Takes back what a load brought: its events and edges go, and documents become what they were before it.
//!
//! It goes by batches, each of which leaves the store whole and the rest of the work to be found again; the
//! load's record goes last. So an unload that is ended goes on when it is run again.

use serde::Serialize;

use super::{Backlog, Extracted, IngestError, Progress, extract_backlog, mutations};
use crate::event::{Document, NodeKey};
use crate::extract::Extractor;
use crate::store::{Evidence, Fact, GraphStore, LoadRecord, LoadState, Mutation, NodeId, Undo};

/// Events to a batch.
const EVENTS: usize = 10_000;
/// Documents to a batch.
const DOCUMENTS: usize = 1_000;

/// What taking a load back did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnloadReport {
    /// The load's id.
    pub load_id: String,
    /// Events that were taken back.
    pub events: u64,
    /// Pieces of evidence from files of edges that went, or became what they were before.
    pub edges: u64,
    /// Documents that went, or became what they were before.
    pub documents: u64,
    /// What the extractor found in texts that were read anew.
    pub extraction: Extracted,
    /// The store's sequence number after it.
    pub sequence: u64,
}

/// Takes the load of this id back. Texts whose mentions no longer follow from the catalogue are read anew
/// by `extractor`, or wait in the backlog.
///
/// # Errors
/// [`IngestError::UnknownLoad`]; [`IngestError::OtherReader`] when the store's texts were read by another
/// extractor; those of the store and the extractor: then running it again goes on.
pub fn unload(
    store: &GraphStore,
    id: &str,
    extractor: Option<&dyn Extractor>,
    progress: &mut dyn FnMut(Progress),
) -> Result<UnloadReport, IngestError> {
    let loads = store.view().loads()?;
    let Some(load) = loads.iter().find(|load| load.id == id) else {
        return Err(IngestError::UnknownLoad { id: id.to_owned(), known: known(&loads) });
    };
    if let Some(extractor) = extractor {
        let readers = store.view().readers()?;
        let given = extractor.version();
        if !readers.is_empty() && !readers.contains(given) {
            let found = readers.into_iter().collect::<Vec<_>>().join(", ");
            return Err(IngestError::OtherReader { found, given: given.to_owned() });
        }
    }
    store.put_load(&LoadRecord { state: LoadState::Unloading, ..load.clone() })?;
    let mut report = UnloadReport { load_id: id.to_owned(), ..UnloadReport::default() };
    report.events = events(store, load.number, progress)?;
    report.edges = store.unload_edges(load.number, &mut |taken| {
        progress(Progress::Unloaded(report.events + taken));
    })?;
    report.documents = documents(store, load.number, progress)?;
    if let Some(extractor) = extractor {
        let backlog = Backlog::of(&store.view(), store.schema(), extractor)?;
        let total = backlog.len() as u64;
        report.extraction = extract_backlog(store, extractor, &backlog, &mut |done| {
            progress(Progress::Extracted(done, total));
        })?;
    }
    store.remove_load(load.number)?;
    report.sequence = store.sequence()?;
    Ok(report)
}

/// The loads that there are, in words.
fn known(loads: &[LoadRecord]) -> String {
    if loads.is_empty() {
        return "the store has no loads".to_owned();
    }
    let ids: Vec<_> = loads.iter().map(|load| load.id.as_str()).collect();
    format!("known: {}", ids.join(", "))
}

fn events(
    store: &GraphStore,
    number: u32,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, IngestError> {
    let mut taken = 0;
    // A view of before the first batch: what is taken back is passed once, however many batches there are.
    let view = store.view();
    let mut events = view.events_of_load(number)?;
    loop {
        let mut changes = Vec::new();
        let mut texts = Vec::new();
        let mut n_events = 0;
        for event in events.by_ref().take(EVENTS) {
            let (edge, stamp) = event?;
            n_events += 1;
            let Some(evidence) = view.evidence_at(&edge, &stamp)? else { continue };
            if let Evidence::Event { text: Some(text), .. } = &evidence {
                texts.push(text.clone());
                changes.extend(store.facts_of_event(stamp.id)?.into_iter().map(Mutation::Remove));
            } else {
                changes.push(Mutation::Remove(view.fact(edge, stamp, evidence)?));
            }
        }
        if n_events == 0 {
            return Ok(taken);
        }
        store.apply_unload(&changes, &[], &[])?;
        store.forget(texts.iter().map(String::as_str))?;
        store.sync()?;
        taken += n_events;
        progress(Progress::Unloaded(taken));
    }
}

fn documents(
    store: &GraphStore,
    number: u32,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, IngestError> {
    let mut taken = 0;
    loop {
        let view = store.view();
        // In the order of their ids, so no document is cut in two.
        let mut chunk: Vec<NodeKey> = Vec::new();
        for undo in view.undos()? {
            let Undo { document, load, .. } = undo?;
            if load != number || chunk.last() == Some(&document) {
                continue;
            }
            if chunk.len() == DOCUMENTS {
                break;
            }
            chunk.push(document);
        }
        drop(view);
        if chunk.is_empty() {
            return Ok(taken);
        }
        let mut batch = Batch::default();
        for document in &chunk {
            batch.take(store, document, number)?;
        }
        store.apply_unload(&batch.mutations, &batch.gone, &batch.changed)?;
        store.forget(batch.texts.iter().map(String::as_str))?;
        store.sync()?;
        taken += chunk.len() as u64;
        progress(Progress::Restored(taken));
    }
}

/// What takes some documents back.
#[derive(Default)]
struct Batch {
    mutations: Vec<Mutation>,
    gone: Vec<Undo>,
    changed: Vec<Undo>,
    /// Texts that the store no longer has.
    texts: Vec<String>,
}

impl Batch {
    /// Takes the load of this number out of the chain of what `key` was.
    fn take(&mut self, store: &GraphStore, key: &NodeKey, number: u32) -> Result<(), IngestError> {
        let view = store.view();
        let id = NodeId::of(key);
        let now = view.node(id)?.and_then(|node| node.document);
        let mut last = now.clone();
        let mut kept: Vec<Undo> = Vec::new();
        // From the newest back: what came right after a record of the load is the record before it in `kept`,
        // or else the document itself.
        for undo in view.undos_of(id)?.into_iter().rev() {
            if undo.load != number {
                kept.push(undo);
                continue;
            }
            let next = match kept.last_mut() {
                Some(later) => &mut later.before,
                None => &mut last,
            };
            // Where something came between that was no load, what it made stays.
            if undo.made(next.as_ref()) {
                next.clone_from(&undo.before);
            }
            self.gone.push(undo);
        }
        self.changed.extend(kept);
        if last != now {
            self.texts.extend(now.iter().flat_map(|old| old.text.values().cloned()));
            let known = store.facts_of_document(id)?;
            self.mutations.extend(restoring(store, key, now.as_ref(), last, known)?);
        }
        Ok(())
    }
}

/// What brings a document back to what it was.
fn restoring(
    store: &GraphStore,
    key: &NodeKey,
    now: Option<&Document>,
    before: Option<Document>,
    known: Vec<Fact>,
) -> Result<Vec<Mutation>, IngestError> {
    let Some(document) = before else { return Ok(mutations::of_retraction(key, known)) };
    let mut changes = Vec::new();
    let (mut mentions, mut rest) = (Vec::new(), known);
    if now.is_none_or(|now| now.text != document.text) {
        // Mentions are of the text that goes.
        (mentions, rest) =
            rest.into_iter().partition(|fact| matches!(fact.evidence, Evidence::Mention { .. }));
        changes.push(Mutation::Extracted(key.clone(), None));
    }
    changes.extend(mentions.into_iter().map(Mutation::Remove));
    changes.extend(mutations::of_document(store.schema(), key, document, &rest)?);
    Ok(changes)
}
