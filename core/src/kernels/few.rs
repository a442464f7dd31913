//! Tile kernels for scalar registers: those of a device, and of two or three lanes on a host.
//!
//! Where a machine has no registers for the type, a product is a call that takes a hundred instructions, blocks of rows
//! save three of them, and would cost some kilobytes: there rows are worked on one at a time.

use super::arithmetic::Arithmetic;
use crate::kernels;
use crate::scalar::Scalar;

/// The rows of a weight matrix `[out × in]` that are worked on at once.
///
/// The values that the rows share are loaded once for all of them, and four chains of sums are under way at a time;
/// each sum has the order that it has alone. Beyond [`FEW`] lanes the sums of four rows no longer fit into registers,
/// and the lanes are chains enough.
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

/// The columns of some rows, `N` at a time, and those that are left over, one at a time.
#[expect(
    clippy::inline_always,
    reason = "iterators over five slices are for registers, not for memory"
)]
#[inline(always)]
fn columns<T, const N: usize>(
    [a, b, c, d]: [&[T]; ROWS],
) -> (
    impl Iterator<Item = [&[T; N]; ROWS]>,
    impl Iterator<Item = [&T; ROWS]>,
) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks(), b.as_chunks());
    let ((c, c_rest), (d, d_rest)) = (c.as_chunks(), d.as_chunks());
    let whole = a.iter().zip(b).zip(c).zip(d);
    let rest = a_rest.iter().zip(b_rest).zip(c_rest).zip(d_rest);
    (
        whole.map(|(((a, b), c), d)| [a, b, c, d]),
        rest.map(|(((a, b), c), d)| [a, b, c, d]),
    )
}

/// The same of rows that are written.
#[expect(
    clippy::inline_always,
    reason = "iterators over five slices are for registers, not for memory"
)]
#[inline(always)]
fn columns_mut<T, const N: usize>(
    [a, b, c, d]: [&mut [T]; ROWS],
) -> (
    impl Iterator<Item = [&mut [T; N]; ROWS]>,
    impl Iterator<Item = [&mut T; ROWS]>,
) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks_mut(), b.as_chunks_mut());
    let ((c, c_rest), (d, d_rest)) = (c.as_chunks_mut(), d.as_chunks_mut());
    let whole = a.iter_mut().zip(b).zip(c).zip(d);
    let rest = a_rest.iter_mut().zip(b_rest).zip(c_rest).zip(d_rest);
    (
        whole.map(|(((a, b), c), d)| [a, b, c, d]),
        rest.map(|(((a, b), c), d)| [a, b, c, d]),
    )
}

/// sum + a b.
#[inline]
fn plus<T: Scalar>(sum: T, a: T, b: T) -> T {
    const { Arithmetic::of_build::<T>() }.multiply_add(a, b, sum)
}

/// sum += w a, lane by lane.
#[inline]
fn multiply_add<T: Scalar, const TILE: usize>(w: T, a: &[T; TILE], sum: &mut [T; TILE]) {
    // For size, a compiler would keep a loop over four lanes.
    if let (([sum], []), ([a], [])) = (sum.as_chunks_mut::<4>(), a.as_chunks::<4>()) {
        let [s0, s1, s2, s3] = sum;
        let [a0, a1, a2, a3] = *a;
        *s0 = plus(*s0, w, a0);
        *s1 = plus(*s1, w, a1);
        *s2 = plus(*s2, w, a2);
        *s3 = plus(*s3, w, a3);
        return;
    }
    for (sum, &a) in sum.iter_mut().zip(a) {
        *sum = plus(*sum, w, a);
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

/// Examples `[TILE × rows]` into rows of lanes.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn interleave<T: Scalar, const TILE: usize>(values: &[T], out: &mut [[T; TILE]]) {
    for (lane, example) in rows(values, out.len()).take(TILE).enumerate() {
        for (row, &x) in out.iter_mut().zip(example) {
            if let Some(slot) = row.get_mut(lane) {
                *slot = x;
            }
        }
    }
}

/// z = W a + b, or z += W a: a sum starts from the bias, or from what `out` holds where there is none.
pub(super) fn add_products<T: Scalar, const TILE: usize>(
    weights: &[T],
    bias: &[T],
    input: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    let (mut rest, mut bias) = (weights, bias);
    let mut single = out;
    if T::REGISTERS && TILE <= FEW {
        let (blocks, remainder) = single.as_chunks_mut::<ROWS>();
        let (biases, last) = bias.as_chunks::<ROWS>();
        let mut biases = biases.iter();
        for block in blocks {
            let Some((rows, tail)) = rest.split_at_checked(input.len().saturating_mul(ROWS)) else {
                return;
            };
            rest = tail;
            let bias = biases.next();
            if TILE > 1 {
                add_products_of_block(rows, bias, input, block);
            } else {
                add_products_of_block_apart(rows, bias, input, block);
            }
        }
        (single, bias) = (remainder, last);
    }
    let mut bias = bias.iter();
    for (w, z) in rows(rest, input.len()).zip(single) {
        let mut sum = bias.next().map_or(*z, |&b| [b; TILE]);
        for (&w, a) in w.iter().zip(input) {
            multiply_add(w, a, &mut sum);
        }
        *z = sum;
    }
}

/// The same for a block of rows, of one lane: rows too few for a block, as those of a Gram matrix often are, go without
/// the registers that it takes.
#[cfg_attr(target_os = "none", inline(never))]
fn add_products_of_block_apart<T: Scalar, const TILE: usize>(
    weights: &[T],
    bias: Option<&[T; ROWS]>,
    input: &[[T; TILE]],
    out: &mut [[T; TILE]; ROWS],
) {
    add_products_of_block(weights, bias, input, out);
}

/// The same for a block of rows.
fn add_products_of_block<T: Scalar, const TILE: usize>(
    weights: &[T],
    bias: Option<&[T; ROWS]>,
    input: &[[T; TILE]],
    out: &mut [[T; TILE]; ROWS],
) {
    let Some((rows, _)) = split_rows(weights, input.len()) else {
        return;
    };
    let mut sums = match bias {
        Some(&[b0, b1, b2, b3]) => [[b0; TILE], [b1; TILE], [b2; TILE], [b3; TILE]],
        None => *out,
    };
    // One lane: four columns at a time.
    if let [z0, z1, z2, z3] = sums.as_flattened_mut() {
        let (whole, rest) = columns(rows);
        let (inputs, _) = input.as_flattened().as_chunks::<4>();
        for ([w0, w1, w2, w3], a) in whole.zip(inputs) {
            *z0 = add_inner(w0, a, *z0);
            *z1 = add_inner(w1, a, *z1);
            *z2 = add_inner(w2, a, *z2);
            *z3 = add_inner(w3, a, *z3);
        }
        let (_, inputs) = input.as_chunks::<4>();
        for (w, a) in rest.zip(inputs) {
            multiply_add_column(w, a, &mut sums);
        }
    } else {
        let (pairs, rest) = columns(rows);
        let (inputs, odd) = input.as_chunks();
        let mut pairs = pairs.zip(inputs);
        // Two pairs each time round, with a look between them at whether there is another: without it a compiler takes
        // the loads of both at once, for which there are not enough registers.
        while let Some((w, a)) = pairs.next() {
            multiply_add_pair(w, a, &mut sums);
            let Some((w, a)) = pairs.next() else { break };
            multiply_add_pair(w, a, &mut sums);
        }
        if let Some((w, a)) = rest.zip(odd).next() {
            multiply_add_column(w, a, &mut sums);
        }
    }
    *out = sums;
}

#[expect(clippy::inline_always, reason = "as for a column")]
#[inline(always)]
fn multiply_add_pair<T: Scalar, const TILE: usize>(
    [[w0, v0], [w1, v1], [w2, v2], [w3, v3]]: [&[T; 2]; ROWS],
    [a0, a1]: &[[T; TILE]; 2],
    sums: &mut [[T; TILE]; ROWS],
) {
    multiply_add_column([w0, w1, w2, w3], a0, sums);
    multiply_add_column([v0, v1, v2, v3], a1, sums);
}

/// sums += w a for a column of some rows.
#[expect(
    clippy::inline_always,
    reason = "the sums stay in registers from column to column, for size too"
)]
#[inline(always)]
fn multiply_add_column<T: Scalar, const TILE: usize>(
    [w0, w1, w2, w3]: [&T; ROWS],
    a: &[T; TILE],
    [z0, z1, z2, z3]: &mut [[T; TILE]; ROWS],
) {
    multiply_add(*w0, a, z0);
    multiply_add(*w1, a, z1);
    multiply_add(*w2, a, z2);
    multiply_add(*w3, a, z3);
}

/// What a sum starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// 0.
    Zero,
    /// What `out` holds.
    Out,
}

/// s = Wᵀ δ or s += Wᵀ δ. Some rows at a time, whose seeds stay in registers from column to column.
pub(super) fn add_transposed<T: Scalar, const TILE: usize>(
    start: Start,
    weights: &[T],
    seeds: &[[T; TILE]],
    out: &mut [[T; TILE]],
) {
    let (mut start, mut rest, mut single) = (start, weights, seeds);
    if T::REGISTERS && TILE <= FEW {
        let (blocks, remainder) = single.as_chunks();
        for block in blocks {
            let rows = out.len().saturating_mul(ROWS);
            let Some((rows, tail)) = rest.split_at_checked(rows) else {
                return;
            };
            add_transposed_of_block(start, rows, block, out);
            (start, rest) = (Start::Out, tail);
        }
        single = remainder;
    }
    if start == Start::Zero {
        kernels::fill([T::ZERO; TILE], out);
    }
    for (w, seed) in rows(rest, out.len()).zip(single) {
        for (&w, sum) in w.iter().zip(&mut *out) {
            multiply_add(w, seed, sum);
        }
    }
}

/// The same for a block of rows.
fn add_transposed_of_block<T: Scalar, const TILE: usize>(
    start: Start,
    weights: &[T],
    seeds: &[[T; TILE]; ROWS],
    out: &mut [[T; TILE]],
) {
    let Some((rows, _)) = split_rows(weights, out.len()) else {
        return;
    };
    let start = |sum: &[T; TILE]| match start {
        Start::Zero => [T::ZERO; TILE],
        Start::Out => *sum,
    };
    let seeds = *seeds;
    let (pairs, rest) = columns(rows);
    let (sums, odd) = out.as_chunks_mut();
    for ([[w0, v0], [w1, v1], [w2, v2], [w3, v3]], [s, t]) in pairs.zip(sums) {
        *s = plus_column([w0, w1, w2, w3], &seeds, start(s));
        *t = plus_column([v0, v1, v2, v3], &seeds, start(t));
    }
    for (w, s) in rest.zip(odd) {
        *s = plus_column(w, &seeds, start(s));
    }
}

/// s + Σₒ wₒ δₒ, row after row, for a column of some rows.
#[expect(clippy::inline_always, reason = "as for a column")]
#[inline(always)]
fn plus_column<T: Scalar, const TILE: usize>(
    [w0, w1, w2, w3]: [&T; ROWS],
    [s0, s1, s2, s3]: &[[T; TILE]; ROWS],
    mut sum: [T; TILE],
) -> [T; TILE] {
    multiply_add(*w0, s0, &mut sum);
    multiply_add(*w1, s1, &mut sum);
    multiply_add(*w2, s2, &mut sum);
    multiply_add(*w3, s3, &mut sum);
    sum
}

/// G += Σᵦ δᵦ aᵦᵀ, and the same for the bias.
pub(super) fn add_outer<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    lanes: usize,
    weights: &mut [T],
    bias: &mut [T],
) {
    let (mut rest, mut bias) = (weights, bias);
    let mut single = seeds;
    if T::REGISTERS && TILE <= FEW && lanes == TILE {
        let (blocks, remainder) = single.as_chunks::<ROWS>();
        let (biases, last) = bias.as_chunks_mut::<ROWS>();
        for (block, bias) in blocks.iter().zip(biases) {
            let rows = input.len().saturating_mul(ROWS);
            let Some((rows, tail)) = rest.split_at_mut_checked(rows) else {
                return;
            };
            rest = tail;
            add_outer_of_block(block, input, rows, bias);
        }
        (single, bias) = (remainder, last);
    }
    for (seed, b) in single.iter().zip(bias) {
        let Some((w, tail)) = rest.split_at_mut_checked(input.len()) else {
            return;
        };
        rest = tail;
        for &s in seed.iter().take(lanes) {
            *b += s;
        }
        for (w, a) in w.iter_mut().zip(input) {
            let pairs = seed.iter().zip(a).take(lanes);
            *w = if lanes == TILE {
                add_inner(seed, a, *w)
            } else {
                pairs.fold(*w, |sum, (&s, &a)| plus(sum, s, a))
            };
        }
    }
}

/// The same for a block of rows and all lanes.
fn add_outer_of_block<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]; ROWS],
    input: &[[T; TILE]],
    weights: &mut [T],
    bias: &mut [T; ROWS],
) {
    let Some((rows, _)) = split_rows_mut(weights, input.len()) else {
        return;
    };
    for (b, seed) in bias.iter_mut().zip(seeds) {
        *b = seed.iter().fold(*b, |b, &s| b + s);
    }
    let seeds = *seeds;
    if let &[s0, s1, s2, s3] = seeds.as_flattened() {
        let (whole, rest) = columns_mut(rows);
        let (inputs, _) = input.as_flattened().as_chunks::<4>();
        for ([w0, w1, w2, w3], a) in whole.zip(inputs) {
            multiply_add(s0, a, w0);
            multiply_add(s1, a, w1);
            multiply_add(s2, a, w2);
            multiply_add(s3, a, w3);
        }
        let (_, inputs) = input.as_chunks::<4>();
        for (w, a) in rest.zip(inputs) {
            add_outer_column(&seeds, a, w);
        }
    } else {
        let (pairs, rest) = columns_mut(rows);
        let (inputs, odd) = input.as_chunks();
        let mut pairs = pairs.zip(inputs);
        while let Some((w, a)) = pairs.next() {
            add_outer_pair_of_columns(&seeds, a, w);
            let Some((w, a)) = pairs.next() else { break };
            add_outer_pair_of_columns(&seeds, a, w);
        }
        if let Some((w, a)) = rest.zip(odd).next() {
            add_outer_column(&seeds, a, w);
        }
    }
}

#[expect(clippy::inline_always, reason = "as for a column")]
#[inline(always)]
fn add_outer_pair_of_columns<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]; ROWS],
    [a0, a1]: &[[T; TILE]; 2],
    [[w0, v0], [w1, v1], [w2, v2], [w3, v3]]: [&mut [T; 2]; ROWS],
) {
    add_outer_column(seeds, a0, [w0, w1, w2, w3]);
    add_outer_column(seeds, a1, [v0, v1, v2, v3]);
}

/// w += s · a for a column of some rows, lane after lane.
#[expect(
    clippy::inline_always,
    reason = "the seeds stay in registers from column to column, for size too"
)]
#[inline(always)]
fn add_outer_column<T: Scalar, const TILE: usize>(
    [s0, s1, s2, s3]: &[[T; TILE]; ROWS],
    a: &[T; TILE],
    [w0, w1, w2, w3]: [&mut T; ROWS],
) {
    *w0 = add_inner(s0, a, *w0);
    *w1 = add_inner(s1, a, *w1);
    *w2 = add_inner(s2, a, *w2);
    *w3 = add_inner(s3, a, *w3);
}

/// sum + s · a, lane after lane.
#[inline]
fn add_inner<T: Scalar, const TILE: usize>(s: &[T; TILE], a: &[T; TILE], sum: T) -> T {
    if let (([s], []), ([a], [])) = (s.as_chunks::<4>(), a.as_chunks::<4>()) {
        let ([s0, s1, s2, s3], [a0, a1, a2, a3]) = (*s, *a);
        return plus(plus(plus(plus(sum, s0, a0), s1, a1), s2, a2), s3, a3);
    }
    s.iter().zip(a).fold(sum, |sum, (&s, &a)| plus(sum, s, a))
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

/// D += Σᵦ scaleᵦ (δᵦ aᵦᵀ)∘(δᵦ aᵦᵀ), likewise.
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
