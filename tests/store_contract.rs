//! What every storage engine promises, and what the graph above it promises on every engine.

use std::path::Path;

use predilect::event::{Document, NodeKey, RawDocument, RawEvent};
use predilect::ingest::{self, mutations};
use predilect::schema::{self, NodeKind, Schema};
use predilect::store::{
    Backend, Batch, ENGINES, GraphStore, Mutation, NodeId, Outcome, Rocks, Space, StoreError,
};
use proptest::prelude::*;

/// Runs a test on every engine, each in a folder of its own.
fn on_every_engine(test: impl Fn(&dyn Fn() -> Box<dyn Backend>)) {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let number = std::cell::Cell::new(0);
        test(&|| {
            number.set(number.get() + 1);
            (engine.open)(&folder.path().join(number.get().to_string()), true).unwrap()
        });
    }
}

fn put(backend: &dyn Backend, pairs: &[(&[u8], &[u8])]) {
    let mut batch = Batch::default();
    for (key, value) in pairs {
        batch.put(Space::Out, key, value.to_vec());
    }
    backend.write(&batch).unwrap();
}

fn keys(backend: &dyn Backend, space: Space, prefix: &[u8]) -> Vec<Vec<u8>> {
    let reader = backend.reader();
    let scan = reader.scan(space, prefix).unwrap();
    scan.map(|pair| pair.unwrap().0.into_vec()).collect()
}

#[test]
fn what_is_put_is_got_and_what_is_deleted_is_not() {
    on_every_engine(|open| {
        let backend = open();
        put(&*backend, &[(b"a", b"1"), (b"", b"empty key"), (b"b", b"")]);
        let reader = backend.reader();
        assert_eq!(reader.get(Space::Out, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(reader.get(Space::Out, b"").unwrap().as_deref(), Some(&b"empty key"[..]));
        assert_eq!(reader.get(Space::Out, b"b").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(reader.get(Space::In, b"a").unwrap(), None);
        let mut batch = Batch::default();
        batch.delete(Space::Out, b"a");
        batch.delete(Space::Out, b"never there");
        backend.write(&batch).unwrap();
        assert_eq!(backend.reader().get(Space::Out, b"a").unwrap(), None);
    });
}

#[test]
fn the_last_word_on_a_key_counts() {
    on_every_engine(|open| {
        let backend = open();
        let mut batch = Batch::default();
        batch.put(Space::Out, b"k", b"first".to_vec());
        batch.delete(Space::Out, b"k");
        batch.put(Space::Out, b"k", b"last".to_vec());
        backend.write(&batch).unwrap();
        let got = backend.reader().get(Space::Out, b"k").unwrap();
        assert_eq!(got.as_deref(), Some(&b"last"[..]));
    });
}

#[test]
fn a_scan_ascends_and_keeps_to_its_prefix() {
    on_every_engine(|open| {
        let backend = open();
        put(
            &*backend,
            &[
                (b"b", b""),
                (b"a\xff\xff", b""),
                (b"a", b""),
                (b"a\x00", b""),
                (b"\xff\xff", b""),
                (b"\xff", b""),
            ],
        );
        let expected: &[&[u8]] = &[b"a", b"a\x00", b"a\xff\xff"];
        assert_eq!(keys(&*backend, Space::Out, b"a"), expected);
        let expected: &[&[u8]] = &[b"\xff", b"\xff\xff"];
        assert_eq!(keys(&*backend, Space::Out, b"\xff"), expected);
        assert_eq!(keys(&*backend, Space::Out, b"").len(), 6);
        assert_eq!(keys(&*backend, Space::In, b"").len(), 0);
    });
}

#[test]
fn a_reader_does_not_see_later_writes() {
    on_every_engine(|open| {
        let backend = open();
        put(&*backend, &[(b"a", b"1")]);
        let reader = backend.reader();
        put(&*backend, &[(b"a", b"2"), (b"b", b"2")]);
        assert_eq!(reader.get(Space::Out, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(reader.scan(Space::Out, b"").unwrap().count(), 1);
        assert_eq!(backend.reader().scan(Space::Out, b"").unwrap().count(), 2);
    });
}

#[test]
fn bulk_shows_when_it_is_committed_and_is_refused_unsorted() {
    on_every_engine(|open| {
        let backend = open();
        put(&*backend, &[(b"m", b"old"), (b"z", b"old")]);
        let mut bulk = backend.bulk().unwrap();
        bulk.put(Space::Out, b"a", b"1").unwrap();
        bulk.put(Space::In, b"b", b"2").unwrap();
        bulk.put(Space::Out, b"z", b"3").unwrap();
        for unsorted in [b"y", b"z"] {
            let error = bulk.put(Space::Out, unsorted, b"").unwrap_err();
            assert!(matches!(error, StoreError::Unsorted { .. }), "{error}");
        }
        let before: &[&[u8]] = &[b"m", b"z"];
        assert_eq!(keys(&*backend, Space::Out, b""), before);
        bulk.commit().unwrap();
        let after: &[&[u8]] = &[b"a", b"m", b"z"];
        assert_eq!(keys(&*backend, Space::Out, b""), after);
        assert_eq!(keys(&*backend, Space::In, b"").len(), 1);
        let got = |key| backend.reader().get(Space::Out, key).unwrap();
        assert_eq!(got(b"z").as_deref(), Some(&b"3"[..]));

        let mut dropped = backend.bulk().unwrap();
        dropped.put(Space::Out, b"never", b"").unwrap();
        drop(dropped);
        backend.bulk().unwrap().commit().unwrap();
        assert_eq!(keys(&*backend, Space::Out, b""), after);
        backend.sync().unwrap();
    });
}

/// Writes a sorted file of one pair where the bulk path of a store keeps them.
fn sorted_file(store: &Path, space: Space, key: &[u8], value: &[u8]) {
    let options = rocksdb::Options::default();
    let mut writer = rocksdb::SstFileWriter::create(&options);
    writer.open(store.join("bulk").join(format!("{}.sst", space.name()))).unwrap();
    writer.put(key, value).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_bulk_that_was_committed_is_taken_in_by_who_opens_the_store_next() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path();
    let open = || {
        let backend = Rocks::open(store, true).unwrap();
        assert!(!store.join("bulk").exists());
        [Space::Out, Space::In].map(|space| keys(&backend, space, b"").len())
    };
    assert_eq!(open(), [0, 0]);
    let left_behind = |commit: bool| {
        std::fs::create_dir(store.join("bulk")).unwrap();
        sorted_file(store, Space::Out, b"a", b"1");
        if commit {
            sorted_file(store, Space::In, b"b", b"2");
            std::fs::write(store.join("bulk/commit"), b"").unwrap();
        } else {
            std::fs::write(store.join("bulk/in.sst"), b"half a file").unwrap();
        }
    };
    left_behind(false);
    assert_eq!(open(), [0, 0]);
    left_behind(true);
    assert_eq!(open(), [1, 1]);
    // Ended again before the files were gone: taken in twice, they change nothing.
    left_behind(true);
    assert_eq!(open(), [1, 1]);
}

#[test]
fn rocksdb_keeps_what_was_written_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3_u8 {
        let backend = Rocks::open(folder.path(), true).unwrap();
        assert_eq!(keys(&backend, Space::Out, b"").len(), usize::from(round));
        put(&backend, &[(&[round], b"")]);
        backend.sync().unwrap();
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, Vec<u8>, Vec<u8>),
    Delete(u8, Vec<u8>),
    Scan(u8, Vec<u8>),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..4);
    let value = proptest::collection::vec(any::<u8>(), 0..8);
    let op = prop_oneof![
        6 => (0..7_u8, key(), value).prop_map(|(space, key, value)| Op::Put(space, key, value)),
        3 => (0..7_u8, key()).prop_map(|(space, key)| Op::Delete(space, key)),
        3 => (0..7_u8, key()).prop_map(|(space, prefix)| Op::Scan(space, prefix)),
        1 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rocksdb_does_what_memory_does(ops in ops()) {
        let folder = tempfile::tempdir().unwrap();
        let memory = (ENGINES[1].open)(folder.path(), true).unwrap();
        let mut rocks = Some(Rocks::open(folder.path(), true).unwrap());
        for op in ops {
            let mut batch = Batch::default();
            match op {
                Op::Put(space, key, value) => batch.put(Space::ALL[space as usize], &key, value),
                Op::Delete(space, key) => batch.delete(Space::ALL[space as usize], &key),
                Op::Scan(space, prefix) => {
                    let space = Space::ALL[space as usize];
                    let found = keys(rocks.as_ref().unwrap(), space, &prefix);
                    prop_assert_eq!(found, keys(&*memory, space, &prefix));
                }
                Op::Reopen => {
                    rocks.take();
                    rocks = Some(Rocks::open(folder.path(), true).unwrap());
                }
            }
            memory.write(&batch).unwrap();
            rocks.as_ref().unwrap().write(&batch).unwrap();
        }
    }
}

// ---- the graph above ----------------------------------------------------------------------

fn schema() -> Schema {
    Schema::parse(schema::DEFAULT).unwrap()
}

/// `id user target action day value`
fn event(line: &str) -> Mutation {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let raw = RawEvent {
        event_id: word(),
        user: word(),
        target: word(),
        action: word(),
        at: format!("2025-01-{:0>2}T12:00:00Z", word()),
        value: word().parse().ok(),
        ..RawEvent::default()
    };
    mutations::of_event(raw.check(&schema()).unwrap())
}

fn document(json: &str) -> (NodeKey, Document) {
    serde_json::from_str::<RawDocument>(json).unwrap().check().unwrap()
}

const EVENTS: &[&str] = &[
    "e1 alice dune viewed 1",
    "e2 alice dune rated 3 9",
    "e3 alice dune viewed 2",
    "e4 alice dune viewed 2",
    "e5 bob dune bought 4",
    "e6 bob emma dismissed 5",
    "e7 alice emma rated 9 0",
];

fn hash(store: &GraphStore) -> String {
    store.view().stats().unwrap().content_hash
}

fn assert_whole(store: &GraphStore) {
    let problems = store.view().check().unwrap();
    assert_eq!(problems.told, Vec::<String>::new());
}

/// A store with these events, applied in batches of `batch`.
fn loaded(backend: Box<dyn Backend>, events: &[&str], batch: usize) -> GraphStore {
    let store = GraphStore::new(backend, None).unwrap();
    for chunk in events.chunks(batch) {
        store.apply(&chunk.iter().map(|line| event(line)).collect::<Vec<_>>()).unwrap();
    }
    store
}

#[test]
fn arrival_order_and_batches_never_show() {
    on_every_engine(|open| {
        let expected = hash(&loaded(open(), EVENTS, 100));
        for rotation in 0..EVENTS.len() {
            let mut events = EVENTS.to_vec();
            events.rotate_left(rotation);
            for (batch, reverse) in [(1, false), (2, true), (100, false)] {
                if reverse {
                    events.reverse();
                }
                let store = loaded(open(), &events, batch);
                assert_eq!(hash(&store), expected, "{events:?} in batches of {batch}");
                assert_whole(&store);
            }
        }
    });
}

#[test]
fn the_same_event_twice_changes_nothing() {
    on_every_engine(|open| {
        let store = loaded(open(), EVENTS, 100);
        let (before, sequence) = (hash(&store), store.sequence().unwrap());
        let again: Vec<_> = EVENTS.iter().map(|line| event(line)).collect();
        let applied = store.apply(&again).unwrap();
        assert!(applied.outcomes.iter().all(|outcome| *outcome == Outcome::Unchanged));
        assert_eq!((hash(&store), store.sequence().unwrap()), (before.clone(), sequence));
        // Twice within one batch, too.
        let doubled: Vec<_> = EVENTS.iter().flat_map(|line| [event(line), event(line)]).collect();
        let store = GraphStore::new(open(), None).unwrap();
        store.apply(&doubled).unwrap();
        assert_eq!(hash(&store), before);
    });
}

#[test]
fn an_event_id_with_other_content_is_a_conflict() {
    on_every_engine(|open| {
        let store = loaded(open(), EVENTS, 100);
        let before = hash(&store);
        for other in ["e1 alice dune viewed 2", "e1 bob dune viewed 1", "e1 alice dune viewed 1 7"]
        {
            assert_eq!(store.apply(&[event(other)]).unwrap().outcomes, [Outcome::Conflict]);
        }
        let both = [event("x alice dune viewed 1"), event("x alice dune viewed 2")];
        let fresh = GraphStore::new(open(), None).unwrap();
        assert_eq!(fresh.apply(&both).unwrap().outcomes, [Outcome::Applied, Outcome::Conflict]);
        assert_eq!(hash(&store), before);
    });
}

#[test]
fn retracting_an_event_leaves_the_bytes_of_never_having_had_it() {
    on_every_engine(|open| {
        for place in 0..EVENTS.len() {
            let mut without = EVENTS.to_vec();
            let line = without.remove(place);
            let store = loaded(open(), EVENTS, 3);
            let id = line.split(' ').next().unwrap();
            let fact = store.fact_of_event(id).unwrap().unwrap();
            store.apply(&[Mutation::Remove(fact.clone())]).unwrap();
            assert_eq!(hash(&store), hash(&loaded(open(), &without, 100)), "without {line}");
            assert_whole(&store);
            assert_eq!(store.fact_of_event(id).unwrap(), None);
            let again = store.apply(&[Mutation::Remove(fact)]).unwrap();
            assert_eq!(again.outcomes, [Outcome::Unchanged]);
        }
    });
}

#[test]
fn retracting_everything_leaves_an_empty_store() {
    on_every_engine(|open| {
        let store = loaded(open(), EVENTS, 100);
        for line in EVENTS {
            let fact = store.fact_of_event(line.split(' ').next().unwrap()).unwrap().unwrap();
            store.apply(&[Mutation::Remove(fact)]).unwrap();
        }
        assert_eq!(hash(&store), hash(&GraphStore::new(open(), None).unwrap()));
    });
}

#[test]
fn retracting_a_document_leaves_the_bytes_of_never_having_had_it() {
    on_every_engine(|open| {
        let dune = r#"{"id":"dune","text":{"title":"Dune"},"attributes":{"brand":"Ace","tag":["sand","Sand"]}}"#;
        let emma = r#"{"id":"emma","attributes":{"brand":"Ace","price":3}}"#;
        let with = |documents: &[&str]| {
            let store = loaded(open(), EVENTS, 100);
            let documents = documents.iter().map(|json| document(json)).collect();
            ingest::write_documents(&store, documents).unwrap();
            assert_whole(&store);
            store
        };
        let store = with(&[dune, emma]);
        let (key, _) = document(dune);
        let known = store.facts_of_document(NodeId::of(&key)).unwrap();
        store.apply(&mutations::of_retraction(&key, known)).unwrap();
        assert_eq!(hash(&store), hash(&with(&[emma])));
        assert_whole(&store);
    });
}

#[test]
fn a_document_that_says_less_takes_its_edges_back() {
    on_every_engine(|open| {
        let store = GraphStore::new(open(), None).unwrap();
        let full = r#"{"id":"dune","attributes":{"brand":"Ace","tag":["sand","worms"]}}"#;
        let less = r#"{"id":"dune","attributes":{"tag":"sand"}}"#;
        ingest::write_documents(&store, vec![document(full)]).unwrap();
        ingest::write_documents(&store, vec![document(less)]).unwrap();
        let fresh = GraphStore::new(open(), None).unwrap();
        ingest::write_documents(&fresh, vec![document(less)]).unwrap();
        assert_eq!(hash(&store), hash(&fresh));
        assert_whole(&store);
    });
}

#[test]
fn an_edge_is_the_decayed_fold_of_its_evidence() {
    on_every_engine(|open| {
        let store = loaded(open(), &["a u i viewed 1", "b u i viewed 31"], 1);
        let view = store.view();
        let key = NodeKey::new(NodeKind::User, "u").unwrap();
        let edges: Vec<_> = view.edges_out(NodeId::of(&key)).unwrap().map(Result::unwrap).collect();
        // Thirty days under a half-life of thirty: half of the first, and all of the second.
        assert_eq!((edges.len(), edges[0].1.count, edges[0].1.sum), (1, 2, 1.5));
        assert_eq!(edges[0].1.first.to_string(), "2025-01-01T12:00:00Z");
        assert_eq!(edges[0].1.last.to_string(), "2025-01-31T12:00:00Z");
    });
}

#[test]
fn verify_finds_every_kind_of_damage() {
    on_every_engine(|open| {
        for space in [Space::Nodes, Space::Out, Space::In, Space::Evidence, Space::Events] {
            let backend = open();
            let store = loaded(backend, EVENTS, 100);
            let victim = {
                let view = store.view();
                let edge = view.edges().unwrap().next().unwrap().unwrap();
                drop(view);
                edge.0
            };
            damage(&store, space, &victim);
            let problems = store.view().check().unwrap();
            assert!(problems.count > 0, "nothing found after damage to {}", space.name());
        }
    });
}

/// Deletes one record of `space` behind the back of the graph.
fn damage(store: &GraphStore, space: Space, edge: &predilect::store::EdgeKey) {
    use predilect::store::keyspace;
    let (_, stamp, _) = store.view().evidence_of(edge).unwrap().next().unwrap().unwrap();
    let key: Vec<u8> = match space {
        Space::Nodes => keyspace::node(edge.source).to_vec(),
        Space::Out => keyspace::out(edge).to_vec(),
        Space::In => keyspace::inward(edge).to_vec(),
        Space::Evidence => keyspace::evidence(edge, &stamp).to_vec(),
        _ => stamp.id.0.to_vec(),
    };
    let mut batch = Batch::default();
    batch.delete(space, &key);
    store.backend().write(&batch).unwrap();
}

#[test]
fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(GraphStore::open(folder.path(), true, None).unwrap());
    let backend = Rocks::open(folder.path(), false).unwrap();
    let mut batch = Batch::default();
    batch.put(Space::Meta, b"format_version", vec![99]);
    backend.write(&batch).unwrap();
    drop(backend);
    let error = GraphStore::open(folder.path(), false, None).err().unwrap().to_string();
    assert!(error.contains("has format 99, this build reads 3; open it with the newer"), "{error}");
}

#[test]
fn a_store_keeps_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let other = schema::DEFAULT.replace("half_life_days = 30", "half_life_days = 31");
    drop(GraphStore::open(folder.path(), true, Some(&other)).unwrap());
    let store = GraphStore::open(folder.path(), false, None).unwrap();
    assert_eq!(store.schema().action("viewed").unwrap().half_life_days, Some(31.0));
    drop(store);
    let error = GraphStore::open(folder.path(), false, Some(schema::DEFAULT)).err().unwrap();
    assert!(matches!(error, StoreError::OtherSchema), "{error}");
    let bad = GraphStore::open(&folder.path().join("new"), true, Some("version = 2")).err();
    assert!(matches!(bad, Some(StoreError::Schema(_))));
}

fn refusal(path: &Path, create: bool) -> String {
    GraphStore::open(path, create, None).err().unwrap().to_string()
}

#[test]
fn paths_that_are_no_store_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    assert!(refusal(&folder.path().join("none"), false).contains("no store at"));
    assert!(refusal(&file, false).contains("it is a file"));
    assert!(refusal(&file, true).contains("it is a file"));
    let refused = refusal(folder.path(), true);
    assert!(refused.contains("the folder holds other things"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_second_opening_names_the_process_that_has_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = GraphStore::open(folder.path(), true, None).unwrap();
    let refused = refusal(folder.path(), false);
    let owner = format!("in use by process {}", std::process::id());
    assert!(refused.contains(&owner), "{refused}");
    drop(store);
    GraphStore::open(folder.path(), false, None).unwrap();
}
