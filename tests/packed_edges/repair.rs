//! Damaged packed rows are made anew from those of the other direction, byte for byte.

use predilect::store::{Batch, RepairReport, repair};

use super::*;

fn repaired(store: &GraphStore, folder: &TempDir) -> RepairReport {
    repair(store, &folder.path().join("lost")).unwrap()
}

/// A store with packed rows, of which some were unpacked and one node's take several blocks.
fn packed_store(folder: &TempDir) -> GraphStore {
    let mut rows = rows(9, 500);
    rows.extend((0..9_000).map(|n| format!("u1,i{n},bought,1.5,1700000000")));
    let params = write(folder.path(), "edges.csv", &rows);
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    load(&store, &params);
    let events: Vec<_> = (0..50)
        .map(|name| {
            let row = fact(&rows[name * 9]);
            let at = row.at.millis() + 5;
            if row.relation == BOUGHT && name % 2 == 0 {
                Mutation::Add(event(name, &row.source.name, &row.target.name, at))
            } else {
                Mutation::Remove(row)
            }
        })
        .collect();
    store.apply(&events).unwrap();
    store
}

/// Puts pairs in the place of those that are there; an empty value removes its pair.
fn put(store: &GraphStore, pairs: &[(Vec<u8>, Vec<u8>)]) {
    let mut batch = Batch::default();
    for (key, value) in pairs {
        if value.is_empty() {
            batch.delete(Space::Packed, key);
        } else {
            batch.put(Space::Packed, key, value.clone());
        }
    }
    store.backend().write(&batch).unwrap();
}

/// Every pair of the store.
fn pairs(store: &GraphStore) -> Vec<(Space, Vec<u8>, Vec<u8>)> {
    let reader = store.backend().reader();
    let of_space = |space| {
        let pairs = reader.scan(space, &[]).unwrap().map(Result::unwrap);
        pairs.map(|(key, value)| (space, key.into(), value.into())).collect::<Vec<_>>()
    };
    Space::ALL.into_iter().flat_map(of_space).collect()
}

/// What a block may become: cut off, of other bytes, gone, or another block.
fn damaged(random: &mut ChaCha8Rng, blocks: &[Pair], value: &[u8]) -> Vec<u8> {
    match random.random_range(0..4) {
        0 => value[..random.random_range(1..value.len())].to_vec(),
        1 => (0..40).map(|_| random.random()).collect(),
        2 => Vec::new(),
        _ => blocks.choose(random).unwrap().1[1..].to_vec(),
    }
}

#[test]
fn rows_that_cannot_be_read_come_back_from_the_other_direction() {
    let folder = TempDir::new().unwrap();
    let store = packed_store(&folder);
    let (expected, whole) = (all(&store), packed(&store));
    let blocks: Vec<_> = whole.iter().filter(|(key, _)| key[0] > 0).cloned().collect();
    let report = repaired(&store, &folder);
    assert_eq!((report.rebuilt, report.removed, report.lost, report.problems), (0, 0, 0, 0));
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for round in 0..16 {
        // Any blocks of one side, up to all of them.
        let side = 1 + round % 2;
        let of_side: Vec<_> = blocks.iter().filter(|(key, _)| key[0] == side).collect();
        let n = if round >= 14 { of_side.len() } else { random.random_range(1..4) };
        let chosen: Vec<_> = of_side.choose_multiple(&mut random, n).collect();
        let bytes = |pair: &&&Pair| (pair.0.to_vec(), damaged(&mut random, &blocks, &pair.1));
        put(&store, &chosen.iter().map(bytes).collect::<Vec<_>>());
        assert!(store.view().check().map_or(true, |problems| problems.count > 0));
        let report = repaired(&store, &folder);
        assert!(report.problems == 0 && report.rebuilt > 0, "round {round}: {report:?}");
        assert_eq!(packed(&store), whole, "round {round}");
        assert_eq!(store.view().stats().unwrap().content_hash, expected.0);
    }
}

#[test]
fn what_is_damaged_in_both_directions_is_gone_and_the_rest_is_whole() {
    let folder = TempDir::new().unwrap();
    let store = packed_store(&folder);
    let expected = all(&store);
    let blocks: Vec<_> = packed(&store).into_iter().filter(|(key, _)| key[0] > 0).collect();
    for side in [1, 2] {
        let (key, value) = blocks.iter().find(|(key, _)| key[0] == side).unwrap();
        put(&store, &[(key.to_vec(), value[..value.len() / 2].to_vec())]);
    }
    let report = repaired(&store, &folder);
    assert_eq!((report.problems, report.lost), (0, 2));
    let found = all(&store);
    assert!(found.2.len() < expected.2.len());
    assert!(found.2.iter().all(|piece| expected.2.contains(piece)), "nothing is made up");
}

#[test]
fn a_changed_bit_is_mended_or_told_and_never_believed() {
    let folder = TempDir::new().unwrap();
    let store = packed_store(&folder);
    let (expected, whole) = (all(&store).0, packed(&store));
    let everything = pairs(&store);
    let blocks: Vec<_> = whole.iter().filter(|(key, _)| key[0] > 0).collect();
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut n_mended = 0;
    for _ in 0..24 {
        let (key, value) = blocks.choose(&mut random).unwrap();
        let mut changed = value.to_vec();
        changed[random.random_range(0..value.len() - 8)] ^= 1 << random.random_range(0..8);
        put(&store, &[(key.to_vec(), changed)]);
        let report = repaired(&store, &folder);
        if report.problems == 0 {
            assert_eq!(store.view().stats().unwrap().content_hash, expected);
            // A place that does not count any more may be anything.
            assert!(report.rebuilt == 0 || packed(&store) == whole);
            n_mended += usize::from(report.rebuilt > 0);
        }
        // A repair of what it cannot tell may take more away.
        let mut batch = Batch::default();
        for (space, key, _) in pairs(&store) {
            batch.delete(space, &key);
        }
        for (space, key, value) in &everything {
            batch.put(*space, key, value.clone());
        }
        store.backend().write(&batch).unwrap();
    }
    assert!(n_mended > 2, "{n_mended} of 24");
}
