//! Weights in the order in which tiles read them.

use super::Lanes;
use super::tile::Tile;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values that begin at the start of a cache line.
pub(super) struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), start: 0, len: 0 }
    }
}

impl<T: Copy + Default> Aligned<T> {
    /// Makes room for `len` values, of which nothing is promised.
    pub(super) fn resize(&mut self, len: usize) {
        let room = len + LINE / size_of::<T>();
        if self.values.len() < room {
            self.values = vec![T::default(); room];
            // No vector reaches so far that the offset could not be told.
            self.start = self.values.as_ptr().align_offset(LINE).min(room - len);
        }
        self.len = len;
    }

    pub(super) fn get(&self) -> &[T] {
        &self.values[self.start..self.start + self.len]
    }

    pub(super) fn get_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..self.start + self.len]
    }
}

/// A matrix as panels: `[columns / COLUMNS, steps, COLUMNS, GROUP]`, filled up with zeros.
pub(super) struct Packed<I: Lanes<K>, K> {
    values: Aligned<<I as Lanes<K>>::Right>,
    n_columns: usize,
    steps: usize,
}

impl<I: Lanes<K>, K> Packed<I, K> {
    /// Packs `n_columns` columns of `n_factors` factors; `value(column, factor)` tells each.
    pub(super) fn new(
        n_columns: usize,
        n_factors: usize,
        value: impl Fn(usize, usize) -> I::Right,
    ) -> Self {
        let steps = n_factors.div_ceil(I::GROUP);
        let mut values = Aligned::default();
        values.resize(n_columns.next_multiple_of(I::COLUMNS) * steps * I::GROUP);
        for (index, to) in values.get_mut().iter_mut().enumerate() {
            let (cell, factor) = (index / I::GROUP, index % I::GROUP);
            let (panel, cell) = (cell / (steps * I::COLUMNS), cell % (steps * I::COLUMNS));
            let column = panel * I::COLUMNS + cell % I::COLUMNS;
            let factor = cell / I::COLUMNS * I::GROUP + factor;
            if column < n_columns && factor < n_factors {
                *to = value(column, factor);
            }
        }
        Self { values, n_columns, steps }
    }

    /// Factors from a row of the input to the next.
    pub(super) fn stride(&self) -> usize {
        self.steps * I::GROUP
    }

    /// The product of `left`, `[n_rows, stride]`, with the weights: `to` is `[n_rows, n_columns]`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the caller is compiled for the instruction set")]
    pub(super) fn multiply(&self, isa: I, left: &[I::Left], to: &mut [f32]) {
        let (stride, n_columns) = (self.stride(), self.n_columns);
        let n_rows = to.len() / n_columns;
        let panels = self.values.get().chunks_exact(stride * I::COLUMNS);
        for (panel, first_column) in panels.zip((0..n_columns).step_by(I::COLUMNS)) {
            for first in (0..n_rows).step_by(I::ROWS) {
                let tile = Tile {
                    left: &left[first * stride..],
                    stride,
                    n_rows: I::ROWS.min(n_rows - first),
                    panel,
                    to: &mut to[first * n_columns + first_column..],
                    to_stride: n_columns,
                    n_columns: I::COLUMNS.min(n_columns - first_column),
                };
                tile.compute::<I, K>(isa);
            }
        }
    }
}
