//! The directions that hold most of a sparse matrix.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::{Dense, Sparse};

/// Times that the matrix is applied.
const POWERS: usize = 4;

/// What keeps a Gram matrix positive definite, as a share of its mean diagonal.
const SHIFT: f64 = 1e-6;

/// A basis `[n_columns, dim]`, orthonormal up to rounding, of about the space of the greatest right
/// singular vectors of `matrix`; `turned` is its transpose.
///
/// # Complexity
/// * Time: **O(dim · cells + dim² · columns)**.
///
/// # Source
/// Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, algorithm 4.4.
pub(super) fn basis(matrix: &Sparse, turned: &Sparse, dim: usize, seed: u64) -> Dense {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let n = matrix.n_columns();
    let dim = dim.min(n).min(matrix.n_rows()).max(1);
    let values = (0..n * dim).map(|_| StandardNormal.sample(&mut random)).collect();
    let mut basis = Dense::from_values(n, dim, values);
    for _ in 0..POWERS {
        basis = orthonormal(&times(turned, &times(matrix, &basis)));
    }
    basis
}

/// `sparse · dense`.
pub(super) fn times(sparse: &Sparse, dense: &Dense) -> Dense {
    let mut product = Dense::zeros(sparse.n_rows(), dense.n_columns());
    product.par_rows_mut().enumerate().for_each(|(at, row)| {
        for (column, value) in sparse.cells(at) {
            for (sum, other) in row.iter_mut().zip(dense.row(column as usize)) {
                *sum += value * other;
            }
        }
    });
    product
}

/// Orthonormal columns that span what those of `matrix` do.
///
/// Source: Fukaya et al., "Shifted Cholesky QR for computing the QR factorization of ill-conditioned
/// matrices", SIAM J. Sci. Comput. 2020.
fn orthonormal(matrix: &Dense) -> Dense {
    let mut matrix = matrix.clone();
    for _ in 0..3 {
        let gram = matrix.transposed().times(&matrix);
        matrix = matrix.times(&inverse_factor(&gram));
    }
    matrix
}

/// The upper triangle `R⁻¹` with `gram + shift = RᵀR`.
fn inverse_factor(gram: &Dense) -> Dense {
    let n = gram.n_rows();
    let mean = (0..n).map(|at| f64::from(gram.row(at)[at])).sum::<f64>() / n as f64;
    let shift = (mean * SHIFT).max(f64::from(f32::MIN_POSITIVE));
    // The lower triangle of the factor, row by row.
    let mut lower = vec![0.0_f64; n * n];
    for row in 0..n {
        for column in 0..=row {
            let before = (0..column).map(|at| lower[row * n + at] * lower[column * n + at]);
            let rest = f64::from(gram.row(row)[column]) - before.sum::<f64>();
            lower[row * n + column] = if row == column {
                (rest + shift).max(shift).sqrt()
            } else {
                rest / lower[column * n + column]
            };
        }
    }
    // Forward substitution gives the rows of the lower triangle's inverse.
    let mut inverse = vec![0.0_f64; n * n];
    for column in 0..n {
        for row in column..n {
            let unit = f64::from(u8::from(row == column));
            let before = (column..row).map(|at| lower[row * n + at] * inverse[at * n + column]);
            inverse[row * n + column] = (unit - before.sum::<f64>()) / lower[row * n + row];
        }
    }
    let lower = Dense::from_values(n, n, inverse.into_iter().map(|value| value as f32).collect());
    lower.transposed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_orthonormal_and_holds_a_matrix_of_its_rank() {
        // Twenty rows, each a multiple of one of three.
        let patterns =
            [[1.0, 2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 3.0, 1.0, 0.0], [2.0, 0.0, 0.0, 1.0, 1.0]];
        let cells = (0..20_u32).flat_map(|row| {
            let scale = 1.0 + row as f32;
            let of = move |column: usize| patterns[row as usize % 3][column] * scale;
            (0..5).map(move |column| (row, column as u32, of(column)))
        });
        let matrix = Sparse::from_cells(20, 5, cells.filter(|cell| cell.2 != 0.0).collect());
        let basis = basis(&matrix, &matrix.transposed(), 3, 1);
        let gram = basis.transposed().times(&basis);
        for (at, value) in gram.values().iter().enumerate() {
            let unit = if at / 3 == at % 3 { 1.0 } else { 0.0 };
            assert!((value - unit).abs() < 1e-4, "{gram:?}");
        }
        let back = times(&matrix, &basis).times(&basis.transposed());
        for row in 0..20 {
            for (column, value) in back.row(row).iter().enumerate() {
                assert!((value - matrix.get(row, column as u32)).abs() < 1e-2);
            }
        }
    }
}
