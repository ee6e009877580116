//! The arithmetic of the forward pass, once for every instruction set.
//!
//! Products run over packed weights in tiles whose sums stay in registers. Only the few operations
//! of a tile's inner loop differ between processors: they are [`Lanes`], implemented in one file per
//! instruction set. The loops around them are plain Rust and become vector code because a [`Task`]
//! runs inside a function that is compiled for the instruction set. A value of an [`Isa`] exists only
//! where the processor was found to have it, so handing one over is the proof that it may be used.
//!
//! Each number of an output depends on its own row of the input and on the weights, and is added up
//! in one order: the other rows of a batch do not show in it. Sums of 8-bit products are exact, so
//! they are the same on every processor; sums of f32 may differ in the last bits between processors.

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod linear;
mod packed;
mod portable;
mod row;
mod tile;

#[cfg(target_arch = "x86_64")]
pub(super) use self::{avx2::Avx2, avx512::Avx512};
pub(super) use attention::{Attention, AttentionScratch};
pub(super) use lanes::{Isa, Lanes, Task};
pub use linear::Precision;
pub(super) use linear::{After, Apply, Linear, LinearScratch};
pub(super) use portable::Portable;
pub(super) use row::{Activation, Norm, erf, gelu};

#[cfg(test)]
mod tests;
