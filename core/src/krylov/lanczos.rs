//! The Lanczos process (Lanczos 1950) in the inner product of a preconditioner, and the course of a solve
//! along it: what MINRES and MINRES-QLP share.
//!
//! ```text
//! z = b − Ax₀; v = M⁻¹z; β = √(z·v); v /= β
//! repeat: y = Av − (β/β')z'; α = v·y; y −= (α/β)z; v = M⁻¹y; β' = β; β = √(y·v); v /= β; z' = z; z = y
//! ```
//!
//! The vectors v are orthonormal in M, so that A becomes a tridiagonal T. From T's factors
//! (`tridiagonal.rs`) x follows in the way of the method ([`Directions`]). y begins as −(β/β')z' instead
//! of 0, since an operator adds to its output: the product needs no vector of its own, and α, taken from
//! that sum, makes the next v orthogonal to this one whatever rounding the sum carries (Paige 1972).
//!
//! In floating point only neighbours among the v stay orthogonal. That costs iterations, and one thing
//! more: the residual that T tells is that of T. So a solve that is about to end well computes b − Ax
//! once, by one product more, and reports what it finds.

use super::history::History;
use super::tridiagonal::{Factor, length};
use super::{Advance, Iteration, Solve, Solver, Start, Status, Stop, System};
use crate::kernels;
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// A method that solves along the Lanczos process.
pub trait Lanczos {
    /// How it makes x.
    type Directions<T: Scalar>: Directions<T>;
}

/// How x is made of the vectors v: what differs between the methods.
///
/// Each keeps two vectors, `older` and `newer`, of columns k − 2 and k − 1, which start as 0. Column k takes
/// the place of `older`, and the two change names.
pub trait Directions<T: Scalar>: Copy {
    /// The multiplications per element of its dearest update: at least the 2 of the process itself.
    const MACS: usize;

    /// Before the first column.
    fn begin() -> Self;

    /// Takes vₖ, which does not last: all of column k but its last entry is known.
    fn turn(&mut self, factor: &Factor<T>, vectors: &mut Vectors<'_, T>);

    /// Column k is complete.
    fn complete(&mut self, factor: &Factor<T>, vectors: &mut Vectors<'_, T>);

    /// After a turn: column k will not be completed. Returns whether x gains by it nonetheless.
    fn truncate(&mut self, factor: &Factor<T>) -> bool;

    /// Adds to x what it lacks.
    fn settle(&mut self, vectors: &mut Vectors<'_, T>);
}

/// The vectors of a solve.
pub struct Vectors<'m, T> {
    pub(super) x: &'m mut [T],
    pub(super) v: &'m mut [T],
    z: &'m mut [T],
    y: &'m mut [T],
    pub(super) older: &'m mut [T],
    pub(super) newer: &'m mut [T],
}

impl<'m, T> Vectors<'m, T> {
    const COUNT: usize = 6;

    /// z and y, `older` and `newer` the other way round where `swapped`.
    fn carve(memory: &'m mut [T], n: usize, swapped: bool) -> Self {
        let mut arena = Arena::new(memory);
        let mut vectors = Self {
            x: arena.take(n),
            v: arena.take(n),
            z: arena.take(n),
            y: arena.take(n),
            older: arena.take(n),
            newer: arena.take(n),
        };
        if swapped {
            core::mem::swap(&mut vectors.z, &mut vectors.y);
            core::mem::swap(&mut vectors.older, &mut vectors.newer);
        }
        vectors
    }
}

/// What a solve is about to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    /// y = Ax, part by part; then z = b − y. With a status, x is the last, and the status is to be checked.
    Image(usize, Option<Status>),
    Residual(Option<Status>),
    /// v = M⁻¹b, for the norm of b.
    Scale,
    /// v = M⁻¹z.
    Precondition(Option<Status>),
    /// The tests of the start, and all else is 0.
    Open,
    /// y += Av, part by part.
    Product(usize),
    /// α, and y −= (α/β)z.
    Project,
    Turn,
    /// v = M⁻¹y, and whether the space can grow.
    Extend,
    /// x, and the tests of the end.
    Complete,
    Normalise,
    Settle(Status),
    Done(Status),
}

/// The state of a solve between two slices.
#[derive(Clone, Copy, Debug)]
pub struct Course<T, D> {
    phase: Phase,
    start: Start,
    count: u16,
    /// |b|, like every norm here in that of M⁻¹.
    rhs_norm: T,
    alpha: T,
    beta: T,
    beta_next: T,
    /// The longest column of T: a lower bound of |A|, and a good one.
    norm: T,
    factor: Factor<T>,
    directions: D,
    swapped: bool,
    history: History<T>,
}

/// A residual that is computed anew may exceed what T has said of it, or the tolerance, by that factor.
const TRUST: f64 = 2.0;

impl<T: Scalar, M: Lanczos> Solver<T> for M {
    const VECTORS: usize = Vectors::<T>::COUNT;
    const MACS: usize = M::Directions::<T>::MACS;
    // |b| and |r|, which are asked for in that slice only where M⁻¹ is not positive.
    const BESIDE: usize = 2;

    type State = Course<T, M::Directions<T>>;

    fn begin(start: Start) -> Self::State {
        Course::begin(start)
    }

    fn advance(
        state: &mut Self::State,
        system: System<'_, T>,
        stop: &Stop<T>,
        memory: &mut [T],
    ) -> Advance<T> {
        state.advance(system, stop, memory)
    }

    fn iterates(_state: &Self::State) -> usize {
        1
    }

    fn iterate<'m>(
        state: &Self::State,
        memory: &'m mut [T],
        n: usize,
        _age: usize,
    ) -> (&'m [T], [&'m mut [T]; 2]) {
        let Vectors { x, v, z, .. } = Vectors::carve(memory, n, state.swapped);
        (x, [v, z])
    }
}

impl<T: Scalar, D: Directions<T>> Course<T, D> {
    fn begin(start: Start) -> Self {
        let zero = T::ZERO;
        Self {
            phase: Phase::Start,
            start,
            count: 0,
            rhs_norm: zero,
            alpha: zero,
            beta: zero,
            beta_next: zero,
            norm: zero,
            factor: Factor::begin(zero, zero),
            directions: D::begin(),
            swapped: false,
            history: History::new(),
        }
    }

    fn iteration(&self) -> Iteration<T> {
        let residual = if self.rhs_norm > T::ZERO {
            self.factor.residual / self.rhs_norm
        } else {
            T::ZERO
        };
        Iteration {
            count: self.count,
            phi: self.factor.phi,
            residual,
        }
    }

    fn finish(&mut self, status: Status) -> Advance<T> {
        self.phase = Phase::Done(status);
        Advance::Done(Solve {
            status,
            last: self.iteration(),
        })
    }

    /// Ends with the residual in the plain norm: M⁻¹ has none to offer.
    fn unpreconditioned(&mut self, status: Status, b: &[T], r: &[T]) -> Advance<T> {
        self.rhs_norm = kernels::dot(b, b).root();
        self.factor.residual = kernels::dot(r, r).root();
        self.finish(status)
    }

    /// What |r| has to come down to; 0 where the rule is off, which only an exhausted space meets.
    fn tolerance(&self, stop: &Stop<T>) -> T {
        stop.residual.larger(T::ZERO) * self.rhs_norm
    }

    fn ended(&self, stop: &Stop<T>) -> Option<Status> {
        let Factor { residual, phi, .. } = self.factor;
        if !(residual.is_finite() && phi.is_finite()) {
            return Some(Status::NonFinite);
        }
        if residual <= self.tolerance(stop) {
            return Some(Status::Residual);
        }
        if self.count >= stop.iterations {
            return Some(Status::Limit);
        }
        if stop.progress > T::ZERO && self.history.stalls(self.count, phi, stop.progress) {
            return Some(Status::Progress);
        }
        None
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of an iteration, one after the other, are its story"
    )]
    fn advance(
        &mut self,
        System {
            operator,
            preconditioner,
            rhs,
        }: System<'_, T>,
        stop: &Stop<T>,
        memory: &mut [T],
    ) -> Advance<T> {
        let mut vectors = Vectors::carve(memory, rhs.len(), self.swapped);
        match self.phase {
            Phase::Start => {
                // b·b, not b·M⁻¹b: whether b is 0 is not for the preconditioner to say.
                let squared = kernels::dot(rhs, rhs);
                if !squared.is_finite() {
                    kernels::fill(T::ZERO, vectors.x);
                    return self.finish(Status::NonFinite);
                }
                if squared == T::ZERO {
                    kernels::fill(T::ZERO, vectors.x);
                    return self.finish(Status::ZeroRightHandSide);
                }
                self.phase = match self.start {
                    Start::Zero => {
                        kernels::fill(T::ZERO, vectors.x);
                        kernels::copy(rhs, vectors.z);
                        Phase::Scale
                    }
                    Start::Warm => {
                        kernels::fill(T::ZERO, vectors.y);
                        Phase::Image(0, None)
                    }
                };
            }
            Phase::Image(part, claim) => {
                let mut quad = T::ZERO;
                operator.apply_part(part, vectors.x, vectors.y, &mut quad);
                self.phase = if part.saturating_add(1) < operator.parts() {
                    Phase::Image(part.saturating_add(1), claim)
                } else {
                    Phase::Residual(claim)
                };
            }
            Phase::Residual(claim) => {
                let sides = rhs.iter().zip(vectors.y.iter());
                for (z, (&b, &y)) in vectors.z.iter_mut().zip(sides) {
                    *z = b - y;
                }
                // φ(x) = −½ x·(r + b).
                let slope = kernels::dot(vectors.x, vectors.z) + kernels::dot(vectors.x, rhs);
                self.factor.phi = -(T::HALF * slope);
                if claim.is_some() {
                    self.phase = Phase::Precondition(claim);
                } else if self.factor.phi > T::ZERO || !self.factor.phi.is_finite() {
                    *self = Self::begin(Start::Zero);
                } else {
                    self.phase = Phase::Scale;
                }
            }
            Phase::Scale => {
                let squared = preconditioner.apply(rhs, vectors.v);
                self.rhs_norm = match norm(squared, rhs, T::ZERO) {
                    Ok(norm) => norm,
                    Err(status) => return self.unpreconditioned(status, rhs, vectors.z),
                };
                self.beta_next = self.rhs_norm;
                self.phase = match self.start {
                    Start::Zero => Phase::Open,
                    Start::Warm => Phase::Precondition(None),
                };
            }
            Phase::Precondition(claim) => {
                let squared = preconditioner.apply(vectors.z, vectors.v);
                let least = stop.residual.larger(T::EPSILON) * largest(rhs);
                match (norm(squared, vectors.z, least), claim) {
                    (Ok(norm), None) => {
                        self.beta_next = norm;
                        self.phase = Phase::Open;
                    }
                    (Ok(norm), Some(claim)) => {
                        let said = self.factor.residual.larger(self.tolerance(stop));
                        let holds = norm <= T::of(TRUST) * said
                            || claim == Status::NonPositivePreconditioner;
                        self.factor.residual = norm;
                        return self.finish(if holds { claim } else { Status::Rounding });
                    }
                    (Err(status), _) => {
                        return self.unpreconditioned(status, rhs, vectors.z);
                    }
                }
            }
            Phase::Open => {
                self.factor = Factor::begin(self.beta_next, self.factor.phi);
                self.history.keep(self.count, self.factor.phi);
                if let Some(status) = self.ended(stop) {
                    return self.finish(status);
                }
                kernels::scale(self.beta_next.recip(), vectors.v);
                kernels::fill(T::ZERO, vectors.y);
                kernels::fill(T::ZERO, vectors.older);
                kernels::fill(T::ZERO, vectors.newer);
                self.beta = self.beta_next;
                self.phase = Phase::Product(0);
            }
            Phase::Product(part) => {
                let mut quad = T::ZERO;
                operator.apply_part(part, vectors.v, vectors.y, &mut quad);
                self.phase = if part.saturating_add(1) < operator.parts() {
                    Phase::Product(part.saturating_add(1))
                } else {
                    Phase::Project
                };
            }
            Phase::Project => {
                self.alpha = kernels::dot(vectors.v, vectors.y);
                if !self.alpha.is_finite() {
                    return self.finish(Status::NonFinite);
                }
                kernels::axpy(-(self.alpha / self.beta), vectors.z, vectors.y);
                self.factor.turn(self.alpha);
                self.phase = Phase::Turn;
            }
            Phase::Turn => {
                self.directions.turn(&self.factor, &mut vectors);
                self.phase = Phase::Extend;
            }
            Phase::Extend => {
                let squared = preconditioner.apply(vectors.y, vectors.v);
                // y is what is left of (α/β)z: below ε of that it is rounding.
                let share = (self.alpha / self.beta).abs();
                let least = T::EPSILON * (share * largest(vectors.z));
                self.beta_next = match norm(squared, vectors.y, least) {
                    Ok(norm) => norm,
                    Err(Status::NonFinite) => return self.finish(Status::NonFinite),
                    Err(status) => {
                        self.directions.truncate(&self.factor);
                        self.phase = Phase::Settle(status);
                        return Advance::Working;
                    }
                };
                let above = if self.count > 0 { self.beta } else { T::ZERO };
                let longest = length(length(self.alpha, above), self.beta_next);
                self.norm = longest.larger(self.norm);

                let column = self.factor.column(self.beta_next);
                if column.is_singular(self.norm) {
                    if self.directions.truncate(&self.factor) {
                        self.count = self.count.saturating_add(1);
                    }
                    self.phase = Phase::Settle(Status::LeastSquares);
                } else {
                    self.factor.complete(column);
                    self.phase = Phase::Complete;
                }
            }
            Phase::Complete => {
                self.directions.complete(&self.factor, &mut vectors);
                self.count = self.count.saturating_add(1);
                self.history.keep(self.count, self.factor.phi);
                match self.ended(stop) {
                    Some(Status::NonFinite) => return self.finish(Status::NonFinite),
                    Some(status) => self.phase = Phase::Settle(status),
                    None => {
                        self.phase = Phase::Normalise;
                        return Advance::Iterated(self.iteration());
                    }
                }
            }
            Phase::Normalise => {
                kernels::scale(self.beta_next.recip(), vectors.v);
                kernels::scale(-(self.beta_next / self.beta), vectors.z);
                self.beta = self.beta_next;
                self.swapped = !self.swapped;
                self.phase = Phase::Product(0);
            }
            Phase::Settle(status) => {
                self.directions.settle(&mut vectors);
                if matches!(status, Status::Limit | Status::Progress) {
                    return self.finish(status);
                }
                kernels::fill(T::ZERO, vectors.y);
                self.phase = Phase::Image(0, Some(status));
            }
            Phase::Done(status) => return self.finish(status),
        }
        Advance::Working
    }
}

/// max |xᵢ|.
fn largest<T: Scalar>(x: &[T]) -> T {
    x.iter().fold(T::ZERO, |largest, x| x.abs().larger(largest))
}

/// |z| = √(z·M⁻¹z), from its square. Where the square is 0 and z is not, M⁻¹ is singular or the square
/// underflows; a z up to `least` is as good as 0.
fn norm<T: Scalar>(squared: T, z: &[T], least: T) -> Result<T, Status> {
    if !squared.is_finite() {
        Err(Status::NonFinite)
    } else if squared > T::ZERO || (squared == T::ZERO && largest(z) <= least) {
        Ok(squared.root())
    } else {
        Err(Status::NonPositivePreconditioner)
    }
}
