//! What differs between instruction sets.
#![allow(unsafe_code, reason = "what reads without bounds checks is declared so")]

use super::tile;

/// The operations of the inner loop of a product with weights of kind `K`, `f32` or `i8`.
///
/// A vector holds [`LANES`](Self::LANES) sums, or for each of them [`GROUP`](Self::GROUP)
/// neighbouring factors.
pub(in super::super) trait Lanes<K>: Copy {
    /// A factor from the input.
    type Left: Copy + Default;
    /// A factor from the weights.
    type Right: Copy + Default;
    /// A register.
    type Vector: Copy;
    /// Factors that one step multiplies and adds up for each sum.
    const GROUP: usize;
    /// Sums of a vector, each of 4 bytes.
    const LANES: usize;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile: a multiple of [`LANES`](Self::LANES).
    const COLUMNS: usize;

    /// Sums of zero.
    fn zero(self) -> Self::Vector;

    /// `LANES * GROUP` factors of the weights.
    ///
    /// # Safety
    /// So many may be read from `from`.
    unsafe fn load(self, from: *const Self::Right) -> Self::Vector;

    /// `GROUP` factors of the input, for every sum the same.
    ///
    /// # Safety
    /// So many may be read from `from`.
    unsafe fn splat(self, from: *const Self::Left) -> Self::Vector;

    /// `sums` and the products of `left` and `right`.
    fn dot(self, sums: Self::Vector, left: Self::Vector, right: Self::Vector) -> Self::Vector;

    /// Writes `LANES` sums, of f32 or i32.
    ///
    /// # Safety
    /// `to` may be written so far.
    unsafe fn store(self, sums: Self::Vector, to: *mut f32);

    /// A whole tile: [`tile::run`] for `ROWS` rows and `COLUMNS / LANES` vectors.
    ///
    /// # Safety
    /// That of [`tile::run`].
    unsafe fn tile(self, at: &tile::Place<Self::Left, Self::Right>);
}

/// An instruction set that this processor has.
pub(in super::super) trait Isa:
    Lanes<f32, Left = f32, Right = f32>
    + Lanes<i8, Left: From<u8> + Send, Right: From<i8> + Send + Sync>
    + Send
    + Sync
    + 'static
{
    /// The proof, if the processor has it.
    fn detect() -> Option<Self>;

    /// Runs `task` in a function compiled for the instruction set.
    fn run(self, task: impl Task<Self>);
}

/// Work for [`Isa::run`]; everything that it calls is inlined.
pub(in super::super) trait Task<I> {
    /// Does the work.
    fn run(self, isa: I);
}
