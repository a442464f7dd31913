//! The factors of D: what they are of the examples, and the division by their roots.

use core::ops::Range;

use super::System;
use super::rows::{column, matrices_mut};
use crate::dense::{self, block};
use crate::kernels;
use crate::mlp::trained_layers_mut;
use crate::scalar::Scalar;

/// How far below its mean over a layer the factor of an input that is a hidden unit counts, and that of a unit.
const INPUT_FLOOR: f64 = 1e-6;
const UNIT_FLOOR: f64 = 1e-3;

/// How far below the square of its mean the variance of an input counts: an input that hardly varies for its size has
/// a gradient of rounding, ε of that mean.
const STEADINESS: f64 = 1e-6;

impl<T: Scalar> System<'_, T> {
    /// The factors of D from entry `first` on, as many as there are `macs` for; where it ended. The mean and the
    /// variance of an input of the network over the `count` examples that take part, the mean square of that of a
    /// hidden layer, and the sum of squares of the seeds of a unit; `smoothing` of the last ones is kept.
    pub(in super::super) fn update_factors(
        &mut self,
        first: usize,
        examples: usize,
        count: usize,
        smoothing: T,
        macs: usize,
    ) -> usize {
        let rows = examples.saturating_mul(self.model.dim_out());
        // Beside a multiplication for each row, those of the mean and of the smoothing.
        let end = block(first, self.factors.len(), macs, rows.saturating_add(6));
        for entry in first..end {
            let new = if entry < self.model.trained_inputs() {
                self.variance(entry, examples, count, smoothing)
            } else {
                self.square(entry.saturating_sub(self.model.trained_inputs()), rows)
            };
            let old = dense::at(self.kept, 1, entry, 0);
            let new = smoothing * old + (T::ONE - smoothing) * new;
            dense::put(self.factors, 1, entry, 0, new);
        }
        end
    }

    /// The variance of an input of the network over the `count` of the examples that take part, about its smoothed
    /// mean, which is written, or the mean square of a hidden unit.
    fn variance(&mut self, entry: usize, examples: usize, count: usize, smoothing: T) -> T {
        let widths = self.model.trained_widths();
        let (values, width, column) = column(self.inputs, widths, self.examples, entry);
        let mut here = T::ZERO;
        for example in 0..examples {
            here += dense::at(values, width, example, column);
        }
        here /= T::of_count(count);
        let mean = if entry < self.means.len() {
            smoothing * dense::at(self.kept_means, 1, entry, 0) + (T::ONE - smoothing) * here
        } else {
            T::ZERO
        };
        dense::put(self.means, 1, entry, 0, mean);
        // In this form an example that is left out, whose row is zero, has no share, wherever its row is.
        let mut sum = T::ZERO;
        for example in 0..examples {
            let a = dense::at(values, width, example, column);
            sum += (a - mean) * a;
        }
        sum / T::of_count(count) - mean * (here - mean)
    }

    /// The sum of squares of the seeds of a unit.
    fn square(&self, unit: usize, rows: usize) -> T {
        let widths = self.model.trained_widths().get(1..).unwrap_or(&[]);
        let order = self.examples.saturating_mul(self.model.dim_out());
        let (values, width, column) = column(self.seeds, widths, order, unit);
        let mut sum = T::ZERO;
        for row in 0..rows {
            let seed = dense::at(values, width, row, column);
            sum += seed * seed;
        }
        sum
    }

    /// The roots of the factors of one side of a layer: 2l for the inputs of the l-th trained layer, 2l + 1 for its
    /// units; whether there is such a side.
    pub(in super::super) fn take_roots(&mut self, side: usize) -> bool {
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
        // Not one of two numbers in f64: it would be narrowed at run time, by a routine that a core without doubles links.
        let share = if units == 0 {
            T::of(INPUT_FLOOR)
        } else {
            T::of(UNIT_FLOOR)
        };
        // ε below the mean: a layer that nothing moves is held as it is.
        let mean = kernels::sum(factors) / T::of_count(width);
        let floor = (share * mean).larger(T::EPSILON * T::EPSILON);
        for (root, &factor) in roots.iter_mut().zip(factors) {
            *root = T::ONE / factor.larger(floor).root();
        }
        true
    }

    /// Divides what is kept by √D, from row `first` on: the rows of inputs, those of the network less their means, and
    /// then those of seeds.
    pub(in super::super) fn divide_by_roots(
        &mut self,
        first: usize,
        examples: usize,
        macs: usize,
    ) -> usize {
        let model = self.model;
        let (width, height) = (model.trained_inputs(), model.trained_units());
        let rows = examples.saturating_mul(model.dim_out().saturating_add(1));
        let end = block(first, rows, macs, width.max(height));
        let (input_roots, seed_roots) = self.roots.split_at_checked(width).unwrap_or((&[], &[]));
        let order = self.examples.saturating_mul(model.dim_out());
        let units = model.trained_widths().get(1..).unwrap_or(&[]);
        for row in first..end {
            let (kept, widths, of_layer, mut roots, mut means) = match row.checked_sub(examples) {
                None => {
                    let inputs = &mut *self.inputs;
                    let means = &*self.means;
                    (
                        inputs,
                        model.trained_widths(),
                        self.examples,
                        input_roots,
                        means,
                    )
                }
                Some(_) => (&mut *self.seeds, units, order, seed_roots, &[][..]),
            };
            let row = row.checked_sub(examples).unwrap_or(row);
            for (width, kept) in matrices_mut(kept, widths, of_layer) {
                let (of_layer, tail) = roots.split_at_checked(width).unwrap_or((&[], &[]));
                roots = tail;
                let values = dense::row_mut(kept, width, row);
                // Of the first layer only.
                for (value, &mean) in values.iter_mut().zip(core::mem::take(&mut means)) {
                    *value -= mean;
                }
                for (value, &root) in values.iter_mut().zip(of_layer) {
                    *value *= root;
                }
            }
        }
        end
    }

    /// The multiply-accumulates of some factors.
    pub(in super::super) fn factor_macs(&self, entries: Range<usize>, examples: usize) -> u64 {
        let inputs = self.model.trained_inputs();
        let squares = examples.saturating_mul(self.model.dim_out());
        let of_inputs = entries.end.min(inputs).saturating_sub(entries.start);
        let of_units = entries.end.saturating_sub(entries.start.max(inputs));
        let of_inputs = of_inputs.saturating_mul(examples);
        of_inputs.saturating_add(of_units.saturating_mul(squares)) as u64
    }

    /// g ← D^{−½} g in the coordinates about the means, where ∂/∂W is ∂/∂W − μ ∂/∂b; without factors D = I.
    pub(in super::super) fn divide(&self, gradient: &mut [T]) {
        self.each_unit(gradient, |unit| {
            let pull = *unit.bias;
            *unit.bias *= unit.root;
            for (weight, &mean) in unit.weights.iter_mut().zip(unit.means) {
                *weight -= pull * mean;
            }
            for (weight, &root) in unit.weights.iter_mut().zip(unit.input_roots) {
                *weight *= unit.root * root;
            }
        });
    }

    /// d ← `scale` · D^{−½} d, back from the coordinates about the means, where Δb is Δb + ΔW · μ.
    pub(in super::super) fn divide_back(&self, scale: T, direction: &mut [T]) {
        if self.roots.is_empty() {
            return kernels::scale(scale, direction);
        }
        self.each_unit(direction, |unit| {
            let share = scale * unit.root;
            *unit.bias *= share;
            for (weight, &root) in unit.weights.iter_mut().zip(unit.input_roots) {
                *weight *= share * root;
            }
            for (weight, &mean) in unit.weights.iter().zip(unit.means) {
                *unit.bias -= *weight * mean;
            }
        });
    }

    /// Shows every unit of the trained layers, unless there are no factors.
    fn each_unit(&self, vector: &mut [T], mut change: impl FnMut(Unit<'_, T>)) {
        let (mut inputs, mut units) = self
            .roots
            .split_at_checked(self.model.trained_inputs())
            .unwrap_or((&[], &[]));
        let mut means = &*self.means;
        for layer in trained_layers_mut(&self.model, vector) {
            // Of the first layer only.
            let means = core::mem::take(&mut means);
            let Some((input_roots, tail)) = inputs.split_at_checked(layer.fan_in) else {
                return;
            };
            inputs = tail;
            let Some((roots, tail)) = units.split_at_checked(layer.fan_out) else {
                return;
            };
            units = tail;
            let mut rest = layer.weights;
            for (&root, bias) in roots.iter().zip(layer.bias) {
                let Some((weights, tail)) = rest.split_at_mut_checked(layer.fan_in) else {
                    return;
                };
                rest = tail;
                change(Unit {
                    root,
                    input_roots,
                    means,
                    weights,
                    bias,
                });
            }
        }
    }
}

/// A unit of a vector of length P, with the roots of its factors.
struct Unit<'u, T> {
    root: T,
    input_roots: &'u [T],
    /// Of its inputs, if those are the network's; else none.
    means: &'u [T],
    weights: &'u mut [T],
    bias: &'u mut T,
}
