//! Rows of neighboring nodes in one value, column by column.
//!
//! A block holds the rows of up to [`NODES`] nodes, or a part of them. It starts with how many pieces it has
//! and how many are each node's; then come the columns: relation, other end, time, weight.

use super::column::{self, Column, PADDING};
use crate::schema::{RelationId, Timestamp};

/// Nodes whose rows share a block.
pub(super) const NODES: usize = 64;
/// Pieces of a block, of which the last row may have a part only.
pub(super) const PIECES: usize = 1 << 13;
/// Powers of ten that weights are tried with.
const MAX_DECIMALS: u8 = 6;
/// Weights that are no short decimals are kept as their bits.
const BITS: u8 = u8::MAX;
const SECOND: i64 = 1000;

/// One entry of a node's row: an edge's other end, and one reason for the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Piece {
    /// What the edge means.
    pub relation: RelationId,
    /// The number of the edge's other end.
    pub other: u32,
    /// When.
    pub at: Timestamp,
    /// How much it speaks for the edge.
    pub weight: f32,
}

/// Appends a block of `pieces`, of which the nodes' own are as many as `counts` says.
pub(super) fn write(counts: &[u32; NODES], pieces: &[Piece], to: &mut Vec<u8>) {
    to.extend_from_slice(&(pieces.len() as u32).to_le_bytes());
    column::write(counts.iter().map(|&count| i64::from(count)), to);
    column::write(pieces.iter().map(|piece| i64::from(piece.relation.0)), to);
    column::write(pieces.iter().map(|piece| i64::from(piece.other)), to);
    let times = pieces.iter().map(|piece| piece.at.millis());
    let whole = times.clone().all(|at| at % SECOND == 0);
    to.push(u8::from(whole));
    let unit = if whole { SECOND } else { 1 };
    column::write(times.map(|at| at / unit), to);
    let weights = pieces.iter().map(|piece| piece.weight);
    let shortest = (0..=MAX_DECIMALS).find_map(|decimals| {
        let power = power(decimals);
        let numbers = weights.clone().map(|weight| decimal(weight, power));
        Some((decimals, numbers.collect::<Option<Vec<_>>>()?))
    });
    if let Some((decimals, numbers)) = shortest {
        to.push(decimals);
        column::write(numbers.into_iter(), to);
    } else {
        to.push(BITS);
        column::write(weights.map(|weight| i64::from(weight.to_bits())), to);
    }
    to.extend([0; PADDING]);
}

/// `weight` times a power of ten, when it is a whole number from which the same bits come back (Afroozeh et
/// al., *ALP: adaptive lossless floating-point compression*, SIGMOD 2024).
fn decimal(weight: f32, power: f64) -> Option<i64> {
    let scaled = f64::from(weight) * power;
    let nearest = (scaled + 0.5_f64.copysign(scaled)) as i64;
    (weight_of(nearest, power).to_bits() == weight.to_bits()).then_some(nearest)
}

fn weight_of(number: i64, power: f64) -> f32 {
    (number as f64 / power) as f32
}

fn power(decimals: u8) -> f64 {
    10_f64.powi(i32::from(decimals))
}

/// A block to be read.
pub(super) struct Block<'a> {
    /// Where each node's pieces start, and where the last one's end.
    starts: [usize; NODES + 1],
    relation: Column<'a>,
    other: Column<'a>,
    unit: i64,
    at: Column<'a>,
    decimals: u8,
    weight: Column<'a>,
}

impl<'a> Block<'a> {
    /// Reads what [`write`] wrote; none when that cannot be it.
    pub fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let n = u32::from_le_bytes(take(bytes)?) as usize;
        let counts = Column::read(NODES, bytes)?;
        let mut starts = [0_usize; NODES + 1];
        for node in 0..NODES {
            starts[node + 1] = starts[node].checked_add(usize::try_from(counts.get(node)).ok()?)?;
        }
        if starts[NODES] != n {
            return None;
        }
        let (relation, other) = (Column::read(n, bytes)?, Column::read(n, bytes)?);
        let [whole] = take(bytes)?;
        let at = Column::read(n, bytes)?;
        let [decimals] = take(bytes)?;
        let weight = Column::read(n, bytes)?;
        let unit = if whole == 1 { SECOND } else { 1 };
        Some(Self { starts, relation, other, unit, at, decimals, weight })
    }

    /// The pieces of a node, by its place in the block, ascending by relation, other end and time; an item
    /// is none where the bytes make no piece.
    pub fn row(&self, node: usize) -> impl Iterator<Item = Option<Piece>> + '_ {
        (self.starts[node]..self.starts[node + 1]).map(|place| self.piece(place))
    }

    fn piece(&self, place: usize) -> Option<Piece> {
        let weight = self.weight.get(place);
        Some(Piece {
            relation: RelationId(self.relation.get(place) as u16),
            other: u32::try_from(self.other.get(place)).ok()?,
            at: Timestamp::from_millis(self.at.get(place).checked_mul(self.unit)?)?,
            weight: match self.decimals {
                BITS => f32::from_bits(weight as u32),
                decimals => weight_of(weight, power(decimals)),
            },
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weight() -> impl Strategy<Value = f32> {
        prop_oneof![(-9999_i32..9999).prop_map(|n| n as f32 / 1000.0), any::<f32>()]
    }

    fn pieces(unit: i64) -> impl Strategy<Value = Vec<(usize, Piece)>> {
        let piece = (0..NODES, any::<u16>(), any::<u32>(), 0..200_000_000_000_000 / unit, weight());
        let piece = piece.prop_map(move |(node, relation, other, at, weight)| {
            let at = Timestamp::from_millis(at * unit).unwrap();
            (node, Piece { relation: RelationId(relation), other, at, weight })
        });
        prop::collection::vec(piece, 0..200)
    }

    proptest! {
        #[test]
        fn blocks_read_back(mut owned in prop_oneof![pieces(1), pieces(SECOND)], cut in 0..100_usize) {
            owned.sort_by_key(|(node, _)| *node);
            let mut counts = [0; NODES];
            owned.iter().for_each(|(node, _)| counts[*node] += 1);
            let pieces: Vec<Piece> = owned.iter().map(|(_, piece)| *piece).collect();
            let mut bytes = Vec::new();
            write(&counts, &pieces, &mut bytes);
            let block = Block::read(&bytes).unwrap();
            let back: Vec<_> =
                (0..NODES).flat_map(|node| block.row(node).map(move |piece| (node, piece))).collect();
            prop_assert_eq!(back.len(), owned.len());
            for ((node, piece), (known, expected)) in back.into_iter().zip(owned) {
                let piece = piece.unwrap();
                prop_assert_eq!(node, known);
                prop_assert_eq!(piece.weight.to_bits(), expected.weight.to_bits());
                prop_assert_eq!(Piece { weight: 0.0, ..piece }, Piece { weight: 0.0, ..expected });
            }
            // Fewer bytes are no block.
            prop_assert!(Block::read(&bytes[..bytes.len() - 1 - cut.min(bytes.len() - 1)]).is_none());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(block) = Block::read(&bytes) {
                (0..NODES).flat_map(|node| block.row(node)).for_each(drop);
            }
        }
    }
}
