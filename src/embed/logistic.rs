//! Logistic regression: what a row says about a label.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::lanes::{Dot, Isa, LANES, Work, blocks, blocks_mut, run};

/// Newton steps at most; it takes about eight.
const STEPS: usize = 50;
/// Halvings of a step that leads uphill.
const HALVINGS: usize = 20;
/// A step that gains less of the loss than this share is the last.
const ENOUGH: f64 = 1e-5;

/// Rows with a 1 at the end, each padded with zeros to a multiple of sixteen.
pub struct Features {
    n: usize,
    /// Numbers of a row that count, the 1 included.
    dim: usize,
    width: usize,
    values: Vec<f32>,
}

impl Features {
    /// These rows, of `dim` numbers each.
    pub fn new<'a>(dim: usize, rows: impl Iterator<Item = &'a [f32]>) -> Self {
        let width = (dim + 1).next_multiple_of(LANES);
        let mut values = Vec::new();
        for row in rows {
            let start = values.len();
            values.extend_from_slice(&row[..dim]);
            values.push(1.0);
            values.resize(start + width, 0.0);
        }
        Self { n: values.len() / width, dim: dim + 1, width, values }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

/// Weights of a logistic regression, the last for the 1 at the end of a row.
pub struct Logistic {
    weights: Vec<f32>,
}

impl Logistic {
    /// Fits the weights *w* that minimize *l2 |w|² / 2* plus the sum of *ln(1 + exp(-y w·x))* over rows *x*,
    /// where *y* is 1 for those of `positive` and -1 for others; by Newton's method.
    ///
    /// # Panics
    /// When there are not as many labels as rows.
    pub fn fit(features: &Features, positive: &[bool], l2: f64) -> Self {
        assert_eq!(features.n, positive.len(), "a label a row");
        let (dim, width) = (features.dim, features.width);
        let mut model = Self { weights: vec![0.0; width] };
        let mut loss = model.loss(features, positive, l2);
        let mut curvature = vec![0.0_f32; width * width];
        for _ in 0..STEPS {
            let mut slope = vec![0.0_f32; width];
            curvature.fill(0.0);
            run(Curve {
                model: &model,
                features,
                positive,
                slope: &mut slope,
                curvature: &mut curvature,
            });
            let mut matrix: Vec<f64> = (0..dim * dim)
                .map(|at| (at / dim, at % dim))
                .map(|(row, column)| {
                    f64::from(curvature[row.min(column) * width + row.max(column)])
                })
                .collect();
            (0..dim).for_each(|at| matrix[at * dim + at] += l2);
            let mut step: Vec<f64> = (0..dim)
                .map(|at| f64::from(slope[at]) + l2 * f64::from(model.weights[at]))
                .collect();
            solve(&mut matrix, &mut step);
            let mut scale = 1.0;
            let mut better = None;
            for _ in 0..HALVINGS {
                let moved = model.weights.iter().zip(step.iter().chain(std::iter::repeat(&0.0)));
                let weights =
                    moved.map(|(weight, step)| (f64::from(*weight) - scale * step) as f32);
                let tried = Self { weights: weights.collect() };
                let found = tried.loss(features, positive, l2);
                if found < loss {
                    better = Some((tried, found));
                    break;
                }
                scale /= 2.0;
            }
            let Some((tried, found)) = better else { break };
            let gain = loss - found;
            (model, loss) = (tried, found);
            if gain <= ENOUGH * loss {
                break;
            }
        }
        model
    }

    fn loss(&self, features: &Features, positive: &[bool], l2: f64) -> f64 {
        let size: f64 = self.weights.iter().map(|weight| f64::from(*weight).powi(2)).sum();
        let losses = self.scores(features).into_iter().zip(positive).map(|(score, positive)| {
            let margin = f64::from(if *positive { score } else { -score });
            (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
        });
        l2 / 2.0 * size + losses.sum::<f64>()
    }

    /// How strongly each row speaks for the label: 0 is even.
    pub fn scores(&self, features: &Features) -> Vec<f32> {
        features.rows().map(|row| run(Dot(row, &self.weights))).collect()
    }
}

/// Slope and curvature of the loss, without that of the weights' size.
struct Curve<'a> {
    model: &'a Logistic,
    features: &'a Features,
    positive: &'a [bool],
    /// `[width]`.
    slope: &'a mut [f32],
    /// `[width, width]`, the upper half by blocks.
    curvature: &'a mut [f32],
}

impl Work for Curve<'_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { model, features, positive, slope, curvature } = self;
        let width = features.width;
        for (row, positive) in features.rows().zip(positive) {
            let score = Dot(row, &model.weights).run(isa);
            let chance = 1.0 / (1.0 + (-score).exp());
            let pull = isa.splat(chance - f32::from(u8::from(*positive)));
            for (slope, value) in blocks_mut(slope).iter_mut().zip(blocks(row)) {
                isa.store(isa.fma(pull, isa.load(value), isa.load(slope)), slope);
            }
            let bend = chance * (1.0 - chance);
            for (at, value) in row[..features.dim].iter().enumerate() {
                let scale = isa.splat(bend * value);
                let line = blocks_mut(&mut curvature[at * width..][..width]);
                let first = at / LANES;
                for (sum, value) in line[first..].iter_mut().zip(&blocks(row)[first..]) {
                    isa.store(isa.fma(scale, isa.load(value), isa.load(sum)), sum);
                }
            }
        }
    }
}

/// Solves `matrix · x = right` in place by Cholesky's method; only the lower half of `matrix`, a positive
/// definite one, is read.
pub(crate) fn solve(matrix: &mut [f64], right: &mut [f64]) {
    let n = right.len();
    for row in 0..n {
        for column in 0..=row {
            let sum: f64 =
                (0..column).map(|at| matrix[row * n + at] * matrix[column * n + at]).sum();
            let rest = matrix[row * n + column] - sum;
            matrix[row * n + column] = if row == column {
                rest.max(f64::MIN_POSITIVE).sqrt()
            } else {
                rest / matrix[column * n + column]
            };
        }
    }
    for row in 0..n {
        let sum: f64 = (0..row).map(|at| matrix[row * n + at] * right[at]).sum();
        right[row] = (right[row] - sum) / matrix[row * n + row];
    }
    for row in (0..n).rev() {
        let sum: f64 = (row + 1..n).map(|at| matrix[at * n + row] * right[at]).sum();
        right[row] = (right[row] - sum) / matrix[row * n + row];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_its_closed_form() {
        // Two rows 1 and -1 labelled by their sign: w solves w = 2 / (1 + exp(w)), so w = 0.6752...
        let rows = [[1.0_f32], [-1.0]];
        let features = Features::new(1, rows.iter().map(<[f32; 1]>::as_slice));
        let model = Logistic::fit(&features, &[true, false], 1.0);
        let weight = f64::from(model.weights[0]);
        assert!((weight - 2.0 / (1.0 + weight.exp())).abs() < 1e-3, "{weight}");
        assert!(model.weights[1].abs() < 1e-6);
    }

    #[test]
    fn a_slope_is_found_and_the_rest_is_not() {
        let value = |at: usize| ((at * 7919) % 1000) as f32 / 500.0 - 1.0;
        let rows: Vec<[f32; 20]> =
            (0..600).map(|row| std::array::from_fn(|at| value(row * 20 + at))).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row[4] > 0.3).collect();
        let features = Features::new(20, rows.iter().map(<[f32; 20]>::as_slice));
        let model = Logistic::fit(&features, &labels, 1.0);
        let largest = (0..20).max_by(|a, b| model.weights[*a].total_cmp(&model.weights[*b]));
        assert_eq!(largest, Some(4));
        let scores = model.scores(&features);
        let right = scores.iter().zip(&labels).filter(|(score, label)| (**score > 0.0) == **label);
        assert!(right.count() > 560);
    }
}
