//! Attention over sequences that lie one after the other in the rows of one matrix, so that nothing is
//! padded.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::super::vector::{add, dot, widely};
use super::ops::{slice, tensor, with};
use super::softmax::softmax;

/// Attention of each place to itself and those before it in its sequence.
///
/// # Arguments
/// * `qkv`: `[n, 3 · width]`, the rows of all sequences: queries, keys and values side by side.
/// * `offsets`: where each sequence begins; the last is `n`.
/// * `heads`: `width` is a multiple of 16 times them.
///
/// # Returns
/// `[n, width]`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", `NeurIPS` 2017, section 3.2, without dropout of weights.
pub(super) fn attention(qkv: &Tensor, offsets: Arc<[usize]>, heads: usize) -> Result<Tensor> {
    qkv.apply_op1(Attention { offsets, heads })
}

struct Attention {
    offsets: Arc<[usize]>,
    heads: usize,
}

/// The rows of one sequence, and where a head's numbers lie in them.
struct Head<'a> {
    qkv: &'a [f32],
    width: usize,
    columns: Range<usize>,
    scale: f32,
}

impl<'a> Head<'a> {
    /// Query (0), key (1) or value (2) of a row.
    #[inline]
    fn of(&self, row: usize, which: usize) -> &'a [f32] {
        let start = (row * 3 + which) * self.width;
        &self.qkv[start + self.columns.start..start + self.columns.end]
    }

    /// What `row` attends to, places `0..=row`.
    #[inline]
    fn weights(&self, row: usize, weights: &mut Vec<f32>) {
        let query = self.of(row, 0);
        weights.clear();
        weights.extend((0..=row).map(|other| self.scale * dot(query, self.of(other, 1))));
        softmax(weights);
    }
}

impl Attention {
    /// Calls `work` with each sequence's rows of `qkv` and of `out`, rows of `out_width`.
    fn each(
        &self,
        (qkv, width): (&[f32], usize),
        (out, out_width): (&mut [f32], usize),
        work: impl Fn(usize, &Head<'_>, &mut [f32]) + Sync,
    ) {
        let mut rest = out;
        let mut jobs = Vec::with_capacity(self.offsets.len());
        for bounds in self.offsets.windows(2) {
            let (own, later) = rest.split_at_mut((bounds[1] - bounds[0]) * out_width);
            jobs.push((bounds[0], &qkv[bounds[0] * 3 * width..bounds[1] * 3 * width], own));
            rest = later;
        }
        let size = width / self.heads;
        jobs.into_par_iter().with_min_len(8).for_each(|(start, qkv, out)| {
            for head in 0..self.heads {
                let columns = head * size..(head + 1) * size;
                let head = Head { qkv, width, columns, scale: 1.0 / (size as f32).sqrt() };
                widely(|| work(start, &head, out));
            }
        });
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = layout.shape().dims2()?;
        let width = width / 3;
        let mut out = vec![0.0; n * width];
        self.each((slice(qkv, layout)?, width), (&mut out, width), |_, head, out| {
            let mut weights = Vec::new();
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                head.weights(row, &mut weights);
                let sum = &mut out[head.columns.clone()];
                for (other, weight) in weights.iter().enumerate() {
                    add(sum, head.of(other, 2), *weight);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((n, width))))
    }

    fn bwd(&self, qkv: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, wide) = qkv.dims2()?;
        let width = wide / 3;
        let mut to_qkv = vec![0.0; n * wide];
        with(gradient, |gradient| {
            with(qkv, |qkv| {
                self.each((qkv, width), (&mut to_qkv, wide), |start, head, slopes| {
                    let (mut weights, mut changes) = (Vec::new(), Vec::new());
                    for row in 0..slopes.len() / wide {
                        let gradient = &gradient[(start + row) * width..][..width];
                        let gradient = &gradient[head.columns.clone()];
                        head.weights(row, &mut weights);
                        changes.clear();
                        changes.extend((0..=row).map(|other| dot(gradient, head.of(other, 2))));
                        let pairs = weights.iter().zip(&changes);
                        let mean: f32 = pairs.map(|(weight, change)| weight * change).sum();
                        let mut at = |row: usize, which: usize, values: &[f32], scale: f32| {
                            let from = (row * 3 + which) * width + head.columns.start;
                            add(&mut slopes[from..from + values.len()], values, scale);
                        };
                        for (other, weight) in weights.iter().enumerate() {
                            let slope = weight * (changes[other] - mean) * head.scale;
                            at(row, 0, head.of(other, 1), slope);
                            at(other, 1, head.of(row, 0), slope);
                            at(other, 2, gradient, *weight);
                        }
                    }
                });
                Ok(())
            })
        })?;
        Ok(Some(tensor(to_qkv, (n, wide))?))
    }
}
