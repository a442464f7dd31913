//! Natural gradient by a Krylov solver: see [`NaturalGradient`].

mod step;
mod verdict;

pub(super) use self::step::Direction;
pub(super) use self::step::NaturalStep;
use self::step::Phase;
use super::objective::{GRADIENT_MACS, LossPass};
use super::opening::{self, Opening, Opens};
use super::{Frame, Guarded, Method, Outcome, Progress, Report, Slice, SolveReport, sealed};
use crate::curvature::{Curvature, CurvatureOperator, Examples, Kept, Natural};
use crate::damping::{Damping, DampingMetric, Marquardt};
use crate::data::Labels;
use crate::error::Error;
use crate::kernels;
use crate::krylov::{Advance, Cg, Solver, Start, Status, Stop, System};
use crate::line_search::{Decay, LineSearch, Trust};
use crate::operator::{Damped, LinearOperator};
use crate::plan::Storage;
use crate::precondition::{Diagonals, Jacobi, Preconditioner};
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// Which trial points are good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Acceptance {
    /// Any, and its loss is not even looked at unless the damping or the line search does; where they do
    /// it must be finite. The cheapest, and the only one that can walk into an overflow.
    Unchecked,
    /// Any whose loss is finite (the authors' natSGD).
    Finite,
    /// Those at which the loss of the gradient batch has not risen by more than its rounding.
    Decrease,
}

/// What is done with the batch of [`super::Trainer::hold_out`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeldOut {
    /// A step commits only if its loss does not rise.
    Guards,
    /// Every `every` steps (at least 1) its loss gives the reduction ratio that λ follows, and in between λ
    /// stays (the authors' natSGD, second damping mode).
    Judges {
        /// The number of steps between two changes of λ.
        every: u32,
    },
}

/// Natural gradient by a truncated Krylov solver: d ≈ −(F + λD + l₂I)⁻¹ g, of the trained parameters `[P]`.
///
/// ```text
/// g = ∇L                              over the gradient batch, with the L2 term
/// d ≈ −(F + λD + l₂I)⁻¹ g             by the solver, F over the metric batch, which needs no labels
/// α = rate · decay                    capped by the trust region, perhaps shortened by a line search
/// ρ = (L(θ + αd) − L(θ)) / predicted  predicted: α g·d + ½α² dᵀ(F + l₂I)d, or α g·d; λ follows its policy
/// θ ← θ + αd
/// ```
///
/// The solver `S`, the preconditioner `P`, the damping metric `D` and the curvature `C` are types, so that a firmware
/// links only what it names. With another curvature than [`Natural`] it is the same step with that in the place of F:
/// [`super::Newton`] is one.
///
/// An attempt fails when the solver finds no direction, when the loss rises, or when the held-out batch gets worse. The
/// gradient is still there, so the step tries again at once with a stronger λ; when no attempt succeeds, nothing has
/// changed at the end, λ included.
///
/// ```
/// use natgrad::optimizer::NaturalGradient;
/// use natgrad::damping::Tikhonov;
/// use natgrad::krylov::Cg;
/// use natgrad::precondition::Martens;
///
/// let method = NaturalGradient::<f32, Cg<2>, Martens, Tikhonov> {
///     warm_start: 0.95,
///     ..Default::default()
/// };
/// # let _ = method;
/// ```
///
/// Cost of a step, per example: a gradient on the batch, and one more of it for
/// [`Martens`](crate::precondition::Martens); on the metric batch one product per iteration of the solver, K backward
/// passes where diag(F) is asked for, and one `Jv`; on the batch one loss where the damping, the acceptance or the line
/// search looks at it. Memory: the table of the [module](super).
///
/// Reference: Pascanu & Bengio 2014, equation 2 and sections 2, 3 and 5; Martens 2010, section 4.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NaturalGradient<T, S = Cg, P = Jacobi, D = Marquardt, C = Natural> {
    /// α before the trust region and the line search.
    pub rate: T,
    /// How α falls from step to step.
    pub decay: Decay<T>,
    /// λ at the start, its limits, its policy and its metric.
    pub damping: Damping<T, D>,
    /// The solver.
    pub solver: S,
    /// When the solver stops.
    pub stop: Stop<T>,
    /// The preconditioner of the solver.
    pub preconditioner: P,
    /// The solver starts at this multiple of its last result, in [0, 1]; 0 for a cold start (Martens
    /// 2010: 0.95).
    pub warm_start: T,
    /// The curvature.
    pub curvature: C,
    /// The choice of α.
    pub line_search: LineSearch<T>,
    /// The bound on α at the outputs.
    pub trust: Trust<T>,
    /// Which trial points are good enough.
    pub acceptance: Acceptance,
    /// What a held-out batch is for.
    pub held_out: HeldOut,
    /// How often a failed attempt is followed by another, with λ × [`NaturalGradient::retry_raise`].
    pub retries: u16,
    /// The factor on λ after a failed attempt, above 1.
    pub retry_raise: T,
}

/// What outlives a step of [`NaturalGradient`], beside the solver's last result.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NaturalState<T> {
    /// λ of the next step.
    pub damping: T,
    /// The steps taken.
    pub steps: u32,
    /// The factor on α that its decay has come to.
    pub decay: T,
    /// Whether the solver's memory holds a result to start from.
    warm: bool,
}

impl<T, S, P, D, C> Default for NaturalGradient<T, S, P, D, C>
where
    T: Scalar,
    S: Default,
    P: Default,
    D: Default,
    C: Default,
{
    /// Rate 1; λ = 1 between 10⁻³ and 10⁴ after Levenberg–Marquardt on the quadratic ratio; 50 iterations
    /// with Martens' stop; a logit changes by at most 8; the loss must not rise, else 8 further attempts
    /// with λ × 4.
    fn default() -> Self {
        Self {
            rate: T::ONE,
            decay: Decay::Constant,
            damping: Damping::default(),
            solver: S::default(),
            stop: Stop::default(),
            preconditioner: P::default(),
            warm_start: T::ZERO,
            curvature: C::default(),
            line_search: LineSearch::Fixed,
            trust: Trust::default(),
            acceptance: Acceptance::Decrease,
            held_out: HeldOut::Guards,
            retries: 8,
            retry_raise: T::of(4.0),
        }
    }
}

impl<T, S, P, D, C> sealed::Sealed for NaturalGradient<T, S, P, D, C> {}
impl<T, S, P, D, C> Guarded for NaturalGradient<T, S, P, D, C> {}

/// The method's vectors in its memory.
pub(super) struct Vectors<'v, T> {
    /// b = −g.
    pub(super) rhs: &'v mut [T],
    pub(super) solver: &'v mut [T],
    pub(super) fisher: &'v mut [T],
    pub(super) squares: &'v mut [T],
}

impl<T, S, P, D, C> NaturalGradient<T, S, P, D, C>
where
    T: Scalar,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
    C: Curvature<T>,
{
    const VECTORS: usize = 1 + S::VECTORS + Self::FISHER as usize + P::SQUARES as usize;

    pub(super) fn carve(memory: &mut [T], n: usize) -> Vectors<'_, T> {
        let mut arena = Arena::new(memory);
        Vectors {
            rhs: arena.take(n),
            solver: arena.take(n.saturating_mul(S::VECTORS)),
            fisher: arena.take(if Self::FISHER { n } else { 0 }),
            squares: arena.take(if P::SQUARES { n } else { 0 }),
        }
    }

    /// The direction, and the vector of the trial point.
    fn chosen<'m>(
        state: &S::State,
        age: usize,
        direction: Direction,
        memory: &'m mut [T],
        n: usize,
    ) -> (&'m [T], &'m mut [T]) {
        let (iterate, [trial, combined]) = S::iterate(state, memory, n, age);
        match direction {
            Direction::Iterate => (iterate, trial),
            Direction::Combined => (combined, trial),
        }
    }
}

impl<T, S, P, D, C> Opens<T> for NaturalGradient<T, S, P, D, C>
where
    T: Scalar,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
    C: Curvature<T>,
{
    const FISHER: bool = P::FISHER || D::FISHER;
    const SQUARES: bool = P::SQUARES;
}

impl<T, S, P, D, C> Method<T> for NaturalGradient<T, S, P, D, C>
where
    T: Scalar,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
    C: Curvature<T>,
{
    const STORAGE: Storage = Storage::vectors(Self::VECTORS).and(C::PASS.storage());

    const STACK: usize = 3520;

    const SLICE: Slice = Slice::new(C::PASS, Self::FISHER || P::SQUARES, GRADIENT_MACS + 1)
        .with_vectors(S::MACS)
        .with_vectors(P::MACS + S::BESIDE)
        .with_vectors(D::MACS);

    // A look, a copy, and a product for the warm start.
    const FINISH: usize = 3;

    const METRIC_LABELS: Labels = C::LABELS;

    type State = NaturalState<T>;

    type Step = NaturalStep<T, S::State>;

    fn check(&self) -> Result<(), Error> {
        if !(self.rate > T::ZERO && self.rate.is_finite()) {
            return Err(Error::Setting("the rate must be positive and finite"));
        }
        if !(self.warm_start >= T::ZERO && self.warm_start <= T::ONE) {
            return Err(Error::Setting("the warm start must be in [0, 1]"));
        }
        if !(self.retry_raise > T::ONE && self.retry_raise.is_finite()) {
            return Err(Error::Setting(
                "the raise of a further attempt must be above 1",
            ));
        }
        if self.stop.iterations == 0
            || !(self.stop.residual >= T::ZERO && self.stop.progress >= T::ZERO)
        {
            return Err(Error::Setting(
                "the solver needs at least one iteration and tolerances that are not negative",
            ));
        }
        if matches!(self.held_out, HeldOut::Judges { every: 0 }) {
            return Err(Error::Setting(
                "a held-out batch that judges does so every step or less often",
            ));
        }
        self.decay.check()?;
        self.damping.check()?;
        self.line_search.check()?;
        self.trust.check()
    }

    fn start(&self) -> NaturalState<T> {
        NaturalState {
            damping: self.damping.initial,
            steps: 0,
            decay: T::ONE,
            warm: false,
        }
    }

    fn begin(&self, state: &NaturalState<T>) -> Self::Step {
        let start = if state.warm && self.warm_start > T::ZERO {
            Start::Warm
        } else {
            Start::Zero
        };
        let mut state = *state;
        state.damping = self.damping.clamp(state.damping);
        state.decay = self.decay.next(state.decay, state.steps);
        NaturalStep::new(S::begin(start), state)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of a step, one after the other, are its story"
    )]
    fn advance<const TILE: usize>(
        &self,
        step: &mut Self::Step,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let (model, params, l2) = (frame.model, frame.params, frame.l2);
        let batch = frame.batch;
        let n = model.trained_params();
        let memory = core::mem::take(&mut frame.vectors);
        let Vectors {
            rhs,
            solver,
            fisher,
            squares,
        } = Self::carve(memory, n);
        let metric = frame.metric.examples(model, batch);
        let total = step.opened.metric_total;
        let metric_examples = |scratch, memory, tiles| {
            let kept = Kept { memory, tiles };
            Examples::new(*model, params, scratch, metric, total, kept)
        };

        match &mut step.phase {
            Phase::Open(opening) => {
                let vectors = opening::Vectors {
                    gradient: &mut *rhs,
                    fisher: &mut *fisher,
                    squares,
                };
                let progress =
                    opening.advance::<Self, TILE>(&mut step.opened, &mut frame, vectors)?;
                if let Progress::Gradient { .. } = progress {
                    kernels::scale(-T::ONE, rhs);
                }
                if let Opening::Done = opening {
                    if Self::FISHER {
                        step.fisher_mean = kernels::sum(fisher) / T::of_count(n);
                    }
                    step.phase = if step.opened.gradient.norm == T::ZERO {
                        Phase::Ready(Outcome::Stationary)
                    } else {
                        Phase::Solve
                    };
                }
                return Ok(progress);
            }
            Phase::Solve => {
                step.solving = true;
                let diagonals = Diagonals {
                    fisher,
                    fisher_mean: step.fisher_mean,
                    squares,
                };
                let metric = &self.damping.metric;
                let form = metric.form(step.damping, l2.strength, step.fisher_mean);
                let examples = metric_examples(frame.scratch, frame.spare, step.opened.kept);
                let mut curvature = CurvatureOperator::<T, C, TILE>::over(examples)
                    .with_structure(metric.structure(step.damping));
                let advance = {
                    let damping = D::operator(n, diagonals, form);
                    let system = System {
                        operator: &mut Damped::new(&mut curvature, damping),
                        preconditioner: &mut P::operator(n, diagonals, form),
                        rhs,
                    };
                    S::advance(&mut step.solver, system, &self.stop, solver)
                };
                step.opened.kept = curvature.kept();
                step.opened.spend(curvature.macs(C::PASS));
                let damping = step.damping;
                match advance {
                    Advance::Working => {}
                    Advance::Iterated(iteration) => {
                        return Ok(Progress::Iteration { iteration, damping });
                    }
                    Advance::Done(solve) => {
                        step.solve = solve;
                        step.rate = self.rate * step.state.decay;
                        step.tries = 0;
                        step.chosen = 0;
                        step.looked = 0;
                        step.best = T::infinity();
                        let useful = solve.status != Status::NonFinite
                            && (solve.last.count > 0 || solve.last.phi < T::ZERO);
                        if !useful {
                            self.fail(step);
                        } else if S::iterates(&step.solver) > 1 {
                            step.phase = Phase::Place;
                        } else {
                            Self::measure(step);
                        }
                        return Ok(Progress::Solved { solve, damping });
                    }
                }
            }
            Phase::Place => {
                let (direction, [trial, _]) = S::iterate(&step.solver, solver, n, step.looked);
                displace(
                    params.trained,
                    self.rate * step.state.decay,
                    direction,
                    trial,
                );
                step.phase = Phase::Backtrack(LossPass::new());
            }
            Phase::Backtrack(pass) => {
                let (_, [trial, _]) = S::iterate(&step.solver, solver, n, step.looked);
                let total = step.opened.gradient.total;
                let macs = &mut step.opened.macs;
                if pass.advance::<TILE>(model, params.at(trial), frame.scratch, batch, total, macs)
                {
                    let loss = pass.loss + l2.value(trial);
                    let better = loss < step.best;
                    if better {
                        step.best = loss;
                        step.chosen = step.looked;
                    }
                    step.looked = step.looked.saturating_add(1);
                    // A last iterate that is not finite in the loss is no reason to stop looking.
                    let go_on = better || step.best.is_infinite();
                    if go_on && step.looked < S::iterates(&step.solver) {
                        step.phase = Phase::Place;
                    } else {
                        Self::measure(step);
                    }
                }
            }
            Phase::Length(part) => {
                let (direction, spare) =
                    Self::chosen(&step.solver, step.chosen, step.direction, solver, n);
                let examples = metric_examples(frame.scratch, frame.spare, step.opened.kept);
                let mut curvature = CurvatureOperator::<T, C, TILE>::over(examples);
                let (quad, reach) = (&mut step.quad, &mut step.reach);
                curvature.add_length_part(*part, direction, spare, quad, reach);
                step.opened.kept = curvature.kept();
                step.opened.spend(curvature.macs(C::LENGTH_PASS));
                *part = part.saturating_add(1);
                if *part >= curvature.parts() {
                    step.phase = Phase::Slope;
                }
            }
            Phase::Slope => {
                let (direction, _) =
                    Self::chosen(&step.solver, step.chosen, step.direction, solver, n);
                step.slope = -kernels::dot(rhs, direction);
                step.length_squared = kernels::dot(direction, direction);
                // The cap belongs to the direction; the line search shortens from there.
                step.rate = self
                    .trust
                    .cap(model.likelihood(), step.rate, step.quad, step.reach);
                let descends = step.slope < T::ZERO && step.quad.is_finite();
                if descends && step.rate > T::ZERO {
                    step.phase = Phase::Candidate;
                } else {
                    self.fail(step);
                }
            }
            Phase::Candidate => {
                let (direction, trial) =
                    Self::chosen(&step.solver, step.chosen, step.direction, solver, n);
                displace(params.trained, step.rate, direction, trial);
                if self.tries_loss() {
                    step.phase = Phase::Trial(LossPass::new());
                } else {
                    self.pass(step, false);
                }
            }
            Phase::Trial(pass) => {
                let (_, [trial, _]) = S::iterate(&step.solver, solver, n, step.chosen);
                let total = step.opened.gradient.total;
                let macs = &mut step.opened.macs;
                if pass.advance::<TILE>(model, params.at(trial), frame.scratch, batch, total, macs)
                {
                    let loss = pass.loss + l2.value(trial);
                    return Ok(self.judge(step, loss, l2.strength));
                }
            }
            Phase::HeldOut(pass) => {
                let (_, [trial, _]) = S::iterate(&step.solver, solver, n, step.chosen);
                if let Some(losses) = step.opened.hold_out::<TILE>(pass, &mut frame, trial)? {
                    let pulls = [l2.value(params.trained), l2.value(trial)];
                    self.judge_held_out(step, losses, pulls, l2.strength);
                }
            }
            Phase::Ready(_) => return Ok(Progress::Ready),
        }
        Ok(Progress::Working)
    }

    fn finish(
        &self,
        state: &mut NaturalState<T>,
        step: &Self::Step,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let Phase::Ready(outcome) = step.phase else {
            return Err(Error::Unfinished);
        };
        let n = params.len();
        let Vectors { solver, .. } = Self::carve(vectors, n);
        let (_, [trial, _]) = S::iterate(&step.solver, solver, n, step.chosen);
        if outcome == Outcome::Rejected {
            self.abandon(state, step);
        }
        if outcome == Outcome::Accepted {
            if !kernels::all_finite(trial) {
                return Err(Error::NonFiniteUpdate);
            }
            kernels::copy(trial, params);
            state.damping = step.next_damping;
            state.steps = state.steps.saturating_add(1);
            state.decay = step.state.decay;
            // Martens carries the solver's own end point, not the iterate that backtracking chose.
            kernels::scale(self.warm_start, Arena::new(solver).take(n));
            state.warm = self.warm_start > T::ZERO;
        }
        let solved = outcome != Outcome::Stationary;
        Ok(Report {
            outcome,
            loss: step.opened.gradient.loss,
            loss_after: step.trial_loss,
            gradient_norm: step.opened.gradient.norm,
            solve: solved.then_some(SolveReport {
                solve: step.solve,
                damping: step.damping,
                attempts: step.attempts,
                rate: step.rate,
                ratio: step.ratio,
                kl: T::HALF * (step.rate * step.rate) * step.quad,
            }),
            macs: step.opened.macs,
        })
    }

    /// The solver has overwritten its last result: a warm start is lost.
    fn abandon(&self, state: &mut NaturalState<T>, step: &Self::Step) {
        if step.solving {
            state.warm = false;
        }
    }
}

/// trial = θ + αd.
fn displace<T: Scalar>(params: &[T], rate: T, direction: &[T], trial: &mut [T]) {
    for ((t, &p), &d) in trial.iter_mut().zip(params).zip(direction) {
        *t = p + rate * d;
    }
}
