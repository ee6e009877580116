//! Operations of the networks with a backward pass.
//!
//! candle differentiates; the sums that decide are taken here, in parts of fixed size and a fixed
//! order, because candle splits a product by the threads of the machine. Sequences lie one after the
//! other in the rows of one matrix, so that nothing is padded. All tensors are contiguous f32.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::super::dense::product;
use super::super::vector::{add, dot, widely};
use super::softmax::softmax;

/// The numbers of a contiguous f32 tensor.
pub(super) fn slice<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&values[from..to]),
        _ => candle_core::bail!("contiguous f32 wanted"),
    }
}

/// Calls `read` with the numbers of a tensor.
pub(super) fn with<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => read(slice(storage, layout)?),
        _ => candle_core::bail!("a tensor in main memory wanted"),
    }
}

fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// `x · weightᵀ`: rows `[n, in]`, weight `[out, in]`; returns `[n, out]`.
pub(super) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.apply_op2(weight, Linear)
}

struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, inner) = x_layout.shape().dims2()?;
        let width = weight_layout.shape().dims2()?.0;
        let (x, weight) = (slice(x, x_layout)?, slice(weight, weight_layout)?);
        let out = product((x, false), (weight, true), [n, inner, width]);
        Ok((CpuStorage::F32(out), Shape::from((n, width))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((n, inner), width) = (x.dims2()?, weight.dim(0)?);
        let (to_x, to_weight) = with(gradient, |gradient| {
            let to_x = with(weight, |weight| {
                Ok(product((gradient, false), (weight, false), [n, width, inner]))
            })?;
            let to_weight =
                with(x, |x| Ok(product((gradient, true), (x, false), [width, n, inner])))?;
            Ok((to_x, to_weight))
        })?;
        Ok((Some(tensor(to_x, (n, inner))?), Some(tensor(to_weight, (width, inner))?)))
    }
}

/// Rows of cells: what a row takes from which other, and how much.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    offsets: Vec<usize>,
    cells: Vec<(u32, f32)>,
}

impl Cells {
    /// From the cells of each row.
    pub(super) fn new(rows: impl IntoIterator<Item = impl IntoIterator<Item = (u32, f32)>>) -> Self {
        let (mut offsets, mut cells) = (vec![0], Vec::new());
        for row in rows {
            cells.extend(row);
            offsets.push(cells.len());
        }
        Self { offsets, cells }
    }

    /// One cell of weight 1 a row.
    pub(super) fn ones(columns: impl IntoIterator<Item = u32>) -> Self {
        Self::new(columns.into_iter().map(|column| [(column, 1.0)]))
    }

    fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(super) fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.cells[self.offsets[row]..self.offsets[row + 1]]
    }
}

/// Sums of the rows of `table`, `[n, width]`, that `cells` name: `[rows of cells, width]`.
pub(super) fn gather(table: &Tensor, cells: Cells) -> Result<Tensor> {
    table.apply_op1(Gather(cells))
}

struct Gather(Cells);

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims2()?.1;
        let table = slice(table, layout)?;
        let mut out = vec![0.0; self.0.len() * width];
        out.par_chunks_mut(width).enumerate().with_min_len(64).for_each(|(row, sum)| {
            for (column, weight) in self.0.row(row) {
                add(sum, &table[*column as usize * width..][..width], *weight);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((self.0.len(), width))))
    }

    fn bwd(&self, table: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, width) = table.dims2()?;
        let mut to_table = vec![0.0; n * width];
        with(gradient, |gradient| {
            for (row, part) in gradient.chunks_exact(width).enumerate() {
                for (column, weight) in self.0.row(row) {
                    add(&mut to_table[*column as usize * width..][..width], part, *weight);
                }
            }
            Ok(())
        })?;
        Ok(Some(tensor(to_table, (n, width))?))
    }
}

/// Each row less its mean, over its standard deviation.
///
/// Layer normalisation (Ba, Kiros & Hinton 2016) without scale and shift: products follow it.
pub(super) fn normalized(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Normalized)
}

struct Normalized;

impl Normalized {
    /// What a row is divided by, and its mean.
    fn moments(row: &[f32]) -> (f32, f32) {
        let n = row.len() as f32;
        let mean = row.iter().sum::<f32>() / n;
        let variance = row.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / n;
        ((variance + 1e-6).sqrt(), mean)
    }
}

impl CustomOp1 for Normalized {
    fn name(&self) -> &'static str {
        "normalized"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims2()?.1;
        let mut out = slice(x, layout)?.to_vec();
        for row in out.chunks_exact_mut(width) {
            let (deviation, mean) = Self::moments(row);
            row.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let width = x.dim(1)?;
        let mut to_x = with(gradient, |gradient| Ok(gradient.to_vec()))?;
        with(x, |x| {
            with(out, |out| {
                let rows = x.chunks_exact(width).zip(out.chunks_exact(width));
                for (gradient, (x, out)) in to_x.chunks_exact_mut(width).zip(rows) {
                    let n = width as f32;
                    let mean = gradient.iter().sum::<f32>() / n;
                    let along =
                        gradient.iter().zip(out).map(|(slope, out)| slope * out).sum::<f32>() / n;
                    let deviation = Self::moments(x).0;
                    for (slope, out) in gradient.iter_mut().zip(out) {
                        *slope = (*slope - mean - out * along) / deviation;
                    }
                }
                Ok(())
            })
        })?;
        Ok(Some(tensor(to_x, x.shape().clone())?))
    }
}

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
                        changes
                            .extend((0..=row).map(|other| dot(gradient, head.of(other, 2))));
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

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::softmax::{Targets, surprise};
    use super::*;

    /// Compares the gradient of every argument with central differences.
    fn check(shapes: &[(usize, usize)], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut drawn = |n: usize| -> Vec<f32> {
            (0..n).map(|_| random.random_range(-1.0..1.0)).collect()
        };
        let values: Vec<Vec<f32>> = shapes.iter().map(|(n, m)| drawn(n * m)).collect();
        let at = |values: &[Vec<f32>]| -> Vec<Var> {
            let vars = values.iter().zip(shapes);
            vars.map(|(v, shape)| Var::from_vec(v.clone(), *shape, &Device::Cpu).unwrap()).collect()
        };
        let args = |vars: &[Var]| vars.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>();
        let vars = at(&values);
        let out = op(&args(&vars)).unwrap();
        let weights = tensor(drawn(out.elem_count()), out.shape().clone()).unwrap();
        let loss = |out: &Tensor| (out * &weights).unwrap().sum_all().unwrap();
        let gradients = loss(&out).backward().unwrap();
        for (which, var) in vars.iter().enumerate() {
            let gradient = gradients.get(var).unwrap().flatten_all().unwrap();
            let gradient = gradient.to_vec1::<f32>().unwrap();
            for (place, slope) in gradient.iter().enumerate() {
                let moved = |step: f32| {
                    let mut values = values.clone();
                    values[which][place] += step;
                    loss(&op(&args(&at(&values))).unwrap()).to_scalar::<f32>().unwrap()
                };
                let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((slope - expected).abs() < 2e-2, "{which} {place}: {slope} {expected}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_small_steps() {
        check(&[(3, 4), (5, 4)], |args| linear(&args[0], &args[1]));
        let cells = Cells::new([vec![(0, 1.0), (2, -0.5)], vec![], vec![(2, 2.0)]]);
        check(&[(3, 4)], |args| gather(&args[0], cells.clone()));
        check(&[(3, 8)], |args| normalized(&args[0]));
        let offsets: Arc<[usize]> = vec![0, 3, 3, 5].into();
        check(&[(5, 96)], |args| attention(&args[0], offsets.clone(), 2));
        let targets = || Targets {
            cells: Cells::new([vec![(1, 1.0)], vec![(0, 0.5), (3, 1.5)]]),
            unlike: vec![0.1, -0.2, 0.3, 0.0],
        };
        check(&[(2, 4)], |args| surprise(&args[0], targets()));
    }

    #[test]
    fn no_place_sees_what_comes_after_it() {
        let values: Vec<f32> = (0..4 * 48).map(|at| (at * 37 % 19) as f32 / 10.0).collect();
        let mut changed = values.clone();
        changed[3 * 48..].fill(5.0);
        let offsets: Arc<[usize]> = vec![0, 4].into();
        let out = |values: Vec<f32>| {
            let out = attention(&tensor(values, (4, 48)).unwrap(), offsets.clone(), 1).unwrap();
            out.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (before, after) = (out(values), out(changed));
        assert_eq!(before[..48], after[..48]);
        assert_ne!(before[48..], after[48..]);
    }
}
