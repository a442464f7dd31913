//! Kernels on a tile of examples.

use super::few;
use super::wide::{self, MANY};
use crate::scalar::Scalar;

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
    if TILE < MANY {
        few::add_product(weights, input, out);
    } else {
        wide::add_product(weights, input, out);
    }
}

/// s += Wᵀ δ: `out[i] += Σₒ W[o][i] δ[o]`, o in order.
pub(crate) fn add_transposed<T: Scalar, const TILE: usize>(
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    if TILE < MANY {
        few::add_transposed(weights, seeds, out);
    } else {
        wide::add_transposed(weights, seeds, out);
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
    for (seed, b) in seeds.iter().zip(bias) {
        for &s in seed.iter().take(lanes) {
            *b += s;
        }
    }
    if TILE < MANY {
        few::add_outer(seeds, input, lanes, weights);
    } else {
        wide::add_outer(seeds, input, lanes, weights);
    }
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
    if TILE < MANY {
        few::add_outer_squared(seeds, input, scale, lanes, weights, bias);
    } else {
        wide::add_outer_squared(seeds, input, scale, lanes, weights, bias);
    }
}
