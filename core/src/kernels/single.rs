//! Kernels of one example on a host, whose vectors lie along the rows or the columns of a weight matrix.
//!
//! The numbers of a vector belong to sums of their own, and each sum keeps its order.

#![expect(
    clippy::inline_always,
    reason = "the instruction set of a kernel is that of what is inlined into it"
)]

use super::arithmetic::Arithmetic;
use super::wide::{COLUMNS, fits, multiply_add, transposed};
use crate::scalar::Scalar;

for_machines! {
    /// z += W a of as many rows as there are blocks of [`COLUMNS`], of which an input has to have one at least; returns
    /// those of W and z that are left.
    ///
    /// A sum runs along a row, in index order, so that vectors have to hold columns: squares of W are transposed in
    /// registers.
    pub(super) fn add_product<'w, 'z, T: Scalar>(
        weights: &'w [T],
        input: &[T],
        out: &'z mut [T],
    ) -> (&'w [T], &'z mut [T]) {
        let (width, arithmetic) = (input.len(), arithmetic!(T));
        let (blocks, remainder) = out.as_chunks_mut::<COLUMNS>();
        let (whole, part) = input.as_chunks::<COLUMNS>();
        let mut rest = weights;
        for block in blocks {
            let Some((rows, tail)) = rest.split_at_checked(COLUMNS.saturating_mul(width)) else {
                break;
            };
            rest = tail;
            let mut sums = *block;
            let mut columns = rows;
            for a in whole {
                let mut square = [[T::ZERO; COLUMNS]; COLUMNS];
                let mut row = columns;
                for place in &mut square {
                    if let Some(weights) = row.first_chunk() {
                        *place = *weights;
                    }
                    row = row.get(width..).unwrap_or(&[]);
                }
                for (column, &a) in transposed(&square).iter().zip(a) {
                    multiply_add(a, column, &mut sums, arithmetic);
                }
                columns = columns.get(COLUMNS..).unwrap_or(&[]);
            }
            for sum in &mut sums {
                for (&w, &a) in columns.iter().zip(part) {
                    *sum = arithmetic.multiply_add(w, a, *sum);
                }
                columns = columns.get(width..).unwrap_or(&[]);
            }
            *block = sums;
        }
        (rest, remainder)
    }
}

for_machines! {
    /// s += Wᵀ δ.
    pub(super) fn add_transposed<T: Scalar>(weights: &[T], seeds: &[T], out: &mut [T]) {
        let (width, arithmetic) = (out.len(), arithmetic!(T));
        let mut rest = (weights, out);
        if fits::<T>(4, COLUMNS, half_the_registers!()) {
            rest = transposed_columns::<T, { 4 * COLUMNS }>(rest, width, seeds, arithmetic);
        }
        rest = transposed_columns::<T, COLUMNS>(rest, width, seeds, arithmetic);
        rest = transposed_columns::<T, 4>(rest, width, seeds, arithmetic);
        transposed_columns::<T, 1>(rest, width, seeds, arithmetic);
    }
}

/// As many numbers of s as there are blocks of `COLS`, from the columns of W that the weights begin with; returns what
/// begins after them.
#[inline(always)]
fn transposed_columns<'a, T: Scalar, const COLS: usize>(
    (weights, out): (&'a [T], &'a mut [T]),
    width: usize,
    seeds: &[T],
    arithmetic: Arithmetic,
) -> (&'a [T], &'a mut [T]) {
    let mut first = weights;
    let (blocks, remainder) = out.as_chunks_mut::<COLS>();
    for block in blocks {
        let mut sums = *block;
        let mut rest = first;
        for &seed in seeds {
            let Some(weights) = rest.first_chunk::<COLS>() else {
                break;
            };
            multiply_add(seed, weights, &mut sums, arithmetic);
            rest = rest.get(width..).unwrap_or(&[]);
        }
        *block = sums;
        first = first.get(COLS..).unwrap_or(&[]);
    }
    (first, remainder)
}

for_machines! {
    /// G += δ aᵀ.
    pub(super) fn add_outer<T: Scalar>(seeds: &[T], input: &[T], weights: &mut [T]) {
        let (mut rest, arithmetic) = (weights, arithmetic!(T));
        for &s in seeds {
            let Some((row, tail)) = rest.split_at_mut_checked(input.len()) else {
                return;
            };
            rest = tail;
            for (w, &a) in row.iter_mut().zip(input) {
                *w = arithmetic.multiply_add(s, a, *w);
            }
        }
    }
}
