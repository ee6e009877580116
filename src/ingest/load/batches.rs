//! Rows into a store, a chunk at a time: each is one batch with the record of how far the load is, on disk
//! before the next.

use std::path::Path;

use super::super::checked::{Chunk, Rows, split};
use super::super::reject::Rejects;
use super::super::{IngestError, mutations, rows};
use super::{
    Loading, Progress, RejectClass, changes, check_document, check_event, conflict, count,
};
use super::{weigh_document, weigh_event};
use crate::event::{Document, NodeKey};
use crate::store::{Mutation, Outcome};

/// Which of a load's files of refused rows.
const ITEMS: usize = 0;
const EVENTS: usize = 1;

impl Loading<'_> {
    fn rejects(&self, of: usize) -> Result<Rejects, IngestError> {
        let name = ["items.jsonl", "events.jsonl"][of];
        Rejects::new(self.params.rejects.join(name), &self.record.rejects[of])
    }

    pub(super) fn items(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = self.rejects(ITEMS)?;
        let params = self.params;
        let pool = self.pool.clone();
        for path in &params.items {
            let place = self.place(true, path);
            let skip = self.done_before(place);
            if self.record.files[place].is_done {
                continue;
            }
            let rows = Rows { pool: pool.as_deref(), skip, check: check_document };
            let read = |sink: rows::Sink<'_, _>| rows::documents(path, &params.input, sink);
            rows.each_chunk(read, weigh_document, &mut |chunk| {
                self.put_items(place, path, chunk, &mut rejects, progress)
            })?;
            self.record.files[place].is_done = true;
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn put_items(
        &mut self,
        place: usize,
        path: &Path,
        chunk: Chunk<(NodeKey, Document)>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let n_rows = chunk.len() as u64;
        let mut record = self.record.clone();
        let mut documents = Vec::with_capacity(chunk.len());
        for (_, row) in chunk {
            match row {
                Ok(document) => documents.push(document),
                Err(reject) => {
                    self.tally.refuse(reject.class(), path, &reject, rejects)?;
                    count(&mut record, place, reject.class());
                }
            }
        }
        let n_documents = documents.len() as u64;
        let changes = changes(self.store, documents)?;
        record.files[place].rows += n_rows;
        record.rejects[ITEMS] = rejects.mark(&record.rejects[ITEMS])?;
        let number = record.number;
        let applied = self.store.apply_for_load(number, &changes.mutations, |outcomes| {
            record.documents += changes.n_changed(outcomes);
            Ok::<_, IngestError>(record.clone())
        })?;
        self.store.sync()?;
        self.record = record;
        let changed = changes.n_changed(&applied.outcomes);
        let counts = &mut self.report.items;
        counts.read += n_rows;
        counts.rejected += n_rows - n_documents;
        counts.applied += changed;
        counts.unchanged += n_documents - changed;
        progress(Progress::Items(counts.applied + counts.unchanged));
        self.params.heed()
    }

    pub(super) fn events(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IngestError> {
        let mut rejects = self.rejects(EVENTS)?;
        let bulk = if self.is_bulk()? {
            let (number, pool) = (self.record.number, self.pool.clone());
            self.store.bulk_events(number, self.params.max_memory, pool)?
        } else {
            None
        };
        match bulk {
            Some(bulk) => self.events_in_bulk(bulk, &mut rejects, progress)?,
            None => self.events_by_chunks(&mut rejects, progress)?,
        }
        self.report.rejects.extend(rejects.finish()?);
        Ok(())
    }

    fn events_by_chunks(
        &mut self,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let (params, schema) = (self.params, self.store.schema());
        let pool = self.pool.clone();
        for path in &params.events {
            let place = self.place(false, path);
            let skip = self.done_before(place);
            if self.record.files[place].is_done {
                continue;
            }
            let check = |at, raw| check_event(schema, at, raw).map(mutations::of_event);
            let rows = Rows { pool: pool.as_deref(), skip, check };
            let read =
                |sink: rows::Sink<'_, _>| rows::events(path, &params.input, &params.mapping, sink);
            rows.each_chunk(read, weigh_event, &mut |chunk| {
                self.put_events(place, path, chunk, rejects, progress)
            })?;
            self.record.files[place].is_done = true;
        }
        Ok(())
    }

    fn put_events(
        &mut self,
        place: usize,
        path: &Path,
        chunk: Chunk<Mutation>,
        rejects: &mut Rejects,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), IngestError> {
        let n_rows = chunk.len() as u64;
        let (mutations, rows) = split(chunk);
        let mut record = self.record.clone();
        let schema = self.store.schema();
        let tally = &mut self.tally;
        let number = record.number;
        let applied = self.store.apply_for_load(number, &mutations, |outcomes| {
            let mut changes = outcomes.iter().zip(&mutations);
            for (at, refused) in rows {
                let (class, reject) = match refused {
                    Some(reject) => (reject.class(), reject),
                    None => match changes.next() {
                        Some((Outcome::Conflict, Mutation::Add(fact))) => {
                            (RejectClass::Duplicate, conflict(schema, at, fact))
                        }
                        _ => continue,
                    },
                };
                tally.refuse(class, path, &reject, rejects)?;
                count(&mut record, place, class);
            }
            record.events += n_of(outcomes, Outcome::Applied);
            record.files[place].rows += n_rows;
            record.rejects[EVENTS] = rejects.mark(&record.rejects[EVENTS])?;
            Ok::<_, IngestError>(record.clone())
        })?;
        self.store.sync()?;
        self.record = record;
        let counts = &mut self.report.events;
        let (new, same) =
            [Outcome::Applied, Outcome::Unchanged].map(|of| n_of(&applied.outcomes, of)).into();
        counts.read += n_rows;
        counts.applied += new;
        counts.unchanged += same;
        counts.rejected += n_rows - new - same;
        progress(Progress::Events(counts.applied + counts.unchanged));
        self.params.heed()
    }
}

fn n_of(outcomes: &[Outcome], of: Outcome) -> u64 {
    outcomes.iter().filter(|outcome| **outcome == of).count() as u64
}
