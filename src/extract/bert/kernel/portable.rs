//! Plain Rust, for any processor.
#![allow(unsafe_code, reason = "the operations of an inner loop read without bounds checks")]
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::tile::{self, Place};
use super::{Isa, Lanes, Task};

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Portable;

/// Lanes of a vector.
const N: usize = 8;

impl Lanes<f32> for Portable {
    type Left = f32;
    type Right = f32;
    type Vector = [f32; N];
    const GROUP: usize = 1;
    const LANES: usize = N;
    const ROWS: usize = 4;
    const COLUMNS: usize = N;

    #[inline(always)]
    fn zero(self) -> Self::Vector {
        [0.0; N]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::Vector {
        // SAFETY: an array has no padding; the caller promises its length.
        unsafe { from.cast::<[f32; N]>().read() }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const f32) -> Self::Vector {
        // SAFETY: the caller promises one.
        [unsafe { from.read() }; N]
    }

    #[inline(always)]
    fn dot(self, mut sums: [f32; N], left: [f32; N], right: [f32; N]) -> Self::Vector {
        for lane in 0..N {
            sums[lane] += left[lane] * right[lane];
        }
        sums
    }

    #[inline(always)]
    unsafe fn store(self, sums: [f32; N], to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<[f32; N]>().write(sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<f32, f32>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, f32, 4, 1>(self, at) }
    }
}

/// A register is a pair of 16-bit factors for each of its lanes, or their sums.
impl Lanes<i8> for Portable {
    type Left = i16;
    type Right = i16;
    type Vector = [i32; N];
    const GROUP: usize = 2;
    const LANES: usize = N;
    const ROWS: usize = 4;
    const COLUMNS: usize = N;

    #[inline(always)]
    fn zero(self) -> Self::Vector {
        [0; N]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i16) -> Self::Vector {
        // SAFETY: two of them have the bytes of one lane, and an unaligned read asks no alignment.
        unsafe { from.cast::<[i32; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat(self, from: *const i16) -> Self::Vector {
        // SAFETY: as above.
        [unsafe { from.cast::<i32>().read_unaligned() }; N]
    }

    #[inline(always)]
    fn dot(self, mut sums: [i32; N], left: [i32; N], right: [i32; N]) -> Self::Vector {
        for lane in 0..N {
            let (low, high) = (left[lane] as i16, left[lane] >> 16);
            sums[lane] +=
                i32::from(low) * i32::from(right[lane] as i16) + high * (right[lane] >> 16);
        }
        sums
    }

    #[inline(always)]
    unsafe fn store(self, sums: [i32; N], to: *mut f32) {
        // SAFETY: a sum has the size of an f32; the caller promises room.
        unsafe { to.cast::<[i32; N]>().write_unaligned(sums) }
    }

    #[inline(always)]
    unsafe fn tile(self, at: &Place<i16, i16>) {
        // SAFETY: the caller's.
        unsafe { tile::run::<Self, i8, 4, 1>(self, at) }
    }
}

impl Isa for Portable {
    fn detect() -> Option<Self> {
        Some(Self)
    }

    fn run(self, task: impl Task<Self>) {
        task.run(self);
    }
}
