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
//! What adds a product to a sum rounds both, unless the feature `fma` is on (`arithmetic`).
//!
//! All of them are total: of slices that do not match, a common part is used.

use crate::scalar::Scalar;

#[macro_use]
mod arithmetic;
mod few;
mod single;
mod wide;

#[cfg(test)]
mod tests;

pub(crate) use few::add_outer_pair;
pub(crate) use wide::interleave;

/// The number of interleaved partial sums of a reduction of length P.
pub const PARTS: usize = 8;

// ---- Tile kernels -------------------------------------------------------------------------------------

/// Whether vectors hold lanes: then the kernels are those of `wide`.
pub(crate) const fn by_lanes<T: Scalar, const TILE: usize>() -> bool {
    T::VECTORS && TILE >= 4
}

/// Whether vectors hold rows or columns of a weight matrix, since there is one lane: then the kernels are those of `single`.
const fn by_weights<T: Scalar, const TILE: usize>() -> bool {
    T::VECTORS && TILE == 1
}

/// z = W a + b: `out[o] = b[o] + Σᵢ W[o][i] a[i]`. Also the part V a + c of an R-operator.
pub(crate) fn affine<T: Scalar, const TILE: usize>(
    weights: &[T],
    bias: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if by_lanes::<T, TILE>() || by_weights::<T, TILE>() {
        for (z, &b) in out.iter_mut().zip(bias) {
            *z = [b; TILE];
        }
        return add_product(weights, input, out);
    }
    few::add_products(weights, bias, input, out);
}

/// z += W a, the sum starting from what `out` holds.
pub(crate) fn add_product<T: Scalar, const TILE: usize>(
    weights: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if by_lanes::<T, TILE>() {
        return wide::add_product(weights, input, out);
    }
    let (mut weights, mut out) = (weights, out);
    if by_weights::<T, TILE>() && input.len() >= wide::COLUMNS {
        let (rest, left) =
            single::add_product(weights, input.as_flattened(), out.as_flattened_mut());
        (weights, out) = (rest, left.as_chunks_mut().0);
    }
    few::add_products(weights, &[], input, out);
}

/// s = Wᵀ δ: `out[i] = Σₒ W[o][i] δ[o]`, o in order, from 0 on.
pub(crate) fn transposed<T: Scalar, const TILE: usize>(
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if by_lanes::<T, TILE>() || by_weights::<T, TILE>() {
        fill([T::ZERO; TILE], out);
        return add_transposed(weights, seeds, out);
    }
    few::transposed_from(weights, seeds, out, |_| [T::ZERO; TILE]);
}

/// s += Wᵀ δ, the sum starting from what `out` holds.
pub(crate) fn add_transposed<T: Scalar, const TILE: usize>(
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if by_lanes::<T, TILE>() {
        return wide::add_transposed(weights, seeds, out);
    }
    if by_weights::<T, TILE>() {
        return single::add_transposed(weights, seeds.as_flattened(), out.as_flattened_mut());
    }
    few::transposed_from(weights, seeds, out, |row| *row);
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
    if by_lanes::<T, TILE>() {
        return wide::add_outer(seeds, input, lanes, weights, bias);
    }
    if by_weights::<T, TILE>() && lanes == TILE {
        for (b, &s) in bias.iter_mut().zip(seeds.as_flattened()) {
            *b += s;
        }
        return single::add_outer(seeds.as_flattened(), input.as_flattened(), weights);
    }
    few::add_outer(seeds, input, lanes, weights, bias);
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
    if by_lanes::<T, TILE>() {
        return wide::add_outer_squared(seeds, input, scale, lanes, weights, bias);
    }
    few::add_outer_squared(seeds, input, scale, lanes, weights, bias);
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
