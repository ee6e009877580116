//! Writes that come at the same time share one sync.
//!
//! A write joins the queue. While somebody leads, it waits; else it leads itself: it does all writes that
//! have gathered, each as a batch of its own, in the order in which they came, then one sync and one new
//! snapshot for all. Writes gather while an earlier sync runs. Those of one sync tend to be followed by as
//! many, for which the next waits a moment; so a lone writer waits for nobody.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Engine, EngineError, Written, lock};
use crate::store::{Applied, EdgeKey, Evidence, Mutation, StoreError};

/// Bytes of names and texts that are gathered before a sync, more or less; one write may be larger.
const GATHERED_BYTES: usize = 1 << 20;
/// How long a sync waits, at the most, for as many writes as the last one was for.
const GATHERING: Duration = Duration::from_millis(2);

/// What has to happen before a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: it survives a power cut.
    #[default]
    Sync,
    /// The operating system has it: it survives the end of the process, and no power cut in the next
    /// seconds.
    Os,
}

/// Writes on their way.
#[derive(Default)]
pub(super) struct Gathered {
    queue: Mutex<Queue>,
    /// A write came, or a leader is done.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Job>>,
    /// Does somebody lead?
    led: bool,
    /// How many writes the last sync was for.
    last: usize,
}

/// Lets another lead, however the leader ends.
struct Leading<'a>(&'a Gathered);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).led = false;
        self.0.changed.notify_all();
    }
}

/// A write on its way.
struct Job {
    mutations: Vec<Mutation>,
    durability: Durability,
    n_bytes: usize,
    done: Mutex<Option<Result<Written, EngineError>>>,
}

impl Job {
    fn finish(&self, result: Result<Written, EngineError>) {
        *lock(&self.done) = Some(result);
    }
}

impl Engine {
    /// Writes mutations as one batch; returns when they are where `durability` says, and in the snapshot.
    pub(super) fn write_in_group(
        &self,
        mutations: Vec<Mutation>,
        durability: Durability,
    ) -> Result<Written, EngineError> {
        let n_bytes = mutations.iter().map(n_bytes).sum();
        let job = Arc::new(Job { mutations, durability, n_bytes, done: Mutex::default() });
        lock(&self.gathered.queue).waiting.push_back(Arc::clone(&job));
        self.gathered.changed.notify_all();
        loop {
            let waits = |queue: &mut Queue| queue.led && lock(&job.done).is_none();
            let queue = lock(&self.gathered.queue);
            let queue = self.gathered.changed.wait_while(queue, waits);
            let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = lock(&job.done).take() {
                return result;
            }
            queue.led = true;
            drop(queue);
            let _leading = Leading(&self.gathered);
            let _one_writer = lock(&self.writing);
            let group = self.gather();
            if group.is_empty() {
                // Whoever took this write along was ended by a panic.
                let message = "the write that this one was gathered with did not end".to_owned();
                return Err(StoreError::Engine { path: PathBuf::new(), message }.into());
            }
            self.write_all(&group);
        }
    }

    /// The writes of the next sync, in the order in which they came.
    fn gather(&self) -> Vec<Arc<Job>> {
        let queue = lock(&self.gathered.queue);
        let few = |queue: &mut Queue| queue.waiting.len() < queue.last;
        let waited = self.gathered.changed.wait_timeout_while(queue, GATHERING, few);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (mut group, mut n_bytes) = (Vec::new(), 0);
        while let Some(job) = queue.waiting.front() {
            n_bytes += job.n_bytes;
            if !group.is_empty() && n_bytes > GATHERED_BYTES {
                break;
            }
            group.extend(queue.waiting.pop_front());
        }
        queue.last = group.len();
        group
    }

    fn write_all(&self, group: &[Arc<Job>]) {
        let (mut written, mut edges) = (Vec::new(), Vec::<EdgeKey>::new());
        for job in group {
            match self.store.apply(&job.mutations) {
                Ok(Applied { outcomes, sequence, edges: changed }) => {
                    written.push((job, Written { outcomes, sequence }));
                    edges.extend(changed);
                }
                Err(error) => job.finish(Err(error.into())),
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let sync = written.iter().any(|(job, _)| job.durability == Durability::Sync);
        let shown = if sync { self.store.sync() } else { Ok(()) };
        let shown = shown.map_err(EngineError::from).and_then(|()| self.advance(&[], &edges));
        match shown {
            Ok(_) => written.into_iter().for_each(|(job, written)| job.finish(Ok(written))),
            Err(error) => {
                let error = Arc::new(error);
                for (job, _) in written {
                    job.finish(Err(EngineError::Gathered(Arc::clone(&error))));
                }
            }
        }
    }
}

/// Bytes of the names and the text of a change.
fn n_bytes(mutation: &Mutation) -> usize {
    let Mutation::Add(fact) = mutation else { return 0 };
    let text = match &fact.evidence {
        Evidence::Event { event_id, text, .. } => {
            event_id.len() + text.as_ref().map_or(0, String::len)
        }
        _ => 0,
    };
    text + fact.source.name.len() + fact.target.name.len()
}
