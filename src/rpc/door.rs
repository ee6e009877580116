//! The one door from the async world to the blocking one below.
//!
//! Whatever a call asks of the engine runs on a thread that may block, at most so many at a time.
//! A call that ends early (by its deadline, or because the client went) sets the flag of its
//! budget, so a walk over the graph stops; what was begun on the store is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status};

use super::request::deadline;
use super::status::Refusal;
use crate::engine::Engine;
use crate::traverse::Budget;

/// The most edges that a walk for one call looks at.
const MAX_VISITS: usize = 1_000_000;

/// The door: cheap to clone, one for all services.
#[derive(Clone)]
pub(super) struct Door {
    engine: Arc<Engine>,
    /// Calls that run.
    workers: Arc<Semaphore>,
    /// Calls that run or wait.
    calls: Arc<Semaphore>,
}

/// Sets the flag when a call ends, however it ends.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Door {
    /// A door for `max_workers` calls at a time while others wait, `max_calls` in all.
    pub fn new(engine: Arc<Engine>, max_workers: usize, max_calls: usize) -> Self {
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        Self { engine, workers: semaphore(max_workers), calls: semaphore(max_calls) }
    }

    /// Answers a call with what `work` makes of its message, within its deadline.
    pub async fn call<Q, A, F>(&self, request: Request<Q>, work: F) -> Result<Response<A>, Status>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: FnOnce(&Engine, Q, &Budget) -> Result<A, Refusal> + Send + 'static,
    {
        let deadline = deadline(request.metadata());
        let flag = Arc::new(AtomicBool::new(false));
        let _ends = SetOnDrop(Arc::clone(&flag));
        let budget = Budget { max_visits: MAX_VISITS, cancelled: Some(flag) };
        let query = request.into_inner();
        let answer = self.run(move |engine| work(engine, query, &budget));
        let answer = match deadline {
            Some(left) => within(left, answer).await,
            None => answer.await,
        };
        answer.map(Response::new).map_err(Refusal::into_status)
    }

    async fn run<A, F>(&self, work: F) -> Result<A, Refusal>
    where
        A: Send + 'static,
        F: FnOnce(&Engine) -> Result<A, Refusal> + Send + 'static,
    {
        let admitted = Arc::clone(&self.calls).try_acquire_owned().map_err(|_| {
            let message = "the server has more calls than it takes at a time; try again later";
            Refusal::new(Code::ResourceExhausted, "TOO_MANY_CALLS", message)
        })?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| failed())?;
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || {
            let _until_done = (admitted, worker);
            work(&engine)
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!("a call ended in a panic: {error}");
            Err(failed())
        })
    }
}

async fn within<A>(
    left: Duration,
    answer: impl Future<Output = Result<A, Refusal>>,
) -> Result<A, Refusal> {
    tokio::time::timeout(left, answer).await.unwrap_or_else(|_| {
        let message = "the call's deadline passed before its answer was ready; allow it more time";
        Err(Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message))
    })
}

fn failed() -> Refusal {
    Refusal::new(Code::Internal, "PANIC", "the server failed on this call; its log says why")
}
