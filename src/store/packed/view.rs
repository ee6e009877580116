//! Packed edges beside those that have records of their own: who reads sees one graph.

use std::iter::Peekable;

use super::super::record::{Edge, EdgeKey, Evidence, Stamp, decode, encode, given};
use super::super::view::{Items, View};
use super::super::{Batch, Space, StoreError, corrupt, keyspace};
use super::Side;

impl View<'_> {
    /// Every packed piece of the edges whose keys start with `prefix`, for those that have no record of
    /// their own; ascending on `side`.
    pub(in crate::store) fn packed(
        &self,
        side: Side,
        prefix: &[u8],
    ) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        let Some(numbers) = self.numbers.as_deref() else {
            return Ok(Box::new(std::iter::empty()));
        };
        let mut taken = self.reader.scan(side.space(), prefix)?.peekable();
        let mut is_taken = move |edge: &EdgeKey| -> Result<bool, StoreError> {
            if taken.peek().is_none() {
                return Ok(false);
            }
            let key = side.key(edge);
            while let Some(item) =
                taken.next_if(|item| item.as_ref().map_or(true, |(at, _)| **at < key[..]))
            {
                item?;
            }
            Ok(matches!(taken.peek(), Some(Ok((at, _))) if **at == key[..]))
        };
        let pieces = numbers.pieces(&*self.reader, side, prefix)?;
        Ok(Box::new(pieces.filter_map(move |piece| {
            let (edge, at, weight) = match piece {
                Ok(piece) => piece,
                Err(error) => return Some(Err(error)),
            };
            match is_taken(&edge) {
                Ok(true) => None,
                Ok(false) => Some(Ok((edge, given(at), Evidence::Given { weight }))),
                Err(error) => Some(Err(error)),
            }
        })))
    }

    /// Is the edge in a packed row, whether or not its place there still counts?
    pub(in crate::store) fn was_packed(&self, edge: &EdgeKey) -> Result<bool, StoreError> {
        let Some(numbers) = self.numbers.as_deref() else { return Ok(false) };
        let mut pieces = numbers.pieces(&*self.reader, Side::Out, &Side::Out.key(edge))?;
        Ok(pieces.next().transpose()?.is_some())
    }

    /// The edges whose keys start with `prefix` on `side`, ascending there.
    pub(in crate::store) fn edges_under(
        &self,
        side: Side,
        prefix: &[u8],
    ) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        let space = side.space();
        let records = self.reader.scan(space, prefix)?.filter_map(move |pair| {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) => return Some(Err(error)),
            };
            let edge = match side {
                Side::Out => keyspace::decode_out(&key),
                Side::In => keyspace::decode_inward(&key),
            };
            let Some(edge) = edge else { return Some(Err(corrupt(space, &key))) };
            // An empty record: the edge was packed and is gone.
            let record = (!value.is_empty()).then(|| decode(space, &key, &value))?;
            Some(record.map(|record| (edge, record)))
        });
        if self.numbers.is_none() {
            return Ok(Box::new(records));
        }
        let packed = self.folded(self.packed(side, prefix)?);
        Ok(merged(Box::new(records), packed, move |(edge, _)| side.order(edge)))
    }

    /// Writes a packed edge's evidence to records, as a batch does with every edge that it touches. Is the edge
    /// in a packed row, whether or not its place there still counts?
    pub(in crate::store) fn unpack(
        &self,
        edge: &EdgeKey,
        batch: &mut Batch,
    ) -> Result<bool, StoreError> {
        for item in self.packed(Side::Out, &keyspace::out(edge))? {
            let (_, stamp, evidence) = item?;
            batch.put(Space::Evidence, &keyspace::evidence(edge, &stamp), encode(&evidence));
        }
        self.was_packed(edge)
    }

    /// The edge with this key, as `side` has it.
    pub(in crate::store) fn edge_on(
        &self,
        side: Side,
        edge: &EdgeKey,
    ) -> Result<Option<Edge>, StoreError> {
        let key = side.key(edge);
        match self.reader.get(side.space(), &key)? {
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => decode(side.space(), &key, &value).map(Some),
            None => {
                Ok(self.folded(self.packed(side, &key)?).next().transpose()?.map(|(_, edge)| edge))
            }
        }
    }

    /// Folds pieces of evidence that ascend by edge and time.
    fn folded<'a>(
        &'a self,
        pieces: Items<'a, (EdgeKey, Stamp, Evidence)>,
    ) -> Items<'a, (EdgeKey, Edge)> {
        let mut pieces = pieces.peekable();
        let mut rule = None;
        Box::new(std::iter::from_fn(move || {
            let (key, stamp, evidence) = match pieces.next()? {
                Ok(piece) => piece,
                Err(error) => return Some(Err(error)),
            };
            let half_life = match rule {
                Some((relation, half_life)) if relation == key.relation => half_life,
                _ => self.half_life(&key),
            };
            rule = Some((key.relation, half_life));
            let mut edge = Edge::fold(None, stamp.at, &evidence, half_life);
            while let Some(Ok((_, stamp, evidence))) =
                pieces.next_if(|piece| piece.as_ref().is_ok_and(|(other, ..)| *other == key))
            {
                edge = Edge::fold(Some(edge), stamp.at, &evidence, half_life);
            }
            Some(Ok((key, edge)))
        }))
    }

    /// The evidence of every edge whose key starts with `prefix`, ascending by edge and time.
    pub(in crate::store) fn evidence_merged<'a>(
        &'a self,
        records: Items<'a, (EdgeKey, Stamp, Evidence)>,
        prefix: &[u8],
    ) -> Result<Items<'a, (EdgeKey, Stamp, Evidence)>, StoreError> {
        if self.numbers.is_none() {
            return Ok(records);
        }
        let packed = self.packed(Side::Out, prefix)?;
        Ok(merged(records, packed, |(edge, stamp, _)| (*edge, *stamp)))
    }
}

/// Two lists that ascend by `order` and share no place, as one.
fn merged<'a, T: 'a, K: Ord>(
    one: Items<'a, T>,
    other: Items<'a, T>,
    order: impl Fn(&T) -> K + 'a,
) -> Items<'a, T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let first =
        move |one: &mut Peekable<_>, other: &mut Peekable<_>| match (one.peek(), other.peek()) {
            (Some(Ok(a)), Some(Ok(b))) => order(a) <= order(b),
            // An error comes as soon as it is met.
            (Some(Err(_)), _) | (_, None) => true,
            (None, _) | (_, Some(Err(_))) => false,
        };
    Box::new(std::iter::from_fn(move || {
        if first(&mut one, &mut other) { one.next() } else { other.next() }
    }))
}
