//! Tile kernels for a few lanes: those of a device.

use crate::scalar::Scalar;

/// The rows of a weight matrix `[out × in]` that are worked on at once.
///
/// The values that the rows share are loaded once for all of them, and four chains of sums are under way at a time;
/// each sum has the order that it has alone. Beyond [`FEW`] lanes the sums of four rows no longer fit into the registers
/// of a device, and the lanes are chains enough.
const ROWS: usize = 4;

/// The lanes up to which rows are worked on together.
const FEW: usize = 4;

/// The first `ROWS` rows of a matrix, if there are as many, and the rest.
fn split_rows<T>(matrix: &[T], width: usize) -> Option<([&[T]; ROWS], &[T])> {
    let (a, rest) = matrix.split_at_checked(width)?;
    let (b, rest) = rest.split_at_checked(width)?;
    let (c, rest) = rest.split_at_checked(width)?;
    let (d, rest) = rest.split_at_checked(width)?;
    Some(([a, b, c, d], rest))
}

/// The same for a matrix that is written.
fn split_rows_mut<T>(matrix: &mut [T], width: usize) -> Option<([&mut [T]; ROWS], &mut [T])> {
    let (a, rest) = matrix.split_at_mut_checked(width)?;
    let (b, rest) = rest.split_at_mut_checked(width)?;
    let (c, rest) = rest.split_at_mut_checked(width)?;
    let (d, rest) = rest.split_at_mut_checked(width)?;
    Some(([a, b, c, d], rest))
}

/// sum += w a, lane by lane.
#[inline]
fn multiply_add<T: Scalar, const TILE: usize>(w: T, a: &[T; TILE], sum: &mut [T; TILE]) {
    // For size, a compiler would keep a loop over four lanes.
    if let (([sum], []), ([a], [])) = (sum.as_chunks_mut::<4>(), a.as_chunks::<4>()) {
        let [s0, s1, s2, s3] = sum;
        let [a0, a1, a2, a3] = *a;
        *s0 += w * a0;
        *s1 += w * a1;
        *s2 += w * a2;
        *s3 += w * a3;
        return;
    }
    for (sum, &a) in sum.iter_mut().zip(a) {
        *sum += w * a;
    }
}

/// The rest of the rows, one at a time.
///
/// Not `chunks_exact`: with a length known only at run time it keeps a panic for 0.
struct EachRow<'a, T> {
    rest: &'a [T],
    width: usize,
}

impl<'a, T> Iterator for EachRow<'a, T> {
    type Item = &'a [T];
    fn next(&mut self) -> Option<&'a [T]> {
        let (row, rest) = self.rest.split_at_checked(self.width)?;
        self.rest = rest;
        Some(row)
    }
}

fn rows<T>(matrix: &[T], width: usize) -> EachRow<'_, T> {
    EachRow {
        rest: matrix,
        width,
    }
}

/// z += W a.
pub(super) fn add_product<T: Scalar, const TILE: usize>(
    weights: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    let mut rest = weights;
    let mut single = out;
    if TILE <= FEW {
        let (blocks, remainder) = single.as_chunks_mut::<ROWS>();
        for block in blocks {
            let Some(([w0, w1, w2, w3], tail)) = split_rows(rest, input.len()) else {
                return;
            };
            rest = tail;
            let [mut z0, mut z1, mut z2, mut z3] = *block;
            for ((((w0, w1), w2), w3), a) in w0.iter().zip(w1).zip(w2).zip(w3).zip(input) {
                multiply_add(*w0, a, &mut z0);
                multiply_add(*w1, a, &mut z1);
                multiply_add(*w2, a, &mut z2);
                multiply_add(*w3, a, &mut z3);
            }
            *block = [z0, z1, z2, z3];
        }
        single = remainder;
    }
    for (w, z) in rows(rest, input.len()).zip(single) {
        let mut sum = *z;
        for (&w, a) in w.iter().zip(input) {
            multiply_add(w, a, &mut sum);
        }
        *z = sum;
    }
}

/// s += Wᵀ δ.
pub(super) fn add_transposed<T: Scalar, const TILE: usize>(
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    let mut rest = weights;
    let mut single = seeds;
    if TILE <= FEW {
        let (blocks, remainder) = single.as_chunks::<ROWS>();
        for [s0, s1, s2, s3] in blocks {
            let Some(([w0, w1, w2, w3], tail)) = split_rows(rest, out.len()) else {
                return;
            };
            rest = tail;
            let columns = w0.iter().zip(w1).zip(w2).zip(w3).zip(out.iter_mut());
            for ((((w0, w1), w2), w3), sum) in columns {
                let mut s = *sum;
                multiply_add(*w0, s0, &mut s);
                multiply_add(*w1, s1, &mut s);
                multiply_add(*w2, s2, &mut s);
                multiply_add(*w3, s3, &mut s);
                *sum = s;
            }
        }
        single = remainder;
    }
    for (w, seed) in rows(rest, out.len()).zip(single) {
        for (&w, sum) in w.iter().zip(out.iter_mut()) {
            multiply_add(w, seed, sum);
        }
    }
}

/// G += Σᵦ δᵦ aᵦᵀ over the first `lanes` examples.
pub(super) fn add_outer<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    lanes: usize,
    weights: &mut [T],
) {
    let mut rest = weights;
    let mut single = seeds;
    if TILE <= FEW && lanes == TILE {
        let (blocks, remainder) = single.as_chunks::<ROWS>();
        for [s0, s1, s2, s3] in blocks {
            let Some(([w0, w1, w2, w3], tail)) = split_rows_mut(rest, input.len()) else {
                return;
            };
            rest = tail;
            for ((((w0, w1), w2), w3), a) in w0.iter_mut().zip(w1).zip(w2).zip(w3).zip(input) {
                *w0 = add_inner(s0, a, *w0);
                *w1 = add_inner(s1, a, *w1);
                *w2 = add_inner(s2, a, *w2);
                *w3 = add_inner(s3, a, *w3);
            }
        }
        single = remainder;
    }
    for seed in single {
        let Some((w, tail)) = rest.split_at_mut_checked(input.len()) else {
            return;
        };
        rest = tail;
        for (w, a) in w.iter_mut().zip(input) {
            let mut sum = *w;
            for (&s, &a) in seed.iter().zip(a).take(lanes) {
                sum += s * a;
            }
            *w = sum;
        }
    }
}

/// sum + s · a, lane after lane.
#[inline]
fn add_inner<T: Scalar, const TILE: usize>(s: &[T; TILE], a: &[T; TILE], sum: T) -> T {
    if let (([s], []), ([a], [])) = (s.as_chunks::<4>(), a.as_chunks::<4>()) {
        let ([s0, s1, s2, s3], [a0, a1, a2, a3]) = (*s, *a);
        return sum + s0 * a0 + s1 * a1 + s2 * a2 + s3 * a3;
    }
    s.iter().zip(a).fold(sum, |sum, (&s, &a)| sum + s * a)
}

/// D += Σᵦ scaleᵦ (δᵦ aᵦᵀ)∘(δᵦ aᵦᵀ), likewise, the bias included.
pub(super) fn add_outer_squared<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    scale: &[T; TILE],
    lanes: usize,
    weights: &mut [T],
    bias: &mut [T],
) {
    let mut rest = weights;
    for (seed, b) in seeds.iter().zip(bias) {
        let Some((w, tail)) = rest.split_at_mut_checked(input.len()) else {
            return;
        };
        rest = tail;
        for (&s, &c) in seed.iter().zip(scale).take(lanes) {
            *b += c * (s * s);
        }
        for (w, a) in w.iter_mut().zip(input) {
            let mut sum = *w;
            for ((&s, &a), &c) in seed.iter().zip(a).zip(scale).take(lanes) {
                let product = s * a;
                sum += c * (product * product);
            }
            *w = sum;
        }
    }
}
