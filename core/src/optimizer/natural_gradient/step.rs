//! A step under way: what it is about to do next, and the numbers that it keeps beside its vectors.

use super::NaturalState;
use crate::krylov::Solve;
use crate::optimizer::Outcome;
use crate::optimizer::objective::LossPass;
use crate::optimizer::opening::{Opened, Opening};
use crate::scalar::Scalar;

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase<T> {
    Open(Opening<T>),
    Solve,
    /// An iterate that was kept, as a trial point, on the way back from the last one.
    Place,
    /// The loss there.
    Backtrack(LossPass<T>),
    /// dᵀFd, part by part.
    Length(usize),
    /// g·d and d·d.
    Slope,
    /// θ + αd into the vector that is free by now.
    Candidate,
    Trial(LossPass<T>),
    /// The held-out batch judges the trial point.
    HeldOut(LossPass<T>),
    Ready(Outcome),
}

/// Where the direction lies, after the solve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::optimizer) enum Direction {
    /// It is the chosen iterate.
    Iterate,
    /// In the second free vector: a combination of the iterate with something else.
    Combined,
}

/// A step under way, beside its vectors.
#[derive(Clone, Copy, Debug)]
pub struct NaturalStep<T, C> {
    pub(super) phase: Phase<T>,
    /// The state that the step starts from.
    pub(in crate::optimizer) state: NaturalState<T>,
    pub(in crate::optimizer) opened: Opened<T>,
    pub(in crate::optimizer) fisher_mean: T,
    pub(in crate::optimizer) damping: T,
    pub(in crate::optimizer) next_damping: T,
    pub(in crate::optimizer) attempts: u16,
    /// Whether the solver has begun to write.
    pub(in crate::optimizer) solving: bool,
    pub(in crate::optimizer) solve: Solve<T>,
    pub(in crate::optimizer) solver: C,
    /// Which kept iterate is d, and which is looked at on the way back, with the best loss so far.
    pub(in crate::optimizer) chosen: usize,
    pub(in crate::optimizer) looked: usize,
    pub(in crate::optimizer) best: T,
    pub(in crate::optimizer) direction: Direction,
    /// g·d, dᵀFd, d·d and max |Jd|.
    pub(in crate::optimizer) slope: T,
    pub(in crate::optimizer) quad: T,
    pub(in crate::optimizer) length_squared: T,
    pub(in crate::optimizer) reach: T,
    pub(in crate::optimizer) rate: T,
    pub(in crate::optimizer) tries: u16,
    pub(in crate::optimizer) trial_loss: Option<T>,
    pub(in crate::optimizer) ratio: Option<T>,
}

impl<T: Scalar, C> NaturalStep<T, C> {
    /// Whether the direction is found, and its length is the next thing to be measured.
    pub(in crate::optimizer) fn awaits_length(&self) -> bool {
        matches!(self.phase, Phase::Length(0))
    }

    /// A step before its first slice.
    pub(super) fn new(solver: C, state: NaturalState<T>) -> Self {
        Self {
            phase: Phase::Open(Opening::Gradient),
            state,
            opened: Opened::new(),
            fisher_mean: T::ONE,
            damping: state.damping,
            next_damping: state.damping,
            attempts: 1,
            solving: false,
            solve: Solve::NONE,
            solver,
            chosen: 0,
            looked: 0,
            best: T::infinity(),
            direction: Direction::Iterate,
            slope: T::ZERO,
            quad: T::ZERO,
            length_squared: T::ZERO,
            reach: T::ZERO,
            rate: T::ZERO,
            tries: 0,
            trial_loss: None,
            ratio: None,
        }
    }
}
