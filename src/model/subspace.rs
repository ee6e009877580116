//! The directions that hold most of a sparse matrix.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::vector::add;
use super::{Dense, Sparse};

/// Times that the matrix is applied at least and at most.
const POWERS: [usize; 2] = [6, 24];

/// Columns that it is applied to at least: of few dimensions the last are followed closely by those left
/// out, and take more powers to tell from them.
const COLUMNS: usize = 1536;

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
    let dim = dim.clamp(1, n.min(matrix.n_rows()).max(1));
    let values = (0..n * dim).map(|_| StandardNormal.sample(&mut random)).collect();
    let mut basis = Dense::from_values(n, dim, values);
    for _ in 0..(COLUMNS / dim).clamp(POWERS[0], POWERS[1]) {
        basis = orthonormal(&times(turned, &times(matrix, &basis)));
    }
    basis
}

/// `sparse · dense`.
pub(super) fn times(sparse: &Sparse, dense: &Dense) -> Dense {
    let mut product = Dense::zeros(sparse.n_rows(), dense.n_columns());
    product.par_rows_mut().enumerate().for_each(|(at, row)| {
        for (column, value) in sparse.cells(at) {
            add(row, dense.row(column as usize), value);
        }
    });
    product
}

/// An orthonormal basis of what the columns span, but for directions too small to tell from noise.
///
/// Twice by the Cholesky factor of the columns' Gram matrix, which is as good as Householder's where
/// the columns are not nearly dependent.
///
/// # Source
/// Yamamoto, Nakatsukasa, Yanagisawa & Fukaya, "Roundoff error analysis of the `CholeskyQR2` algorithm",
/// Electronic Transactions on Numerical Analysis 2015.
fn orthonormal(columns: &Dense) -> Dense {
    let mut basis = columns.clone();
    for _ in 0..2 {
        let gram = basis.transposed().times(&basis);
        basis = basis.times(&inverse_factor(&gram));
    }
    basis
}

/// The upper triangle `U` with `U' gram U = 1`: the inverse of the Cholesky factor, turned. Directions
/// without length become zero.
fn inverse_factor(gram: &Dense) -> Dense {
    let n = gram.n_rows();
    let greatest = (0..n).map(|at| f64::from(gram.row(at)[at])).fold(0.0, f64::max);
    let mut factor = vec![0.0_f64; n * n];
    let mut inverse = vec![0.0_f64; n * n];
    for row in 0..n {
        for column in 0..row {
            let (own, other) = (&factor[row * n..][..column], &factor[column * n..][..column]);
            let sum: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
            let pivot = factor[column * n + column];
            let rest = f64::from(gram.row(row)[column]) - sum;
            factor[row * n + column] = if pivot > 0.0 { rest / pivot } else { 0.0 };
        }
        let squares: f64 = factor[row * n..][..row].iter().map(|value| value * value).sum();
        let rest = f64::from(gram.row(row)[row]) - squares;
        if rest <= greatest * 1e-9 {
            continue;
        }
        let pivot = rest.sqrt();
        factor[row * n + row] = pivot;
        // Row by row, L · inverse = 1.
        let (before, own) = inverse.split_at_mut(row * n);
        for column in 0..row {
            let weight = factor[row * n + column];
            for (value, above) in own[..=column].iter_mut().zip(&before[column * n..]) {
                *value -= weight * above;
            }
        }
        own[..row].iter_mut().for_each(|value| *value /= pivot);
        own[row] = 1.0 / pivot;
    }
    Dense::from_values(n, n, inverse.into_iter().map(|value| value as f32).collect()).transposed()
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

    #[test]
    fn the_columns_become_orthonormal() {
        let values = (0..60).map(|at| ((at * 37 + at * at) % 17) as f32 - 8.0).collect();
        let basis = orthonormal(&Dense::from_values(20, 3, values));
        let gram = basis.transposed().times(&basis);
        for row in 0..3 {
            for column in 0..3 {
                let expected = if row == column { 1.0 } else { 0.0 };
                assert!((gram.row(row)[column] - expected).abs() < 1e-5, "{gram:?}");
            }
        }
    }

    #[test]
    fn a_direction_without_length_becomes_zero() {
        let basis = orthonormal(&Dense::from_values(2, 2, vec![1.0, 2.0, 1.0, 2.0]));
        assert!(basis.row(0)[1].abs() < 1e-6 && (basis.row(0)[0] - 0.5_f32.sqrt()).abs() < 1e-6);
    }
}
