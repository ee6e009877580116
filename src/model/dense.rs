//! A dense matrix, its products and the inverse of a positive definite one.

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// A dense matrix of `f32`, by rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dense {
    n_rows: usize,
    n_columns: usize,
    values: Vec<f32>,
}

/// Rows that one task of a product takes; fixed, so that threads change no sum.
const STRIP: usize = 256;

impl Dense {
    /// Zeros.
    pub fn zeros(n_rows: usize, n_columns: usize) -> Self {
        Self { n_rows, n_columns, values: vec![0.0; n_rows * n_columns] }
    }

    /// The matrix with these values, row after row.
    ///
    /// # Panics
    /// When there are not `n_rows * n_columns` values.
    pub fn from_values(n_rows: usize, n_columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), n_rows * n_columns, "one value a cell");
        Self { n_rows, n_columns, values }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// A row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }

    /// A row, to change.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All rows, to change in parallel.
    pub fn par_rows_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        self.values.par_chunks_mut(self.n_columns.max(1))
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Self {
        let mut turned = Self::zeros(self.n_columns, self.n_rows);
        turned.par_rows_mut().enumerate().for_each(|(column, row)| {
            for (at, value) in row.iter_mut().enumerate() {
                *value = self.values[at * self.n_columns + column];
            }
        });
        turned
    }

    /// `self · other`.
    ///
    /// # Panics
    /// When `self` has not as many columns as `other` has rows.
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.n_columns, other.n_rows, "inner sizes of a product");
        let mut product = Self::zeros(self.n_rows, other.n_columns);
        let (inner, width) = (self.n_columns, other.n_columns);
        product.values.par_chunks_mut((STRIP * width).max(1)).enumerate().for_each(
            |(strip, target)| {
                let n_rows = target.len() / width.max(1);
                let left = &self.values[strip * STRIP * inner..][..n_rows * inner];
                multiply(
                    target,
                    left,
                    &other.values,
                    [n_rows, inner, width],
                    [width, inner, width],
                    [0.0, 1.0],
                );
            },
        );
        product
    }

    /// The inverse of a symmetric positive definite matrix, in place.
    ///
    /// Gauss-Jordan elimination by blocks on the lower triangle: all work is products of blocks of
    /// fixed size, so the bits do not depend on the number of threads.
    ///
    /// # Panics
    /// When the matrix is not square.
    ///
    /// # Complexity
    /// * Time: **n³** additions and multiplications.
    /// * Space: two strips of `n` times 256 beside the matrix.
    ///
    /// # Source
    /// The sweep operator (Goodnight, "A tutorial on the sweep operator", The American Statistician
    /// 1979), by blocks.
    pub fn invert_positive_definite(&mut self) {
        assert_eq!(self.n_rows, self.n_columns, "a square matrix");
        let n = self.n_rows;
        for start in (0..n).step_by(STRIP) {
            let width = STRIP.min(n - start);
            // The pivot's column, whole: below the diagonal as it lies, above it mirrored.
            let mut column = vec![0.0_f32; n * width];
            for row in 0..n {
                for at in 0..width {
                    let (low, high) = (row.max(start + at), row.min(start + at));
                    column[row * width + at] = self.values[low * n + high];
                }
            }
            let pivot = inverse(&column[start * width..(start + width) * width], width);
            let mut scaled = vec![0.0_f32; n * width];
            scaled.par_chunks_mut(STRIP * width).zip(column.par_chunks(STRIP * width)).for_each(
                |(target, source)| {
                    let rows = target.len() / width;
                    multiply(target, source, &pivot, [rows, width, width], [width; 3], [0.0, 1.0]);
                },
            );
            // The row of the pivot is the column turned.
            let turned = Self::from_values(n, width, column).transposed();
            self.values.par_chunks_mut(STRIP * n).enumerate().for_each(|(strip, target)| {
                let first = strip * STRIP;
                let rows = target.len() / n;
                // Whole blocks of the lower triangle.
                let columns = (first + rows).min(n);
                let left = &scaled[first * width..][..rows * width];
                let sizes = [rows, width, columns];
                multiply(target, left, &turned.values, sizes, [n, width, n], [1.0, -1.0]);
                for row in 0..rows {
                    let (own, line) = (first + row, &mut target[row * n..(row + 1) * n]);
                    if (start..start + width).contains(&own) {
                        for (at, value) in line[..columns].iter_mut().enumerate() {
                            *value = if (start..start + width).contains(&at) {
                                -pivot[(own - start) * width + at - start]
                            } else {
                                scaled[at * width + own - start]
                            };
                        }
                    } else if start + width <= columns {
                        line[start..start + width].copy_from_slice(&left[row * width..][..width]);
                    }
                }
            });
        }
        for row in 0..n {
            for column in 0..=row {
                let value = -self.values[row * n + column];
                self.values[row * n + column] = value;
                self.values[column * n + row] = value;
            }
        }
    }
}

/// The product of two matrices, `[m, k]` and `[k, n]`, each given by its values row after row, or, where
/// the flag says so, those of its transpose.
///
/// # Panics
/// When a matrix has fewer values than `sizes`, which are `[m, k, n]`, ask for.
pub(super) fn product(
    (left, left_turned): (&[f32], bool),
    (right, right_turned): (&[f32], bool),
    sizes: [usize; 3],
) -> Vec<f32> {
    let [m, k, n] = sizes;
    let of_left = if left_turned { [1, m] } else { [k, 1] };
    let of_right = if right_turned { [1, k] } else { [n, 1] };
    let mut target = vec![0.0; m * n];
    target.par_chunks_mut((STRIP * n).max(1)).enumerate().for_each(|(strip, target)| {
        let left = &left[(strip * STRIP * of_left[0]).min(left.len())..];
        let sizes = [target.len() / n.max(1), k, n];
        multiply_strided(target, left, right, sizes, [[n, 1], of_left, of_right], [0.0, 1.0]);
    });
    target
}

/// `target = scales[0] · target + scales[1] · left · right`, on one thread.
///
/// `sizes`: rows of `left`, its columns, columns of `right`; `strides`: between rows of target, left
/// and right.
fn multiply(
    target: &mut [f32],
    left: &[f32],
    right: &[f32],
    sizes: [usize; 3],
    strides: [usize; 3],
    scales: [f32; 2],
) {
    multiply_strided(target, left, right, sizes, strides.map(|row| [row, 1]), scales);
}

/// The same, with `strides` between rows and between columns.
fn multiply_strided(
    target: &mut [f32],
    left: &[f32],
    right: &[f32],
    sizes: [usize; 3],
    strides: [[usize; 2]; 3],
    scales: [f32; 2],
) {
    let [m, k, n] = sizes;
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let spans = |at: usize, rows: usize, columns: usize| {
        (rows - 1) * strides[at][0] + (columns - 1) * strides[at][1]
            < [target.len(), left.len(), right.len()][at]
    };
    assert!(spans(0, m, n), "room for the product");
    assert!(spans(1, m, k), "the left factor whole");
    assert!(spans(2, k, n), "the right factor whole");
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    // SAFETY: the three lengths were checked above against sizes and strides.
    unsafe {
        gemm(
            m,
            n,
            k,
            target.as_mut_ptr(),
            strides[0][1] as isize,
            strides[0][0] as isize,
            scales[0] != 0.0,
            left.as_ptr(),
            strides[1][1] as isize,
            strides[1][0] as isize,
            right.as_ptr(),
            strides[2][1] as isize,
            strides[2][0] as isize,
            scales[0],
            scales[1],
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// The inverse of a small positive definite matrix, in double precision.
fn inverse(matrix: &[f32], n: usize) -> Vec<f32> {
    let mut work: Vec<f64> = matrix.iter().map(|value| f64::from(*value)).collect();
    for pivot in 0..n {
        let scale = 1.0 / work[pivot * n + pivot];
        let row: Vec<f64> = work[pivot * n..(pivot + 1) * n].to_vec();
        for other in (0..n).filter(|other| *other != pivot) {
            let factor = work[other * n + pivot] * scale;
            let line = &mut work[other * n..(other + 1) * n];
            for (value, above) in line.iter_mut().zip(&row) {
                *value -= factor * above;
            }
            line[pivot] = -factor;
        }
        for value in &mut work[pivot * n..(pivot + 1) * n] {
            *value *= scale;
        }
        work[pivot * n + pivot] = scale;
    }
    work.into_iter().map(|value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive definite matrix with some structure.
    fn definite(n: usize) -> Dense {
        let value = |row: usize, column: usize| {
            let near = ((row * 7 + column * 13) % 11) as f32 - 5.0;
            near * 0.05
        };
        let half = Dense::from_values(n, n, (0..n * n).map(|at| value(at / n, at % n)).collect());
        let mut whole = half.times(&half.transposed());
        for row in 0..n {
            whole.row_mut(row)[row] += 3.0;
        }
        whole
    }

    #[test]
    fn the_inverse_times_the_matrix_is_one() {
        for n in [1, 2, 100, 256, 300, 700] {
            let matrix = definite(n);
            let mut inverse = matrix.clone();
            inverse.invert_positive_definite();
            let one = matrix.times(&inverse);
            for row in 0..n {
                for (column, value) in one.row(row).iter().enumerate() {
                    let expected = if row == column { 1.0 } else { 0.0 };
                    assert!((value - expected).abs() < 2e-3, "{n}: {row} {column} {value}");
                }
            }
        }
    }

    #[test]
    fn a_turned_factor_is_its_transpose() {
        let (left, right) = (definite(300), definite(300));
        let expected = left.times(&right);
        let sizes = [300; 3];
        let (turned_left, turned_right) = (left.transposed(), right.transposed());
        let both = product((turned_left.values(), true), (turned_right.values(), true), sizes);
        let none = product((left.values(), false), (right.values(), false), sizes);
        let near = |values: &[f32]| {
            values.iter().zip(expected.values()).all(|(a, b)| (a - b).abs() < 1e-4)
        };
        assert!(near(&both) && near(&none));
    }

    #[test]
    fn threads_change_no_bit() {
        let inverted = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut matrix = definite(700);
                matrix.invert_positive_definite();
                matrix
            })
        };
        assert_eq!(inverted(1), inverted(3));
    }
}
