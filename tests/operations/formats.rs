//! Stores of earlier formats are brought to this one, step by step; those of later ones are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use predilect::store::{
    Backend, Batch, ENGINES, FORMAT_VERSION, GraphStore, Mutation, Rocks, Space, Step, StoreError,
    migrate,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{assert_whole, copy_files, hash, in_memory, open};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn recorded(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn asked(line: &str, store: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_predilect"));
    command.args(line.split_whitespace()).arg("--store").arg(store).args(["--output", "json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the store holds, written anew into an empty one.
fn written_anew(store: &GraphStore) -> GraphStore {
    let (fresh, view) = (in_memory(), store.view());
    let mut changes = Vec::new();
    for item in view.evidence().unwrap() {
        let (edge, stamp, evidence) = item.unwrap();
        changes.push(Mutation::Add(view.fact(edge, stamp, evidence).unwrap()));
    }
    for item in view.nodes().unwrap() {
        let (id, node) = item.unwrap();
        let Some(document) = node.document else { continue };
        changes.push(Mutation::Describe(node.key.clone(), Some(document)));
        changes.push(Mutation::Extracted(node.key, view.extraction(id).unwrap()));
    }
    for item in view.reviews().unwrap() {
        let (id, state) = item.unwrap();
        changes.push(Mutation::Read(id, state));
    }
    changes.extend(view.merges().unwrap().records().iter().cloned().map(Mutation::Merge));
    fresh.apply(&changes).unwrap();
    fresh
}

#[test]
fn a_store_of_format_2_opens_and_answers_as_it_did() {
    let kept = fixture("format-2");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    copy_files(&kept.join("store"), &path);
    let mut stats = recorded(&kept.join("stats.json"));
    let store = open(&path);
    assert_whole(&store);
    assert_eq!(hash(&store), hash(&written_anew(&store)));
    drop(store);
    let mut found = asked("stats", &path);
    assert_eq!(found["format_version"], FORMAT_VERSION);
    if FORMAT_VERSION != 2 {
        // The version is part of the content; all else must be the same.
        for stats in [&mut stats, &mut found] {
            let stats = stats.as_object_mut().unwrap();
            stats.remove("content_hash").unwrap();
            stats.remove("format_version").unwrap();
        }
    }
    assert_eq!(found, stats);
    let interests = asked("query interests --user alice", &path);
    assert_eq!(interests, recorded(&kept.join("interests.json")));
    assert!(!interests.as_object().unwrap().is_empty());
}

/// The format version that is written in a store.
fn version(backend: &dyn Backend) -> u8 {
    backend.reader().get(Space::Meta, b"format_version").unwrap().unwrap()[0]
}

fn put(backend: &dyn Backend, key: &[u8]) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.put(Space::Cache, key, Vec::new());
    backend.write(&batch)
}

#[test]
fn steps_are_done_in_order_once_and_done_again_after_a_crash() {
    static FAILURES: AtomicU32 = AtomicU32::new(1);
    let steps = [
        Step { from: 3, about: "the second", run: |backend| put(backend, b"3 to 4") },
        Step {
            from: 2,
            about: "the first",
            run: |backend| {
                put(backend, b"2 to 3")?;
                if FAILURES.swap(0, Ordering::Relaxed) > 0 {
                    let message = "ended in the middle".to_owned();
                    return Err(StoreError::Engine { path: PathBuf::new(), message });
                }
                Ok(())
            },
        },
    ];
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    let mut batch = Batch::default();
    batch.put(Space::Meta, b"format_version", vec![2]);
    backend.write(&batch).unwrap();
    let ended = migrate(&*backend, 2, 4, &steps).unwrap_err();
    assert!(ended.to_string().contains("ended in the middle"));
    assert_eq!(version(&*backend), 2);
    migrate(&*backend, 2, 4, &steps).unwrap();
    assert_eq!(version(&*backend), 4);
    let reader = backend.reader();
    assert_eq!(reader.scan(Space::Cache, b"").unwrap().count(), 2);
    drop(reader);
    // Nothing is left to do.
    migrate(&*backend, 4, 4, &[]).unwrap();
}

#[test]
fn a_way_that_is_not_known_to_its_end_is_not_begun() {
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    let steps = [Step { from: 2, about: "a step", run: |backend| put(backend, b"done") }];
    for (found, target) in [(1, 3), (2, 4), (5, 3), (0, 1)] {
        let refused = migrate(&*backend, found, target, &steps).unwrap_err();
        assert!(matches!(refused, StoreError::Format { .. }), "{found} to {target}: {refused}");
    }
    assert_eq!(backend.reader().scan(Space::Cache, b"").unwrap().count(), 0);
}

#[test]
fn a_store_with_spaces_of_a_newer_build_is_refused_as_one() {
    let folder = TempDir::new().unwrap();
    for (newer, expected) in [
        (true, "has format 99, this build reads"),
        (false, "has a space `tomorrow`, which this build does not know"),
    ] {
        let path = folder.path().join(newer.to_string());
        drop(GraphStore::open(&path, true, None).unwrap());
        if newer {
            let backend = Rocks::open(&path, false).unwrap();
            let mut batch = Batch::default();
            batch.put(Space::Meta, b"format_version", vec![99]);
            backend.write(&batch).unwrap();
        }
        let names = Space::ALL.map(Space::name);
        let options = rocksdb::Options::default();
        let db: rocksdb::DB = rocksdb::DB::open_cf(&options, &path, names).unwrap();
        db.create_cf("tomorrow", &options).unwrap();
        drop(db);
        let refused = GraphStore::open(&path, false, None).err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.contains("open it with the newer predilect"), "{refused}");
    }
}
