//! The dry run of a load: the same checks and the same refused rows, and no store.
//!
//! Whether an event's id comes twice is found as the bulk path finds it: by sorting, in bounded memory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::checked::{self, Rows};
use super::load::{check_document, check_event, conflict, weigh_document, weigh_event};
use super::reject::{RejectClass, Rejects, Tally};
use super::{IngestError, LoadParams, Progress, mutations, rows};
use crate::store::{Arrival, GraphStore, Memory, Outcome, Place, RejectsMark};

/// What to do where a budget is spent.
const ADVICE: &str =
    "repair them, or allow more with --max-errors; nothing was written but these rows";

/// What became of the rows of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validated {
    /// Rows read.
    pub read: u64,
    /// Rows that a load into a new store would write.
    pub valid: u64,
    /// Rows that say again what one before them said.
    pub repeated: u64,
    /// Rows that a load would refuse.
    pub rejected: u64,
}

/// What a load of the files would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ValidateReport {
    /// Documents; of one that comes twice a load keeps the last.
    pub items: Validated,
    /// Events.
    pub events: Validated,
    /// Refused rows by class.
    pub rejected_by_class: BTreeMap<String, u64>,
    /// Files of refused rows.
    pub rejects: Vec<PathBuf>,
}

/// Checks the files that `params` name against `schema`, or the shipped one, as a load into a new store
/// would.
///
/// # Errors
/// Those that the load would end with.
pub fn validate(
    schema: Option<&str>,
    params: &LoadParams,
    progress: &mut dyn FnMut(Progress),
) -> Result<ValidateReport, IngestError> {
    params.check()?;
    let store = GraphStore::new(Box::new(Memory::default()), schema)?;
    let pool = checked::pool(params.jobs)?;
    let mut tally = Tally::new(params.max_errors, &params.max_errors_of, ADVICE);
    let mut report = ValidateReport::default();
    let begin = |name| Rejects::new(params.rejects.join(name), &RejectsMark::default());

    let mut rejects = begin("items.jsonl")?;
    for path in &params.items {
        let rows = Rows { pool: pool.as_deref(), skip: 0, check: check_document };
        let read = |sink: rows::Sink<'_, _>| rows::documents(path, &params.input, sink);
        rows.each_chunk(read, weigh_document, &mut |chunk| {
            for (_, row) in chunk {
                report.items.read += 1;
                match row {
                    Ok(_) => report.items.valid += 1,
                    Err(reject) => {
                        report.items.rejected += 1;
                        tally.refuse(reject.class(), path, &reject, &mut rejects)?;
                    }
                }
            }
            params.heed()
        })?;
    }
    report.rejects.extend(rejects.finish()?);

    let mut rejects = begin("events.jsonl")?;
    let sorting = store.bulk_events(0, params.max_memory, pool.clone())?;
    let Some(mut sorting) = sorting else { return Ok(report) };
    for (file, path) in (0_u32..).zip(&params.events) {
        let check = |at: rows::At, raw| {
            let fact = mutations::fact_of_event(check_event(store.schema(), at, raw)?);
            Ok(Arrival::new(&fact, Place { file, line: at.line, byte: at.byte }))
        };
        let rows = Rows { pool: pool.as_deref(), skip: 0, check };
        let read =
            |sink: rows::Sink<'_, _>| rows::events(path, &params.input, &params.mapping, sink);
        rows.each_chunk(read, weigh_event, &mut |chunk| {
            for (_, row) in chunk {
                report.events.read += 1;
                match row {
                    Ok(arrival) => sorting.add(&arrival)?,
                    Err(reject) => {
                        report.events.rejected += 1;
                        tally.refuse(reject.class(), path, &reject, &mut rejects)?;
                    }
                }
            }
            progress(Progress::Checked(report.events.read));
            params.heed()
        })?;
    }
    let mut refused = Ok(());
    let (valid, repeated) = sorting.tried(&mut |at, fact, outcome| {
        if outcome == Outcome::Conflict && refused.is_ok() {
            report.events.rejected += 1;
            let path = &params.events[at.file as usize];
            let from = rows::At { line: at.line, byte: at.byte };
            let reject = conflict(store.schema(), from, &fact);
            refused = tally.refuse(RejectClass::Duplicate, path, &reject, &mut rejects);
        }
    })?;
    refused?;
    (report.events.valid, report.events.repeated) = (valid, repeated);
    report.rejects.extend(rejects.finish()?);
    report.rejected_by_class = tally.by_class();
    Ok(report)
}
