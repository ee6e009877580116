//! A linear map over many rows, and what follows it.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::packed::Packed;
use super::row::{self, Activation, Grid, Norm};
use super::{Isa, Lanes, Task};

/// How the weights of linear maps are kept and multiplied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// 8-bit whole numbers: weights with a scale per output, inputs with a scale and a zero per row.
    Int8,
}

impl Precision {
    /// Every precision, in the order the help lists them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Int8];

    /// What the user types.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }

    /// The precision of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.name() == name)
    }
}

/// `x · weight + bias`.
pub(in super::super) struct Linear<I: Isa> {
    matrix: Matrix<I>,
    bias: Vec<f32>,
}

enum Matrix<I: Isa> {
    F32(Packed<I, f32>),
    Int8 {
        packed: Packed<I, i8>,
        /// Of each output.
        scales: Vec<f32>,
        /// Of the whole numbers of each output.
        totals: Vec<i32>,
    },
}

/// Room that is used again and again.
pub(in super::super) struct LinearScratch<I: Isa> {
    /// Inputs as whole numbers, and what these mean in each row.
    left: Vec<<I as Lanes<i8>>::Left>,
    grids: Vec<Grid>,
    sums: Vec<f32>,
}

impl<I: Isa> Default for LinearScratch<I> {
    fn default() -> Self {
        Self { left: Vec::new(), grids: Vec::new(), sums: Vec::new() }
    }
}

impl<I: Isa> Linear<I> {
    /// `weight` is `[bias.len(), n_inputs]`, row-major.
    pub(in super::super) fn new(weight: &[f32], bias: Vec<f32>, precision: Precision) -> Self {
        let (n, k) = (bias.len(), weight.len() / bias.len());
        let matrix = match precision {
            Precision::F32 => Matrix::F32(Packed::new(n, k, |out, at| weight[out * k + at])),
            Precision::Int8 => {
                let largest =
                    |row: &[f32]| row.iter().fold(0f32, |top, value| top.max(value.abs()));
                let scales: Vec<f32> =
                    weight.chunks_exact(k).map(|row| largest(row) / 127.0).collect();
                let whole = |out: usize, at: usize| match scales[out] {
                    0.0 => 0,
                    scale => (weight[out * k + at] / scale).round() as i8,
                };
                let total = |out| (0..k).map(|at| i32::from(whole(out, at))).sum();
                let totals = (0..n).map(total).collect();
                let packed = Packed::new(n, k, |out, at| whole(out, at).into());
                Matrix::Int8 { packed, scales, totals }
            }
        };
        Self { matrix, bias }
    }

    /// Numbers of an output row.
    pub(in super::super) fn n_outputs(&self) -> usize {
        self.bias.len()
    }

    /// Products with `input`, `[n_rows, n_inputs]`, without bias: `to` is `[n_rows, n_outputs]`.
    #[inline(always)]
    fn multiply(
        &self,
        isa: I,
        input: &[f32],
        to: &mut [f32],
        (left, grids): (&mut Vec<<I as Lanes<i8>>::Left>, &mut Vec<Grid>),
    ) {
        let (packed, scales, totals) = match &self.matrix {
            Matrix::F32(packed) => return packed.multiply(isa, input, to),
            Matrix::Int8 { packed, scales, totals } => (packed, scales, totals),
        };
        let n_rows = to.len() / self.n_outputs();
        let (stride, n_inputs) = (packed.stride(), input.len() / n_rows);
        left.resize(n_rows * stride, 0u8.into());
        grids.clear();
        for (row, whole) in input.chunks_exact(n_inputs).zip(left.chunks_exact_mut(stride)) {
            grids.push(row::quantize(row, whole));
        }
        packed.multiply(isa, left, to);
        for (row, grid) in to.chunks_exact_mut(self.n_outputs()).zip(grids) {
            for ((value, scale), total) in row.iter_mut().zip(scales).zip(totals) {
                let sum = value.to_bits() as i32 - grid.zero * total;
                *value = sum as f32 * (scale * grid.scale);
            }
        }
    }
}

/// What is done with the outputs of a linear map.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum After<'a> {
    /// They are written.
    Write,
    /// They are written after an activation.
    Activate(Activation),
    /// They are added to what is there, and the row is normalised.
    AddNorm(&'a Norm),
}

/// The linear map of a few rows, and what is done with the outputs.
pub(in super::super) struct Apply<'a, I: Isa> {
    /// The map.
    pub(in super::super) linear: &'a Linear<I>,
    /// `[n_rows, n_inputs]`.
    pub(in super::super) input: &'a [f32],
    /// What is done with the outputs.
    pub(in super::super) after: After<'a>,
    /// `[n_rows, n_outputs]`.
    pub(in super::super) to: &'a mut [f32],
    /// Room.
    pub(in super::super) scratch: &'a mut LinearScratch<I>,
}

impl<I: Isa> Task<I> for Apply<'_, I> {
    #[inline(always)]
    fn run(self, isa: I) {
        let Self { linear, input, after, to, scratch } = self;
        let LinearScratch { left, grids, sums } = scratch;
        sums.resize(to.len(), 0.0);
        let products = match after {
            After::AddNorm(_) => &mut sums[..],
            After::Write | After::Activate(_) => &mut *to,
        };
        linear.multiply(isa, input, products, (left, grids));
        let n_outputs = linear.n_outputs();
        if let After::AddNorm(norm) = after {
            for (row, sums) in to.chunks_exact_mut(n_outputs).zip(sums.chunks_exact(n_outputs)) {
                row::add(row, sums);
                row::add(row, &linear.bias);
                norm.apply(row);
            }
            return;
        }
        for row in to.chunks_exact_mut(n_outputs) {
            row::add(row, &linear.bias);
            if let After::Activate(activation) = after {
                activation.apply(row);
            }
        }
    }
}
