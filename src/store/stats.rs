//! How much of what a store holds, and one hash of all of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::graph_store::FORMAT_VERSION;
use super::record::{Evidence, encode};
use super::view::View;
use super::{Side, Space, StoreError, keyspace};

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The format of keys and values.
    pub format_version: u32,
    /// How many batches were applied.
    pub sequence: u64,
    /// Nodes by kind.
    pub nodes: BTreeMap<String, u64>,
    /// Edges by relation.
    pub edges: BTreeMap<String, u64>,
    /// Events by action.
    pub events: BTreeMap<String, u64>,
    /// Nodes that came as documents.
    pub documents: u64,
    /// Documents that went through extraction.
    pub extracted: u64,
    /// Spans of text that name an entity.
    pub mentions: u64,
    /// BLAKE3 of every key and value but the sequence number and the cache: the same graph has the same hash,
    /// however and in whatever order it came to be.
    pub content_hash: String,
}

impl View<'_> {
    /// Counts and hashes everything, in one pass over the store.
    ///
    /// # Errors
    /// Those of reads.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = Stats {
            format_version: FORMAT_VERSION,
            sequence: self.sequence()?,
            nodes: BTreeMap::new(),
            edges: BTreeMap::new(),
            events: BTreeMap::new(),
            documents: 0,
            extracted: 0,
            mentions: 0,
            content_hash: self.content_hash()?,
        };
        for item in self.nodes()? {
            let (_, node) = item?;
            *stats.nodes.entry(node.key.kind.to_string()).or_default() += 1;
            stats.documents += u64::from(node.document.is_some());
        }
        for item in self.edges()? {
            let name = self.schema.relation_name(item?.0.relation).to_owned();
            *stats.edges.entry(name).or_default() += 1;
        }
        for item in self.evidence()? {
            let (edge, _, evidence) = item?;
            match evidence {
                Evidence::Event { .. } => {
                    let name = self.schema.relation_name(edge.relation).to_owned();
                    *stats.events.entry(name).or_default() += 1;
                }
                Evidence::Mention { .. } => stats.mentions += 1,
                Evidence::Attribute { .. } | Evidence::Opinion { .. } | Evidence::Given { .. } => {}
            }
        }
        for item in self.reader.scan(Space::Extractions, &[])? {
            // Reviews stand under longer keys.
            stats.extracted += u64::from(keyspace::decode_node(&item?.0).is_some());
        }
        Ok(stats)
    }

    fn content_hash(&self) -> Result<String, StoreError> {
        let mut hasher = blake3::Hasher::new();
        for space in Space::ALL.into_iter().filter(|space| space.is_graph()) {
            hasher.update(space.name().as_bytes());
            let mut pair = |key: &[u8], value: &[u8]| {
                for part in [key, value] {
                    hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
                }
            };
            match space {
                // Packed edges count as if each had records of its own.
                Space::Out | Space::In if self.numbers.is_some() => {
                    let side = if space == Space::Out { Side::Out } else { Side::In };
                    for item in self.edges_under(side, &[])? {
                        let (key, edge) = item?;
                        pair(&side.key(&key), &encode(&edge));
                    }
                }
                Space::Evidence if self.numbers.is_some() => {
                    for item in self.evidence()? {
                        let (edge, stamp, evidence) = item?;
                        pair(&keyspace::evidence(&edge, &stamp), &encode(&evidence));
                    }
                }
                // Which load brought an event is no part of the graph.
                Space::Events => {
                    for item in self.reader.scan(space, &[])? {
                        let (key, value) = item?;
                        pair(&key, super::loads::pointer(&value));
                    }
                }
                _ => {
                    for item in self.reader.scan(space, &[])? {
                        let (key, value) = item?;
                        if space != Space::Meta || *key != *super::graph_store::SEQUENCE {
                            pair(&key, &value);
                        }
                    }
                }
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}
