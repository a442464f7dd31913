//! The backward passes of a tile.

use super::seeds::inner;
use super::{Tile, drop_last, first, last, split_last};
use crate::activation::Activation;
use crate::kernels;
use crate::mlp::layers::{Layer, LayerMut, Parameters, layers, trained_layers, trained_layers_mut};
use crate::plan::Model;
use crate::scalar::Scalar;

impl<T: Scalar, const TILE: usize> Tile<'_, T, TILE> {
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
        self.seed_residual(model);
        let mut form = {
            // Rδ_L = scaleᵦ H Rz_L.
            let logits = last(self.activations, model.dim_out());
            let tangent = last(self.tangents, model.dim_out());
            let r_seeds = first(&mut self.seed_tangents, model.dim_out());
            let likelihood = model.likelihood();
            likelihood.metrics(logits, tangent, &self.scale, r_seeds, lanes)
        };

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
