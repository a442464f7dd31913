//! The verdict on a trial point: good enough, worth a shorter step, or a failed attempt; and what λ becomes.
//!
//! ```text
//! ρ = (L(θ + αd) − L(θ)) / prediction, prediction = α g·d + ½α² dᵀ(F + l₂I)d (quadratic) or α g·d (linear)
//! ```
//!
//! Reference: Martens 2010, section 4.1, for the quadratic prediction; the linear one is that of the program of Pascanu
//! and Bengio.

use super::step::{Direction, NaturalStep, Phase};
use super::{Acceptance, HeldOut, NaturalGradient};
use crate::curvature::Curvature;
use crate::damping::{DampingMetric, Evidence, Ratio};
use crate::krylov::{Solver, Start};
use crate::line_search::LineSearch;
use crate::optimizer::objective::{LossPass, noise};
use crate::optimizer::{Outcome, Progress};
use crate::precondition::Preconditioner;
use crate::scalar::Scalar;

impl<T, S, P, D, C> NaturalGradient<T, S, P, D, C>
where
    T: Scalar,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
    C: Curvature<T>,
{
    /// Whether a trial point's loss is asked for.
    pub(super) fn tries_loss(&self) -> bool {
        (self.held_out == HeldOut::Guards && self.damping.reads_ratio().is_some())
            || self.acceptance != Acceptance::Unchecked
            || self.line_search != LineSearch::Fixed
    }

    /// The attempt has failed: another with a stronger λ, or the end.
    pub(super) fn fail(&self, step: &mut NaturalStep<T, S::State>) {
        (step.trial_loss, step.ratio) = (None, None);
        let stronger = self.damping.clamp(step.damping * self.retry_raise);
        if step.attempts > self.retries || stronger <= step.damping {
            step.phase = Phase::Ready(Outcome::Rejected);
            return;
        }
        step.attempts = step.attempts.saturating_add(1);
        step.damping = stronger;
        step.direction = Direction::Iterate;
        step.solver = S::begin(Start::Zero);
        step.phase = Phase::Solve;
    }

    /// Judges the trial point θ + αd, whose loss is `loss`.
    pub(super) fn judge(&self, step: &mut NaturalStep<T, S::State>, loss: T, l2: T) -> Progress<T> {
        let before = step.opened.gradient.loss;
        let actual = loss - before;
        let linear = step.rate * step.slope;
        let predicted = self.predicted(step, l2);
        let ratio = actual / predicted;
        // An infinite loss has an infinite rounding, below which it would pass.
        let finite = loss.is_finite();
        let noise = noise(before, loss);
        let progress = |accepted| Progress::Trial {
            rate: step.rate,
            loss,
            ratio,
            damping: step.damping,
            accepted,
        };

        if let LineSearch::Backtracking {
            slope,
            shrink,
            tries,
        } = self.line_search
        {
            let enough = finite && loss <= before + slope * linear + noise;
            if !enough {
                let progress = progress(false);
                if step.tries < tries {
                    step.tries = step.tries.saturating_add(1);
                    step.rate *= shrink;
                    step.phase = Phase::Candidate;
                } else {
                    self.fail(step);
                }
                return progress;
            }
        }
        let good = match self.acceptance {
            Acceptance::Unchecked | Acceptance::Finite => finite,
            Acceptance::Decrease => finite && actual <= noise,
        };
        let progress = progress(good);
        if !good {
            self.fail(step);
            return progress;
        }
        step.trial_loss = Some(loss);
        step.ratio = Some(ratio);
        let significant = predicted.abs() > noise || predicted.is_nan();
        self.pass(step, significant);
        progress
    }

    /// The change of the loss that the model predicts for the trial point.
    fn predicted(&self, step: &NaturalStep<T, S::State>, l2: T) -> T {
        let linear = step.rate * step.slope;
        if self.damping.reads_ratio() == Some(Ratio::Linear) {
            return linear;
        }
        let curved = step.quad + l2 * step.length_squared;
        linear + T::HALF * (step.rate * step.rate) * curved
    }

    /// The trial point is good enough: what λ becomes, and on to the held-out batch.
    pub(super) fn pass(&self, step: &mut NaturalStep<T, S::State>, significant: bool) {
        let ratio = step.ratio.unwrap_or(T::nan());
        let due = match self.held_out {
            HeldOut::Guards => {
                self.adapt(step, ratio, significant);
                true
            }
            HeldOut::Judges { every } => {
                // What does not look at a ratio goes its own way.
                if self.damping.reads_ratio().is_none() {
                    self.adapt(step, ratio, false);
                }
                step.state.steps.checked_rem(every) == Some(0)
            }
        };
        step.phase = if due && step.opened.holds_out() {
            Phase::HeldOut(LossPass::new())
        } else {
            Phase::Ready(Outcome::Accepted)
        };
    }

    /// Looks at the losses of the held-out batch, and at the L2 terms, before and after.
    pub(super) fn judge_held_out(
        &self,
        step: &mut NaturalStep<T, S::State>,
        [before, after]: [T; 2],
        [pull_before, pull_after]: [T; 2],
        l2: T,
    ) {
        match self.held_out {
            HeldOut::Guards if after <= before => step.phase = Phase::Ready(Outcome::Accepted),
            HeldOut::Guards => self.fail(step),
            HeldOut::Judges { .. } => {
                if self.damping.reads_ratio().is_some() {
                    // The model has the L2 term.
                    let (before, after) = (before + pull_before, after + pull_after);
                    let predicted = self.predicted(step, l2);
                    let ratio = (after - before) / predicted;
                    let noise = noise(before, after);
                    let significant = predicted.abs() > noise || predicted.is_nan();
                    step.ratio = Some(ratio);
                    self.adapt(step, ratio, significant);
                }
                step.phase = Phase::Ready(Outcome::Accepted);
            }
        }
    }

    /// What λ becomes.
    fn adapt(&self, step: &mut NaturalStep<T, S::State>, ratio: T, significant: bool) {
        step.next_damping = self.damping.next(
            step.damping,
            Evidence {
                ratio,
                significant,
                iterations: step.solve.last.count,
                steps: step.state.steps,
            },
        );
    }

    /// The direction is chosen: on to its length.
    pub(super) fn measure(step: &mut NaturalStep<T, S::State>) {
        step.quad = T::ZERO;
        step.reach = T::ZERO;
        step.phase = Phase::Length(0);
    }
}
