//! From the format that a store was written in to that of this build: one step from each to the next.
//!
//! A step may be ended at any moment and is then done again from its start, so doing it twice must do no
//! more than doing it once. The new version is written when all of it is on disk.

use super::graph_store::{FORMAT, FORMAT_VERSION};
use super::record::encode;
use super::{Backend, Batch, Space, StoreError};

/// From one format to the next.
pub struct Step {
    /// The version that it starts from.
    pub from: u32,
    /// What it does.
    pub about: &'static str,
    /// Does it.
    pub run: fn(&dyn Backend) -> Result<(), StoreError>,
}

/// The steps that this build knows, ascending. Whoever raises [`FORMAT_VERSION`] adds a row; new
/// spaces are made when the engine opens a store, so a step that only adds some has nothing to do.
pub(super) const STEPS: &[Step] =
    &[Step { from: 2, about: "packed edges and loads have spaces of their own", run: |_| Ok(()) }];

/// Brings a store of version `found` to version `target`.
///
/// # Errors
/// [`StoreError::Format`] for a newer store, and for one that no chain of `steps` leads on from; those
/// of a step: then the store is of the version of the last step that was done.
pub fn migrate(
    backend: &dyn Backend,
    found: u32,
    target: u32,
    steps: &[Step],
) -> Result<(), StoreError> {
    let step_from = |version| steps.iter().find(|step| step.from == version);
    let chain: Option<Vec<&Step>> = (found..target).map(step_from).collect();
    // Nothing is touched unless all of the way is known.
    let Some(chain) = chain.filter(|_| found <= target) else {
        return Err(StoreError::Format { found, expected: target });
    };
    for step in chain {
        (step.run)(backend)?;
        backend.sync()?;
        let mut batch = Batch::default();
        batch.put(Space::Meta, FORMAT, encode(&(step.from + 1)));
        backend.write(&batch)?;
        backend.sync()?;
    }
    Ok(())
}

/// Brings a store of version `found` to the format of this build.
pub(super) fn to_current(backend: &dyn Backend, found: u32) -> Result<(), StoreError> {
    migrate(backend, found, FORMAT_VERSION, STEPS)
}
