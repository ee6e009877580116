//! What models made of texts, by text and version: looked up instead of computed again.
//!
//! It is no part of the graph: no hash counts it, `verify` asks nothing of it, and it may be emptied
//! at any time. It holds no text: keys are hashes, and what is kept of a text is numbers and spans.

use super::graph_store::GraphStore;
use super::{Batch, Space, StoreError};

/// What is kept of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cached {
    /// Its encoding, as little-endian `f32`s.
    Encoding = 0,
    /// What an extractor read in it before any vocabulary was looked at.
    Reading = 1,
}

/// A text and the version of the model that read it, as the cache knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CachedText([u8; 33]);

impl CachedText {
    /// The place of what the model of this `version` made of `text`.
    pub fn new(what: Cached, text: &str, version: &str) -> Self {
        let mut key = [what as u8; 33];
        key[1..17].copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        key[17..].copy_from_slice(&blake3::hash(version.as_bytes()).as_bytes()[..16]);
        Self(key)
    }
}

impl GraphStore {
    /// What is kept at each place, in order.
    ///
    /// # Errors
    /// Those of reads.
    pub fn cached(&self, places: &[CachedText]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let reader = self.backend().reader();
        places.iter().map(|place| reader.get(Space::Cache, &place.0)).collect()
    }

    /// Keeps values for later look-ups. The graph and its sequence number stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn keep(&self, values: Vec<(CachedText, Vec<u8>)>) -> Result<(), StoreError> {
        if values.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (place, value) in values {
            batch.put(Space::Cache, &place.0, value);
        }
        self.write(&batch)
    }

    /// Forgets what was made of `texts`, by whatever version.
    ///
    /// # Errors
    /// Those of reads, and [`StoreError::Engine`].
    pub fn forget<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let reader = self.backend().reader();
        for text in texts {
            for what in [Cached::Encoding, Cached::Reading] {
                for item in reader.scan(Space::Cache, &CachedText::new(what, text, "").0[..17])? {
                    batch.delete(Space::Cache, &item?.0);
                }
            }
        }
        drop(reader);
        if batch.is_empty() { Ok(()) } else { self.write(&batch) }
    }
}
