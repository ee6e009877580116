//! `--select`: SQL shapes the rows of a file of events before they are read.
//!
//! Each file by itself is the table `input`, with the columns that it has: texts in CSV and TSV, where an
//! empty cell is NULL; in JSON and Parquet what the file says. The rows of the result are read like those
//! of a Parquet file: mapped, checked and refused by their numbers in the result. A row that cannot be taken
//! apart is refused by its line in the file, and no row of the table.
//!
//! `DataFusion` (feature `sql`) does the work, in one thread and one partition, so that the same file always
//! gives the same rows in the same order; functions that would give others, such as `random` and `now`, are
//! not there. Names are as they are written: `movieId` needs no quotes.

#[cfg(feature = "sql")]
mod query;
#[cfg(feature = "sql")]
mod table;

#[cfg(feature = "sql")]
pub(super) use self::query::{check, events};

/// What shapes the rows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// One SELECT over the table `input`.
    pub sql: String,
    /// Bytes in which groups and joins are made and rows sorted, more or less.
    pub max_memory: usize,
}

#[cfg(not(feature = "sql"))]
mod absent {
    use std::path::{Path, PathBuf};

    use super::super::rows::{InputParams, Sink};
    use super::super::{IngestError, Mapping};
    use super::Select;
    use crate::event::RawEvent;

    fn refused() -> IngestError {
        let reason = "this build has no SQL; build it with `cargo build --release --features sql`";
        IngestError::Select { reason: reason.to_owned() }
    }

    pub(in super::super) fn check(_: &Select, _: &[PathBuf]) -> Result<(), IngestError> {
        Err(refused())
    }

    pub(in super::super) fn events(
        _: &Path,
        _: &InputParams,
        _: &Select,
        _: &Mapping,
        _: Sink<'_, RawEvent>,
    ) -> Result<(), IngestError> {
        Err(refused())
    }
}
#[cfg(not(feature = "sql"))]
pub(super) use self::absent::{check, events};
