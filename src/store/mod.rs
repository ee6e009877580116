//! The graph at rest: ordered bytes below, nodes, edges and evidence above.
//!
//! [`Backend`] is all that the graph asks of a storage engine. [`GraphStore`] holds the rules of
//! the graph, once, for every engine; [`keyspace`] holds the bytes of every key, once.

mod apply;
mod backup;
mod bulk;
mod cache;
mod check;
mod disk;
mod erase;
mod error;
mod facts;
mod given;
mod graph_store;
pub mod keyspace;
mod loads;
mod memory;
mod mark;
mod merge;
mod migrate;
mod packed;
mod prune;
mod record;
mod repair;
mod rocks;
mod scan;
mod served;
mod sorter;
mod stats;
mod view;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use error::corrupt;

pub use apply::{Applied, Mutation, Outcome};
pub use backup::{BackupManifest, CopiedFile, backup, restore};
pub use bulk::{Arrival, BulkEvents, FoldedEvents, Place};
pub use cache::{Cached, CachedText};
pub use check::Problems;
pub use disk::{FreeBytes, MIN_FREE_BYTES};
pub use erase::ErasedFacts;
pub use error::StoreError;
pub use given::LoadedEdges;
pub use graph_store::{FORMAT_VERSION, GraphStore};
pub use loads::{LoadFile, LoadRecord, LoadState, RejectsMark, Undo};
pub use memory::Memory;
pub use merge::{Merge, Merges};
pub use migrate::{Step, migrate};
pub use packed::{PackedEdges, PackedPiece, Side};
pub use prune::{PruneReport, Pruned};
pub use record::{
    Edge, EdgeKey, Evidence, EvidenceId, ExtractionState, Fact, Node, NodeId, Phrase, Stamp,
};
pub use repair::{Lost, RepairReport, repair};
pub use rocks::{Rocks, RocksParams};
pub use scan::ScannedEdge;
pub(crate) use scan::shares;
pub use served::{KEPT_DAYS, ServedItem, ServedLog, ServedRecord, read_served};
pub use stats::Stats;
pub use view::{Items, View};

/// A key and its value.
pub type Pair = (Box<[u8]>, Box<[u8]>);

/// What is called with each key and value of a range.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Pairs in ascending order of their keys' bytes.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// The ordered key spaces of a store. `schema/keyspace.md` draws every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Node id to node.
    Nodes,
    /// Edges by source.
    Out,
    /// The same edges by target.
    In,
    /// Why each edge exists, by edge and time.
    Evidence,
    /// Event id to the edge and time of its evidence.
    Events,
    /// Which text, vocabulary and model a document's mentions or a review's opinions come from.
    Extractions,
    /// Which entity is read as which other.
    Merges,
    /// What models made of texts, kept to be looked up: no part of the graph, safe to lose.
    Cache,
    /// Loads, how far each is, and what documents were before them: no part of the graph.
    Loads,
    /// Format version, schema, sequence number.
    Meta,
    /// Rows of edges that have a weight and a time and nothing else, while nothing has touched them.
    Packed,
}

impl Space {
    /// Every space, in the order in which a content hash reads them.
    pub const ALL: [Self; 11] = [
        Self::Nodes,
        Self::Out,
        Self::In,
        Self::Evidence,
        Self::Events,
        Self::Extractions,
        Self::Merges,
        Self::Cache,
        Self::Loads,
        Self::Meta,
        Self::Packed,
    ];

    /// The space's name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Out => "out",
            Self::In => "in",
            Self::Evidence => "evidence",
            Self::Events => "events",
            Self::Extractions => "extractions",
            Self::Merges => "merges",
            Self::Cache => "cache",
            Self::Loads => "loads",
            Self::Meta => "meta",
            Self::Packed => "packed",
        }
    }

    /// Does each pair of the space belong to the graph? What a model read can be made again from it, loads
    /// tell how it came to be, and packed rows stand for pairs of other spaces.
    pub fn is_graph(self) -> bool {
        !matches!(self, Self::Cache | Self::Loads | Self::Packed)
    }
}

/// Changes that are applied together: the last word on each key, a value or its removal.
#[derive(Clone, Debug, Default)]
pub struct Batch(BTreeMap<(Space, Vec<u8>), Option<Vec<u8>>>);

impl Batch {
    /// Sets the value at a key.
    pub fn put(&mut self, space: Space, key: &[u8], value: Vec<u8>) {
        self.0.insert((space, key.to_vec()), Some(value));
    }

    /// Removes a key, if it is there.
    pub fn delete(&mut self, space: Space, key: &[u8]) {
        self.0.insert((space, key.to_vec()), None);
    }

    /// Every change, ascending by space and key.
    pub fn changes(&self) -> impl Iterator<Item = (Space, &[u8], Option<&[u8]>)> {
        self.0.iter().map(|((space, key), value)| (*space, key.as_slice(), value.as_deref()))
    }

    /// Takes the changes of `other`, whose word is the last.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Is there nothing to change?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A consistent reading of the store: later writes do not show. Several threads may share it.
pub trait Reader: Sync {
    /// The value at `key`, if any.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the engine fails.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every pair whose key starts with `prefix`, ascending by bytes.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the engine fails; a later failure is an item of the scan.
    fn scan(&self, space: Space, prefix: &[u8]) -> Result<Scan<'_>, StoreError>;

    /// Calls `each` with every pair whose key is at least `start` and below `end`, ascending by bytes and
    /// without copying them; ends at its first error.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the engine fails, and those of `each`.
    fn visit(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// What tells this moment of this store from every other of this and of other stores that are on
    /// disk.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the engine fails.
    fn stamp(&self) -> Result<Vec<u8>, StoreError>;
}

/// All that the graph asks of a storage engine.
pub trait Backend: Send + Sync {
    /// Reads as of now, unmoved by later writes.
    fn reader(&self) -> Box<dyn Reader + '_>;

    /// Applies every change or none.
    ///
    /// # Errors
    /// [`StoreError::Engine`]; then nothing was applied.
    fn write(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The bulk path: pairs that come in order. One at a time, and nothing else writes meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Io`].
    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, StoreError>;

    /// Returns when all earlier writes survive a power cut.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the engine fails.
    fn sync(&self) -> Result<(), StoreError>;

    /// Writes a consistent copy of all that was written to the folder `dest`, which must not be there.
    ///
    /// # Errors
    /// [`StoreError::Engine`]: the engine failed, or keeps nothing that could be copied.
    fn checkpoint(&self, dest: &Path) -> Result<(), StoreError>;

    /// Rewrites what is kept without what was overwritten or deleted.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    fn compact(&self) -> Result<(), StoreError>;

    /// How much of what each space takes, in the order of [`Space::ALL`].
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    fn usage(&self) -> Result<Vec<SpaceUsage>, StoreError>;

    /// What the engine counts of itself, by name; bytes where the name says so. Empty without a disk.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    fn health(&self) -> Result<BTreeMap<&'static str, u64>, StoreError>;
}

/// What a space takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpaceUsage {
    /// The space's name.
    pub space: &'static str,
    /// Keys, more or less: an engine on disk counts those that were overwritten or deleted, too.
    pub keys: u64,
    /// Bytes on disk or, without a disk, of keys and values.
    pub bytes: u64,
}

/// Pairs on their way into a store. Dropped before they are committed, they leave nothing.
pub trait Bulk {
    /// Adds a pair, in place of the one of its key, if any; in each space the keys ascend strictly.
    ///
    /// # Errors
    /// [`StoreError::Unsorted`], [`StoreError::Engine`].
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError>;

    /// Has all pairs show, on disk, or none: also when the process ends meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Io`].
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Opens an engine at a path, and makes it there when told so.
pub type OpenEngine = fn(&Path, bool) -> Result<Box<dyn Backend>, StoreError>;

/// A storage engine that can be named.
pub struct Engine {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Opens it at a path, and makes it there when `create` says so.
    pub open: OpenEngine,
}

/// Every storage engine, in the order the help lists them.
pub const ENGINES: &[Engine] = &[
    Engine {
        name: "rocksdb",
        about: "RocksDB: on disk, crash-safe",
        open: |path, create| Ok(Box::new(Rocks::open(path, create)?)),
    },
    Engine {
        name: "memory",
        about: "ordered maps in memory: gone with the process",
        open: |_, _| Ok(Box::new(Memory::default())),
    },
];
