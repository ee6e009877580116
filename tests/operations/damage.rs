//! Damaged files of a store are noticed: an answer is the whole graph's, or there is none.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use predilect::store::{Cached, CachedText, GraphStore, Mutation, StoreError, repair};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{assert_whole, copy_files, fill, grown, hash, open};

/// Files of a store whose writes were told to be on disk, and what they hold.
struct Image {
    files: PathBuf,
    hash: String,
    _folder: TempDir,
}

impl Image {
    /// Files of a process that was killed: all in the log.
    fn killed() -> Self {
        let folder = TempDir::new().unwrap();
        let store = GraphStore::open(&folder.path().join("store"), true, None).unwrap();
        fill(&store, &grown(8, 150));
        let files = folder.path().join("image");
        copy_files(&folder.path().join("store"), &files);
        Self { files, hash: hash(&store), _folder: folder }
    }

    /// Files of a store that was opened several times, the last time by a process that was killed.
    fn lived() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store");
        drop(GraphStore::open(&path, true, None).unwrap());
        let mutations = grown(9, 200).mutations();
        let mut parts = mutations.chunks(mutations.len() / 3 + 1);
        let part = |store: &GraphStore, mutations: &[Mutation]| {
            for batch in mutations.chunks(50) {
                store.apply(batch).unwrap();
                store.sync().unwrap();
            }
        };
        for _ in 0..2 {
            let store = open(&path);
            part(&store, parts.next().unwrap());
            let text = CachedText::new(Cached::Encoding, "text", "1");
            store.keep(vec![(text, vec![7; 2_000])]).unwrap();
        }
        let store = open(&path);
        part(&store, parts.next().unwrap());
        let files = folder.path().join("image");
        copy_files(&path, &files);
        Self { files, hash: hash(&store), _folder: folder }
    }

    fn names(&self, starts: &[&str], ends: &[&str]) -> Vec<String> {
        let names = fs::read_dir(&self.files).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| {
                starts.iter().any(|start| name.starts_with(start))
                    || ends.iter().any(|end| name.ends_with(end))
            })
            .collect();
        names.sort();
        names
    }
}

/// Changes a file; says how.
fn mutate(random: &mut ChaCha8Rng, folder: &Path, name: &str, others: &[String]) -> String {
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    match random.random_range(0..10) {
        0 if bytes.is_empty() => "nothing".to_owned(),
        0..5 if !bytes.is_empty() => {
            let bit = random.random_range(0..bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            format!("bit {bit} of {name} flipped")
        }
        5..7 if !bytes.is_empty() => {
            let start = random.random_range(0..bytes.len());
            let end = bytes.len().min(start + 512);
            bytes[start..end].fill(0);
            fs::write(&path, bytes).unwrap();
            format!("{name} zeroed from {start} to {end}")
        }
        7 => {
            fs::remove_file(&path).unwrap();
            format!("{name} deleted")
        }
        8 if others.len() > 1 => {
            let other = others.choose(random).unwrap();
            fs::copy(folder.join(other), &path).unwrap();
            format!("{name} overwritten with {other}")
        }
        _ => {
            let length = random.random_range(0..=bytes.len());
            bytes.truncate(length);
            fs::write(&path, bytes).unwrap();
            format!("{name} cut to {length} bytes")
        }
    }
}

/// What came of a damaged store.
#[derive(Debug, PartialEq)]
enum Found {
    /// It holds what it held.
    Nothing,
    Refused(String),
    /// It opens, and `verify` tells.
    Told(String),
    /// It opens, `verify` tells nothing, and something is not there.
    Silent,
}

fn look(folder: &Path, expected: &str) -> Found {
    let store = match GraphStore::open(folder, false, None) {
        Ok(store) => store,
        Err(error) => return Found::Refused(error.to_string()),
    };
    match store.view().check() {
        Err(error) => return Found::Told(error.to_string()),
        Ok(problems) if problems.count > 0 => return Found::Told(problems.told[0].clone()),
        Ok(_) => {}
    }
    if hash(&store) == expected { Found::Nothing } else { Found::Silent }
}

/// Damages one of the `names` of an image, `n` times; returns what came of each.
fn mutants(image: &Image, names: &[String], n: u64) -> Vec<(String, Found)> {
    let (next, found) = (AtomicU64::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= n {
                        break;
                    }
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    let folder = TempDir::new().unwrap();
                    copy_files(&image.files, folder.path());
                    let name = names.choose(&mut random).unwrap();
                    let how = mutate(&mut random, folder.path(), name, names);
                    let came = look(folder.path(), &image.hash);
                    found.lock().unwrap().push((format!("seed {seed}: {how}"), came));
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn assert_noticed(found: &[(String, Found)], least: usize) {
    let silent: Vec<_> = found.iter().filter(|(_, found)| *found == Found::Silent).collect();
    assert!(silent.is_empty(), "{silent:#?}");
    let noticed = found.iter().filter(|(_, found)| *found != Found::Nothing).count();
    eprintln!("{noticed} of {} mutants did harm, and all of that was noticed", found.len());
    assert!(noticed >= least, "only {noticed} of {} mutants did harm", found.len());
}

#[test]
fn a_damaged_log_never_means_fewer_events_in_silence() {
    let image = Image::killed();
    let logs = image.names(&[], &[".log"]);
    assert_eq!(logs.len(), 1);
    let found = mutants(&image, &logs, 500);
    assert_noticed(&found, 400);
    // What is whole opens as it was.
    assert_eq!(look(&image.files, &image.hash), Found::Nothing);
}

#[test]
fn a_log_that_is_cut_at_the_end_of_a_write_is_noticed() {
    let image = Image::killed();
    let log = &image.names(&[], &[".log"])[0];
    let bytes = fs::read(image.files.join(log)).unwrap();
    // A record: 4 bytes of checksum, 2 of length, 1 of type; blocks of 32 KiB.
    let (mut at, mut ends) = (0, Vec::new());
    while at + 7 <= bytes.len() {
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        at += 7 + length;
        ends.push(at);
        if 32_768 - at % 32_768 < 7 {
            at = at.next_multiple_of(32_768);
        }
    }
    assert!(ends.len() > 6 && ends.last() == Some(&bytes.len()), "{ends:?} of {}", bytes.len());
    for end in ends.iter().rev().skip(1).copied().chain([0]) {
        let folder = TempDir::new().unwrap();
        copy_files(&image.files, folder.path());
        fs::write(folder.path().join(log), &bytes[..end]).unwrap();
        let Found::Refused(error) = look(folder.path(), &image.hash) else {
            panic!("a log of {end} bytes opens");
        };
        // Without the first write there is no store at all.
        if end > 0 {
            assert!(error.contains("was told to be on disk"), "{end}: {error}");
        }
    }
}

#[test]
fn what_was_lost_can_be_accepted() {
    let image = Image::killed();
    let log = &image.names(&[], &[".log"])[0];
    let bytes = fs::read(image.files.join(log)).unwrap();
    fs::write(image.files.join(log), &bytes[..bytes.len() * 2 / 3]).unwrap();
    for _ in 0..2 {
        let refused = GraphStore::open(&image.files, false, None).err().unwrap();
        assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
    }
    let store = GraphStore::open_with_losses(&image.files).unwrap();
    let report = repair(&store, &image.files.with_extension("lost")).unwrap();
    assert_eq!((report.problems, report.lost), (0, 0));
    drop(store);
    let store = open(&image.files);
    assert_whole(&store);
    assert!(store.view().evidence().unwrap().count() > 0);
}

#[test]
fn damaged_tables_and_manifests_are_named_or_told() {
    let image = Image::lived();
    let tables = image.names(&["MANIFEST-", "CURRENT"], &[".sst", ".log"]);
    assert!(tables.len() > 10, "{tables:?}");
    let found = mutants(&image, &tables, 300);
    assert_noticed(&found, 150);
    for (how, found) in &found {
        if let Found::Refused(error) | Found::Told(error) = found {
            let store = error.contains('/') || error.contains(" of ") || error.contains("edge ");
            assert!(store || error.contains("event"), "{how}: {error}");
        }
    }
    assert_eq!(look(&image.files, &image.hash), Found::Nothing);
}

#[test]
fn a_store_that_lost_its_head_is_not_made_anew() {
    let image = Image::lived();
    let tables = image.names(&[], &[".sst"]);
    fs::remove_file(image.files.join("CURRENT")).unwrap();
    for create in [false, true] {
        let refused = GraphStore::open(&image.files, create, None).err().unwrap().to_string();
        assert!(refused.contains("has lost its file CURRENT"), "{refused}");
    }
    assert_eq!(image.names(&[], &[".sst"]), tables);
}

#[test]
fn a_mark_that_is_torn_or_gone_stops_nothing() {
    let image = Image::lived();
    let mark = image.files.join("predilect.synced");
    let whole = fs::read(&mark).unwrap();
    for torn in [None, Some(Vec::new()), Some(whole[..9].to_vec()), Some(vec![b'9'; 38])] {
        match torn {
            Some(bytes) => fs::write(&mark, bytes).unwrap(),
            None => fs::remove_file(&mark).unwrap(),
        }
        assert_eq!(look(&image.files, &image.hash), Found::Nothing);
        // It is there again.
        assert_eq!(fs::read(&mark).unwrap(), whole);
    }
}
