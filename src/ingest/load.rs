//! Files into a store: documents first, then events, then what the documents' texts name.
//!
//! Rows are written a chunk at a time, each chunk one batch and one sync, so a load that is ended
//! leaves whole chunks. Loading the same files again changes nothing twice.

mod bulk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

pub use self::bulk::BulkWhen;
use super::reject::{Reject, Rejects};
use super::rows::{At, InputParams};
use super::{Backlog, Extracted, IngestError, Mapping, extract_backlog, mutations, rows};
use crate::event::{Document, Event, NodeKey, RawDocument, RawEvent};
use crate::extract::Extractor;
use crate::schema::Schema;
use crate::store::{EdgeKey, Evidence, GraphStore, Mutation, NodeId, Outcome};

/// Rows to a batch.
const CHUNK: usize = 10_000;
/// Bytes of names and texts to a batch, more or less.
const CHUNK_BYTES: usize = 32 << 20;

/// What to load and how.
#[derive(Clone, Debug)]
pub struct LoadParams {
    /// Files of documents; `-` is standard input.
    pub items: Vec<PathBuf>,
    /// Files of events; `-` is standard input.
    pub events: Vec<PathBuf>,
    /// How files are read.
    pub input: InputParams,
    /// How the columns of event files are read.
    pub mapping: Mapping,
    /// How many rows may be refused before the load ends.
    pub max_errors: u64,
    /// The folder that refused rows are written to.
    pub rejects: PathBuf,
    /// When events are sorted and folded before the store takes them, all at once.
    pub bulk: BulkWhen,
    /// Bytes that sorting may take, more or less.
    pub max_memory: usize,
}

impl Default for LoadParams {
    /// No files; 100 rows may be refused, into the folder `rejects`; a gibibyte to sort in.
    fn default() -> Self {
        Self {
            items: Vec::new(),
            events: Vec::new(),
            input: InputParams::default(),
            mapping: Mapping::default(),
            max_errors: 100,
            rejects: PathBuf::from("rejects"),
            bulk: BulkWhen::default(),
            max_memory: 1 << 30,
        }
    }
}

impl LoadParams {
    /// Is every file there, of a format that can be read, and out of the way of the rejects?
    ///
    /// # Errors
    /// [`IngestError::NotAFile`] and [`IngestError::Unreadable`], for the first that is not.
    pub fn check(&self) -> Result<(), IngestError> {
        rows::check_stdin(self.items.iter().chain(&self.events))?;
        for path in self.items.iter().chain(&self.events) {
            rows::check(path, &self.input)?;
            if path.parent() == Some(&self.rejects) {
                let reason = "lies in the folder that refused rows are written to; move it, or \
                              give another --rejects";
                return Err(IngestError::NotAFile {
                    path: path.clone(),
                    reason: reason.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// How many rows of a kind were read, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// Rows that changed the store.
    pub applied: u64,
    /// Rows that the store had already.
    pub unchanged: u64,
    /// Rows that were refused.
    pub rejected: u64,
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Documents.
    pub items: Counts,
    /// Events.
    pub events: Counts,
    /// What the extractor found.
    pub extraction: Extracted,
    /// The store's sequence number after the load: what it has up to here is on disk.
    pub sequence: u64,
    /// Files of refused rows, to be repaired and loaded again.
    pub rejects: Vec<PathBuf>,
}

/// How far a load is; each number is on disk when it is told, but for [`Progress::Sorted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Documents written.
    Items(u64),
    /// Events written.
    Events(u64),
    /// Events read and sorted, none of which is on disk yet.
    Sorted(u64),
    /// Documents and reviews through extraction, and how many there are to go through.
    Extracted(u64, u64),
}

/// Loads files into `store`. Without an `extractor` the documents wait in the backlog.
///
/// # Errors
/// [`IngestError::NotAFile`] and [`IngestError::Unreadable`] before anything is written where the
/// paths are wrong; [`IngestError::TooManyRejects`] when the budget is spent: the chunk at hand is
/// dropped, those before it stay.
pub fn load(
    store: &GraphStore,
    extractor: Option<&dyn Extractor>,
    params: &LoadParams,
    progress: &mut dyn FnMut(Progress),
) -> Result<LoadReport, IngestError> {
    params.check()?;
    let mut loading = Loading { store, params, report: LoadReport::default() };
    loading.items(progress)?;
    loading.events(progress)?;
    let mut report = loading.report;
    if let Some(extractor) = extractor {
        let backlog = Backlog::of(&store.view(), store.schema(), extractor)?;
        let total = backlog.len() as u64;
        report.extraction = extract_backlog(store, extractor, &backlog, &mut |done| {
            progress(Progress::Extracted(done, total));
        })?;
    }
    report.sequence = store.sequence()?;
    Ok(report)
}

struct Loading<'a> {
    store: &'a GraphStore,
    params: &'a LoadParams,
    report: LoadReport,
}

impl Loading<'_> {
    fn items(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = Rejects::new(self.params.rejects.join("items.jsonl"))?;
        for path in &self.params.items {
            let (mut chunk, mut n_bytes) = (Vec::new(), 0);
            rows::documents(path, &self.params.input, &mut |at, row| {
                self.report.items.read += 1;
                let checked = row.and_then(|raw| {
                    let kept = raw.clone();
                    n_bytes += document_bytes(&kept);
                    raw.check().map_err(|error| refused(at, &error, &kept))
                });
                match checked {
                    Ok(document) => chunk.push(document),
                    Err(reject) => {
                        self.report.items.rejected += 1;
                        self.reject(path, &reject, &mut rejects)?;
                    }
                }
                if chunk.len() >= CHUNK || n_bytes >= CHUNK_BYTES {
                    n_bytes = 0;
                    self.put_items(&mut chunk, progress)?;
                }
                Ok(())
            })?;
            self.put_items(&mut chunk, progress)?;
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn put_items(
        &mut self,
        chunk: &mut Vec<(NodeKey, Document)>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let read = chunk.len() as u64;
        let (changed, _) = write_documents(self.store, std::mem::take(chunk))?;
        let counts = &mut self.report.items;
        counts.applied += changed;
        counts.unchanged += read - changed;
        self.store.sync()?;
        progress(Progress::Items(counts.applied + counts.unchanged));
        Ok(())
    }

    fn events(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = Rejects::new(self.params.rejects.join("events.jsonl"))?;
        let bulk =
            if self.is_bulk()? { self.store.bulk_events(self.params.max_memory)? } else { None };
        match bulk {
            Some(bulk) => self.events_in_bulk(bulk, &mut rejects, progress)?,
            None => self.events_by_chunks(&mut rejects, progress)?,
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn events_by_chunks(
        &mut self,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        for path in &self.params.events {
            let (mut chunk, mut n_bytes) = (Vec::<(At, Event)>::new(), 0);
            rows::events(path, &self.params.input, &self.params.mapping, &mut |at, row| {
                let event = self.checked(path, at, row, rejects)?;
                n_bytes +=
                    event.as_ref().and_then(|event| event.text.as_ref()).map_or(0, String::len);
                chunk.extend(event.map(|event| (at, event)));
                if chunk.len() >= CHUNK || n_bytes >= CHUNK_BYTES {
                    n_bytes = 0;
                    self.put_events(path, &mut chunk, rejects, progress)?;
                }
                Ok(())
            })?;
            self.put_events(path, &mut chunk, rejects, progress)?;
        }
        Ok(())
    }

    /// The event of a row, or none where the row is refused.
    fn checked(
        &mut self,
        path: &Path,
        at: At,
        row: Result<RawEvent, Reject>,
        rejects: &mut Rejects,
    ) -> Result<Option<Event>, IngestError> {
        self.report.events.read += 1;
        let checked = row.and_then(|raw| {
            let kept = raw.clone();
            raw.check(self.store.schema()).map_err(|error| refused(at, &error, &kept))
        });
        match checked {
            Ok(event) => Ok(Some(event)),
            Err(reject) => {
                self.report.events.rejected += 1;
                self.reject(path, &reject, rejects)?;
                Ok(None)
            }
        }
    }

    fn put_events(
        &mut self,
        path: &Path,
        chunk: &mut Vec<(At, Event)>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let (places, events): (Vec<_>, Vec<_>) = std::mem::take(chunk).into_iter().unzip();
        let mutations: Vec<_> = events.into_iter().map(mutations::of_event).collect();
        let applied = self.store.apply(&mutations)?;
        self.store.sync()?;
        for ((outcome, at), mutation) in applied.outcomes.iter().zip(places).zip(&mutations) {
            match outcome {
                Outcome::Applied => self.report.events.applied += 1,
                Outcome::Unchanged => self.report.events.unchanged += 1,
                Outcome::Conflict => {
                    self.report.events.rejected += 1;
                    let reject = conflict(self.store.schema(), at, mutation);
                    self.reject(path, &reject, rejects)?;
                }
            }
        }
        let counts = &self.report.events;
        progress(Progress::Events(counts.applied + counts.unchanged));
        Ok(())
    }

    fn reject(
        &self,
        path: &Path,
        reject: &Reject,
        rejects: &mut Rejects,
    ) -> Result<(), IngestError> {
        rejects.write(path, reject)?;
        let rejected = self.report.items.rejected + self.report.events.rejected;
        if rejected <= self.params.max_errors {
            return Ok(());
        }
        rejects.flush()?;
        Err(IngestError::TooManyRejects {
            budget: self.params.max_errors,
            path: path.to_owned(),
            line: reject.at.line,
            reason: reject.reason.clone(),
        })
    }
}

/// Writes documents as one batch; returns how many changed the store, and the edges that did. Of a
/// document that is there twice the last stays.
///
/// # Errors
/// Those of the store; then nothing was written.
pub fn write_documents(
    store: &GraphStore,
    documents: Vec<(NodeKey, Document)>,
) -> Result<(u64, Vec<EdgeKey>), IngestError> {
    let mut changes = Vec::new();
    let mut ends = Vec::new();
    let last: BTreeMap<_, _> = documents.into_iter().collect();
    for (key, document) in last {
        let known = store.facts_of_document(NodeId::of(&key))?;
        changes.extend(mutations::of_document(store.schema(), &key, document, &known)?);
        ends.push(changes.len());
    }
    let applied = store.apply(&changes)?;
    let mut changed = 0;
    let mut start = 0;
    for end in ends {
        changed += u64::from(applied.outcomes[start..end].contains(&Outcome::Applied));
        start = end;
    }
    Ok((changed, applied.edges))
}

/// About how much memory a document takes.
fn document_bytes(raw: &RawDocument) -> usize {
    let text = raw.text.values().flatten().map(String::len).sum::<usize>();
    text + raw.attributes.values().map(value_bytes).sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(value_bytes).sum(),
        Value::Object(fields) => fields.values().map(value_bytes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    held + size_of::<Value>()
}

fn refused(at: At, error: &crate::event::EventError, row: &impl Serialize) -> Reject {
    let row = serde_json::to_value(row).ok().and_then(|row| row.as_object().cloned());
    Reject::of_row(at, error.field(), error.to_string(), row.unwrap_or_default())
}

/// The whole event, which only wants an id of its own.
fn conflict(schema: &Schema, at: At, mutation: &Mutation) -> Reject {
    let mut row = RawEvent::default();
    if let Mutation::Add(fact) = mutation {
        row.user.clone_from(&fact.source.name);
        row.target.clone_from(&fact.target.name);
        row.target_kind = Some(fact.target.kind.name().to_owned());
        schema.relation_name(fact.relation).clone_into(&mut row.action);
        row.at = fact.at.to_string();
        if let Evidence::Event { event_id, value, session, text, .. } = &fact.evidence {
            row.event_id.clone_from(event_id);
            (row.value, row.session, row.text) = (*value, session.clone(), text.clone());
        }
    }
    let reason = "an event of this id and other content is in the store; give it an id of its own";
    let row = serde_json::to_value(row).ok().and_then(|row| row.as_object().cloned());
    Reject::of_row(at, "event_id", reason, row.unwrap_or_default())
}
