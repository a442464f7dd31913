//! The passes over one tile of examples: what every public pass and every operator is made of.
//!
//! A tile holds up to `TILE` examples, one per lane. Its memory is carved from a scratch slice each time
//! ([`Tile::carve`]), so that a step that is cut into slices keeps nothing but numbers between them.

use crate::activation::Activation;
use crate::data::Batch;
use crate::dense;
use crate::kernels;
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;
use crate::workspace::Arena;

use super::layers::{Layer, LayerMut, Parameters, layers, trained_layers, trained_layers_mut};

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
    /// Carves the rows that `pass` needs off `scratch`, whose length the door has checked.
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

    /// Loads tile `index` of the batch: the examples `index · TILE ..`, those of weight 0 left out, each
    /// with its share wᵦ / `total` of the mean. Targets are loaded when there is room for them.
    pub(crate) fn load(&mut self, model: &Model<'_>, batch: &Batch<'_, T>, index: usize, total: T) {
        let whole = if kernels::by_lanes::<T, TILE>() {
            batch.numbers(model, index.saturating_mul(TILE), TILE)
        } else {
            None
        };
        self.admit(model, batch, index, total, |tile, lane, example| {
            if whole.is_none() {
                let rows = tile.activations.iter_mut();
                batch.read_inputs(model, example, rows, |row, x| put(row, lane, x));
            }
            let rows = tile.targets.iter_mut();
            batch.read_targets(model, example, rows, |row, t| put(row, lane, t));
        });
        if let Some(numbers) = whole {
            let rows = self.activations.get_mut(..model.dim_in());
            kernels::interleave(numbers, rows.unwrap_or(&mut []));
        }
        // Unused lanes are computed along and never read: any finite input will do.
        let lanes = self.lanes;
        for row in self.activations.iter_mut().take(model.dim_in()) {
            kernels::fill(T::ZERO, row.get_mut(lanes..).unwrap_or(&mut []));
        }
    }

    /// Gives each example of tile `index` that takes part a lane and its share, and `read`s it.
    fn admit(
        &mut self,
        model: &Model<'_>,
        batch: &Batch<'_, T>,
        index: usize,
        total: T,
        mut read: impl FnMut(&mut Self, usize, usize),
    ) {
        let first = index.saturating_mul(TILE);
        let examples = batch.len(model);
        let mut lane = 0;
        for example in (first..examples).take(TILE) {
            let weight = batch.weight(example);
            if weight == T::ZERO {
                continue;
            }
            if let Some(scale) = self.scale.get_mut(lane) {
                *scale = weight / total;
            }
            read(self, lane, example);
            lane += 1;
        }
        self.lanes = lane;
    }

    /// Takes up tile `index` again without its inputs: targets where there is room for them, but no activation, which is
    /// to be restored, or lies where it was.
    pub(crate) fn readmit(
        &mut self,
        model: &Model<'_>,
        batch: &Batch<'_, T>,
        index: usize,
        total: T,
    ) {
        self.admit(model, batch, index, total, |tile, lane, example| {
            let rows = tile.targets.iter_mut();
            batch.read_targets(model, example, rows, |row, t| put(row, lane, t));
        });
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
    /// layer, where it is neither written nor read, and V = 0, c = 0 behind the last one (Pearlmutter 1994).
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

    /// Σᵦ ℓᵦ · scaleᵦ, added to `loss` example by example.
    pub(crate) fn add_loss(&self, model: &Model<'_>, loss: &mut T) {
        let logits = self.logits(model);
        for (lane, &scale) in self.scale.iter().enumerate().take(self.lanes) {
            *loss += scale * model.likelihood().loss(logits, self.targets, lane);
        }
    }

    /// Seeds δ = scaleᵦ (p − t): those of the gradient.
    pub(crate) fn seed_residual(&mut self, model: &Model<'_>) {
        let logits = last(self.activations, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        for (lane, &scale) in self.scale.iter().enumerate().take(self.lanes) {
            model
                .likelihood()
                .residual(logits, self.targets, scale, seeds, lane);
        }
    }

    /// Seeds δ = scaleᵦ H u with u = Rz, those of a Fisher product; returns scaleᵦ uᵀHu of each lane.
    pub(crate) fn seed_metric(&mut self, model: &Model<'_>) -> [T; TILE] {
        let logits = last(self.activations, model.dim_out());
        let tangent = last(self.tangents, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        let mut form = [T::ZERO; TILE];
        let lanes = form.iter_mut().zip(&self.scale).enumerate();
        for (lane, (form, &scale)) in lanes.take(self.lanes) {
            let quad = model
                .likelihood()
                .metric(logits, tangent, scale, seeds, lane);
            *form = scale * quad;
        }
        form
    }

    /// Adds the forms of the lanes in use to `quad`, example by example.
    pub(crate) fn add_forms(&self, form: &[T; TILE], quad: &mut T) {
        for &form in form.iter().take(self.lanes) {
            *quad += form;
        }
    }

    /// Adds δ·Rz of every example to `sum`, for the seeds and the tangents of the logits as they are.
    pub(crate) fn add_seeds_along(&mut self, model: &Model<'_>, sum: &mut T) {
        let tangent = last(self.tangents, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        for lane in 0..self.lanes {
            *sum += inner(seeds, tangent, lane);
        }
    }

    /// Raises `reach` to the largest |Rz| of the tile.
    pub(crate) fn raise_reach(&self, model: &Model<'_>, reach: &mut T) {
        for row in self.logit_tangents(model) {
            for &u in row.iter().take(self.lanes) {
                *reach = u.abs().larger(*reach);
            }
        }
    }

    /// Seeds δ = scaleᵦ cᵦ (p − t) with cᵦ = (p − t)·u − `mean`: those of a product with per-example
    /// gradients gᵦ = Jᵀ(p − t), since gᵦ·v = (p − t)·u for u = Jv. Adds scaleᵦ cᵦ to `sum`; returns
    /// scaleᵦ cᵦ² of each lane.
    pub(crate) fn seed_gradients(&mut self, model: &Model<'_>, mean: T, sum: &mut T) -> [T; TILE] {
        let logits = last(self.activations, model.dim_out());
        let tangent = last(self.tangents, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        let mut form = [T::ZERO; TILE];
        let lanes = form.iter_mut().zip(&self.scale).enumerate();
        for (lane, (form, &scale)) in lanes.take(self.lanes) {
            model
                .likelihood()
                .residual(logits, self.targets, T::ONE, seeds, lane);
            let along = inner(seeds, tangent, lane) - mean;
            let factor = scale * along;
            for row in seeds.iter_mut() {
                if let Some(seed) = row.get_mut(lane) {
                    *seed *= factor;
                }
            }
            *form = scale * (along * along);
            *sum += factor;
        }
        form
    }

    /// Seeds δ = column `column` of Q, with H = QQᵀ.
    pub(crate) fn seed_root(&mut self, model: &Model<'_>, column: usize) {
        let logits = last(self.activations, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        for lane in 0..self.lanes {
            model.likelihood().root_column(logits, column, seeds, lane);
        }
    }

    /// Seeds δ = p − t, without the share of the mean.
    pub(crate) fn seed_unscaled_residual(&mut self, model: &Model<'_>) {
        let logits = last(self.activations, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        for lane in 0..self.lanes {
            model
                .likelihood()
                .residual(logits, self.targets, T::ONE, seeds, lane);
        }
    }

    /// Seeds δ = rows `u` `[batch × K]` of tile `index`, as they are. The caller's examples have no
    /// weights, so that lanes and examples agree.
    pub(crate) fn seed_with(&mut self, model: &Model<'_>, u: &[T], index: usize) {
        let seeds = first(&mut self.seeds, model.dim_out());
        let width = model.dim_out();
        let mut rest = u
            .get(index.saturating_mul(TILE).saturating_mul(width)..)
            .unwrap_or(&[]);
        for lane in 0..self.lanes {
            let Some((row, tail)) = rest.split_at_checked(width) else {
                return;
            };
            rest = tail;
            for (seed, &value) in seeds.iter_mut().zip(row) {
                put(seed, lane, value);
            }
        }
    }

    /// out += Σᵦ Jᵀδ: ordinary backpropagation of the seeds.
    pub(crate) fn backward(&mut self, model: &Model<'_>, params: Parameters<'_, T>, out: &mut [T]) {
        let deposit = Self::add_gradient(model, self.lanes, out);
        self.descend(model, params, deposit, |_, _| {});
    }

    /// The same, with `structure`ᵦ · H Rz of every hidden unit added to the seeds on their way: the
    /// product of structural damping. Adds its form to `form`.
    pub(crate) fn backward_structural(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        structure: T,
        out: &mut [T],
        form: &mut [T; TILE],
    ) {
        if structure == T::ZERO {
            return self.backward(model, params, out);
        }
        let deposit = Self::add_gradient(model, self.lanes, out);
        let inject = self.add_structure(structure, form);
        self.descend(model, params, deposit, inject);
    }

    /// The same for its own sake: `show` sees the seeds and the inputs of every trained layer, the last one first.
    pub(crate) fn backward_structural_showing(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        structure: T,
        form: &mut [T; TILE],
        show: impl FnMut(&[[T; TILE]], &[[T; TILE]]),
    ) {
        if structure == T::ZERO {
            return self.backward_showing(model, params, show);
        }
        let inject = self.add_structure(structure, form);
        self.descend(model, params, show, inject);
    }

    /// What structural damping adds to the seeds of a hidden layer, and to `form`.
    fn add_structure<'f>(
        &self,
        structure: T,
        form: &'f mut [T; TILE],
    ) -> impl FnMut(&mut [[T; TILE]], &Units<'_, T, TILE>) + use<'f, T, TILE> {
        let scale = self.scale.map(|scale| structure * scale);
        move |seeds, units| units.add_metric(&scale, seeds, form)
    }

    /// What a backward pass deposits at the trained layers, the last one first: Σᵦ δᵦ aᵦᵀ, added to `out`.
    fn add_gradient<'o>(
        model: &Model<'o>,
        lanes: usize,
        out: &'o mut [T],
    ) -> impl FnMut(&[[T; TILE]], &[[T; TILE]]) {
        let mut gradients = trained_layers_mut(model, out);
        move |seeds, input| {
            if let Some(LayerMut { weights, bias, .. }) = gradients.next_back() {
                kernels::add_outer(seeds, input, lanes, weights, bias);
            }
        }
    }

    /// out += Σᵦ scaleᵦ (Jᵀδ)∘(Jᵀδ): the squares of the per-example backpropagated seeds.
    pub(crate) fn backward_squared(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        out: &mut [T],
    ) {
        let (lanes, scale) = (self.lanes, self.scale);
        let mut squares = trained_layers_mut(model, out);
        let deposit = |seeds: &[[T; TILE]], input: &[[T; TILE]]| {
            if let Some(LayerMut { weights, bias, .. }) = squares.next_back() {
                kernels::add_outer_squared(seeds, input, &scale, lanes, weights, bias);
            }
        };
        self.descend(model, params, deposit, |_, _| {});
    }

    /// Backpropagation of the seeds for its own sake: `show` sees the seeds and the inputs of every trained layer, the
    /// last one first.
    pub(crate) fn backward_showing(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        show: impl FnMut(&[[T; TILE]], &[[T; TILE]]),
    ) {
        self.descend(model, params, show, |_, _| {});
    }

    /// √scaleᵦ of every lane; 0 of one that is not in use.
    pub(crate) fn share_roots(&self) -> [T; TILE] {
        let mut roots = [T::ZERO; TILE];
        for (root, scale) in roots.iter_mut().zip(self.scale).take(self.lanes) {
            *root = scale.root();
        }
        roots
    }

    /// √scaleᵦ s with Qs = p − t, into the rows `[TILE × K]` of the tile.
    pub(crate) fn whiten_residuals(&self, model: &Model<'_>, rows: &mut [T]) {
        let logits = self.logits(model);
        let lanes = self.share_roots().into_iter().enumerate().take(self.lanes);
        for (lane, root) in lanes {
            let row = dense::row_mut(rows, model.dim_out(), lane);
            model
                .likelihood()
                .whitened_residual(logits, self.targets, lane, row);
            kernels::scale(root, row);
        }
    }

    /// δₗ₋₁ = φ′ ∘ Wₗᵀδₗ, from the last layer to the first trained one, with `deposit` at each trained layer and
    /// `inject` at each hidden layer on the way.
    fn descend(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        mut deposit: impl FnMut(&[[T; TILE]], &[[T; TILE]]),
        mut inject: impl FnMut(&mut [[T; TILE]], &Units<'_, T, TILE>),
    ) {
        let mut values: &[[T; TILE]] = drop_last(self.activations, model.dim_out());
        let mut tangents: &[[T; TILE]] = drop_last(self.tangents, model.dim_out());
        let [upper, lower] = &mut self.seeds;
        let (mut upper, mut lower) = (&mut **upper, &mut **lower);
        for layer in layers(model, params).rev() {
            let input = split_last(&mut values, layer.fan_in);
            let tangents = split_last(&mut tangents, layer.fan_in);
            let seeds = upper.get(..layer.fan_out).unwrap_or(&[]);
            if model.trains(layer.index) {
                deposit(seeds, input);
            }
            if layer.index > model.first_trained() {
                let activation = model.activation(layer.index.saturating_sub(1));
                let below = lower.get_mut(..layer.fan_in).unwrap_or(&mut []);
                kernels::transposed(layer.weights, seeds, below);
                activation.scale_by_slope(input.as_flattened(), below.as_flattened_mut());
                let units = Units {
                    activation,
                    values: input,
                    tangents,
                };
                inject(below, &units);
            }
            core::mem::swap(&mut upper, &mut lower);
        }
    }

    /// out += Σᵦ scaleᵦ Hᵦ v, the R-backward pass; adds Σᵦ scaleᵦ vᵀHᵦv to `quad`.
    ///
    /// ```text
    /// δ_L = p − t, Rδ_L = H Rz_L
    /// out_W += Rδ aᵀ + δ Raᵀ, out_b += Rδ
    /// s = Wᵀδ, Rs = Vᵀδ + WᵀRδ; below: δ = φ′∘s, Rδ = φ′∘Rs + φ″∘Rz∘s
    /// vᵀHv = Rz_LᵀH Rz_L + Σ 2 (Vᵀδ)·Ra + Σ s·(φ″∘Rz²)
    /// ```
    ///
    /// With a `structure` above 0, Rδ gains `structure`ᵦ · H Rz at every hidden unit: structural damping.
    pub(crate) fn backward_tangent(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        direction: &[T],
        structure: T,
        out: &mut [T],
        quad: &mut T,
    ) {
        let lanes = self.lanes;
        let scale = self.scale.map(|scale| structure * scale);
        let mut form = [T::ZERO; TILE];
        self.seed_residual(model);
        self.seed_output_metric(model, &mut form);

        let mut values: &[[T; TILE]] = drop_last(self.activations, model.dim_out());
        let mut tangents: &[[T; TILE]] = drop_last(self.tangents, model.dim_out());
        let mut pre: &[[T; TILE]] = drop_last(self.pre_tangents, model.dim_out());
        let [upper, lower] = &mut self.seeds;
        let (mut upper, mut lower) = (&mut **upper, &mut **lower);
        let [r_upper, r_lower] = &mut self.seed_tangents;
        let (mut r_upper, mut r_lower) = (&mut **r_upper, &mut **r_lower);
        let mut directions = trained_layers(model, direction);
        let mut products = trained_layers_mut(model, out);
        for layer in layers(model, params).rev() {
            let Layer {
                fan_in, fan_out, ..
            } = layer;
            let value = split_last(&mut values, fan_in);
            let value_tangent = split_last(&mut tangents, fan_in);
            let pre_tangent = split_last(&mut pre, fan_in);
            let seeds = upper.get(..fan_out).unwrap_or(&[]);
            let r_seeds = r_upper.get(..fan_out).unwrap_or(&[]);
            let (mut tangent, mut product) = (None, None);
            if model.trains(layer.index) {
                (tangent, product) = (directions.next_back(), products.next_back());
            }
            if layer.index <= model.first_trained() {
                if let Some(LayerMut { weights, bias, .. }) = product {
                    kernels::add_outer(r_seeds, value, lanes, weights, bias);
                }
                break;
            }
            if let Some(LayerMut { weights, bias, .. }) = product {
                kernels::add_outer_pair(r_seeds, value, seeds, value_tangent, lanes, weights, bias);
            }
            let activation = model.activation(layer.index.saturating_sub(1));

            let below = lower.get_mut(..fan_in).unwrap_or(&mut []);
            let r_below = r_lower.get_mut(..fan_in).unwrap_or(&mut []);
            if let Some(tangent) = tangent {
                kernels::transposed(tangent.weights, seeds, r_below);
                for (lane, form) in form.iter_mut().enumerate().take(lanes) {
                    let along = inner(r_below, value_tangent, lane);
                    *form += along + along;
                }
                kernels::add_transposed(layer.weights, r_seeds, r_below);
            } else {
                kernels::transposed(layer.weights, r_seeds, r_below);
            }
            kernels::transposed(layer.weights, seeds, below);
            let rows = below.iter_mut().zip(&mut *r_below);
            let rows = rows.zip(value).zip(pre_tangent);
            for (((s, rs), a), rz) in rows {
                let lanes = s.iter_mut().zip(rs).zip(a.iter().zip(rz)).zip(&mut form);
                for (((s, rs), (&a, &rz)), form) in lanes {
                    let slope = activation.slope(a);
                    let bent = activation.bend(a) * (slope * rz) * *s;
                    *form += bent * rz;
                    *rs = slope * *rs + bent;
                    *s *= slope;
                }
            }
            if structure > T::ZERO {
                let units = Units {
                    activation,
                    values: value,
                    tangents: value_tangent,
                };
                units.add_metric(&scale, r_below, &mut form);
            }
            core::mem::swap(&mut upper, &mut lower);
            core::mem::swap(&mut r_upper, &mut r_lower);
        }
        self.add_forms(&form, quad);
    }

    /// Rδ_L = scaleᵦ H Rz_L into the tangents of the seeds, and scaleᵦ Rz_LᵀH Rz_L into `form`.
    fn seed_output_metric(&mut self, model: &Model<'_>, form: &mut [T; TILE]) {
        let logits = last(self.activations, model.dim_out());
        let tangent = last(self.tangents, model.dim_out());
        let r_seeds = first(&mut self.seed_tangents, model.dim_out());
        let lanes = form.iter_mut().zip(&self.scale).enumerate();
        for (lane, (form, &scale)) in lanes.take(self.lanes) {
            let quad = model
                .likelihood()
                .metric(logits, tangent, scale, r_seeds, lane);
            *form = scale * quad;
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

/// The units of a hidden layer: activations a and tangents Ra.
struct Units<'u, T, const TILE: usize> {
    activation: Activation,
    values: &'u [[T; TILE]],
    tangents: &'u [[T; TILE]],
}

impl<T: Scalar, const TILE: usize> Units<'_, T, TILE> {
    /// seeds += scale · H Rz and form += scale · RzᵀH Rz, lane by lane, in the order of the units.
    fn add_metric(&self, scale: &[T; TILE], seeds: &mut [[T; TILE]], form: &mut [T; TILE]) {
        for (seeds, (values, tangents)) in
            seeds.iter_mut().zip(self.values.iter().zip(self.tangents))
        {
            let lanes = seeds.iter_mut().zip(&mut *form).zip(scale);
            for (((seed, form), &scale), (&a, &tangent)) in lanes.zip(values.iter().zip(tangents)) {
                let (product, quad) = self.activation.unit_metric(a, tangent);
                *seed += scale * product;
                *form += scale * quad;
            }
        }
    }
}

fn put<T, const TILE: usize>(row: &mut [T; TILE], lane: usize, value: T) {
    if let Some(slot) = row.get_mut(lane) {
        *slot = value;
    }
}

/// x · y of one lane, in the order of the rows.
fn inner<T: Scalar, const TILE: usize>(x: &[[T; TILE]], y: &[[T; TILE]], lane: usize) -> T {
    let mut sum = T::ZERO;
    for (x, y) in x.iter().zip(y) {
        if let (Some(&x), Some(&y)) = (x.get(lane), y.get(lane)) {
            sum += x * y;
        }
    }
    sum
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
