//! Threads that each do whole jobs.
//!
//! Each worker is a pool of one thread, which keeps candle's own threading out: on short texts that
//! is faster than splitting every product, and the answer has the same bits for any number of
//! workers.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::super::ExtractError;

/// One pool of one thread per worker.
#[derive(Debug)]
pub(super) struct Workers(Vec<ThreadPool>);

impl Workers {
    /// At least one worker.
    pub(super) fn new(n_workers: usize) -> Result<Self, ExtractError> {
        let pools = (0..n_workers.max(1))
            .map(|_| ThreadPoolBuilder::new().num_threads(1).build())
            .collect::<Result<_, _>>()
            .map_err(|source| ExtractError::Threads { source: source.into() })?;
        Ok(Self(pools))
    }

    /// Does jobs `0..n_jobs`; the answers are in order.
    pub(super) fn run<T: Send>(
        &self,
        n_jobs: usize,
        job: impl Fn(usize) -> Result<T, ExtractError> + Sync,
    ) -> Result<Vec<T>, ExtractError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let claim = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&job| job < n_jobs);
            std::iter::from_fn(claim).map(|index| Ok((index, job(index)?))).collect()
        };
        let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
            let threads = self.0.iter().take(n_jobs).map(|worker| {
                std::thread::Builder::new()
                    .spawn_scoped(scope, || worker.install(work))
                    .map_err(|source| ExtractError::Threads { source: source.into() })
            });
            let threads: Vec<_> = threads.collect();
            let mut done = Vec::with_capacity(n_jobs);
            for thread in threads {
                let answers: Result<Vec<_>, ExtractError> =
                    thread?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done.extend(answers?);
            }
            Ok::<_, ExtractError>(done)
        })?;
        done.sort_unstable_by_key(|&(index, _)| index);
        Ok(done.into_iter().map(|(_, answer)| answer).collect())
    }
}
