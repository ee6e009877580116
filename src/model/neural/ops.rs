//! Operations of the networks with a backward pass.
//!
//! candle differentiates; the sums that decide are taken here, in parts of fixed size and a fixed
//! order, because candle splits a product by the threads of the machine. All tensors are contiguous f32.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::super::dense::product;
use super::super::vector::add;

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

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
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
    pub(super) fn new(
        rows: impl IntoIterator<Item = impl IntoIterator<Item = (u32, f32)>>,
    ) -> Self {
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
