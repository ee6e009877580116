//! The way out for packed edges: all of them at once.

use std::collections::HashSet;
use std::sync::PoisonError;

use super::super::graph_store::{GraphStore, SEQUENCE};
use super::super::record::{EdgeKey, Node, NodeId, decode, encode};
use super::super::view::{Items, View};
use super::super::{Batch, Space, StoreError, corrupt, keyspace};
use super::Side;
use crate::schema::Timestamp;

impl View<'_> {
    /// Every piece of the packed rows whose edge has a record of its own, so that its place in the row does
    /// not count any more; ascending.
    pub(in crate::store) fn unpacked(
        &self,
    ) -> Result<Items<'_, (EdgeKey, Timestamp, f32)>, StoreError> {
        let Some(numbers) = self.numbers.as_deref() else {
            return Ok(Box::new(std::iter::empty()));
        };
        let mut row: (Option<NodeId>, Vec<(EdgeKey, Timestamp, f32)>) = Default::default();
        let mut of_edge = move |key: &[u8]| -> Result<Vec<_>, StoreError> {
            let edge = keyspace::decode_out(key).ok_or_else(|| corrupt(Space::Out, key))?;
            if row.0 != Some(edge.source) {
                let prefix = keyspace::node(edge.source);
                let pieces = numbers.pieces(&*self.reader, Side::Out, &prefix)?;
                row = (Some(edge.source), pieces.collect::<Result<_, _>>()?);
            }
            let start = row.1.partition_point(|(known, ..)| *known < edge);
            Ok(row.1[start..].iter().take_while(|(known, ..)| *known == edge).copied().collect())
        };
        Ok(Box::new(self.reader.scan(Space::Out, &[])?.flat_map(move |pair| {
            let (pieces, failed) = match pair.and_then(|(key, _)| of_edge(&key)) {
                Ok(pieces) => (pieces, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            failed.into_iter().chain(pieces.into_iter().map(Ok))
        })))
    }
}

impl GraphStore {
    /// Removes the packed rows, what is kept of edges that were packed and are gone, and the nodes that
    /// nothing else names, as one batch. Returns how many pieces went with it that were still packed.
    ///
    /// # Errors
    /// Those of reads and writes; then nothing was removed.
    pub(in crate::store) fn remove_packed(&self) -> Result<u64, StoreError> {
        let _one_writer = self.lock();
        let view = self.view();
        let Some(numbers) = view.numbers.as_deref() else { return Ok(0) };
        let mut n_removed = 0;
        for piece in view.packed(Side::Out, &[])? {
            piece?;
            n_removed += 1;
        }
        let mut batch = Batch::default();
        let mut named: HashSet<NodeId> = HashSet::new();
        for space in [Space::Out, Space::In] {
            for item in view.reader.scan(space, &[])? {
                let (key, value) = item?;
                if value.is_empty() {
                    batch.delete(space, &key);
                } else if space == Space::Out {
                    let edge = keyspace::decode_out(&key).ok_or_else(|| corrupt(space, &key))?;
                    named.extend([edge.source, edge.target]);
                }
            }
        }
        for merge in view.merges()?.records() {
            named.extend([&merge.entity, &merge.into].map(NodeId::of));
        }
        for item in view.reader.scan(Space::Nodes, &[])? {
            let (key, value) = item?;
            let id = keyspace::decode_node(&key).ok_or_else(|| corrupt(Space::Nodes, &key))?;
            if numbers.find(id).is_some()
                && !named.contains(&id)
                && decode::<Node>(Space::Nodes, &key, &value)?.document.is_none()
            {
                batch.delete(Space::Nodes, &key);
            }
        }
        for item in view.reader.scan(Space::Packed, &[])? {
            batch.delete(Space::Packed, &item?.0);
        }
        batch.put(Space::Meta, SEQUENCE, encode(&(view.sequence()? + 1)));
        drop(view);
        // Whoever reads meanwhile waits, and then finds neither the rows nor the numbers.
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        self.write(&batch)?;
        *numbers = None;
        drop(numbers);
        self.sync()?;
        Ok(n_removed)
    }
}
