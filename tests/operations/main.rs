//! A store under whatever an operator and an operating system do to it.

mod backup;
mod damage;
mod durability;
mod formats;
mod model;
mod random;
mod repair;
mod room;
mod sequences;
mod upkeep;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::Path;

use predilect::schema::{self, Schema, Timestamp};
use predilect::store::{ENGINES, GraphStore};
use rand::SeedableRng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;

use model::Model;
use random::{Names, fact_of};

fn schema() -> Schema {
    Schema::parse(schema::DEFAULT).unwrap()
}

fn in_memory() -> GraphStore {
    GraphStore::new((ENGINES[1].open)(Path::new(""), true).unwrap(), None).unwrap()
}

fn open(path: &Path) -> GraphStore {
    GraphStore::open(path, false, None).unwrap()
}

fn hash(store: &GraphStore) -> String {
    store.view().stats().unwrap().content_hash
}

fn assert_whole(store: &GraphStore) {
    assert_eq!(store.view().check().unwrap().told, Vec::<String>::new());
}

/// A graph with something of everything in it.
fn grown(seed: u64, n_events: u32) -> Model {
    let (mut random, mut names) = (ChaCha8Rng::seed_from_u64(seed), Names::default());
    let mut model = Model::new(schema());
    for _ in 0..n_events {
        let (event_id, event) = names.new_event(&mut random, None);
        let fact = fact_of(&model.schema, event);
        model.add_event(&event_id, &fact);
    }
    for _ in 0..n_events / 10 {
        let (key, document) = Names::document(&mut random);
        let has_text = !document.text.is_empty();
        model.upsert(&key, document);
        if has_text {
            let (said, state) = Names::mentions(&mut random, &model.schema, &key);
            model.extract(&key, said, state);
        }
        let read = model.reviews.keys().choose(&mut random).unwrap().clone();
        let review = model.events[&read].clone();
        let (said, state) = Names::opinions(&mut random, &model.schema, &read, &review);
        model.read(&read, said, state);
    }
    for _ in 0..20 {
        let merge = Names::merge(&mut random);
        if model.can_merge(&merge.entity, &merge.into) {
            model.merges.insert(merge.entity.clone(), merge);
        }
    }
    model
}

/// Writes a graph a batch at a time, each on disk before the next.
fn fill(store: &GraphStore, model: &Model) {
    for batch in model.mutations().chunks(50) {
        store.apply(batch).unwrap();
        store.sync().unwrap();
    }
}

/// A random moment of those at which events happen.
fn moment(random: &mut ChaCha8Rng) -> Timestamp {
    Timestamp::from_millis(Names::millis(random)).unwrap()
}

/// Copies the files of a folder, as a process that was killed would leave them: all as they were at one
/// moment, though a store that is open may still be tidying up.
fn copy_files(from: &Path, to: &Path) {
    loop {
        let files = files_of(from);
        fs::create_dir_all(to).unwrap();
        let copied = |name| match fs::copy(from.join(name), to.join(name)) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => panic!("{error}"),
        };
        if files.keys().all(copied) && files_of(from) == files {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

/// The names of a folder's files, and how long each is.
fn files_of(folder: &Path) -> BTreeMap<OsString, u64> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let file = |entry: DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_file() => Some((entry.file_name(), metadata.len())),
        // It is gone, or a folder.
        _ => None,
    };
    entries.filter_map(file).collect()
}
