//! A file system that is nearly full: writes are refused, reads go on, and writes come back with room.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use predilect::store::{Arrival, GraphStore, Mutation, Place, Rocks, RocksParams, StoreError};
use tempfile::TempDir;

use super::{assert_whole, fill, grown, hash, open};

static FREE: AtomicU64 = AtomicU64::new(u64::MAX);

fn refused<T>(done: Result<T, StoreError>) {
    match done.err() {
        Some(StoreError::NoRoom { free: 99, least: 100, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_without_room_is_read_and_not_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let params = RocksParams {
        min_free_bytes: 100,
        free_bytes: |_: &Path| Ok(FREE.load(Ordering::Relaxed)),
    };
    let store =
        GraphStore::new(Box::new(Rocks::open_with(&path, true, params).unwrap()), None).unwrap();
    let model = grown(1, 200);
    let facts: Vec<_> = model.events.values().cloned().collect();

    FREE.store(99, Ordering::Relaxed);
    let mut bulk = store.bulk_events(0, 1 << 20, None).unwrap().unwrap();
    bulk.add(&Arrival::new(&facts[0], Place { file: 0, line: 1, byte: None })).unwrap();
    refused(bulk.fold(&|| true, &mut |_, _, _| {}).map(|_| ()));
    refused(store.apply(&[Mutation::Add(facts[0].clone())]));
    assert_eq!(store.view().evidence().unwrap().count(), 0);

    FREE.store(100, Ordering::Relaxed);
    fill(&store, &model);
    let before = (hash(&store), store.sequence().unwrap());

    FREE.store(99, Ordering::Relaxed);
    let fact = facts[0].clone();
    refused(store.apply(&[Mutation::Remove(fact.clone())]));
    refused(store.backend().compact());
    assert_eq!((hash(&store), store.sequence().unwrap()), before);
    assert_whole(&store);
    store.sync().unwrap();

    FREE.store(u64::MAX, Ordering::Relaxed);
    store.apply(&[Mutation::Remove(fact)]).unwrap();
    let after = hash(&store);
    assert_ne!(after, before.0);
    drop(store);
    assert_eq!(hash(&open(&path)), after);
}

#[test]
fn the_error_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let params = RocksParams { min_free_bytes: u64::MAX, ..RocksParams::default() };
    let backend = Rocks::open_with(folder.path(), true, params).unwrap();
    let refused = GraphStore::new(Box::new(backend), None).err().unwrap().to_string();
    assert!(refused.contains("must be before anything is written; make room"), "{refused}");
    // The system's own count is a count.
    let free: u64 = refused.split(' ').next().unwrap().parse().unwrap();
    assert!(free > 0, "{refused}");
}
