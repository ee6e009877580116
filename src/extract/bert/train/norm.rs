//! Layer normalisation, forth and back.

use super::super::vector;
use super::network::ByName;

/// Layer normalisation of rows (Ba et al. 2016).
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) epsilon: f32,
}

impl Norm {
    pub(super) fn forward(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = rows.to_vec();
        for row in out.chunks_exact_mut(self.weight.len()) {
            vector::normalize_row(row, self.epsilon);
            for (value, (weight, bias)) in row.iter_mut().zip(self.weight.iter().zip(&self.bias)) {
                *value = *value * weight + bias;
            }
        }
        out
    }

    /// The gradient by the rows `x`; adds those of weight and bias under `name`.
    pub(super) fn backward(
        &self,
        name: &str,
        x: &[f32],
        gradient: &[f32],
        gradients: &mut ByName,
    ) -> Vec<f32> {
        let hidden = self.weight.len();
        let (mut to_weight, mut to_bias) = (vec![0f32; hidden], vec![0f32; hidden]);
        let mut to_x = vec![0f32; x.len()];
        let mut normal = vec![0f32; hidden];
        let rows = x.chunks_exact(hidden).zip(gradient.chunks_exact(hidden));
        for ((x, gradient), to_x) in rows.zip(to_x.chunks_exact_mut(hidden)) {
            normal.copy_from_slice(x);
            let scale = vector::normalize_row(&mut normal, self.epsilon);
            for at in 0..hidden {
                to_bias[at] += gradient[at];
                to_weight[at] += gradient[at] * normal[at];
                to_x[at] = gradient[at] * self.weight[at];
            }
            let mean = vector::sum(to_x) / hidden as f32;
            let along = vector::dot(to_x, &normal) / hidden as f32;
            for (to_x, normal) in to_x.iter_mut().zip(&normal) {
                *to_x = scale * (*to_x - mean - normal * along);
            }
        }
        gradients.insert(format!("{name}.weight"), to_weight);
        gradients.insert(format!("{name}.bias"), to_bias);
        to_x
    }
}
