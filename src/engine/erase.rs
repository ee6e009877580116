//! Erasing a user: out of the graph, the log of what was shown, the kept embeddings, and the files' bytes.

use std::sync::Arc;

use serde::Serialize;

use super::{Engine, EngineError, lock};
use crate::embed::Versions;
use crate::event::NodeKey;
use crate::snapshot::{KeptRows, row_name};
use crate::store::{ErasedFacts, Pruned};

/// What erasing a user took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Of the graph.
    #[serde(flatten)]
    pub facts: ErasedFacts,
    /// Answers in the log of what was shown.
    pub served: u64,
    /// Rows of kept embeddings.
    pub rows: u64,
}

impl Erased {
    /// Was there anything?
    pub fn is_nothing(&self) -> bool {
        let Self {
            facts: ErasedFacts { events, others, document, in_packed_rows: _ },
            served,
            rows,
        } = *self;
        events + others + served + rows == 0 && !document
    }
}

impl Engine {
    /// Erases a user: afterwards no file of the store names them, nor holds what they wrote. Erasing that was
    /// ended goes on when it is called again. Backups and files that were loaded stay as they are, and who
    /// loads these again loads the user again.
    ///
    /// # Errors
    /// [`EngineError::Store`], [`EngineError::Table`], [`EngineError::Snapshot`]; what was done until then
    /// stays done.
    pub fn erase_user(&self, user: &NodeKey) -> Result<Erased, EngineError> {
        let (facts, served, rows) = self.take_out(user)?;
        // What was deleted is in the files until they are rewritten, which others may write beside.
        self.store.backend().compact()?;
        Ok(Erased { facts, served, rows })
    }

    /// What [`erase_user`](Self::erase_user) would take away.
    ///
    /// # Errors
    /// Those of reads.
    pub fn count_of_user(&self, user: &NodeKey) -> Result<Erased, EngineError> {
        let facts = self.store.erase(user, Pruned::Counted)?;
        let served = lock(&self.served).forget(&user.name, Pruned::Counted)?;
        let versions = self.store.folder().map(Versions::of);
        let rows = versions.map(|versions| versions.count(&[row_name(user)])).transpose()?;
        Ok(Erased { facts, served, rows: rows.unwrap_or_default() as u64 })
    }

    /// Takes a user out of everything but the bytes of files that are to be rewritten.
    fn take_out(&self, user: &NodeKey) -> Result<(ErasedFacts, u64, u64), EngineError> {
        let _one_writer = lock(&self.writing);
        *lock(&self.catalogue) = None;
        let facts = self.store.erase(user, Pruned::Gone)?;
        let served = lock(&self.served).forget(&user.name, Pruned::Gone)?;
        let mut rows = 0;
        if let Some(folder) = self.store.folder() {
            let versions = Versions::of(folder);
            rows = versions.forget(&[row_name(user)])? as u64;
            self.rows.store(Arc::new(KeptRows::of(Some(versions))));
        }
        lock(&self.past).clear();
        // Names and answers that are kept in memory or in a file are of before.
        self.store.graph_file();
        self.store.outdate();
        *lock(&self.kept) = None;
        self.rebuild()?;
        Ok((facts, served, rows))
    }
}
