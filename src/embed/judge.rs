//! When a training by walks may end early: when the loss on walks that it does not learn falls no more.
//!
//! # Source
//! Prechelt, "Early stopping - but when?", in "Neural networks: tricks of the trade", 1998, section 2.1: the
//! best state so far is kept, and the training ends after so many epochs without a better one.

use rand::SeedableRng;
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::layout::Layout;
use super::noise::Noise;
use super::sgns::{NEGATIVES, Pair, mixed, pairs};
use super::{EmbedError, Params};
use crate::traverse::Walker;

/// Walks that judge.
const WALKS: usize = 512;
/// Only a loss that is lower by this share counts as better.
const GAIN: f64 = 1e-3;

/// Fresh walks, and the best that was seen on them.
pub(super) struct Judge {
    /// Epochs to wait for a better loss; 0 for no end but the last.
    patience: usize,
    seed: u64,
    /// By the blocks of both ends.
    pairs: Vec<Vec<Pair>>,
    pub least: f64,
    pub waited: usize,
    /// The rows of the least loss.
    pub best: Vec<f32>,
}

/// Both tables, `[blocks, size, width]`.
pub(super) struct Tables<'a> {
    pub inputs: &'a [f32],
    pub outputs: &'a [f32],
    pub width: usize,
    pub noise: &'a [Noise],
}

impl Judge {
    /// A judge of the patience that `params` name.
    pub fn new(params: &Params, layout: &Layout, walker: &Walker) -> Result<Self, EmbedError> {
        let patience = params.count("patience");
        let mut rows = Vec::new();
        if patience > 0 {
            let n_starts = walker.n_walks() / params.count("walks").max(1);
            let n_walks = n_starts.min(WALKS);
            for walk in 0..n_walks {
                // Of the round after the last that is learnt.
                let number = walker.n_walks() + walk * n_starts / n_walks;
                walker.extend(number..number + 1, &mut rows)?;
            }
        }
        let seed = mixed(params.seed, u64::MAX / 2);
        let pairs = pairs(layout, &rows, params.count("length"), params.count("window"), seed);
        Ok(Self { patience, seed, pairs, least: f64::INFINITY, waited: 0, best: Vec::new() })
    }

    /// Looks at the tables after an epoch; says whether the training should end.
    pub fn ends(&mut self, tables: &Tables<'_>) -> bool {
        if self.patience == 0 {
            return false;
        }
        let loss = self.loss(tables);
        if loss < self.least * (1.0 - GAIN) || self.best.is_empty() {
            self.least = loss;
            self.waited = 0;
            self.best = tables.inputs.to_vec();
        } else {
            self.waited += 1;
        }
        self.waited >= self.patience
    }

    /// The mean loss of a pair: -ln σ(x · y) - Σ ln σ(-x · z) over nodes *z* that are drawn.
    fn loss(&self, tables: &Tables<'_>) -> f64 {
        let Tables { inputs, outputs, width, noise } = tables;
        let (width, n_blocks) = (*width, noise.len());
        let block = inputs.len() / n_blocks;
        let losses: Vec<f64> = self
            .pairs
            .par_iter()
            .enumerate()
            .map(|(bucket, pairs)| {
                let inputs = &inputs[bucket / n_blocks * block..][..block];
                let outputs = &outputs[bucket % n_blocks * block..][..block];
                let noise = &noise[bucket % n_blocks];
                let mut random = SplitMix64::seed_from_u64(mixed(self.seed, bucket as u64));
                let row = |table: &[f32], place: u32| -> Vec<f64> {
                    table[place as usize * width..][..width].iter().map(|v| f64::from(*v)).collect()
                };
                let mut sum = 0.0;
                for (context, center) in pairs {
                    let input = row(inputs, *context);
                    let near = |place| {
                        let other = row(outputs, place);
                        input.iter().zip(other).map(|(a, b)| a * b).sum::<f64>()
                    };
                    sum += softplus(-near(*center));
                    for _ in 0..NEGATIVES {
                        sum += softplus(near(noise.draw(&mut random)));
                    }
                }
                sum
            })
            .collect();
        let n_pairs: usize = self.pairs.iter().map(Vec::len).sum();
        losses.iter().sum::<f64>() / n_pairs.max(1) as f64
    }
}

/// -ln σ(-x) = ln(1 + exp(x)).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::softplus;

    #[test]
    fn softplus_is_the_loss_of_a_guess() {
        assert!((softplus(0.0) - 2.0_f64.ln()).abs() < 1e-12);
        assert!((softplus(800.0) - 800.0).abs() < 1e-9 && softplus(-800.0) == 0.0);
        let sigmoid = 1.0 / (1.0 + (-1.5_f64).exp());
        assert!((softplus(-1.5) + sigmoid.ln()).abs() < 1e-12);
    }
}
