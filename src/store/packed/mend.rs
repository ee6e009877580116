//! Damaged rows are made anew from those of the other direction, which has every edge, too.
//!
//! The rows of 64 nodes, a group, are damaged when one of their blocks cannot be read, stands out of order or
//! is missing. Where both can be read and differ nobody knows which is right, and both stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::super::view::View;
use super::super::{Pair, Space, StoreError};
use super::block::{self, Block, NODES, PIECES, Piece};
use super::{Side, block_key};
use crate::schema::{RelationId, Timestamp};

/// What makes packed rows whole.
#[derive(Default)]
pub(in crate::store) struct Mended {
    /// Blocks that cannot be read.
    pub unreadable: Vec<Pair>,
    /// Keys of the blocks of the groups that are made anew.
    pub gone: Vec<Box<[u8]>>,
    /// Their blocks as they are to be.
    pub blocks: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A piece by the number of the node that it stands under.
type Owned = (u32, Piece);

/// Where a piece stands within its side; an edge has one of a time.
type Place = (u32, RelationId, u32, Timestamp);

/// What is found of the rows of a side.
struct Found {
    /// Blocks that cannot be read.
    unreadable: Vec<Pair>,
    /// Groups with a block that cannot be read, or without one that should be there.
    damaged: BTreeSet<usize>,
    /// Pieces of each group.
    own: Vec<u64>,
    /// By group of the other side: the pieces that should be in it.
    other: Vec<u64>,
}

impl View<'_> {
    /// What makes the packed rows whole; nothing where they are.
    ///
    /// # Errors
    /// Those of reads.
    pub(in crate::store) fn mended(&self) -> Result<Mended, StoreError> {
        let mut mended = Mended::default();
        let Some(numbers) = self.numbers.as_deref() else { return Ok(mended) };
        let n_nodes = numbers.0.len();
        let found = [self.found(Side::Out, n_nodes)?, self.found(Side::In, n_nodes)?];
        for (side, from) in [(0, 1), (1, 0)] {
            let groups = groups(&found[side], &found[from]);
            if !groups.is_empty() {
                let [side, from] = [side, from].map(|at| [Side::Out, Side::In][at]);
                self.make_anew(side, from, &groups, n_nodes, &mut mended)?;
            }
        }
        mended.unreadable.extend(found.into_iter().flat_map(|found| found.unreadable));
        Ok(mended)
    }

    /// Reads all blocks of a side.
    fn found(&self, side: Side, n_nodes: usize) -> Result<Found, StoreError> {
        let n_groups = n_nodes.div_ceil(NODES);
        let zeros = || vec![0; n_groups];
        let (unreadable, damaged) = (Vec::new(), BTreeSet::new());
        let mut found = Found { unreadable, damaged, own: zeros(), other: zeros() };
        let mut last: Option<(usize, u32, Option<Place>)> = None;
        for item in self.reader.scan(Space::Packed, &[side as u8])? {
            let (key, value) = item?;
            let place = place(&key).filter(|(group, _)| *group < n_groups);
            let Some((group, part)) = place else {
                found.unreadable.push((key, value));
                continue;
            };
            let before = last.filter(|(known, ..)| *known == group);
            let is_next = part == before.map_or(0, |(_, part, _)| part + 1);
            let after = before.and_then(|(.., place)| place);
            let pieces = pieces(group, &value, n_nodes, after);
            if !is_next || pieces.is_none() {
                found.damaged.insert(group);
            }
            let Some(pieces) = pieces else {
                found.unreadable.push((key, value));
                last = Some((group, part, after));
                continue;
            };
            found.own[group] += pieces.len() as u64;
            for (_, piece) in &pieces {
                found.other[piece.other as usize / NODES] += 1;
            }
            last = Some((group, part, pieces.last().map(place_of)));
        }
        Ok(found)
    }

    /// Makes the rows of `groups` of a side from what can be read of them and of the other side.
    fn make_anew(
        &self,
        side: Side,
        from: Side,
        groups: &BTreeSet<usize>,
        n_nodes: usize,
        mended: &mut Mended,
    ) -> Result<(), StoreError> {
        let mut rows: BTreeMap<Place, f32> = BTreeMap::new();
        for at in [side, from] {
            for item in self.reader.scan(Space::Packed, &[at as u8])? {
                let (key, value) = item?;
                let Some((group, _)) = place(&key) else { continue };
                for (owner, piece) in pieces(group, &value, n_nodes, None).into_iter().flatten() {
                    let (owner, piece) = if at == side {
                        (owner, piece)
                    } else {
                        (piece.other, Piece { other: owner, ..piece })
                    };
                    if groups.contains(&(owner as usize / NODES)) {
                        rows.insert(place_of(&(owner, piece)), piece.weight);
                    }
                }
                if at == side && groups.contains(&group) {
                    mended.gone.push(key);
                }
            }
        }
        let mut open: Vec<Owned> = Vec::new();
        let mut part = 0;
        for ((owner, relation, other, at), weight) in rows {
            let group = owner as usize / NODES;
            let is_other = open.last().is_some_and(|(last, _)| *last as usize / NODES != group);
            if is_other || open.len() == PIECES {
                mended.blocks.extend(written(side, part, &open));
                part = if is_other { 0 } else { part + 1 };
                open.clear();
            }
            open.push((owner, Piece { relation, other, at, weight }));
        }
        mended.blocks.extend(written(side, part, &open));
        Ok(())
    }
}

/// The groups of a side that are to be made from the other: those that are damaged and, where nothing else
/// differs, those that miss something.
fn groups(side: &Found, from: &Found) -> BTreeSet<usize> {
    let mut groups = side.damaged.clone();
    let counts = || side.own.iter().zip(&from.other).enumerate();
    let is_less = |(group, (own, other)): &(usize, (&u64, &u64))| {
        own > other && !side.damaged.contains(group)
    };
    if from.damaged.is_empty() && !counts().any(|count| is_less(&count)) {
        groups.extend(counts().filter(|(_, (own, other))| own < other).map(|(group, _)| group));
    }
    groups
}

/// The group of a block, and which part of its rows it has.
fn place(key: &[u8]) -> Option<(usize, u32)> {
    let key: &[u8; 9] = key.try_into().ok()?;
    let number = |at: usize| key[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    Some((number(1)? as usize, number(5)?))
}

fn place_of((owner, piece): &Owned) -> Place {
    (*owner, piece.relation, piece.other, piece.at)
}

/// The pieces of a block, if they ascend after `last` and lead to nodes that there are.
fn pieces(group: usize, value: &[u8], n_nodes: usize, last: Option<Place>) -> Option<Vec<Owned>> {
    let block = Block::read(value)?;
    let mut pieces: Vec<Owned> = Vec::new();
    for node in 0..NODES {
        let owner = u32::try_from(group * NODES + node).ok()?;
        for piece in block.row(node) {
            pieces.push((owner, piece?));
        }
    }
    let places = last.into_iter().chain(pieces.iter().map(place_of));
    let there = |(owner, piece): &Owned| (*owner.max(&piece.other) as usize) < n_nodes;
    (places.is_sorted_by(|a, b| a < b) && pieces.iter().all(there)).then_some(pieces)
}

/// A block of pieces of one group, if there are any.
fn written(side: Side, part: u32, pieces: &[Owned]) -> Option<(Vec<u8>, Vec<u8>)> {
    let first = pieces.first()?.0 / NODES as u32 * NODES as u32;
    let mut counts = [0; NODES];
    for (owner, _) in pieces {
        counts[(owner - first) as usize] += 1;
    }
    let pieces: Vec<Piece> = pieces.iter().map(|(_, piece)| *piece).collect();
    let mut value = Vec::new();
    block::write(&counts, &pieces, &mut value);
    Some((block_key(side, first, part).to_vec(), value))
}
