//! A snapshot that is mapped from its file answers as the one that was built, and a file that is not the
//! store's is never answered from.

use std::fs;
use std::path::{Path, PathBuf};

use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use predilect::engine::{Engine, Moment};
use predilect::event::{NodeKey, RawEvent};
use predilect::extract;
use predilect::generate::{self, GenerateParams};
use predilect::graph::{EdgeData, NodeIndex};
use predilect::ingest::LoadParams;
use predilect::recommend::{CACHED, RECOMMENDERS, RecommendParams};
use predilect::schema::{NodeKind, Timestamp};
use predilect::snapshot::{GraphFileError, Snapshot};
use predilect::store::{GraphStore, Merge};
use predilect::traverse::{Budget, PathParams};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tempfile::TempDir;

/// Damaged files of each kind.
const MUTANTS: usize = 150;

struct Shop {
    folder: TempDir,
}

impl Shop {
    /// A store in a folder with what these files say.
    fn of(items: &Path, events: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Self { folder };
        let store = GraphStore::open(&shop.store(), true, None).unwrap();
        let extractor = extract::by_name("lexicon", None).unwrap();
        let engine = Engine::new(store, Some(extractor)).unwrap();
        let params = LoadParams {
            items: vec![items.to_owned()],
            events: vec![events.to_owned()],
            rejects: shop.folder.path().join("rejects"),
            ..LoadParams::default()
        };
        engine.load(&params, &mut |_| {}).unwrap();
        shop
    }

    fn tiny() -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny");
        Self::of(&data.join("items.jsonl"), &data.join("events.csv"))
    }

    fn generated() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let params = GenerateParams { users: 60, items: 40, events: 3000, seed: 11 };
        generate::write(&params, folder.path()).unwrap();
        Self::of(&folder.path().join("items.jsonl"), &folder.path().join("events.csv"))
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn file(&self) -> PathBuf {
        self.store().join("graph.snapshot")
    }

    fn engine(&self) -> Engine {
        Engine::open(&self.store(), false, None, None).unwrap()
    }

    /// What the file holds, if it counts.
    fn load(&self) -> Result<Snapshot, GraphFileError> {
        let store = GraphStore::open(&self.store(), false, None).unwrap();
        Snapshot::load(&self.file(), &store.view(), CACHED)
    }
}

fn keys(snapshot: &Snapshot, kind: NodeKind) -> Vec<NodeKey> {
    let nodes = snapshot.names().of_kind(kind);
    nodes.map(|node| snapshot.names().get(node).unwrap().key.clone()).collect()
}

/// Every kind of answer about every node, as one text.
fn answers(engine: &Engine) -> String {
    let (snapshot, moment) = (engine.snapshot(), Moment::default());
    let mut all = vec![format!("{} {:?}", snapshot.sequence, (snapshot.as_of, snapshot.clock))];
    let items = keys(&snapshot, NodeKind::Item);
    for user in keys(&snapshot, NodeKind::User) {
        let (_, interests) = engine.interests(&user, &moment, Vec::new(), 100).unwrap();
        all.push(serde_json::to_string(&interests).unwrap());
        for interest in interests.iter().take(3) {
            let entity = NodeKey::new(NodeKind::Entity, interest.entity.as_str()).unwrap();
            let found = engine.explain_interest(&user, &entity, &moment).unwrap().1;
            all.push(serde_json::to_string(&found).unwrap());
        }
        for method in RECOMMENDERS {
            let params = RecommendParams {
                method: method.name.to_owned(),
                kinds: vec![NodeKind::Item, NodeKind::Content],
                k: 20,
            };
            let found = engine.recommend(&user, &moment, &params).unwrap().1;
            all.push(serde_json::to_string(&found).unwrap());
        }
        let paths = engine.paths(&snapshot, (&user, &items[0]), &PathParams::default()).unwrap();
        all.push(format!("{paths:?}"));
    }
    for item in &items {
        let similar = engine.similar(&snapshot, item, 10, &Budget::default()).unwrap();
        all.push(format!("{similar:?}"));
    }
    all.join("\n")
}

fn assert_same(mapped: &Snapshot, built: &Snapshot) {
    assert_eq!(mapped.sequence, built.sequence);
    assert_eq!((mapped.as_of, mapped.clock), (built.as_of, built.clock));
    assert_eq!(mapped.graph().base(), built.graph().base());
    assert_eq!(mapped.background(), built.background());
    for index in 0..built.graph().node_count() {
        let node = NodeIndex::new(index);
        assert_eq!(mapped.names().get(node), built.names().get(node));
        assert_eq!(mapped.norm(node).to_bits(), built.norm(node).to_bits());
    }
    for index in 0..built.graph().edge_count() {
        let weight =
            |snapshot: &Snapshot| snapshot.base_weight(index.try_into().map(edge).unwrap());
        assert_eq!(weight(mapped).to_bits(), weight(built).to_bits());
    }
}

fn edge(index: u32) -> predilect::graph::EdgeIndex {
    index.into()
}

#[test]
fn a_mapped_snapshot_answers_as_the_one_that_was_built() {
    for shop in [Shop::tiny(), Shop::generated()] {
        let expected = {
            let engine = shop.engine();
            assert!(!shop.file().exists(), "a write leaves no file");
            let expected = answers(&engine);
            engine.keep_snapshot().unwrap();
            expected
        };
        assert_same(&shop.load().unwrap(), &shop.engine().snapshot());
        let mapped = fs::read(shop.file()).unwrap();
        {
            let store = GraphStore::open(&shop.store(), false, None).unwrap();
            let built = Snapshot::build(&store.view(), None, CACHED).unwrap();
            assert_same(&Snapshot::load(&shop.file(), &store.view(), CACHED).unwrap(), &built);
            built.save(&shop.file()).unwrap();
        }
        assert!(fs::read(shop.file()).unwrap() == mapped, "the same snapshot, the same bytes");
        assert_eq!(answers(&shop.engine()), expected);
    }
}

#[test]
fn the_number_of_threads_never_shows() {
    let shop = Shop::generated();
    let engine = shop.engine();
    let entities = keys(&engine.snapshot(), NodeKind::Entity);
    let at = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    // Merged edges are put between those of the scan.
    for pair in entities.chunks_exact(2).take(8) {
        let merge = Merge::new(pair[0].clone(), pair[1].clone(), at, "a test", "");
        if let Err(error) = engine.merge(merge) {
            assert!(error.to_string().contains("type"), "{error}");
        }
    }
    drop(engine);
    let store = GraphStore::open(&shop.store(), false, None).unwrap();
    assert!(store.view().merges().unwrap().records().len() > 1);
    let file_of = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let built = pool.install(|| Snapshot::build(&store.view(), None, CACHED)).unwrap();
        pool.install(|| built.save(&shop.file())).unwrap();
        fs::read(shop.file()).unwrap()
    };
    let expected = file_of(1);
    for n_threads in [2, 3, 8] {
        assert!(file_of(n_threads) == expected, "{n_threads} threads");
    }
    // What a scan in one row finds, without the ranges that threads share out.
    let view = store.view();
    let in_a_row = view.edges_as_read(&view.merges().unwrap(), None).unwrap();
    let built = Snapshot::build(&view, None, CACHED).unwrap();
    let mut edges = built.graph().edge_references();
    for item in in_a_row {
        let (key, edge) = item.unwrap();
        let ends = [key.source, key.target].map(|id| built.names().find(id).unwrap());
        let found = edges.next().unwrap();
        assert_eq!([found.source(), found.target()], ends);
        assert_eq!(*found.data(), EdgeData::new(key.relation, edge.sum as f32, edge.last));
    }
    assert!(edges.next().is_none());
}

/// What `change` makes of the file is refused; answers are as before, and a whole file is kept again.
fn check_refused(shop: &Shop, whole: &[u8], expected: &str, mut change: impl FnMut(&mut Vec<u8>)) {
    let store = GraphStore::open(&shop.store(), false, None).unwrap();
    for mutant in 0..MUTANTS {
        let mut bytes = whole.to_vec();
        change(&mut bytes);
        if bytes == whole {
            continue;
        }
        fs::write(shop.file(), &bytes).unwrap();
        let found = Snapshot::load(&shop.file(), &store.view(), CACHED);
        assert!(found.is_err(), "mutant {mutant} is taken for whole");
    }
    drop(store);
    let engine = shop.engine();
    assert_eq!(answers(&engine), expected);
    engine.keep_snapshot().unwrap();
    drop(engine);
    assert!(fs::read(shop.file()).unwrap() == whole);
}

#[test]
fn damaged_files_are_never_answered_from() {
    let shop = Shop::tiny();
    let engine = shop.engine();
    let expected = answers(&engine);
    engine.keep_snapshot().unwrap();
    drop(engine);
    let whole = fs::read(shop.file()).unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    check_refused(&shop, &whole, &expected, |bytes| {
        bytes.truncate(random.random_range(0..bytes.len()));
    });
    check_refused(&shop, &whole, &expected, |bytes| {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    });
    // The header, where most bytes are.
    check_refused(&shop, &whole, &expected, |bytes| {
        let at = random.random_range(0..400);
        bytes[at] ^= 1 << random.random_range(0..8);
    });
    check_refused(&shop, &whole, &expected, |bytes| {
        let (at, other) =
            (random.random_range(0..bytes.len()), random.random_range(0..bytes.len()));
        bytes[at.min(other)..at.max(other)].fill(0);
    });
    check_refused(&shop, &whole, &expected, |bytes| {
        bytes.resize(bytes.len() + random.random_range(1..10_000), 0);
    });
}

#[test]
fn a_file_of_another_moment_is_not_answered_from() {
    let shop = Shop::tiny();
    let event = RawEvent {
        event_id: "late".to_owned(),
        user: "alice".to_owned(),
        action: "bought".to_owned(),
        ..serde_json::from_str(
            r#"{"event_id": "x", "user": "x", "target": "qc-ultra", "action": "x", "at": "2030-01-01T00:00:00Z"}"#,
        )
        .unwrap()
    };
    let engine = shop.engine();
    let before = answers(&engine);
    engine.keep_snapshot().unwrap();
    let old = fs::read(shop.file()).unwrap();
    engine.write_events(vec![event.check(engine.schema()).unwrap()]).unwrap();
    assert!(!shop.file().exists(), "a write removes the file");
    engine.keep_snapshot().unwrap();
    let after = answers(&engine);
    assert_ne!(after, before);
    drop(engine);
    assert_eq!(answers(&shop.engine()), after);

    fs::write(shop.file(), &old).unwrap();
    assert!(matches!(shop.load(), Err(GraphFileError::Outdated { .. })));
    let engine = shop.engine();
    assert_eq!(answers(&engine), after);

    // What was taken back is in no file.
    engine.keep_snapshot().unwrap();
    engine.retract_event("late").unwrap();
    assert!(!shop.file().exists());
    engine.keep_snapshot().unwrap();
    drop(engine);
    let again = shop.load().unwrap();
    assert!(again.as_of < Timestamp::parse("2030-01-01T00:00:00Z").unwrap());
}

#[test]
fn a_file_of_another_store_or_program_is_not_answered_from() {
    let (shop, other) = (Shop::tiny(), Shop::generated());
    other.engine().keep_snapshot().unwrap();
    let foreign = fs::read(other.file()).unwrap();
    let engine = shop.engine();
    let expected = answers(&engine);
    engine.keep_snapshot().unwrap();
    drop(engine);
    let mut newer = fs::read(shop.file()).unwrap();
    newer[15] += 1;
    for bytes in
        [&newer[..], b"", b"\0", &[0; 4096], &[7; 10_000], b"predilect graph\x01", &foreign]
    {
        fs::write(shop.file(), bytes).unwrap();
        assert!(shop.load().is_err());
        assert_eq!(answers(&shop.engine()), expected);
    }
    // A folder where the file should be is in the way of keeping it, and of nothing else.
    fs::remove_file(shop.file()).unwrap();
    fs::create_dir(shop.file()).unwrap();
    let engine = shop.engine();
    assert_eq!(answers(&engine), expected);
    assert!(matches!(engine.keep_snapshot(), Err(GraphFileError::Io { .. })));
    assert!(!shop.store().join("graph.part").exists());
}

#[test]
fn merges_show_in_a_mapped_snapshot() {
    let shop = Shop::generated();
    let engine = shop.engine();
    engine.keep_snapshot().unwrap();
    let entities = keys(&engine.snapshot(), NodeKind::Entity);
    let of_type = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let pair = entities.windows(2).find(|pair| of_type(&pair[0].name) == of_type(&pair[1].name));
    let [one, other] = pair.unwrap() else { unreachable!() };
    let at = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    engine.merge(Merge::new(one.clone(), other.clone(), at, "a test", "")).unwrap();
    assert!(!shop.file().exists(), "a merge removes the file");
    let merged = answers(&engine);
    engine.keep_snapshot().unwrap();
    drop(engine);
    let mapped = shop.load().unwrap();
    assert_eq!(mapped.find(one), mapped.find(other));
    let engine = shop.engine();
    assert_eq!(answers(&engine), merged);
    engine.unmerge(one).unwrap();
    assert!(!shop.file().exists(), "lifting it removes the file");
}
