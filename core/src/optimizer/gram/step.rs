//! A step under way: what it is about to do next, and the numbers that it keeps beside its memory.

use super::GramState;
use crate::krylov::Solve;
use crate::optimizer::Outcome;
use crate::optimizer::objective::{GradientPass, Inspection, LossPass, examples_macs};
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase<T> {
    /// g.
    Gradient(GradientPass<T>),
    Inspect(Inspection<T>),
    /// Column `.1` of tile `.0`; the columns of a tile one after the other.
    Columns(usize, usize),
    /// Aμd₋ of a tile.
    Carry(usize),
    /// The factors of D, from an entry on.
    Factors(usize),
    /// The roots of the factors of one side of a layer.
    Roots(usize),
    /// The division by √D, from a row on.
    Divide(usize),
    /// The entries of a pair of examples.
    Pair(usize, usize),
    /// An entry of the factor.
    Factor(usize, usize),
    /// The right-hand side in the place of y, where it is s + Aμd₋.
    Whitened,
    /// D^{−½}(g + l₂μd₋), to which what the metric makes of d₋ or of y is added.
    DivideGradient(Purpose),
    /// D^{−½}h, tile by tile.
    Gather(usize),
    /// AD⁻¹h in the place of y, tile by tile.
    Project(usize),
    /// A row of y.
    Solve(usize),
    /// Ad from y, and where that has its digits what the model promises.
    Solved,
    /// D^{−½}Aᵀy, or that of h − Aᵀy, tile by tile.
    Direction(usize),
    /// d.
    Combine,
    /// g·d, where g is there.
    Slope,
    /// max |Jd|, dᵀFd and, where g is not there, g·d, tile by tile.
    Reach(usize),
    /// θ + αd in the place of d.
    Place,
    Trial(LossPass<T>),
    Ready(Outcome),
}

/// What the divided gradient is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// h, which the system is solved for.
    RightHandSide,
    /// h − Aᵀy.
    Direction,
}

/// A step under way, beside its memory.
#[derive(Clone, Copy, Debug)]
pub struct GramStep<T> {
    pub(super) phase: Phase<T>,
    /// The state that the step starts from.
    pub(super) state: GramState<T>,
    /// Σ wᵦ of the batch and of the metric, and the loss.
    pub(super) total: T,
    pub(super) metric_total: T,
    pub(super) loss: T,
    /// Examples of the metric that take part.
    pub(super) loaded: usize,
    /// λ, relative and in the unit of the Gram matrix, there with l₂.
    pub(super) damping: T,
    pub(super) absolute: T,
    pub(super) next_damping: T,
    pub(super) attempts: u16,
    /// Whether μd₋ is in the attempt.
    pub(super) carries: bool,
    /// |s| or |g|.
    pub(super) norm: T,
    /// g·d, dᵀFd, dᵀ(F + l₂I)d and max |Jd|.
    pub(super) slope: T,
    pub(super) quad: T,
    pub(super) curved: T,
    pub(super) reach: T,
    pub(super) rate: T,
    /// How the solve went.
    pub(super) solve: Solve<T>,
    pub(super) trial_loss: Option<T>,
    pub(super) ratio: Option<T>,
    pub(super) macs: u64,
}

impl<T: Scalar> GramStep<T> {
    /// A step before its first slice.
    pub(super) fn new(phase: Phase<T>, state: GramState<T>, carries: bool) -> Self {
        Self {
            phase,
            state,
            total: T::ZERO,
            metric_total: T::ZERO,
            loss: T::ZERO,
            loaded: 0,
            damping: state.damping,
            absolute: T::ZERO,
            next_damping: state.damping,
            attempts: 1,
            carries,
            norm: T::ZERO,
            slope: T::ZERO,
            quad: T::ZERO,
            curved: T::ZERO,
            reach: T::ZERO,
            rate: T::ZERO,
            solve: Solve::NONE,
            trial_loss: None,
            ratio: None,
            macs: 0,
        }
    }

    /// Counts a pass over so many examples.
    pub(super) fn count(&mut self, model: &Model<'_>, pass: Pass, examples: usize) {
        self.spend(examples_macs(model, pass, examples));
    }

    /// Counts so many multiply-accumulates of each of some examples.
    pub(super) fn spend_each(&mut self, macs: u64, examples: usize) {
        self.spend(macs.saturating_mul(examples as u64));
    }

    /// Counts multiply-accumulates.
    pub(super) fn spend(&mut self, macs: u64) {
        self.macs = self.macs.saturating_add(macs);
    }
}
