//! Users and items as points of few dimensions, whose products tell done from not done.
//!
//! A user is solved anew from the history at hand, so that somebody new is served like anybody else.
//!
//! Source: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, in
//! the form of Rendle, Krichene, Zhang & Koren, "Revisiting the performance of iALS on item
//! recommendation benchmarks", RecSys 2022, equations 1-5 with ν = 1, solved by a few steps of
//! conjugate gradients for all rows at once (Takács, Pilászy & Tikk, "Applications of the conjugate
//! gradient method for implicit feedback collaborative filtering", RecSys 2011).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::dense::dot;
use super::neighbors::distinct;
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

/// Steps of conjugate gradients for each half of an epoch.
const STEPS: usize = 4;

/// Steps that solve a query's user from nothing.
const QUERY_STEPS: usize = 12;

/// Deviation of a first point's length.
const START: f32 = 0.1;

pub(super) const ENTRY: Entry = Entry {
    name: "ials",
    about: "users and items as points of few dimensions",
    knobs: &[
        Knob {
            name: "alpha",
            about: "weight of what was not done",
            default: 0.1,
            grid: &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
        },
        Knob {
            name: "l2",
            about: "weight of the squares of the points, by how much was done",
            default: 0.01,
            grid: &[0.003, 0.01, 0.03],
        },
        Knob { name: "d", about: "dimensions", default: 128.0, grid: &[64.0, 128.0, 256.0] },
        Knob { name: "epochs", about: "times that all points are solved", default: 10.0, grid: &[10.0] },
    ],
    applies: |_| true,
    fit,
};

struct Ials {
    /// `[n_items, d]`.
    items: Dense,
    /// `alpha` times the items' Gram matrix, `[d, d]`.
    gram: Dense,
    rule: Rule,
    target: u8,
}

/// What weighs how much.
#[derive(Clone, Copy)]
struct Rule {
    alpha: f32,
    l2: f32,
}

impl Rule {
    /// The penalty of a point with `n` things done out of `all`.
    fn penalty(self, n: usize, all: usize) -> f32 {
        self.l2 * (n as f32 + self.alpha * all as f32)
    }
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let by_item = users.transposed();
    let rule = Rule { alpha: params.get("alpha") as f32, l2: params.get("l2") as f32 };
    let d = (params.get("d") as usize).max(1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut points = |n: usize| {
        let normal = Normal::new(0.0, START / (d as f32).sqrt()).ok();
        let value = || normal.map_or(0.0, |normal| normal.sample(&mut random));
        Dense::from_values(n, d, std::iter::repeat_with(value).take(n * d).collect())
    };
    let (mut user_points, mut items) = (points(users.n_rows()), points(users.n_columns()));
    for _ in 0..params.get("epochs") as usize {
        solve(&mut user_points, &users, &items, rule, STEPS);
        solve(&mut items, &by_item, &user_points, rule, STEPS);
    }
    let gram = scaled_gram(&items, rule.alpha);
    Ok(Box::new(Ials { items, gram, rule, target: training.target }))
}

/// `alpha` times `points' · points`.
fn scaled_gram(points: &Dense, alpha: f32) -> Dense {
    let gram = points.transposed().times(points);
    let values = gram.values().iter().map(|value| alpha * value).collect();
    Dense::from_values(gram.n_rows(), gram.n_columns(), values)
}

/// Moves each of `points` towards what best gives its row of `done` from `others`, which stay.
fn solve(points: &mut Dense, done: &Sparse, others: &Dense, rule: Rule, steps: usize) {
    let d = points.n_columns();
    let gram = scaled_gram(others, rule.alpha);
    let all = others.n_rows();
    let times = |values: &Dense| -> Dense {
        let mut product = values.times(&gram);
        product.par_rows_mut().enumerate().for_each(|(row, target)| {
            let own = values.row(row);
            let (columns, _) = done.row(row);
            add_done(target, own, others, columns, rule.penalty(columns.len(), all));
        });
        product
    };
    // residual = b - A x; b is the sum of the done ones' points.
    let mut residual = times(points);
    residual.par_rows_mut().enumerate().for_each(|(row, target)| {
        target.iter_mut().for_each(|value| *value = -*value);
        for column in done.row(row).0 {
            add(target, 1.0, others.row(*column as usize));
        }
    });
    let mut direction = residual.clone();
    for _ in 0..steps {
        let product = times(&direction);
        points
            .par_rows_mut()
            .zip(residual.par_rows_mut())
            .zip(direction.par_rows_mut())
            .enumerate()
            .for_each(|(row, ((point, residual), direction))| {
                step(point, residual, direction, &product.values()[row * d..(row + 1) * d]);
            });
    }
}

/// Adds what the done ones and the penalty add to the product with `own`.
fn add_done(target: &mut [f32], own: &[f32], others: &Dense, done: &[u32], penalty: f32) {
    for column in done {
        let other = others.row(*column as usize);
        add(target, dot(other, own), other);
    }
    add(target, penalty, own);
}

/// A step of conjugate gradients; `product` is the matrix times `direction`.
fn step(point: &mut [f32], residual: &mut [f32], direction: &mut [f32], product: &[f32]) {
    let before = dot(residual, residual);
    let curve = dot(direction, product);
    if before <= f32::MIN_POSITIVE || curve <= f32::MIN_POSITIVE {
        return;
    }
    let length = before / curve;
    add(point, length, direction);
    add(residual, -length, product);
    let turn = dot(residual, residual) / before;
    for (value, rest) in direction.iter_mut().zip(residual.iter()) {
        *value = rest + turn * *value;
    }
}

fn add(target: &mut [f32], factor: f32, source: &[f32]) {
    for (value, other) in target.iter_mut().zip(source) {
        *value += factor * other;
    }
}

impl Model for Ials {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let done = distinct(query.acts, self.target);
        let d = self.items.n_columns();
        let penalty = self.rule.penalty(done.len(), self.items.n_rows());
        let mut residual = vec![0.0; d];
        for item in &done {
            add(&mut residual, 1.0, self.items.row(*item as usize));
        }
        let (mut point, mut direction) = (vec![0.0; d], residual.clone());
        for _ in 0..QUERY_STEPS {
            let mut product: Vec<f32> =
                (0..d).map(|row| dot(self.gram.row(row), &direction)).collect();
            add_done(&mut product, &direction, &self.items, &done, penalty);
            step(&mut point, &mut residual, &mut direction, &product);
        }
        for (item, score) in scores.iter_mut().enumerate() {
            *score += dot(self.items.row(item), &point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    /// Two circles of users and items, all done but one pair of each.
    fn training() -> Training {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let mut acts = Vec::new();
        for user in 0..12 {
            let first = if user < 6 { 0 } else { 5 };
            acts.extend((first..first + 5).filter(|i| i % 5 != user % 6).map(|i| (user, act(i))));
        }
        Training::plain(Interactions::new(12, 10, acts), false)
    }

    fn fitted(threads: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let training = training();
        let params = ENTRY.defaults().with("d", 4.0);
        let model = pool.install(|| fit(&training, &params, 1)).unwrap();
        let mut scores = vec![0.0; 10];
        let query = Query { user: Some(0), acts: training.interactions.of(0) };
        model.score(&query, &mut scores);
        scores
    }

    #[test]
    fn what_the_own_circle_did_scores_best() {
        let scores = fitted(1);
        for other in 5..10 {
            assert!(scores[0] > scores[other] + 0.2, "{scores:?}");
        }
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(fitted(1), fitted(3));
    }

    #[test]
    fn conjugate_gradients_end_at_the_solution() {
        // One point of two dimensions: A = 0.5·(1 + 1) I + h h' + penalty, by hand for h = (1, 0).
        let others = Dense::from_values(2, 2, vec![1.0, 0.0, 0.0, 1.0]);
        let done = Sparse::from_cells(1, 2, vec![(0, 0, 1.0)]);
        let rule = Rule { alpha: 0.5, l2: 0.25 };
        let mut points = Dense::zeros(1, 2);
        solve(&mut points, &done, &others, rule, 3);
        // penalty 0.25 · (1 + 0.5 · 2) = 0.5; (0.5 + 1 + 0.5) x = 1.
        assert!((points.row(0)[0] - 0.5).abs() < 1e-6 && points.row(0)[1].abs() < 1e-6);
    }
}
