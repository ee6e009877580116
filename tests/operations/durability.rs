//! Acknowledged means on disk, and writes that come at the same time share a sync.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use predilect::engine::{Durability, Engine};
use predilect::event::{Event, RawEvent};
use predilect::store::{
    Backend, Batch, Bulk, EvidenceId, GraphStore, Memory, Outcome, Reader, Space, SpaceUsage,
    StoreError,
};

use super::schema;

/// What a store was told to write and to sync.
#[derive(Default)]
struct Log {
    writes: AtomicU64,
    syncs: AtomicU64,
    /// Writes that survive a power cut.
    on_disk: AtomicU64,
    /// In which write each event came.
    events: Mutex<BTreeMap<Vec<u8>, u64>>,
    broken: AtomicU64,
}

/// An engine in memory whose sync takes as long as a disk's, and which writes down what it is told.
struct Slow {
    memory: Memory,
    log: Arc<Log>,
}

impl Backend for Slow {
    fn reader(&self) -> Box<dyn Reader + '_> {
        self.memory.reader()
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.memory.write(batch)?;
        let write = self.log.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let events = batch.changes().filter(|(space, ..)| *space == Space::Events);
        self.log.events.lock().unwrap().extend(events.map(|(_, key, _)| (key.to_vec(), write)));
        Ok(())
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, StoreError> {
        self.memory.bulk()
    }

    fn sync(&self) -> Result<(), StoreError> {
        if self.log.broken.load(Ordering::SeqCst) > 0 {
            let message = "the disk is gone".to_owned();
            return Err(StoreError::Engine { path: Path::new("x").to_owned(), message });
        }
        let covered = self.log.writes.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(4));
        self.log.syncs.fetch_add(1, Ordering::SeqCst);
        self.log.on_disk.fetch_max(covered, Ordering::SeqCst);
        Ok(())
    }

    fn checkpoint(&self, dest: &Path) -> Result<(), StoreError> {
        self.memory.checkpoint(dest)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.memory.compact()
    }

    fn usage(&self) -> Result<Vec<SpaceUsage>, StoreError> {
        self.memory.usage()
    }

    fn health(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        self.memory.health()
    }
}

fn slow() -> (Engine, Arc<Log>) {
    let log = Arc::new(Log::default());
    let backend = Slow { memory: Memory::default(), log: Arc::clone(&log) };
    let store = GraphStore::new(Box::new(backend), None).unwrap();
    (Engine::new(store, None).unwrap(), log)
}

fn event(event_id: &str) -> Event {
    let raw = RawEvent {
        event_id: event_id.to_owned(),
        user: "u".to_owned(),
        target: format!("i{}", event_id.len()),
        action: "viewed".to_owned(),
        at: "2025-01-01T00:00:00Z".to_owned(),
        ..RawEvent::default()
    };
    raw.check(&schema()).unwrap()
}

const WRITERS: usize = 8;
const WRITES: usize = 40;

/// Every writer writes one event after the other; `acknowledged` looks at each when it was.
fn write_at_once(
    engine: &Engine,
    durability: fn(usize) -> Durability,
    acknowledged: impl Fn(&str, Durability) + Sync,
) {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                for n in 0..WRITES {
                    let event_id = format!("{writer}-{n}");
                    let of = durability(writer);
                    let written = engine.write_events_with(vec![event(&event_id)], of).unwrap();
                    assert_eq!(written.outcomes, [Outcome::Applied]);
                    assert!(engine.snapshot().sequence >= written.sequence);
                    acknowledged(&event_id, of);
                }
            });
        }
    });
}

#[test]
fn writers_at_the_same_time_share_syncs_and_none_is_told_early() {
    let (engine, log) = slow();
    let before = log.syncs.load(Ordering::SeqCst);
    write_at_once(
        &engine,
        |_| Durability::Sync,
        |event_id, _| {
            let id = EvidenceId::of_event(event_id);
            let write = log.events.lock().unwrap()[&id.0[..]];
            let on_disk = log.on_disk.load(Ordering::SeqCst);
            assert!(
                write <= on_disk,
                "{event_id} of write {write} was told, {on_disk} are on disk"
            );
        },
    );
    let (writes, syncs) = (WRITERS * WRITES, log.syncs.load(Ordering::SeqCst) - before);
    assert_eq!(log.events.lock().unwrap().len(), writes);
    // Each write is a batch of its own: they gather at the sync and nowhere else.
    assert!(log.writes.load(Ordering::SeqCst) >= writes as u64);
    assert!(syncs * 2 < writes as u64, "{syncs} syncs for {writes} writes");
    assert!(syncs >= WRITES as u64, "{syncs} syncs, and a writer waits for each of its own");
    assert_eq!(engine.verify().unwrap().told, Vec::<String>::new());
}

#[test]
fn a_lone_writer_has_a_sync_for_each_write() {
    let (engine, log) = slow();
    let before = log.syncs.load(Ordering::SeqCst);
    for n in 0..10 {
        engine.write_events(vec![event(&n.to_string())]).unwrap();
        assert_eq!(log.syncs.load(Ordering::SeqCst) - before, n + 1);
    }
}

#[test]
fn who_asks_for_less_waits_for_no_sync() {
    let (engine, log) = slow();
    let before = log.syncs.load(Ordering::SeqCst);
    write_at_once(&engine, |_| Durability::Os, |_, _| {});
    assert_eq!(log.syncs.load(Ordering::SeqCst), before);
    // Beside others, only these are promised the disk.
    let (engine, log) = slow();
    let of = |writer| if writer % 2 == 0 { Durability::Sync } else { Durability::Os };
    write_at_once(&engine, of, |event_id, durability| {
        let write = log.events.lock().unwrap()[&EvidenceId::of_event(event_id).0[..]];
        let on_disk = log.on_disk.load(Ordering::SeqCst);
        assert!(durability == Durability::Os || write <= on_disk);
    });
    assert_eq!(log.events.lock().unwrap().len(), WRITERS * WRITES);
}

#[test]
fn a_sync_that_fails_fails_all_that_it_was_for() {
    let (engine, log) = slow();
    engine.write_events(vec![event("before")]).unwrap();
    let before = engine.snapshot().sequence;
    log.broken.store(1, Ordering::SeqCst);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let engine = &engine;
            scope.spawn(move || {
                let failed = engine.write_events(vec![event(&writer.to_string())]).unwrap_err();
                assert!(failed.to_string().contains("the disk is gone"), "{failed}");
            });
        }
    });
    // What is not known to be on disk is not shown.
    assert_eq!(engine.snapshot().sequence, before);
    log.broken.store(0, Ordering::SeqCst);
    // Sent again, an event that came after all is there once.
    for writer in 0..WRITERS {
        let again = engine.write_events(vec![event(&writer.to_string())]).unwrap();
        assert_eq!(again.outcomes, [Outcome::Unchanged]);
    }
    engine.write_events(vec![event("after")]).unwrap();
    assert_eq!(engine.stats().unwrap().events["viewed"], WRITERS as u64 + 2);
}
