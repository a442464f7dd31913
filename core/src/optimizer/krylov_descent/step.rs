//! A step under way: what it is about to do next, and the numbers that it keeps beside its memory.

use crate::dense::Eigen;
use crate::optimizer::Outcome;
use crate::optimizer::bfgs::Bfgs;
use crate::optimizer::objective::{GradientPass, LossPass};
use crate::optimizer::opening::{Opened, Opening};
use crate::scalar::Scalar;

/// Where the vector under way comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// PA times the one before.
    Krylov,
    /// There are no more of those.
    Exhausted,
    /// The step before: the last one.
    Previous,
}

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase<T> {
    Open(Opening<T>),
    /// A vector of the basis, not yet orthogonal nor of unit length.
    Vector,
    /// What it has along an earlier one is taken off, twice.
    Orthogonalise {
        again: bool,
        against: usize,
    },
    Normalise,
    /// Its image under A, part by part.
    Image(usize),
    /// Its entry of H with an earlier one.
    Curvature(usize),
    /// An entry of Vᵀg.
    Slope(usize),
    /// A row of H, to where its eigenvalues are found.
    Gather(usize),
    Spectrum(Eigen),
    /// A row of Λ^(−½)Qᵀ, the entry of γ at a = 0 that it gives, and a row of the unit matrix.
    Scale(usize),
    /// An entry of p.
    Direct(usize),
    /// The part of a vector in the trial point.
    Place(usize),
    Trial(GradientPass<T>),
    /// An entry of Vᵀg there.
    TrialSlope(usize),
    /// An entry of γ' from it.
    Turn(usize),
    /// An entry of My.
    Map(usize),
    /// A row of M.
    Update(usize),
    /// The part of a vector in the best point.
    Return(usize),
    /// The held-out batch judges the best point.
    HeldOut(LossPass<T>),
    Ready(Outcome),
}

/// A step under way, beside its memory.
#[derive(Clone, Copy, Debug)]
pub struct DescentStep<T> {
    pub(super) phase: Phase<T>,
    pub(super) opened: Opened<T>,
    /// What is added to the diagonal of P.
    pub(super) shift: T,
    /// Whether there is a step before.
    pub(super) warm: bool,
    pub(super) source: Source,
    /// The vectors that are in the basis.
    pub(super) count: usize,
    /// The length of the one under way before anything was taken off.
    pub(super) length: T,
    /// vᵀAv.
    pub(super) quad: T,
    pub(super) bfgs: Bfgs<T>,
}

impl<T: Scalar> DescentStep<T> {
    /// A step before its first slice; `warm` when there is a step before it.
    pub(super) fn new(warm: bool) -> Self {
        Self {
            phase: Phase::Open(Opening::Gradient),
            opened: Opened::new(),
            shift: T::ZERO,
            warm,
            source: Source::Krylov,
            count: 0,
            length: T::ZERO,
            quad: T::ZERO,
            bfgs: Bfgs::default(),
        }
    }
}
