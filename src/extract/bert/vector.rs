//! Loops over rows of numbers that the compiler turns into vector code.
//!
//! Each public function comes twice from one body: for any processor and, chosen when it runs, for
//! one with AVX2. Both do the same additions in the same order.

// A body becomes vector code only inside the function that is compiled for the instruction set.
#![allow(clippy::inline_always)]

use std::ops::Range;

use super::kernel::{erf, gelu as gelu_of};

/// Defines functions whose body is compiled for AVX2 too, and picks one at run time.
macro_rules! dispatched {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[allow(unsafe_code)]
        pub(super) fn $name($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $out)? { body($($arg),*) }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has what the function is compiled for.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}

/// Independent sums that a loop keeps, so that additions need not wait for one another.
const LANES: usize = 16;

#[inline(always)]
fn add_lanes(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn sum_body(row: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    add_lanes(lanes) + rest
}

#[inline(always)]
fn add_scaled(sum: &mut [f32], row: &[f32], scale: f32) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += scale * value);
}

dispatched! {
    /// Sum of the numbers.
    fn sum(row: &[f32]) -> f32 {
        sum_body(row)
    }

    /// Sum of the products.
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0f32; LANES];
        let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in left.zip(right) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += a * b;
            }
        }
        add_lanes(lanes) + rest
    }

    /// Subtracts the mean and divides by the standard deviation; returns what it multiplied by.
    fn normalize_row(row: &mut [f32], epsilon: f32) -> f32 {
        let n = row.len() as f32;
        let mut lanes = [0f32; LANES];
        let mean = sum_body(row) / n;
        for chunk in row.chunks_exact(LANES) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += (value - mean) * (value - mean);
            }
        }
        let rest: f32 = row.chunks_exact(LANES).remainder().iter().map(|x| (x - mean) * (x - mean)).sum();
        let scale = 1.0 / ((add_lanes(lanes) + rest) / n + epsilon).sqrt();
        row.iter_mut().for_each(|value| *value = (*value - mean) * scale);
        scale
    }

    /// The exact GELU, in place.
    fn gelu(row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x = gelu_of(*x));
    }

    /// Turns the gradient of GELU's output into that of its input `x`, in place.
    fn gelu_backward(gradient: &mut [f32], x: &[f32]) {
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            let cumulative = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            let density = 0.398_942_3 * exp(-0.5 * x * x);
            *gradient *= cumulative + x * density;
        }
    }

    /// One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019) over a parameter.
    fn adam(values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], step: AdamStep) {
        let rows = values.iter_mut().zip(gradient).zip(first.iter_mut().zip(second.iter_mut()));
        for ((value, gradient), (first, second)) in rows {
            let gradient = gradient * step.scale;
            *first = 0.9 * *first + 0.1 * gradient;
            *second = 0.999 * *second + 0.001 * gradient * gradient;
            let move_by = *first / step.first_bias / ((*second / step.second_bias).sqrt() + 1e-8);
            *value -= step.rate * (move_by + step.decay * *value);
        }
    }

    fn attend(head: &mut Attention, joined: &[f32], out: &mut [f32]) {
        head.weigh(joined);
        let (n, size) = (head.text.len(), head.size);
        for i in 0..n {
            let at = (head.text.start + i) * head.hidden + head.column;
            let row = &mut out[at..at + size];
            for j in 0..n {
                add_scaled(row, head.row(joined, 2, j), head.weights[i * n + j]);
            }
        }
    }

    fn attend_backward(head: &mut Attention, joined: &[f32], gradient: &[f32], to_joined: &mut [f32]) {
        head.weigh(joined);
        let (n, size, hidden) = (head.text.len(), head.size, head.hidden);
        let stride = 3 * hidden;
        let mut transposed = vec![0f32; n * size];
        for j in 0..n {
            for (d, &value) in head.row(joined, 2, j).iter().enumerate() {
                transposed[d * n + j] = value;
            }
        }
        let mut to_weights = vec![0f32; n];
        for i in 0..n {
            let row = head.text.start + i;
            let out = &gradient[row * hidden + head.column..][..size];
            let weights = &head.weights[i * n..][..n];
            to_weights.fill(0.0);
            for (d, &value) in out.iter().enumerate() {
                add_scaled(&mut to_weights, &transposed[d * n..][..n], value);
            }
            let along: f32 = to_weights.iter().zip(weights).map(|(a, b)| a * b).sum();
            for (to_weight, weight) in to_weights.iter_mut().zip(weights) {
                *to_weight = weight * (*to_weight - along) * head.scale;
            }
            for j in 0..n {
                let other = head.text.start + j;
                let value = other * stride + 2 * hidden + head.column;
                add_scaled(&mut to_joined[value..value + size], out, weights[j]);
                let query = row * stride + head.column;
                add_scaled(&mut to_joined[query..query + size], head.row(joined, 1, j), to_weights[j]);
                let key = other * stride + hidden + head.column;
                add_scaled(&mut to_joined[key..key + size], head.row(joined, 0, i), to_weights[j]);
            }
        }
    }
}

/// What one step of Adam needs to know beside the numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdamStep {
    /// Learning rate.
    pub(super) rate: f32,
    /// Weight decay.
    pub(super) decay: f32,
    /// What the gradient is multiplied by.
    pub(super) scale: f32,
    /// `1 - 0.9^t` at step `t`.
    pub(super) first_bias: f32,
    /// `1 - 0.999^t` at step `t`.
    pub(super) second_bias: f32,
}

/// One head of self-attention over one text.
///
/// `joined` is `[rows, 3 * hidden]`, row-major: query, key and value of all heads.
#[derive(Debug)]
pub(super) struct Attention {
    /// Rows of the text.
    text: Range<usize>,
    /// Where the head's columns begin in `hidden`.
    column: usize,
    /// Columns of the head.
    size: usize,
    hidden: usize,
    /// `1 / sqrt(size)`.
    scale: f32,
    /// `[rows, rows]`: how much each row takes of each.
    weights: Vec<f32>,
}

impl Attention {
    pub(super) fn new(text: Range<usize>, head: usize, n_heads: usize, hidden: usize) -> Self {
        let size = hidden / n_heads;
        let scale = 1.0 / (size as f32).sqrt();
        Self { text, column: head * size, size, hidden, scale, weights: Vec::new() }
    }

    /// Writes the head's columns of the text's rows of `out`, `[rows, hidden]`, which are zero.
    pub(super) fn forward(&mut self, joined: &[f32], out: &mut [f32]) {
        attend(self, joined, out);
    }

    /// Adds to `to_joined` what `gradient`, by `out`, passes on to `joined`.
    pub(super) fn backward(&mut self, joined: &[f32], gradient: &[f32], to_joined: &mut [f32]) {
        attend_backward(self, joined, gradient, to_joined);
    }

    /// Query (0), key (1) or value (2) of row `index` of the text.
    #[inline(always)]
    fn row<'j>(&self, joined: &'j [f32], part: usize, index: usize) -> &'j [f32] {
        let row = (self.text.start + index) * 3 * self.hidden;
        &joined[row + part * self.hidden + self.column..][..self.size]
    }

    /// Fills `weights`: the softmax over the keys of each query.
    #[inline(always)]
    fn weigh(&mut self, joined: &[f32]) {
        let n = self.text.len();
        let mut transposed = vec![0f32; n * self.size];
        for j in 0..n {
            for (d, &value) in self.row(joined, 1, j).iter().enumerate() {
                transposed[d * n + j] = value * self.scale;
            }
        }
        let mut weights = vec![0f32; n * n];
        for (i, row) in weights.chunks_exact_mut(n.max(1)).enumerate() {
            for (d, &value) in self.row(joined, 0, i).iter().enumerate() {
                add_scaled(row, &transposed[d * n..][..n], value);
            }
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|weight| *weight = exp(*weight - most));
            let total = 1.0 / row.iter().sum::<f32>();
            row.iter_mut().for_each(|weight| *weight *= total);
        }
        self.weights = weights;
    }
}

/// `e^x` within 2e-7 of its value, for x up to 88; 0 below -87.
///
/// # Source
/// Cephes, `expf.c`: the exponent split off, a polynomial of degree 5 for the rest.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let whole = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let polynomial = ((((1.987_569_2e-4 * rest + 1.398_199_9e-3) * rest + 8.333_452e-3) * rest
        + 4.166_579_6e-2)
        * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let value = polynomial * rest * rest + rest + 1.0;
    value * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_f32() {
        for step in -8700..2000 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "{x}");
        }
    }
}
