//! A snapshot as a file beside the store, which the next start maps into memory instead of reading the
//! whole store.
//!
//! The file is a copy of what the store says and may be removed at any time. It counts only for the
//! moment of the store, the schema and the version of the program that it was made with, and only whole: a
//! BLAKE3 hash of all of it is verified at every opening. A file that does not count is not read any
//! further, and the snapshot is built from the store.
//!
//! ```text
//! 0      magic, whose last byte is the version of the format      16 bytes
//! 16     hash of the header and of the hashes of every 4 MiB      32 bytes
//! 48     header (postcard)                                        up to 4096
//! 4096   arrays in the byte order of the machine, each from a multiple of 64 on
//! ```

mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::SnapshotError;
use crate::schema::{Schema, Timestamp};
use crate::store::StoreError;

/// What a file starts with. The last byte grows with every change of the format, and of how what is in it
/// is computed.
const MAGIC: [u8; 16] = *b"predilect graph\x01";
/// Where the hash ends and the header begins.
const HEADER_START: usize = MAGIC.len() + blake3::OUT_LEN;
/// Where the header ends and the arrays begin.
const BODY_START: usize = 4096;
/// Bytes that are hashed as one.
const CHUNK: usize = 4 << 20;
/// Arrays begin at multiples of so many bytes.
const ALIGNMENT: usize = 64;
/// Reads as another number where bytes are in another order.
const BYTE_ORDER: u32 = u32::from_ne_bytes([1, 2, 3, 4]);
/// Stands for the length of a label that is the name itself.
const AS_NAME: u32 = u32::MAX;

/// The arrays, in the order in which they lie in the file.
#[derive(Clone, Copy)]
enum Section {
    OutOffsets,
    Targets,
    Data,
    InOffsets,
    Sources,
    InEdges,
    Weights,
    Norms,
    Ids,
    /// Lengths of name and label by turns, or [`AS_NAME`].
    NameLengths,
    /// The bytes of names and labels.
    Names,
    /// postcard of the background.
    Background,
}

const N_SECTIONS: usize = Section::Background as usize + 1;

/// What tells whether a file counts, and where its arrays are.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    byte_order: u32,
    /// Of the store.
    sequence: u64,
    /// See [`View::stamp`](crate::store::View::stamp).
    stamp: Vec<u8>,
    /// See [`made_by`].
    made_by: [u8; blake3::OUT_LEN],
    as_of: Timestamp,
    clock: Timestamp,
    by_node: bool,
    n_nodes: u64,
    /// Start and end of each array, in bytes from the start of the file.
    sections: [(u64, u64); N_SECTIONS],
}

/// Why no file was written, or why one does not count.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraphFileError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No snapshot could be built to be saved.
    #[error(transparent)]
    Build(#[from] SnapshotError),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is none, or that of another build, another machine or another schema.
    #[error("{path} was not made by this program for this schema; it is made anew")]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// The file is that of an earlier or later moment.
    #[error("{path} is of sequence {found}, the store is at {expected}; it is made anew")]
    Outdated {
        /// The path.
        path: PathBuf,
        /// The file's sequence number.
        found: u64,
        /// The store's.
        expected: u64,
    },
    /// The file is not as it was written.
    #[error("{path} is damaged: {what}; it is made anew")]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Changes lie over the base, which alone goes into a file.
    #[error("the snapshot has changes that its base has not; build it anew and save that")]
    Changed,
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> GraphFileError + '_ {
    move |source| GraphFileError::Io { path: path.to_owned(), source }
}

/// What a snapshot depends on beside the store's records: the schema, and the program's version.
fn made_by(schema: &Schema) -> [u8; blake3::OUT_LEN] {
    let text = format!("{} {schema:?}", env!("CARGO_PKG_VERSION"));
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// The hash of each chunk of the arrays.
fn chunk_hashes(body: &[u8]) -> Vec<blake3::Hash> {
    body.par_chunks(CHUNK).map(blake3::hash).collect()
}

/// The hash of a whole file.
fn file_hash(header: &[u8], chunks: &[blake3::Hash]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    for chunk in chunks {
        hasher.update(chunk.as_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
