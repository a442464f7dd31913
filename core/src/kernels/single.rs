//! Kernels of one example on a host, whose vectors lie along the rows or the columns of a weight matrix.
//!
//! Wherever the numbers of a vector belong to sums of their own, each sum keeps its order.

use crate::scalar::Scalar;

use super::wide::{COLUMNS, multiply_add, split_rows, split_rows_mut, transposed};

/// The rows of W that Wᵀδ takes at once.
const ROWS: usize = 8;

for_machines! {
    /// z += W a of as many rows as there are blocks of [`COLUMNS`]; returns those of W and z that are left.
    ///
    /// A sum runs along a row, in index order, so that vectors have to hold columns: squares of W are transposed in
    /// registers.
    pub(super) fn add_product<'w, 'z, T: Scalar>(
        weights: &'w [T],
        input: &[T],
        out: &'z mut [T],
    ) -> (&'w [T], &'z mut [T]) {
        let (blocks, remainder) = out.as_chunks_mut::<COLUMNS>();
        let (whole, part) = input.as_chunks::<COLUMNS>();
        let mut rest = weights;
        for block in blocks {
            let Some((rows, tail)) = split_rows::<T, COLUMNS>(rest, input.len()) else {
                break;
            };
            rest = tail;
            let mut sums = *block;
            let mut rows = rows.map(|row| row.as_chunks::<COLUMNS>());
            for a in whole {
                let mut square = [[T::ZERO; COLUMNS]; COLUMNS];
                for (place, (squares, _)) in square.iter_mut().zip(&mut rows) {
                    if let Some((first, others)) = squares.split_first() {
                        *place = *first;
                        *squares = others;
                    }
                }
                for (column, &a) in transposed(&square).iter().zip(a) {
                    multiply_add(a, column, &mut sums);
                }
            }
            for (sum, (_, row)) in sums.iter_mut().zip(rows) {
                for (&w, &a) in row.iter().zip(part) {
                    *sum += w * a;
                }
            }
            *block = sums;
        }
        (rest, remainder)
    }
}

for_machines! {
    /// s += Wᵀ δ.
    pub(super) fn add_transposed<T: Scalar>(weights: &[T], seeds: &[T], out: &mut [T]) {
        let mut rest = weights;
        let (blocks, single) = seeds.as_chunks::<ROWS>();
        for &[s0, s1, s2, s3, s4, s5, s6, s7] in blocks {
            let Some(([w0, w1, w2, w3, w4, w5, w6, w7], tail)) = split_rows(rest, out.len()) else {
                return;
            };
            rest = tail;
            let upper = w0.iter().zip(w1).zip(w2).zip(w3);
            let lower = w4.iter().zip(w5).zip(w6).zip(w7);
            for ((sum, (((w0, w1), w2), w3)), (((w4, w5), w6), w7)) in
                out.iter_mut().zip(upper).zip(lower)
            {
                let upper = *sum + *w0 * s0 + *w1 * s1 + *w2 * s2 + *w3 * s3;
                *sum = upper + *w4 * s4 + *w5 * s5 + *w6 * s6 + *w7 * s7;
            }
        }
        for &s in single {
            let Some((row, tail)) = rest.split_at_checked(out.len()) else {
                return;
            };
            rest = tail;
            for (sum, &w) in out.iter_mut().zip(row) {
                *sum += w * s;
            }
        }
    }
}

for_machines! {
    /// G += δ aᵀ.
    pub(super) fn add_outer<T: Scalar>(seeds: &[T], input: &[T], weights: &mut [T]) {
        let mut rest = weights;
        for &s in seeds {
            let Some(([row], tail)) = split_rows_mut::<T, 1>(rest, input.len()) else {
                return;
            };
            rest = tail;
            for (w, &a) in row.iter_mut().zip(input) {
                *w += s * a;
            }
        }
    }
}
