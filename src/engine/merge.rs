//! Entities that are one: merging them, lifting merges, and who may be one.

use super::{Engine, EngineError, lock};
use crate::event::NodeKey;
use crate::link::{self, DuplicateParams, Duplicates};
use crate::store::Merge;

impl Engine {
    /// Has one entity read as another (see [`link::merge`]); when it returns, every read does so.
    ///
    /// # Errors
    /// [`EngineError::Link`].
    pub fn merge(&self, merge: Merge) -> Result<u64, EngineError> {
        let _one_writer = lock(&self.writing);
        link::merge(&self.store, merge)?;
        self.store.sync()?;
        self.rebuild()
    }

    /// Has a merged entity read as itself again; answers with the record that was lifted.
    ///
    /// # Errors
    /// [`EngineError::Link`].
    pub fn unmerge(&self, entity: &NodeKey) -> Result<(Merge, u64), EngineError> {
        let _one_writer = lock(&self.writing);
        let (record, _) = link::unmerge(&self.store, entity)?;
        self.store.sync()?;
        Ok((record, self.rebuild()?))
    }

    /// Entities that may be one: see [`link::duplicates`].
    ///
    /// # Errors
    /// [`EngineError::Link`].
    pub fn duplicates(&self, params: &DuplicateParams) -> Result<Duplicates, EngineError> {
        let encoder = self.extractor.as_deref().and_then(|extractor| extractor.encoder());
        Ok(link::duplicates(&self.store, encoder, params)?)
    }
}
