//! What is done to one row at a time: plain loops that the compiler turns into vector code.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

/// Sums that run side by side, so that adding up is vector code with one order on any processor.
const SIDE: usize = 16;

/// What stands between the two products of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Activation {
    /// `x / 2 (1 + erf(x / sqrt 2))`.
    Gelu,
    /// The same with tanh in place of erf.
    GeluApproximate,
    /// The larger of `x` and 0.
    Relu,
}

/// Normalisation of a layer.
#[derive(Debug)]
pub(in super::super) struct Norm {
    /// Factor of each number.
    pub(in super::super) weight: Vec<f32>,
    /// Then added to each number.
    pub(in super::super) bias: Vec<f32>,
    /// Added to the variance.
    pub(in super::super) epsilon: f32,
}

/// Adds up, [`SIDE`] sums side by side.
#[inline(always)]
fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0f32; SIDE];
    let blocks = values.chunks_exact(SIDE);
    let rest = blocks.remainder();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += of(value);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += of(value);
    }
    sums.iter().sum()
}

/// The smallest and the largest value; NaN is passed over.
#[inline(always)]
fn range(values: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; SIDE], [f32::NEG_INFINITY; SIDE]);
    let blocks = values.chunks_exact(SIDE);
    let rest = blocks.remainder();
    for block in blocks {
        for (at, &value) in block.iter().enumerate() {
            low[at] = if value < low[at] { value } else { low[at] };
            high[at] = if value > high[at] { value } else { high[at] };
        }
    }
    for (at, &value) in rest.iter().enumerate() {
        low[at] = if value < low[at] { value } else { low[at] };
        high[at] = if value > high[at] { value } else { high[at] };
    }
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::MIN, f32::max))
}

impl Norm {
    /// Brings `row` to mean 0 and variance 1, then applies weight and bias.
    #[inline(always)]
    pub(in super::super) fn apply(&self, row: &mut [f32]) {
        let n = row.len() as f32;
        let mean = sum(row, |value| value) / n;
        let variance = sum(row, |value| (value - mean) * (value - mean)) / n;
        let scale = 1.0 / (variance + self.epsilon).sqrt();
        for ((value, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
            *value = (*value - mean) * scale * weight + bias;
        }
    }
}

/// Adds `bias` to `row`.
#[inline(always)]
pub(super) fn add(row: &mut [f32], bias: &[f32]) {
    for (value, bias) in row.iter_mut().zip(bias) {
        *value += bias;
    }
}

impl Activation {
    /// Applies it to every number.
    #[inline(always)]
    pub(in super::super) fn apply(self, row: &mut [f32]) {
        match self {
            Self::Gelu => row.iter_mut().for_each(|value| *value = gelu(*value)),
            Self::GeluApproximate => row.iter_mut().for_each(|value| *value = gelu_tanh(*value)),
            Self::Relu => row.iter_mut().for_each(|value| *value = value.max(0.0)),
        }
    }
}

/// `x / 2 (1 + erf(x / sqrt 2))`, within 2e-6 of the f64 value for |x| up to 8.
#[inline(always)]
pub(in super::super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, which is `x / (1 + exp(-2 ...))`.
#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    const SCALE: f32 = -2.0 * 0.797_884_6;
    x / (1.0 + exp(SCALE * (x + 0.044_715 * x * x * x)))
}

/// The error function as a ratio of polynomials.
///
/// # Source
/// Eigen, `Eigen/src/Core/MathFunctionsImpl.h`, `generic_fast_erf_float` of version 3.4: the
/// argument is clamped to [-4, 4], where f32 is within a few units of the last place of 1.
#[inline(always)]
pub(in super::super) fn erf(x: f32) -> f32 {
    const ALPHA: [f32; 7] = [
        -2.726_142e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_4e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BETA: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let numerator = ALPHA[1..].iter().fold(ALPHA[0], |sum, coefficient| sum * square + coefficient);
    let denominator = BETA[1..].iter().fold(BETA[0], |sum, coefficient| sum * square + coefficient);
    x * numerator / denominator
}

/// `e^x`, within 2 units of the last place for x in [-87, 88]; beyond, the value at the end.
///
/// # Source
/// Cephes, `single/expf.c`: reduction by ln 2 in two parts, then a polynomial of degree 5.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Added and taken away again it rounds to a whole number, which its low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1];
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let fraction = POLYNOMIAL[1..].iter().fold(POLYNOMIAL[0], |sum, term| sum * rest + term);
    let power = (shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits());
    (fraction * rest * rest + rest + 1.0) * f32::from_bits(power)
}

/// Weights in proportion to `e^x` that sum to 1, of the first `n` numbers; those beyond become 0,
/// or too small to count.
#[inline(always)]
pub(super) fn softmax(row: &mut [f32], n: usize) {
    row[n..].fill(f32::MIN);
    let (_, largest) = range(row);
    row.iter_mut().for_each(|value| *value = exp(*value - largest));
    let scale = 1.0 / sum(row, |value| value);
    row.iter_mut().for_each(|value| *value *= scale);
}

/// A row as whole numbers from 0 to 255: `scale * (number - zero)` is near the value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Grid {
    pub(super) scale: f32,
    pub(super) zero: i32,
}

/// Rounds `row` to a grid of its own. A row that is not finite gets a scale that is not.
#[inline(always)]
pub(super) fn quantize<T: From<u8>>(row: &[f32], to: &mut [T]) -> Grid {
    /// Added to a number below 2^23 it leaves the rounded number in the low bits.
    const ROUND: f32 = 8_388_608.0;
    let (low, high) = range(row);
    let (low, high) = (low.min(0.0), high.max(0.0));
    // Zero for finite values, otherwise NaN.
    let poison = sum(row, |value| value * 0.0);
    let scale = (high - low) / 255.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let zero = (-low * inverse).round();
    for (to, &value) in to.iter_mut().zip(row) {
        let number = (value * inverse + zero).clamp(0.0, 255.0) + ROUND;
        *to = T::from(number.to_bits() as u8);
    }
    Grid { scale: scale + poison, zero: zero as i32 }
}
