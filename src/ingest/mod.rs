//! Events, documents and mentions become mutations; files of them become a graph.

mod backlog;
mod catalogue;
mod checked;
mod edges;
mod glob;
mod infer;
mod load;
mod mapping;
pub mod mutations;
pub mod opinion;
mod reading;
mod reject;
mod rows;
mod send;
mod sql;
mod unload;
mod validate;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::event::EventError;
use crate::extract::ExtractError;
use crate::link::LinkError;
use crate::store::StoreError;

pub use backlog::{Backlog, Extracted, extract_backlog};
pub use catalogue::Catalogue;
pub use edges::{EdgeParams, EdgeReport, load_edges};
pub use glob::expand;
pub use infer::{Inferred, infer};
pub use load::{BulkWhen, Counts, LoadParams, LoadReport, Progress, load, write_documents};
pub use mapping::Mapping;
pub use reject::RejectClass;
pub use rows::{Format, InputParams};
pub use send::{DocumentsTaken, Receiver, ReceiverError, RefusedRow, SendReport, send};
pub use sql::Select;
pub use unload::{UnloadReport, unload};
pub use validate::{ValidateReport, Validated, validate};

/// Why a load, or a write of any kind, stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The path is no file to read rows from.
    #[error("{path} {reason}")]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What stands there and what to give instead.
        reason: String,
    },
    /// The file as a whole cannot be read: its header or its container is wrong.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The file breaks off: what is packed is damaged, or an array is never closed.
    #[error(
        "{path} at byte {byte}: {reason}; mend or fetch the file anew: batches that were committed before \
         stay, and loading it again changes nothing twice"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The byte of the file, as it is packed.
        byte: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file of edges had other rows when it was read again.
    #[error(
        "a file of edges was changed while it was read; load it again when nobody writes to it"
    )]
    Changed,
    /// More rows were refused than the caller allows.
    #[error(
        "more than {budget} {rows} were refused, the last at {path} line {line}: {reason}; {advice}"
    )]
    TooManyRejects {
        /// How many were allowed.
        budget: u64,
        /// Of which rows: `rows`, or `rows of class field`.
        rows: String,
        /// The file of the last one.
        path: PathBuf,
        /// Its line, or row in a Parquet file.
        line: u64,
        /// Why it was refused.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The caller wanted it to end.
    #[error(
        "interrupted; what was committed is on disk, and the same command with --resume goes on"
    )]
    Interrupted,
    /// An id that no load may have.
    #[error("load id {id:?} {reason}")]
    LoadId {
        /// The id.
        id: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// A load that the store knows nothing of.
    #[error("unknown load `{id}`; {known}")]
    UnknownLoad {
        /// The id.
        id: String,
        /// Those that it knows, in words.
        known: String,
    },
    /// A load of this id has finished.
    #[error(
        "load `{id}` has finished; give another --load-id, or --resume to load its files again, \
         which changes nothing twice"
    )]
    LoadFinished {
        /// The id.
        id: String,
    },
    /// A load of this id began and has not ended.
    #[error(
        "load `{id}` is unfinished; go on with --resume, or take it back with `predilect unload`"
    )]
    LoadUnfinished {
        /// The id.
        id: String,
    },
    /// A load of this id is being taken back.
    #[error("load `{id}` is being taken back; finish that with `predilect unload --load-id {id}`")]
    LoadUnloading {
        /// The id.
        id: String,
    },
    /// The store's texts were read by another extractor than the one at hand.
    #[error(
        "texts in the store were read by {found}, not by {given}; give --extractor and --model as they \
         were when it was loaded, or `--extractor off` to leave texts to `predilect extract`"
    )]
    OtherReader {
        /// The versions in the store.
        found: String,
        /// The version at hand.
        given: String,
    },
    /// No threads to work with.
    #[error("{jobs} threads cannot be started: {message}; give fewer --jobs")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// The system's answer.
        message: String,
    },
    /// Who takes rows in the store's place takes no more.
    #[error(transparent)]
    Receiver(ReceiverError),
    /// The mapping file is refused.
    #[error("mapping {path}: {reason}")]
    Mapping {
        /// The mapping file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// SQL that cannot shape rows.
    #[error("--select: {reason}")]
    Select {
        /// What is wrong and what to do.
        reason: String,
    },
    /// A name made from a document's attributes is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The extractor failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// Mentions could not be linked.
    #[error(transparent)]
    Link(#[from] LinkError),
}

#[cfg(test)]
mod tests;
