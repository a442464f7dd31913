//! How a step with products begins, and the batch that judges how it ends.

use super::objective::{DiagonalPass, GradientPass, Inspection, LossPass};
use super::{Frame, Method, Progress};
use crate::curvature::{Empirical, Examples, Kept, Natural};
use crate::data::Labels;
use crate::error::Error;
use crate::scalar::Scalar;

/// A method with products, by the diagonals that it asks for.
pub(super) trait Opens<T: Scalar>: Method<T> {
    /// Whether diag(F) is among them.
    const FISHER: bool;
    /// Whether (1/B) Σ gᵦ∘gᵦ is.
    const SQUARES: bool;
}

/// The vectors of an opening, each `[P]`; a diagonal that is not asked for is empty.
pub(super) struct Vectors<'v, T> {
    pub(super) gradient: &'v mut [T],
    pub(super) fisher: &'v mut [T],
    pub(super) squares: &'v mut [T],
}

/// What an opening leaves to its step, beside vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened<T> {
    pub(super) gradient: GradientPass<T>,
    /// Σ wᵦ of the metric.
    pub(super) metric_total: T,
    /// Σ wᵦ of the held-out batch, 0 where there is none, and its loss at θ, once that is known.
    held_out_total: T,
    held_out_loss: Option<T>,
    /// The tiles of the metric whose activations are kept.
    pub(super) kept: usize,
    /// Multiply-accumulates so far.
    pub(super) macs: u64,
}

impl<T: Scalar> Opened<T> {
    pub(super) const fn new() -> Self {
        Self {
            gradient: GradientPass::new(),
            metric_total: T::ZERO,
            held_out_total: T::ZERO,
            held_out_loss: None,
            kept: 0,
            macs: 0,
        }
    }

    /// Counts multiply-accumulates.
    pub(super) fn spend(&mut self, macs: u64) {
        self.macs = self.macs.saturating_add(macs);
    }

    /// Whether a held-out batch judges trial points.
    pub(super) fn holds_out(&self) -> bool {
        self.held_out_total > T::ZERO
    }

    /// One tile of a pass over the held-out batch, at θ and then, its loss there being known, at `trial`: both losses
    /// after the last one.
    pub(super) fn hold_out<const TILE: usize>(
        &mut self,
        pass: &mut LossPass<T>,
        frame: &mut Frame<'_, T>,
        trial: &[T],
    ) -> Result<Option<[T; 2]>, Error> {
        let (model, batch, total) = (frame.model, frame.holdout, self.held_out_total);
        let params = match self.held_out_loss {
            None => frame.params,
            Some(_) => frame.params.at(trial),
        };
        if !pass.advance::<TILE>(model, params, frame.scratch, batch, total, &mut self.macs) {
            return Ok(None);
        }
        if let Some(before) = self.held_out_loss {
            return Ok(Some([before, pass.loss]));
        }
        // Against an infinite loss every trial would pass.
        if !pass.loss.is_finite() {
            return Err(Error::NonFinite);
        }
        self.held_out_loss = Some(pass.loss);
        *pass = LossPass::new();
        Ok(None)
    }
}

/// All that comes before the first product: the gradient, the inspection of the metric and of the held-out batch, and
/// the diagonals. Where the gradient is zero nothing else does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening<T> {
    Gradient,
    InspectMetric(Inspection<T>),
    InspectHeldOut(Inspection<T>),
    /// diag(F), part by part.
    Fisher(DiagonalPass),
    /// (1/B) Σ gᵦ∘gᵦ, part by part.
    Squares(DiagonalPass),
    Done,
}

impl<T: Scalar> Opening<T> {
    /// One slice of that of `M`; [`Progress::Gradient`] when g is there.
    pub(super) fn advance<M: Opens<T>, const TILE: usize>(
        &mut self,
        opened: &mut Opened<T>,
        frame: &mut Frame<'_, T>,
        Vectors {
            gradient,
            fisher,
            squares,
        }: Vectors<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let (model, batch, holdout) = (frame.model, frame.batch, frame.holdout);
        let metric = frame.metric.examples(model, batch);
        match self {
            Self::Gradient => {
                let progress = opened.gradient.advance::<TILE>(frame, gradient)?;
                if opened.gradient.is_done() {
                    opened.macs = opened.gradient.macs;
                    *self = if opened.gradient.norm == T::ZERO {
                        Self::Done
                    } else {
                        Self::InspectMetric(Inspection::new())
                    };
                }
                return Ok(progress);
            }
            Self::InspectMetric(inspection) => {
                if inspection.advance::<TILE>(model, &metric, M::METRIC_LABELS)? {
                    opened.metric_total = inspection.total;
                    *self = if holdout.is_empty() {
                        Self::diagonals::<M>()
                    } else {
                        Self::InspectHeldOut(Inspection::new())
                    };
                }
            }
            Self::InspectHeldOut(inspection) => {
                if inspection.advance::<TILE>(model, holdout, Labels::Needed)? {
                    opened.held_out_total = inspection.total;
                    *self = Self::diagonals::<M>();
                }
            }
            Self::Fisher(pass) => {
                let memory = Kept {
                    memory: core::mem::take(&mut frame.spare),
                    tiles: opened.kept,
                };
                let total = opened.metric_total;
                let examples =
                    Examples::new(*model, frame.params, frame.scratch, metric, total, memory);
                if pass.advance::<T, Natural, TILE>(
                    examples,
                    fisher,
                    &mut opened.macs,
                    &mut opened.kept,
                ) {
                    *self = Self::squares::<M>();
                }
            }
            Self::Squares(pass) => {
                let (nothing, total) = (Kept::nothing(), opened.gradient.total);
                let examples =
                    Examples::new(*model, frame.params, frame.scratch, *batch, total, nothing);
                if pass.advance::<T, Empirical, TILE>(examples, squares, &mut opened.macs, &mut 0) {
                    *self = Self::Done;
                }
            }
            Self::Done => {}
        }
        Ok(Progress::Working)
    }

    /// What comes after the inspections.
    const fn diagonals<M: Opens<T>>() -> Self {
        if M::FISHER {
            Self::Fisher(DiagonalPass::new())
        } else {
            Self::squares::<M>()
        }
    }

    /// What comes after diag(F).
    const fn squares<M: Opens<T>>() -> Self {
        if M::SQUARES {
            Self::Squares(DiagonalPass::new())
        } else {
            Self::Done
        }
    }
}
