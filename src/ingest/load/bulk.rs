//! Events of large files: sorted and folded before the store takes them, all at once.

use std::path::PathBuf;

use super::super::reject::Rejects;
use super::super::rows::{self, At};
use super::super::{IngestError, mutations};
use super::{Loading, Progress, conflict};
use crate::store::{BulkEvents, Mutation, Outcome, Place};

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
        let files = &self.params.events;
        for (file, path) in (0_u32..).zip(files) {
            rows::events(path, &self.params.input, &self.params.mapping, &mut |at, row| {
                let Some(event) = self.checked(path, at, row, rejects)? else { return Ok(()) };
                if let Mutation::Add(fact) = mutations::of_event(event) {
                    bulk.add(&fact, Place { file, line: at.line, byte: at.byte })?;
                }
                if self.report.events.read.is_multiple_of(TOLD) {
                    progress(Progress::Sorted(self.report.events.read));
                }
                Ok(())
            })?;
        }
        let schema = self.store.schema();
        let mut refused = Ok(());
        let folded = bulk.fold(&mut |place, fact, outcome| {
            if outcome == Outcome::Conflict && refused.is_ok() {
                self.report.events.rejected += 1;
                let at = At { line: place.line, byte: place.byte };
                let reject = conflict(schema, at, &Mutation::Add(fact));
                refused = self.reject(&files[place.file as usize], &reject, rejects);
            }
        })?;
        refused?;
        self.report.events.applied += folded.applied;
        self.report.events.unchanged += folded.unchanged;
        folded.commit()?;
        let counts = &self.report.events;
        progress(Progress::Events(counts.applied + counts.unchanged));
        Ok(())
    }
}
