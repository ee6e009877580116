//! Newer edges lie over a snapshot's base; when there are many, the base is built anew. A server does
//! that on a thread of its own, beside the writes: what they change meanwhile is laid over the new base.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::{Engine, EngineError, lock};
use crate::recommend;
use crate::snapshot::Snapshot;
use crate::store::{EdgeKey, NodeId};

/// Newer edges over a base, as a share of the base, at which the base is built anew.
const SHARE: usize = 16;
/// Newer edges that never make it worth building the base anew.
const LEAST: usize = 20_000;
/// How many times as many may wait for the thread before a write builds the base itself.
const PATIENCE: usize = 8;

/// What the thread and the writes tell each other.
#[derive(Default)]
pub(super) struct Merging {
    /// Whether there is a thread.
    threaded: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: bool,
    ended: bool,
    /// What was changed since the thread began to build; none when it does not, or builds in vain.
    since: Option<Touched>,
}

/// Nodes and edges that were changed.
#[derive(Default)]
struct Touched {
    nodes: BTreeSet<NodeId>,
    edges: BTreeSet<EdgeKey>,
}

/// How many newer edges are too many over the base of `snapshot`.
fn many(snapshot: &Snapshot) -> usize {
    LEAST.max(snapshot.graph().base().edge_count() / SHARE)
}

/// The thread that builds; it ends when this is dropped.
pub struct Merger {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Merger {
    fn drop(&mut self) {
        lock(&self.engine.merging.state).ended = true;
        self.engine.merging.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told when it happened.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Builds the snapshot's base on a thread of its own whenever many newer edges lie over it, so that
    /// no write waits for it; until what is returned is dropped.
    ///
    /// # Errors
    /// When the system gives no thread: then writes build it as they do without.
    pub fn merge_in_background(self: &Arc<Self>) -> std::io::Result<Merger> {
        let engine = Arc::clone(self);
        let thread = thread::Builder::new().name("predilect-merge".into()).spawn(move || {
            while engine.wait_until_due() {
                if let Err(error) = engine.merge_overlay() {
                    tracing::warn!("the graph's newer edges stay apart: {error}");
                }
            }
            engine.merging.threaded.store(false, Ordering::SeqCst);
        })?;
        self.merging.threaded.store(true, Ordering::SeqCst);
        Ok(Merger { engine: Arc::clone(self), thread: Some(thread) })
    }

    /// Waits until a base is to be built; false when the thread is to end.
    fn wait_until_due(&self) -> bool {
        let state = lock(&self.merging.state);
        let waits = |state: &mut State| !state.due && !state.ended;
        let state = self.merging.changed.wait_while(state, waits);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.due = false;
        !state.ended
    }

    /// Builds the base anew beside the writes, lays over it what they changed meanwhile, and swaps it in;
    /// says whether it did: not when somebody else built one.
    pub(super) fn merge_overlay(&self) -> Result<bool, EngineError> {
        let view = {
            let _one_writer = lock(&self.writing);
            lock(&self.merging.state).since = Some(Touched::default());
            self.store.view()
        };
        let built = Snapshot::build(&view, None, recommend::CACHED);
        drop(view);
        let _one_writer = lock(&self.writing);
        let Some(since) = lock(&self.merging.state).since.take() else { return Ok(false) };
        let built = self.dressed(built?);
        let nodes: Vec<NodeId> = since.nodes.into_iter().collect();
        let edges: Vec<EdgeKey> = since.edges.into_iter().collect();
        let next = self.laid_over(&built, &nodes, &edges)?;
        self.current.store(Arc::new(next));
        Ok(true)
    }

    /// Swaps in a snapshot with what the store says of these nodes and edges now.
    pub(super) fn advance(&self, nodes: &[NodeId], edges: &[EdgeKey]) -> Result<u64, EngineError> {
        if let Some(since) = &mut lock(&self.merging.state).since {
            since.nodes.extend(nodes);
            since.edges.extend(edges);
        }
        let next = self.laid_over(&self.snapshot(), nodes, edges)?;
        let (newer, many) = (next.graph().change_count(), many(&next));
        let threaded = self.merging.threaded.load(Ordering::SeqCst);
        if newer > many && (!threaded || newer > PATIENCE * many) {
            return self.rebuild();
        }
        let sequence = next.sequence;
        self.current.store(Arc::new(next));
        if newer > many {
            lock(&self.merging.state).due = true;
            self.merging.changed.notify_all();
        }
        Ok(sequence)
    }

    /// Builds the snapshot anew at once; what the thread builds meanwhile is in vain.
    pub(super) fn rebuild(&self) -> Result<u64, EngineError> {
        lock(&self.merging.state).since = None;
        let snapshot = Snapshot::build(&self.store.view(), None, recommend::CACHED)?;
        let sequence = snapshot.sequence;
        self.current.store(Arc::new(self.dressed(snapshot)));
        Ok(sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::{Event, NodeKey};
    use crate::schema::{NodeKind, Timestamp};
    use crate::store::{ENGINES, GraphStore};

    fn engine() -> Engine {
        let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
        Engine::new(GraphStore::new(backend, None).unwrap(), None).unwrap()
    }

    fn event(engine: &Engine, number: usize) -> Event {
        let key = |kind, name: String| NodeKey::new(kind, &name).unwrap();
        Event {
            event_id: format!("e{number}"),
            user: key(NodeKind::User, format!("u{}", number % 50)),
            target: key(NodeKind::Item, format!("i{number}")),
            action: engine.schema().action("viewed").unwrap().id,
            at: Timestamp::from_millis(1_700_000_000_000 + number as i64).unwrap(),
            value: None,
            strength: 1.0,
            session: None,
            text: None,
        }
    }

    fn write(engine: &Engine, numbers: std::ops::Range<usize>) {
        engine.write_events(numbers.map(|number| event(engine, number)).collect()).unwrap();
    }

    #[test]
    fn what_is_written_while_a_base_is_built_lies_over_it() {
        let engine = engine();
        write(&engine, 0..100);
        // As the thread does, with a write between its two halves.
        lock(&engine.merging.state).since = Some(Touched::default());
        let built = Snapshot::build(&engine.store.view(), None, recommend::CACHED).unwrap();
        write(&engine, 100..130);
        let since = lock(&engine.merging.state).since.take().unwrap();
        let edges: Vec<_> = since.edges.into_iter().collect();
        let next = engine.laid_over(&built, &[], &edges).unwrap();
        assert_eq!(next.sequence, engine.snapshot().sequence);
        assert_eq!(next.graph().edge_count(), 130);
        assert_eq!(next.graph().change_count(), 30);
    }

    #[test]
    fn the_thread_merges_when_there_are_many_and_ends_when_dropped() {
        let engine = Arc::new(engine());
        let merger = engine.merge_in_background().unwrap();
        write(&engine, 0..LEAST + 1);
        for _ in 0..1000 {
            if engine.snapshot().graph().change_count() == 0 {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(engine.snapshot().graph().change_count(), 0);
        assert_eq!(engine.snapshot().graph().edge_count(), LEAST + 1);
        drop(merger);
        assert_eq!(Arc::strong_count(&engine), 1);
    }

    #[test]
    fn a_base_that_is_built_in_vain_is_not_swapped_in() {
        let engine = engine();
        write(&engine, 0..10);
        assert!(engine.merge_overlay().unwrap());
        lock(&engine.merging.state).since = Some(Touched::default());
        engine.rebuild().unwrap();
        assert!(lock(&engine.merging.state).since.is_none());
    }
}
