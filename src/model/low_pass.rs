//! What is left of a history when only the smoothest signals on the graph of items pass.
//!
//! The space that passes is found by subspace iteration; only the space matters, not the axes in it,
//! so no eigenvector is needed.
//!
//! Source: Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021, section 4.1:
//! the ideal low-pass part of GF-CF; likewise BSPM (Choi et al., SIGIR 2023). The subspace: Halko,
//! Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, algorithm 4.4.

use super::neighbors::distinct;
use super::subspace::basis;
use super::vector::{add, dot, wide, widely};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

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
        ITEM,
        USER,
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// How much items are normalized.
pub(super) const ITEM: Knob = Knob {
    name: "item",
    about: "exponent by which an item weighs less the more users did it",
    default: 0.5,
    grid: &[0.35, 0.5],
};

/// How much users are.
pub(super) const USER: Knob = Knob {
    name: "user",
    about: "exponent by which a user weighs less the more items they did",
    default: 0.5,
    grid: &[],
};

/// Acts above which a fit takes more than some seconds.
pub(super) const FEW_ACTS: usize = 100_000;

/// Passes what lies in the space of the smoothest signals.
pub(super) struct LowPass {
    /// `[n_items, d]`, orthonormal columns, then zeros up to a whole number of lanes.
    basis: Dense,
    /// What an item's acts are multiplied with before, and divided by after.
    scales: Vec<f32>,
    target: u8,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let (users, scales) = normalized(training, params);
    let graph = (&users, &users.transposed());
    let d = params.get("d") as usize;
    Ok(Box::new(LowPass::new(graph, scales, d, seed, training.target)))
}

/// Users by items, divided by powers of both ends' degrees, and what an item's column was
/// multiplied with; the powers are the knobs `user` and `item`.
pub(super) fn normalized(training: &Training, params: &Params) -> (Sparse, Vec<f32>) {
    scaled(training.matrix(), params)
}

/// [`normalized`] of any matrix whose columns are items.
pub(super) fn scaled(users: Sparse, params: &Params) -> (Sparse, Vec<f32>) {
    let power = |sums: Vec<f32>, exponent: f64| -> Vec<f32> {
        sums.into_iter().map(|sum| sum.max(1.0).powf(-exponent as f32)).collect()
    };
    let scales = power(users.column_sums(), params.get("item"));
    let of_user = power(users.row_sums(), params.get("user"));
    (users.mapped(|user, item, value| value * of_user[user] * scales[item as usize]), scales)
}

impl LowPass {
    /// `graph` is the normalized matrix of users by items, and the same turned; `d` dimensions pass.
    pub(super) fn new(
        (users, items): (&Sparse, &Sparse),
        scales: Vec<f32>,
        d: usize,
        seed: u64,
        target: u8,
    ) -> Self {
        Self { basis: padded(&basis(users, items, d, seed)), scales, target }
    }

    /// Adds `weight` times what of each query's acts passes to `scores`, `[queries, n_items]`.
    pub(super) fn add(&self, queries: &[Query<'_>], weight: f32, scores: &mut [f32]) {
        let n_items = self.scales.len();
        let passed: Vec<Vec<f32>> = queries
            .iter()
            .map(|query| {
                let mut passed = vec![0.0; self.basis.n_columns()];
                for item in distinct(query.acts, self.target) {
                    let scale = weight * self.scales[item as usize];
                    add(&mut passed, self.basis.row(item as usize), scale);
                }
                passed
            })
            .collect();
        widely(|| {
            for (item, scale) in self.scales.iter().enumerate() {
                let row = self.basis.row(item);
                for (passed, scores) in passed.iter().zip(scores.chunks_exact_mut(n_items)) {
                    scores[item] += dot(row, passed) / scale;
                }
            }
        });
    }
}

impl Model for LowPass {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        self.score_all(&[*query], scores);
    }

    fn score_all(&self, queries: &[Query<'_>], scores: &mut [f32]) {
        self.add(queries, 1.0, scores);
    }
}

/// The same with columns of zeros up to whole steps of a vector's product.
fn padded(basis: &Dense) -> Dense {
    let mut wider = Dense::zeros(basis.n_rows(), wide(basis.n_columns()));
    for row in 0..basis.n_rows() {
        wider.row_mut(row)[..basis.n_columns()].copy_from_slice(basis.row(row));
    }
    wider
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

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
