//! Products and sums of short vectors, by the widest registers that the processor has.
//!
//! Sums are added in a fixed order of lanes, so the bits are the same for every number of threads.

/// Numbers that a step takes.
const LANES: usize = 16;

/// The length of a vector that holds `n` numbers in whole steps.
pub(super) fn wide(n: usize) -> usize {
    n.max(1).next_multiple_of(LANES)
}

/// Runs `work` as compiled for wide registers, where the processor has them: what is inlined into it
/// is compiled so too.
#[inline]
pub(super) fn widely<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn on_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "only the processor knows")]
            // SAFETY: the processor has just said that it has what the code is compiled for.
            return unsafe { on_avx2(work) };
        }
    }
    work()
}

/// The inner product of two vectors of one length, a multiple of 16.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut half = [0.0; LANES / 2];
    for (lane, sum) in half.iter_mut().enumerate() {
        *sum = sums[lane] + sums[lane + LANES / 2];
    }
    half.iter().sum()
}

/// Adds `scale · b` to `a`, vectors of one length.
#[inline]
pub(super) fn add(a: &mut [f32], b: &[f32], scale: f32) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_are_those_of_the_definition() {
        let a: Vec<f32> = (0..48).map(|at| at as f32 * 0.5).collect();
        let b: Vec<f32> = (0..48).map(|at| (at % 5) as f32 - 2.0).collect();
        let expected: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        assert!((dot(&a, &b) - expected).abs() < 1e-3);
        assert_eq!(widely(|| dot(&a, &b)), dot(&a, &b));
        let mut sum = a.clone();
        add(&mut sum, &b, 2.0);
        assert!(sum.iter().zip(a.iter().zip(&b)).all(|(sum, (a, b))| *sum == a + 2.0 * b));
    }
}
