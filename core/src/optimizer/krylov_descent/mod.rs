//! A search in a Krylov subspace of the Fisher: see [`KrylovDescent`].

mod step;

use self::step::{DescentStep, Phase, Source};
use super::bfgs::{Bfgs, Next, Search, Variables, Verdict};
use super::objective::{GRADIENT_MACS, GradientPass, LossPass};
use super::opening::{self, Opening, Opens};
use super::{Frame, Guarded, Method, Outcome, Progress, Report, Slice, sealed};
use crate::curvature::{Examples, Fisher, Kept};
use crate::dense::{self, Eigen, Spectrum, block};
use crate::error::Error;
use crate::kernels;
use crate::operator::{Damped, Identity, LinearOperator};
use crate::plan::{Pass, Storage};
use crate::precondition::{DampingForm, Diagonals, Jacobi, Preconditioner};
use crate::scalar::{ROOT_MACS, Scalar};
use crate::workspace::Arena;

/// Krylov subspace descent: BFGS on the loss itself, inside a subspace that the Fisher has chosen and scaled, with `K`
/// Krylov vectors and the preconditioner `P` of the basis.
///
/// ```text
/// V  = orthonormal basis of Pg, PA(Pg), …, K vectors, and of the step before, with A = F + l₂I
/// H  = VᵀAV = QΛQᵀ, no eigenvalue below a share of the largest
/// θ ← θ + V QΛ^(−½) a, with a from BFGS on L(θ + V QΛ^(−½) a), from 0 and a unit Hessian
/// ```
///
/// g is the gradient on the gradient batch, which is also the batch of L, and F is on the metric batch. In a `[K + 1]`
/// the model's curvature is the unit matrix, so that the first point of the search is the minimum of the quadratic
/// model in the subspace, but for the floor; what follows brings in the loss's own curvature. The authors take
/// Cholesky's factor, H = CCᵀ and V C^(−T) a: that is the same but for a rotation of a, which BFGS from the unit matrix
/// does not see. Pascanu & Bengio read the method as natural gradient, whose search along the step before makes it an
/// approximate nonlinear conjugate gradient.
///
/// The loss of the gradient batch never rises: a step that does not lower it ends as [`Outcome::Rejected`], and
/// nothing has changed. A batch that is held out must not get worse either.
///
/// Memory: K + 4 vectors (K Krylov vectors and the step before as a basis, that step itself, a gradient, and
/// an image under A or a trial point), one more for the diagonal of P, and 3(K + 1)² + 6(K + 1)
/// scalars. Cost of a step, per example: a gradient on the batch; on the metric batch K + 1 products, and
/// the diagonal of P, which for [`Martens`](crate::precondition::Martens) is a gradient on the batch instead; a
/// gradient on the batch for each trial point, of which there are seldom more than there are directions. Beside that
/// some 2K² passes over vectors for the basis, and 2K per trial point.
///
/// Reference: Vinyals & Povey 2012; Pascanu & Bengio 2014, section 6.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct KrylovDescent<T, const K: usize, P = Jacobi> {
    /// The preconditioner of the basis.
    pub preconditioner: P,
    /// The share of the largest eigenvalue of H below which none is taken to be, and of the largest
    /// entry that is added to the diagonal of P: in (0, 1].
    pub floor: T,
    /// The search inside the subspace.
    pub search: Search<T>,
}

impl<T: Scalar, const K: usize, P: Default> Default for KrylovDescent<T, K, P> {
    /// A floor of 10⁻⁴; 30 directions.
    fn default() -> Self {
        Self {
            preconditioner: P::default(),
            floor: T::of(1e-4),
            search: Search::default(),
        }
    }
}

/// What outlives a step of [`KrylovDescent`], beside the step itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DescentState {
    /// The steps taken. The first one has none before it, and its basis has only Krylov vectors.
    pub steps: u32,
}

/// The method's memory. D = K + 1 is the most vectors of a basis.
struct Memory<'v, T> {
    /// V `[D × P]`.
    basis: &'v mut [T],
    /// The step before.
    previous: &'v mut [T],
    /// g, and then that of trial points.
    gradient: &'v mut [T],
    /// The image under A of the last vector, and then trial points.
    point: &'v mut [T],
    /// diag(F), or that of the empirical Fisher, if P asks for it.
    fisher: &'v mut [T],
    squares: &'v mut [T],
    /// H, and its eigenvalues.
    work: &'v mut [T],
    /// Λ^(−½)Qᵀ: its transpose takes a to the coefficients of V.
    change: &'v mut [T],
    /// Vᵀ times a gradient.
    projected: &'v mut [T],
    /// What BFGS works with. Until it begins its M holds H: the lower half, in rows of D.
    search: Variables<'v, T>,
}

impl<T, const K: usize, P> sealed::Sealed for KrylovDescent<T, K, P> {}
impl<T, const K: usize, P> Guarded for KrylovDescent<T, K, P> {}

impl<T: Scalar, const K: usize, P: Preconditioner<T>> KrylovDescent<T, K, P> {
    /// The most vectors of a basis.
    const BASIS: usize = {
        assert!(K > 0, "Krylov subspace descent needs a Krylov vector");
        K + 1
    };

    /// The multiply-accumulates of the dearest row of a matrix of that order: five per entry where M is updated, or
    /// two and a root where a row is scaled.
    const ROW_MACS: usize = 5 * Self::BASIS + 4 + ROOT_MACS;

    /// Of a basis with `count` vectors.
    fn carve(memory: &mut [T], n: usize, count: usize) -> Memory<'_, T> {
        let mut arena = Arena::new(memory);
        let basis = arena.take(n.saturating_mul(Self::BASIS));
        let previous = arena.take(n);
        let gradient = arena.take(n);
        let point = arena.take(n);
        let fisher = arena.take(if P::FISHER { n } else { 0 });
        let squares = arena.take(if P::SQUARES { n } else { 0 });
        let area = count.saturating_mul(count);
        let mut square = || arena.take(Self::BASIS.saturating_mul(Self::BASIS));
        let (inverse, work, change) = (square(), square(), square());
        let mut entries = || head(arena.take(Self::BASIS), count);
        Memory {
            basis,
            previous,
            gradient,
            point,
            fisher,
            squares,
            work: head(work, area),
            change: head(change, area),
            projected: entries(),
            search: Variables {
                inverse,
                at: entries(),
                gradient: entries(),
                along: entries(),
                trial: entries(),
                image: entries(),
            },
        }
    }

    /// What is added to a diagonal so that no entry of it is too small to divide by: where it is all but zero, as
    /// of saturated outputs, all entries are alike.
    fn shift(&self, diagonal: &[T], l2: T) -> T {
        let largest = diagonal.iter().fold(T::EPSILON, |most, &d| most.larger(d));
        self.floor * largest + l2
    }

    /// After the search: to its best point, to the held-out batch, or to no point at all.
    fn settle(step: &mut DescentStep<T>, placed: bool) {
        step.phase = if step.bfgs.loss >= step.opened.gradient.loss {
            Phase::Ready(Outcome::Rejected)
        } else if !placed {
            Phase::Return(0)
        } else if step.opened.holds_out() {
            Phase::HeldOut(LossPass::new())
        } else {
            Phase::Ready(Outcome::Accepted)
        };
    }
}

impl<T: Scalar, const K: usize, P: Preconditioner<T>> Opens<T> for KrylovDescent<T, K, P> {
    const FISHER: bool = P::FISHER;
    const SQUARES: bool = P::SQUARES;
}

impl<T: Scalar, const K: usize, P: Preconditioner<T>> Method<T> for KrylovDescent<T, K, P> {
    const STORAGE: Storage = Storage::vectors(K + 4 + P::FISHER as usize + P::SQUARES as usize)
        .with_scalars((3 * Self::BASIS + 6) * Self::BASIS)
        .and(Pass::Product.storage());

    const STACK: usize = 2880;

    const SLICE: Slice = Slice::new(Pass::Product, P::FISHER || P::SQUARES, GRADIENT_MACS)
        .with_vectors(P::MACS + 1)
        .with_scalars(Eigen::rotation_macs(Self::BASIS));

    // Differences, which are looked at and written.
    const FINISH: usize = 3;

    type State = DescentState;

    type Step = DescentStep<T>;

    fn check(&self) -> Result<(), Error> {
        if !(self.floor > T::ZERO && self.floor <= T::ONE) {
            return Err(Error::Setting(
                "the floor of the eigenvalues must be in (0, 1]",
            ));
        }
        self.search.check()
    }

    fn start(&self) -> DescentState {
        DescentState { steps: 0 }
    }

    fn begin(&self, state: &DescentState) -> DescentStep<T> {
        DescentStep::new(state.steps > 0)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of a step, one after the other, are its story"
    )]
    fn advance<const TILE: usize>(
        &self,
        step: &mut DescentStep<T>,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let (model, params, l2) = (frame.model, frame.params, frame.l2);
        let n = model.trained_params();
        let count = step.count;
        let memory = core::mem::take(&mut frame.vectors);
        let Memory {
            basis,
            previous,
            gradient,
            point,
            fisher,
            squares,
            work,
            change,
            projected,
            mut search,
        } = Self::carve(memory, n, count);
        let metric = frame.metric.examples(model, frame.batch);
        let total = step.opened.metric_total;
        let metric_examples = |scratch, memory, tiles| {
            let kept = Kept { memory, tiles };
            Examples::new(*model, params, scratch, metric, total, kept)
        };

        match &mut step.phase {
            Phase::Open(opening) => {
                let vectors = opening::Vectors {
                    gradient,
                    fisher: &mut *fisher,
                    squares: &mut *squares,
                };
                let progress =
                    opening.advance::<Self, TILE>(&mut step.opened, &mut frame, vectors)?;
                if let Opening::Done = opening {
                    let diagonal = if P::SQUARES { squares } else { fisher };
                    step.shift = self.shift(diagonal, l2.strength);
                    step.phase = if step.opened.gradient.norm == T::ZERO {
                        Phase::Ready(Outcome::Stationary)
                    } else {
                        Phase::Vector
                    };
                }
                return Ok(progress);
            }
            Phase::Vector => {
                let vector = dense::row_mut(basis, n, count);
                if step.source == Source::Krylov && count < K {
                    let diagonals = Diagonals {
                        fisher,
                        fisher_mean: T::ONE,
                        squares,
                    };
                    let form = DampingForm {
                        scale: T::ZERO,
                        shift: step.shift,
                    };
                    let image = if count == 0 { gradient } else { point };
                    P::operator(n, diagonals, form).apply(image, vector);
                } else if step.source != Source::Previous && step.warm {
                    step.source = Source::Previous;
                    kernels::copy(previous, vector);
                } else {
                    step.phase = Phase::Slope(0);
                    return Ok(Progress::Working);
                }
                step.length = kernels::dot(vector, vector).root();
                step.phase = if count == 0 {
                    Phase::Normalise
                } else {
                    Phase::Orthogonalise {
                        again: false,
                        against: 0,
                    }
                };
            }
            Phase::Orthogonalise { again, against } => {
                if let Some((before, rest)) = basis.split_at_mut_checked(count.saturating_mul(n)) {
                    let (other, vector) = (dense::row(before, n, *against), head(rest, n));
                    let along = kernels::dot(other, vector);
                    kernels::axpy(-along, other, vector);
                }
                *against = against.saturating_add(1);
                if *against >= count {
                    step.phase = if *again {
                        Phase::Normalise
                    } else {
                        Phase::Orthogonalise {
                            again: true,
                            against: 0,
                        }
                    };
                }
            }
            Phase::Normalise => {
                let vector = dense::row_mut(basis, n, count);
                let length = kernels::dot(vector, vector).root();
                // What is left of a vector inside the span of those before is its rounding.
                let rounding = T::of_count(count.saturating_add(1)) * T::EPSILON * step.length;
                step.phase = if length > rounding && length.is_finite() {
                    kernels::scale(T::ONE / length, vector);
                    step.quad = T::ZERO;
                    Phase::Image(0)
                } else if count == 0 || !length.is_finite() {
                    Phase::Ready(Outcome::Rejected)
                } else {
                    if step.source == Source::Krylov {
                        step.source = Source::Exhausted;
                    }
                    Phase::Vector
                };
            }
            Phase::Image(part) => {
                if *part == 0 {
                    kernels::fill(T::ZERO, point);
                }
                let examples = metric_examples(frame.scratch, frame.spare, step.opened.kept);
                let mut fisher = Fisher::<T, TILE>::over(examples);
                let pull = Identity::scaled(n, l2.strength);
                let mut operator = Damped::new(&mut fisher, pull);
                let vector = dense::row(basis, n, count);
                operator.apply_part(*part, vector, point, &mut step.quad);
                *part = part.saturating_add(1);
                if *part >= operator.parts() {
                    step.phase = Phase::Curvature(0);
                }
                step.opened.kept = fisher.kept();
                step.opened.spend(fisher.macs(Pass::Product));
            }
            Phase::Curvature(column) => {
                let column = *column;
                // That with itself is a sum of squares.
                let entry = if column == count {
                    step.quad
                } else {
                    kernels::dot(point, dense::row(basis, n, column))
                };
                dense::put(search.inverse, Self::BASIS, count, column, entry);
                step.phase = if column == count {
                    step.count = count.saturating_add(1);
                    Phase::Vector
                } else {
                    Phase::Curvature(column.saturating_add(1))
                };
            }
            Phase::Slope(row) => {
                if project(gradient, basis, row, projected) >= count {
                    step.phase = Phase::Gather(0);
                }
            }
            Phase::Gather(first) => {
                let end = block(*first, count, n, count);
                for row in *first..end {
                    for column in 0..row.saturating_add(1) {
                        let entry = dense::at(search.inverse, Self::BASIS, row, column);
                        dense::put(work, count, row, column, entry);
                    }
                }
                step.phase = if end < count {
                    Phase::Gather(end)
                } else {
                    Phase::Spectrum(Eigen::begin(count))
                };
            }
            Phase::Spectrum(eigen) => match eigen.advance(work, change, n) {
                Spectrum::Working => {}
                Spectrum::NonFinite => step.phase = Phase::Ready(Outcome::Rejected),
                // At the limit the curvature is not quite the unit matrix, which the search makes good.
                Spectrum::Converged | Spectrum::Limit => step.phase = Phase::Scale(0),
            },
            Phase::Scale(first) => {
                let end = block(*first, count, n, Self::ROW_MACS);
                let largest = dense::at(work, count, 0, 0);
                for row in *first..end {
                    let eigenvalue = dense::at(work, count, row, row);
                    let floored = eigenvalue.larger(self.floor * largest);
                    // Where F vanishes on all of the subspace it has no scale to give.
                    let scale = if largest > T::ZERO { floored } else { T::ONE };
                    kernels::scale(T::ONE / scale.root(), dense::row_mut(change, count, row));
                    let entry = kernels::dot(dense::row(change, count, row), projected);
                    dense::put(search.gradient, 1, row, 0, entry);
                    dense::unit_row(search.inverse, count, row);
                }
                if end < count {
                    step.phase = Phase::Scale(end);
                } else {
                    step.bfgs = Bfgs::begin(step.opened.gradient.loss, &mut search);
                    step.phase = Phase::Direct(0);
                }
            }
            Phase::Direct(first) => {
                let end = block(*first, count, n, Self::ROW_MACS);
                for row in *first..end {
                    Bfgs::direct(&mut search, row);
                }
                if end < count {
                    step.phase = Phase::Direct(end);
                } else if step.bfgs.aim(&mut search) {
                    step.phase = Phase::Place(0);
                } else {
                    Self::settle(step, true);
                }
            }
            Phase::Place(row) => {
                place(params.trained, change, search.trial, basis, *row, point);
                *row = row.saturating_add(1);
                if *row >= count {
                    kernels::fill(T::ZERO, gradient);
                    step.phase = Phase::Trial(GradientPass::further(step.opened.gradient.total));
                }
            }
            Phase::Trial(pass) => {
                let mut frame = Frame {
                    params: params.at(point),
                    ..frame
                };
                // An overflow there is no failure of the step: the point is too far.
                let overflow = pass.advance::<TILE>(&mut frame, gradient).is_err();
                if !(overflow || pass.is_done()) {
                    return Ok(Progress::Working);
                }
                let loss = if overflow { T::infinity() } else { pass.loss };
                step.opened.spend(pass.macs);
                let Verdict { rate, ratio, next } = step.bfgs.judge(loss, &self.search);
                match next {
                    Next::Update => step.phase = Phase::TrialSlope(0),
                    Next::Nearer => {
                        step.bfgs.place(&mut search);
                        step.phase = Phase::Place(0);
                    }
                    Next::End => Self::settle(step, true),
                    Next::Stuck => Self::settle(step, false),
                }
                return Ok(Progress::Trial {
                    rate,
                    loss,
                    ratio,
                    damping: T::ZERO,
                    accepted: matches!(next, Next::Update | Next::End),
                });
            }
            Phase::TrialSlope(row) => {
                if project(gradient, basis, row, projected) >= count {
                    step.phase = Phase::Turn(0);
                }
            }
            Phase::Turn(first) => {
                let end = block(*first, count, n, Self::ROW_MACS);
                for row in *first..end {
                    let entry = kernels::dot(dense::row(change, count, row), projected);
                    dense::put(search.trial, 1, row, 0, entry);
                }
                step.phase = if end < count {
                    Phase::Turn(end)
                } else if step.bfgs.travel(&mut search) {
                    Phase::Map(0)
                } else {
                    Phase::Direct(0)
                };
            }
            Phase::Map(first) => {
                let end = block(*first, count, n, Self::ROW_MACS);
                for row in *first..end {
                    Bfgs::map(&mut search, row);
                }
                if end < count {
                    step.phase = Phase::Map(end);
                } else {
                    step.bfgs.weigh(&search);
                    step.phase = Phase::Update(0);
                }
            }
            Phase::Update(first) => {
                let end = block(*first, count, n, Self::ROW_MACS);
                for row in *first..end {
                    step.bfgs.update(&mut search, row);
                }
                step.phase = if end < count {
                    Phase::Update(end)
                } else {
                    Phase::Direct(0)
                };
            }
            Phase::Return(row) => {
                place(params.trained, change, search.at, basis, *row, point);
                *row = row.saturating_add(1);
                if *row >= count {
                    Self::settle(step, true);
                }
            }
            Phase::HeldOut(pass) => {
                if let Some([before, after]) =
                    step.opened.hold_out::<TILE>(pass, &mut frame, point)?
                {
                    step.phase = Phase::Ready(if after <= before {
                        Outcome::Accepted
                    } else {
                        Outcome::Rejected
                    });
                }
            }
            Phase::Ready(_) => return Ok(Progress::Ready),
        }
        Ok(Progress::Working)
    }

    fn finish(
        &self,
        state: &mut DescentState,
        step: &DescentStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let Phase::Ready(outcome) = step.phase else {
            return Err(Error::Unfinished);
        };
        let accepted = outcome == Outcome::Accepted;
        if accepted {
            let Memory {
                previous, point, ..
            } = Self::carve(vectors, params.len(), step.count);
            let mut finite = true;
            for (&p, &t) in params.iter().zip(&*point) {
                finite &= t.is_finite() & (t - p).is_finite();
            }
            if !finite {
                return Err(Error::NonFiniteUpdate);
            }
            for (before, (p, &t)) in previous.iter_mut().zip(params.iter_mut().zip(&*point)) {
                *before = t - *p;
                *p = t;
            }
            state.steps = state.steps.saturating_add(1);
        }
        Ok(Report {
            outcome,
            loss: step.opened.gradient.loss,
            loss_after: accepted.then_some(step.bfgs.loss),
            gradient_norm: step.opened.gradient.norm,
            solve: None,
            macs: step.opened.macs,
        })
    }
}

/// The first `len` elements, or all of them.
fn head<T>(memory: &mut [T], len: usize) -> &mut [T] {
    Arena::new(memory).take(len)
}

/// The slope along row `row` of the basis, into its place; the row after it.
fn project<T: Scalar>(gradient: &[T], basis: &[T], row: &mut usize, projected: &mut [T]) -> usize {
    let slope = kernels::dot(gradient, dense::row(basis, gradient.len(), *row));
    dense::put(projected, 1, *row, 0, slope);
    *row = row.saturating_add(1);
    *row
}

/// One term of point = θ + Σ cᵢvᵢ with c = Aᵀx, A being `change`; the first one starts it. A cᵢ sums in index order.
fn place<T: Scalar>(params: &[T], change: &[T], x: &[T], basis: &[T], row: usize, point: &mut [T]) {
    if row == 0 {
        kernels::copy(params, point);
    }
    let mut coefficient = T::ZERO;
    for (above, &entry) in x.iter().enumerate() {
        coefficient += entry * dense::at(change, x.len(), above, row);
    }
    kernels::axpy(coefficient, dense::row(basis, params.len(), row), point);
}
