//! Loading the examples of a tile.

use super::Tile;
use crate::data::Batch;
use crate::kernels;
use crate::plan::Model;
use crate::scalar::Scalar;

impl<T: Scalar, const TILE: usize> Tile<'_, T, TILE> {
    /// Loads tile `index` of the batch: the examples `index · TILE ..`, those of weight 0 left out, each
    /// with its share wᵦ / `total` of the mean. Targets are loaded when there is room for them.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn load(&mut self, model: &Model<'_>, batch: &Batch<'_, T>, index: usize, total: T) {
        self.readmit(model, batch, index, total);
        let first = index.saturating_mul(TILE);
        let rows = self.activations.get_mut(..model.dim_in());
        let rows = rows.unwrap_or(&mut []);
        match batch.inputs_of(model, first, TILE) {
            Some(numbers) => kernels::interleave(numbers, rows),
            None => read_each(model, batch, first, rows, &mut []),
        }
    }

    /// Takes up tile `index` again without its inputs: shares, and targets where there is room for them, but no
    /// activation, which is to be restored, or lies where it was.
    pub(crate) fn readmit(
        &mut self,
        model: &Model<'_>,
        batch: &Batch<'_, T>,
        index: usize,
        total: T,
    ) {
        let first = index.saturating_mul(TILE);
        self.lanes = 0;
        for (scale, example) in self.scale.iter_mut().zip(batch.taken(model, first, TILE)) {
            *scale = batch.weight(example) / total;
            self.lanes += 1;
        }
        match batch.targets_of(model, first, TILE) {
            Some(numbers) => kernels::interleave(numbers, self.targets),
            None => read_each(model, batch, first, &mut [], self.targets),
        }
    }
}

/// Reads the examples `first ..` that take part into rows of lanes, one by one. A function of its own: it holds a loop
/// for each kind of numbers, which tiles that lie side by side go without.
#[cfg_attr(target_os = "none", inline(never))]
fn read_each<T: Scalar, const TILE: usize>(
    model: &Model<'_>,
    batch: &Batch<'_, T>,
    first: usize,
    inputs: &mut [[T; TILE]],
    targets: &mut [[T; TILE]],
) {
    let mut lanes = 0;
    for (lane, example) in batch.taken(model, first, TILE).enumerate() {
        batch.read_inputs(model, example, inputs.iter_mut(), |row, x| {
            put(row, lane, x);
        });
        batch.read_targets(model, example, targets.iter_mut(), |row, t| {
            put(row, lane, t);
        });
        lanes = lane.saturating_add(1);
    }
    // Unused lanes are computed along and never read: any finite input will do.
    for row in inputs {
        kernels::fill(T::ZERO, row.get_mut(lanes..).unwrap_or(&mut []));
    }
}

fn put<T, const TILE: usize>(row: &mut [T; TILE], lane: usize, value: T) {
    if let Some(slot) = row.get_mut(lane) {
        *slot = value;
    }
}
