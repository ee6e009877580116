//! Edges that come by the million with a weight and a time and nothing else, packed: the rows of 64 nodes at
//! a time, column by column, once for each direction.
//!
//! Nodes are numbered in the order of their ids, so rows stand in the order of the keys that their edges
//! would have alone. A packed edge stays so until something touches it; then it is written out with all of
//! its evidence like any other, and from there on its records count and its place in the row does not. An
//! edge that was packed and is gone leaves an empty record that says so.

mod block;
mod column;
mod mend;
mod remove;
mod view;
mod write;

use std::ops::Range;

use self::block::{Block, NODES, Piece};
use super::record::{EdgeKey, NodeId};
use super::{Items, Reader, Space, StoreError};
use crate::schema::{RelationId, Timestamp};

pub use self::block::Piece as PackedPiece;
pub use self::write::PackedEdges;

/// Ids to a value.
const IDS: usize = 4096;
/// What keys of ids start with; those of blocks start with their [`Side`].
const NUMBERS: u8 = 0;

/// Under which of its ends an edge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Under the node where it starts.
    Out = 1,
    /// Under the node where it leads.
    In = 2,
}

impl Side {
    /// The key of the edge between a node and another of its row.
    fn edge(self, owner: NodeId, relation: RelationId, other: NodeId) -> EdgeKey {
        match self {
            Self::Out => EdgeKey { source: owner, relation, target: other },
            Self::In => EdgeKey { source: other, relation, target: owner },
        }
    }

    /// The order in which this side lists edges.
    fn order(self, edge: &EdgeKey) -> (NodeId, RelationId, NodeId) {
        match self {
            Self::Out => (edge.source, edge.relation, edge.target),
            Self::In => (edge.target, edge.relation, edge.source),
        }
    }

    /// The space of the records on this side.
    pub(super) fn space(self) -> Space {
        match self {
            Self::Out => Space::Out,
            Self::In => Space::In,
        }
    }

    /// Where the record of an edge stands on this side.
    pub(super) fn key(self, edge: &EdgeKey) -> [u8; super::keyspace::EDGE_BYTES] {
        match self {
            Self::Out => super::keyspace::out(edge),
            Self::In => super::keyspace::inward(edge),
        }
    }
}

/// The numbers of the nodes that have packed rows: places in the ascending list of their ids.
pub(super) struct Numbers(Vec<NodeId>);

fn ids_key(chunk: u32) -> [u8; 5] {
    let mut key = [NUMBERS; 5];
    key[1..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// The first bytes of the keys of the blocks of a node.
fn blocks_key(side: Side, node: u32) -> [u8; 5] {
    let mut key = [side as u8; 5];
    key[1..].copy_from_slice(&(node / NODES as u32).to_be_bytes());
    key
}

fn block_key(side: Side, first: u32, part: u32) -> [u8; 9] {
    let mut key = [0; 9];
    key[..5].copy_from_slice(&blocks_key(side, first));
    key[5..].copy_from_slice(&part.to_be_bytes());
    key
}

impl Numbers {
    /// Reads the ids; none when nothing is packed.
    ///
    /// # Errors
    /// Those of reads.
    pub fn read(reader: &dyn Reader) -> Result<Option<Self>, StoreError> {
        let mut ids = Vec::new();
        for item in reader.scan(Space::Packed, &[NUMBERS])? {
            let (key, value) = item?;
            if value.len() % 8 != 0 {
                return Err(corrupt(&key));
            }
            let chunk = value.as_chunks().0.iter().map(|id| NodeId(u64::from_be_bytes(*id)));
            ids.extend(chunk);
        }
        Ok((!ids.is_empty()).then_some(Self(ids)))
    }

    pub(super) fn find(&self, id: NodeId) -> Option<u32> {
        u32::try_from(self.0.binary_search(&id).ok()?).ok()
    }

    /// Every packed piece of the edges whose keys start with `prefix` on this side, ascending there.
    ///
    /// # Errors
    /// Those of reads; a later one is an item.
    fn pieces<'a>(
        &'a self,
        reader: &'a dyn Reader,
        side: Side,
        prefix: &[u8],
    ) -> Result<Items<'a, (EdgeKey, Timestamp, f32)>, StoreError> {
        let owner = match prefix.first_chunk() {
            Some(id) => match self.find(NodeId(u64::from_be_bytes(*id))) {
                Some(number) => Some(number),
                None => return Ok(Box::new(std::iter::empty())),
            },
            None => None,
        };
        let blocks = match owner {
            Some(owner) => reader.scan(Space::Packed, &blocks_key(side, owner))?,
            None => reader.scan(Space::Packed, &[side as u8])?,
        };
        let prefix = prefix.to_vec();
        let nodes = owner.map_or(0..self.0.len(), |owner| owner as usize..owner as usize + 1);
        Ok(Box::new(blocks.flat_map(move |block| {
            let rows = block.and_then(|(key, value)| {
                self.rows(side, &key, &value, &nodes).ok_or_else(|| corrupt(&key))
            });
            let (rows, failed) = match rows {
                Ok(rows) => (rows, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let prefix = prefix.clone();
            let under = move |(edge, ..): &(EdgeKey, _, _)| {
                prefix.len() <= 8 || side.key(edge).starts_with(&prefix)
            };
            failed.into_iter().chain(rows.into_iter().filter(under).map(Ok))
        })))
    }

    /// Calls `each` with every packed piece of the edges that start at a node whose id is in a range,
    /// ascending; without an end, at any from the start on.
    ///
    /// # Errors
    /// Those of reads, and those of `each`.
    pub fn visit(
        &self,
        reader: &dyn Reader,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(EdgeKey, Timestamp, f32) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let place = |id| self.0.partition_point(|known| *known < id);
        let nodes = place(start)..end.map_or(self.0.len(), place);
        let Some(last) = nodes.end.checked_sub(1).filter(|_| !nodes.is_empty()) else {
            return Ok(());
        };
        let first = blocks_key(Side::Out, nodes.start as u32);
        let end = blocks_key(Side::Out, (last / NODES * NODES + NODES) as u32);
        reader.visit(Space::Packed, &first, Some(&end), &mut |key, value| {
            let rows = self.rows(Side::Out, key, value, &nodes).ok_or_else(|| corrupt(key))?;
            rows.into_iter().try_for_each(|(edge, at, weight)| each(edge, at, weight))
        })
    }

    /// The pieces in a block of those of its nodes that are among `nodes`.
    fn rows(
        &self,
        side: Side,
        key: &[u8],
        value: &[u8],
        nodes: &Range<usize>,
    ) -> Option<Vec<(EdgeKey, Timestamp, f32)>> {
        let block = Block::read(value)?;
        let first = u32::from_be_bytes(*key.get(1..)?.first_chunk()?) as usize * NODES;
        let (start, end) = (nodes.start.max(first), nodes.end.min(first + NODES));
        let mut rows = Vec::new();
        for node in start..end {
            let row = block.row(node - first);
            let owner = *self.0.get(node)?;
            for piece in row {
                let Piece { relation, other, at, weight } = piece?;
                let other = *self.0.get(other as usize)?;
                rows.push((side.edge(owner, relation, other), at, weight));
            }
        }
        Some(rows)
    }
}

fn corrupt(key: &[u8]) -> StoreError {
    StoreError::Corrupt { space: Space::Packed, key: super::keyspace::hex(key) }
}
