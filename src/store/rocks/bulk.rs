//! The bulk path: sorted files are written beside the store, and taken in together.
//!
//! When all files are whole and on disk, an empty file `commit` says so; from then on they belong to the
//! store, and whoever opens it next takes in what was not yet taken in. Files without it are the remains of a
//! process that was ended, and are removed. A file that is taken in twice changes nothing.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::{self, File};
use std::path::PathBuf;

use rocksdb::{IngestExternalFileOptions, SstFileWriter};

use super::super::{Bulk, Space, StoreError, keyspace};
use super::{Rocks, io};

const FOLDER: &str = "bulk";
const COMMIT: &str = "commit";
/// Bytes between two looks at the room on the disk.
const CHECKED_BYTES: usize = 4 << 20;

/// Sorted files in the making.
pub(super) struct RocksBulk<'a> {
    store: &'a Rocks,
    parts: BTreeMap<Space, Part<'a>>,
    /// Bytes written since the room on the disk was looked at.
    unchecked: usize,
}

/// The file of a space.
struct Part<'a> {
    writer: SstFileWriter<'a>,
    last: Vec<u8>,
}

impl Rocks {
    fn bulk_folder(&self) -> PathBuf {
        self.path.join(FOLDER)
    }

    fn bulk_file(&self, space: Space) -> PathBuf {
        self.bulk_folder().join(format!("{}.sst", space.name()))
    }

    pub(super) fn begin_bulk(&self) -> Result<RocksBulk<'_>, StoreError> {
        // What an earlier one committed and could not take in belongs to the store.
        self.end_bulk()?;
        self.check_room()?;
        let folder = self.bulk_folder();
        fs::create_dir(&folder).map_err(io(&folder))?;
        Ok(RocksBulk { store: self, parts: BTreeMap::new(), unchecked: 0 })
    }

    /// Takes in the files of a bulk that was committed; removes those of one that was not.
    pub(super) fn end_bulk(&self) -> Result<(), StoreError> {
        let folder = self.bulk_folder();
        if folder.join(COMMIT).exists() {
            let mut moved = IngestExternalFileOptions::default();
            moved.set_move_files(true);
            for space in Space::ALL {
                let file = self.bulk_file(space);
                if file.exists() {
                    self.db
                        .ingest_external_file_cf_opts(&self.family(space)?, &moved, vec![file])
                        .map_err(|error| self.failed(&error))?;
                }
            }
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(io(&folder))?;
        }
        Ok(())
    }
}

impl Drop for RocksBulk<'_> {
    /// Removes what was not committed.
    fn drop(&mut self) {
        self.parts.clear();
        let folder = self.store.bulk_folder();
        if !folder.join(COMMIT).exists() {
            // What cannot be removed now is removed when the store is opened.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Bulk for RocksBulk<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let store = self.store;
        self.unchecked += key.len() + value.len();
        if self.unchecked >= CHECKED_BYTES {
            store.check_room()?;
            self.unchecked = 0;
        }
        let part = match self.parts.entry(space) {
            Entry::Occupied(part) => {
                let part = part.into_mut();
                if part.last.as_slice() >= key {
                    return Err(StoreError::Unsorted { space, key: keyspace::hex(key) });
                }
                part
            }
            Entry::Vacant(place) => {
                let writer = SstFileWriter::create(&store.file_options);
                writer.open(store.bulk_file(space)).map_err(|error| store.failed(&error))?;
                place.insert(Part { writer, last: Vec::new() })
            }
        };
        part.writer.put(key, value).map_err(|error| store.failed(&error))?;
        part.last.clear();
        part.last.extend_from_slice(key);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let store = self.store;
        for (_, mut part) in std::mem::take(&mut self.parts) {
            part.writer.finish().map_err(|error| store.failed(&error))?;
        }
        let folder = store.bulk_folder();
        let on_disk =
            |path: PathBuf| File::open(&path).and_then(|file| file.sync_all()).map_err(io(&path));
        let commit = folder.join(COMMIT);
        File::create(&commit).map_err(io(&commit))?;
        on_disk(commit)?;
        on_disk(folder)?;
        on_disk(store.path.clone())?;
        store.end_bulk()
    }
}
