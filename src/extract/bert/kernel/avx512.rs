//! AVX-512 with VNNI: 32 registers of 16 lanes, and a product of bytes that adds up in 32 bits.
#![allow(unsafe_code, reason = "instructions of one processor are unsafe on others")]
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::arch::x86_64::{
    __m512, __m512i, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    _mm512_storeu_si512,
};

use super::tile::{self, Place};
use super::{Isa, Lanes, Task};

/// The proof that the processor has AVX-512 F, BW, VL and VNNI, besides AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Lanes<f32> for Avx512 {
    type Left = f32;
    type Right = f32;
    type Vector = __m512;
    const GROUP: usize = 1;
    const LANES: usize = 16;
    const ROWS: usize = 12;
    const COLUMNS: usize = 32;

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: `self` proves the instructions; so everywhere below.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller promises 16 values.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const f32) -> __m512 {
        // SAFETY: the caller promises a value.
        unsafe { _mm512_set1_ps(from.read()) }
    }

    #[inline(always)]
    fn dot(self, sums: __m512, left: __m512, right: __m512) -> __m512 {
        // SAFETY: see `zero`.
        unsafe { _mm512_fmadd_ps(left, right, sums) }
    }

    #[inline(always)]
    unsafe fn store(self, sums: __m512, to: *mut f32) {
        // SAFETY: the caller promises room for 16 values.
        unsafe { _mm512_storeu_ps(to, sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<f32, f32>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, f32, 12, 2>(self, at) }
    }
}

impl Lanes<i8> for Avx512 {
    type Left = u8;
    type Right = i8;
    type Vector = __m512i;
    const GROUP: usize = 4;
    const LANES: usize = 16;
    const ROWS: usize = 12;
    const COLUMNS: usize = 32;

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> __m512i {
        // SAFETY: the caller promises 64 values.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const u8) -> __m512i {
        // SAFETY: the caller promises 4 values.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn dot(self, sums: __m512i, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: see `zero`. The first factors are taken without sign, the second with.
        unsafe { _mm512_dpbusd_epi32(sums, left, right) }
    }

    #[inline(always)]
    unsafe fn store(self, sums: __m512i, to: *mut f32) {
        // SAFETY: the caller promises room for 16 sums.
        unsafe { _mm512_storeu_si512(to.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<u8, i8>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, i8, 12, 2>(self, at) }
    }
}

impl Isa for Avx512 {
    fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(()))
    }

    fn run(self, task: impl Task<Self>) {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni")]
        fn inner(isa: Avx512, task: impl Task<Avx512>) {
            task.run(isa);
        }
        // SAFETY: `self` exists only where `detect` found them all.
        unsafe { inner(self, task) }
    }
}
