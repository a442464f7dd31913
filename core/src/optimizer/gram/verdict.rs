//! The verdict: what the model promises, and whether a trial point keeps it.

use super::step::{GramStep, Phase, Purpose};
use super::system::System;
use super::{DualMetric, Gram, Inverse, RightHandSide, Velocity};
use crate::damping::{Evidence, Ratio};
use crate::error::Error;
use crate::krylov::{Iteration, Solve, Status};
use crate::likelihood::Likelihood;
use crate::optimizer::objective::noise;
use crate::optimizer::{Outcome, Progress};
use crate::plan::Model;
use crate::scalar::Scalar;

impl<T: Scalar, const B: usize, D: DualMetric, V: Velocity, I: Inverse> Gram<T, B, D, V, I> {
    /// The factor is there: what is solved for.
    pub(super) fn right_hand_side() -> Phase<T> {
        match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals => Phase::Whitened,
            RightHandSide::Gradient => Phase::DivideGradient(Purpose::RightHandSide),
        }
    }

    /// The attempt has failed: without what the last step did, with a stronger λ, or the end.
    pub(super) fn fail(&self, step: &mut GramStep<T>) {
        (step.trial_loss, step.ratio) = (None, None);
        if step.carries {
            step.carries = false;
            step.phase = Self::right_hand_side();
            return;
        }
        let stronger = self.damping.clamp(step.damping * self.retry_raise);
        if step.attempts > self.retries || stronger <= step.damping {
            step.phase = Phase::Ready(Outcome::Rejected);
            return;
        }
        step.attempts = step.attempts.saturating_add(1);
        step.damping = stronger;
        step.phase = Phase::Pair(0, 0);
    }

    /// The slope g·d and the curved part of d are known: on to `next` where they promise a decrease.
    pub(super) fn promise(&self, step: &mut GramStep<T>, next: Phase<T>) -> Progress<T> {
        let promise = step.slope + T::HALF * step.curved;
        let good = promise < T::ZERO && promise.is_finite();
        step.solve = Solve {
            status: if promise.is_finite() {
                Status::Residual
            } else {
                Status::NonFinite
            },
            last: Iteration {
                count: 1,
                phi: promise,
                // The system is solved, but for its rounding.
                residual: T::ZERO,
            },
        };
        let progress = Progress::Solved {
            solve: step.solve,
            damping: step.damping,
        };
        if good {
            step.phase = next;
        } else {
            self.fail(step);
        }
        progress
    }

    /// Judges the trial point, whose loss is `loss`.
    pub(super) fn judge(&self, step: &mut GramStep<T>, loss: T) -> Progress<T> {
        let actual = loss - step.loss;
        let linear = step.rate * step.slope;
        let predicted = match self.damping.reads_ratio() {
            Some(Ratio::Linear) => linear,
            _ => linear + T::HALF * (step.rate * step.rate) * step.curved,
        };
        let ratio = actual / predicted;
        let noise = noise(step.loss, loss);
        // An infinite loss has an infinite rounding, below which it would pass.
        let accepted = loss.is_finite() && actual <= noise;
        let progress = Progress::Trial {
            rate: step.rate,
            loss,
            ratio,
            damping: step.damping,
            accepted,
        };
        if !accepted {
            self.fail(step);
            return progress;
        }
        step.trial_loss = Some(loss);
        step.ratio = Some(ratio);
        step.next_damping = self.damping.next(
            step.damping,
            Evidence {
                ratio,
                significant: predicted.abs() > noise,
                iterations: 0,
                steps: step.state.steps,
            },
        );
        step.phase = Phase::Ready(Outcome::Accepted);
        progress
    }

    /// The loss and s of the batch are known.
    pub(super) fn seen(
        step: &mut GramStep<T>,
        system: &System<'_, T>,
        order: usize,
    ) -> Result<Progress<T>, Error> {
        let s = system.residual.get(..order).unwrap_or(&[]);
        // In one chain: rows of zeros, which the tile places, change no bit of it.
        let squared = s.iter().fold(T::ZERO, |sum, &s| sum + s * s);
        if !(step.loss.is_finite() && squared.is_finite()) {
            return Err(Error::NonFinite);
        }
        step.total = step.metric_total;
        step.norm = squared.root();
        if step.norm == T::ZERO {
            step.phase = Phase::Ready(Outcome::Stationary);
        }
        Ok(Progress::Gradient {
            loss: step.loss,
            norm: step.norm,
        })
    }

    /// Whether s and y promise what the model does: λy − s is Ad to all its digits where no residual is much larger
    /// than what it can change by. A saturated wrong answer has an s of e^{½|z|}, and Ad is the rounding of that.
    pub(super) fn promises_by_rows(model: &Model<'_>) -> bool {
        I::RIGHT_HAND_SIDE == RightHandSide::Residuals && model.likelihood() == Likelihood::Gaussian
    }

    /// What comes after d: where logits can saturate, a look at Jd.
    pub(super) fn measure(model: &Model<'_>, step: &mut GramStep<T>) -> Phase<T> {
        if model.likelihood() == Likelihood::Gaussian {
            return Phase::Place;
        }
        step.reach = T::ZERO;
        step.quad = T::ZERO;
        if I::RIGHT_HAND_SIDE == RightHandSide::Residuals {
            (step.slope, step.curved) = (T::ZERO, T::ZERO);
        }
        Phase::Reach(0)
    }
}
