//! Events of large files: sorted and folded before the store takes them, all at once.

use std::path::PathBuf;

use super::super::checked::Rows;
use super::super::reject::Rejects;
use super::super::rows::{self, At};
use super::super::{IngestError, mutations};
use super::{Loading, Progress, RejectClass, check_event, conflict, count, weigh_event};
use crate::store::{Arrival, BulkEvents, Outcome, Place, StoreError};

/// Events between two words of how far the sorting is.
const TOLD: u64 = 1_000_000;
/// Bytes of all files from which they are large.
const LARGE: u64 = 32 << 20;

/// When events go into the store in bulk. It takes a store without events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BulkWhen {
    /// When the files are large.
    #[default]
    Large,
    /// Whenever the store has no events.
    Always,
    /// Never: a batch at a time, each on disk before the next.
    Never,
}

impl Loading<'_> {
    /// Are the events to be taken in at once, if the store allows it?
    pub(super) fn is_bulk(&self) -> Result<bool, IngestError> {
        if self.record.files.iter().any(|file| !file.is_items && file.rows > 0) {
            // A load that began by batches goes on by batches.
            return Ok(false);
        }
        Ok(match self.params.bulk {
            BulkWhen::Large => self.n_bytes()? >= LARGE,
            BulkWhen::Always => true,
            BulkWhen::Never => false,
        })
    }

    /// The bytes of all files of events.
    fn n_bytes(&self) -> Result<u64, IngestError> {
        let size = |path: &PathBuf| match std::fs::metadata(path) {
            // Nobody knows how much will come.
            _ if rows::is_stdin(path) => Ok(0),
            Ok(metadata) => Ok(metadata.len()),
            Err(source) => Err(IngestError::Io { path: path.clone(), source }),
        };
        self.params.events.iter().map(size).sum()
    }

    pub(super) fn events_in_bulk(
        &mut self,
        mut bulk: BulkEvents<'_>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let (params, schema) = (self.params, self.store.schema());
        let pool = self.pool.clone();
        let mut record = self.record.clone();
        let mut places = Vec::new();
        for (file, path) in (0_u32..).zip(&params.events) {
            let place = self.place(false, path);
            places.push(place);
            record.files[place].rows = 0;
            let check = |at: At, raw| {
                let fact = mutations::fact_of_event(check_event(schema, at, raw)?);
                let At { line, byte } = at;
                Ok(Arrival::new(&fact, Place { file, line, byte }))
            };
            let rows = Rows { pool: pool.as_deref(), skip: 0, check };
            let read =
                |sink: rows::Sink<'_, _>| rows::events(path, &params.input, &params.mapping, sink);
            rows.each_chunk(read, weigh_event, &mut |chunk| {
                let before = self.report.events.read;
                record.files[place].rows += chunk.len() as u64;
                for (_, row) in chunk {
                    self.report.events.read += 1;
                    match row {
                        Ok(arrival) => bulk.add(&arrival)?,
                        Err(reject) => {
                            self.report.events.rejected += 1;
                            self.tally.refuse(reject.class(), path, &reject, rejects)?;
                            count(&mut record, place, reject.class());
                        }
                    }
                }
                if before / TOLD < self.report.events.read / TOLD {
                    progress(Progress::Sorted(self.report.events.read));
                }
                params.heed()
            })?;
            record.files[place].is_done = true;
        }
        let schema = self.store.schema();
        let mut refused = Ok(());
        let goes_on = || params.heed().is_ok();
        let folded = bulk.fold(&goes_on, &mut |at, fact, outcome| {
            if outcome == Outcome::Conflict && refused.is_ok() {
                self.report.events.rejected += 1;
                let (file, class) = (at.file as usize, RejectClass::Duplicate);
                let from = At { line: at.line, byte: at.byte };
                let reject = conflict(schema, from, &fact);
                refused = self.tally.refuse(class, &params.events[file], &reject, rejects);
                count(&mut record, places[file], class);
            }
        });
        let folded = match folded {
            Err(StoreError::Interrupted) => return Err(IngestError::Interrupted),
            folded => folded?,
        };
        refused?;
        self.report.events.applied += folded.applied;
        self.report.events.unchanged += folded.unchanged;
        record.events += folded.applied;
        record.rejects[1] = rejects.mark(&record.rejects[1])?;
        folded.commit(Some(&record))?;
        self.record = record;
        let counts = &self.report.events;
        progress(Progress::Events(counts.applied + counts.unchanged));
        params.heed()
    }
}
