//! All of the graph in one pass, or in several that share it out: what a snapshot is built from.
//!
//! Nothing is allocated for an edge. Ids are hashes, so equal shares of their numbers hold about as many
//! nodes of a kind each.

use serde::Deserialize;

use super::graph_store::{View, corrupt};
use super::record::{EdgeKey, Node, NodeId, decode};
use super::{Space, StoreError, keyspace};
use crate::schema::{NodeKind, Timestamp};

/// An edge as a scan passes it by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScannedEdge<'a> {
    /// Its ends and what it means.
    pub key: EdgeKey,
    /// The last evidence's time.
    pub last: Timestamp,
    /// Strength at `last`.
    pub sum: f64,
    /// The spelling of the target that sorts first, where evidence spells it.
    pub surface: Option<&'a str>,
}

/// The record of an edge, borrowed; see [`Edge`](super::Edge).
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "count")]
    _count: u32,
    #[serde(rename = "first")]
    _first: Timestamp,
    last: Timestamp,
    sum: f64,
    #[serde(borrow)]
    surface: Option<&'a str>,
}

impl View<'_> {
    /// What tells this moment from every other, also of other stores on disk.
    ///
    /// # Errors
    /// Those of a read.
    pub fn stamp(&self) -> Result<Vec<u8>, StoreError> {
        self.reader.stamp()
    }

    /// Calls `each` with every node whose id is in a range, ascending; without an end, with all from the
    /// start on.
    ///
    /// # Errors
    /// Those of reads.
    pub fn visit_nodes(
        &self,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(NodeId, Node),
    ) -> Result<(), StoreError> {
        let end = end.map(keyspace::node);
        let end = end.as_ref().map(<[u8; 8]>::as_slice);
        self.reader.visit(Space::Nodes, &keyspace::node(start), end, &mut |key, value| {
            let id = keyspace::decode_node(key).ok_or_else(|| corrupt(Space::Nodes, key))?;
            each(id, decode(Space::Nodes, key, value)?);
            Ok(())
        })
    }

    /// Calls `each` with every edge that starts at a node of a range, ascending by source, relation and
    /// target; without an end, at any from the start on. Merges are not followed.
    ///
    /// # Errors
    /// Those of reads, and those of `each`.
    pub fn visit_edges(
        &self,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(ScannedEdge<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let end = end.map(keyspace::node);
        let end = end.as_ref().map(<[u8; 8]>::as_slice);
        self.reader.visit(Space::Out, &keyspace::node(start), end, &mut |key, value| {
            let edge = keyspace::decode_out(key).ok_or_else(|| corrupt(Space::Out, key))?;
            let Record { last, sum, surface, .. } = decode(Space::Out, key, value)?;
            each(ScannedEdge { key: edge, last, sum, surface })
        })
    }
}

/// Ranges that have all ids there may be, `n` for the nodes of each kind.
pub(crate) fn shares(n: u64) -> Vec<(NodeId, Option<NodeId>)> {
    let kinds = 0..NodeKind::ALL.len() as u64;
    let starts: Vec<_> = kinds
        .flat_map(|kind| (0..n).map(move |share| NodeId((kind << 61) + share * ((1 << 61) / n))))
        .collect();
    let ends = starts.iter().copied().skip(1).map(Some).chain([None]);
    starts.iter().copied().zip(ends).collect()
}
