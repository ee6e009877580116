//! Self-attention of one text.
//!
//! Both products of a head run over panels as those of the linear maps do: the keys are turned once
//! per head, and the weights of a few tokens at a time stay in the nearest cache.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::packed::Aligned;
use super::tile::Tile;
use super::{Isa, Lanes, Task, row};

/// Attention of every token of a text to every other.
pub(in super::super) struct Attention<'a> {
    /// Queries, keys and values of all heads: `[length, 3, heads, head]`; the scale is in the
    /// queries.
    pub(in super::super) joined: &'a [f32],
    /// Number of heads.
    pub(in super::super) n_heads: usize,
    /// `[length, heads, head]`.
    pub(in super::super) to: &'a mut [f32],
    /// How many tokens there are.
    pub(in super::super) length: usize,
    /// Room.
    pub(in super::super) scratch: &'a mut AttentionScratch,
}

/// Room that is used again and again.
#[derive(Default)]
pub(in super::super) struct AttentionScratch {
    /// `[length / COLUMNS, head, COLUMNS]`.
    keys: Aligned<f32>,
    /// `[head / COLUMNS, length, COLUMNS]`.
    values: Aligned<f32>,
    /// `[ROWS, width]`.
    weights: Aligned<f32>,
}

impl<I: Isa> Task<I> for Attention<'_> {
    #[inline(always)]
    fn run(self, isa: I) {
        let Self { joined, n_heads, to, length, scratch } = self;
        let AttentionScratch { keys, values, weights } = scratch;
        let (columns, rows) = (<I as Lanes<f32>>::COLUMNS, <I as Lanes<f32>>::ROWS);
        let hidden = to.len() / length;
        let (head, stride) = (hidden / n_heads, 3 * hidden);
        let width = length.next_multiple_of(columns);
        keys.resize(width * head);
        values.resize(head.next_multiple_of(columns) * length);
        weights.resize(rows * width);
        let (keys, values, weights) = (keys.get_mut(), values.get_mut(), weights.get_mut());
        for start in (0..hidden).step_by(head) {
            pack_keys(&joined[hidden + start..], (length, stride), head, columns, keys);
            pack_values(&joined[2 * hidden + start..], (length, stride), head, columns, values);
            for first in (0..length).step_by(rows) {
                let n_rows = rows.min(length - first);
                for (index, panel) in keys.chunks_exact(head * columns).enumerate() {
                    let scores = Tile {
                        left: &joined[first * stride + start..],
                        stride,
                        n_rows,
                        panel,
                        to: &mut weights[index * columns..],
                        to_stride: width,
                        n_columns: columns,
                    };
                    scores.compute::<I, f32>(isa);
                }
                for row in weights.chunks_exact_mut(width).take(n_rows) {
                    row::softmax(row, length);
                }
                for (index, panel) in values.chunks_exact(length * columns).enumerate() {
                    let attended = Tile {
                        left: weights,
                        stride: width,
                        n_rows,
                        panel,
                        to: &mut to[first * hidden + start + index * columns..],
                        to_stride: hidden,
                        n_columns: columns.min(head - index * columns),
                    };
                    attended.compute::<I, f32>(isa);
                }
            }
        }
    }
}

/// Turns the keys of a head into panels; places beyond the last key are zero.
#[inline(always)]
fn pack_keys(
    from: &[f32],
    (length, stride): (usize, usize),
    head: usize,
    columns: usize,
    to: &mut [f32],
) {
    for (index, panel) in to.chunks_exact_mut(head * columns).enumerate() {
        for column in 0..columns {
            let key = index * columns + column;
            let places = panel[column..].iter_mut().step_by(columns);
            if key < length {
                let key = &from[key * stride..][..head];
                places.zip(key).for_each(|(place, value)| *place = *value);
            } else {
                places.for_each(|place| *place = 0.0);
            }
        }
    }
}

/// Copies the values of a head into panels; columns beyond the last are zero.
#[inline(always)]
fn pack_values(
    from: &[f32],
    (length, stride): (usize, usize),
    head: usize,
    columns: usize,
    to: &mut [f32],
) {
    for (index, panel) in to.chunks_exact_mut(length * columns).enumerate() {
        let first = index * columns;
        let n_columns = columns.min(head - first);
        for (token, row) in panel.chunks_exact_mut(columns).enumerate() {
            row[..n_columns].copy_from_slice(&from[token * stride + first..][..n_columns]);
            row[n_columns..].fill(0.0);
        }
    }
}
