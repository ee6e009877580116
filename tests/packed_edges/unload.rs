//! What a load of edges brought is taken back to the last byte, packed or not, whatever came after it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use predilect::ingest::unload;
use predilect::store::LoadState;

use super::*;

/// An event whose batch came on nobody's account.
fn put(store: &GraphStore, events: &[Fact]) {
    store.apply(&events.iter().cloned().map(Mutation::Add).collect::<Vec<_>>()).unwrap();
}

fn named(params: &EdgeParams, id: &str) -> EdgeParams {
    EdgeParams { id: Some(id.to_owned()), ..params.clone() }
}

/// Takes a load back; how many edges it says went.
fn take_back(store: &GraphStore, id: &str) -> u64 {
    unload(store, id, None, &mut |_| {}).unwrap().edges
}

fn pairs(store: &GraphStore, space: Space) -> Vec<Pair> {
    let reader = store.backend().reader();
    reader.scan(space, &[]).unwrap().map(Result::unwrap).collect()
}

/// Events on edges of the rows, and on others, before, at and after the rows' times.
fn events(seed: u64, rows: &[String], n: usize) -> Vec<Fact> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let bought: Vec<&String> = rows.iter().filter(|row| row.contains(",bought,")).collect();
    (0..n)
        .map(|name| {
            let row = fact(bought.choose(&mut random).unwrap());
            let at = row.at.millis() + random.random_range(-2..=2) * 43_200_000;
            let user = if name % 4 == 0 { "someone else" } else { &row.source.name };
            event(name, user, &row.target.name, at)
        })
        .collect()
}

/// The rows of the load of this place among others, which weigh more than those of all before it.
fn heavier(rows: &[String], place: usize) -> Vec<String> {
    let heavier = |row: &String| {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        cells[3] = (cells[3].parse::<f64>().unwrap() + 10.0 * place as f64).to_string();
        cells.join(",")
    };
    rows.iter().map(heavier).collect()
}

#[test]
fn edges_go_and_events_stay_whichever_came_first() {
    for seed in 0..2 {
        let folder = TempDir::new().unwrap();
        let rows = rows(seed, 1_500);
        let edges = named(&write(folder.path(), "edges.csv", &rows), "edges");
        let events = events(seed, &rows, 400);
        let alone = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        put(&alone, &events);
        let expected = all(&alone);
        for edges_first in [true, false] {
            let folder = TempDir::new().unwrap();
            for store in stores(folder.path()) {
                if !edges_first {
                    put(&store, &events);
                }
                let report = load(&store, &edges);
                assert_eq!((report.packed, report.load_id.as_str()), (edges_first, "edges"));
                assert_ne!(all(&store), expected);
                if edges_first {
                    put(&store, &events);
                }
                let n_pieces = all(&store).2.len() - expected.2.len();
                assert_eq!(take_back(&store, "edges"), n_pieces as u64);
                assert_eq!(all(&store), expected, "seed {seed} edges first: {edges_first}");
                assert!(pairs(&store, Space::Packed).is_empty());
                assert!(pairs(&store, Space::Loads).is_empty());
                // The place is free again, for edges that are packed once the events are gone, too.
                assert!(!load(&store, &edges).packed);
                take_back(&store, "edges");
                let gone: Vec<_> = events.iter().cloned().map(Mutation::Remove).collect();
                store.apply(&gone).unwrap();
                assert!(load(&store, &edges).packed);
            }
        }
    }
}

#[test]
fn any_loads_are_taken_back_in_any_order() {
    for seed in 0..5 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let folder = TempDir::new().unwrap();
        let rows = rows(seed, 600);
        let events = events(seed, &rows, 60);
        let loads: Vec<EdgeParams> = (0..4)
            .map(|place| {
                let some: Vec<_> = rows.choose_multiple(&mut random, 400).cloned().collect();
                let name = format!("{place}.csv");
                named(&write(folder.path(), &name, &heavier(&some, place)), &place.to_string())
            })
            .collect();
        let mut order: Vec<usize> = (0..loads.len()).collect();
        order.shuffle(&mut random);
        // After how many loads the events come; when they come first, nothing is packed.
        let with_events = random.random_range(0..=loads.len());
        let made = |store: &GraphStore, without: &[usize]| {
            for place in 0..=loads.len() {
                if place == with_events {
                    put(store, &events);
                }
                if place < loads.len() && !without.contains(&place) {
                    load(store, &loads[place]);
                }
            }
        };
        for store in stores(&folder.path().join("stores")) {
            made(&store, &[]);
            for n_gone in 1..=loads.len() {
                take_back(&store, &loads[order[n_gone - 1]].id.clone().unwrap());
                let oracle = GraphStore::new(Box::new(Memory::default()), None).unwrap();
                made(&oracle, &order[..n_gone]);
                assert_eq!(
                    all(&store),
                    all(&oracle),
                    "seed {seed}, without {:?}",
                    &order[..n_gone]
                );
            }
            assert!(pairs(&store, Space::Packed).is_empty());
            assert!(pairs(&store, Space::Loads).is_empty());
        }
    }
}

#[test]
fn what_somebody_else_changed_stays() {
    let folder = TempDir::new().unwrap();
    let rows: Vec<String> = (0..9).map(|n| format!("u{n},i{n},bought,{n}.5,1700000000")).collect();
    let first = named(&write(folder.path(), "first.csv", &rows), "first");
    let second = named(&write(folder.path(), "second.csv", &heavier(&rows[..5], 1)), "second");
    for store in stores(folder.path()) {
        assert!(load(&store, &first).packed && !load(&store, &second).packed);
        // One of each load is retracted; another of each comes again, from nobody.
        let changed = [&heavier(&rows[..5], 1)[0], &heavier(&rows[..5], 1)[1], &rows[7], &rows[8]];
        let removals = changed.map(|row| Mutation::Remove(fact(row)));
        store.apply(&removals).unwrap();
        put(&store, &[fact(changed[1]), fact(changed[3])]);
        take_back(&store, "second");
        let view = store.view();
        let weight = |n: usize| {
            let at = fact(&rows[n]).stamp();
            match view.evidence_at(&fact(&rows[n]).edge(), &at).unwrap() {
                Some(Evidence::Given { weight }) => Some(weight),
                _ => None,
            }
        };
        let weights: Vec<_> = (0..9).map(weight).collect();
        let expected = [
            None,
            Some(11.5),
            Some(2.5),
            Some(3.5),
            Some(4.5),
            Some(5.5),
            Some(6.5),
            None,
            Some(8.5),
        ];
        assert_eq!(weights, expected);
        drop(view);
        all(&store);
    }
}

#[test]
fn an_unload_that_is_ended_leaves_the_store_whole_and_goes_on() {
    let folder = TempDir::new().unwrap();
    let rows = rows(11, 24_000);
    let edges = named(&write(folder.path(), "edges.csv", &rows), "edges");
    let few = events(11, &rows, 40);
    // Enough that one batch does not take back all that was unpacked.
    let many: Vec<Fact> = rows
        .iter()
        .filter(|row| row.contains(",bought,"))
        .enumerate()
        .map(|(name, row)| event(name, row.split(',').next().unwrap(), &fact(row).target.name, 7))
        .collect();
    for (edges_first, events) in [(false, &few), (true, &many)] {
        let folder = TempDir::new().unwrap();
        let alone = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        put(&alone, events);
        let expected = all(&alone).0;
        let [rocks, _] = stores(folder.path());
        if edges_first {
            load(&rocks, &edges);
            put(&rocks, events);
        } else {
            put(&rocks, events);
            load(&rocks, &edges);
        }
        let before = all(&rocks).2.len();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            unload(&rocks, "edges", None, &mut |_| std::panic::resume_unwind(Box::new(())))
        }));
        assert!(ended.is_err());
        drop(rocks);
        let [rocks, _] = stores(folder.path());
        let between = all(&rocks);
        assert!(between.2.len() < before && between.0 != expected);
        assert_eq!(rocks.view().loads().unwrap()[0].state, LoadState::Unloading);
        let error = load_edges(&rocks, &edges, &mut |_| {}).unwrap_err();
        assert!(matches!(error, IngestError::LoadUnloading { .. }), "{error}");
        take_back(&rocks, "edges");
        assert_eq!(all(&rocks).0, expected);
        assert!(pairs(&rocks, Space::Loads).is_empty());
    }
}

#[test]
fn loads_of_edges_have_ids_that_they_go_on_by() {
    let folder = TempDir::new().unwrap();
    let rows = rows(5, 500);
    let edges = write(folder.path(), "edges.csv", &rows);
    let more = write(folder.path(), "more.csv", &heavier(&rows[..50], 1));
    for store in stores(folder.path()) {
        assert_eq!(load(&store, &edges).load_id, "load-1");
        assert_eq!(load(&store, &more).load_id, "load-2");
        let again = load_edges(&store, &named(&edges, "load-1"), &mut |_| {}).unwrap_err();
        assert!(matches!(again, IngestError::LoadFinished { .. }), "{again}");
        let bad = load_edges(&store, &named(&edges, "a b"), &mut |_| {}).unwrap_err();
        assert!(matches!(bad, IngestError::LoadId { .. }), "{bad}");
        let before = all(&store);
        let resumed = load(&store, &EdgeParams { resume: true, ..named(&edges, "load-1") });
        assert!(resumed.resumed && resumed.applied == 0);
        assert_eq!(all(&store), before);
        let loads = store.view().loads().unwrap();
        assert!(loads.iter().all(|load| load.state == LoadState::Finished));
        let brought: Vec<_> = loads
            .iter()
            .map(|load| store.view().loaded_edges(load.number).unwrap().unwrap())
            .map(|edges| (edges.packed, edges.count > 0))
            .collect();
        assert_eq!(brought, [(true, true), (false, true)]);
        // A file that is wrong leaves no load.
        let bad = write(folder.path(), "bad.csv", &["u1,i1,bought,heavy,1".to_owned()]);
        load_edges(&store, &named(&bad, "bad"), &mut |_| {}).unwrap_err();
        assert_eq!(store.view().loads().unwrap().len(), 2);
    }
}
