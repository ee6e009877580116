//! Backups hold what the store holds, stand on their own, and are refused when they are damaged.

use std::fs;
use std::path::Path;

use predilect::store::{GraphStore, StoreError, backup, restore};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{assert_whole, fill, grown, hash, in_memory, open};

fn partials(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".partial")).count()
}

/// A store and a backup of it, in one folder.
fn backed_up() -> (TempDir, GraphStore, String) {
    let folder = TempDir::new().unwrap();
    let store = GraphStore::open(&folder.path().join("store"), true, None).unwrap();
    fill(&store, &grown(2, 300));
    let manifest = backup(&store, &folder.path().join("backup")).unwrap();
    let expected = hash(&store);
    assert_eq!(manifest.content_hash, expected);
    assert_eq!(manifest.sequence, store.sequence().unwrap());
    assert_eq!(manifest.events, 300);
    (folder, store, expected)
}

#[test]
fn a_restored_backup_is_the_store_as_it_was() {
    let (folder, store, expected) = backed_up();
    let path = |name: &str| folder.path().join(name);
    // What happens to the store afterwards does not show, whether it is written or damaged.
    let gone: Vec<_> = store.view().evidence().unwrap().map(Result::unwrap).collect();
    for (edge, stamp, evidence) in gone {
        let fact = store.view().fact(edge, stamp, evidence).unwrap();
        store.apply(&[predilect::store::Mutation::Remove(fact)]).unwrap();
    }
    drop(store);
    for entry in fs::read_dir(path("store")).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            let file = fs::File::options().write(true).open(file).unwrap();
            std::io::Write::write_all(&mut &file, b"damaged in place").unwrap();
        }
    }
    for name in ["restored", "restored again"] {
        let manifest = restore(&path("backup"), &path(name)).unwrap();
        assert_eq!(manifest.content_hash, expected);
        let restored = open(&path(name));
        assert_eq!(hash(&restored), expected);
        assert_eq!(restored.sequence().unwrap(), manifest.sequence);
        assert_whole(&restored);
        // It is a store like any other.
        let more = grown(3, 50);
        let events: Vec<_> = more.events.values().take(1).cloned().collect();
        let add = predilect::store::Mutation::Add(events[0].clone());
        restored.apply(&[add]).unwrap();
        restored.sync().unwrap();
        drop(restored);
        open(&path(name));
    }
    assert_eq!(partials(folder.path()), 0);
}

#[test]
fn nothing_is_written_over() {
    let (folder, store, _) = backed_up();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("file"), "text").unwrap();
    for name in ["empty", "file", "backup", "store"] {
        for done in [backup(&store, &path(name)), restore(&path("backup"), &path(name))] {
            assert!(matches!(done, Err(StoreError::Occupied { .. })), "{name}: {done:?}");
        }
    }
    assert_eq!(fs::read_to_string(path("file")).unwrap(), "text");
    assert_eq!(fs::read_dir(path("empty")).unwrap().count(), 0);
    assert_eq!(partials(folder.path()), 0);
    // An engine without files has none to copy.
    let refused = backup(&in_memory(), &path("new")).unwrap_err().to_string();
    assert!(refused.contains("export the graph instead"), "{refused}");
    assert!(!path("new").exists());
}

#[test]
fn any_damage_to_a_backup_is_found_before_it_is_a_store() {
    let (folder, store, _) = backed_up();
    drop(store);
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let files: Vec<_> = fs::read_dir(folder.path().join("backup/store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([folder.path().join("backup/manifest.json")])
        .collect();
    let restored = folder.path().join("restored");
    let refuses = |expected: &str| {
        let refused = restore(&folder.path().join("backup"), &restored).unwrap_err().to_string();
        assert!(refused.contains("is no whole backup"), "{refused}");
        assert!(refused.contains(expected), "{refused}");
        assert!(!restored.exists());
    };
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let whole = fs::read(file).unwrap();
        for _ in 0..4 {
            let mut damaged = whole.clone();
            if damaged.is_empty() || random.random_bool(0.3) {
                damaged.push(b'x');
            } else if random.random_bool(0.5) {
                let bit = random.random_range(0..damaged.len() * 8);
                damaged[bit / 8] ^= 1 << (bit % 8);
            } else {
                damaged.truncate(random.random_range(0..damaged.len()));
            }
            fs::write(file, damaged).unwrap();
            refuses(name);
        }
        fs::remove_file(file).unwrap();
        refuses(name);
        fs::write(file, whole).unwrap();
    }
    restore(&folder.path().join("backup"), &restored).unwrap();
    let refused = restore(folder.path(), &folder.path().join("new")).unwrap_err().to_string();
    assert!(refused.contains("give a folder that `predilect backup` wrote"), "{refused}");
}
