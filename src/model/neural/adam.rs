//! Steps against a gradient, each number's own length.
//!
//! Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, with the decay of
//! weights apart from the gradient (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR
//! 2019).

use std::sync::{Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Var};
use rayon::prelude::*;

use super::super::vector::widely;
use super::ops::slice;

/// Weights of what the moments were before.
const FADE: (f32, f32) = (0.9, 0.999);

/// Numbers that a task takes.
const STRIP: usize = 1 << 14;

/// Parameters and the moments of their gradients.
pub(super) struct Adam {
    variables: Vec<(Var, Moments)>,
    rate: f32,
    decay: f32,
    n_steps: i32,
}

/// Means of the gradient and of its square.
struct Moments(Mutex<[Vec<f32>; 2]>);

impl Adam {
    /// Of these parameters; `decay` is the share of a weight that a step of rate 1 takes away.
    pub(super) fn new(variables: Vec<Var>, rate: f32, decay: f32) -> Self {
        let moments = |var: &Var| {
            let zeros = || vec![0.0; var.elem_count()];
            Moments(Mutex::new([zeros(), zeros()]))
        };
        let variables = variables.into_iter().map(|var| (moments(&var), var));
        Self { variables: variables.map(|(m, var)| (var, m)).collect(), rate, decay, n_steps: 0 }
    }

    /// Steps get `factor` times as long.
    pub(super) fn shorten(&mut self, factor: f32) {
        self.rate *= factor;
    }

    /// Moves every parameter that has a gradient.
    pub(super) fn step(&mut self, gradients: &GradStore) -> Result<()> {
        self.n_steps += 1;
        let biases = [FADE.0, FADE.1].map(|fade| 1.0 - fade.powi(self.n_steps));
        for (variable, moments) in &self.variables {
            if let Some(gradient) = gradients.get(variable) {
                let step = Step { moments, rate: self.rate, decay: self.decay, biases };
                variable.inplace_op2(&gradient.contiguous()?, &step)?;
            }
        }
        Ok(())
    }
}

struct Step<'a> {
    moments: &'a Moments,
    rate: f32,
    decay: f32,
    biases: [f32; 2],
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = slice(gradient, gradient_layout)?;
        let (CpuStorage::F32(values), Some((from, to))) = (values, layout.contiguous_offsets())
        else {
            candle_core::bail!("contiguous f32 wanted")
        };
        let mut moments = self.moments.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, second] = &mut *moments;
        let length = self.rate / self.biases[0];
        let fade = 1.0 - self.rate * self.decay;
        let parts = values[from..to].par_chunks_mut(STRIP).zip(gradient.par_chunks(STRIP));
        let moments = first.par_chunks_mut(STRIP).zip(second.par_chunks_mut(STRIP));
        parts.zip(moments).for_each(|((values, gradient), (first, second))| {
            widely(|| {
                let moments = first.iter_mut().zip(second);
                for ((value, slope), (first, second)) in
                    values.iter_mut().zip(gradient).zip(moments)
                {
                    *first = FADE.0 * *first + (1.0 - FADE.0) * slope;
                    *second = FADE.1 * *second + (1.0 - FADE.1) * slope * slope;
                    let spread = (*second / self.biases[1]).sqrt() + 1e-8;
                    *value = *value * fade - length * *first / spread;
                }
            });
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_first_step_has_the_rates_length() {
        let var = Var::from_vec(vec![1.0_f32, -2.0], 2, &Device::Cpu).unwrap();
        let loss = (var.as_tensor() * var.as_tensor()).unwrap().sum_all().unwrap();
        let mut adam = Adam::new(vec![var.clone()], 0.1, 0.0);
        adam.step(&loss.backward().unwrap()).unwrap();
        let values = var.to_vec1::<f32>().unwrap();
        assert!((values[0] - 0.9).abs() < 1e-5 && (values[1] + 1.9).abs() < 1e-5, "{values:?}");
    }
}
