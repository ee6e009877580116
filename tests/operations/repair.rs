//! A repair brings back what follows from evidence, and moves what it cannot use out of the store.

use std::fs;

use predilect::store::{Batch, GraphStore, RepairReport, Space, keyspace, repair};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{assert_whole, fill, grown, hash, in_memory, open};

/// Every pair of a space.
fn pairs(store: &GraphStore, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let reader = store.backend().reader();
    let pairs = reader.scan(space, &[]).unwrap();
    pairs.map(|pair| pair.map(|(key, value)| (key.into(), value.into())).unwrap()).collect()
}

/// Deletes records, breaks some and puts some where none was.
fn damage(store: &GraphStore, space: Space, n: usize, random: &mut ChaCha8Rng) {
    let pairs = pairs(store, space);
    let mut batch = Batch::default();
    for (key, value) in pairs.choose_multiple(random, n) {
        match random.random_range(0..4) {
            0 => batch.delete(space, key),
            1 => batch.put(space, key, value[..value.len() / 2].to_vec()),
            2 => batch.put(space, key, pairs.choose(random).unwrap().1.clone()),
            _ => {
                let mut key = key.clone();
                let last = key.len() - 1;
                key[last] ^= 1;
                batch.put(space, &key, value.clone());
            }
        }
    }
    store.backend().write(&batch).unwrap();
}

fn repaired(store: &GraphStore, folder: &TempDir) -> RepairReport {
    let report = repair(store, &folder.path().join("lost")).unwrap();
    assert_eq!(report.problems, 0);
    assert_whole(store);
    report
}

#[test]
fn what_follows_from_evidence_is_brought_back() {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let folder = TempDir::new().unwrap();
        let on_disk = folder.path().join("store");
        let store =
            if seed < 4 { GraphStore::open(&on_disk, true, None).unwrap() } else { in_memory() };
        fill(&store, &grown(seed, 300));
        let expected = hash(&store);
        for space in [Space::Out, Space::In, Space::Events] {
            damage(&store, space, 60, &mut random);
        }
        assert!(store.view().check().map_or(true, |problems| problems.count > 0));
        let report = repaired(&store, &folder);
        assert_eq!(hash(&store), expected, "seed {seed}");
        assert!(report.rebuilt > 0 && report.lost == 0, "{report:?}");
        assert!(!folder.path().join("lost").exists());
        // There is nothing left to do.
        let again = repaired(&store, &folder);
        assert_eq!((again.rebuilt, again.removed, again.lost), (0, 0, 0));
        drop(store);
        if on_disk.exists() {
            assert_eq!(hash(&open(&on_disk)), expected);
        }
    }
}

#[test]
fn whole_spaces_are_brought_back() {
    let folder = TempDir::new().unwrap();
    let store = in_memory();
    fill(&store, &grown(21, 300));
    let expected = hash(&store);
    let mut batch = Batch::default();
    for space in [Space::Out, Space::In, Space::Events] {
        for (key, _) in pairs(&store, space) {
            batch.delete(space, &key);
        }
    }
    store.backend().write(&batch).unwrap();
    repaired(&store, &folder);
    assert_eq!(hash(&store), expected);
}

#[test]
fn what_cannot_stay_is_kept_in_a_file() {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let folder = TempDir::new().unwrap();
        let store = in_memory();
        fill(&store, &grown(seed, 300));
        let before: Vec<_> =
            Space::ALL.iter().map(|&space| (space, pairs(&store, space))).collect();
        for space in [Space::Nodes, Space::Evidence, Space::Extractions, Space::Merges] {
            damage(&store, space, 3, &mut random);
        }
        let damaged: Vec<_> =
            Space::ALL.iter().map(|&space| (space, pairs(&store, space))).collect();
        assert_ne!(before, damaged);
        let report = repaired(&store, &folder);
        assert!(report.lost > 0, "seed {seed}: {report:?}");
        let lost = fs::read_to_string(report.lost_and_found.unwrap()).unwrap();
        let lost: Vec<serde_json::Value> =
            lost.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lost.len() as u64, report.lost);
        // No evidence, node or merge is in neither place.
        for (space, pairs_then) in damaged {
            if ![Space::Nodes, Space::Evidence, Space::Merges].contains(&space) {
                continue;
            }
            let now = pairs(&store, space);
            for pair in pairs_then.into_iter().filter(|pair| !now.contains(pair)) {
                let hex = (keyspace::hex(&pair.0), keyspace::hex(&pair.1));
                let is = |lost: &&serde_json::Value| {
                    (&lost["space"], &lost["key"], &lost["value"])
                        == (&space.name().into(), &hex.0.clone().into(), &hex.1.clone().into())
                };
                let nameless = space == Space::Nodes && lost.iter().find(is).is_none();
                // A node that nothing names any more goes with what named it; it has no document.
                assert!(nameless && pair.1.ends_with(&[0]) || lost.iter().any(|one| is(&one)));
            }
        }
        let again = repaired(&store, &folder);
        assert_eq!((again.rebuilt, again.removed, again.lost), (0, 0, 0), "seed {seed}");
    }
}

#[test]
fn an_entity_that_is_gone_is_called_as_its_attributes_spell_it() {
    let folder = TempDir::new().unwrap();
    let store = in_memory();
    fill(&store, &grown(22, 300));
    let expected = hash(&store);
    let brand = store
        .view()
        .nodes()
        .unwrap()
        .map(Result::unwrap)
        .find(|(_, node)| node.key.name.starts_with("brand:"));
    let mut batch = Batch::default();
    batch.delete(Space::Nodes, &keyspace::node(brand.unwrap().0));
    batch.put(Space::Meta, b"sequence", vec![0xff; 3]);
    store.backend().write(&batch).unwrap();
    let report = repaired(&store, &folder);
    assert_eq!((report.rebuilt, report.lost), (1, 1), "{report:?}");
    assert_eq!(hash(&store), expected);
}
