//! A mention becomes a node, or stays unlinked; merges and their reversal.
//!
//! An extractor that finds more than the catalogue names leaves mentions without an entity. Here
//! they get one, by the first that applies: the spelling of a term or an alias of the same type; the
//! encoding of a term, where it is near enough; an entity of their own. What is left stays out of
//! the graph. The answer depends on the mention, the vocabulary and the encoder alone and not on
//! what else is in the graph, so texts may come in any order. What two texts spell too differently
//! to meet by these rules is never united in silence: [`duplicates`] lists it, and whoever knows
//! that it is one thing says so with a [`merge`].

mod alias;
mod duplicate;
mod encoding;
mod linker;
mod merge;

use thiserror::Error;

use crate::event::NodeKey;
use crate::extract::ExtractError;
use crate::store::StoreError;

pub use alias::{AliasTable, normal_form};
pub use duplicate::{DuplicateParams, Duplicates, Pair, Rule, Side, duplicates};
pub use encoding::encodings;
pub use linker::{Link, Linked, Linker};
pub use merge::{merge, unmerge};

/// Why nothing was linked, merged or unmerged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// An entity that the graph does not have.
    #[error("unknown {key}; ids are `type:name` in lower case")]
    Unknown {
        /// The node asked for.
        key: NodeKey,
    },
    /// A node that is no entity.
    #[error("{key} is no entity; only entities are merged")]
    NotAnEntity {
        /// The node.
        key: NodeKey,
    },
    /// An entity into itself.
    #[error("{key} cannot be merged into itself; give another entity")]
    Itself {
        /// The entity.
        key: NodeKey,
    },
    /// Entities of two types.
    #[error("{entity} and {into} are of different types; only entities of one type are merged")]
    OtherType {
        /// The one to be merged.
        entity: NodeKey,
        /// The one to merge into.
        into: NodeKey,
    },
    /// The entity is merged already.
    #[error("{entity} is merged into {into} already; unmerge it first")]
    Merged {
        /// The entity.
        entity: NodeKey,
        /// As whom it is read.
        into: NodeKey,
    },
    /// The entity to merge into is merged itself.
    #[error("{into} is itself merged into {survivor}; merge into that one")]
    Chain {
        /// The one to merge into.
        into: NodeKey,
        /// As whom it is read.
        survivor: NodeKey,
    },
    /// Others are merged into the entity.
    #[error("{other} is merged into {entity}; unmerge it first, or merge the other way round")]
    Survivor {
        /// The one to be merged.
        entity: NodeKey,
        /// One that is merged into it.
        other: NodeKey,
    },
    /// An entity that is merged into none.
    #[error("{key} is not merged; `predilect duplicates` lists what is")]
    NotMerged {
        /// The entity.
        key: NodeKey,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The encoder failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
}

#[cfg(test)]
mod tests;
