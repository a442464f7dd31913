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

use crate::scalar::Scalar;

mod single;
mod wide;

#[cfg(test)]
mod tests;

pub(crate) use wide::{MANY, interleave};

/// The number of interleaved partial sums of a reduction of length P.
pub const PARTS: usize = 8;

// ---- Tile kernels -------------------------------------------------------------------------------------

/// The rows of a weight matrix `[out × in]` that are worked on at once.
///
/// The values that the rows share are loaded once for all of them, and four chains of sums are under way at a time;
/// each sum has the order that it has alone. Beyond [`FEW`] lanes the sums of four rows no longer fit into registers,
/// and the lanes are chains enough.
const ROWS: usize = 4;

/// The lanes up to which rows are worked on together; from [`MANY`] on, a host's, the kernels are those of `wide`.
const FEW: usize = 4;

/// Whether there is an operating system: then one example, too, is worked on by whole vectors. A core of bare metal has none.
const HOSTED: bool = !cfg!(target_os = "none");

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

/// z = W a + b: `out[o] = b[o] + Σᵢ W[o][i] a[i]`. Also the part V a + c of an R-operator.
pub(crate) fn affine<T: Scalar, const TILE: usize>(
    weights: &[T],
    bias: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    for (z, &b) in out.iter_mut().zip(bias) {
        *z = [b; TILE];
    }
    add_product(weights, input, out);
}

/// z += W a, the sum starting from what `out` holds.
pub(crate) fn add_product<T: Scalar, const TILE: usize>(
    weights: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if TILE >= MANY {
        return wide::add_product(weights, input, out);
    }
    let mut rest = weights;
    let mut single = out;
    if TILE == 1 && HOSTED && input.len() >= wide::COLUMNS {
        let (weights, left) =
            single::add_product(rest, input.as_flattened(), single.as_flattened_mut());
        (rest, single) = (weights, left.as_chunks_mut().0);
    }
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

/// s += Wᵀ δ: `out[i] += Σₒ W[o][i] δ[o]`, o in order.
pub(crate) fn add_transposed<T: Scalar, const TILE: usize>(
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if TILE >= MANY {
        return wide::add_transposed(weights, seeds, out);
    }
    if TILE == 1 && HOSTED {
        return single::add_transposed(weights, seeds.as_flattened(), out.as_flattened_mut());
    }
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

/// G += Σᵦ δᵦ aᵦᵀ over the first `lanes` examples, one after the other, and the same for the bias.
///
/// Lanes beyond `lanes` are not added, not even as zeros: −0 + 0 would change a bit.
pub(crate) fn add_outer<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    lanes: usize,
    weights: &mut [T],
    bias: &mut [T],
) {
    if TILE >= MANY {
        return wide::add_outer(seeds, input, lanes, weights, bias);
    }
    for (seed, b) in seeds.iter().zip(bias) {
        for &s in seed.iter().take(lanes) {
            *b += s;
        }
    }
    if TILE == 1 && HOSTED && lanes == TILE {
        return single::add_outer(seeds.as_flattened(), input.as_flattened(), weights);
    }
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

/// G += Σᵦ (δᵦ aᵦᵀ + γᵦ cᵦᵀ), one example after the other, and the bias += Σᵦ δᵦ: what an R-backward pass
/// deposits at a layer.
pub(crate) fn add_outer_pair<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    other_seeds: &[[T; TILE]],
    other_input: &[[T; TILE]],
    lanes: usize,
    weights: &mut [T],
    bias: &mut [T],
) {
    let mut rest = weights;
    for ((seed, other_seed), b) in seeds.iter().zip(other_seeds).zip(bias) {
        let Some((w, tail)) = rest.split_at_mut_checked(input.len()) else {
            return;
        };
        rest = tail;
        for &s in seed.iter().take(lanes) {
            *b += s;
        }
        for ((w, a), c) in w.iter_mut().zip(input).zip(other_input) {
            let mut sum = *w;
            let pairs = seed.iter().zip(a).zip(other_seed.iter().zip(c));
            for ((&s, &a), (&g, &c)) in pairs.take(lanes) {
                sum += s * a + g * c;
            }
            *w = sum;
        }
    }
}

/// D += Σᵦ scaleᵦ (δᵦ aᵦᵀ)∘(δᵦ aᵦᵀ): the sum of squared per-example gradients, likewise.
pub(crate) fn add_outer_squared<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    scale: &[T; TILE],
    lanes: usize,
    weights: &mut [T],
    bias: &mut [T],
) {
    if TILE >= MANY {
        return wide::add_outer_squared(seeds, input, scale, lanes, weights, bias);
    }
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

// ---- Vector kernels -----------------------------------------------------------------------------------

/// Adds the partial sums as a tree: ((0+4)+(2+6)) + ((1+5)+(3+7)).
fn tree<T: Scalar>(parts: [T; PARTS]) -> T {
    let [a, b, c, d, e, f, g, h] = parts;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Σ f(xᵢ, yᵢ) in [`PARTS`] interleaved partial sums.
#[inline]
pub(crate) fn reduce<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut parts = [T::ZERO; PARTS];
    let (x_chunks, x_rest) = x.as_chunks::<PARTS>();
    let (y_chunks, y_rest) = y.as_chunks::<PARTS>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for ((part, &x), &y) in parts.iter_mut().zip(x).zip(y) {
            *part += f(x, y);
        }
    }
    for ((part, &x), &y) in parts.iter_mut().zip(x_rest).zip(y_rest) {
        *part += f(x, y);
    }
    tree(parts)
}

/// x · y.
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    reduce(x, y, |x, y| x * y)
}

/// Σ xᵢ.
pub(crate) fn sum<T: Scalar>(x: &[T]) -> T {
    reduce(x, x, |x, _| x)
}

/// |x − y|².
pub(crate) fn distance_squared<T: Scalar>(x: &[T], y: &[T]) -> T {
    reduce(x, y, |x, y| (x - y) * (x - y))
}

/// y += a x.
pub(crate) fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// y = x + a y.
pub(crate) fn xpay<T: Scalar>(x: &[T], a: T, y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x + a * *y;
    }
}

/// y = x.
pub(crate) fn copy<T: Copy>(x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x;
    }
}

/// x *= a.
pub(crate) fn scale<T: Scalar>(a: T, x: &mut [T]) {
    for x in x {
        *x *= a;
    }
}

/// x = a, everywhere.
pub(crate) fn fill<T: Copy>(a: T, x: &mut [T]) {
    for x in x {
        *x = a;
    }
}

/// Whether every element is finite.
pub(crate) fn all_finite<T: Scalar>(x: &[T]) -> bool {
    // `&`, not an early exit: one branch for the whole vector.
    x.iter().fold(true, |finite, x| finite & x.is_finite())
}
