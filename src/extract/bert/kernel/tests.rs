//! Every instruction set that the processor has, and one with the shape of AVX-512, against plain
//! sums.
#![allow(unsafe_code, reason = "an instruction set of the tests' own has the operations of all")]

use super::packed::Packed;
use super::tile::{self, Place};
use super::*;

/// Plain Rust with tiles, groups and factors like those of AVX-512.
#[derive(Debug, Clone, Copy)]
struct Wide;

impl Lanes<f32> for Wide {
    type Left = f32;
    type Right = f32;
    type Vector = [f32; 16];
    const GROUP: usize = 1;
    const LANES: usize = 16;
    const ROWS: usize = 12;
    const COLUMNS: usize = 32;

    fn zero(self) -> [f32; 16] {
        [0.0; 16]
    }

    unsafe fn load(self, from: *const f32) -> [f32; 16] {
        // SAFETY: as `Lanes` says; so everywhere below.
        unsafe { from.cast::<[f32; 16]>().read() }
    }

    unsafe fn splat(self, from: *const f32) -> [f32; 16] {
        // SAFETY: see above.
        [unsafe { from.read() }; 16]
    }

    fn dot(self, sums: [f32; 16], left: [f32; 16], right: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| left[lane].mul_add(right[lane], sums[lane]))
    }

    unsafe fn store(self, sums: [f32; 16], to: *mut f32) {
        // SAFETY: see above.
        unsafe { to.cast::<[f32; 16]>().write(sums) }
    }

    unsafe fn tile(self, at: &Place<f32, f32>) {
        // SAFETY: see above.
        unsafe { tile::run::<Self, f32, 12, 2>(self, at) }
    }
}

impl Lanes<i8> for Wide {
    type Left = u8;
    type Right = i8;
    type Vector = [i32; 16];
    const GROUP: usize = 4;
    const LANES: usize = 16;
    const ROWS: usize = 12;
    const COLUMNS: usize = 32;

    fn zero(self) -> [i32; 16] {
        [0; 16]
    }

    unsafe fn load(self, from: *const i8) -> [i32; 16] {
        // SAFETY: see above.
        unsafe { from.cast::<[i32; 16]>().read_unaligned() }
    }

    unsafe fn splat(self, from: *const u8) -> [i32; 16] {
        // SAFETY: see above.
        [unsafe { from.cast::<i32>().read_unaligned() }; 16]
    }

    fn dot(self, sums: [i32; 16], left: [i32; 16], right: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|lane| {
            let factors = left[lane].to_ne_bytes().into_iter().zip(right[lane].to_ne_bytes());
            factors.fold(sums[lane], |sum, (a, b)| sum + i32::from(a) * i32::from(b as i8))
        })
    }

    unsafe fn store(self, sums: [i32; 16], to: *mut f32) {
        // SAFETY: see above.
        unsafe { to.cast::<[i32; 16]>().write_unaligned(sums) }
    }

    unsafe fn tile(self, at: &Place<u8, i8>) {
        // SAFETY: see above.
        unsafe { tile::run::<Self, i8, 12, 2>(self, at) }
    }
}

impl Isa for Wide {
    fn detect() -> Option<Self> {
        Some(Self)
    }

    fn run(self, task: impl Task<Self>) {
        task.run(self);
    }
}

/// Calls a generic check with every instruction set that there is.
macro_rules! on_every {
    ($check:ident) => {
        $check(Portable);
        $check(Wide);
        #[cfg(target_arch = "x86_64")]
        {
            Avx2::detect().into_iter().for_each($check);
            Avx512::detect().into_iter().for_each($check);
        }
    };
}

/// Seeded numbers in [-1, 1).
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(n).collect()
}

/// Rows, factors and columns around the borders of tiles.
const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 8, 16), (5, 7, 33), (6, 16, 16), (13, 384, 48), (25, 30, 70), (3, 1536, 9)];

struct Product<'a, I: Isa, K>
where
    I: Lanes<K>,
{
    packed: &'a Packed<I, K>,
    left: &'a [<I as Lanes<K>>::Left],
    to: &'a mut [f32],
}

impl<I: Isa + Lanes<K>, K> Task<I> for Product<'_, I, K> {
    fn run(self, isa: I) {
        self.packed.multiply(isa, self.left, self.to);
    }
}

#[test]
fn products_of_f32_are_near_exact_sums() {
    fn check<I: Isa>(isa: I) {
        for (n_rows, k, n) in SHAPES {
            let (left, weight) = (numbers(n_rows * k, 1), numbers(n * k, 2));
            let packed = Packed::<I, f32>::new(n, k, |out, at| weight[out * k + at]);
            let mut found = vec![f32::NAN; n_rows * n];
            isa.run(Product { packed: &packed, left: &left, to: &mut found });
            for (index, found) in found.iter().enumerate() {
                let (row, out) = (&left[index / n * k..][..k], &weight[index % n * k..][..k]);
                let exact: f64 =
                    row.iter().zip(out).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                assert!((f64::from(*found) - exact).abs() < 1e-5 * k as f64, "{found} {exact}");
            }
        }
    }
    on_every!(check);
}

#[test]
fn products_of_bytes_are_exact_sums() {
    fn check<I: Isa>(isa: I) {
        for (n_rows, k, n) in SHAPES {
            // The ends of both ranges among them, and at some places together.
            let byte = |value: &f32| (value * 1.5).clamp(-1.0, 1.0) * 127.5;
            let left: Vec<u8> =
                numbers(n_rows * k, 3).iter().map(|v| (byte(v) + 127.5) as u8).collect();
            let weight: Vec<i8> = numbers(n * k, 4).iter().map(|v| byte(v) as i8).collect();
            assert!(k < 384 || (left.contains(&255) && weight.contains(&-127)));
            let packed = Packed::<I, i8>::new(n, k, |out, at| weight[out * k + at].into());
            let stride = packed.stride();
            let mut padded: Vec<<I as Lanes<i8>>::Left> = vec![255.into(); n_rows * stride];
            for (index, value) in left.iter().enumerate() {
                padded[index / k * stride + index % k] = (*value).into();
            }
            let mut found = vec![f32::NAN; n_rows * n];
            isa.run(Product { packed: &packed, left: &padded, to: &mut found });
            for (index, found) in found.iter().enumerate() {
                let (row, out) = (&left[index / n * k..][..k], &weight[index % n * k..][..k]);
                let exact: i32 =
                    row.iter().zip(out).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
                assert_eq!(found.to_bits() as i32, exact);
            }
        }
    }
    on_every!(check);
}

#[test]
fn other_rows_do_not_show() {
    fn check<I: Isa>(isa: I) {
        let (n_rows, k, n) = (29, 48, 40);
        let norm = Norm { weight: numbers(n, 5), bias: numbers(n, 6), epsilon: 1e-12 };
        let (input, start) = (numbers(n_rows * k, 7), numbers(n_rows * n, 8));
        for precision in [Precision::F32, Precision::Int8] {
            let linear = Linear::<I>::new(&numbers(n * k, 9), numbers(n, 10), precision);
            let afters = [After::Write, After::Activate(Activation::Gelu), After::AddNorm(&norm)];
            for after in afters {
                let mut scratch = LinearScratch::default();
                let mut run = |input: &[f32], to: &mut [f32]| {
                    isa.run(Apply { linear: &linear, input, after, to, scratch: &mut scratch });
                };
                let (mut together, mut alone) = (start.clone(), start.clone());
                run(&input, &mut together);
                for (row, to) in input.chunks(k).zip(alone.chunks_mut(n)) {
                    run(row, to);
                }
                assert_eq!(together, alone, "{precision:?} {after:?}");
            }
        }
    }
    on_every!(check);
}

#[test]
fn bytes_are_near_f32() {
    fn check<I: Isa>(isa: I) {
        let (n_rows, k, n) = (7, 96, 50);
        let (weight, bias) = (numbers(n * k, 11), numbers(n, 12));
        // Far from the middle, as after an activation.
        let input: Vec<f32> = numbers(n_rows * k, 13).iter().map(|v| v.max(-0.1) * 9.0).collect();
        let run = |precision| {
            let linear = Linear::<I>::new(&weight, bias.clone(), precision);
            let (mut to, mut scratch) = (vec![0.0; n_rows * n], LinearScratch::default());
            let (input, after) = (&input[..], After::Write);
            isa.run(Apply { linear: &linear, input, after, to: &mut to, scratch: &mut scratch });
            to
        };
        let (full, bytes) = (run(Precision::F32), run(Precision::Int8));
        let error: f32 = full.iter().zip(&bytes).map(|(a, b)| (a - b) * (a - b)).sum();
        let size: f32 = full.iter().map(|a| a * a).sum();
        assert!(error > 0.0 && error < 1e-4 * size, "{error} of {size}");
    }
    on_every!(check);
}

#[test]
fn attends_as_the_formula_says() {
    fn check<I: Isa>(isa: I) {
        let mut scratch = AttentionScratch::default();
        for (length, n_heads, head) in [(1, 1, 4), (22, 3, 32), (67, 2, 20), (9, 2, 64)] {
            let hidden = n_heads * head;
            let joined = numbers(length * 3 * hidden, 14);
            let mut found = vec![f32::NAN; length * hidden];
            let to = &mut found[..];
            isa.run(Attention { joined: &joined, n_heads, to, length, scratch: &mut scratch });
            let at = |token: usize, part: usize, number: usize| {
                f64::from(joined[(token * 3 + part) * hidden + number])
            };
            for (index, found) in found.iter().enumerate() {
                let (token, number) = (index / hidden, index % hidden);
                let first = number / head * head;
                let score = |other| {
                    (first..first + head).map(|d| at(token, 0, d) * at(other, 1, d)).sum::<f64>()
                };
                let weights: Vec<f64> = (0..length).map(|other| score(other).exp()).collect();
                let total: f64 = weights.iter().sum();
                let exact: f64 =
                    weights.iter().enumerate().map(|(o, w)| w / total * at(o, 2, number)).sum();
                assert!((f64::from(*found) - exact).abs() < 1e-5, "{found} {exact}");
            }
        }
    }
    on_every!(check);
}

#[test]
fn rows_become_whole_numbers_and_back() {
    let check = |row: &[f32]| {
        let mut whole = vec![0u8; row.len()];
        let grid = row::quantize(row, &mut whole);
        for (value, &whole) in row.iter().zip(&whole) {
            let back = grid.scale * (i32::from(whole) - grid.zero) as f32;
            assert!((back - value).abs() <= 0.51 * grid.scale, "{back} for {value} of {row:?}");
        }
    };
    check(&[0.0; 20]);
    check(&[3.0, 4.0, 5.0]);
    check(&[-7.0]);
    check(&[-0.17, 0.0, 12.0, 1e-30]);
    check(&numbers(384, 15));
    check(&[1e30, -1e30, 1e20]);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut row = numbers(40, 16);
        row[33] = value;
        assert!(!row::quantize(&row, &mut [0u8; 40]).scale.is_finite());
    }
}

#[test]
fn exponentials_are_exact_to_f32() {
    for step in -8700..8800 {
        let x = step as f32 / 100.0;
        let exact = f64::from(x).exp();
        assert!((f64::from(row::exp(x)) / exact - 1.0).abs() < 2.5e-7, "{x}");
    }
    assert!(row::exp(-1e9) < 1e-37 && row::exp(f32::NAN).is_nan());
}

#[test]
fn activations_agree_with_each_other() {
    for step in -800..800 {
        let x = step as f32 / 100.0;
        assert!((row::gelu(x) - row::gelu_tanh(x)).abs() < 1e-3, "{x}");
    }
    assert!(row::gelu_tanh(-50.0).abs() < 1e-30);
    assert!(row::gelu(f32::NAN).is_nan() && row::gelu_tanh(f32::NAN).is_nan());
}
