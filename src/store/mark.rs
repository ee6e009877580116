//! Up to which write a store was told to be on disk, kept beside the engine's own files.
//!
//! An engine that finds the end of its log torn takes it for a write that nobody was told of. The mark
//! knows better: a store that ends before it has lost something. It is written after each sync and not
//! synced itself, so after a power cut it may be behind, never ahead.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::StoreError;

const FILE: &str = "predilect.synced";

/// The mark of an open store.
pub(super) struct Mark {
    path: PathBuf,
    /// The file, and what stands in it.
    state: Mutex<(File, u64)>,
}

impl Mark {
    /// The mark of the store in a folder, and what it says; a mark that is not there or was torn itself
    /// says nothing.
    pub(super) fn open(store: &Path) -> Result<(Self, Option<u64>), StoreError> {
        let path = store.join(FILE);
        let io = |source| StoreError::Io { path: path.clone(), source };
        let known = fs::read_to_string(&path).ok().and_then(|text| read(&text));
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let state = Mutex::new((options.map_err(io)?, known.unwrap_or(0)));
        Ok((Self { path, state }, known))
    }

    /// Says that all up to write `sequence` is on disk.
    pub(super) fn set(&self, sequence: u64) -> Result<(), StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if sequence <= state.1 {
            return Ok(());
        }
        self.write(&mut state, sequence)
    }

    /// Says that no more than write `sequence` is there, and that this is accepted.
    pub(super) fn set_back(&self, sequence: u64) -> Result<(), StoreError> {
        self.write(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), sequence)
    }

    fn write(&self, state: &mut (File, u64), sequence: u64) -> Result<(), StoreError> {
        let line = line(sequence);
        let done =
            state.0.seek(SeekFrom::Start(0)).and_then(|_| state.0.write_all(line.as_bytes()));
        done.map_err(|source| StoreError::Io { path: self.path.clone(), source })?;
        state.1 = sequence;
        Ok(())
    }
}

/// The number and its checksum, always as long.
fn line(sequence: u64) -> String {
    let number = format!("{sequence:020}");
    format!("{number} {}\n", &blake3::hash(number.as_bytes()).to_hex()[..16])
}

fn read(text: &str) -> Option<u64> {
    let sequence = text.get(..20)?.parse().ok()?;
    (text == line(sequence)).then_some(sequence)
}
