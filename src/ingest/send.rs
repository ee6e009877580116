//! Files to whoever takes rows in a store's place, such as a server: read, checked as far as no schema is
//! needed, and refused as a load refuses them.
//!
//! Rows go out a chunk at a time. What a receiver has said of a chunk is true on its disk, so sending that
//! ended is begun again from the start, and what is sent again changes nothing twice. Unlike a load, a chunk
//! in which the budget of refused rows is spent is in the store already.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::ThreadPool;
use serde::Serialize;
use serde_json::Value as Json;

use super::checked::{self, Chunk, Rows, split};
use super::load::{ADVICE, check_document, conflict_of_row, row_of, weigh_document, weigh_event};
use super::reject::{Reject, RejectClass, Rejects, Tally};
use super::rows::{self, At};
use super::{Counts, IngestError, LoadParams, Progress};
use crate::event::{Document, NodeKey, RawDocument, RawEvent, Value};
use crate::schema::{NodeKind, Timestamp};
use crate::store::{Outcome, RejectsMark};

/// What ended a receiver.
pub type ReceiverError = Box<dyn std::error::Error + Send + Sync>;

/// Why a receiver refused a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The field at fault, as files name it.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// What became of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentsTaken {
    /// One per document, in order.
    pub outcomes: Vec<Result<(), RefusedRow>>,
    /// How many changed the store.
    pub changed: u64,
}

/// Takes rows in a store's place. What it answers is on disk.
pub trait Receiver {
    /// Takes documents of which no two are of one node.
    ///
    /// # Errors
    /// What ended it; any of them may have been written or not.
    fn documents(
        &mut self,
        documents: Vec<(NodeKey, Document)>,
    ) -> Result<DocumentsTaken, ReceiverError>;

    /// Takes events, unchecked; one outcome per event, in order.
    ///
    /// # Errors
    /// What ended it; any of them may have been written or not.
    fn events(
        &mut self,
        events: &[RawEvent],
    ) -> Result<Vec<Result<Outcome, RefusedRow>>, ReceiverError>;
}

/// What became of the rows that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SendReport {
    /// Documents.
    pub items: Counts,
    /// Events.
    pub events: Counts,
    /// Refused rows by class.
    pub rejected_by_class: BTreeMap<String, u64>,
    /// Files of refused rows, to be repaired and sent again.
    pub rejects: Vec<PathBuf>,
}

/// Sends the files that `params` name to `receiver`. The load's id, its memory and whether it is in bulk mean
/// nothing here.
///
/// # Errors
/// [`IngestError::NotAFile`] and [`IngestError::Unreadable`] before anything is sent;
/// [`IngestError::Receiver`]; [`IngestError::TooManyRejects`] and [`IngestError::Interrupted`] after a chunk.
pub fn send(
    params: &LoadParams,
    receiver: &mut dyn Receiver,
    progress: &mut dyn FnMut(Progress),
) -> Result<SendReport, IngestError> {
    params.check()?;
    let pool = checked::pool(params.jobs)?;
    let tally = Tally::new(params.max_errors, &params.max_errors_of, ADVICE);
    let mut sending = Sending { params, pool, receiver, tally, report: SendReport::default() };
    sending.items(progress)?;
    sending.events(progress)?;
    sending.report.rejected_by_class = sending.tally.by_class();
    Ok(sending.report)
}

/// Files on their way.
struct Sending<'a> {
    params: &'a LoadParams,
    pool: Option<Arc<ThreadPool>>,
    receiver: &'a mut dyn Receiver,
    tally: Tally,
    report: SendReport,
}

impl Sending<'_> {
    fn rejects(&self, name: &str) -> Result<Rejects, IngestError> {
        Rejects::new(self.params.rejects.join(name), &RejectsMark::default())
    }

    /// The receiver's answer; where it has none because the sending is to end, that is why.
    fn answer<A>(&self, answer: Result<A, ReceiverError>) -> Result<A, IngestError> {
        answer.or_else(|error| {
            self.params.heed()?;
            Err(IngestError::Receiver(error))
        })
    }

    fn items(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = self.rejects("items.jsonl")?;
        let (params, pool) = (self.params, self.pool.clone());
        for path in &params.items {
            let rows = Rows { pool: pool.as_deref(), skip: 0, check: check_document };
            let read = |sink: rows::Sink<'_, _>| rows::documents(path, &params.input, sink);
            rows.each_chunk(read, weigh_document, &mut |chunk| {
                self.send_items(path, chunk, &mut rejects, progress)
            })?;
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn send_items(
        &mut self,
        path: &Path,
        chunk: Chunk<(NodeKey, Document)>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let n_rows = chunk.len() as u64;
        let mut refused = Vec::new();
        // Of a document that is there twice the last stays.
        let mut last = BTreeMap::new();
        for (at, row) in chunk {
            match row {
                Ok((key, document)) => drop(last.insert(key, (at, document))),
                Err(reject) => refused.push(reject),
            }
        }
        let places: Vec<At> = last.values().map(|(at, _)| *at).collect();
        let documents: Vec<_> = last.into_iter().map(|(key, (_, doc))| (key, doc)).collect();
        let mut changed = 0;
        if !documents.is_empty() {
            let taken = self.receiver.documents(documents.clone());
            let taken = self.answer(taken)?;
            changed = taken.changed;
            for ((outcome, at), (key, document)) in
                taken.outcomes.into_iter().zip(places).zip(documents)
            {
                if let Err(RefusedRow { field, reason }) = outcome {
                    let row = row_of(&raw_document(key, document));
                    refused.push(Reject::of_row(at, &field, reason, row));
                }
            }
        }
        refused.sort_by_key(|reject| reject.at.line);
        for reject in &refused {
            self.tally.refuse(reject.class(), path, reject, rejects)?;
        }
        let counts = &mut self.report.items;
        let n_refused = refused.len() as u64;
        counts.read += n_rows;
        counts.rejected += n_refused;
        counts.applied += changed;
        counts.unchanged += (n_rows - n_refused).saturating_sub(changed);
        progress(Progress::Items(counts.applied + counts.unchanged));
        self.params.heed()
    }

    fn events(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = self.rejects("events.jsonl")?;
        let (params, pool) = (self.params, self.pool.clone());
        for path in &params.events {
            let rows = Rows { pool: pool.as_deref(), skip: 0, check: |_, row| Ok(row) };
            let read =
                |sink: rows::Sink<'_, _>| rows::events(path, &params.input, &params.mapping, sink);
            rows.each_chunk(read, weigh_event, &mut |chunk| {
                self.send_events(path, chunk, &mut rejects, progress)
            })?;
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn send_events(
        &mut self,
        path: &Path,
        chunk: Chunk<RawEvent>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let (events, rows) = split(chunk);
        let outcomes =
            if events.is_empty() { Ok(Vec::new()) } else { self.receiver.events(&events) };
        let mut outcomes = self.answer(outcomes)?.into_iter().zip(events);
        let counts = &mut self.report.events;
        for (at, refused) in rows {
            counts.read += 1;
            let (class, reject) = match refused {
                Some(reject) => (reject.class(), reject),
                None => match outcomes.next() {
                    Some((Ok(Outcome::Applied), _)) => {
                        counts.applied += 1;
                        continue;
                    }
                    Some((Ok(Outcome::Conflict), event)) => {
                        let reject = conflict_of_row(at, &as_the_store_tells_it(event));
                        (RejectClass::Duplicate, reject)
                    }
                    Some((Err(RefusedRow { field, reason }), event)) => {
                        let reject = Reject::of_row(at, &field, reason, row_of(&event));
                        (reject.class(), reject)
                    }
                    Some((Ok(Outcome::Unchanged), _)) | None => {
                        counts.unchanged += 1;
                        continue;
                    }
                },
            };
            counts.rejected += 1;
            self.tally.refuse(class, path, &reject, rejects)?;
        }
        progress(Progress::Events(counts.applied + counts.unchanged));
        self.params.heed()
    }
}

/// An event that passed every check, spelled as the store spells it; the action alone stays as it came,
/// since the schema is the receiver's.
fn as_the_store_tells_it(event: RawEvent) -> RawEvent {
    let kind = event.target_kind.as_deref().and_then(NodeKind::parse).unwrap_or(NodeKind::Item);
    let target = NodeKey::new(kind, event.target.as_str()).map(|key| key.name);
    RawEvent {
        target: target.unwrap_or(event.target),
        target_kind: Some(kind.name().to_owned()),
        at: Timestamp::parse(&event.at).map_or(event.at, |at| at.to_string()),
        session: event.session.filter(|session| !session.is_empty()),
        text: event.text.filter(|text| !text.is_empty()),
        ..event
    }
}

/// A document as a row has it.
fn raw_document(key: NodeKey, document: Document) -> RawDocument {
    let value = |value| match value {
        Value::Text(text) => Json::from(text),
        Value::Number(number) => Json::from(number),
        Value::Flag(flag) => Json::from(flag),
    };
    let values = |values: Vec<Value>| values.into_iter().map(value).collect();
    let Document { text, attributes, published_at } = document;
    RawDocument {
        id: key.name,
        kind: Some(key.kind.name().to_owned()),
        text: text.into_iter().map(|(field, text)| (field, Some(text))).collect(),
        attributes: attributes.into_iter().map(|(field, list)| (field, values(list))).collect(),
        published_at: published_at.map(|at| at.to_string()),
    }
}
