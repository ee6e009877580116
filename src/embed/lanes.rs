//! Sixteen numbers at a time, by the widest registers that the processor has.
//!
//! Every set of instructions adds in the same order and rounds once per product and sum, so all of them
//! give the same bits.
#![allow(unsafe_code, reason = "instructions of one processor are unsafe on others")]
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

/// Numbers that a step takes.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers in memory.
pub(crate) type Block = [f32; LANES];

/// Sixteen numbers that lie in one line of the cache, so that reading them touches no other.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Line(pub(crate) Block);

impl Line {
    /// Zeros.
    pub(crate) const ZERO: Self = Self([0.0; LANES]);
}

/// The numbers of a vector in lines, zeros at its end.
pub(crate) fn lines(vector: &[f32]) -> impl Iterator<Item = Line> + '_ {
    vector.chunks(LANES).map(|chunk| {
        let mut line = Line::ZERO;
        line.0[..chunk.len()].copy_from_slice(chunk);
        line
    })
}

/// A proof that the processor has some instructions, and what they do with sixteen numbers.
pub(crate) trait Isa: Copy {
    /// Sixteen numbers in registers.
    type V: Copy;
    /// The same number sixteen times.
    fn splat(self, value: f32) -> Self::V;
    /// From memory.
    fn load(self, from: &Block) -> Self::V;
    /// To memory.
    fn store(self, value: Self::V, to: &mut Block);
    /// `a · b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Which of the sixteen are at least as great as those of `bar`: bit 0 tells of the first.
    fn reaches(self, value: Self::V, bar: Self::V) -> u32;
    /// The sum of all sixteen: halves are added until one number is left.
    fn sum(self, value: Self::V) -> f32;
}

/// Work that runs with any instructions.
pub(crate) trait Work {
    /// What comes out.
    type Out;
    /// Does it; marked `#[inline(always)]`, so that it is compiled for the instructions.
    fn run<I: Isa>(self, isa: I) -> Self::Out;
}

/// Does the work by the widest registers of this processor.
pub(crate) fn run<W: Work>(work: W) -> W::Out {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has just said that it has what the code is compiled for.
            return unsafe { with_avx512(work) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: as above.
            return unsafe { with_avx2(work) };
        }
    }
    work.run(Portable)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn with_avx512<W: Work>(work: W) -> W::Out {
    work.run(x86::Avx512(()))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<W: Work>(work: W) -> W::Out {
    work.run(x86::Avx2(()))
}

/// What every processor has.
#[derive(Clone, Copy)]
struct Portable;

impl Isa for Portable {
    type V = Block;

    #[inline(always)]
    fn splat(self, value: f32) -> Block {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &Block) -> Block {
        *from
    }

    #[inline(always)]
    fn store(self, value: Block, to: &mut Block) {
        *to = value;
    }

    #[inline(always)]
    fn fma(self, a: Block, b: Block, c: Block) -> Block {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    fn add(self, a: Block, b: Block) -> Block {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn reaches(self, value: Block, bar: Block) -> u32 {
        let bit = |lane: usize| u32::from(value[lane] >= bar[lane]) << lane;
        (0..LANES).map(bit).sum()
    }

    #[inline(always)]
    fn sum(self, mut value: Block) -> f32 {
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                value[lane] += value[lane + half];
            }
        }
        value[0]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _CMP_GE_OQ, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps,
        _mm_shuffle_ps, _mm256_add_ps, _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_cmp_ps,
        _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_movemask_ps,
        _mm256_set1_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_castps_pd, _mm512_castps512_ps256,
        _mm512_cmp_ps_mask, _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::{Block, Isa};

    /// Made by `with_avx512` alone.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(pub(super) ());

    /// Made by `with_avx2` alone.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(pub(super) ());

    /// # Safety
    /// The processor has AVX.
    #[inline(always)]
    unsafe fn sum_of_eight(value: __m256) -> f32 {
        // SAFETY: the caller's processor has AVX.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps::<1>(value));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    // SAFETY of all that follows: the proof is made only where the processor has the instructions, and
    // references to blocks are valid for sixteen numbers.

    impl Isa for Avx512 {
        type V = __m512;

        #[inline(always)]
        fn splat(self, value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn load(self, from: &Block) -> __m512 {
            unsafe { _mm512_loadu_ps(from.as_ptr()) }
        }

        #[inline(always)]
        fn store(self, value: __m512, to: &mut Block) {
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
        }

        #[inline(always)]
        fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn reaches(self, value: __m512, bar: __m512) -> u32 {
            unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, bar)) }
        }

        #[inline(always)]
        fn sum(self, value: __m512) -> f32 {
            unsafe {
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(value)));
                sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(value), high))
            }
        }
    }

    impl Isa for Avx2 {
        type V = [__m256; 2];

        #[inline(always)]
        fn splat(self, value: f32) -> Self::V {
            unsafe { [_mm256_set1_ps(value); 2] }
        }

        #[inline(always)]
        fn load(self, from: &Block) -> Self::V {
            unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())] }
        }

        #[inline(always)]
        fn store(self, value: Self::V, to: &mut Block) {
            unsafe {
                _mm256_storeu_ps(to.as_mut_ptr(), value[0]);
                _mm256_storeu_ps(to[8..].as_mut_ptr(), value[1]);
            }
        }

        #[inline(always)]
        fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
        }

        #[inline(always)]
        fn add(self, a: Self::V, b: Self::V) -> Self::V {
            unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn reaches(self, value: Self::V, bar: Self::V) -> u32 {
            unsafe {
                let low = _mm256_cmp_ps::<_CMP_GE_OQ>(value[0], bar[0]);
                let high = _mm256_cmp_ps::<_CMP_GE_OQ>(value[1], bar[1]);
                (_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8) as u32
            }
        }

        #[inline(always)]
        fn sum(self, value: Self::V) -> f32 {
            unsafe { sum_of_eight(_mm256_add_ps(value[0], value[1])) }
        }
    }
}

/// The blocks of a vector, whose length is a multiple of sixteen.
#[inline(always)]
pub(crate) fn blocks(vector: &[f32]) -> &[Block] {
    vector.as_chunks().0
}

/// The blocks of a vector, to change.
#[inline(always)]
pub(crate) fn blocks_mut(vector: &mut [f32]) -> &mut [Block] {
    vector.as_chunks_mut().0
}

/// Asks for what is needed soon.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((size_of::<Line>() / size_of::<T>().max(1)).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        // SAFETY: the address is that of a slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The inner product of two vectors of one length, a multiple of sixteen.
pub(crate) struct Dot<'a>(pub(crate) &'a [f32], pub(crate) &'a [f32]);

impl Work for Dot<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let mut sum = isa.splat(0.0);
        for (a, b) in blocks(self.0).iter().zip(blocks(self.1)) {
            sum = isa.fma(isa.load(a), isa.load(b), sum);
        }
        isa.sum(sum)
    }
}

/// The inner product of two vectors of as many lines.
pub(crate) struct LineDot<'a>(pub(crate) &'a [Line], pub(crate) &'a [Line]);

impl Work for LineDot<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        dot(isa, self.0, self.1)
    }
}

/// The inner product of two vectors of as many lines, in code of one set of instructions.
#[inline(always)]
pub(crate) fn dot<I: Isa>(isa: I, a: &[Line], b: &[Line]) -> f32 {
    let mut sum = isa.splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sum = isa.fma(isa.load(&a.0), isa.load(&b.0), sum);
    }
    isa.sum(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_instructions_give_the_same_bits() {
        let a: Vec<f32> = (0..64).map(|at| (at as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..64).map(|at| (at as f32 * 0.71).cos()).collect();
        let expected: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let portable = Dot(&a, &b).run(Portable);
        assert!((f64::from(portable) - expected).abs() < 1e-5);
        assert_eq!(portable.to_bits(), run(Dot(&a, &b)).to_bits());
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has just said so.
            assert_eq!(portable.to_bits(), unsafe { with_avx2(Dot(&a, &b)) }.to_bits());
        }
    }
}
