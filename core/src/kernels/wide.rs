//! Tile kernels for vectors of lanes: those of a host.
//!
//! A block of sums stays in registers while the inner index runs, so that memory is asked for factors only. What a
//! block holds is chosen by the registers; the order of each sum is not: it is that of the inner index.

#![expect(
    clippy::inline_always,
    reason = "the instruction set of a kernel is that of what is inlined into it"
)]

use super::arithmetic::Arithmetic;
use crate::scalar::Scalar;

/// The columns of a weight matrix that a sum over examples works on at once.
pub(super) const COLUMNS: usize = 16;

/// Whether `rows` rows of `width` sums fit into `bytes`.
pub(super) const fn fits<T>(rows: usize, width: usize, bytes: usize) -> bool {
    rows * width * size_of::<T>() <= bytes
}

/// The first `ROWS` rows of a matrix, if there are as many, and the rest.
#[inline(always)]
fn split_rows<T, const ROWS: usize>(matrix: &[T], width: usize) -> Option<([&[T]; ROWS], &[T])> {
    let mut rest = matrix;
    let mut rows = [&[][..]; ROWS];
    for row in &mut rows {
        (*row, rest) = rest.split_at_checked(width)?;
    }
    Some((rows, rest))
}

/// The same for a matrix that is written.
#[inline(always)]
fn split_rows_mut<T, const ROWS: usize>(
    matrix: &mut [T],
    width: usize,
) -> Option<([&mut [T]; ROWS], &mut [T])> {
    let mut rest = matrix;
    let mut rows = [(); ROWS].map(|()| &mut [][..]);
    for row in &mut rows {
        (*row, rest) = rest.split_at_mut_checked(width)?;
    }
    Some((rows, rest))
}

/// sum += w a, lane by lane.
#[inline(always)]
pub(super) fn multiply_add<T: Scalar, const LANES: usize>(
    w: T,
    a: &[T; LANES],
    sum: &mut [T; LANES],
    arithmetic: Arithmetic,
) {
    for (sum, &a) in sum.iter_mut().zip(a) {
        *sum = arithmetic.multiply_add(w, a, *sum);
    }
}

for_machines! {
    /// z += W a.
    pub(super) fn add_product<T: Scalar, const TILE: usize>(
        weights: &[T],
        input: &[[T; TILE]],
        out: &mut [[T; TILE]],
    ) {
        let (bytes, arithmetic) = (half_the_registers!(), arithmetic!(T));
        let mut rest = (weights, out);
        if fits::<T>(8, TILE, bytes) {
            rest = product_rows::<T, TILE, 8>(rest, input, arithmetic);
        }
        if fits::<T>(4, TILE, bytes) {
            rest = product_rows::<T, TILE, 4>(rest, input, arithmetic);
        }
        if fits::<T>(2, TILE, bytes) {
            rest = product_rows::<T, TILE, 2>(rest, input, arithmetic);
        }
        product_rows::<T, TILE, 1>(rest, input, arithmetic);
    }
}

/// As many rows of z as there are blocks of `ROWS`; returns those of W and z that are left.
#[inline(always)]
fn product_rows<'a, T: Scalar, const TILE: usize, const ROWS: usize>(
    (weights, out): (&'a [T], &'a mut [[T; TILE]]),
    input: &[[T; TILE]],
    arithmetic: Arithmetic,
) -> (&'a [T], &'a mut [[T; TILE]]) {
    let mut rest = weights;
    let (blocks, remainder) = out.as_chunks_mut::<ROWS>();
    for block in blocks {
        let Some((rows, tail)) = split_rows::<T, ROWS>(rest, input.len()) else {
            break;
        };
        rest = tail;
        let mut sums = *block;
        for (i, a) in input.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(rows) {
                if let Some(&w) = row.get(i) {
                    multiply_add(w, a, sum, arithmetic);
                }
            }
        }
        *block = sums;
    }
    (rest, remainder)
}

for_machines! {
    /// s += Wᵀ δ.
    pub(super) fn add_transposed<T: Scalar, const TILE: usize>(
        weights: &[T],
        seeds: &[[T; TILE]],
        out: &mut [[T; TILE]],
    ) {
        let (bytes, arithmetic) = (half_the_registers!(), arithmetic!(T));
        let width = out.len();
        let mut rest = (weights, out);
        if fits::<T>(8, TILE, bytes) {
            rest = transposed_columns::<T, TILE, 8>(rest, width, seeds, arithmetic);
        }
        if fits::<T>(4, TILE, bytes) {
            rest = transposed_columns::<T, TILE, 4>(rest, width, seeds, arithmetic);
        }
        if fits::<T>(2, TILE, bytes) {
            rest = transposed_columns::<T, TILE, 2>(rest, width, seeds, arithmetic);
        }
        transposed_columns::<T, TILE, 1>(rest, width, seeds, arithmetic);
    }
}

/// As many rows of s as there are blocks of `COLS`, from the columns of W that the weights begin with; returns
/// what begins after them.
#[inline(always)]
fn transposed_columns<'a, T: Scalar, const TILE: usize, const COLS: usize>(
    (weights, out): (&'a [T], &'a mut [[T; TILE]]),
    width: usize,
    seeds: &[[T; TILE]],
    arithmetic: Arithmetic,
) -> (&'a [T], &'a mut [[T; TILE]]) {
    let mut first = weights;
    let (blocks, remainder) = out.as_chunks_mut::<COLS>();
    for block in blocks {
        let mut sums = *block;
        let mut rest = first;
        for seed in seeds {
            let Some(weights) = rest.first_chunk::<COLS>() else {
                break;
            };
            for (sum, &w) in sums.iter_mut().zip(weights) {
                multiply_add(w, seed, sum, arithmetic);
            }
            rest = rest.get(width..).unwrap_or(&[]);
        }
        *block = sums;
        first = first.get(COLS..).unwrap_or(&[]);
    }
    (first, remainder)
}

for_machines! {
    /// G += Σᵦ δᵦ aᵦᵀ over the first `lanes` examples, the bias included.
    pub(super) fn add_outer<T: Scalar, const TILE: usize>(
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
        let (one, bytes, arithmetic) = ([T::ONE; TILE], half_the_registers!(), arithmetic!(T));
        add_terms(seeds, input, &one, lanes, weights, bytes, |sum, s, a, _| {
            arithmetic.multiply_add(s, a, sum)
        });
    }
}

for_machines! {
    /// D += Σᵦ scaleᵦ (δᵦ aᵦᵀ)∘(δᵦ aᵦᵀ), likewise.
    pub(super) fn add_outer_squared<T: Scalar, const TILE: usize>(
        seeds: &[[T; TILE]],
        input: &[[T; TILE]],
        scale: &[T; TILE],
        lanes: usize,
        weights: &mut [T],
        bias: &mut [T],
    ) {
        for (seed, b) in seeds.iter().zip(bias) {
            for (&s, &c) in seed.iter().zip(scale).take(lanes) {
                *b += c * (s * s);
            }
        }
        let bytes = half_the_registers!();
        add_terms(seeds, input, scale, lanes, weights, bytes, |sum, s, a, c| {
            let product = s * a;
            sum + c * (product * product)
        });
    }
}

/// G = f(G, δᵦ, aᵦ, scaleᵦ) of every weight for the first `lanes` examples, one after the other, with blocks
/// of sums of at most `bytes`.
#[inline(always)]
fn add_terms<T: Scalar, const TILE: usize>(
    seeds: &[[T; TILE]],
    input: &[[T; TILE]],
    scale: &[T; TILE],
    lanes: usize,
    weights: &mut [T],
    bytes: usize,
    f: impl Fn(T, T, T, T) -> T + Copy,
) {
    let width = input.len();
    let mut rest = input;
    let mut first = 0;
    while !rest.is_empty() {
        // Columns of zeros fill the last block, and are not stored. They cost less than single columns would, and are
        // not counted as multiplications of a slice.
        let mut filled = [[T::ZERO; TILE]; COLUMNS];
        let (block, tail) = if let Some(split) = rest.split_first_chunk::<COLUMNS>() {
            split
        } else {
            store(rest, &mut filled);
            (&filled, &[][..])
        };
        let columns = Columns {
            values: &transposed(block),
            scale,
            lanes,
            first,
            width,
        };
        let mut left = (seeds, &mut *weights);
        if fits::<T>(8, COLUMNS, bytes) {
            left = columns.add_rows::<8>(left, f);
        }
        if fits::<T>(4, COLUMNS, bytes) {
            left = columns.add_rows::<4>(left, f);
        }
        if fits::<T>(2, COLUMNS, bytes) {
            left = columns.add_rows::<2>(left, f);
        }
        columns.add_rows::<1>(left, f);
        (rest, first) = (tail, first.saturating_add(COLUMNS));
    }
}

/// A block of columns of a weight matrix, and what the sums over examples have in common.
struct Columns<'a, T, const TILE: usize> {
    /// aᵦ of the columns, example by example.
    values: &'a [[T; COLUMNS]; TILE],
    scale: &'a [T; TILE],
    lanes: usize,
    /// The first column.
    first: usize,
    /// The columns of the matrix.
    width: usize,
}

impl<T: Scalar, const TILE: usize> Columns<'_, T, TILE> {
    /// As many rows as there are blocks of `ROWS`; returns the seeds and the weights of those that are left.
    #[inline(always)]
    fn add_rows<'a, const ROWS: usize>(
        &self,
        (seeds, weights): (&'a [[T; TILE]], &'a mut [T]),
        f: impl Fn(T, T, T, T) -> T + Copy,
    ) -> (&'a [[T; TILE]], &'a mut [T])
    where
        for<'p> [&'p mut [T; COLUMNS]; ROWS]: Sums<T, ROWS>,
    {
        let mut rest = weights;
        let (blocks, remainder) = seeds.as_chunks::<ROWS>();
        for block in blocks {
            let Some((mut rows, tail)) = split_rows_mut::<T, ROWS>(rest, self.width) else {
                return (&[], &mut []);
            };
            rest = tail;
            // A block that the matrix fills in part has a place of its own: sums that were loaded in either way a
            // compiler would not keep in whole registers.
            let mut filled = [[T::ZERO; COLUMNS]; ROWS];
            let mut places = filled.each_mut();
            for (place, row) in places.iter_mut().zip(&mut rows) {
                let row = row.get_mut(self.first..).unwrap_or(&mut []);
                if row.len() < COLUMNS {
                    store(row, *place);
                } else if let Some(row) = row.first_chunk_mut() {
                    *place = row;
                }
            }
            Sums::add(places, block, self, f);
            if self.width < self.first.saturating_add(COLUMNS) {
                for (filled, row) in filled.iter().zip(rows) {
                    store(filled, row.get_mut(self.first..).unwrap_or(&mut []));
                }
            }
        }
        (remainder, rest)
    }
}

for_machines! {
    /// `TILE` examples, one after the other, into rows of one lane per example.
    pub(super) fn interleave<T: Scalar, const TILE: usize>(values: &[T], rows: &mut [[T; TILE]]) {
        let width = rows.len();
        let mut first = 0;
        let mut rest = rows;
        while !rest.is_empty() {
            let (block, tail) = rest
                .split_at_mut_checked(COLUMNS.min(rest.len()))
                .unwrap_or((&mut [], &mut []));
            let mut examples = [[T::ZERO; COLUMNS]; TILE];
            let mut left = values.get(first..).unwrap_or(&[]);
            for example in &mut examples {
                // Of whole blocks a compiler makes whole vectors.
                match left.first_chunk::<COLUMNS>() {
                    Some(numbers) if block.len() == COLUMNS => *example = *numbers,
                    _ => store(left.get(..block.len()).unwrap_or(left), example),
                }
                left = left.get(width..).unwrap_or(&[]);
            }
            for (row, lanes) in block.iter_mut().zip(transposed_back(&examples)) {
                *row = lanes;
            }
            (rest, first) = (tail, first.saturating_add(COLUMNS));
        }
    }
}

#[inline(always)]
fn store<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// The places of the sums of `ROWS` rows.
trait Sums<T, const ROWS: usize> {
    /// sum = f(sum, δᵦ, aᵦ, scaleᵦ) for the examples in use, one after the other.
    fn add<const TILE: usize>(
        self,
        seeds: &[[T; TILE]; ROWS],
        columns: &Columns<'_, T, TILE>,
        f: impl Fn(T, T, T, T) -> T + Copy,
    );
}

/// Row by row in the text: of a loop over rows, the seeds of which lie a tile apart, a compiler makes a gather.
macro_rules! sums {
    ($rows:literal: $($seed:ident $sum:ident),*) => {
        impl<T: Scalar> Sums<T, $rows> for [&mut [T; COLUMNS]; $rows] {
            #[inline(always)]
            fn add<const TILE: usize>(
                self,
                [$($seed),*]: &[[T; TILE]; $rows],
                columns: &Columns<'_, T, TILE>,
                f: impl Fn(T, T, T, T) -> T + Copy,
            ) {
                let [$(mut $sum),*] = self.each_ref().map(|sums| **sums);
                let examples = columns.values.iter().zip(columns.scale).enumerate();
                for (lane, (values, &scale)) in examples.take(columns.lanes) {
                    $(if let Some(&seed) = $seed.get(lane) {
                        for (sum, &value) in $sum.iter_mut().zip(values) {
                            *sum = f(*sum, seed, value, scale);
                        }
                    })*
                }
                for (place, sums) in self.into_iter().zip([$($sum),*]) {
                    *place = sums;
                }
            }
        }
    };
}

sums!(1: d0 s0);
sums!(2: d0 s0, d1 s1);
sums!(4: d0 s0, d1 s1, d2 s2, d3 s3);
sums!(8: d0 s0, d1 s1, d2 s2, d3 s3, d4 s4, d5 s5, d6 s6, d7 s7);

/// Rows of lanes to lanes of rows.
///
/// By perfect shuffles, each of which moves the highest bit of an index to the lowest place: a compiler makes them
/// of whole vectors, and a transposition in one go of single elements.
#[inline(always)]
pub(super) fn transposed<T: Scalar, const TILE: usize>(
    rows: &[[T; TILE]; COLUMNS],
) -> [[T; COLUMNS]; TILE] {
    const { assert!(COLUMNS == 16, "as many as four shuffles transpose") };
    let [mut x, mut y] = [[[T::ZERO; COLUMNS]; TILE]; 2];
    shuffle(rows.as_flattened(), x.as_flattened_mut());
    shuffle(x.as_flattened(), y.as_flattened_mut());
    shuffle(y.as_flattened(), x.as_flattened_mut());
    shuffle(x.as_flattened(), y.as_flattened_mut());
    y
}

/// Lanes of rows to rows of lanes, by the same shuffles the other way round.
#[inline(always)]
fn transposed_back<T: Scalar, const TILE: usize>(
    lanes: &[[T; COLUMNS]; TILE],
) -> [[T; TILE]; COLUMNS] {
    let [mut x, mut y] = [[[T::ZERO; TILE]; COLUMNS]; 2];
    divide(lanes.as_flattened(), x.as_flattened_mut());
    divide(x.as_flattened(), y.as_flattened_mut());
    divide(y.as_flattened(), x.as_flattened_mut());
    divide(x.as_flattened(), y.as_flattened_mut());
    y
}

/// The elements by turns into both halves.
#[inline(always)]
fn divide<T: Copy>(from: &[T], to: &mut [T]) {
    let half = to.len() / 2;
    let (low, high) = to.split_at_mut_checked(half).unwrap_or((&mut [], &mut []));
    let (pairs, _) = from.as_chunks::<2>();
    for ((&[a, b], low), high) in pairs.iter().zip(low).zip(high) {
        (*low, *high) = (a, b);
    }
}

/// The elements of both halves, in turn.
#[inline(always)]
fn shuffle<T: Copy>(from: &[T], to: &mut [T]) {
    let (low, high) = from.split_at_checked(from.len() / 2).unwrap_or((&[], &[]));
    let (pairs, _) = to.as_chunks_mut::<2>();
    for ((pair, &low), &high) in pairs.iter_mut().zip(low).zip(high) {
        *pair = [low, high];
    }
}
