//! What is left of a history when only the smoothest signals on the graph of items pass.
//!
//! The space that passes is found by subspace iteration; only the space matters, not the axes in it,
//! so no eigenvector is needed.
//!
//! Source: Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021, section 4.1:
//! the ideal low-pass part of GF-CF; likewise BSPM (Choi et al., SIGIR 2023). The subspace: Halko,
//! Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, algorithm 4.4.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::neighbors::distinct;
use super::vector::{add, dot, wide, widely};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

/// Times that the space is turned by the graph.
const TURNS: usize = 6;

pub(super) const ENTRY: Entry = Entry {
    name: "low_pass",
    about: "the smoothest part of a history on the graph of items",
    knobs: &[
        Knob {
            name: "d",
            about: "dimensions that pass",
            default: 256.0,
            grid: &[64.0, 128.0, 256.0, 512.0],
        },
        Knob {
            name: "item",
            about: "exponent by which an item weighs less the more users did it",
            default: 0.5,
            grid: &[0.35, 0.5],
        },
        Knob {
            name: "user",
            about: "exponent by which a user weighs less the more items they did",
            default: 0.5,
            grid: &[],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 100_000;

struct LowPass {
    /// `[n_items, d]`, orthonormal columns, then zeros up to a whole number of lanes.
    basis: Dense,
    /// What an item's acts are multiplied with before, and divided by after.
    scales: Vec<f32>,
    target: u8,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let power = |sums: Vec<f32>, exponent: f32| -> Vec<f32> {
        sums.into_iter().map(|sum| sum.max(1.0).powf(-exponent)).collect()
    };
    let scales = power(users.column_sums(), params.get("item") as f32);
    let of_user = power(users.row_sums(), params.get("user") as f32);
    let users = users.mapped(|user, item, value| value * of_user[user] * scales[item as usize]);
    let items = users.transposed();
    let d = (params.get("d") as usize).clamp(1, users.n_rows().min(users.n_columns()).max(1));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let n = users.n_columns() * d;
    let start: Vec<f32> = (0..n).map(|_| StandardNormal.sample(&mut random)).collect();
    let mut basis = orthonormal(&Dense::from_values(users.n_columns(), d, start));
    for _ in 0..TURNS {
        basis = orthonormal(&times(&items, &times(&users, &basis)));
    }
    Ok(Box::new(LowPass { basis: padded(&basis), scales, target: training.target }))
}

/// The same with columns of zeros up to whole steps of a vector's product.
fn padded(basis: &Dense) -> Dense {
    let mut wider = Dense::zeros(basis.n_rows(), wide(basis.n_columns()));
    for row in 0..basis.n_rows() {
        wider.row_mut(row)[..basis.n_columns()].copy_from_slice(basis.row(row));
    }
    wider
}

/// `left · right`.
fn times(left: &Sparse, right: &Dense) -> Dense {
    let mut product = Dense::zeros(left.n_rows(), right.n_columns());
    product.par_rows_mut().enumerate().for_each(|(row, target)| {
        for (middle, factor) in left.cells(row) {
            add(target, right.row(middle as usize), factor);
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

impl Model for LowPass {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let mut passed = vec![0.0; self.basis.n_columns()];
        for item in distinct(query.acts, self.target) {
            add(&mut passed, self.basis.row(item as usize), self.scales[item as usize]);
        }
        widely(|| {
            for (item, score) in scores.iter_mut().enumerate() {
                *score += dot(self.basis.row(item), &passed) / self.scales[item];
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    #[test]
    fn the_basis_is_orthonormal() {
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

    /// Two circles: items 0-2 by users 0-3, items 3-5 by users 4-6.
    fn scores(threads: usize) -> Vec<f32> {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let mut acts = Vec::new();
        for user in 0..7 {
            let first = if user < 4 { 0 } else { 3 };
            acts.extend((first..first + 3).filter(|i| i % 3 != user % 4).map(|i| (user, act(i))));
        }
        let training = Training::plain(Interactions::new(7, 6, acts), false);
        let params = ENTRY.defaults().with("d", 2.0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| fit(&training, &params, 1)).unwrap();
        let mut scores = vec![0.0; 6];
        model.score(&Query { user: Some(0), acts: training.interactions.of(0) }, &mut scores);
        scores
    }

    #[test]
    fn only_the_own_circle_passes() {
        let scores = scores(1);
        assert!(scores[..3].iter().all(|score| *score > 0.3), "{scores:?}");
        assert!(scores[3..].iter().all(|score| score.abs() < 1e-3), "{scores:?}");
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1), scores(3));
    }
}
