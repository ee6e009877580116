//! Why the store could not answer or change.

use std::path::PathBuf;

use thiserror::Error;

use super::{Space, keyspace};
use crate::event::NodeKey;
use crate::schema::SchemaError;

/// Why the store could not answer or change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no store where one was asked for.
    #[error("no store at {path}; make one with `predilect load --store {path} ...`")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The path is a file, or a folder that holds other things.
    #[error("{path} is not a store: {reason}; give an empty or a new folder")]
    NotAStore {
        /// The path.
        path: PathBuf,
        /// What stands there.
        reason: &'static str,
    },
    /// Another process has the store open.
    #[error("the store at {path} is in use by {owner}; stop that process, or ask it over gRPC")]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who has it: `process 4711` where known.
        owner: String,
    },
    /// The store was written in another format.
    #[error("the store has format {found}, this build reads {expected}; {}", remedy(*found, *expected))]
    Format {
        /// The version in the store.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// A record cannot be decoded: the store is damaged.
    #[error("{} holds a record that cannot be read at key {key}; run `predilect verify`", space.name())]
    Corrupt {
        /// The space.
        space: Space,
        /// The key, in hexadecimal.
        key: String,
    },
    /// Two names hash to one id.
    #[error("{first} and {second} share a node id; rename one of them")]
    Collision {
        /// The node in the store.
        first: NodeKey,
        /// The node that was to be added.
        second: NodeKey,
    },
    /// Pairs of a bulk path that do not ascend strictly.
    #[error("key {key} of {} does not come after the one before it", space.name())]
    Unsorted {
        /// The space.
        space: Space,
        /// The key, in hexadecimal.
        key: String,
    },
    /// The caller wanted it to end.
    #[error("interrupted; nothing of it was written")]
    Interrupted,
    /// The schema kept in the store, or given for a new one, is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The schema given is another than the store was made with.
    #[error("the store was made with another schema; leave --schema out, or load into a new store")]
    OtherSchema,
    /// A file without which nothing can be read is gone.
    #[error(
        "the store at {path} has lost its file {file}; restore a backup (`predilect restore`), or load into a new folder"
    )]
    Headless {
        /// The store.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// Writes that were told to be on disk are not there.
    #[error(
        "the store at {path} ends at write {found}, and write {synced} was told to be on disk: a log or a manifest is cut or gone; restore a backup, or accept what is left with `predilect repair`"
    )]
    Lost {
        /// The store.
        path: PathBuf,
        /// The last write that is there.
        found: u64,
        /// The last write that was told to be on disk.
        synced: u64,
    },
    /// The file system is nearly full.
    #[error(
        "{free} bytes are free at {path}, and {least} must be before anything is written; make room: reads go on, and so do writes when there is room"
    )]
    NoRoom {
        /// Where it was to be written.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that must be.
        least: u64,
    },
    /// Something stands where a backup or a store is to be written.
    #[error("{path} is there already; give a folder that is not")]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// A backup is no backup, or is damaged.
    #[error("{path} is no whole backup: {reason}")]
    Backup {
        /// The backup.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The storage engine failed.
    #[error("the storage engine failed at {path}: {message}")]
    Engine {
        /// The store.
        path: PathBuf,
        /// What the engine said.
        message: String,
    },
}

fn remedy(found: u32, expected: u32) -> &'static str {
    if found > expected {
        "open it with the newer predilect that wrote it"
    } else {
        "load the data into a new store with this build"
    }
}

pub(super) fn corrupt(space: Space, key: &[u8]) -> StoreError {
    StoreError::Corrupt { space, key: keyspace::hex(key) }
}
