//! Softmax, and how surprising what happened is to it.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::vector::widely;
use super::ops::{Cells, slice, with};

/// Numbers that a step takes.
const LANES: usize = 16;

/// The exponential of a number that is not positive, to seven digits; next to 0 far below.
///
/// A polynomial on `[-ln 2 / 2, ln 2 / 2]` and a shift of the exponent, which compilers turn into wide
/// instructions (Cody & Waite, "Software manual for the elementary functions", 1980).
#[inline]
fn exp(x: f32) -> f32 {
    // Its last bits count in ones, so what is added to it is rounded.
    const TO_NEAREST: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 };
    let rounded = x * std::f32::consts::LOG2_E + TO_NEAREST;
    let power = rounded - TO_NEAREST;
    let rest = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        sum = sum * rest + coefficient;
    }
    let near = sum * rest * rest + rest + 1.0;
    near * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// Turns scores into probabilities; returns the logarithm of the sum of their exponentials.
#[inline]
pub(super) fn softmax(scores: &mut [f32]) -> f32 {
    let greater = |top: f32, score: f32| if score > top { score } else { top };
    let mut tops = [f32::NEG_INFINITY; LANES];
    let chunks = scores.chunks_exact(LANES);
    let mut top = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, greater);
    for chunk in chunks {
        for lane in 0..LANES {
            tops[lane] = greater(tops[lane], chunk[lane]);
        }
    }
    top = tops.into_iter().fold(top, greater);
    let mut sums = [0.0_f32; LANES];
    let mut chunks = scores.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - top);
            sums[lane] += chunk[lane];
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for score in chunks.into_remainder() {
        *score = exp(*score - top);
        sum += *score;
    }
    let share = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= share);
    top + sum.ln()
}

/// What happened, row by row.
#[derive(Debug)]
pub(super) struct Targets {
    /// The columns that happened, and how often.
    pub(super) cells: Cells,
    /// Added to the score of each column where it is not what happened; none when empty.
    pub(super) unlike: Vec<f32>,
}

/// Items that the rows of a step share, what came among them.
pub(super) struct Candidates {
    /// The items, ascending.
    pub(super) items: Vec<u32>,
    /// What came, by its place among them.
    pub(super) targets: Targets,
}

impl Candidates {
    /// What came, `next`, and `n` items drawn evenly, in place of all items.
    ///
    /// The score of an item that did not come grows as it is seldom here, so that the sum over the
    /// candidates is that over all items on average; `shares` says how often each comes.
    ///
    /// # Source
    /// Bengio & Senécal, "Adaptive importance sampling to accelerate training of a neural probabilistic
    /// language model", IEEE Transactions on Neural Networks 2008.
    pub(super) fn drawn(next: &[u32], n: usize, shares: &[f32], random: &mut ChaCha8Rng) -> Self {
        let n_items = shares.len();
        let mut items = next.to_vec();
        items.extend((0..n).map(|_| random.random_range(0..n_items as u32)));
        items.sort_unstable();
        items.dedup();
        // An item is missing when neither any row wants it nor any draw hits it.
        let undrawn = (1.0 - 1.0 / n_items as f64).powf(n as f64);
        let unlike = items.iter().map(|item| {
            let unwanted = (1.0 - f64::from(shares[*item as usize])).powf(next.len() as f64);
            -(1.0 - undrawn * unwanted).ln() as f32
        });
        let unlike = unlike.collect();
        let places = next.iter().map(|item| items.binary_search(item).unwrap_or(0) as u32);
        let targets = Targets { cells: Cells::ones(places), unlike };
        Self { items, targets }
    }
}

/// Minus the log-likelihood of `targets` under the softmax of each row of `scores`, summed: a number.
pub(super) fn surprise(scores: &Tensor, targets: Targets) -> Result<Tensor> {
    scores.apply_op1(Surprise(targets))
}

struct Surprise(Targets);

impl Surprise {
    /// Turns a row of scores into its gradient; returns its surprise.
    fn of_row(&self, row: usize, scores: &mut [f32]) -> f32 {
        let Targets { cells, unlike } = &self.0;
        let cells = cells.row(row);
        for (score, change) in scores.iter_mut().zip(unlike) {
            *score += change;
        }
        for (column, _) in cells.iter().filter(|_| !unlike.is_empty()) {
            scores[*column as usize] -= unlike[*column as usize];
        }
        let likely: f32 =
            cells.iter().map(|(column, weight)| weight * scores[*column as usize]).sum();
        let whole: f32 = cells.iter().map(|(_, weight)| weight).sum();
        let total = widely(|| {
            let total = softmax(scores);
            scores.iter_mut().for_each(|score| *score *= whole);
            total
        });
        for (column, weight) in cells {
            scores[*column as usize] -= weight;
        }
        whole * total - likely
    }

    fn of_rows(&self, mut scores: Vec<f32>, width: usize) -> (Vec<f32>, f32) {
        let rows = scores.par_chunks_mut(width).enumerate();
        let surprises: Vec<f32> = rows.map(|(row, scores)| self.of_row(row, scores)).collect();
        let sum: f64 = surprises.into_iter().map(f64::from).sum();
        (scores, sum as f32)
    }
}

impl CustomOp1 for Surprise {
    fn name(&self) -> &'static str {
        "surprise"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims2()?.1;
        let (_, sum) = self.of_rows(slice(scores, layout)?.to_vec(), width);
        Ok((CpuStorage::F32(vec![sum]), Shape::from(())))
    }

    fn bwd(&self, scores: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let scale = gradient.to_scalar::<f32>()?;
        let values = with(scores, |scores| Ok(scores.to_vec()))?;
        let (mut slopes, _) = self.of_rows(values, scores.dim(1)?);
        slopes.par_chunks_mut(1 << 14).for_each(|part| {
            part.iter_mut().for_each(|slope| *slope *= scale);
        });
        Ok(Some(Tensor::from_vec(slopes, scores.shape().clone(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_has_seven_digits() {
        for at in 0..8_700 {
            let x = -at as f32 / 100.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(exp(-1000.0) < 1e-37);
    }

    #[test]
    fn scores_become_probabilities() {
        let mut scores: Vec<f32> = (0..37).map(|at| (at % 7) as f32).collect();
        let expected: Vec<f32> = scores.iter().map(|score| score.exp()).collect();
        let sum: f32 = expected.iter().sum();
        let total = softmax(&mut scores);
        assert!((total - sum.ln()).abs() < 1e-5);
        assert!(scores.iter().zip(&expected).all(|(s, e)| (s - e / sum).abs() < 1e-6));
    }
}
