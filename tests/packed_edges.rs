//! Packed edges are the same graph as edges with records of their own, whatever touches them later.

#[path = "packed_edges/repair.rs"]
mod repair;
#[path = "packed_edges/unload.rs"]
mod unload;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use predilect::event::NodeKey;
use predilect::ingest::{EdgeParams, EdgeReport, IngestError, load_edges};
use predilect::schema::{NodeKind, RelationId, Timestamp};
use predilect::store::{
    Backend, Edge, EdgeKey, Evidence, Fact, GraphStore, Memory, Mutation, NodeId, Outcome, Pair,
    Rocks, Space, Stamp, StoreError,
};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const BOUGHT: RelationId = RelationId(4);
const ABOUT: RelationId = RelationId(109);
const HEADER: &str = "src,dst,rel,weight,ts\n";

/// Rows of a file of edges: many edges have several times, and some times come twice.
fn rows(seed: u64, n: usize) -> Vec<String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut row = || {
        let (src, dst, rel) = if random.random_bool(0.8) {
            let item = random.random_range(0..30_u32).pow(2);
            (format!("u{}", random.random_range(0..60)), format!("i{item}"), "bought")
        } else {
            (
                format!("i{}", random.random_range(0..900)),
                format!("e{}", random.random_range(0..9)),
                "about",
            )
        };
        let weight = f64::from(random.random_range(-200..3000)) / 1000.0;
        format!(
            "{src},{dst},{rel},{weight},{}",
            1_700_000_000 + random.random_range(0..40) * 86_400
        )
    };
    (0..n).map(|_| row()).collect()
}

fn write(folder: &Path, name: &str, rows: &[String]) -> EdgeParams {
    let path = folder.join(name);
    std::fs::write(&path, format!("{HEADER}{}\n", rows.join("\n"))).unwrap();
    params(&path)
}

fn params(path: &Path) -> EdgeParams {
    let relations = BTreeMap::new();
    EdgeParams { files: vec![path.to_owned()], relations, ..EdgeParams::default() }
}

fn load(store: &GraphStore, params: &EdgeParams) -> EdgeReport {
    load_edges(store, params, &mut |_| {}).unwrap()
}

/// An empty store on each engine.
fn stores(folder: &Path) -> [GraphStore; 2] {
    let rocks = Box::new(Rocks::open(&folder.join("rocks"), true).unwrap());
    let backends: [Box<dyn Backend>; 2] = [rocks, Box::new(Memory::default())];
    backends.map(|backend| GraphStore::new(backend, None).unwrap())
}

fn key(kind: NodeKind, name: &str) -> NodeKey {
    NodeKey::new(kind, name).unwrap()
}

fn fact(row: &str) -> Fact {
    let parts: Vec<&str> = row.split(',').collect();
    let (source, relation, target) = match parts[2] {
        "bought" => (NodeKind::User, BOUGHT, NodeKind::Item),
        _ => (NodeKind::Item, ABOUT, NodeKind::Entity),
    };
    Fact {
        source: key(source, parts[0]),
        relation,
        target: key(target, parts[1]),
        at: Timestamp::from_millis(parts[4].parse::<i64>().unwrap() * 1000).unwrap(),
        evidence: Evidence::Given { weight: parts[3].parse().unwrap() },
    }
}

fn event(name: usize, user: &str, item: &str, at: i64) -> Fact {
    Fact {
        source: key(NodeKind::User, user),
        relation: BOUGHT,
        target: key(NodeKind::Item, item),
        at: Timestamp::from_millis(at).unwrap(),
        evidence: Evidence::Event {
            event_id: format!("event {name}"),
            strength: 2.0,
            value: None,
            session: None,
            text: None,
        },
    }
}

type All = (String, Vec<(EdgeKey, Edge)>, Vec<(EdgeKey, Stamp, Evidence)>);

/// Everything that can be read, by every way there is; and nothing is wrong with it.
fn all(store: &GraphStore) -> All {
    let view = store.view();
    let problems = view.check().unwrap();
    assert_eq!(problems.count, 0, "{:?}", problems.told);
    let edges: Vec<_> = view.edges().unwrap().collect::<Result<_, _>>().unwrap();
    let mut by_source = Vec::new();
    let mut by_target = Vec::new();
    let nodes: Vec<NodeId> = view.nodes().unwrap().map(|node| node.unwrap().0).collect();
    for node in nodes {
        by_source.extend(view.edges_out(node).unwrap().map(Result::unwrap));
        let inward: Vec<_> = view.edges_in(node).unwrap().map(Result::unwrap).collect();
        assert!(inward.is_sorted_by_key(|(key, _)| (key.relation, key.source)));
        by_target.extend(inward);
    }
    by_target.sort_by_key(|(key, _)| *key);
    assert_eq!(by_source, edges);
    assert_eq!(by_target, edges);
    for (key, edge) in &edges {
        assert_eq!(view.edge(key).unwrap().as_ref(), Some(edge));
    }
    let mut scanned = Vec::new();
    let ends = (1..40).map(|share| Some(NodeId(share * (u64::MAX / 80)))).chain([None]);
    let mut start = NodeId(0);
    for end in ends {
        view.visit_edges(start, end, &mut |edge| {
            scanned.push((edge.key, edge.last, edge.sum.to_bits()));
            Ok(())
        })
        .unwrap();
        start = end.unwrap_or(start);
    }
    let as_scanned = |(key, edge): &(EdgeKey, Edge)| (*key, edge.last, edge.sum.to_bits());
    assert_eq!(scanned, edges.iter().map(as_scanned).collect::<Vec<_>>());
    let evidence: Vec<_> = view.evidence().unwrap().collect::<Result<_, _>>().unwrap();
    for (edge, stamp, piece) in &evidence {
        assert_eq!(view.evidence_at(edge, stamp).unwrap().as_ref(), Some(piece));
    }
    (view.stats().unwrap().content_hash, edges, evidence)
}

#[test]
fn packed_edges_are_the_graph_that_batches_make() {
    for seed in 0..4 {
        let folder = TempDir::new().unwrap();
        let rows = rows(seed, 3_000);
        let params = write(folder.path(), "edges.csv", &rows);
        let first = event(0, "u1", "i4", 5);
        let [rocks, memory] = stores(folder.path());
        let batches = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        batches.apply(&[Mutation::Add(first.clone())]).unwrap();
        let report = load(&batches, &params);
        assert!(!report.packed && report.unchanged > 0);
        for store in [&rocks, &memory] {
            let packed = load(store, &params);
            assert!(packed.packed);
            // A batch may apply a row that a later one outweighs.
            assert!(packed.read == 3_000 && packed.applied <= report.applied);
            let again = load(store, &params);
            assert_eq!((again.packed, again.applied, again.unchanged), (false, 0, 3_000));
            store.apply(&[Mutation::Add(first.clone())]).unwrap();
        }
        let expected = all(&batches);
        assert_eq!(all(&memory), expected);
        assert_eq!(all(&rocks), expected);
        drop(rocks);
        assert_eq!(all(&stores(folder.path())[0]), expected, "opened again");
    }
}

#[test]
fn whatever_touches_a_packed_edge_finds_and_leaves_what_it_should() {
    for seed in 0..4 {
        let folder = TempDir::new().unwrap();
        let rows = rows(seed, 800);
        let params = write(folder.path(), "edges.csv", &rows);
        let [mut rocks, memory] = stores(folder.path());
        // The oracle never has a packed row.
        let oracle = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        let first = event(0, "nobody", "nothing", 5);
        oracle.apply(&[Mutation::Add(first.clone())]).unwrap();
        load(&oracle, &params);
        oracle.apply(&[Mutation::Remove(first)]).unwrap();
        load(&rocks, &params);
        load(&memory, &params);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for round in 0..60 {
            let n = random.random_range(1..20);
            let mutations: Vec<Mutation> = (0..n)
                .map(|place| {
                    let row = fact(rows.choose(&mut random).unwrap());
                    let id = round * 20 + place;
                    let at = 1_700_000_000_000 + random.random_range(-50..50) * 86_400_000;
                    match random.random_range(0..6) {
                        0 | 1 => Mutation::Remove(row),
                        2 => Mutation::Add(row),
                        3 => {
                            Mutation::Add(Fact { evidence: Evidence::Given { weight: 9.5 }, ..row })
                        }
                        4 if row.relation == BOUGHT => {
                            Mutation::Add(event(id, &row.source.name, &row.target.name, at))
                        }
                        4 => Mutation::Add(row),
                        _ => Mutation::Remove(event(random.random_range(0..=id), "u1", "i4", at)),
                    }
                })
                .collect();
            let applied = oracle.apply(&mutations).unwrap();
            for store in [&rocks, &memory] {
                let found = store.apply(&mutations).unwrap();
                assert_eq!(found.outcomes, applied.outcomes, "seed {seed} round {round}");
                assert_eq!(found.edges, applied.edges);
            }
            if round % 20 == 19 {
                let expected = all(&oracle);
                assert_eq!(all(&memory), expected, "seed {seed} round {round}");
                drop(rocks);
                [rocks, _] = stores(folder.path());
                assert_eq!(all(&rocks), expected, "seed {seed} round {round}");
            }
        }
        // All of it goes, and nothing is left.
        let (_, _, evidence) = all(&oracle);
        let empty = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        for store in [&rocks, &memory, &oracle] {
            let view = store.view();
            let facts = evidence.iter().map(|(edge, stamp, piece)| {
                Mutation::Remove(view.fact(*edge, *stamp, piece.clone()).unwrap())
            });
            let removals: Vec<_> = facts.collect();
            drop(view);
            let outcomes = store.apply(&removals).unwrap().outcomes;
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
            assert_eq!(all(store), all(&empty));
        }
    }
}

/// The pairs of the packed rows.
fn packed(store: &GraphStore) -> Vec<Pair> {
    let reader = store.backend().reader();
    reader.scan(Space::Packed, &[]).unwrap().map(Result::unwrap).collect()
}

#[test]
fn neither_memory_nor_the_order_of_rows_shows() {
    let folder = TempDir::new().unwrap();
    let mut rows = rows(7, 40_000);
    let whole = write(folder.path(), "edges.csv", &rows);
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let parts = [
        write(folder.path(), "first.csv", &rows[..9_000]),
        write(folder.path(), "second.csv", &rows[9_000..]),
    ];
    let files = parts.iter().flat_map(|part| part.files.clone()).collect();
    let stores: Vec<GraphStore> = [
        whole.clone(),
        EdgeParams { max_memory: 20_000, ..whole.clone() },
        EdgeParams { files, ..whole },
    ]
    .iter()
    .map(|params| {
        let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        assert!(load(&store, params).packed);
        store
    })
    .collect();
    let expected = packed(&stores[0]);
    assert!(expected.len() > 20, "several blocks of each direction");
    assert!(stores.iter().all(|store| packed(store) == expected));
    all(&stores[0]);
}

#[test]
fn a_bad_row_is_named_and_nothing_is_left() {
    let good = "u1,i1,bought,1.5,1700000000";
    for (bad, named) in [
        ("u1,i1,bought,heavy,1700000000", "row 2: `weight` is \"heavy\"; give a number"),
        ("u1,i1,bought,inf,1700000000", "row 2: `weight` is inf; give a finite number"),
        ("u1,i1,bought,1,yesterday", "row 2: `ts` is \"yesterday\"; give whole seconds since 1970"),
        ("u1,i1,bought,1,-5", "row 2: `ts` lies outside the years 1970 to 9999"),
        ("u1,i1,bought,1,9223372036854775807", "row 2: `ts` lies outside"),
        ("u1,i1,stole,1,1700000000", "row 2: `rel` is `stole`, which names no relation"),
        (",i1,bought,1,1700000000", "row 2: `id` is missing"),
        ("u1,i1,bought,1", "found record with 4 fields"),
    ] {
        let folder = TempDir::new().unwrap();
        let params = write(folder.path(), "edges.csv", &[good.to_owned(), bad.to_owned()]);
        for store in stores(folder.path()) {
            let before = all(&store);
            let error = load_edges(&store, &params, &mut |_| {}).unwrap_err();
            assert!(matches!(error, IngestError::Unreadable { .. }));
            assert!(error.to_string().contains(named), "{error}");
            assert_eq!(all(&store), before);
            assert!(packed(&store).is_empty());
            store.apply(&[Mutation::Add(event(1, "u1", "i1", 5))]).unwrap();
            let before = all(&store);
            load_edges(&store, &params, &mut |_| {}).unwrap_err();
            assert_eq!(all(&store), before, "nor where there are edges already");
        }
    }
}

#[test]
fn numbers_and_names_of_relations_can_be_given() {
    let folder = TempDir::new().unwrap();
    let text = ["1,7,0,1.5,1700000000", "7,3,1,2,1700000000"].map(str::to_owned);
    let mut params = write(folder.path(), "edges.csv", &text);
    for (value, name) in [("0", "purchase"), ("1", "about")] {
        params.relations.insert(value.to_owned(), name.to_owned());
    }
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    assert_eq!(load(&store, &params).nodes, 3, "item 7 is one node");
    let expected = [fact("1,7,bought,1.5,1700000000"), fact("7,3,about,2,1700000000")];
    let mut edges: Vec<EdgeKey> = expected.iter().map(Fact::edge).collect();
    edges.sort();
    assert_eq!(all(&store).1.iter().map(|(key, _)| *key).collect::<Vec<_>>(), edges);
}

#[test]
fn damaged_rows_are_told_and_never_read_as_others() {
    let folder = TempDir::new().unwrap();
    let params = write(folder.path(), "edges.csv", &rows(3, 2_000));
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    load(&store, &params);
    let expected = all(&store);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut report = String::new();
    let blocks: Vec<_> = packed(&store).into_iter().filter(|(key, _)| key[0] > 0).collect();
    for _ in 0..200 {
        let (place, value) = blocks.choose(&mut random).unwrap();
        let mut damaged = value.to_vec();
        match random.random_range(0..3) {
            0 => damaged.truncate(random.random_range(0..value.len())),
            1 => damaged[random.random_range(0..value.len() - 8)] ^= 1 << random.random_range(0..8),
            _ => damaged.clear(),
        }
        let put = |value: Vec<u8>| {
            let mut batch = predilect::store::Batch::default();
            batch.put(Space::Packed, place, value);
            store.backend().write(&batch).unwrap();
        };
        put(damaged);
        match store.view().check() {
            Ok(problems) => assert!(problems.count > 0, "damage goes unseen"),
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { space: Space::Packed, .. }));
                writeln!(report, "{error}").unwrap();
            }
        }
        put(value.to_vec());
    }
    assert!(report.contains("packed holds a record that cannot be read at key"));
    assert_eq!(all(&store), expected);
}
