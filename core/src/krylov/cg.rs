//! Preconditioned conjugate gradients (Hestenes & Stiefel 1952) for the natural direction.
//!
//! ```text
//! r = b − Ax; z = M⁻¹r; p = z; γ = r·z
//! repeat: q = Ap; α = γ/pᵀAp; x += αp; r −= αq; φ −= ½αγ; z = M⁻¹r; β = r·z/γ; γ = r·z; p = z + βp
//! ```
//!
//! φ = ½xᵀAx − b·x falls by ½αγ in every iteration, for any start and any preconditioner, so that its value costs
//! neither b nor x. After a refresh of the residual γ is replaced by p·r. pᵀAp is the operator's own `quad`, which for
//! a metric is a sum of squares and cannot come out negative by cancellation.

use super::history::History;
use super::{Advance, Iteration, Solve, Solver, Start, Status, Stop, System};
use crate::kernels;
use crate::operator::add_product;
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// Conjugate gradients with `CHECKPOINTS` kept iterates, for backtracking along them (Martens 2010,
/// section 4.6): of the iterates at ⌈5 · 1.3ʲ⌉, the last ones.
///
/// Memory: 4 + `CHECKPOINTS` vectors. Per iteration: one product with A, one with M⁻¹, two passes over the vectors
/// (the direction; x, r and r·r), and one more product with A where the residual is refreshed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cg<const CHECKPOINTS: usize = 0>;

/// What a solve is about to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    /// q = Ax, part by part; then the residual.
    Image(usize),
    Residual,
    /// z = M⁻¹r into q, and the tests of the end.
    Precondition,
    Direction,
    /// q = Ap, part by part.
    Product(usize),
    Update,
    Checkpoint,
    Done(Status),
}

/// The state of a solve between two slices.
#[derive(Clone, Copy, Debug)]
pub struct State<T> {
    phase: Phase,
    start: Start,
    count: u16,
    phi: T,
    /// b·b
    rhs_squared: T,
    /// r·r
    residual_squared: T,
    /// r·z of this iteration and of the one before.
    gamma: T,
    gamma_before: T,
    /// p·r: equal to γ, except after a refresh.
    descent: T,
    /// Whether the residual has just been computed anew.
    refreshed: bool,
    /// pᵀAp
    quad: T,
    /// The largest pᵀAp/γ so far.
    steepest: T,
    history: History<T>,
    /// The next iteration to keep, the last that was kept, and the number of kept ones.
    next_checkpoint: T,
    last_checkpoint: u16,
    checkpoints: u16,
}

impl<T: Scalar> State<T> {
    fn iteration(&self) -> Iteration<T> {
        let residual = if self.rhs_squared > T::ZERO {
            (self.residual_squared / self.rhs_squared).root()
        } else {
            T::ZERO
        };
        Iteration {
            count: self.count,
            phi: self.phi,
            residual,
        }
    }

    /// 1 where the newest checkpoint is x itself, since curvature has ended the solve right after it.
    fn copies(&self) -> usize {
        usize::from(self.checkpoints > 0 && self.last_checkpoint == self.count)
    }

    fn finish(&mut self, status: Status) -> Advance<T> {
        self.phase = Phase::Done(status);
        Advance::Done(Solve {
            status,
            last: self.iteration(),
        })
    }

    fn ended(&self, stop: &Stop<T>) -> Option<Status> {
        if !(self.residual_squared.is_finite() && self.gamma.is_finite() && self.phi.is_finite()) {
            return Some(Status::NonFinite);
        }
        if self.residual_squared <= stop.residual * stop.residual * self.rhs_squared {
            return Some(Status::Residual);
        }
        if self.gamma <= T::ZERO {
            return Some(Status::NonPositivePreconditioner);
        }
        if self.count >= stop.iterations {
            return Some(Status::Limit);
        }
        if stop.progress > T::ZERO && self.history.stalls(self.count, self.phi, stop.progress) {
            return Some(Status::Progress);
        }
        None
    }
}

/// The vectors of a solve.
struct Vectors<'m, T> {
    x: &'m mut [T],
    r: &'m mut [T],
    p: &'m mut [T],
    /// 0 whenever a product begins: what has read it last clears it.
    q: &'m mut [T],
    kept: &'m mut [T],
}

impl<'m, T> Vectors<'m, T> {
    fn carve(memory: &'m mut [T], n: usize) -> Self {
        let mut arena = Arena::new(memory);
        Self {
            x: arena.take(n),
            r: arena.take(n),
            p: arena.take(n),
            q: arena.take(n),
            kept: arena.rest(),
        }
    }

    /// Place `slot` of the kept iterates.
    fn slot(kept: &mut [T], n: usize, slot: usize) -> &mut [T] {
        let start = slot.saturating_mul(n);
        kept.get_mut(start..start.saturating_add(n))
            .unwrap_or(&mut [])
    }
}

impl<T: Scalar, const CHECKPOINTS: usize> Solver<T> for Cg<CHECKPOINTS> {
    const VECTORS: usize = 4 + CHECKPOINTS;
    // Both vectors, and the square of the second.
    const MACS: usize = 3;
    const BESIDE: usize = 0;

    type State = State<T>;

    fn begin(start: Start) -> State<T> {
        State {
            phase: Phase::Start,
            start,
            count: 0,
            phi: T::ZERO,
            rhs_squared: T::ZERO,
            residual_squared: T::ZERO,
            gamma: T::ZERO,
            gamma_before: T::ZERO,
            descent: T::ZERO,
            refreshed: false,
            quad: T::ZERO,
            steepest: T::ZERO,
            history: History::new(),
            next_checkpoint: T::of(FIRST_CHECKPOINT),
            last_checkpoint: 0,
            checkpoints: 0,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of an iteration, one after the other, are its story"
    )]
    fn advance(
        state: &mut State<T>,
        system: System<'_, T>,
        stop: &Stop<T>,
        memory: &mut [T],
    ) -> Advance<T> {
        let n = system.rhs.len();
        let Vectors { x, r, p, q, kept } = Vectors::carve(memory, n);
        match state.phase {
            Phase::Start => {
                state.rhs_squared = kernels::dot(system.rhs, system.rhs);
                kernels::fill(T::ZERO, q);
                if !state.rhs_squared.is_finite() {
                    kernels::fill(T::ZERO, x);
                    return state.finish(Status::NonFinite);
                }
                if state.rhs_squared == T::ZERO {
                    kernels::fill(T::ZERO, x);
                    return state.finish(Status::ZeroRightHandSide);
                }
                state.phase = match state.start {
                    Start::Zero => {
                        kernels::fill(T::ZERO, x);
                        kernels::copy(system.rhs, r);
                        state.residual_squared = state.rhs_squared;
                        Phase::Precondition
                    }
                    Start::Warm => Phase::Image(0),
                };
            }
            Phase::Image(part) => {
                let mut quad = T::ZERO;
                system.operator.apply_part(part, x, q, &mut quad);
                state.phase = if part.saturating_add(1) < system.operator.parts() {
                    Phase::Image(part.saturating_add(1))
                } else {
                    Phase::Residual
                };
            }
            Phase::Residual => {
                state.residual_squared = kernels::reduce_into(system.rhs, q, r, |b, q, r| {
                    *r = b - q;
                    *r * *r
                });
                kernels::fill(T::ZERO, q);
                if state.count == 0 {
                    // φ(x) = −½ x·(r + b).
                    let slope = kernels::dot(x, r) + kernels::dot(x, system.rhs);
                    state.phi = -(T::HALF * slope);
                    if state.phi > T::ZERO || !state.phi.is_finite() {
                        *state = Self::begin(Start::Zero);
                        return Advance::Working;
                    }
                } else {
                    state.refreshed = true;
                }
                state.phase = Phase::Precondition;
            }
            Phase::Precondition => {
                state.gamma_before = state.gamma;
                state.gamma = add_product(system.preconditioner, r, q);
                state.history.keep(state.count, state.phi);
                if let Some(status) = state.ended(stop) {
                    return state.finish(status);
                }
                let due = T::of_int(i32::from(state.count)) >= state.next_checkpoint;
                state.phase = if CHECKPOINTS > 0 && due {
                    Phase::Checkpoint
                } else {
                    Phase::Direction
                };
                if state.count > 0 {
                    return Advance::Iterated(state.iteration());
                }
            }
            Phase::Checkpoint => {
                let slot = usize::from(state.checkpoints)
                    .checked_rem(CHECKPOINTS)
                    .unwrap_or(0);
                kernels::copy(x, Vectors::slot(kept, n, slot));
                state.checkpoints = state.checkpoints.saturating_add(1);
                state.last_checkpoint = state.count;
                while state.next_checkpoint <= T::of_int(i32::from(state.count)) {
                    state.next_checkpoint *= T::of(CHECKPOINT_GROWTH);
                }
                state.phase = Phase::Direction;
            }
            Phase::Direction => {
                let turn = state.gamma / state.gamma_before;
                state.descent = state.gamma;
                if state.count == 0 {
                    kernels::copy(q, p);
                    kernels::fill(T::ZERO, q);
                } else if core::mem::take(&mut state.refreshed) {
                    // A refreshed residual is not exactly orthogonal to the last direction. The step must
                    // then be the exact one along p, else the error grows from refresh to refresh.
                    kernels::xpay(q, turn, p);
                    let descent = kernels::dot(p, r);
                    if descent > T::ZERO {
                        state.descent = descent;
                    } else {
                        kernels::copy(q, p);
                    }
                    kernels::fill(T::ZERO, q);
                } else {
                    kernels::turn(q, turn, p);
                }
                state.quad = T::ZERO;
                state.phase = Phase::Product(0);
            }
            Phase::Product(part) => {
                system.operator.apply_part(part, p, q, &mut state.quad);
                state.phase = if part.saturating_add(1) < system.operator.parts() {
                    Phase::Product(part.saturating_add(1))
                } else {
                    Phase::Update
                };
            }
            Phase::Update => {
                if !state.quad.is_finite() {
                    return state.finish(Status::NonFinite);
                }
                // p·Mp ≥ γ, so that pᵀAp/γ bounds a Rayleigh quotient of M⁻¹A: what falls below ε times
                // the largest of them is rounding.
                let steepness = state.quad / state.gamma;
                state.steepest = steepness.larger(state.steepest);
                if state.quad <= T::ZERO || steepness <= T::EPSILON * state.steepest {
                    return state.finish(Status::NonPositiveCurvature);
                }
                let alpha = state.descent / state.quad;
                if !alpha.is_finite() {
                    return state.finish(Status::NonPositiveCurvature);
                }
                state.residual_squared = kernels::descend(alpha, p, q, x, r);
                state.phi -= T::HALF * (alpha * state.descent);
                state.count = state.count.saturating_add(1);
                let due = state.count.checked_rem(stop.refresh) == Some(0);
                state.phase = if due {
                    Phase::Image(0)
                } else {
                    Phase::Precondition
                };
            }
            Phase::Done(status) => return state.finish(status),
        }
        Advance::Working
    }

    fn iterates(state: &State<T>) -> usize {
        let kept = usize::from(state.checkpoints).min(CHECKPOINTS);
        kept.saturating_sub(state.copies()).saturating_add(1)
    }

    fn iterate<'m>(
        state: &State<T>,
        memory: &'m mut [T],
        n: usize,
        age: usize,
    ) -> (&'m [T], [&'m mut [T]; 2]) {
        let Vectors { x, r, p, kept, .. } = Vectors::carve(memory, n);
        let kept = match age.checked_sub(1) {
            None => x,
            Some(behind) => {
                let newest = usize::from(state.checkpoints).saturating_sub(1);
                let slot = newest
                    .saturating_sub(behind)
                    .saturating_sub(state.copies())
                    .checked_rem(CHECKPOINTS)
                    .unwrap_or(0);
                Vectors::slot(kept, n, slot)
            }
        };
        (kept, [r, p])
    }
}

/// The first iteration that is kept, and the factor to the next one (Martens 2010: ⌈5 · 1.3ʲ⌉).
const FIRST_CHECKPOINT: f64 = 5.0;
const CHECKPOINT_GROWTH: f64 = 1.3;
