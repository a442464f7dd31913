//! The passes over one tile of examples: what every public pass and every operator is made of.
//!
//! A tile holds up to `TILE` examples, one per lane. Its memory is carved from a scratch slice each time
//! ([`Tile::carve`]), so that a step that is cut into slices keeps nothing but numbers between them.

use crate::kernels;
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;
use crate::workspace::Arena;

use super::layers::{Parameters, layers, trained_layers, trained_layers_mut};

mod backward;
mod load;
mod seeds;

/// The rows of one tile.
pub(crate) struct Tile<'w, T, const TILE: usize> {
    /// Activations aₗ of every layer, inputs first, logits last: `[Σ widths]` rows.
    activations: &'w mut [[T; TILE]],
    /// Tangents Raₗ, in the same places; empty in passes without an R-operator.
    tangents: &'w mut [[T; TILE]],
    /// Tangents Rzₗ before the activation; only for the Hessian.
    pre_tangents: &'w mut [[T; TILE]],
    /// Backpropagated seeds δ of a layer and of the layer below.
    seeds: [&'w mut [[T; TILE]]; 2],
    /// Their tangents Rδ; only for the Hessian.
    seed_tangents: [&'w mut [[T; TILE]]; 2],
    /// Targets `[K]`.
    targets: &'w mut [[T; TILE]],
    /// What each lane counts: wᵦ / Σ w.
    scale: [T; TILE],
    /// The lanes in use: the first ones.
    lanes: usize,
}

impl<'w, T: Scalar, const TILE: usize> Tile<'w, T, TILE> {
    /// Carves the rows that `pass` needs off `scratch`, whose length was checked before.
    pub(crate) fn carve(model: &Model<'_>, pass: Pass, scratch: &'w mut [T]) -> Self {
        let storage = pass.storage();
        let mut arena = Arena::new(scratch);
        let mut rows = |count: usize| arena.take_rows::<TILE>(count);
        let units = |needed: bool| if needed { model.units() } else { 0 };
        let widest = |needed: bool| if needed { model.widest() } else { 0 };
        Self {
            activations: rows(units(storage.units > 0)),
            tangents: rows(units(storage.units > 1)),
            pre_tangents: rows(units(storage.units > 2)),
            seeds: [
                rows(widest(storage.widths > 0)),
                rows(widest(storage.widths > 1)),
            ],
            seed_tangents: [
                rows(widest(storage.widths > 2)),
                rows(widest(storage.widths > 3)),
            ],
            targets: rows(model.dim_out().saturating_mul(storage.outputs)),
            scale: [T::ZERO; TILE],
            lanes: 0,
        }
    }

    /// The lanes in use.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    /// With its activations in these rows.
    pub(crate) fn on(self, activations: &'w mut [[T; TILE]]) -> Self {
        Self {
            activations,
            ..self
        }
    }

    /// The rows of what goes into the trained layers, which lie side by side: `[I]`.
    pub(crate) fn trained_inputs(&mut self, model: &Model<'_>) -> &mut [[T; TILE]] {
        let start = model.units_below();
        let end = start.saturating_add(model.trained_inputs());
        self.activations.get_mut(start..end).unwrap_or(&mut [])
    }

    /// The rows of the logits, `[K]`.
    pub(crate) fn logits_mut(&mut self, model: &Model<'_>) -> &mut [[T; TILE]] {
        let start = self.activations.len().saturating_sub(model.dim_out());
        self.activations.get_mut(start..).unwrap_or(&mut [])
    }

    /// Vₗ aₗ₋₁ + cₗ of every trained layer, each for itself, in the places of the tangents of its units.
    pub(crate) fn change_each(&mut self, model: &Model<'_>, direction: &[T]) {
        let mut values: &[[T; TILE]] = self.activations;
        let mut changes = Arena::new(&mut *self.tangents);
        split(&mut values, model.units_below());
        changes.take(model.units_below());
        let mut first = true;
        for layer in trained_layers(model, direction) {
            if core::mem::take(&mut first) {
                changes.take(layer.fan_in);
            }
            let input = split(&mut values, layer.fan_in);
            kernels::affine(
                layer.weights,
                layer.bias,
                input,
                changes.take(layer.fan_out),
            );
        }
    }

    /// out += Σᵦ δᵦ aᵦᵀ at every trained layer, of the seeds that lie in the places of the tangents of its units.
    pub(crate) fn deposit_each(&self, model: &Model<'_>, out: &mut [T]) {
        let mut values: &[[T; TILE]] = self.activations;
        let mut seeds: &[[T; TILE]] = self.tangents;
        split(&mut values, model.units_below());
        split(&mut seeds, model.units_below());
        let mut first = true;
        for layer in trained_layers_mut(model, out) {
            if core::mem::take(&mut first) {
                split(&mut seeds, layer.fan_in);
            }
            let input = split(&mut values, layer.fan_in);
            let seeds = split(&mut seeds, layer.fan_out);
            kernels::add_outer(seeds, input, self.lanes, layer.weights, layer.bias);
        }
    }

    /// The places of the tangents of the units of all trained layers, which lie side by side: `[U]`.
    pub(crate) fn trained_units(&mut self, model: &Model<'_>) -> &mut [[T; TILE]] {
        let first = model.trained_widths().first().copied().unwrap_or(0);
        let start = model.units_below().saturating_add(first);
        let end = start.saturating_add(model.trained_units());
        self.tangents.get_mut(start..end).unwrap_or(&mut [])
    }

    /// aₗ = φ(Wₗ aₗ₋₁ + bₗ), and z for the last layer.
    pub(crate) fn forward(&mut self, model: &Model<'_>, params: Parameters<'_, T>) {
        let mut rest = Arena::new(&mut *self.activations);
        let mut input: &[[T; TILE]] = rest.take(model.dim_in());
        for layer in layers(model, params) {
            let out = rest.take(layer.fan_out);
            kernels::affine(layer.weights, layer.bias, input, out);
            let activation = model.activation(layer.index);
            if kernels::by_lanes::<T, TILE>() {
                activation.apply_to_vectors(out.as_flattened_mut());
            } else {
                activation.apply(out.as_flattened_mut());
            }
            input = out;
        }
    }

    /// Rzₗ = Vₗ aₗ₋₁ + cₗ + Wₗ Raₗ₋₁ and Raₗ = φ′ ∘ Rzₗ, with Ra = 0 before the first trained
    /// layer, where it is neither written nor read, and V = 0, c = 0 after the last one (Pearlmutter 1994).
    pub(crate) fn forward_tangent(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        direction: &[T],
    ) {
        let mut values: &[[T; TILE]] = self.activations;
        let mut tangents = Arena::new(&mut *self.tangents);
        let mut kept = Arena::new(&mut *self.pre_tangents);
        let mut input = split(&mut values, model.dim_in());
        let mut input_tangent: &[[T; TILE]] = tangents.take(model.dim_in());
        kept.take(model.dim_in());
        let mut directions = trained_layers(model, direction);
        for layer in layers(model, params) {
            let value = split(&mut values, layer.fan_out);
            let out = tangents.take(layer.fan_out);
            let kept = kept.take(layer.fan_out);
            if layer.index < model.first_trained() {
                (input, input_tangent) = (value, out);
                continue;
            }
            match directions.next() {
                Some(tangent) => kernels::affine(tangent.weights, tangent.bias, input, out),
                None => kernels::fill([T::ZERO; TILE], out),
            }
            if layer.index > model.first_trained() {
                kernels::add_product(layer.weights, input_tangent, out);
            }
            kernels::copy(out, kept);
            let activation = model.activation(layer.index);
            activation.scale_by_slope(value.as_flattened(), out.as_flattened_mut());
            (input, input_tangent) = (value, out);
        }
    }

    /// The logits `[K]`.
    pub(crate) fn logits(&self, model: &Model<'_>) -> &[[T; TILE]] {
        last(self.activations, model.dim_out())
    }

    /// The logits, which [`Tile::means`] has made means.
    pub(crate) fn means(&mut self, model: &Model<'_>) {
        let lanes = self.lanes;
        let logits = self.logits_mut(model);
        for lane in 0..lanes {
            model.likelihood().mean(logits, lane);
        }
    }

    /// The tangent Rz of the logits `[K]`.
    pub(crate) fn logit_tangents(&self, model: &Model<'_>) -> &[[T; TILE]] {
        last(self.tangents, model.dim_out())
    }
}

/// Takes the first `len` rows off `rest`.
fn split<'a, T>(rest: &mut &'a [T], len: usize) -> &'a [T] {
    match rest.split_at_checked(len) {
        Some((head, tail)) => {
            *rest = tail;
            head
        }
        None => &[],
    }
}

/// Takes the last `len` rows off `rest`.
fn split_last<'a, T>(rest: &mut &'a [T], len: usize) -> &'a [T] {
    match rest.split_at_checked(rest.len().saturating_sub(len)) {
        Some((head, tail)) => {
            *rest = head;
            tail
        }
        None => &[],
    }
}

/// The last `len` rows.
fn last<T>(mut rows: &[T], len: usize) -> &[T] {
    split_last(&mut rows, len)
}

/// The first `len` rows of the first of two sets, which have as many rows as the widest layer: the seeds
/// of the outputs.
fn first<'s, T, const TILE: usize>(
    sets: &'s mut [&mut [[T; TILE]]; 2],
    len: usize,
) -> &'s mut [[T; TILE]] {
    let [set, _] = sets;
    set.get_mut(..len).unwrap_or(&mut [])
}

/// All but the last `len` rows.
fn drop_last<T>(mut rows: &[T], len: usize) -> &[T] {
    split_last(&mut rows, len);
    rows
}
