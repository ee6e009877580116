//! One tile of a product: a few rows by a few columns, whose sums stay in registers.
#![allow(unsafe_code, reason = "the inner loop reads without bounds checks")]
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::Lanes;

/// Room for the largest tile of all instruction sets, in sums.
const LARGEST: usize = 384;

/// Where a tile reads and writes; lengths in factors and sums.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Place<L, R> {
    left: *const L,
    stride: usize,
    n_rows: usize,
    panel: *const R,
    steps: usize,
    to: *mut f32,
    to_stride: usize,
}

/// A tile of a product.
pub(super) struct Tile<'a, L, R> {
    /// The input from the first row of the tile: row `r` starts at `r * stride`.
    pub(super) left: &'a [L],
    /// Factors from a row to the next.
    pub(super) stride: usize,
    /// Rows, at least 1 and at most [`Lanes::ROWS`].
    pub(super) n_rows: usize,
    /// Weights: `[steps, COLUMNS, GROUP]`.
    pub(super) panel: &'a [R],
    /// Where the sums go: row `r` starts at `r * to_stride`.
    pub(super) to: &'a mut [f32],
    /// Sums from a row to the next.
    pub(super) to_stride: usize,
    /// Columns that are kept, at most [`Lanes::COLUMNS`].
    pub(super) n_columns: usize,
}

impl<L: Copy, R: Copy> Tile<'_, L, R> {
    /// Writes the sums.
    ///
    /// # Panics
    /// When a slice is too short for what the numbers say.
    #[inline(always)]
    pub(super) fn compute<I: Lanes<K, Left = L, Right = R>, K>(self, isa: I) {
        let steps = self.panel.len() / (I::COLUMNS * I::GROUP);
        let last = self.n_rows.wrapping_sub(1);
        assert!(last < I::ROWS && self.n_columns <= I::COLUMNS, "a tile has a row and fits");
        assert!(last * self.stride + steps * I::GROUP <= self.left.len(), "the input is there");
        assert!(last * self.to_stride + self.n_columns <= self.to.len(), "the output has room");
        let mut place = Place {
            left: self.left.as_ptr(),
            stride: self.stride,
            n_rows: self.n_rows,
            panel: self.panel.as_ptr(),
            steps,
            to: self.to.as_mut_ptr(),
            to_stride: self.to_stride,
        };
        if self.n_columns == I::COLUMNS {
            // SAFETY: checked above; the panel has `steps` steps by the division.
            unsafe { isa.tile(&place) };
            return;
        }
        let mut spill = [0f32; LARGEST];
        assert!(self.n_rows * I::COLUMNS <= LARGEST, "the largest tile has room");
        (place.to, place.to_stride) = (spill.as_mut_ptr(), I::COLUMNS);
        // SAFETY: the input as above, and the output was checked just now.
        unsafe { isa.tile(&place) };
        let rows = self.to.chunks_mut(self.to_stride).zip(spill.chunks_exact(I::COLUMNS));
        for (to, sums) in rows.take(self.n_rows) {
            to[..self.n_columns].copy_from_slice(&sums[..self.n_columns]);
        }
    }
}

/// Computes `R` rows by `V` vectors of sums and writes the first `n_rows` rows.
///
/// # Safety
/// `left`, `panel` and `to` hold what the other fields of `at` say: `n_rows` rows, 1 to `R`, of
/// `steps * GROUP` factors; `steps * V * LANES * GROUP` weights; `n_rows` rows of `V * LANES` sums.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices that the compiler turns into registers")]
pub(super) unsafe fn run<I: Lanes<K>, K, const R: usize, const V: usize>(
    isa: I,
    at: &Place<I::Left, I::Right>,
) {
    let Place { left, stride, n_rows, mut panel, steps, to, to_stride } = *at;
    let mut rows = [left; R];
    for row in 1..R {
        // SAFETY: rows beyond the last read the last one again.
        rows[row] = unsafe { left.add(row.min(n_rows - 1) * stride) };
    }
    let mut sums = [[isa.zero(); V]; R];
    for step in 0..steps {
        let mut right = [isa.zero(); V];
        for vector in 0..V {
            // SAFETY: `step` is less than `steps`.
            right[vector] = unsafe { isa.load(panel.add(vector * I::LANES * I::GROUP)) };
        }
        for row in 0..R {
            // SAFETY: as above.
            let left = unsafe { isa.splat(rows[row].add(step * I::GROUP)) };
            for vector in 0..V {
                sums[row][vector] = isa.dot(sums[row][vector], left, right[vector]);
            }
        }
        // SAFETY: at most one past the end of the panel.
        panel = unsafe { panel.add(V * I::LANES * I::GROUP) };
    }
    for row in 0..R {
        if row < n_rows {
            for vector in 0..V {
                // SAFETY: the row is one of those with room.
                unsafe {
                    isa.store(sums[row][vector], to.add(row * to_stride + vector * I::LANES));
                }
            }
        }
    }
}
