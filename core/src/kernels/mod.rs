//! The only loops over matrices and vectors.
//!
//! Two families. *Tile kernels* work on a tile of `TILE` examples whose values lie as rows `[unit]` of
//! one lane per example: they broadcast one weight over the lanes, so that speed comes from independent
//! elements and the order of every sum is fixed. *Vector kernels* work on vectors of length P.
//!
//! Order of summation, the same for every target and every `TILE`:
//! - a product sums over its inner index in index order, from the bias (or from 0) on;
//! - a sum over examples runs example by example, in order, in the accumulator itself;
//! - a sum of length P runs in [`PARTS`] interleaved partial sums, which are then added as a binary
//!   tree: faster than one running sum, and its rounding error grows with P / `PARTS`.
//!
//! All of them are total: of slices that do not match, a common part is used.

mod few;
mod tile;
mod vector;
mod wide;

#[cfg(test)]
mod tests;

pub(crate) use tile::{
    add_outer, add_outer_pair, add_outer_squared, add_product, add_transposed, affine,
};
pub(crate) use vector::{
    all_finite, axpy, copy, distance_squared, dot, fill, reduce, scale, sum, xpay,
};
pub(crate) use wide::MANY;

/// The number of interleaved partial sums of a reduction of length P.
pub const PARTS: usize = 8;
