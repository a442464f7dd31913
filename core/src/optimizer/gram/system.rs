//! The system in output space: what is kept of every example, the Gram matrix, its factor and its solution.

use core::ops::Range;

use crate::dense::{self, Pivot, Rows, block};
use crate::kernels;
use crate::mlp::{Parameters, Tile, trained_layers_mut};
use crate::plan::{DualStorage, Model};
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// The memory of the system of a batch.
///
/// A *row* is an output of an example: row bK + k is column k of √share Q of example b. Rows of examples that are left
/// out are zero: they solve to zero.
pub(super) struct System<'v, T> {
    model: Model<'v>,
    /// What goes into each trained layer, `[B × I]`.
    inputs: &'v mut [T],
    /// The seeds of each row at each trained layer, `[BK × U]`.
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

/// How far below its mean over a layer a factor counts, of an input that is a hidden unit and of a unit.
const FLOORS: [f64; 2] = [1e-6, 1e-3];

/// How far below the square of its mean the variance of an input counts: an input that hardly varies for its size has
/// a gradient of rounding, ε of that mean.
const STEADINESS: f64 = 1e-6;

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
        let len = TILE.saturating_mul(model.dim_out());
        let start = index.saturating_mul(len).min(vector.len());
        let end = start.saturating_add(len).min(vector.len());
        vector.get_mut(start..end).unwrap_or(&mut [])
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

    /// Keeps a tile that was seeded with a column of Q on its way down; of the first column also what goes into the
    /// layers.
    pub(super) fn keep<const TILE: usize>(
        &mut self,
        mut tile: Tile<'_, T, TILE>,
        params: Parameters<'_, T>,
        index: usize,
        column: usize,
    ) {
        let model = self.model;
        let outputs = model.dim_out();
        let (width, height) = (model.trained_inputs(), model.trained_units());
        let first = index.saturating_mul(TILE);
        let roots = tile.share_roots();
        let (inputs, seeds) = (&mut *self.inputs, &mut *self.seeds);
        let (mut into, mut onto) = (width, height);
        tile.backward_showing(&model, params, |layer_seeds, layer_inputs| {
            into = into.saturating_sub(layer_inputs.len());
            onto = onto.saturating_sub(layer_seeds.len());
            for (lane, &root) in roots.iter().enumerate() {
                let example = first.saturating_add(lane);
                let row = example.saturating_mul(outputs).saturating_add(column);
                scatter(
                    dense::row_mut(seeds, height, row),
                    onto,
                    layer_seeds,
                    lane,
                    root,
                );
                if column == 0 {
                    let share = if root > T::ZERO { T::ONE } else { T::ZERO };
                    scatter(
                        dense::row_mut(inputs, width, example),
                        into,
                        layer_inputs,
                        lane,
                        share,
                    );
                }
            }
        });
    }

    /// The factors of D from entry `first` on, as many as there are `macs` for; where it ended. The mean and the variance
    /// of an input of the network over the `count` examples that take part, the mean square of that of a hidden layer, and
    /// the sum of squares of the seeds of a unit; `smoothing` of the last ones is kept.
    pub(super) fn update_factors(
        &mut self,
        first: usize,
        examples: usize,
        count: usize,
        smoothing: T,
        macs: usize,
    ) -> usize {
        let (width, height) = (self.model.trained_inputs(), self.model.trained_units());
        let rows = examples.saturating_mul(self.model.dim_out());
        // Beside a multiplication for each row, those of the mean and of the smoothing.
        let end = block(first, self.factors.len(), macs, rows.saturating_add(6));
        for entry in first..end {
            let mut sum = T::ZERO;
            if entry < width {
                let mut here = T::ZERO;
                for example in 0..examples {
                    here += dense::at(self.inputs, width, example, entry);
                }
                here /= T::of_count(count);
                let old = dense::at(self.kept_means, 1, entry, 0);
                let mean = if entry < self.means.len() {
                    smoothing * old + (T::ONE - smoothing) * here
                } else {
                    T::ZERO
                };
                dense::put(self.means, 1, entry, 0, mean);
                // In this form an example that is left out, whose row is zero, has no share, wherever its row is.
                for example in 0..examples {
                    let a = dense::at(self.inputs, width, example, entry);
                    sum += (a - mean) * a;
                }
                sum = sum / T::of_count(count) - mean * (here - mean);
            } else {
                for row in 0..rows {
                    let seed = dense::at(self.seeds, height, row, entry.saturating_sub(width));
                    sum += seed * seed;
                }
            }
            let old = dense::at(self.kept, 1, entry, 0);
            let new = smoothing * old + (T::ONE - smoothing) * sum;
            dense::put(self.factors, 1, entry, 0, new);
        }
        end
    }

    /// The roots of the factors of one side of a layer: 2l for the inputs of the l-th trained layer, 2l + 1 for its
    /// units; whether there is such a side.
    pub(super) fn take_roots(&mut self, side: usize) -> bool {
        let widths = self.model.trained_widths();
        let layer = side / 2;
        let units = side % 2;
        let place = layer.saturating_add(units);
        if layer.saturating_add(1) >= widths.len() {
            return false;
        }
        let width = widths.get(place).copied().unwrap_or(0);
        let before: usize = widths.iter().skip(units).take(layer).sum();
        let start = if units == 0 {
            before
        } else {
            before.saturating_add(self.model.trained_inputs())
        };
        let end = start.saturating_add(width);
        let factors = self.factors.get(start..end).unwrap_or(&[]);
        let roots = self.roots.get_mut(start..end).unwrap_or(&mut []);
        if side == 0 && !self.means.is_empty() {
            // Each in its own unit: to compare it with those of other inputs would bring the units back.
            for ((root, &factor), &mean) in roots.iter_mut().zip(factors).zip(&*self.means) {
                let factor = factor.larger(T::of(STEADINESS) * (mean * mean));
                *root = if factor > T::ZERO {
                    T::ONE / factor.root()
                } else {
                    T::ZERO
                };
            }
            return true;
        }
        let share = FLOORS.get(units).copied().unwrap_or(1.0);
        // ε below the mean: a layer that nothing moves is held as it is.
        let mean = kernels::sum(factors) / T::of_count(width);
        let floor = (T::of(share) * mean).larger(T::EPSILON * T::EPSILON);
        for (root, &factor) in roots.iter_mut().zip(factors) {
            *root = T::ONE / factor.larger(floor).root();
        }
        true
    }

    /// Divides what is kept by √D, from row `first` on: the rows of inputs, those of the network less their means, and
    /// then those of seeds.
    pub(super) fn divide_by_roots(&mut self, first: usize, examples: usize, macs: usize) -> usize {
        let (width, height) = (self.model.trained_inputs(), self.model.trained_units());
        let rows = examples.saturating_mul(self.model.dim_out().saturating_add(1));
        let end = block(first, rows, macs, width.max(height));
        let (input_roots, seed_roots) = self.roots.split_at_checked(width).unwrap_or((&[], &[]));
        for row in first..end {
            match row.checked_sub(examples) {
                None => {
                    let values = dense::row_mut(self.inputs, width, row);
                    for (value, &mean) in values.iter_mut().zip(&*self.means) {
                        *value -= mean;
                    }
                    for (value, &root) in values.iter_mut().zip(input_roots) {
                        *value *= root;
                    }
                }
                Some(row) => {
                    let values = dense::row_mut(self.seeds, height, row).iter_mut();
                    for (value, &root) in values.zip(seed_roots) {
                        *value *= root;
                    }
                }
            }
        }
        end
    }

    /// The multiply-accumulates of some factors.
    pub(super) fn factor_macs(&self, entries: Range<usize>, examples: usize) -> u64 {
        let inputs = self.model.trained_inputs();
        let squares = examples.saturating_mul(self.model.dim_out());
        let of_inputs = entries.end.min(inputs).saturating_sub(entries.start);
        let of_units = entries.end.saturating_sub(entries.start.max(inputs));
        let of_inputs = of_inputs.saturating_mul(examples);
        of_inputs.saturating_add(of_units.saturating_mul(squares)) as u64
    }

    /// The entries of the Gram matrix of a pair of examples, `other` ≤ `example`:
    /// Σₗ (1 + aₗ·aₗ′)(δₗ·δₗ′), layer after layer, of what is kept. Its multiply-accumulates.
    pub(super) fn pair(&mut self, example: usize, other: usize) -> u64 {
        let outputs = self.model.dim_out();
        let (width, height) = (self.model.trained_inputs(), self.model.trained_units());
        let mut mine = dense::row(self.inputs, width, example);
        let mut theirs = dense::row(self.inputs, width, other);
        let mut onto = 0_usize;
        let mut set = true;
        let mut widths = self.model.trained_widths();
        while let [fan_in, rest @ ..] = widths {
            let [fan_out, ..] = rest else { break };
            widths = rest;
            let (a, tail) = mine.split_at_checked(*fan_in).unwrap_or((&[], &[]));
            mine = tail;
            let (c, tail) = theirs.split_at_checked(*fan_in).unwrap_or((&[], &[]));
            theirs = tail;
            let along = T::ONE + kernels::dot(a, c);
            let end = onto.saturating_add(*fan_out);
            for k in 0..outputs {
                let row = example.saturating_mul(outputs).saturating_add(k);
                let seeds = dense::row(self.seeds, height, row);
                let seeds = seeds.get(onto..end).unwrap_or(&[]);
                for l in 0..outputs {
                    let column = other.saturating_mul(outputs).saturating_add(l);
                    if column > row {
                        break;
                    }
                    let others = dense::row(self.seeds, height, column);
                    let others = others.get(onto..end).unwrap_or(&[]);
                    let product = along * kernels::dot(seeds, others);
                    let place = Rows::packed_len(row).saturating_add(column);
                    if let Some(entry) = self.gram.get_mut(place) {
                        *entry = if set { product } else { *entry + product };
                    }
                }
            }
            onto = end;
            set = false;
        }
        let entries = if other < example {
            outputs.saturating_mul(outputs)
        } else {
            Rows::packed_len(outputs)
        };
        width.saturating_add(entries.saturating_mul(height)) as u64
    }

    /// The mean of the diagonal of the Gram matrix of so many examples, each counted in full.
    pub(super) fn mean_diagonal(&self, order: usize) -> T {
        let mut sum = T::ZERO;
        for row in 0..order {
            let place = Rows::packed_len(row).saturating_add(row);
            sum += self.gram.get(place).copied().unwrap_or(T::ZERO);
        }
        sum / T::of_count(self.model.dim_out())
    }

    /// An entry of the factor of the Gram matrix + λI.
    pub(super) fn factor_entry(&mut self, row: usize, column: usize, damping: T) -> Pivot {
        if row == column {
            let place = Rows::packed_len(row).saturating_add(row);
            if let Some(entry) = self.gram.get_mut(place) {
                *entry += damping;
            }
        }
        dense::factor_entry(self.gram, Rows::Packed, row, column)
    }

    /// A row of y, of which there are twice the order.
    pub(super) fn solve_row(&mut self, order: usize, row: usize) {
        dense::solve_row(self.gram, Rows::Packed, order, self.solution, row);
    }

    /// out ← `scale` · D⁻¹ out, without factors D = I. With them by way of the coordinates about the means:
    /// ∂/∂W − μ ∂/∂b there, and ΔW · μ from Δb on the way back.
    pub(super) fn divide(&self, scale: T, out: &mut [T]) {
        kernels::scale(scale, out);
        let (mut inputs, mut units) = self
            .roots
            .split_at_checked(self.model.trained_inputs())
            .unwrap_or((&[], &[]));
        let mut means = &*self.means;
        for layer in trained_layers_mut(&self.model, out) {
            // Of the first layer only.
            let mean = core::mem::take(&mut means);
            let Some((input, tail)) = inputs.split_at_checked(layer.fan_in) else {
                return;
            };
            inputs = tail;
            let Some((unit, tail)) = units.split_at_checked(layer.fan_out) else {
                return;
            };
            units = tail;
            let mut weights = layer.weights;
            for (&root, bias) in unit.iter().zip(layer.bias) {
                let share = root * root;
                let pull = *bias;
                *bias *= share;
                let Some((row, tail)) = weights.split_at_mut_checked(layer.fan_in) else {
                    return;
                };
                weights = tail;
                for (weight, &mean) in row.iter_mut().zip(mean) {
                    *weight -= pull * mean;
                }
                for (weight, &root) in row.iter_mut().zip(input) {
                    *weight *= share * (root * root);
                }
                for (weight, &mean) in row.iter().zip(mean) {
                    *bias -= *weight * mean;
                }
            }
        }
    }
}

/// Writes `scale` times a lane of some rows into `out` from `start` on.
fn scatter<T: Scalar, const TILE: usize>(
    out: &mut [T],
    start: usize,
    rows: &[[T; TILE]],
    lane: usize,
    scale: T,
) {
    let out = out.get_mut(start..).unwrap_or(&mut []);
    for (out, row) in out.iter_mut().zip(rows) {
        // Not 0 · x: a lane that is not in use may hold anything.
        *out = match row.get(lane) {
            Some(&value) if scale > T::ZERO => scale * value,
            _ => T::ZERO,
        };
    }
}
