//! The methods, and the [`Trainer`] that runs any of them.
//!
//! A step is a *transaction made of bounded slices*: [`Trainer::begin`], [`Trainer::advance`] (one tile of
//! examples, one fused update of parameter-length vectors, or as much dense work: [`Slice`]),
//! [`Trainer::finish`]; [`Trainer::step`] is the loop around them. Until `finish` has committed, the parameters and all
//! state that outlives a step are what they were; `finish` looks at the whole update before it writes any of it. One
//! exception: a step that is not committed after its solver has begun loses the warm start, if any.
//!
//! P is the number of trained parameters: frozen layers ([`Plan::with_trained`](crate::Plan::with_trained)) take
//! no part in a vector.
//!
//! | method | vectors of length P, beside the parameters |
//! |---|---|
//! | [`Sgd<T, Plain>`](Sgd) | 1 |
//! | [`Sgd<T, Momentum>`](Sgd), [`Sgd<T, Nesterov>`](Sgd) | 2 |
//! | [`Adam<T>`](Adam) | 3 |
//! | [`KrylovDescent`]`<T, K, …>` | K + 4, + 1 for [`Jacobi`](crate::precondition::Jacobi) or [`Martens`](crate::precondition::Martens); and 3(K + 1)² + 6(K + 1) scalars |
//! | [`Tonga`]`<T, K, B, …>` | K + B + 1, + 1 for [`Centred`]; and 3(K + B)² + 2(K + B) scalars |
//! | [`Gram`]`<T, B, …>` | 1, + 1 for [`Momentum`], + 1 for [`Woodbury`]; and [`DualStorage`](crate::DualStorage) |
//! | [`NaturalGradient`]`<T, Cg<C>, …>` | 5 + C, + 1 for diag(F) ([`Jacobi`](crate::precondition::Jacobi) or [`Marquardt`](crate::damping::Marquardt)), + 1 for [`Martens`](crate::precondition::Martens) |
//! | [`NaturalCg`] | as natural gradient with the same types, + 1 |

mod adam;
mod bfgs;
mod bounds;
mod gram;
mod hessian_free;
mod krylov_descent;
mod nat_sgd;
mod natural_cg;
mod natural_gradient;
mod newton;
mod objective;
mod opening;
mod sgd;
mod simplex;
mod slice;
mod step_cost;
mod tonga;
mod trainer;

pub use adam::{Adam, AdamState};
pub use bfgs::Search;
pub use gram::{
    DualMetric, Gram, GramState, Inverse, Kronecker, PushThrough, RightHandSide, Woodbury,
};
pub use hessian_free::{HessianFree, StructuralHessianFree};
pub use krylov_descent::{DescentState, KrylovDescent};
pub use nat_sgd::NatSgd;
pub use natural_cg::{Conjugation, Full, Local, NaturalCg, NaturalCgState};
pub use natural_gradient::{Acceptance, HeldOut, NaturalGradient, NaturalState};
pub use newton::Newton;
pub use objective::{Anchor, L2};
pub use sgd::{Momentum, Nesterov, Plain, Sgd, SgdState, Velocity};
pub use slice::Slice;
pub use step_cost::{StepCost, StepCosts, StepSolver};
pub use tonga::{Centred, Moment, Tonga, TongaState, Uncentred};
pub use trainer::Trainer;

use crate::data::{Batch, Labels, Metric};
use crate::error::Error;
use crate::krylov::{Iteration, Solve};
use crate::mlp::Parameters;
use crate::plan::{Model, Storage};
use crate::scalar::Scalar;

/// What one slice of a step did: for the loop that drives it, and for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress<T> {
    /// Some of the work.
    Working,
    /// The loss and the gradient of the batch are known.
    Gradient {
        /// The loss, with its L2 term.
        loss: T,
        /// |g|; |s| for a push-through [`Gram`].
        norm: T,
    },
    /// An iteration of the solver has ended.
    Iteration {
        /// φ, residual, count.
        iteration: Iteration<T>,
        /// λ.
        damping: T,
    },
    /// The solver has ended.
    Solved {
        /// Its last iteration and its status.
        solve: Solve<T>,
        /// λ.
        damping: T,
    },
    /// A trial point has been judged.
    Trial {
        /// α.
        rate: T,
        /// The loss there, with its L2 term.
        loss: T,
        /// The reduction ratio; NaN where there is none. In a search of [`KrylovDescent`] the linear one,
        /// against the point that the search is at.
        ratio: T,
        /// λ; 0 in a method without.
        damping: T,
        /// Whether it is good enough.
        accepted: bool,
    },
    /// Nothing is left to do but [`Trainer::finish`].
    Ready,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The parameters have moved.
    Accepted,
    /// [`NaturalGradient`], [`NaturalCg`], [`KrylovDescent`] and [`Gram`]: the gradient is zero (the residuals s for a
    /// push-through [`Gram`]), and there is nowhere to go. Nothing has changed.
    Stationary,
    /// No trial was good enough, however strong the damping; or, of [`Tonga`], rounding left no direction. Nothing
    /// has changed.
    Rejected,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Report<T> {
    /// How it ended.
    pub outcome: Outcome,
    /// The loss of the gradient batch before the step, with its L2 term.
    pub loss: T,
    /// The same after it, where the method has evaluated it.
    pub loss_after: Option<T>,
    /// |g|; |s| for a push-through [`Gram`], in which no residual is divided by less than e⁻⁴⁰.
    pub gradient_norm: T,
    /// What the solver and the damping did, in a method that has them.
    pub solve: Option<SolveReport<T>>,
    /// Multiply-accumulates of the passes over examples, and of a system in output space.
    pub macs: u64,
}

/// What the solver and the damping of a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SolveReport<T> {
    /// The last solve.
    pub solve: Solve<T>,
    /// The λ of the last solve.
    pub damping: T,
    /// The solves of the step: 1 + the attempts that failed.
    pub attempts: u16,
    /// α.
    pub rate: T,
    /// The reduction ratio, where it was computed.
    pub ratio: Option<T>,
    /// ½ α² dᵀFd: the KL divergence of the step to second order, in nats per example.
    pub kl: T,
}

mod sealed {
    pub trait Sealed {}
}

/// What one slice of a step sees.
#[derive(Debug)]
pub struct Frame<'f, T> {
    pub(crate) model: &'f Model<'f>,
    pub(crate) params: Parameters<'f, T>,
    /// The method's vectors, [`Storage::vectors`] of them, and its [`Storage::scalars`] after them.
    pub(crate) vectors: &'f mut [T],
    pub(crate) scratch: &'f mut [T],
    /// What is left of the workspace: the activations of the metric's examples stay there from product to product.
    pub(crate) spare: &'f mut [T],
    pub(crate) batch: &'f Batch<'f, T>,
    pub(crate) metric: &'f Metric<'f, T>,
    pub(crate) holdout: &'f Batch<'f, T>,
    pub(crate) l2: &'f L2<'f, T>,
}

/// A method: its settings, the state that outlives a step, and one slice of a step. The types that
/// implement it are in this module; it is closed, since a slice works on the inside of the passes.
pub trait Method<T: Scalar>: sealed::Sealed {
    /// Its memory beside the parameters: vectors that are kept between slices, and rows of a tile.
    const STORAGE: Storage;

    /// The most stack of a step in bytes, below the frame that calls it, with `f32` on a 32-bit core and tiles
    /// of one example; the network has no share in it. No language promises it: it is measured, on six
    /// emulated cores and at `opt-level` 3 and `"s"`, and rounded up.
    const STACK: usize;

    /// Its largest slice.
    const SLICE: Slice;

    /// The multiply-accumulates of [`Method::finish`], per parameter; a sum or a copy counts here as one.
    const FINISH: usize;

    /// Whether it looks at the targets of a metric batch.
    const METRIC_LABELS: Labels = Labels::Unused;

    /// What outlives a step, beside vectors. The method itself holds nothing but settings.
    type State: Copy + PartialEq + core::fmt::Debug;

    /// What a step that is under way keeps beside its vectors.
    type Step: Copy;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`], with the sentence that says which.
    fn check(&self) -> Result<(), Error>;

    /// Checks whether the method takes such examples, and such an L2 term.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Setting`].
    fn admit(
        &self,
        _model: &Model<'_>,
        _batch: &Batch<'_, T>,
        _metric: &Metric<'_, T>,
        _l2: &L2<'_, T>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// The state before the first step.
    fn start(&self) -> Self::State;

    /// A step before its first slice.
    fn begin(&self, state: &Self::State) -> Self::Step;

    /// One slice.
    ///
    /// # Errors
    /// [`Error::Data`] for an example that cannot be used, [`Error::NonFinite`] for a loss or a gradient
    /// that overflows.
    fn advance<const TILE: usize>(
        &self,
        step: &mut Self::Step,
        frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error>;

    /// Looks at the update of the trained parameters `[P]`, and commits it if every number in it is finite.
    ///
    /// # Errors
    /// [`Error::Unfinished`], [`Error::NonFiniteUpdate`]; nothing has changed then.
    fn finish(
        &self,
        state: &mut Self::State,
        step: &Self::Step,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error>;

    /// Gives a step up: forgets what its slices have overwritten beyond repair, a warm start; or takes down how
    /// far they have come with what another step can go on from.
    fn abandon(&self, _state: &mut Self::State, _step: &Self::Step) {}
}

/// A method whose trial point exists before it is committed, so that a held-out batch can judge it.
pub trait Guarded: sealed::Sealed {}
