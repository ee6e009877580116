//! The graph at rest, whatever engine holds its bytes: what is read is in `view`, what is written in `apply`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::mark::Mark;
use super::packed::Numbers;
use super::record::decode;
use super::{Backend, Batch, ENGINES, Space, StoreError, View, keyspace};
use crate::schema::{self, Schema};

/// The format of keys and values. Changing either, or a stored discriminant, raises it.
pub const FORMAT_VERSION: u32 = 3;

/// The file of a store's folder that [`GraphStore::graph_file`] tells of.
const GRAPH_FILE: &str = "graph.snapshot";

pub(super) const FORMAT: &[u8] = b"format_version";
const SCHEMA: &[u8] = b"schema";
pub(super) const SEQUENCE: &[u8] = b"sequence";

/// The graph at rest, whatever engine holds its bytes.
pub struct GraphStore {
    backend: Box<dyn Backend>,
    schema: Schema,
    /// Where files may be made that nobody else sees.
    scratch: PathBuf,
    /// Where a picture of the graph may be kept, and whether one may be there now.
    graph_file: Option<PathBuf>,
    has_graph_file: AtomicBool,
    /// Up to which write it was told to be on disk; none without a disk.
    mark: Option<Mark>,
    /// One writer at a time: a change reads what it folds into.
    pub(super) writer: Mutex<()>,
    /// What the nodes of packed rows are called; none while nothing is packed.
    pub(super) numbers: RwLock<Option<Arc<Numbers>>>,
}

impl GraphStore {
    /// Opens the store that the first engine of [`ENGINES`] keeps in the folder `path`.
    ///
    /// With `create`, a folder without a store gets one, with `schema` or the shipped schema. A
    /// store keeps its schema: giving another one later is refused.
    ///
    /// # Errors
    /// Those of the engine, and those of [`GraphStore::new`]; [`StoreError::Lost`] when something that
    /// was told to be on disk is not there.
    pub fn open(path: &Path, create: bool, schema: Option<&str>) -> Result<Self, StoreError> {
        let store = Self::new((ENGINES[0].open)(path, create)?, schema)?;
        let (mark, synced) = Mark::open(path)?;
        let found = store.sequence()?;
        match synced {
            Some(synced) if found < synced => {
                return Err(StoreError::Lost { path: path.to_owned(), found, synced });
            }
            // What was read from disk is there.
            _ => mark.set(found)?,
        }
        Ok(store.on_disk(path, mark))
    }

    /// Opens a store as [`GraphStore::open`] does, whatever it has lost.
    ///
    /// # Errors
    /// Those of the engine, and those of [`GraphStore::new`].
    pub fn open_with_losses(path: &Path) -> Result<Self, StoreError> {
        let store = Self::new((ENGINES[0].open)(path, false)?, None)?;
        let (mark, _) = Mark::open(path)?;
        Ok(store.on_disk(path, mark))
    }

    fn on_disk(self, path: &Path, mark: Mark) -> Self {
        let graph_file = Some(path.join(GRAPH_FILE));
        Self { scratch: path.to_owned(), graph_file, mark: Some(mark), ..self }
    }

    /// The graph in `backend`; a backend without a graph gets an empty one.
    ///
    /// # Errors
    /// [`StoreError::Format`] for a store of another format, [`StoreError::OtherSchema`] when
    /// `schema` is not the one it was made with, [`StoreError::Schema`] when the schema is bad.
    pub fn new(backend: Box<dyn Backend>, schema: Option<&str>) -> Result<Self, StoreError> {
        let reader = backend.reader();
        let format = reader.get(Space::Meta, FORMAT)?;
        let kept = reader.get(Space::Meta, SCHEMA)?;
        drop(reader);
        let text = if let (Some(format), kept) = (format, kept) {
            let found = decode(Space::Meta, FORMAT, &format)?;
            super::migrate::to_current(&*backend, found)?;
            let kept = kept.and_then(|kept| String::from_utf8(kept).ok()).ok_or_else(|| {
                StoreError::Corrupt { space: Space::Meta, key: keyspace::hex(SCHEMA) }
            })?;
            if schema.is_some_and(|given| given != kept) {
                return Err(StoreError::OtherSchema);
            }
            kept
        } else {
            let text = schema.unwrap_or(schema::DEFAULT).to_owned();
            Schema::parse(&text)?;
            let mut batch = Batch::default();
            batch.put(Space::Meta, FORMAT, super::record::encode(&FORMAT_VERSION));
            batch.put(Space::Meta, SCHEMA, text.clone().into_bytes());
            backend.write(&batch)?;
            backend.sync()?;
            text
        };
        let (schema, scratch) = (Schema::parse(&text)?, std::env::temp_dir());
        let numbers = RwLock::new(Numbers::read(&*backend.reader())?.map(Into::into));
        let has_graph_file = AtomicBool::new(true);
        Ok(Self {
            backend,
            schema,
            scratch,
            graph_file: None,
            has_graph_file,
            mark: None,
            writer: Mutex::new(()),
            numbers,
        })
    }

    /// The folder of the store; none for a store in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.graph_file.as_deref().and_then(Path::parent)
    }

    /// The schema that the store was made with.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The engine below, for tools that look at bytes; the graph's rules do not hold there.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Returns when all that was written survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn sync(&self) -> Result<(), StoreError> {
        let sequence = self.mark.as_ref().map(|_| self.sequence()).transpose()?;
        self.backend.sync()?;
        match (&self.mark, sequence) {
            (Some(mark), Some(sequence)) => mark.set(sequence),
            _ => Ok(()),
        }
    }

    /// Accepts that the store ends where it ends.
    pub(super) fn accept_losses(&self) -> Result<(), StoreError> {
        let sequence = self.sequence()?;
        self.mark.as_ref().map_or(Ok(()), |mark| mark.set_back(sequence))
    }

    /// A consistent view: later writes do not show.
    pub fn view(&self) -> View<'_> {
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        View { reader: self.backend.reader(), schema: &self.schema, numbers: numbers.clone() }
    }

    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where a picture of the graph may be kept for the next start; the next write removes it. None for
    /// a store that is in no folder.
    pub fn graph_file(&self) -> Option<&Path> {
        self.has_graph_file.store(true, Ordering::SeqCst);
        self.graph_file.as_deref()
    }

    /// Removes the picture of a graph that is about to change, so that it neither comes back with an older
    /// store nor keeps what is taken out of this one.
    pub fn outdate(&self) {
        if let Some(file) = &self.graph_file
            && self.has_graph_file.swap(false, Ordering::SeqCst)
        {
            // One that stays is not taken for the store's: it is of another sequence number.
            let _ = std::fs::remove_file(file);
        }
    }

    pub(super) fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.outdate();
        self.backend.write(batch)
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        // The lock guards no data of its own: a panic elsewhere leaves nothing half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
