//! The system in output space: what is kept of every example, the Gram matrix, its factor and its solution.

mod factors;
mod matrix;
mod rows;

use self::rows::{along, combined, keep, matrices, matrices_mut, of_tile, restore, row_of};
use crate::data::Batch;
use crate::dense::{self, Rows};
use crate::kernels;
use crate::mlp::{Parameters, Tile};
use crate::plan::{DualStorage, Model};
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// The memory of the system of a batch.
///
/// A *row* is an output of an example: row bK + k is column k of √share Q of example b. Rows of examples that are left
/// out are zero: they solve to zero.
pub(super) struct System<'v, T> {
    model: Model<'v>,
    /// B.
    examples: usize,
    /// What goes into each trained layer, layer after layer: `[B × fan_in]`.
    inputs: &'v mut [T],
    /// The seeds of each row at each trained layer, layer after layer: `[BK × fan_out]`.
    seeds: &'v mut [T],
    /// The lower half of QᵀJD⁻¹JᵀQ, of which its factor takes the place.
    gram: &'v mut [T],
    /// s.
    pub(super) residual: &'v mut [T],
    /// QᵀJμd₋.
    pub(super) carried: &'v mut [T],
    /// y.
    pub(super) solution: &'v mut [T],
    /// The factors of D after the last step that was committed: I for the inputs, U for the units.
    pub(super) kept: &'v mut [T],
    /// Those of this step.
    pub(super) factors: &'v mut [T],
    /// 1 / √ of their factors, above their floors; 0 for an input of the network that has always been 0.
    pub(super) roots: &'v mut [T],
    /// The means of the network's inputs after the last step that was committed, and those of this step.
    pub(super) kept_means: &'v mut [T],
    pub(super) means: &'v mut [T],
}

/// A vector over the rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowVector {
    /// QᵀJμd₋.
    Carried,
    /// y.
    Solution,
}

impl<'v, T: Scalar> System<'v, T> {
    /// Of a step after `steps` others: it writes its factors over those before the last ones, so that the last ones
    /// are there until it is committed.
    pub(super) fn carve(
        model: &Model<'v>,
        storage: DualStorage,
        steps: u32,
        memory: &'v mut [T],
    ) -> Self {
        let (inputs, units) = (model.trained_inputs(), model.trained_units());
        let order = storage.examples.saturating_mul(model.dim_out());
        let factors = if storage.factors > 0 {
            inputs.saturating_add(units)
        } else {
            0
        };
        let means = if factors > 0 { model.raw_inputs() } else { 0 };
        let mut arena = Arena::new(memory);
        let mut system = Self {
            model: *model,
            examples: storage.examples,
            inputs: arena.take(storage.examples.saturating_mul(inputs)),
            seeds: arena.take(order.saturating_mul(units)),
            gram: arena.take(Rows::packed_len(order)),
            residual: arena.take(order),
            carried: arena.take(order),
            solution: arena.take(order),
            kept: arena.take(factors),
            factors: arena.take(factors),
            roots: arena.take(factors),
            kept_means: arena.take(means),
            means: arena.take(means),
        };
        if steps % 2 == 1 {
            core::mem::swap(&mut system.kept, &mut system.factors);
            core::mem::swap(&mut system.kept_means, &mut system.means);
        }
        system
    }

    /// The rows of a tile in a vector of them.
    pub(super) fn tile_rows<'s, const TILE: usize>(
        vector: &'s mut [T],
        model: &Model<'_>,
        index: usize,
    ) -> &'s mut [T] {
        of_tile::<T, TILE>(vector, model.dim_out(), index)
    }

    /// s of a tile.
    pub(super) fn keep_residuals<const TILE: usize>(
        &mut self,
        tile: &Tile<'_, T, TILE>,
        index: usize,
    ) {
        let rows = Self::tile_rows::<TILE>(self.residual, &self.model, index);
        kernels::fill(T::ZERO, rows);
        tile.whiten_residuals(&self.model, rows);
    }

    /// Keeps what goes into the layers of a tile, and where other columns follow its logits. The rows of lanes that are
    /// not in use are zero.
    pub(super) fn keep_inputs<const TILE: usize>(
        &mut self,
        tile: &mut Tile<'_, T, TILE>,
        index: usize,
    ) {
        let lanes = tile.lanes();
        let mut rest = &*tile.trained_inputs(&self.model);
        for (width, kept) in matrices_mut(self.inputs, self.model.trained_widths(), self.examples) {
            let (rows, tail) = rest.split_at_checked(width).unwrap_or((&[], &[]));
            rest = tail;
            keep(rows, lanes, of_tile::<T, TILE>(kept, width, index));
        }
        if self.model.dim_out() > 1 {
            // y is not there before all columns are.
            let kept = Self::tile_rows::<TILE>(self.solution, &self.model, index);
            keep(tile.logits(&self.model), lanes, kept);
        }
    }

    /// Takes up a tile again from what is kept, in the place of a forward pass.
    // Not inlined: five phases call it.
    #[inline(never)]
    pub(super) fn restore<const TILE: usize>(
        &self,
        tile: &mut Tile<'_, T, TILE>,
        batch: &Batch<'_, T>,
        index: usize,
        total: T,
    ) {
        tile.readmit(&self.model, batch, index, total);
        let lanes = tile.lanes();
        let mut rest = tile.trained_inputs(&self.model);
        for (width, kept) in matrices(self.inputs, self.model.trained_widths(), self.examples) {
            let (rows, tail) = rest
                .split_at_mut_checked(width)
                .unwrap_or((&mut [], &mut []));
            rest = tail;
            let first = index.saturating_mul(TILE).saturating_mul(width);
            restore(kept.get(first..).unwrap_or(&[]), lanes, rows);
        }
    }

    /// The same with its logits, while there are columns to come.
    pub(super) fn restore_with_logits<const TILE: usize>(
        &mut self,
        tile: &mut Tile<'_, T, TILE>,
        batch: &Batch<'_, T>,
        index: usize,
        total: T,
    ) {
        self.restore(tile, batch, index, total);
        let kept = Self::tile_rows::<TILE>(self.solution, &self.model, index);
        let lanes = tile.lanes();
        restore(kept, lanes, tile.logits_mut(&self.model));
    }

    /// Keeps the seeds of a tile that was seeded with a column of Q on its way down.
    pub(super) fn keep_seeds<const TILE: usize>(
        &mut self,
        mut tile: Tile<'_, T, TILE>,
        params: Parameters<'_, T>,
        index: usize,
        column: usize,
    ) {
        let model = self.model;
        let roots = tile.share_roots();
        let rows = self.examples.saturating_mul(model.dim_out());
        let mut kept = &mut *self.seeds;
        tile.backward_showing(&model, params, |seeds, _| {
            // The last layer first.
            let len = rows.saturating_mul(seeds.len());
            let before = kept.len().saturating_sub(len);
            let Some((rest, of_layer)) = core::mem::take(&mut kept).split_at_mut_checked(before)
            else {
                return;
            };
            kept = rest;
            for (lane, &root) in roots.iter().enumerate() {
                let row = row_of::<TILE>(&model, index, lane, column);
                let out = dense::row_mut(of_layer, seeds.len(), row);
                for (out, seed) in out.iter_mut().zip(seeds) {
                    // Not 0 · x: a lane that is not in use may hold anything.
                    *out = match seed.get(lane) {
                        Some(&seed) if root > T::ZERO => root * seed,
                        _ => T::ZERO,
                    };
                }
            }
        });
    }

    /// A · `momentum` · d₋ of a tile that was taken up again.
    pub(super) fn carry<const TILE: usize>(
        &mut self,
        tile: &mut Tile<'_, T, TILE>,
        index: usize,
        last: &[T],
        momentum: T,
    ) {
        tile.change_each(&self.model, last);
        let rows = Self::tile_rows::<TILE>(self.carried, &self.model, index);
        along(&self.model, self.seeds, self.examples, tile, index, rows);
        kernels::scale(momentum, rows);
    }

    /// AD⁻¹h in the place of y, of a tile that was taken up again, from D^{−½}h.
    pub(super) fn project<const TILE: usize>(
        &mut self,
        tile: &mut Tile<'_, T, TILE>,
        index: usize,
        divided: &[T],
    ) {
        tile.change_each(&self.model, divided);
        let rows = Self::tile_rows::<TILE>(self.solution, &self.model, index);
        along(&self.model, self.seeds, self.examples, tile, index, rows);
    }

    /// out += D^{−½}Aᵀ times a vector over the rows of A, of a tile that was taken up again.
    pub(super) fn combine<const TILE: usize>(
        &mut self,
        vector: RowVector,
        tile: &mut Tile<'_, T, TILE>,
        index: usize,
        out: &mut [T],
    ) {
        let vector = match vector {
            RowVector::Solution => &mut *self.solution,
            RowVector::Carried => &mut *self.carried,
        };
        let rows = Self::tile_rows::<TILE>(vector, &self.model, index);
        combined(
            &self.model,
            self.seeds,
            self.examples,
            tile,
            index,
            rows,
            out,
        );
    }
}
