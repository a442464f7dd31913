//! Natural conjugate gradient: see [`NaturalCg`].

use super::natural_gradient::{Direction, NaturalStep};
use super::objective::LossPass;
use super::simplex::Simplex;
use super::{
    Frame, Guarded, Method, NaturalGradient, NaturalState, Outcome, Progress, Report, Slice, sealed,
};
use crate::curvature::{Examples, Fisher, Kept};
use crate::damping::{DampingMetric, Marquardt};
use crate::error::Error;
use crate::kernels;
use crate::krylov::{Cg, Solver};
use crate::operator::LinearOperator;
use crate::plan::{Pass, Storage};
use crate::precondition::{Diagonals, Jacobi, Preconditioner};
use crate::scalar::Scalar;

/// How a and b are chosen, as a type.
pub trait Conjugation: Copy + Default + sealed::Sealed {
    /// The most evaluations of the loss of the gradient batch; 0 for the quadratic model alone.
    fn evaluations(&self) -> u16;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`].
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// NatCG-L (our definition): by the quadratic model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Local;

/// NatCG-F (our definition): by the loss itself, with the simplex search of Nelder & Mead from NatCG-L's
/// (a, b) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Full {
    /// The most evaluations of the loss, at least 3.
    pub evaluations: u16,
}

impl Default for Full {
    fn default() -> Self {
        Self { evaluations: 16 }
    }
}

impl sealed::Sealed for Local {}
impl sealed::Sealed for Full {}

impl Conjugation for Local {
    fn evaluations(&self) -> u16 {
        0
    }
}

impl Conjugation for Full {
    fn evaluations(&self) -> u16 {
        self.evaluations
    }

    fn check(&self) -> Result<(), Error> {
        if self.evaluations < 3 {
            return Err(Error::Setting(
                "a search in a plane needs at least three evaluations",
            ));
        }
        Ok(())
    }
}

/// Natural conjugate gradient: the natural direction and the step before it, combined by the choice `J` of a point in
/// their plane.
///
/// ```text
/// r = −(F + λD + l₂I)⁻¹ g, as natural gradient solves it; d the step before; s = a r + b d; θ ← θ + αs
/// NatCG-L  (a, b) minimises m(s) = g·s + ½ sᵀ(F + λD + l₂I)s, F over the gradient batch
/// NatCG-F  (a, b) minimises L(θ + s) over the gradient batch, from NatCG-L's on
/// ```
///
/// Nonlinear conjugate gradients on a manifold would transport d into the tangent space of θ and search a line exactly.
/// The paper replaces both by a minimisation over the plane of r and d. *Its names NatCG-L and NatCG-F are known, their
/// definitions could not be confirmed: what is here is our definition.*
///
/// With an exact solve and the metric on the gradient batch, r minimises m already, so that (a, b) = (1, 0): NatCG-L
/// helps where the solver is cut short or the metric is taken elsewhere. NatCG-F adds the curvature of the loss that F
/// does not contain.
///
/// The first step, every [`NaturalCg::restart`]-th, and every attempt after one that failed go along r alone, b = 0.
/// Structural damping is refused.
///
/// Memory: one vector more than natural gradient. Cost of a step, per example of the gradient batch,
/// beside natural gradient's: 5n − 2n₁ multiply-accumulates for the two `Jv` of the plane, and with
/// [`Full`] up to [`Full::evaluations`] losses.
///
/// Reference: Pascanu & Bengio 2014, section 9.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NaturalCg<T, J = Local, S = Cg, P = Jacobi, D = Marquardt> {
    /// How r is found, how far s goes (α on top of a and b), and what becomes of λ.
    pub natural: NaturalGradient<T, S, P, D>,
    /// How a and b are chosen.
    pub conjugation: J,
    /// Every so many steps the step before is forgotten; 0 for never.
    pub restart: u32,
}

impl<T, J, S, P, D> Default for NaturalCg<T, J, S, P, D>
where
    T: Scalar,
    J: Default,
    NaturalGradient<T, S, P, D>: Default,
{
    /// Natural gradient's defaults, and a restart every 50 steps.
    fn default() -> Self {
        Self {
            natural: NaturalGradient::default(),
            conjugation: J::default(),
            restart: 50,
        }
    }
}

/// What outlives a step of [`NaturalCg`], beside the step before.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NaturalCgState<T> {
    /// That of natural gradient.
    pub natural: NaturalState<T>,
    /// Whether there is a step before.
    conjugate: bool,
}

/// A step under way, beside its vectors.
#[derive(Clone, Copy, Debug)]
pub struct NaturalCgStep<T, C> {
    natural: NaturalStep<T, C>,
    /// Whether d may take part.
    conjugate: bool,
    stage: Stage<T>,
    /// rᵀMr, rᵀMd and dᵀMd in the metric M = F + λD + l₂I.
    gram: [T; 3],
    /// (a, b).
    point: [T; 2],
}

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
enum Stage<T> {
    /// A slice of natural gradient.
    Natural,
    /// The Gram matrix over the gradient batch, part by part.
    Gram(usize),
    /// What the damping adds to it: the rows of r and of d.
    DampDirection,
    DampPrevious,
    /// θ + a r + b d, and the loss there.
    Place(Simplex<T>),
    Search(Simplex<T>, LossPass<T>),
    /// s = a r + b d.
    Combine,
}

/// det ≤ this · A₁₁A₂₂ means that r and d are parallel.
const PARALLEL: f64 = 1e-6;

impl<T, J, S, P, D> NaturalCg<T, J, S, P, D>
where
    T: Scalar,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
{
    /// Natural gradient's vectors, and d.
    fn carve(memory: &mut [T], n: usize) -> (&mut [T], &mut [T]) {
        let at = memory.len().saturating_sub(n);
        memory.split_at_mut_checked(at).unwrap_or_default()
    }

    /// The minimum of m over the plane, from the Gram matrix and −g·r, −g·d.
    fn minimum(gram: [T; 3], [along, before]: [T; 2]) -> [T; 2] {
        let [rr, rd, dd] = gram;
        let det = rr * dd - rd * rd;
        if det > T::of(PARALLEL) * rr * dd {
            [
                (along * dd - before * rd) / det,
                (before * rr - along * rd) / det,
            ]
        } else {
            [along / rr, T::ZERO]
        }
    }
}

impl<T, J, S, P, D> sealed::Sealed for NaturalCg<T, J, S, P, D> {}
impl<T, J, S, P, D> Guarded for NaturalCg<T, J, S, P, D> {}

impl<T, J, S, P, D> Method<T> for NaturalCg<T, J, S, P, D>
where
    T: Scalar,
    J: Conjugation,
    S: Solver<T>,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
{
    const STORAGE: Storage =
        <NaturalGradient<T, S, P, D> as Method<T>>::STORAGE.and(Storage::vectors(1));

    const STACK: usize = 4224;

    const SLICE: Slice =
        <NaturalGradient<T, S, P, D> as Method<T>>::SLICE.with_vectors(D::MACS + 2);

    const FINISH: usize = <NaturalGradient<T, S, P, D> as Method<T>>::FINISH + 1;

    type State = NaturalCgState<T>;

    type Step = NaturalCgStep<T, S::State>;

    fn check(&self) -> Result<(), Error> {
        if self.natural.damping.metric.structure(T::ONE) > T::ZERO {
            return Err(Error::Setting(
                "natural conjugate gradient has no structural damping",
            ));
        }
        self.conjugation.check()?;
        self.natural.check()
    }

    fn start(&self) -> NaturalCgState<T> {
        NaturalCgState {
            natural: self.natural.start(),
            conjugate: false,
        }
    }

    fn begin(&self, state: &NaturalCgState<T>) -> Self::Step {
        let due = state.natural.steps.checked_rem(self.restart) == Some(0);
        NaturalCgStep {
            natural: self.natural.begin(&state.natural),
            conjugate: state.conjugate && !due,
            stage: Stage::Natural,
            gram: [T::ZERO; 3],
            point: [T::ONE, T::ZERO],
        }
    }

    fn advance<const TILE: usize>(
        &self,
        step: &mut Self::Step,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let (model, params, batch, l2) = (frame.model, frame.params, frame.batch, frame.l2);
        let n = model.trained_params();
        let (memory, previous) = Self::carve(core::mem::take(&mut frame.vectors), n);
        let natural = &mut step.natural;

        if let Stage::Natural = step.stage {
            frame.vectors = memory;
            let progress = self.natural.advance::<TILE>(natural, frame)?;
            if natural.awaits_length() && natural.direction == Direction::Iterate {
                // The first attempt has failed along s: the next one goes along r.
                step.conjugate &= natural.attempts == 1;
                step.gram = [T::ZERO; 3];
                step.stage = Stage::Gram(0);
            }
            return Ok(progress);
        }

        let total = natural.opened.gradient.total;
        let vectors = NaturalGradient::<T, S, P, D>::carve(memory, n);
        let metric = &self.natural.damping.metric;
        let damping = {
            let diagonals = Diagonals {
                fisher: vectors.fisher,
                fisher_mean: natural.fisher_mean,
                squares: vectors.squares,
            };
            let form = metric.form(natural.damping, l2.strength, natural.fisher_mean);
            D::operator(n, diagonals, form)
        };
        let (r, [trial, combined]) = S::iterate(&natural.solver, vectors.solver, n, natural.chosen);
        match &mut step.stage {
            Stage::Natural => {}
            Stage::Gram(part) => {
                let kept = Kept::nothing();
                let examples = Examples::new(*model, params, frame.scratch, *batch, total, kept);
                let mut fisher = Fisher::<T, TILE>::over(examples);
                fisher.add_gram_part(*part, r, previous, &mut step.gram);
                natural.opened.spend(fisher.macs(Pass::Product));
                *part = part.saturating_add(1);
                if *part >= fisher.parts() {
                    step.stage = Stage::DampDirection;
                }
            }
            Stage::DampDirection => {
                let mut damping = damping;
                let [rr, rd, _] = &mut step.gram;
                *rr += damping.apply(r, trial);
                *rd += kernels::dot(trial, previous);
                step.stage = Stage::DampPrevious;
            }
            Stage::DampPrevious => {
                let mut damping = damping;
                let [.., dd] = &mut step.gram;
                *dd += damping.apply(previous, trial);
                if !step.conjugate {
                    *dd = T::ZERO;
                }
                let sides = [
                    kernels::dot(vectors.rhs, r),
                    kernels::dot(vectors.rhs, previous),
                ];
                step.point = Self::minimum(step.gram, sides);
                let simplex = Simplex::new(step.point, self.conjugation.evaluations());
                step.stage = if self.conjugation.evaluations() > 0 && step.conjugate {
                    Stage::Place(simplex)
                } else {
                    Stage::Combine
                };
            }
            Stage::Place(simplex) => {
                let [a, b] = simplex.ask();
                let plane = r.iter().zip(previous.iter());
                for ((t, &p), (&r, &d)) in trial.iter_mut().zip(params.trained).zip(plane) {
                    *t = p + (a * r + b * d);
                }
                step.stage = Stage::Search(*simplex, LossPass::new());
            }
            Stage::Search(simplex, pass) => {
                let macs = &mut natural.opened.macs;
                if pass.advance::<TILE>(model, params.at(trial), frame.scratch, batch, total, macs)
                {
                    simplex.tell(pass.loss + l2.value(trial));
                    let simplex = *simplex;
                    step.stage = if simplex.is_done() {
                        step.point = simplex.best();
                        Stage::Combine
                    } else {
                        Stage::Place(simplex)
                    };
                }
            }
            Stage::Combine => {
                let [a, b] = step.point;
                let plane = r.iter().zip(previous.iter());
                for (s, (&r, &d)) in combined.iter_mut().zip(plane) {
                    *s = a * r + b * d;
                }
                natural.direction = Direction::Combined;
                step.stage = Stage::Natural;
            }
        }
        Ok(Progress::Working)
    }

    fn finish(
        &self,
        state: &mut NaturalCgState<T>,
        step: &Self::Step,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let n = params.len();
        let (memory, previous) = Self::carve(vectors, n);
        let natural = &step.natural;
        let report = self
            .natural
            .finish(&mut state.natural, natural, params, memory)?;
        if report.outcome == Outcome::Accepted {
            let solver = NaturalGradient::<T, S, P, D>::carve(memory, n).solver;
            let (_, [_, combined]) = S::iterate(&natural.solver, solver, n, natural.chosen);
            for (d, &s) in previous.iter_mut().zip(combined.iter()) {
                *d = natural.rate * s;
            }
            state.conjugate = true;
        }
        Ok(report)
    }

    fn abandon(&self, state: &mut NaturalCgState<T>, step: &Self::Step) {
        self.natural.abandon(&mut state.natural, &step.natural);
    }
}
