//! The snapshot as a file beside the store: mapped at the start, written when it is asked for.

use std::io;

use super::{Engine, lock};
use crate::recommend;
use crate::snapshot::{GraphFileError, Snapshot, SnapshotError};
use crate::store::GraphStore;

/// The snapshot of the file that the store has, if it is that of the store as it is, with its sequence
/// number; else one that is built.
pub(super) fn open(store: &GraphStore) -> Result<(Snapshot, Option<u64>), SnapshotError> {
    let view = store.view();
    if let Some(path) = store.graph_file() {
        match Snapshot::load(path, &view, recommend::CACHED) {
            Ok(found) => {
                let sequence = found.sequence;
                return Ok((found, Some(sequence)));
            }
            Err(GraphFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::info!("{error}"),
        }
    }
    Ok((Snapshot::build(&view, None, recommend::CACHED)?, None))
}

impl Engine {
    /// Keeps the graph as it is now in a file beside the store, for the next start; where newer edges
    /// lie over the snapshot's base, the snapshot is built anew first. Does nothing where that file is
    /// there, and for a store in memory. A write removes the file.
    ///
    /// # Errors
    /// [`GraphFileError`]; then the next start builds the graph from the store.
    pub fn keep_snapshot(&self) -> Result<(), GraphFileError> {
        let _one_writer = lock(&self.writing);
        let mut kept = lock(&self.kept);
        let Some(path) = self.store.graph_file() else { return Ok(()) };
        let mut snapshot = self.snapshot();
        if *kept == Some(snapshot.sequence) && path.is_file() {
            return Ok(());
        }
        if snapshot.is_changed() {
            let built = Snapshot::build(&self.store.view(), None, recommend::CACHED)?;
            self.current.store(self.dressed(built).into());
            snapshot = self.snapshot();
        }
        snapshot.save(path)?;
        *kept = Some(snapshot.sequence);
        Ok(())
    }
}
