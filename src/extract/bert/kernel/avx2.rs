//! AVX2 with FMA: 16 registers of 8 lanes.
//!
//! Whole numbers are multiplied as pairs of 16 bits: the product of bytes that this instruction set
//! has adds pairs up in 16 bits, where they do not fit.
#![allow(unsafe_code, reason = "instructions of one processor are unsafe on others")]
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::arch::x86_64::{
    __m256, __m256i, _mm256_add_epi32, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_storeu_ps, _mm256_storeu_si256,
};

use super::tile::{self, Place};
use super::{Isa, Lanes, Task};

/// The proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx2(());

impl Lanes<f32> for Avx2 {
    type Left = f32;
    type Right = f32;
    type Vector = __m256;
    const GROUP: usize = 1;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const COLUMNS: usize = 16;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` proves the instructions; so everywhere below.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the caller promises 8 values.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const f32) -> __m256 {
        // SAFETY: the caller promises a value.
        unsafe { _mm256_broadcast_ss(&*from) }
    }

    #[inline(always)]
    fn dot(self, sums: __m256, left: __m256, right: __m256) -> __m256 {
        // SAFETY: see `zero`.
        unsafe { _mm256_fmadd_ps(left, right, sums) }
    }

    #[inline(always)]
    unsafe fn store(self, sums: __m256, to: *mut f32) {
        // SAFETY: the caller promises room for 8 values.
        unsafe { _mm256_storeu_ps(to, sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<f32, f32>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, f32, 6, 2>(self, at) }
    }
}

impl Lanes<i8> for Avx2 {
    type Left = i16;
    type Right = i16;
    type Vector = __m256i;
    const GROUP: usize = 2;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const COLUMNS: usize = 16;

    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i16) -> __m256i {
        // SAFETY: the caller promises 16 values.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const i16) -> __m256i {
        // SAFETY: the caller promises 2 values.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn dot(self, sums: __m256i, left: __m256i, right: __m256i) -> __m256i {
        // SAFETY: see `zero`.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(left, right)) }
    }

    #[inline(always)]
    unsafe fn store(self, sums: __m256i, to: *mut f32) {
        // SAFETY: the caller promises room for 8 sums.
        unsafe { _mm256_storeu_si256(to.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<i16, i16>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, i8, 6, 2>(self, at) }
    }
}

impl Isa for Avx2 {
    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    fn run(self, task: impl Task<Self>) {
        #[target_feature(enable = "avx2,fma")]
        fn inner(isa: Avx2, task: impl Task<Avx2>) {
            task.run(isa);
        }
        // SAFETY: `self` exists only where `detect` found both.
        unsafe { inner(self, task) }
    }
}
