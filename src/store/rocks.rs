//! The engine on disk: RocksDB, one column family per space.
//!
//! Nothing is lost in silence: write-ahead logs are tracked in the manifest, so that a missing one
//! is noticed at start; a log is read up to a torn tail and no further; every block's checksum is
//! verified when read. A lock file of ours names the process that has the store open, which
//! RocksDB's own lock does not.

mod bulk;
mod upkeep;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, Direction, IteratorMode, Options, ReadOptions, SnapshotWithThreadMode,
    WriteBatch,
};

use super::disk::FreeBytes;
use super::{Backend, Batch, Bulk, Reader, Scan, Space, SpaceUsage, StoreError, Visit, disk};

const LOCK_FILE: &str = "predilect.lock";
const BLOCK_CACHE_BYTES: usize = 256 << 20;
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// What is asked of the disk at a time, where all of a range is read.
const READAHEAD_BYTES: usize = 1 << 20;
const BLOOM_BITS: f64 = 10.0;
/// Write-ahead logs are kept until every space has flushed what they hold: at most so much.
const MAX_LOG_BYTES: u64 = 128 << 20;

/// How a store on disk is opened.
#[derive(Clone, Copy, Debug)]
pub struct RocksParams {
    /// Bytes of the file system that must be free before anything is written.
    pub min_free_bytes: u64,
    /// Tells how many bytes are free where a path is.
    pub free_bytes: FreeBytes,
}

impl Default for RocksParams {
    /// [`disk::MIN_FREE_BYTES`], as the system counts them.
    fn default() -> Self {
        Self { min_free_bytes: disk::MIN_FREE_BYTES, free_bytes: disk::free_bytes }
    }
}

/// A store in a folder.
pub struct Rocks {
    db: DB,
    path: PathBuf,
    params: RocksParams,
    /// How the files of the bulk path are written.
    file_options: Options,
    /// Held for as long as the store is open; the system lets go of it when the process ends. Who only
    /// reads has none.
    lock: Option<File>,
}

impl Rocks {
    /// Opens the store in the folder `path`; makes folder and store where `create` says so.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotAStore`], [`StoreError::Locked`],
    /// [`StoreError::Io`] or [`StoreError::Engine`].
    pub fn open(path: &Path, create: bool) -> Result<Self, StoreError> {
        Self::open_with(path, create, RocksParams::default())
    }

    /// The same with other parameters than the default.
    ///
    /// # Errors
    /// Those of [`Rocks::open`].
    pub fn open_with(path: &Path, create: bool, params: RocksParams) -> Result<Self, StoreError> {
        check_folder(path, create)?;
        let lock = lock(path)?;
        upkeep::check_spaces(path)?;
        let options = options();
        let families = Space::ALL
            .map(|space| ColumnFamilyDescriptor::new(space.name(), family_options(&options)));
        let db = DB::open_cf_descriptors(&options, path, families)
            .map_err(|error| engine(path, &error))?;
        let file_options = family_options(&options);
        let store = Self { db, path: path.to_owned(), params, file_options, lock: Some(lock) };
        store.end_bulk()?;
        Ok(store)
    }

    /// Opens a store that nobody else has open, only to read it: nothing in its folder changes.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let options = options();
        let families = Space::ALL
            .map(|space| ColumnFamilyDescriptor::new(space.name(), family_options(&options)));
        let db = DB::open_cf_descriptors_read_only(&options, path, families, false)
            .map_err(|error| engine(path, &error))?;
        let (params, file_options) = (RocksParams::default(), family_options(&options));
        Ok(Self { db, path: path.to_owned(), params, file_options, lock: None })
    }

    fn family(&self, space: Space) -> Result<std::sync::Arc<BoundColumnFamily<'_>>, StoreError> {
        self.db.cf_handle(space.name()).ok_or_else(|| StoreError::Engine {
            path: self.path.clone(),
            message: format!("column family {} is not open", space.name()),
        })
    }

    fn failed(&self, error: &rocksdb::Error) -> StoreError {
        engine(&self.path, error)
    }

    /// An error of a read, which does not always name the file that it met.
    fn failed_in(&self, space: Space, error: &rocksdb::Error) -> StoreError {
        let message = format!("reading {}: {error}", space.name());
        StoreError::Engine { path: self.path.clone(), message }
    }

    /// Refuses to write where the file system is nearly full.
    fn check_room(&self) -> Result<(), StoreError> {
        disk::check(&self.path, self.params.min_free_bytes, self.params.free_bytes)
    }
}

impl Drop for Rocks {
    /// Moves what is in memory to sorted files, so that the next opening has no log to replay.
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        for space in Space::ALL {
            if let Ok(family) = self.family(space) {
                // What cannot be flushed is in the log still.
                let _ = self.db.flush_cf(&family);
            }
        }
    }
}

fn engine(path: &Path, error: &rocksdb::Error) -> StoreError {
    StoreError::Engine { path: path.to_owned(), message: error.to_string() }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

fn check_folder(path: &Path, create: bool) -> Result<(), StoreError> {
    if path.join("CURRENT").is_file() {
        return Ok(());
    }
    if upkeep::has_tables(path) {
        return Err(StoreError::Headless { path: path.to_owned(), file: "CURRENT" });
    }
    if !create {
        return Err(if path.is_file() {
            StoreError::NotAStore { path: path.to_owned(), reason: "it is a file" }
        } else {
            StoreError::Missing { path: path.to_owned() }
        });
    }
    if path.exists() && !path.is_dir() {
        return Err(StoreError::NotAStore { path: path.to_owned(), reason: "it is a file" });
    }
    fs::create_dir_all(path).map_err(io(path))?;
    for entry in fs::read_dir(path).map_err(io(path))? {
        let name = entry.map_err(io(path))?.file_name();
        let name = name.to_string_lossy();
        // What a process leaves behind that was ended while it made a store.
        let ours = ["predilect.lock", "LOCK", "LOG", "IDENTITY", "MANIFEST-", "OPTIONS-", "0"];
        if !ours.iter().any(|start| name.starts_with(start)) {
            let reason = "the folder holds other things";
            return Err(StoreError::NotAStore { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = path.join(LOCK_FILE);
    let mut lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&file)
        .map_err(io(&file))?;
    match lock.try_lock() {
        Ok(()) => {
            lock.set_len(0).map_err(io(&file))?;
            write!(lock, "process {}", std::process::id()).map_err(io(&file))?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Without the owner's own word, another process is all that is known.
            if lock.read_to_string(&mut owner).is_err() || owner.is_empty() {
                "another process".clone_into(&mut owner);
            }
            Err(StoreError::Locked { path: path.to_owned(), owner })
        }
        Err(TryLockError::Error(source)) => Err(StoreError::Io { path: file, source }),
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_recycle_log_file_num(0);
    options.set_keep_log_file_num(2);
    options.set_max_open_files(512);
    options.increase_parallelism(2);
    options.set_max_total_wal_size(MAX_LOG_BYTES);
    options
}

fn family_options(shared: &Options) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    blocks.set_bloom_filter(BLOOM_BITS, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(6);
    let mut options = shared.clone();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // Most look-ups of a load are of keys that are not there: a filter answers those in memory, too.
    // Ten bits a key of 64 bytes with its value; the memory is cleared whenever a store is opened.
    options.set_memtable_prefix_bloom_ratio(0.02);
    options.set_memtable_whole_key_filtering(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options
}

struct RocksReader<'a> {
    store: &'a Rocks,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Reader for RocksReader<'_> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let family = self.store.family(space)?;
        self.snapshot.get_cf(&family, key).map_err(|error| self.store.failed_in(space, &error))
    }

    fn scan(&self, space: Space, prefix: &[u8]) -> Result<Scan<'_>, StoreError> {
        let family = self.store.family(space)?;
        let mut options = ReadOptions::default();
        if let Some(end) = after(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let from = IteratorMode::From(prefix, Direction::Forward);
        let pairs = self.snapshot.iterator_cf_opt(&family, options, from);
        let failed = move |error| self.store.failed_in(space, &error);
        Ok(Box::new(pairs.map(move |pair| pair.map_err(failed))))
    }

    fn visit(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let family = self.store.family(space)?;
        let mut options = ReadOptions::default();
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        // What is read once leaves the cache to what is read often.
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        let mut pairs = self.snapshot.raw_iterator_cf_opt(&family, options);
        pairs.seek(start);
        while let Some((key, value)) = pairs.item() {
            each(key, value)?;
            pairs.next();
        }
        pairs.status().map_err(|error| self.store.failed(&error))
    }

    fn stamp(&self) -> Result<Vec<u8>, StoreError> {
        let mut stamp =
            self.store.db.get_db_identity().map_err(|error| self.store.failed(&error))?;
        stamp.extend_from_slice(&self.snapshot.sequence_number().to_be_bytes());
        Ok(stamp)
    }
}

/// The first key after all that start with `prefix`, or `None` when there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

impl Backend for Rocks {
    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(RocksReader { store: self, snapshot: self.db.snapshot() })
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.check_room()?;
        let families = Space::ALL.map(|space| self.family(space));
        let mut writes = WriteBatch::default();
        for (space, key, value) in batch.changes() {
            match (&families[space as usize], value) {
                (Ok(family), Some(value)) => writes.put_cf(family, key, value),
                (Ok(family), None) => writes.delete_cf(family, key),
                (Err(_), _) => return self.family(space).map(|_| ()),
            }
        }
        self.db.write(writes).map_err(|error| self.failed(&error))
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, StoreError> {
        Ok(Box::new(self.begin_bulk()?))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| self.failed(&error))
    }

    fn checkpoint(&self, dest: &Path) -> Result<(), StoreError> {
        self.copy_to(dest)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.rewrite()
    }

    fn usage(&self) -> Result<Vec<SpaceUsage>, StoreError> {
        self.spaces()
    }

    fn health(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        self.counts()
    }
}
