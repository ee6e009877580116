//! Rows in chunks: one thread reads a file, several check what it read, and the caller takes the chunks in
//! the order of the file, so that the number of threads never shows.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::IngestError;
use super::reject::Reject;
use super::rows::{At, Sink};

/// Rows to a chunk.
const ROWS: usize = 10_000;
/// Bytes of text from which a chunk is full.
const TEXT_BYTES: usize = 16 << 20;
/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// Checked rows in the order of the file, each with its place.
pub(super) type Chunk<T> = Vec<(At, Result<T, Reject>)>;

/// The rows of a chunk that are good, and of every row its place and why it was refused, if it was.
pub(super) fn split<T>(chunk: Chunk<T>) -> (Vec<T>, Vec<(At, Option<Reject>)>) {
    let (mut good, mut rows) = (Vec::with_capacity(chunk.len()), Vec::with_capacity(chunk.len()));
    for (at, row) in chunk {
        match row {
            Ok(row) => {
                good.push(row);
                rows.push((at, None));
            }
            Err(reject) => rows.push((at, Some(reject))),
        }
    }
    (good, rows)
}

/// Threads to check and sort rows with; none where one is enough.
///
/// # Errors
/// [`IngestError::Threads`].
pub(super) fn pool(jobs: usize) -> Result<Option<Arc<ThreadPool>>, IngestError> {
    if jobs <= 1 {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
    pool.map(|pool| Some(Arc::new(pool)))
        .map_err(|error| IngestError::Threads { jobs, message: error.to_string() })
}

/// What is done with the rows of a file before the caller takes them.
pub(super) struct Rows<'a, C> {
    /// Who checks; the calling thread does where there is none.
    pub pool: Option<&'a ThreadPool>,
    /// Rows from the start that are passed over.
    pub skip: u64,
    /// Checks the row of a place.
    pub check: C,
}

impl<C> Rows<'_, C> {
    /// Gives every row that `read` reads, checked, to `take`; `weigh` tells a row's bytes of text.
    ///
    /// # Errors
    /// Those of `read` and `take`; the first in the order of the file.
    pub fn each_chunk<R: Send, T: Send>(
        &self,
        read: impl FnOnce(Sink<'_, R>) -> Result<(), IngestError> + Send,
        weigh: fn(&R) -> usize,
        take: &mut dyn FnMut(Chunk<T>) -> Result<(), IngestError>,
    ) -> Result<(), IngestError>
    where
        C: Fn(At, R) -> Result<T, Reject> + Sync,
    {
        let check =
            |(at, row): (At, Result<R, Reject>)| (at, row.and_then(|row| (self.check)(at, row)));
        let Some(pool) = self.pool else {
            return chunks(self.skip, read, weigh, &mut |chunk| {
                take(chunk.into_iter().map(check).collect())
            });
        };
        let (send, receive) = sync_channel(AHEAD);
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                chunks(self.skip, read, weigh, &mut |chunk| {
                    // Who no longer takes chunks has an error of its own to tell.
                    send.send(chunk).map_err(|_| IngestError::Interrupted)
                })
            });
            // Dropped on an error, so that the reader does not wait for ever.
            for chunk in receive {
                take(pool.install(|| chunk.into_par_iter().map(&check).collect()))?;
            }
            match reader.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

fn chunks<R>(
    mut skip: u64,
    read: impl FnOnce(Sink<'_, R>) -> Result<(), IngestError>,
    weigh: fn(&R) -> usize,
    take: &mut dyn FnMut(Chunk<R>) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let (mut chunk, mut n_bytes) = (Vec::new(), 0);
    read(&mut |at, row| {
        if skip > 0 {
            skip -= 1;
            return Ok(());
        }
        n_bytes += row.as_ref().map_or(0, weigh);
        chunk.push((at, row));
        if chunk.len() >= ROWS || n_bytes >= TEXT_BYTES {
            n_bytes = 0;
            take(std::mem::take(&mut chunk))?;
        }
        Ok(())
    })?;
    if chunk.is_empty() { Ok(()) } else { take(chunk) }
}
