//! Products of dense matrices, by rows, in strips of fixed size, so that threads change no sum.

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// Rows of a product that one task makes.
const STRIP: usize = 64;

/// A factor of a product: its numbers and how far its rows and columns lie apart.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    values: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> Factor<'a> {
    /// Rows of `width` numbers.
    pub fn rows(values: &'a [f32], width: usize) -> Self {
        Self { values, row: width, column: 1 }
    }

    /// The same with rows as columns.
    pub fn turned(values: &'a [f32], width: usize) -> Self {
        Self { values, row: 1, column: width }
    }

    /// The numbers from a row on.
    fn after(self, row: usize) -> Self {
        Self { values: &self.values[(row * self.row).min(self.values.len())..], ..self }
    }
}

/// `target = left · right`; `target` is `[rows, width]`, the factors are `[rows, inner]` and
/// `[inner, width]`.
pub(super) fn product(target: &mut [f32], width: usize, left: Factor, inner: usize, right: Factor) {
    target.par_chunks_mut((STRIP * width).max(1)).enumerate().for_each(|(strip, target)| {
        multiply(target, width, left.after(strip * STRIP), inner, right);
    });
}

fn multiply(target: &mut [f32], width: usize, left: Factor, inner: usize, right: Factor) {
    if width == 0 || inner == 0 {
        target.fill(0.0);
        return;
    }
    let n_rows = target.len() / width;
    if n_rows == 0 {
        return;
    }
    let last = |factor: Factor, rows: usize, columns: usize| {
        (rows - 1) * factor.row + (columns - 1) * factor.column
    };
    assert!(last(left, n_rows, inner) < left.values.len(), "the left factor whole");
    assert!(last(right, inner, width) < right.values.len(), "the right factor whole");
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    // SAFETY: the last number of each factor was checked above to lie within it, and `target` holds
    // `n_rows` whole rows of `width`.
    unsafe {
        gemm(
            n_rows,
            width,
            inner,
            target.as_mut_ptr(),
            1,
            width as isize,
            false,
            left.values.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.values.as_ptr(),
            right.column as isize,
            right.row as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        let (n, inner, width) = (150, 7, 5);
        let left: Vec<f32> = (0..n * inner).map(|at| ((at * 7) % 11) as f32 - 5.0).collect();
        let right: Vec<f32> = (0..inner * width).map(|at| ((at * 5) % 13) as f32 - 6.0).collect();
        let turned: Vec<f32> =
            (0..width * inner).map(|at| right[at % inner * width + at / inner]).collect();
        let expected: Vec<f32> = (0..n * width)
            .map(|at| {
                let (row, column) = (at / width, at % width);
                (0..inner).map(|k| left[row * inner + k] * right[k * width + column]).sum()
            })
            .collect();
        let mut target = vec![1.0; n * width];
        let factor = Factor::rows(&left, inner);
        product(&mut target, width, factor, inner, Factor::rows(&right, width));
        assert_eq!(target, expected);
        product(&mut target, width, factor, inner, Factor::turned(&turned, inner));
        assert_eq!(target, expected);
    }
}
