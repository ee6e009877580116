//! What an operator asks of RocksDB: copies, rewriting, sizes; and whether it is ours to open.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, Options};

use super::super::graph_store::{FORMAT, FORMAT_VERSION};
use super::super::record::decode;
use super::super::{Space, SpaceUsage, StoreError};
use super::{Rocks, engine};

impl Rocks {
    /// Copies the store to `dest`; files that never change again may be shared with it.
    pub(super) fn copy_to(&self, dest: &Path) -> Result<(), StoreError> {
        let checkpoint = Checkpoint::new(&self.db).map_err(|error| self.failed(&error))?;
        checkpoint.create_checkpoint(dest).map_err(|error| self.failed(&error))
    }

    /// Writes every file anew, the lowest level too.
    pub(super) fn rewrite(&self) -> Result<(), StoreError> {
        self.check_room()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for space in Space::ALL {
            let family = self.family(space)?;
            self.db.flush_cf(&family).map_err(|error| self.failed(&error))?;
            self.db.compact_range_cf_opt(&family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        // RocksDB does not answer a compaction; what went wrong in one, it counts.
        match self.db.property_int_value("rocksdb.background-errors") {
            Ok(Some(n)) if n > 0 => Err(StoreError::Engine {
                path: self.path.clone(),
                message: format!("{n} errors while files were rewritten; its file LOG says which"),
            }),
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    pub(super) fn spaces(&self) -> Result<Vec<SpaceUsage>, StoreError> {
        let mut spaces = Vec::new();
        for space in Space::ALL {
            let family = self.family(space)?;
            let count = |property: &str| {
                let found = self.db.property_int_value_cf(&family, property);
                found.map(Option::unwrap_or_default).map_err(|error| self.failed(&error))
            };
            spaces.push(SpaceUsage {
                space: space.name(),
                keys: count("rocksdb.estimate-num-keys")?,
                bytes: count("rocksdb.live-sst-files-size")?,
            });
        }
        Ok(spaces)
    }

    pub(super) fn counts(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for (name, property, of_each_space) in COUNTS {
            let mut sum = 0;
            for space in &Space::ALL[..if of_each_space { Space::ALL.len() } else { 1 }] {
                let found = self.db.property_int_value_cf(&self.family(*space)?, property);
                sum += found.map_err(|error| self.failed(&error))?.unwrap_or_default();
            }
            counts.insert(name, sum);
        }
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        let mut log_bytes = 0;
        for entry in fs::read_dir(&self.path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                // One that is gone by now holds nothing that is still needed.
                log_bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            }
        }
        counts.insert("log_bytes", log_bytes);
        if let Ok(free) = (self.params.free_bytes)(&self.path) {
            counts.insert("free_bytes", free);
            counts.insert("least_free_bytes", self.params.min_free_bytes);
        }
        Ok(counts)
    }
}

/// RocksDB's own counts, and whether they are those of one space or of all.
const COUNTS: [(&str, &str, bool); 6] = [
    ("background_errors", "rocksdb.background-errors", false),
    ("files_to_delete_bytes", "rocksdb.obsolete-sst-files-size", false),
    ("memory_bytes", "rocksdb.cur-size-all-mem-tables", true),
    ("pending_compaction_bytes", "rocksdb.estimate-pending-compaction-bytes", true),
    ("running_compactions", "rocksdb.num-running-compactions", false),
    ("write_stopped", "rocksdb.is-write-stopped", false),
];

/// Does the folder hold sorted files, or logs with something in them?
pub(super) fn has_tables(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    entries.flatten().any(|entry| {
        let file = entry.path();
        let is = |extension| file.extension().is_some_and(|found| found == extension);
        is("sst") || (is("log") && entry.metadata().is_ok_and(|metadata| metadata.len() > 0))
    })
}

/// Refuses a store that has spaces which this build does not know: a newer one made them.
pub(super) fn check_spaces(path: &Path) -> Result<(), StoreError> {
    if !path.join("CURRENT").is_file() {
        return Ok(());
    }
    let options = Options::default();
    let known = |name: &str| name == "default" || Space::ALL.iter().any(|at| at.name() == name);
    let names = DB::list_cf(&options, path).map_err(|error| engine(path, &error))?;
    let Some(unknown) = names.iter().find(|name| !known(name)) else { return Ok(()) };
    let meta = Space::Meta.name();
    let db = DB::open_cf_for_read_only(&options, path, [meta], false)
        .map_err(|error| engine(path, &error))?;
    let format = db.cf_handle(meta).map(|family| db.get_cf(&family, FORMAT));
    let format = format.transpose().map_err(|error| engine(path, &error))?.flatten();
    match format.map(|format| decode(Space::Meta, FORMAT, &format)).transpose()? {
        Some(found) if found > FORMAT_VERSION => {
            Err(StoreError::Format { found, expected: FORMAT_VERSION })
        }
        _ => Err(StoreError::Engine {
            path: path.to_owned(),
            message: format!(
                "it has a space `{unknown}`, which this build does not know; open it with the \
                 newer predilect that made it"
            ),
        }),
    }
}
