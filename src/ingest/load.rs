//! Files into a store: documents first, then events, then what the documents' texts name.
//!
//! Rows are written a chunk at a time, each chunk one batch and one sync, so a load that is ended
//! leaves whole chunks, and a record of how far it was: the next part of it goes on from there. Loading the
//! same files again changes nothing twice.

mod batches;
mod begin;
mod bulk;
mod documents;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::ThreadPool;
use serde::Serialize;
use serde_json::{Map, Value};

pub(super) use self::begin::begin as begin_load;
pub use self::bulk::BulkWhen;
pub(super) use self::documents::changes;
pub use self::documents::write_documents;
use super::reject::{Reject, RejectClass, Tally};
use super::rows::{At, InputParams};
use super::{Backlog, Extracted, IngestError, Mapping, checked, extract_backlog, rows, sql};
use crate::event::{Document, Event, EventError, NodeKey, RawDocument, RawEvent};
use crate::extract::Extractor;
use crate::schema::Schema;
use crate::store::{Evidence, Fact, GraphStore, LoadRecord, LoadState};

/// What to do where a budget is spent.
pub(super) const ADVICE: &str = "what was committed before stays, and loading again after the repair changes \
                                 nothing twice";

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
    /// How many rows of a class may be refused, where that is fewer than of all.
    pub max_errors_of: BTreeMap<RejectClass, u64>,
    /// The id of the load; none has one made up.
    pub id: Option<String>,
    /// Does it go on with a load that began before?
    pub resume: bool,
    /// Threads that check rows and sort; what comes of it is the same for any number.
    pub jobs: usize,
    /// Set when the load is wanted to end, after the chunk at hand.
    pub interrupted: Arc<AtomicBool>,
}

impl Default for LoadParams {
    /// No files; 100 rows may be refused, into the folder `rejects`; a gibibyte to sort in, and every core.
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
            max_errors_of: BTreeMap::new(),
            id: None,
            resume: false,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            interrupted: Arc::default(),
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
        if let Some(select) = &self.input.select {
            sql::check(select, &self.events)?;
        }
        for (_, path) in self.files() {
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

    /// Every file, and whether it holds items.
    pub(super) fn files(&self) -> impl Iterator<Item = (bool, &PathBuf)> {
        let items = self.items.iter().map(|path| (true, path));
        items.chain(self.events.iter().map(|path| (false, path)))
    }

    /// Ends the load, where that is wanted.
    pub(super) fn heed(&self) -> Result<(), IngestError> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(IngestError::Interrupted)
        } else {
            Ok(())
        }
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
    /// The load's id.
    pub load_id: String,
    /// Did it go on with a load that began before?
    pub resumed: bool,
    /// Documents.
    pub items: Counts,
    /// Events.
    pub events: Counts,
    /// Refused rows by class.
    pub rejected_by_class: BTreeMap<String, u64>,
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
    /// Events checked, of which nothing is written.
    Checked(u64),
    /// Events and edges of a load that are taken back.
    Unloaded(u64),
    /// Documents of a load that are what they were before it.
    Restored(u64),
    /// Documents and reviews through extraction, and how many there are to go through.
    Extracted(u64, u64),
}

/// Loads files into `store`. Without an `extractor` the documents wait in the backlog.
///
/// # Errors
/// [`IngestError::NotAFile`], [`IngestError::Unreadable`] and those of the load's id before anything is
/// written; [`IngestError::TooManyRejects`] when the budget is spent: the chunk at hand is dropped, those
/// before it stay; [`IngestError::Interrupted`] after a chunk, when that is wanted.
pub fn load(
    store: &GraphStore,
    extractor: Option<&dyn Extractor>,
    params: &LoadParams,
    progress: &mut dyn FnMut(Progress),
) -> Result<LoadReport, IngestError> {
    params.check()?;
    let pool = checked::pool(params.jobs)?;
    let (record, resumed) = begin::begin(store, params)?;
    let report = LoadReport { load_id: record.id.clone(), resumed, ..LoadReport::default() };
    let tally = Tally::new(params.max_errors, &params.max_errors_of, ADVICE);
    let mut loading = Loading { store, params, pool, record, tally, report };
    match loading.rows(progress) {
        Ok(()) => {}
        // A store that failed may have more of the load than was told.
        Err(error @ IngestError::Store(_)) => return Err(error),
        Err(error) => {
            if loading.has_brought_nothing() {
                store.remove_load(loading.record.number)?;
            }
            return Err(error);
        }
    }
    let Loading { mut record, tally, mut report, .. } = loading;
    if let Some(extractor) = extractor {
        let backlog = Backlog::of(&store.view(), store.schema(), extractor)?;
        let total = backlog.len() as u64;
        report.extraction = extract_backlog(store, extractor, &backlog, &mut |done| {
            progress(Progress::Extracted(done, total));
        })?;
    }
    report.sequence = store.sequence()?;
    report.rejected_by_class = tally.by_class();
    record.state = LoadState::Finished;
    record.finished = Some(report.sequence);
    store.put_load(&record)?;
    Ok(report)
}

/// A load on its way.
struct Loading<'a> {
    store: &'a GraphStore,
    params: &'a LoadParams,
    pool: Option<Arc<ThreadPool>>,
    /// As it is in the store.
    record: LoadRecord,
    tally: Tally,
    report: LoadReport,
}

impl Loading<'_> {
    fn rows(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        self.items(progress)?;
        self.events(progress)
    }

    fn has_brought_nothing(&self) -> bool {
        self.record.files.iter().all(|file| file.rows == 0)
    }

    /// The place of a file in the load's record.
    fn place(&self, is_items: bool, path: &Path) -> usize {
        let path = path.to_string_lossy();
        let same = |file: &crate::store::LoadFile| file.is_items == is_items && file.path == path;
        self.record.files.iter().position(same).expect("the load began with a place for every file")
    }

    /// Counts the rows of a file that an earlier part of the load was done with; how many there are.
    fn done_before(&mut self, place: usize) -> u64 {
        let file = &self.record.files[place];
        let counts = if file.is_items { &mut self.report.items } else { &mut self.report.events };
        let rejected: u64 = file.rejected.iter().map(|(_, n)| n).sum();
        counts.read += file.rows;
        counts.rejected += rejected;
        counts.unchanged += file.rows - rejected;
        for (class, n) in &file.rejected {
            self.tally.add(RejectClass::parse(class).unwrap_or(RejectClass::Field), *n);
        }
        file.rows
    }
}

/// Counts a refused row of a file in the load's record.
fn count(record: &mut LoadRecord, place: usize, class: RejectClass) {
    let rejected = &mut record.files[place].rejected;
    match rejected.iter_mut().find(|(known, _)| known == class.name()) {
        Some((_, n)) => *n += 1,
        None => rejected.push((class.name().to_owned(), 1)),
    }
}

/// The event that a row says, checked.
pub(super) fn check_event(schema: &Schema, at: At, raw: RawEvent) -> Result<Event, Reject> {
    // Most rows are good: what a bad one said is kept only until the check is over.
    let kept = raw.clone();
    raw.check(schema).map_err(|error| refused(at, &error, &kept))
}

/// The document that a row says, checked.
pub(super) fn check_document(at: At, raw: RawDocument) -> Result<(NodeKey, Document), Reject> {
    let kept = raw.clone();
    raw.check().map_err(|error| refused(at, &error, &kept))
}

/// About how many bytes a document takes.
pub(super) fn weigh_document(raw: &RawDocument) -> usize {
    let text = raw.text.values().flatten().map(String::len).sum::<usize>();
    text + raw.attributes.values().map(weigh).sum::<usize>()
}

/// About how many bytes a value takes.
pub(super) fn weigh(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weigh).sum(),
        Value::Object(fields) => fields.values().map(weigh).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    held + size_of::<Value>()
}

/// Bytes of an event's text.
pub(super) fn weigh_event(raw: &RawEvent) -> usize {
    raw.text.as_ref().map_or(0, String::len)
}

/// The refusal of a row by what is wrong with a field of it.
fn refused(at: At, error: &EventError, row: &impl Serialize) -> Reject {
    Reject::of_row(at, error.field(), error.to_string(), row_of(row))
}

/// The fields of a row.
pub(super) fn row_of(row: &impl Serialize) -> Map<String, Value> {
    let row = serde_json::to_value(row).ok().and_then(|row| row.as_object().cloned());
    row.unwrap_or_default()
}

/// The refusal of an event whose id another has: the whole event, which only wants an id of its own.
pub(super) fn conflict(schema: &Schema, at: At, fact: &Fact) -> Reject {
    let mut row = RawEvent {
        user: fact.source.name.clone(),
        target: fact.target.name.clone(),
        target_kind: Some(fact.target.kind.name().to_owned()),
        action: schema.relation_name(fact.relation).to_owned(),
        at: fact.at.to_string(),
        ..RawEvent::default()
    };
    if let Evidence::Event { event_id, value, session, text, .. } = &fact.evidence {
        row.event_id.clone_from(event_id);
        (row.value, row.session, row.text) = (*value, session.clone(), text.clone());
    }
    conflict_of_row(at, &row)
}

/// As [`conflict`], of the event that `row` says.
pub(super) fn conflict_of_row(at: At, row: &RawEvent) -> Reject {
    let reason = "an event of this id and other content is in the store; give it an id of its own";
    Reject::of_row(at, "event_id", reason, row_of(row))
}
