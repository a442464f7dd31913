//! The rows of the system, as they lie in memory: layer after layer, so that those of a layer are a matrix.

use crate::dense;
use crate::kernels;
use crate::mlp::Tile;
use crate::plan::Model;
use crate::scalar::Scalar;

/// Σₗ δₗ·(Vₗ a + cₗ) of every row of a tile, whose [changes](Tile::change_each) are there: Av without a pass through
/// the network. Layer after layer, unit after unit.
// Not inlined: two phases call it.
#[inline(never)]
pub(super) fn along<T: Scalar, const TILE: usize>(
    model: &Model<'_>,
    seeds: &[T],
    capacity: usize,
    tile: &mut Tile<'_, T, TILE>,
    index: usize,
    rows: &mut [T],
) {
    kernels::fill(T::ZERO, rows);
    let lanes = tile.lanes();
    let mut changes = &*tile.trained_units(model);
    for (width, seeds) in of_units(model, seeds, capacity) {
        let (of_layer, tail) = changes.split_at_checked(width).unwrap_or((&[], &[]));
        changes = tail;
        for lane in 0..lanes {
            let outs = dense::row_mut(rows, model.dim_out(), lane).iter_mut();
            for (column, out) in outs.enumerate() {
                let row = row_of::<TILE>(model, index, lane, column);
                let mut sum = *out;
                for (change, &seed) in of_layer.iter().zip(dense::row(seeds, width, row)) {
                    sum += seed * change.get(lane).copied().unwrap_or(T::ZERO);
                }
                *out = sum;
            }
        }
    }
}

/// out += Σₗ (Σₖ yₖδₖ) aᵀ: Aᵀy of the rows of a tile without a pass through the network. Column after column, and
/// example after example.
// Not inlined: two phases call it.
#[inline(never)]
pub(super) fn combined<T: Scalar, const TILE: usize>(
    model: &Model<'_>,
    seeds: &[T],
    capacity: usize,
    tile: &mut Tile<'_, T, TILE>,
    index: usize,
    rows: &[T],
    out: &mut [T],
) {
    let lanes = tile.lanes();
    let mut sums = tile.trained_units(model);
    kernels::fill([T::ZERO; TILE], sums);
    for (width, seeds) in of_units(model, seeds, capacity) {
        let (of_layer, tail) = sums
            .split_at_mut_checked(width)
            .unwrap_or((&mut [], &mut []));
        sums = tail;
        for lane in 0..lanes {
            let rows = dense::row(rows, model.dim_out(), lane).iter();
            for (column, &y) in rows.enumerate() {
                let row = row_of::<TILE>(model, index, lane, column);
                for (sum, &seed) in of_layer.iter_mut().zip(dense::row(seeds, width, row)) {
                    if let Some(sum) = sum.get_mut(lane) {
                        *sum += y * seed;
                    }
                }
            }
        }
    }
    tile.deposit_each(model, out);
}

/// products += x · row of the row `index` of a matrix and of those from `first` on.
pub(super) fn add_products<T: Scalar>(
    matrix: &[T],
    width: usize,
    index: usize,
    first: usize,
    products: &mut [[T; 1]],
) {
    let (x, _) = dense::row(matrix, width, index).as_chunks();
    let rows = matrix.get(first.saturating_mul(width)..).unwrap_or(&[]);
    kernels::add_product(rows, x, products);
}

/// The seeds of each trained layer, the first one first, with its width.
pub(super) fn of_units<'k, T>(
    model: &Model<'k>,
    seeds: &'k [T],
    capacity: usize,
) -> impl Iterator<Item = (usize, &'k [T])> {
    let widths = model.trained_widths().get(1..).unwrap_or(&[]);
    matrices(seeds, widths, capacity.saturating_mul(model.dim_out()))
}

/// Matrices of so many rows that lie one after the other, each with its width.
pub(super) fn matrices<'k, T>(
    mut rest: &'k [T],
    widths: &'k [usize],
    rows: usize,
) -> impl Iterator<Item = (usize, &'k [T])> {
    widths.iter().map_while(move |&width| {
        let (matrix, tail) = rest.split_at_checked(rows.saturating_mul(width))?;
        rest = tail;
        Some((width, matrix))
    })
}

/// The same, to be written.
pub(super) fn matrices_mut<'k, T>(
    mut rest: &'k mut [T],
    widths: &'k [usize],
    rows: usize,
) -> impl Iterator<Item = (usize, &'k mut [T])> {
    widths.iter().map_while(move |&width| {
        let len = rows.saturating_mul(width);
        let (matrix, tail) = core::mem::take(&mut rest).split_at_mut_checked(len)?;
        rest = tail;
        Some((width, matrix))
    })
}

/// The matrix that has the `entry`-th of all columns, its width, and the place of the column in it.
pub(super) fn column<'k, T>(
    values: &'k [T],
    widths: &'k [usize],
    rows: usize,
    entry: usize,
) -> (&'k [T], usize, usize) {
    let mut before = 0_usize;
    for (width, matrix) in matrices(values, widths, rows) {
        let place = entry.saturating_sub(before);
        if place < width {
            return (matrix, width, place);
        }
        before = before.saturating_add(width);
    }
    (&[], 0, 0)
}

/// Rows of one lane per example into `kept`, example after example; 0 of lanes that are not in use.
pub(super) fn keep<T: Scalar, const TILE: usize>(rows: &[[T; TILE]], lanes: usize, kept: &mut [T]) {
    for lane in 0..TILE {
        let values = dense::row_mut(kept, rows.len(), lane).iter_mut();
        for (value, row) in values.zip(rows) {
            // Not 0 · x: a lane that is not in use may hold anything.
            *value = match row.get(lane) {
                Some(&x) if lane < lanes => x,
                _ => T::ZERO,
            };
        }
    }
}

/// The way back, of the lanes in use.
pub(super) fn restore<T: Scalar, const TILE: usize>(
    kept: &[T],
    lanes: usize,
    rows: &mut [[T; TILE]],
) {
    for lane in 0..lanes {
        let values = dense::row(kept, rows.len(), lane);
        for (row, &value) in rows.iter_mut().zip(values) {
            if let Some(x) = row.get_mut(lane) {
                *x = value;
            }
        }
    }
}

/// What a tile has of so many entries for every example.
pub(super) fn of_tile<T, const TILE: usize>(
    values: &mut [T],
    width: usize,
    index: usize,
) -> &mut [T] {
    let len = TILE.saturating_mul(width);
    let start = index.saturating_mul(len).min(values.len());
    let end = start.saturating_add(len).min(values.len());
    values.get_mut(start..end).unwrap_or(&mut [])
}

/// The row of a lane of a tile and a column.
pub(super) fn row_of<const TILE: usize>(
    model: &Model<'_>,
    index: usize,
    lane: usize,
    column: usize,
) -> usize {
    let example = index.saturating_mul(TILE).saturating_add(lane);
    example
        .saturating_mul(model.dim_out())
        .saturating_add(column)
}
