//! The objective L(θ) = Σ wᵦ ℓᵦ / Σ wᵦ + ½ l₂ |θ − θ₀|², in slices.

use super::{Frame, Progress};
use crate::curvature::{CurvatureOperator, Examples, Factored};
use crate::data::{Batch, Labels};
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Parameters, Tile, gradient_tile, tiles};
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;
use crate::workspace::ShapeError;

/// The point θ₀ toward which L2 regularisation pulls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor<'a, T> {
    /// 0.
    Zero,
    /// Given parameters of all layers, such as those that the device was shipped with.
    At(&'a [T]),
}

/// The term ½ l₂ |θ − θ₀|² of the objective: in the loss, in the gradient (l₂(θ − θ₀)) and in the operator
/// of a solve (l₂I) alike. It counts biases too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2<'a, T> {
    /// l₂, not negative; 0 for none.
    pub strength: T,
    /// θ₀.
    pub anchor: Anchor<'a, T>,
}

impl<T: Scalar> L2<'_, T> {
    /// No regularisation.
    pub const NONE: Self = Self {
        strength: T::ZERO,
        anchor: Anchor::Zero,
    };

    /// ½ l₂ |θ − θ₀|².
    pub(crate) fn value(&self, params: &[T]) -> T {
        if self.strength == T::ZERO {
            return T::ZERO;
        }
        let squared = match self.anchor {
            Anchor::Zero => kernels::dot(params, params),
            Anchor::At(anchor) => kernels::distance_squared(params, anchor),
        };
        T::HALF * (self.strength * squared)
    }

    /// g += l₂(θ − θ₀).
    fn add_gradient(&self, params: &[T], gradient: &mut [T]) {
        if self.strength == T::ZERO {
            return;
        }
        match self.anchor {
            Anchor::Zero => kernels::axpy(self.strength, params, gradient),
            // Not one after the other: near θ₀ both are far larger than what they leave.
            Anchor::At(anchor) => kernels::pull(self.strength, params, anchor, gradient),
        }
    }

    /// The term as it is for the trained parameters: that of the frozen ones is a constant.
    pub(crate) fn of_trained(self, model: &Model<'_>) -> Self {
        let anchor = match self.anchor {
            Anchor::Zero => Anchor::Zero,
            Anchor::At(params) => Anchor::At(Parameters::of(model, params).trained),
        };
        Self { anchor, ..self }
    }

    /// Checks strength and anchor.
    pub(crate) fn check(&self, model: &Model<'_>) -> Result<(), Error> {
        if !(self.strength >= T::ZERO && self.strength.is_finite()) {
            return Err(Error::Setting(
                "the L2 strength must be finite and not negative",
            ));
        }
        match self.anchor {
            Anchor::At(anchor) if anchor.len() != model.params() => Err(Error::Shape(ShapeError {
                what: "the anchor",
                expected: model.params(),
                found: anchor.len(),
            })),
            Anchor::At(anchor) if !kernels::all_finite(anchor) => {
                Err(Error::Setting("the anchor must be finite"))
            }
            _ => Ok(()),
        }
    }
}

/// The inspection of a batch, tile by tile: every number is looked at before it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspection<T> {
    tile: usize,
    /// Σ wᵦ so far, at the end of the batch.
    pub(crate) total: T,
}

impl<T: Scalar> Inspection<T> {
    pub(crate) const fn new() -> Self {
        Self {
            tile: 0,
            total: T::ZERO,
        }
    }

    /// Inspects one tile; whether it was the last.
    pub(crate) fn advance<const TILE: usize>(
        &mut self,
        model: &Model<'_>,
        batch: &Batch<'_, T>,
        labels: Labels,
    ) -> Result<bool, Error> {
        let examples = batch.len(model);
        let first = self.tile.saturating_mul(TILE);
        batch.check_examples(model, first, TILE, labels, &mut self.total)?;
        self.tile = self.tile.saturating_add(1);
        let last = self.tile >= tiles::<TILE>(examples);
        if last {
            Batch::check_total(self.total)?;
        }
        Ok(last)
    }
}

/// The multiplications per parameter of its dearest update of vectors: two for the L2 term, and one for |g|.
pub(crate) const GRADIENT_MACS: usize = 3;

/// Inspection of the gradient batch, loss and gradient: how every method begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradientPass<T> {
    stage: Stage<T>,
    /// Σ wᵦ of the batch.
    pub(crate) total: T,
    /// The loss, with its L2 term.
    pub(crate) loss: T,
    /// |g|.
    pub(crate) norm: T,
    /// The examples that were loaded.
    loaded: usize,
    /// Multiply-accumulates, once it is done.
    pub(crate) macs: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage<T> {
    Inspect(Inspection<T>),
    Tile(usize),
    Regularise,
    Done,
}

impl<T: Scalar> GradientPass<T> {
    pub(crate) const fn new() -> Self {
        Self {
            stage: Stage::Inspect(Inspection::new()),
            total: T::ZERO,
            loss: T::ZERO,
            norm: T::ZERO,
            loaded: 0,
            macs: 0,
        }
    }

    /// At further parameters, over a batch that has been inspected: `total` is its Σ wᵦ. The gradient's memory has
    /// to be zero.
    pub(crate) const fn further(total: T) -> Self {
        Self {
            stage: Stage::Tile(0),
            total,
            ..Self::new()
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// One slice; the gradient goes into `gradient` `[P]`. [`Progress::Gradient`] at the end.
    pub(crate) fn advance<const TILE: usize>(
        &mut self,
        frame: &mut Frame<'_, T>,
        gradient: &mut [T],
    ) -> Result<Progress<T>, Error> {
        let Frame {
            model,
            params,
            batch,
            l2,
            scratch,
            ..
        } = frame;
        match &mut self.stage {
            Stage::Inspect(inspection) => {
                if inspection.advance::<TILE>(model, batch, Labels::Needed)? {
                    self.total = inspection.total;
                    kernels::fill(T::ZERO, gradient);
                    self.stage = Stage::Tile(0);
                }
            }
            Stage::Tile(index) => {
                let tile = *index;
                let examples = gradient_tile::<T, TILE>(
                    model,
                    *params,
                    scratch,
                    batch,
                    tile,
                    self.total,
                    gradient,
                    &mut self.loss,
                );
                self.loaded = self.loaded.saturating_add(examples);
                self.stage = if tile.saturating_add(1) < tiles::<TILE>(batch.len(model)) {
                    Stage::Tile(tile.saturating_add(1))
                } else {
                    Stage::Regularise
                };
            }
            Stage::Regularise => {
                self.loss += l2.value(params.trained);
                l2.add_gradient(params.trained, gradient);
                let squared = kernels::dot(gradient, gradient);
                if !(self.loss.is_finite() && squared.is_finite()) {
                    return Err(Error::NonFinite);
                }
                self.norm = squared.root();
                self.macs = examples_macs(model, Pass::Gradient, self.loaded);
                self.stage = Stage::Done;
                return Ok(Progress::Gradient {
                    loss: self.loss,
                    norm: self.norm,
                });
            }
            Stage::Done => return Ok(Progress::Ready),
        }
        Ok(Progress::Working)
    }
}

/// The loss of a batch at given parameters, tile by tile; the L2 term is the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LossPass<T> {
    tile: usize,
    pub(crate) loss: T,
}

impl<T: Scalar> LossPass<T> {
    pub(crate) const fn new() -> Self {
        Self {
            tile: 0,
            loss: T::ZERO,
        }
    }

    /// One tile; whether it was the last.
    pub(crate) fn advance<const TILE: usize>(
        &mut self,
        model: &Model<'_>,
        params: Parameters<'_, T>,
        scratch: &mut [T],
        batch: &Batch<'_, T>,
        total: T,
        macs: &mut u64,
    ) -> bool {
        let mut tile = Tile::<T, TILE>::carve(model, Pass::Loss, scratch);
        tile.load(model, batch, self.tile, total);
        tile.forward(model, params);
        tile.add_loss(model, &mut self.loss);
        *macs = macs.saturating_add(examples_macs(model, Pass::Loss, tile.lanes()));
        self.tile = self.tile.saturating_add(1);
        self.tile >= tiles::<TILE>(batch.len(model))
    }
}

/// A diagonal, part by part into a vector `[P]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiagonalPass {
    part: usize,
}

impl DiagonalPass {
    pub(crate) const fn new() -> Self {
        Self { part: 0 }
    }

    /// One part of the diagonal of a curvature over `examples`, of whose tiles the activations of `kept` are there
    /// then; whether it was the last.
    pub(crate) fn advance<T: Scalar, C: Factored<T>, const TILE: usize>(
        &mut self,
        examples: Examples<'_, T>,
        out: &mut [T],
        macs: &mut u64,
        kept: &mut usize,
    ) -> bool {
        let mut curvature = CurvatureOperator::<T, C, TILE>::over(examples);
        if self.part == 0 {
            kernels::fill(T::ZERO, out);
        }
        curvature.add_diagonal_part(self.part, out);
        *kept = curvature.kept();
        *macs = macs.saturating_add(curvature.macs(C::COLUMN_PASS));
        self.part = self.part.saturating_add(1);
        self.part >= curvature.diagonal_parts()
    }
}

/// The multiply-accumulates of a pass over so many examples.
pub(crate) fn examples_macs(model: &Model<'_>, pass: Pass, examples: usize) -> u64 {
    model.macs(pass).saturating_mul(examples as u64)
}

/// How many units in the last place of the loss its rounding may be.
const NOISE_ULPS: f64 = 4.0;

/// The rounding of the difference of two losses: it means nothing below a few units in the last place.
/// Each is scaled before they are added, since the sum of two finite losses may be infinite.
pub(crate) fn noise<T: Scalar>(before: T, after: T) -> T {
    let ulps = T::of(NOISE_ULPS) * T::EPSILON;
    ulps * before.abs() + ulps * after.abs()
}
