//! `AdamW` over all parameters, the word embeddings row by row.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::super::vector::{AdamStep, adam};
use super::super::weights::compute;
use super::super::workers::Workers;
use super::network::Network;
use super::step::Gradients;
use crate::extract::ExtractError;

/// Gradients longer than this are scaled down to it.
const MAX_NORM: f64 = 1.0;
/// Weight decay of matrices.
const DECAY: f32 = 0.01;

/// The moments of `AdamW` (Loshchilov and Hutter 2019): decay rates 0.9 and 0.999.
#[derive(Debug, Default)]
pub(super) struct Optimizer {
    pub(super) moments: BTreeMap<String, [Vec<f32>; 2]>,
    /// Moments of the word embeddings, as long as they.
    pub(super) words: [Vec<f32>; 2],
    pub(super) n_steps: i32,
}

/// Learning rates of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) encoder: f32,
    pub(super) heads: f32,
}

impl Optimizer {
    /// Moves the parameters against their gradients.
    ///
    /// A parameter without a gradient stays; the moments of a word embedding stand still while its
    /// word does not occur.
    pub(super) fn step(
        &mut self,
        network: &mut Network,
        gradients: &Gradients,
        rates: Rates,
        workers: &Workers,
    ) -> Result<(), ExtractError> {
        self.n_steps += 1;
        let scale = (MAX_NORM / gradients.norm().max(MAX_NORM)) as f32;
        let step = |rate: f32, decay: f32| AdamStep {
            rate,
            decay,
            scale,
            first_bias: 1.0 - 0.9f32.powi(self.n_steps),
            second_bias: 1.0 - 0.999f32.powi(self.n_steps),
        };
        let jobs: Vec<_> = gradients.by_variable.iter().collect();
        let moments = &self.moments;
        let moved = workers.run(jobs.len(), |index| {
            let (name, gradient) = jobs[index];
            let variable = &network.variables[name];
            let mut values: Vec<f32> =
                variable.flatten_all().and_then(|flat| flat.to_vec1()).map_err(compute)?;
            let [mut first, mut second] = moments
                .get(name)
                .cloned()
                .unwrap_or_else(|| [vec![0.0; values.len()], vec![0.0; values.len()]]);
            let is_head = ["span.", "type.", "relation."].iter().any(|head| name.starts_with(head));
            let rate = if is_head { rates.heads } else { rates.encoder };
            let decay = if variable.rank() == 2 { DECAY } else { 0.0 };
            adam(&mut values, gradient, &mut first, &mut second, step(rate, decay));
            let tensor =
                Tensor::from_vec(values, variable.shape(), &Device::Cpu).map_err(compute)?;
            variable.set(&tensor).map_err(compute)?;
            Ok([first, second])
        })?;
        for ((name, _), moments) in jobs.into_iter().zip(moved) {
            self.moments.insert(name.clone(), moments);
        }
        let hidden = network.config.hidden_size;
        let n = network.words.len();
        let step = step(rates.encoder, 0.0);
        self.words.iter_mut().for_each(|moments| moments.resize(n, 0.0));
        let [first, second] = &mut self.words;
        for (&token, gradient) in &gradients.by_token {
            let row = token as usize * hidden..(token as usize + 1) * hidden;
            let values = &mut network.words[row.clone()];
            adam(values, gradient, &mut first[row.clone()], &mut second[row], step);
        }
        Ok(())
    }
}
