//! The engine in memory: ordered maps, and the oracle of every other engine.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Backend, Batch, Bulk, Reader, Scan, Space, SpaceUsage, StoreError, Visit};

type Pairs = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// Ordered maps in memory. A reader holds the map as it was; a write copies it while one does.
#[derive(Default)]
pub struct Memory(RwLock<Arc<Pairs>>);

impl Memory {
    fn now(&self) -> Arc<Pairs> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pairs that wait for their commit.
struct MemoryBulk<'a> {
    memory: &'a Memory,
    batch: Batch,
    last: BTreeMap<Space, Vec<u8>>,
}

impl Bulk for MemoryBulk<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.last.get(&space).is_some_and(|last| last.as_slice() >= key) {
            return Err(StoreError::Unsorted { space, key: super::keyspace::hex(key) });
        }
        self.last.insert(space, key.to_vec());
        self.batch.put(space, key, value.to_vec());
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.memory.write(&self.batch)
    }
}

struct MemoryReader(Arc<Pairs>);

impl Reader for MemoryReader {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(space, key.to_vec())).cloned())
    }

    fn scan(&self, space: Space, prefix: &[u8]) -> Result<Scan<'_>, StoreError> {
        let prefix = prefix.to_vec();
        let start = Bound::Included((space, prefix.clone()));
        let pairs = self.0.range((start, Bound::Unbounded));
        let within =
            pairs.take_while(move |((at, key), _)| *at == space && key.starts_with(&prefix));
        Ok(Box::new(within.map(|((_, key), value)| {
            Ok((key.clone().into_boxed_slice(), value.clone().into_boxed_slice()))
        })))
    }

    fn visit(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        each: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let start = Bound::Included((space, start.to_vec()));
        let pairs = self.0.range((start, Bound::Unbounded));
        let within = pairs.take_while(|((at, key), _)| {
            *at == space && end.is_none_or(|end| key.as_slice() < end)
        });
        for ((_, key), value) in within {
            each(key, value)?;
        }
        Ok(())
    }

    /// It is in no folder, so that no stamp of it is ever kept.
    fn stamp(&self) -> Result<Vec<u8>, StoreError> {
        Ok(Vec::new())
    }
}

impl Backend for Memory {
    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(MemoryReader(self.now()))
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let pairs = Arc::make_mut(&mut guard);
        for (space, key, value) in batch.changes() {
            match value {
                Some(value) => pairs.insert((space, key.to_vec()), value.to_vec()),
                None => pairs.remove(&(space, key.to_vec())),
            };
        }
        Ok(())
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, StoreError> {
        Ok(Box::new(MemoryBulk { memory: self, batch: Batch::default(), last: BTreeMap::new() }))
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn checkpoint(&self, dest: &Path) -> Result<(), StoreError> {
        let message = "the engine in memory keeps no files; export the graph instead".to_owned();
        Err(StoreError::Engine { path: dest.to_owned(), message })
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn usage(&self) -> Result<Vec<SpaceUsage>, StoreError> {
        let pairs = self.now();
        Ok(Space::ALL
            .map(|space| {
                let pairs = pairs.iter().filter(|((at, _), _)| *at == space);
                let (keys, bytes) = pairs.fold((0, 0), |(keys, bytes), ((_, key), value)| {
                    (keys + 1, bytes + (key.len() + value.len()) as u64)
                });
                SpaceUsage { space: space.name(), keys, bytes }
            })
            .to_vec())
    }

    fn health(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        Ok(BTreeMap::new())
    }
}
