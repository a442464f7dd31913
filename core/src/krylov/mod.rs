//! Matrix-free solvers for Ax = b with a symmetric A that is a sum of parts.
//!
//! A solver is a state machine: `advance` applies one part of the operator, or does one fused update of
//! vectors of length n. What lies in vectors stays in the caller's memory; the state is a few numbers.
//! Not converging is a [`Status`], not an error.
//!
//! | solver | A | of all x in the Krylov space, the one with | vectors of length n, beside b |
//! |---|---|---|---|
//! | [`Cg`] | positive definite | the lowest φ = ½xᵀAx − bᵀx | 4 (x, r, p, q), and one per checkpoint |
//! | [`Minres`] | any symmetric | the smallest residual | 6 (x, v, z, y, two columns of VR⁻¹) |
//! | [`MinresQlp`] | any symmetric | the smallest residual, the shortest of these | 6 (x, v, z, y, two columns of VP) |
//!
//! A damped metric is positive definite, and a solve of it ends early. There [`Cg`] is the choice: it
//! lowers the model by more per iteration than the other two, which lower the residual. They are for a
//! metric without damping, which is singular, and for the Hessian, which is indefinite; [`MinresQlp`]
//! costs hardly more than [`Minres`] and withstands rounding better.

pub mod cg;
mod history;
mod lanczos;
pub mod minres;
pub mod minres_qlp;
#[cfg(test)]
mod tests;
mod tridiagonal;

pub use cg::Cg;
pub use minres::Minres;
pub use minres_qlp::MinresQlp;

use crate::operator::LinearOperator;
use crate::scalar::Scalar;

/// How a solve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Status {
    /// b = 0, hence x = 0.
    ZeroRightHandSide,
    /// The residual is below its tolerance. [`Minres`] and [`MinresQlp`] recompute the residual first, and accept up to
    /// twice the tolerance.
    Residual,
    /// Ax = b has no solution, and x makes |b − Ax| least: |Ar| has come down to about √ε|A||r|, beyond
    /// which rounding lets nothing be seen. Only [`Minres`] and [`MinresQlp`] can tell, by their recurrences;
    /// |r| has been computed anew.
    ///
    /// No tolerance has a say in it, since a loose one would take small eigenvalues of a damped metric for
    /// 0. Those above √ε/16 |A|, 2·10⁻⁵|A| in `f32`, are safe from that.
    LeastSquares,
    /// The value of the quadratic model hardly falls any more.
    Progress,
    /// The limit of iterations is reached.
    Limit,
    /// The recurrence of [`Minres`] or [`MinresQlp`] has come to [`Status::Residual`] or
    /// [`Status::LeastSquares`], but b − Ax is more than twice as long as that allows: rounding has held x
    /// back. Its residual and φ are true, and a warm start from it may come further.
    Rounding,
    /// pᵀAp is not positive, or vanishes beside what it was: A is indefinite or singular, or rounding has
    /// used up its digits. x is the last iterate before.
    NonPositiveCurvature,
    /// r·M⁻¹r is not positive: M⁻¹ is not positive definite, or underflows. x is the last iterate before.
    NonPositivePreconditioner,
    /// A number became infinite or NaN. x is not to be used.
    NonFinite,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stop<T> {
    /// At most that many iterations.
    pub iterations: u16,
    /// |r| ≤ `residual` · |b|; 0 to switch it off.
    pub residual: T,
    /// Martens' rule: (φᵢ − φᵢ₋ₖ)/φᵢ < k · `progress` with k = max(10, ⌈i/10⌉), at most [`WINDOW`] − 1;
    /// 0 to switch it off.
    pub progress: T,
    /// The residual b − Ax is computed anew every so many iterations; 0 for never. [`Cg`] only: the
    /// others carry no residual that could be replaced, and compute it at the end.
    pub refresh: u16,
}

/// The values of φ that [`Stop::progress`] compares, the last one included: its window k is at most one less.
pub const WINDOW: usize = 32;

impl<T: Scalar> Default for Stop<T> {
    /// 50 iterations, residual 10⁻⁶, progress 5·10⁻⁴ (Martens 2010), no refresh.
    fn default() -> Self {
        Self {
            iterations: 50,
            residual: T::of(1e-6),
            progress: T::of(5e-4),
            refresh: 0,
        }
    }
}

/// Where a solve starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Start {
    /// At x = 0.
    Zero,
    /// At the x that the memory holds, unless the model is above its value at 0 there.
    Warm,
}

/// One iteration, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Iteration<T> {
    /// The iterations so far.
    pub count: u16,
    /// φ = ½ xᵀAx − bᵀx.
    pub phi: T,
    /// |r| / |b|; by [`Minres`] and [`MinresQlp`] in the norm of M⁻¹, √(r·M⁻¹r).
    pub residual: T,
}

/// The end of a solve.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Solve<T> {
    /// How it ended.
    pub status: Status,
    /// The last iteration.
    pub last: Iteration<T>,
}

impl<T: Scalar> Solve<T> {
    /// That of a step which has not solved anything yet.
    pub(crate) const NONE: Self = Self {
        status: Status::ZeroRightHandSide,
        last: Iteration {
            count: 0,
            phi: T::ZERO,
            residual: T::ZERO,
        },
    };
}

/// What one slice of a solve did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Advance<T> {
    /// A part of an iteration.
    Working,
    /// The last part of an iteration.
    Iterated(Iteration<T>),
    /// The end; further slices do nothing.
    Done(Solve<T>),
}

/// The system Ax = b, and a preconditioner that approximates A⁻¹.
pub struct System<'a, T> {
    /// A, symmetric.
    pub operator: &'a mut dyn LinearOperator<T>,
    /// M⁻¹, symmetric and positive definite; [`crate::operator::Identity`] for none.
    pub preconditioner: &'a mut dyn LinearOperator<T>,
    /// b.
    pub rhs: &'a [T],
}

/// A Krylov solver as a type: what it stores, and one slice of it.
pub trait Solver<T: Scalar> {
    /// Vectors of length n that it needs.
    const VECTORS: usize;

    /// The multiplications per element of its dearest update of vectors, products with A and M⁻¹ not counted.
    const MACS: usize;

    /// The multiplications per element that it makes in the slice of a product with M⁻¹, beside those of the product.
    const BESIDE: usize;

    /// What is not a vector.
    type State: Copy;

    /// The state before the first slice.
    fn begin(start: Start) -> Self::State;

    /// One slice: one part of A, or one fused update of vectors. `memory` is [`Solver::VECTORS`] vectors, kept
    /// by the caller between the slices; with [`Start::Warm`] its first vector is x.
    fn advance(
        state: &mut Self::State,
        system: System<'_, T>,
        stop: &Stop<T>,
        memory: &mut [T],
    ) -> Advance<T>;

    /// The number of iterates that are kept: the last, and the checkpoints before it, none of which is the last itself.
    fn iterates(state: &Self::State) -> usize;

    /// After the end: iterate `age` (0 the last, then the checkpoints, newest first) of length `n`, and
    /// two vectors that are free for other use.
    fn iterate<'m>(
        state: &Self::State,
        memory: &'m mut [T],
        n: usize,
        age: usize,
    ) -> (&'m [T], [&'m mut [T]; 2]);
}

/// Runs a solver from its begin to its end: `x` starts at 0 and ends as the first vector of `memory`,
/// which holds `S::VECTORS` vectors as long as the right-hand side.
///
/// ```
/// use natgrad::krylov::{Cg, Start, Status, Stop, System, solve};
/// use natgrad::operator::{Diagonal, Identity};
///
/// let mut memory = [0.0_f32; 4 * 2];
/// let system = System {
///     operator: &mut Diagonal::new(&[2.0, 4.0], 1.0, 0.0),
///     preconditioner: &mut Identity::new(2),
///     rhs: &[2.0, 8.0],
/// };
/// let end = solve::<f32, Cg>(system, &Stop::default(), Start::Zero, &mut memory);
/// assert_eq!(end.status, Status::Residual);
/// assert!((memory[0] - 1.0).abs() < 1e-6 && (memory[1] - 2.0).abs() < 1e-6);
/// ```
pub fn solve<T: Scalar, S: Solver<T>>(
    System {
        operator,
        preconditioner,
        rhs,
    }: System<'_, T>,
    stop: &Stop<T>,
    start: Start,
    memory: &mut [T],
) -> Solve<T> {
    let mut state = S::begin(start);
    loop {
        let slice = System {
            operator: &mut *operator,
            preconditioner: &mut *preconditioner,
            rhs,
        };
        if let Advance::Done(end) = S::advance(&mut state, slice, stop, memory) {
            return end;
        }
    }
}
