//! Why the engine could not answer or change.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::embed::{EmbedError, TableError};
use crate::event::{EventError, NodeKey};
use crate::extract::ExtractError;
use crate::ingest::IngestError;
use crate::link::LinkError;
use crate::recommend::RecommendError;
use crate::snapshot::{EmbeddedError, SnapshotError};
use crate::store::StoreError;
use crate::traverse::TraverseError;

/// Why the engine could not answer or change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A node that the graph does not have.
    #[error("unknown {key}; ids are case-sensitive, and `predilect stats` tells what is there")]
    Unknown {
        /// The node asked for.
        key: NodeKey,
    },
    /// A question about nobody.
    #[error("there is nobody to recommend to: give a user, or items of a session")]
    NoSubject,
    /// An event of a session that is refused.
    #[error("event {place} of the session: {source}")]
    Session {
        /// Its place, from 1.
        place: usize,
        /// What is wrong with it.
        source: EventError,
    },
    /// A rule that goes by who asks, for a session that does not say.
    #[error("{field} goes by the user; give one, or leave it out")]
    NeedsUser {
        /// Which of the request's fields.
        field: &'static str,
    },
    /// An entity that the user is not into.
    #[error("{user} is not into {entity}; `predilect interests` tells what they are into")]
    NoInterest {
        /// The user.
        user: NodeKey,
        /// The entity.
        entity: NodeKey,
    },
    /// A token that this store never gave.
    #[error("token {token} is not of this store, which is at {sequence}; leave it out")]
    Token {
        /// The token's sequence number.
        token: u64,
        /// The store's.
        sequence: u64,
    },
    /// A file beside the store cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The recipe of the store's models cannot be read.
    #[error("{path} is no recipe: {source}; delete it, or run `predilect train recommender` again")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A store in memory, which keeps no files.
    #[error("the store is in memory and keeps no embedding; open one in a folder")]
    NoFolder,
    /// A training that cannot start from the last version.
    #[error("there is nothing to start from: {reason}; or leave --warm-start out")]
    WarmStart {
        /// Why not.
        reason: String,
    },
    /// Two versions that cannot be compared.
    #[error(
        "versions {old} and {new} share no row, or have rows of different lengths; compare others"
    )]
    NoDrift {
        /// The one.
        old: u32,
        /// The other.
        new: u32,
    },
    /// A node that the embedding says nothing of.
    #[error(
        "{key} has no row: it came after the training and no neighbour of it has one; train anew"
    )]
    NoRow {
        /// The node.
        key: NodeKey,
    },
    /// An embedding cannot be trained.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// A version of the embedding cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There are no rows to answer by.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// What a write was gathered with failed: the sync, or the snapshot, of all of them.
    #[error(transparent)]
    Gathered(Arc<EngineError>),
    /// What arrived is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A load or a write failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The extractor failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// Nothing could be linked, merged or unmerged.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// No snapshot could be built.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Nothing can be recommended.
    #[error(transparent)]
    Recommend(#[from] RecommendError),
    /// A walk over the graph failed.
    #[error(transparent)]
    Traverse(#[from] TraverseError),
}
