//! Events, documents and mentions become mutations; files of them become a graph.

mod backlog;
mod catalogue;
mod glob;
mod load;
mod mapping;
pub mod mutations;
pub mod opinion;
mod reading;
mod reject;
mod rows;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::event::EventError;
use crate::extract::ExtractError;
use crate::link::LinkError;
use crate::store::StoreError;

pub use backlog::{Backlog, Extracted, extract_backlog};
pub use catalogue::Catalogue;
pub use glob::expand;
pub use load::{BulkWhen, Counts, LoadParams, LoadReport, Progress, load, write_documents};
pub use mapping::Mapping;
pub use rows::{Format, InputParams};

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
    /// More rows were refused than the caller allows.
    #[error(
        "more than {budget} rows were refused, the last at {path} line {line}: {reason}; what was \
         committed before stays, and loading again after the repair changes nothing twice"
    )]
    TooManyRejects {
        /// How many were allowed.
        budget: u64,
        /// The file of the last one.
        path: PathBuf,
        /// Its line, or row in a Parquet file.
        line: u64,
        /// Why it was refused.
        reason: String,
    },
    /// The mapping file is refused.
    #[error("mapping {path}: {reason}")]
    Mapping {
        /// The mapping file.
        path: PathBuf,
        /// What is wrong.
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
