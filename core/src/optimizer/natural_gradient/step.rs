//! A step under way: what it is about to do next, and the numbers that it keeps beside its vectors.

use super::NaturalState;
use crate::krylov::{Iteration, Solve, Status};
use crate::optimizer::Outcome;
use crate::optimizer::objective::{DiagonalPass, GradientPass, Inspection, LossPass};
use crate::scalar::Scalar;

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase<T> {
    Gradient,
    InspectMetric(Inspection<T>),
    InspectHoldout(Inspection<T>),
    /// diag(F), part by part.
    FisherDiagonal(DiagonalPass),
    /// (1/B) Σ gᵦ∘gᵦ, part by part.
    Squares(DiagonalPass),
    Solve,
    /// An iterate that was kept, as a trial point, on the way back from the last one.
    Place,
    /// The loss there.
    Backtrack(LossPass<T>),
    /// dᵀFd, part by part.
    Length(usize),
    /// θ + αd into the vector that is free by now.
    Candidate,
    Trial(LossPass<T>),
    HoldoutBefore(LossPass<T>),
    HoldoutAfter(LossPass<T>),
    Ready(Outcome),
}

/// A step under way, beside its vectors.
#[derive(Clone, Copy, Debug)]
pub struct NaturalStep<T, C> {
    pub(super) phase: Phase<T>,
    /// The state that the step starts from.
    pub(super) state: NaturalState<T>,
    pub(super) gradient: GradientPass<T>,
    pub(super) metric_total: T,
    pub(super) holdout_total: T,
    pub(super) holdout_loss: Option<T>,
    pub(super) fisher_mean: T,
    pub(super) damping: T,
    pub(super) next_damping: T,
    pub(super) attempts: u16,
    /// Whether the solver has begun to write.
    pub(super) solving: bool,
    pub(super) solve: Solve<T>,
    pub(super) solver: C,
    /// Which kept iterate is d, and which is looked at on the way back, with the best loss so far.
    pub(super) chosen: usize,
    pub(super) looked: usize,
    pub(super) best: T,
    /// g·d, dᵀFd, d·d and max |Jd|.
    pub(super) slope: T,
    pub(super) quad: T,
    pub(super) length_squared: T,
    pub(super) reach: T,
    pub(super) rate: T,
    pub(super) tries: u16,
    pub(super) trial_loss: Option<T>,
    pub(super) ratio: Option<T>,
    pub(super) macs: u64,
}

impl<T: Scalar, C> NaturalStep<T, C> {
    /// A step before its first slice.
    pub(super) fn new(solver: C, state: NaturalState<T>) -> Self {
        Self {
            phase: Phase::Gradient,
            state,
            gradient: GradientPass::new(),
            metric_total: T::ZERO,
            holdout_total: T::ZERO,
            holdout_loss: None,
            fisher_mean: T::ONE,
            damping: state.damping,
            next_damping: state.damping,
            attempts: 1,
            solving: false,
            solve: Solve {
                status: Status::ZeroRightHandSide,
                last: Iteration {
                    count: 0,
                    phi: T::ZERO,
                    residual: T::ZERO,
                },
            },
            solver,
            chosen: 0,
            looked: 0,
            best: T::infinity(),
            slope: T::ZERO,
            quad: T::ZERO,
            length_squared: T::ZERO,
            reach: T::ZERO,
            rate: T::ZERO,
            tries: 0,
            trial_loss: None,
            ratio: None,
            macs: 0,
        }
    }
}
