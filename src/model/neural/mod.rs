//! Networks that candle trains step by step: they may find what no sum over a history's items holds.
//!
//! What they are told is cut once more: a part of it is held out, the network is measured on that part
//! after every epoch, and the best state is kept. The seed decides all that is drawn, and sums are
//! taken in a fixed order, so the number of threads changes the time and no bit.
//!
//! Only this module knows candle; to the others a network is a [`Model`](super::Model) like any.

mod adam;
mod attention;
mod autoencoder;
mod ops;
mod projection;
mod sasrec;
mod softmax;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use candle_core::{Device, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

pub(super) use autoencoder::{DAE, MULT_VAE};
pub(super) use projection::{Pairs, trained};
pub(super) use sasrec::ENTRY as SASREC;

use super::{ModelError, Params};
use adam::Adam;

/// Epochs without a gain, after which the steps become shorter.
const PATIENCE: usize = 3;

/// What the length of the steps is multiplied with then.
const SHORTER: f32 = 0.3;

/// Times that they become shorter; the next time, training ends.
const TIMES: usize = 2;

/// Users of whom a part is held out, at most, and as a share of all.
const HELD_OUT: (usize, f64) = (1_500, 0.1);

/// Users held out, below which what they say is chance.
const FEW_HELD_OUT: usize = 10;

/// How a network is trained.
struct Schedule {
    method: &'static str,
    /// Times that every row is seen, at most.
    epochs: usize,
    /// Rows of a step.
    batch: usize,
    /// Length of a step.
    rate: f32,
    /// Share of a weight that a step of rate 1 takes away.
    decay: f32,
    seed: u64,
}

/// Moves `variables` against the gradient of `loss`, which is told the rows of a step, until `measure`
/// stops to rise, and from its peak on by shorter steps; they end as they were at its peak. Where it
/// measures nothing, all epochs are done.
///
/// # Returns
/// The peak and the epoch that reached it; 0 is before all training.
fn train(
    variables: &[Var],
    n_rows: usize,
    schedule: &Schedule,
    mut loss: impl FnMut(&[usize], &mut ChaCha8Rng) -> candle_core::Result<Tensor>,
    measure: impl Fn() -> candle_core::Result<Option<f64>>,
) -> Result<(f64, usize), ModelError> {
    let failed = |source| failed(schedule.method, source);
    let copies = || -> candle_core::Result<Vec<Tensor>> {
        variables.iter().map(|variable| variable.as_tensor().copy()).collect()
    };
    let restore = |kept: &[Tensor]| -> candle_core::Result<()> {
        variables.iter().zip(kept).try_for_each(|(variable, value)| variable.set(value))
    };
    let mut adam = Adam::new(variables.to_vec(), schedule.rate, schedule.decay);
    let mut random = ChaCha8Rng::seed_from_u64(schedule.seed);
    let mut rows: Vec<usize> = (0..n_rows).collect();
    let mut best = (measure().map_err(failed)?.unwrap_or(0.0), 0);
    let mut kept = copies().map_err(failed)?;
    let (mut n_vain, mut n_shorter) = (0, 0);
    for epoch in 1..=schedule.epochs {
        rows.shuffle(&mut random);
        let mut sum = 0.0;
        for batch in rows.chunks(schedule.batch) {
            let step = loss(batch, &mut random).and_then(|loss| {
                adam.step(&loss.backward()?)?;
                Ok(f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64)
            });
            sum += step.map_err(failed)?;
        }
        let loss = sum / n_rows.max(1) as f64;
        if !loss.is_finite() {
            return Err(ModelError::Diverged { method: schedule.method, epoch });
        }
        let measured = measure().map_err(failed)?;
        tracing::info!(method = schedule.method, epoch, loss, measured, "trained");
        if measured.is_none_or(|measured| measured > best.0) {
            best = (measured.unwrap_or(0.0), epoch);
            kept = copies().map_err(failed)?;
            n_vain = 0;
            continue;
        }
        n_vain += 1;
        if n_vain == PATIENCE {
            if n_shorter == TIMES {
                break;
            }
            restore(&kept).map_err(failed)?;
            adam.shorten(SHORTER);
            (n_vain, n_shorter) = (0, n_shorter + 1);
        }
    }
    restore(&kept).map_err(failed)?;
    Ok(best)
}

fn failed(method: &'static str, source: candle_core::Error) -> ModelError {
    ModelError::Network { method, source: Box::new(source) }
}

/// The value of a knob that must lie in `range`.
fn number(
    method: &'static str,
    params: &Params,
    name: &'static str,
    range: RangeInclusive<f64>,
) -> Result<f64, ModelError> {
    let value = params.get(name);
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (*range.start(), *range.end());
    Err(ModelError::KnobRange { method, name, value, least, most })
}

/// The value of a knob that must be a whole number in `range`.
fn count(
    method: &'static str,
    params: &Params,
    name: &'static str,
    range: RangeInclusive<f64>,
) -> Result<usize, ModelError> {
    Ok(number(method, params, name, range)? as usize)
}

/// Some of `users`, of whom a part is held out; none where there are few.
fn held_out(users: &[u32], seed: u64) -> Vec<u32> {
    let n = ((users.len() as f64 * HELD_OUT.1) as usize).min(HELD_OUT.0);
    if n < FEW_HELD_OUT {
        return Vec::new();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(1);
    let mut some: Vec<u32> = users.to_vec();
    some.partial_shuffle(&mut random, n);
    some.truncate(n);
    some.sort_unstable();
    some
}

/// Parameters `[n_rows, n_columns]`, normal numbers with this deviation.
fn drawn(
    (n_rows, n_columns): (usize, usize),
    deviation: f32,
    random: &mut ChaCha8Rng,
) -> candle_core::Result<Var> {
    let normal = Normal::new(0.0, deviation).map_err(candle_core::Error::wrap)?;
    let values: Vec<f32> = (0..n_rows * n_columns).map(|_| normal.sample(random)).collect();
    Var::from_vec(values, (n_rows, n_columns), &Device::Cpu)
}

/// A share of `rate` of the numbers becomes 0, the others grow to make up for it.
///
/// Srivastava et al., "Dropout", JMLR 2014. candle's own draws from a generator without a seed.
fn dropped(x: &Tensor, rate: f64, random: &mut ChaCha8Rng) -> candle_core::Result<Tensor> {
    if rate <= 0.0 {
        return Ok(x.clone());
    }
    // Sixteen bits say of a number whether it stays.
    let bar = (rate * 65_536.0) as u32;
    let scale = (1.0 / (1.0 - rate)) as f32;
    let mut mask = Vec::with_capacity(x.elem_count() + 4);
    while mask.len() < x.elem_count() {
        let bits: u64 = random.random();
        let parts = (0..4).map(|part| ((bits >> (16 * part)) & 0xffff) as u32);
        mask.extend(parts.map(|part| if part < bar { 0.0 } else { scale }));
    }
    mask.truncate(x.elem_count());
    x * Tensor::from_vec(mask, x.shape().clone(), &Device::Cpu)?
}

/// The normalised discounted gain of the first `k` of `scores` but those of `told`, which like
/// `relevant` ascend. An item that has the score of a relevant one counts as before it.
fn ndcg(scores: &[f32], told: &[u32], relevant: &[u32], k: usize) -> f64 {
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let rest = |at: usize| told.binary_search(&(at as u32)).is_err();
    let mut gains: Vec<usize> = Vec::new();
    for item in relevant {
        let score = scores[*item as usize];
        let reaches = |(at, other): &(usize, &f32)| **other >= score && rest(*at);
        // Itself is one of them.
        let n = scores.iter().enumerate().filter(reaches).count();
        gains.push(n.saturating_sub(1));
    }
    let gain: f64 = gains.iter().filter(|rank| **rank < k).map(|rank| discount(*rank)).sum();
    let ideal: f64 = (0..relevant.len().min(k)).map(discount).sum();
    if ideal > 0.0 { gain / ideal } else { 0.0 }
}
