//! The covariance of per-example gradients.

use crate::data::{Batch, Labels};
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Mlp, gradient_tile};
use crate::operator::LinearOperator;
use crate::plan::Pass;
use crate::scalar::Scalar;
use crate::workspace::exact;

use super::Examples;
use super::sealed::Forward;

/// The centred covariance of per-example gradients, (1/B) Σ (gᵦ − ḡ)(gᵦ − ḡ)ᵀ.
///
/// ḡ is computed first and kept; the one-pass form (1/B) Σ gᵦgᵦᵀ − ḡḡᵀ loses digits in `f32` as soon as the gradients agree.
/// One more part than tiles: the last takes ḡ times the sum of the coefficients off.
///
/// Cost of a product: [`Pass::Product`] per example; memory P for ḡ. Reference: Le Roux et al. 2008
/// (TONGA); Pascanu & Bengio, section 4.
pub struct GradientCovariance<'a, T, const TILE: usize> {
    examples: Examples<'a, T>,
    mean: &'a mut [T],
    /// ḡ·v of the product under way.
    along: T,
    /// Σ scaleᵦ cᵦ of the product under way; zero but for rounding.
    sum: T,
}

impl<'a, T: Scalar, const TILE: usize> GradientCovariance<'a, T, TILE> {
    /// The covariance of `mlp` over `batch`, which needs targets; `mean` `[P]` is memory for ḡ.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    ///
    /// Cost: [`Pass::Gradient`] per example.
    pub fn new(
        mlp: Mlp<'a, T, TILE>,
        batch: Batch<'a, T>,
        mean: &'a mut [T],
    ) -> Result<Self, Error> {
        exact(
            "the mean gradient",
            mlp.model().trained_params(),
            mean.len(),
        )?;
        let examples = Examples::admit(mlp, batch, Labels::Needed, Pass::Product)?;
        let (model, params, total) = (examples.model, examples.params, examples.total);
        kernels::fill(T::ZERO, mean);
        let mut loss = T::ZERO;
        for tile in 0..examples.tiles::<TILE>() {
            let (batch, scratch) = (&examples.batch, &mut *examples.scratch);
            gradient_tile::<T, TILE>(&model, params, scratch, batch, tile, total, mean, &mut loss);
        }
        Ok(Self {
            examples,
            mean,
            along: T::ZERO,
            sum: T::ZERO,
        })
    }
}

impl<T: Scalar, const TILE: usize> LinearOperator<T> for GradientCovariance<'_, T, TILE> {
    fn dim(&self) -> usize {
        self.examples.model.trained_params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>().saturating_add(1)
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        if part == 0 {
            self.along = kernels::dot(self.mean, v);
            self.sum = T::ZERO;
        }
        if part >= self.examples.tiles::<TILE>() {
            kernels::axpy(-self.sum, self.mean, out);
            return;
        }
        let Forward {
            tile,
            model,
            params,
        } = &mut self.examples.forward::<TILE>(Pass::Product, part);
        tile.forward_tangent(model, **params, v);
        let form = tile.seed_gradients(model, self.along, &mut self.sum);
        tile.backward(model, **params, out);
        tile.add_forms(&form, quad);
    }
}
