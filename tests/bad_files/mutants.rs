//! Good files with a few bytes changed at random: whatever comes of them, every row is accounted for, both
//! ways of loading agree, and the store is whole.

use std::fs;

use predilect::ingest::BulkWhen;
use predilect::store::{GraphStore, Memory};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::case::{Format, Packing, Row, good, hash, load};
use crate::parquet_files;

/// Mutants of a text file, of each packing.
const N_TEXT: usize = 100;
const N_PARQUET: usize = 1500;

fn mutate(bytes: &mut Vec<u8>, random: &mut Xoshiro256PlusPlus) {
    for _ in 0..random.random_range(1..4) {
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..8) {
            0 => bytes.truncate(place.max(1)),
            1 => drop(bytes.remove(place)),
            2 => bytes.insert(place, random.random()),
            3 => bytes[place] = b"\"\n\r,\t{}[]\0\\"[random.random_range(0..11)],
            4 => bytes[place] = 0xff,
            5 => bytes[place] = 0,
            6 => bytes[place] ^= 1 << random.random_range(0..8),
            _ => bytes[place] = random.random(),
        }
        if bytes.len() < 2 {
            return;
        }
    }
}

fn check(name: &str, bytes: &[u8], seed: u64, n_mutants: usize) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    for number in 0..n_mutants {
        let mut mutant = bytes.to_vec();
        mutate(&mut mutant, &mut random);
        let what = format!("{name}, mutant {number} of seed {seed}");
        let [by_batches, in_bulk] = [BulkWhen::Never, BulkWhen::Always].map(|bulk| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            fs::write(&path, &mutant).unwrap();
            let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
            let report = load(&store, folder.path(), &path, bulk);
            let counts = report
                .map(|report| report.events)
                .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""));
            if let Ok(counts) = &counts {
                let told = counts.applied + counts.unchanged + counts.rejected;
                assert_eq!(counts.read, told, "{what}");
                let rejects = folder.path().join("rejects/events.jsonl");
                let written = fs::read_to_string(rejects).unwrap_or_default().lines().count();
                assert_eq!(written as u64, counts.rejected, "{what}");
            } else {
                assert_eq!(store.sequence().unwrap(), 0, "{what} left a part");
            }
            (counts, hash(&store))
        });
        assert_eq!(by_batches, in_bulk, "{what}");
    }
}

#[test]
fn mutants_of_text_files() {
    let rows: Vec<Row> = (0..8).map(good).collect();
    for (place, format) in Format::ALL.into_iter().enumerate() {
        let lines: Vec<Vec<u8>> = rows.iter().map(|row| format.row(row, "")).collect();
        for packing in Packing::ALL {
            let bytes = packing.pack(&format.file(&lines, "\n").0);
            let name = format!("bad.{}{}", format.suffix(), packing.suffix());
            let n_mutants = if packing == Packing::Plain { 4 * N_TEXT } else { N_TEXT };
            check(&name, &bytes, 40 + place as u64, n_mutants);
        }
    }
}

#[test]
fn mutants_of_parquet_files() {
    let rows: Vec<Row> = (0..8).map(good).collect();
    check("bad.parquet", &parquet_files::file(&rows), 7, N_PARQUET);
}
