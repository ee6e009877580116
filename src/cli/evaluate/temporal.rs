//! The events of a store, parted at a moment.

use std::path::Path;

use anyhow::ensure;

use crate::engine::Engine;
use crate::evaluate::recommend::Temporal;
use crate::schema::Timestamp;

/// What came after `cut`, or after the first nine tenths of all events, and what to find it from.
///
/// # Errors
/// Those of the store, an action that its schema does not have, and a moment after which nothing is.
pub(super) fn read(
    store: &Path,
    cut: Option<Timestamp>,
    target: Option<&str>,
) -> anyhow::Result<Temporal> {
    let engine = Engine::open(store, false, None, None)?;
    let target =
        target.map(|name| engine.schema().action(name).map(|action| action.id)).transpose()?;
    let parted = engine.parted(cut, target)?;
    let temporal = Temporal::new(&parted.before.training, &parted.later);
    ensure!(
        !temporal.new.cases.is_empty(),
        "nobody known before {} did anything new after it; give another --cut",
        parted.at
    );
    Ok(temporal)
}
