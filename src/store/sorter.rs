//! Sorts pairs of bytes by their keys, in as much memory as it is given; what does not fit waits in
//! files without a name, which the system removes when the process ends, however it ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::ThreadPool;
use rayon::slice::ParallelSliceMut;

use super::{StoreError, disk};

/// Bytes of a buffer that a file is read or written through.
const BUFFER: usize = 256 << 10;
/// Files that are merged at a time.
const MAX_RUNS: usize = 64;

/// Takes pairs in any order.
pub(super) struct Sorter {
    /// Where files are made.
    folder: PathBuf,
    max_memory: usize,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Sorted files by how often they were merged: [`MAX_RUNS`] of a level make one of the next.
    runs: Vec<Vec<File>>,
    /// Who sorts; the calling thread does where there is none.
    pool: Option<Arc<ThreadPool>>,
}

/// A pair in memory: the begin of its key as a number, and where it is.
#[derive(Clone, Copy)]
struct Entry {
    prefix: u64,
    start: usize,
    key: u32,
    value: u32,
}

impl Entry {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..][..self.key as usize]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start + self.key as usize..][..self.value as usize]
    }
}

impl Sorter {
    /// Sorts in `max_memory` bytes, more or less; what does not fit goes to files in `folder`.
    pub(super) fn new(folder: &Path, max_memory: usize) -> Self {
        let (bytes, entries, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { folder: folder.to_owned(), max_memory, bytes, entries, runs, pool: None }
    }

    /// Sorts with these threads; pairs come in the same order, but for those of one key.
    pub(super) fn with(self, pool: Option<Arc<ThreadPool>>) -> Self {
        Self { pool, ..self }
    }

    /// Takes a pair.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NoRoom`].
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let n_bytes = room(&self.bytes, key.len() + value.len());
        let n_entries = room(&self.entries, 1);
        let held = n_bytes + n_entries * size_of::<Entry>();
        if held > self.max_memory && !self.entries.is_empty() {
            disk::check(&self.folder, disk::MIN_FREE_BYTES, disk::free_bytes)?;
            self.spill().map_err(|source| self.failed(source))?;
        }
        let mut prefix = [0; 8];
        let n = key.len().min(8);
        prefix[..n].copy_from_slice(&key[..n]);
        self.entries.push(Entry {
            prefix: u64::from_be_bytes(prefix),
            start: self.bytes.len(),
            key: key.len() as u32,
            value: value.len() as u32,
        });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.folder.clone(), source }
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let order = |a: &Entry, b: &Entry| {
            a.prefix.cmp(&b.prefix).then_with(|| a.key(bytes).cmp(b.key(bytes)))
        };
        match &self.pool {
            Some(pool) => pool.install(|| self.entries.par_sort_unstable_by(order)),
            None => self.entries.sort_unstable_by(order),
        }
    }

    /// Moves what is in memory to a file.
    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut file = self.file()?;
        for entry in self.entries.drain(..) {
            write_pair(&mut file, (entry.key(&self.bytes), entry.value(&self.bytes)))?;
        }
        self.bytes.clear();
        self.keep(file, 0)
    }

    fn file(&self) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(&self.folder)?))
    }

    /// Keeps a file; when its level is full, one of the next takes the place of all.
    fn keep(&mut self, file: BufWriter<File>, level: usize) -> io::Result<()> {
        if self.runs.len() <= level {
            self.runs.push(Vec::new());
        }
        self.runs[level].push(file.into_inner().map_err(io::IntoInnerError::into_error)?);
        if self.runs[level].len() < MAX_RUNS {
            return Ok(());
        }
        let mut merged = Merged::new(std::mem::take(&mut self.runs[level]))?;
        let mut file = self.file()?;
        while let Some(pair) = merged.next()? {
            write_pair(&mut file, pair)?;
        }
        self.keep(file, level + 1)
    }

    /// The pairs in the order of their keys; those of one key in no order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub(super) fn finish(mut self) -> Result<Sorted, StoreError> {
        if self.runs.is_empty() {
            self.sort();
        } else {
            self.spill().map_err(|source| self.failed(source))?;
            (self.bytes, self.entries) = (Vec::new(), Vec::new());
        }
        let files = std::mem::take(&mut self.runs).into_iter().flatten().collect();
        let merged = Merged::new(files).map_err(|source| self.failed(source))?;
        let Self { folder, bytes, entries, .. } = self;
        Ok(Sorted { folder, bytes, entries: entries.into_iter(), merged })
    }
}

fn write_pair(file: &mut impl Write, (key, value): KeyValue<'_>) -> io::Result<()> {
    for length in [key.len(), value.len()] {
        file.write_all(&(length as u32).to_le_bytes())?;
    }
    file.write_all(key)?;
    file.write_all(value)
}

/// Elements that a vector has room for once it has so many more.
fn room<T>(vector: &Vec<T>, more: usize) -> usize {
    let needed = vector.len() + more;
    if needed <= vector.capacity() { vector.capacity() } else { needed.max(2 * vector.capacity()) }
}

/// A key and its value, until the next are asked for.
pub(super) type KeyValue<'a> = (&'a [u8], &'a [u8]);

/// Sorted pairs: in memory, or merged from files.
pub(super) struct Sorted {
    folder: PathBuf,
    bytes: Vec<u8>,
    entries: std::vec::IntoIter<Entry>,
    merged: Merged,
}

impl Sorted {
    /// The next key with its value.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub(super) fn next(&mut self) -> Result<Option<KeyValue<'_>>, StoreError> {
        if let Some(entry) = self.entries.next() {
            return Ok(Some((entry.key(&self.bytes), entry.value(&self.bytes))));
        }
        self.merged.next().map_err(|source| StoreError::Io { path: self.folder.clone(), source })
    }
}

/// The pairs of sorted files in one order.
#[derive(Default)]
struct Merged {
    runs: Vec<Run>,
    /// The next key of each run that has one.
    order: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Merged {
    fn new(files: Vec<File>) -> io::Result<Self> {
        let mut merged = Self::default();
        for file in files {
            let run = Run::open(file)?;
            merged.order.extend(run.key.clone().map(|key| Reverse((key, merged.runs.len()))));
            merged.runs.push(run);
        }
        Ok(merged)
    }

    fn next(&mut self) -> io::Result<Option<KeyValue<'_>>> {
        let Some(Reverse((key, run))) = self.order.pop() else { return Ok(None) };
        let from = &mut self.runs[run];
        self.key = key;
        from.value(&mut self.value)?;
        self.order.extend(from.key.clone().map(|key| Reverse((key, run))));
        Ok(Some((&self.key, &self.value)))
    }
}

/// A file of sorted pairs.
struct Run {
    file: BufReader<File>,
    /// The next key, and the length of its value.
    key: Option<Vec<u8>>,
    n_value: usize,
}

impl Run {
    fn open(mut file: File) -> io::Result<Self> {
        file.rewind()?;
        let file = BufReader::with_capacity(BUFFER, file);
        let mut run = Self { file, key: None, n_value: 0 };
        run.advance()?;
        Ok(run)
    }

    /// Reads the next key.
    fn advance(&mut self) -> io::Result<()> {
        let mut lengths = [0; 8];
        match self.file.read_exact(&mut lengths) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.key = None,
            Err(error) => return Err(error),
            Ok(()) => {
                let length = |at: usize| {
                    let bytes = [lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]];
                    u32::from_le_bytes(bytes) as usize
                };
                let mut key = vec![0; length(0)];
                self.file.read_exact(&mut key)?;
                (self.key, self.n_value) = (Some(key), length(4));
            }
        }
        Ok(())
    }

    /// Reads the value of the key at hand into `value`, and the key after it.
    fn value(&mut self, value: &mut Vec<u8>) -> io::Result<()> {
        value.resize(self.n_value, 0);
        self.file.read_exact(value)?;
        self.advance()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorts_in_any_memory(
            pairs in vec((vec(0_u8..3, 0..12), vec(any::<u8>(), 0..9)), 0..300),
            max_memory in prop_oneof![Just(1), Just(200), Just(1 << 20)],
            threads in 1_usize..4,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let pool = (threads > 1).then(|| Arc::new(pool));
            let mut sorter = Sorter::new(folder.path(), max_memory).with(pool);
            for (key, value) in &pairs {
                sorter.push(key, value).unwrap();
            }
            let mut sorted = sorter.finish().unwrap();
            let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            while let Some((key, value)) = sorted.next().unwrap() {
                found.push((key.to_vec(), value.to_vec()));
            }
            prop_assert!(found.is_sorted_by_key(|(key, _)| key));
            let mut wanted = pairs;
            wanted.sort();
            found.sort();
            prop_assert_eq!(found, wanted);
            // Files without a name leave nothing behind.
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let mut sorter = Sorter::new(Path::new("/nowhere/at all"), 1);
        sorter.push(b"a", b"").unwrap();
        assert!(matches!(sorter.push(b"b", b""), Err(StoreError::Io { .. })));
    }
}
