//! Loops over matrices and vectors. Every reduction is one of these, or states its order where it stands.
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
//! All of them are total: if lengths do not match, only the common prefix is used.
//!
//! Without an operating system (`target_os = "none"`), what is called from several places is not inlined, here and
//! elsewhere: flash holds one copy. On a host an inlined copy is up to a tenth faster.

use crate::scalar::Scalar;

#[macro_use]
mod arithmetic;
mod few;
mod single;
mod wide;

#[cfg(test)]
mod tests;

use few::Start;
pub(crate) use few::add_outer_pair;

/// The number of interleaved partial sums of a reduction of length P.
pub const PARTS: usize = 8;

// ---- Tile kernels -------------------------------------------------------------------------------------

/// Whether vectors hold lanes: then the kernels are those of `wide`.
pub(crate) const fn by_lanes<T: Scalar, const TILE: usize>() -> bool {
    T::VECTORS && TILE >= 4
}

/// Whether vectors hold rows or columns of a weight matrix, since there is one lane: then the kernels are those of
/// `single`.
const fn by_weights<T: Scalar, const TILE: usize>() -> bool {
    T::VECTORS && TILE == 1
}

/// Examples `[TILE × rows]` into rows of one lane per example.
pub(crate) fn interleave<T: Scalar, const TILE: usize>(values: &[T], rows: &mut [[T; TILE]]) {
    if by_lanes::<T, TILE>() {
        return wide::interleave(values, rows);
    }
    few::interleave(values, rows);
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
    few::add_transposed(Start::Zero, weights, seeds, out);
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
    few::add_transposed(Start::Out, weights, seeds, out);
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

/// Σ f(xᵢ, yᵢ, outᵢ), summed as [`reduce`] does, over what the vectors have in common: an update of `out` and a sum
/// in one pass.
#[inline]
pub(crate) fn reduce_into<'a, T: Scalar>(
    x: &'a [T],
    y: &'a [T],
    out: &mut [T],
    f: impl Fn(T, T, &mut T) -> T,
) -> T {
    let mut parts = [T::ZERO; PARTS];
    let add = |x: &[T], y: &[T], out: &mut [T], parts: &mut [T; PARTS]| {
        for (part, ((&x, &y), out)) in parts.iter_mut().zip(x.iter().zip(y).zip(out)) {
            *part += f(x, y, out);
        }
    };
    // Vectors of different lengths would not come to their last chunks together.
    let n = x.len().min(y.len()).min(out.len());
    let common = |x: &'a [T]| x.get(..n).unwrap_or(&[]).as_chunks::<PARTS>();
    let ((x, x_rest), (y, y_rest)) = (common(x), common(y));
    let out = out.get_mut(..n).unwrap_or(&mut []);
    let (out, out_rest) = out.as_chunks_mut::<PARTS>();
    for ((x, y), out) in x.iter().zip(y).zip(out) {
        add(x, y, out, &mut parts);
    }
    add(x_rest, y_rest, out_rest, &mut parts);
    tree(parts)
}

/// x += a p, r −= a q and q = 0; returns the new r · r, all in one pass.
pub(crate) fn descend<T: Scalar>(a: T, p: &[T], q: &mut [T], x: &mut [T], r: &mut [T]) -> T {
    let mut parts = [T::ZERO; PARTS];
    let add = |p: &[T], q: &mut [T], x: &mut [T], r: &mut [T], parts: &mut [T; PARTS]| {
        let vectors = p.iter().zip(q).zip(x.iter_mut().zip(r));
        for (part, ((&p, q), (x, r))) in parts.iter_mut().zip(vectors) {
            *x += a * p;
            *r -= a * *q;
            *q = T::ZERO;
            *part += *r * *r;
        }
    };
    let ((p, p_rest), (q, q_rest)) = (p.as_chunks::<PARTS>(), q.as_chunks_mut::<PARTS>());
    let ((x, x_rest), (r, r_rest)) = (x.as_chunks_mut::<PARTS>(), r.as_chunks_mut::<PARTS>());
    for ((p, q), (x, r)) in p.iter().zip(q).zip(x.iter_mut().zip(r)) {
        add(p, q, x, r, &mut parts);
    }
    add(p_rest, q_rest, x_rest, r_rest, &mut parts);
    tree(parts)
}

/// p = q + a p, and q = 0 in the same pass.
pub(crate) fn turn<T: Scalar>(q: &mut [T], a: T, p: &mut [T]) {
    for (p, q) in p.iter_mut().zip(q) {
        *p = *q + a * *p;
        *q = T::ZERO;
    }
}

/// y += a x.
pub(crate) fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// z += a (x − y).
pub(crate) fn pull<T: Scalar>(a: T, x: &[T], y: &[T], z: &mut [T]) {
    for ((z, &x), &y) in z.iter_mut().zip(x).zip(y) {
        *z += a * (x - y);
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
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn all_finite<T: Scalar>(x: &[T]) -> bool {
    if T::VECTORS {
        // In several sums, since one would be a chain.
        return reduce(x, x, |x, _| x * T::ZERO) == T::ZERO;
    }
    if T::REGISTERS {
        // 0 · Σ xᵢ: zero as long as every number is finite, and one branch for all of them.
        return x.iter().fold(T::ZERO, |taint, &x| taint + x * T::ZERO) == T::ZERO;
    }
    // Functions multiply and add here; a look at the exponent is a few instructions.
    x.iter().all(|x| x.is_finite())
}
