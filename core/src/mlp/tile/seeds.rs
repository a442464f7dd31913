//! What a tile gives at its outputs: the loss, and the seeds of a backward pass.

use super::{Tile, first, last};
use crate::dense;
use crate::kernels;
use crate::plan::Model;
use crate::scalar::Scalar;

impl<T: Scalar, const TILE: usize> Tile<'_, T, TILE> {
    /// Σᵦ ℓᵦ · scaleᵦ, added to `loss` example by example.
    pub(crate) fn add_loss(&self, model: &Model<'_>, loss: &mut T) {
        let logits = self.logits(model);
        let losses = model.likelihood().losses(logits, self.targets, self.lanes);
        for (&example, &scale) in losses.iter().zip(&self.scale).take(self.lanes) {
            *loss += scale * example;
        }
    }

    /// Seeds δ = scaleᵦ (p − t): those of the gradient.
    pub(crate) fn seed_residual(&mut self, model: &Model<'_>) {
        let logits = last(self.activations, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        model
            .likelihood()
            .residuals(logits, self.targets, &self.scale, seeds, self.lanes);
    }

    /// Seeds δ = scaleᵦ H u with u = Rz, those of a Fisher product; returns scaleᵦ uᵀHu of each lane.
    pub(crate) fn seed_metric(&mut self, model: &Model<'_>) -> [T; TILE] {
        let logits = last(self.activations, model.dim_out());
        let tangent = last(self.tangents, model.dim_out());
        let seeds = first(&mut self.seeds, model.dim_out());
        let likelihood = model.likelihood();
        likelihood.metrics(logits, tangent, &self.scale, seeds, self.lanes)
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
        model
            .likelihood()
            .residuals(logits, self.targets, &[T::ONE; TILE], seeds, self.lanes);
        let mut form = [T::ZERO; TILE];
        let lanes = form.iter_mut().zip(&self.scale).enumerate();
        for (lane, (form, &scale)) in lanes.take(self.lanes) {
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
        model
            .likelihood()
            .residuals(logits, self.targets, &[T::ONE; TILE], seeds, self.lanes);
    }

    /// Seeds δ = rows `u` `[batch × K]` of tile `index`, as they are. The caller's examples have no
    /// weights, so that lanes and examples agree.
    pub(crate) fn seed_with(&mut self, model: &Model<'_>, u: &[T], index: usize) {
        let seeds = first(&mut self.seeds, model.dim_out());
        let start = index.saturating_mul(TILE).saturating_mul(model.dim_out());
        kernels::interleave(u.get(start..).unwrap_or(&[]), seeds);
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
}

/// x · y of one lane, in the order of the rows.
pub(super) fn inner<T: Scalar, const TILE: usize>(
    x: &[[T; TILE]],
    y: &[[T; TILE]],
    lane: usize,
) -> T {
    let mut sum = T::ZERO;
    for (x, y) in x.iter().zip(y) {
        if let (Some(&x), Some(&y)) = (x.get(lane), y.get(lane)) {
            sum += x * y;
        }
    }
    sum
}
