//! Taking what is old away, exactly as if each event were taken back by itself.

use serde::Serialize;

use super::graph_store::GraphStore;
use super::record::{Evidence, EvidenceId};
use super::{Mutation, Space, StoreError};
use crate::schema::Timestamp;

/// Events to a batch.
const CHUNK: usize = 5_000;

/// What taking old events away did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Events that went or, when only asked, would go.
    pub events: u64,
    /// Opinions in the texts of these events.
    pub opinions: u64,
    /// Events that stay.
    pub kept: u64,
    /// Whether it came to its end.
    pub complete: bool,
}

/// What becomes of old events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// They are taken away.
    Gone,
    /// They are only counted.
    Counted,
}

impl GraphStore {
    /// Takes every event away that happened before a time, with the opinions in its text: a batch at a
    /// time, each on disk before the next. Whoever is ended in between goes on by asking again.
    ///
    /// `go_on` is told after each batch how many events went, and says whether there is to be another.
    ///
    /// # Errors
    /// Those of reads and writes; the batches before stay done.
    pub fn prune(
        &self,
        before: Timestamp,
        pruned: Pruned,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<PruneReport, StoreError> {
        let mut report = PruneReport::default();
        let reader = self.backend().reader();
        let mut old = Vec::new();
        for item in reader.scan(Space::Events, &[])? {
            let (key, value) = item?;
            let (_, at, _) = super::loads::decode_event(&key, &value)?;
            if at >= before {
                report.kept += 1;
                continue;
            }
            let id = key.as_ref().try_into();
            old.push(EvidenceId(id.map_err(|_| super::corrupt(Space::Events, &key))?));
            if old.len() == CHUNK {
                self.take(&old, pruned, &mut report)?;
                old.clear();
                if !go_on(report.events) {
                    return Ok(report);
                }
            }
        }
        self.take(&old, pruned, &mut report)?;
        report.complete = true;
        Ok(report)
    }

    fn take(
        &self,
        ids: &[EvidenceId],
        pruned: Pruned,
        report: &mut PruneReport,
    ) -> Result<(), StoreError> {
        let (mut changes, mut texts) = (Vec::new(), Vec::new());
        for id in ids {
            for fact in self.facts_of_event(*id)? {
                match &fact.evidence {
                    Evidence::Event { text, .. } => {
                        report.events += 1;
                        texts.extend(text.clone());
                    }
                    _ => report.opinions += 1,
                }
                changes.push(Mutation::Remove(fact));
            }
        }
        if pruned == Pruned::Counted || changes.is_empty() {
            return Ok(());
        }
        self.apply(&changes)?;
        self.forget(texts.iter().map(String::as_str))?;
        self.sync()
    }
}
