//! The way in for packed edges.

use std::sync::{MutexGuard, PoisonError};

use super::super::graph_store::{GraphStore, SEQUENCE};
use super::super::record::{Node, NodeId, decode, encode};
use super::super::{Bulk, LoadRecord, LoadedEdges, Space, StoreError, keyspace};
use super::block::{self, NODES, PIECES, Piece};
use super::{IDS, Numbers, Side, block_key, ids_key};
use crate::event::NodeKey;

/// Packed edges on their way into a store. Dropped before they are committed, they leave nothing.
///
/// First come the nodes, then every row of the outward side, then every row of the inward side.
pub struct PackedEdges<'a> {
    store: &'a GraphStore,
    bulk: Box<dyn Bulk + 'a>,
    /// Where the rows at hand stand: their side and first node, and which part of the block they are.
    place: Option<(Side, u32, u32)>,
    counts: [u32; NODES],
    pieces: Vec<Piece>,
    value: Vec<u8>,
    one_writer: MutexGuard<'a, ()>,
}

impl GraphStore {
    /// The way in for edges that have a weight and a time and no other evidence; none when the store has edges.
    /// Nobody else writes until it is dropped.
    ///
    /// # Errors
    /// Those of reads, and those of [`Backend::bulk`](super::super::Backend::bulk).
    pub fn packed_edges(&self) -> Result<Option<PackedEdges<'_>>, StoreError> {
        let one_writer = self.lock();
        let reader = self.backend().reader();
        for space in [Space::Out, Space::Packed] {
            if reader.scan(space, &[])?.next().transpose()?.is_some() {
                return Ok(None);
            }
        }
        drop(reader);
        self.outdate();
        Ok(Some(PackedEdges {
            store: self,
            bulk: self.backend().bulk()?,
            place: None,
            counts: [0; NODES],
            pieces: Vec::new(),
            value: Vec::new(),
            one_writer,
        }))
    }
}

impl PackedEdges<'_> {
    /// Takes all nodes that rows name, strictly ascending by id. A node's number is its place among them.
    ///
    /// # Errors
    /// [`StoreError::Collision`] when the store has another name of one of the ids;
    /// [`StoreError::Unsorted`]; those of reads and of the bulk path.
    pub fn nodes(
        &mut self,
        nodes: impl Iterator<Item = (NodeId, NodeKey)>,
    ) -> Result<(), StoreError> {
        let reader = self.store.backend().reader();
        let mut known = reader.scan(Space::Nodes, &[])?.peekable();
        let mut ids = Vec::with_capacity(IDS * 8);
        let mut n_chunks = 0;
        for (id, key) in nodes {
            let place = keyspace::node(id);
            while let Some(item) =
                known.next_if(|item| item.as_ref().map_or(true, |(at, _)| **at < place[..]))
            {
                item?;
            }
            if let Some(item) =
                known.next_if(|item| item.as_ref().is_ok_and(|(at, _)| **at == place[..]))
            {
                let (at, value) = item?;
                let first = decode::<Node>(Space::Nodes, &at, &value)?.key;
                if first != key {
                    return Err(StoreError::Collision { first, second: key });
                }
            } else {
                self.bulk.put(Space::Nodes, &place, &encode(&Node { key, document: None }))?;
            }
            ids.extend_from_slice(&place);
            if ids.len() == IDS * 8 {
                self.bulk.put(Space::Packed, &ids_key(n_chunks), &ids)?;
                n_chunks += 1;
                ids.clear();
            }
        }
        if !ids.is_empty() {
            self.bulk.put(Space::Packed, &ids_key(n_chunks), &ids)?;
        }
        Ok(())
    }

    /// Takes the row of the node with this number: its edges' other ends, ascending by relation, other end
    /// and time. Rows ascend by side and number.
    ///
    /// # Errors
    /// [`StoreError::Unsorted`]; those of the bulk path.
    pub fn row(&mut self, side: Side, owner: u32, row: &[Piece]) -> Result<(), StoreError> {
        let first = owner / NODES as u32 * NODES as u32;
        if self.place.is_none_or(|(at, known, _)| (at, known) != (side, first)) {
            self.end_block()?;
            self.place = Some((side, first, 0));
        }
        let mut row = row;
        while !row.is_empty() {
            let (now, later) = row.split_at(row.len().min(PIECES - self.pieces.len()));
            self.pieces.extend_from_slice(now);
            self.counts[(owner - first) as usize] += now.len() as u32;
            if self.pieces.len() == PIECES {
                self.end_block()?;
            }
            row = later;
        }
        Ok(())
    }

    /// Writes the rows at hand.
    fn end_block(&mut self) -> Result<(), StoreError> {
        let Some((side, first, part)) = &mut self.place else { return Ok(()) };
        if self.pieces.is_empty() {
            return Ok(());
        }
        self.value.clear();
        block::write(&self.counts, &self.pieces, &mut self.value);
        self.bulk.put(Space::Packed, &block_key(*side, *first, *part), &self.value)?;
        *part += 1;
        self.counts = [0; NODES];
        self.pieces.clear();
        Ok(())
    }

    /// Has the edges show, on disk, with the records of the load that brings them: all of it, whatever happens
    /// meanwhile.
    ///
    /// # Errors
    /// Those of the bulk path, and of reads.
    pub fn commit(mut self, record: &LoadRecord, edges: LoadedEdges) -> Result<(), StoreError> {
        self.end_block()?;
        let number = record.number;
        self.bulk.put(Space::Loads, &keyspace::load(number), &encode(record))?;
        self.bulk.put(Space::Loads, &keyspace::loaded_edges(number), &encode(&edges))?;
        let Self { store, mut bulk, one_writer, .. } = self;
        let sequence = store.view().sequence()? + 1;
        bulk.put(Space::Meta, SEQUENCE, &encode(&sequence))?;
        // Whoever reads meanwhile waits, and then finds the numbers with the rows.
        let mut numbers = store.numbers.write().unwrap_or_else(PoisonError::into_inner);
        bulk.commit()?;
        *numbers = Numbers::read(&*store.backend().reader())?.map(Into::into);
        drop(one_writer);
        Ok(())
    }
}
