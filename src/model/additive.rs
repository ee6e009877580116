//! A probability from several scores: a logistic regression whose terms bend at fixed places.
//!
//! Each score has a curve of its own, straight between knots, and the curves add up, so what a score
//! brings to the answer can be read off it.
//!
//! Source: Hastie & Tibshirani, "Generalized additive models", Statistical Science 1986, with linear
//! splines; fitted by Newton's method (Hastie, Tibshirani & Friedman, "The elements of statistical
//! learning", 2nd edition, section 4.4.1).

use crate::embed::solve;

/// Where curves bend: scores are minus the logarithm of a share, so most lie below 7.
const KNOTS: &[f64] = &[0.0, 0.5, 1.0, 2.0, 3.0, 4.5];

/// Weight of the squares of the slopes.
const L2: f64 = 1.0;

/// Steps of Newton's method.
const STEPS: usize = 20;

/// A fitted sum of curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Additive {
    /// The change of slope at each knot, score after score; the last is the constant.
    slopes: Vec<f64>,
}

impl Additive {
    /// Fits to rows of `n_scores` scores each, and whether each row's event happened.
    pub fn fit(rows: &[f32], n_scores: usize, happened: &[bool]) -> Self {
        let n = n_scores * KNOTS.len() + 1;
        let mut fitted = Self { slopes: vec![0.0; n] };
        let mut terms = Vec::with_capacity(n);
        for _ in 0..STEPS {
            let mut gradient: Vec<f64> = fitted.slopes.iter().map(|slope| -L2 * slope).collect();
            let mut curvature = vec![0.0; n * n];
            for (row, happened) in rows.chunks_exact(n_scores.max(1)).zip(happened) {
                bent(row, &mut terms);
                let probability = fitted.of_terms(&terms);
                let rest = f64::from(u8::from(*happened)) - probability;
                let weight = probability * (1.0 - probability);
                for (at, term) in terms.iter().enumerate().filter(|(_, term)| **term != 0.0) {
                    gradient[at] += rest * term;
                    for (other, value) in terms[..=at].iter().enumerate() {
                        curvature[at * n + other] += weight * term * value;
                    }
                }
            }
            for at in 0..n {
                curvature[at * n + at] += L2;
            }
            solve(&mut curvature, &mut gradient);
            for (slope, step) in fitted.slopes.iter_mut().zip(&gradient) {
                *slope += step;
            }
            if gradient.iter().all(|step| step.abs() < 1e-9) {
                break;
            }
        }
        fitted
    }

    /// The probability for a row of scores.
    pub fn probability(&self, row: &[f32]) -> f64 {
        let mut terms = Vec::with_capacity(self.slopes.len());
        bent(row, &mut terms);
        self.of_terms(&terms)
    }

    fn of_terms(&self, terms: &[f64]) -> f64 {
        let sum: f64 = terms.iter().zip(&self.slopes).map(|(term, slope)| term * slope).sum();
        1.0 / (1.0 + (-sum).exp())
    }
}

/// How far each score lies above each knot, and 1.
fn bent(row: &[f32], terms: &mut Vec<f64>) {
    terms.clear();
    for score in row {
        terms.extend(KNOTS.iter().map(|knot| (f64::from(*score) - knot).max(0.0)));
    }
    terms.push(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        // [4 2; 2 3] · [1, 2] = [8, 8]
        let (mut matrix, mut right) = (vec![4.0, 0.0, 2.0, 3.0], vec![8.0, 8.0]);
        solve(&mut matrix, &mut right);
        assert!((right[0] - 1.0).abs() < 1e-12 && (right[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn probabilities_are_the_shares_seen() {
        // Of rows with score 0 one in four happened, with score 3 three in four.
        let rows: Vec<f32> = (0..4000).map(|at| if at % 2 == 0 { 0.0 } else { 3.0 }).collect();
        let happened: Vec<bool> = (0..4000)
            .map(|at| if at % 2 == 0 { at / 2 % 4 == 0 } else { at / 2 % 4 != 0 })
            .collect();
        let fitted = Additive::fit(&rows, 1, &happened);
        assert!((fitted.probability(&[0.0]) - 0.25).abs() < 0.01);
        assert!((fitted.probability(&[3.0]) - 0.75).abs() < 0.01);
    }
}
