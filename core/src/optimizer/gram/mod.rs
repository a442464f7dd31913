//! Natural gradient solved in output space: see [`Gram`].
//!
//! Order of summation: a Gram entry adds layer after layer, and its inner products run in index order; sums over rows
//! or over examples run in their order.

mod inverse;
mod metric;
mod step;
mod system;
mod verdict;

pub use self::inverse::{Inverse, PushThrough, RightHandSide, Woodbury};
pub use self::metric::{DualMetric, Kronecker};

use self::step::{GramStep, Phase, Purpose};
use self::system::{RowVector, System};
use super::objective::{GRADIENT_MACS, GradientPass, Inspection, LossPass};
use super::slice::larger;
use super::{
    Frame, L2, Method, Momentum, Outcome, Progress, Report, Slice, SolveReport, Velocity, sealed,
};
use crate::damping::{Damping, DampingPolicy, Ratio};
use crate::data::{Batch, Labels, Metric};
use crate::dense::Pivot;
use crate::error::Error;
use crate::kernels;
use crate::krylov::Status;
use crate::line_search::Trust;
use crate::mlp::{Tile, tiles};
use crate::plan::{DualStorage, Model, Pass, Storage, Weights};
use crate::scalar::Scalar;
use crate::workspace::{Arena, ShapeError};

/// The exact damped natural-gradient step, by the Gram matrix of at most `B` examples.
///
/// ```text
/// H = QQᵀ, A = QᵀJ [n × P], n = BK rows                shares wᵦ/Σw inside Q and s
/// d = μd₋ + e, e minimises g·d + ½dᵀFd + ½λ|e|²_D      F = AᵀA, D = I or in product form
///
/// push-through, g = Aᵀs with Qs = p − t                Woodbury, any g, D = I with an L2 term l₂
/// (λI + AD⁻¹Aᵀ) y = s + Aμd₋                           (λI + AD⁻¹Aᵀ) y = AD⁻¹h, λ with l₂ in it
/// e = −D⁻¹Aᵀy                                          h = g + l₂μd₋ + AᵀAμd₋
/// Ad = λy − s                                          e = −D⁻¹(h − Aᵀy)/λ, Ad = Aμd₋ − y
/// g·d + ½dᵀFd = s·Ad + ½|Ad|² = ½(λ²|y|² − |s|²)       g·d + ½|Ad|² + ½l₂|d|²
/// ```
///
/// One system of n unknowns in the place of one of P, and no iteration: with few outputs and small batches it
/// costs little more than a gradient. The Gram matrix comes from backpropagated columns of Q and what goes into the
/// layers, Σₗ (1 + aₗ·aₗ′)(δₗ·δₗ′): J is never formed. The metric D, a Kronecker product per layer, leaves those
/// products as they are, of what was divided by its roots once. What is kept for them gives Aᵀy and Av too, layer by
/// layer: a step passes through the network twice, once for its columns and once for its loss, and where logits can
/// saturate once more, to see how far they go.
///
/// λ is relative: to the mean of the diagonal of AD⁻¹Aᵀ over examples and outputs, so that it is free of the scale
/// of the data. μd₋ is what the last step did (SPRING); where the model promises nothing with it, or the loss rises, it
/// is dropped before λ is touched.
///
/// The types: the damping metric `D` ([`Kronecker`], or [`Tikhonov`](crate::damping::Tikhonov) for D = I), a memory `V`
/// of the last step or none ([`Momentum`], [`Plain`](super::Plain)), and the identity `I` of the inverse. By
/// [`PushThrough`] the metric is that of the gradient batch, of at most `B` examples, and there is no L2 term; the
/// report's `gradient_norm` is |s|, since no gradient is computed, s with no residual divided by less than e⁻⁴⁰. By
/// [`Woodbury`] the metric is over at most `B` examples, and the gradient over any others.
///
/// The loss stops falling once the batch has nothing more to tell; larger batches get further. For the last digits let
/// it grow with the steps, up to `B`: in the comparison of the project's README 16 examples, and 0.2 % more with every
/// step. [`Batch::leading`] takes as many of a larger one; of the batch of a [`Ring`](crate::data::Ring) those are its
/// first slots, which are neither the oldest nor the newest samples.
///
/// λ and the verdict on a step follow the batch alone. Where examples contradict each other, a small batch is fitted to
/// its noise: every step does what its model promises, λ falls to its floor, and the loss of all examples wanders. There
/// hold λ, [`DampingPolicy::Constant`] with an `initial` of 1 to 10, or take a batch of more examples than the network
/// can fit.
///
/// ```
/// use natgrad::damping::Tikhonov;
/// use natgrad::optimizer::{Gram, Kronecker, Momentum, Plain, Woodbury};
///
/// type Exact = Gram<f32, 16>; // Kronecker, Momentum, PushThrough
/// type Identity = Gram<f32, 16, Tikhonov, Plain>;
/// type Unlabelled = Gram<f32, 32, Kronecker, Momentum, Woodbury>;
/// let method = Exact { momentum: 0.8, ..Default::default() };
/// # let _ = (method, Identity::default(), Unlabelled::default());
/// ```
///
/// Cost of a step, with K outputs and n = BK: per example a forward pass and K backward passes to the first trained
/// layer, as many multiplications as there are trained weights for the direction and again for the memory, with K for
/// each unit, a `Jv` for a likelihood whose logits are bounded, and a loss; B²/2 times the inputs of all trained layers
/// plus n²/2 times their units; n³/6. A further attempt costs the direction, the loss and the last two again. By
/// Woodbury's identity also a gradient of the batch, and the direction once more, with the memory twice.
/// [`Model::step_costs`] has the sum.
///
/// Memory: a vector, one more for the last step, one more for a gradient, and [`DualStorage`].
///
/// Reference: Ren & Goldfarb 2019; Cai et al. 2019; Chen & Heyl 2023 (MinSR); Goldshlager, Abrahamsen & Lin 2024
/// (SPRING).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gram<T, const B: usize, D = Kronecker, V = Momentum, I = PushThrough> {
    /// λ, relative to the mean diagonal of the Gram matrix over examples and outputs.
    pub damping: Damping<T, D>,
    /// μ, in [0, 1); [`Plain`](super::Plain) does not look at it.
    pub momentum: T,
    /// How much of the factors of D a step keeps, in [0, 1).
    pub smoothing: T,
    /// The bound on a step at the outputs.
    pub trust: Trust<T>,
    /// How often a failed attempt is followed by another, with λ × [`Gram::retry_raise`].
    pub retries: u16,
    /// The factor on λ after a failed attempt, above 1.
    pub retry_raise: T,
    /// Whether the last step is remembered.
    pub memory: V,
    /// How the inverse is taken.
    pub inverse: I,
}

impl<T: Scalar, const B: usize, D: DualMetric, V: Default, I: Inverse> Default
    for Gram<T, B, D, V, I>
{
    /// λ = 0.01 between [`Inverse::FLOOR`] and 10⁴, × 1.6 below a ratio of ¼ and × 0.8 above ¾; μ = ½; half of the
    /// factors is kept; a step of at most ¼ nat per example, in which no logit changes by more than 8; 8 further
    /// attempts with λ × 4.
    ///
    /// The floors are where `f32` ends. Over random networks of up to 10 outputs and 32 examples, in either metric, d
    /// is off by so much of its length in the norm of F + λD (median, worst), and the model falls by 1 less the square
    /// of that, of what it could: at the floor by 0.9998 in the worst case, with wrong logits of up to 60 by 0.96.
    ///
    /// | λ | inputs of order 1, or collinear | raw ones, of scales 10⁻² to 10² | 320 unknowns | wrong logits of up to 60 | order 1, by Woodbury |
    /// |---|---|---|---|---|---|
    /// | 10⁻³ | 10⁻⁵, 5 · 10⁻⁵ | 3 · 10⁻⁵, 3 · 10⁻⁴ | 2 · 10⁻⁵, 5 · 10⁻⁵ | 10⁻⁵, 10⁻³ | 5 · 10⁻⁵, 2 · 10⁻⁴ |
    /// | 10⁻⁵ | 4 · 10⁻⁴, 2 · 10⁻³ | 2 · 10⁻³, 7 · 10⁻³ | 10⁻³, 3 · 10⁻³ | 10⁻⁴, breakdown | 5 · 10⁻³, 2 · 10⁻² |
    /// | 10⁻⁶ | 2 · 10⁻³, 2 · 10⁻² | 2 · 10⁻², 10⁻¹ | 9 · 10⁻³, breakdown | 4 · 10⁻³, breakdown | 5 · 10⁻², 2 · 10⁻¹ |
    /// | 10⁻⁷ | 2 · 10⁻², breakdown | breakdown | breakdown | breakdown | 8 · 10⁻¹, 2 |
    ///
    /// A quarter to a third of it is of the activations and seeds, which nothing after them can mend; most of the
    /// rest is of the factor. A step of refinement gains nothing in `f32`, and with residuals in `f64` a factor
    /// of two.
    fn default() -> Self {
        Self {
            damping: Damping {
                initial: T::of(0.01),
                floor: T::of(I::FLOOR),
                ceiling: T::of(1e4),
                policy: DampingPolicy::LevenbergMarquardt {
                    ratio: Ratio::Quadratic,
                    low: T::of(0.25),
                    high: T::of(0.75),
                    raise: T::of(1.6),
                    lower: T::of(0.8),
                },
                metric: D::default(),
            },
            momentum: T::HALF,
            smoothing: T::HALF,
            trust: Trust {
                kl: T::of(0.25),
                ..Trust::default()
            },
            retries: 8,
            retry_raise: T::of(4.0),
            memory: V::default(),
            inverse: I::default(),
        }
    }
}

/// What outlives a step of [`Gram`], beside its vectors and the factors of D.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GramState<T> {
    /// λ of the next step, relative.
    pub damping: T,
    /// The steps taken, modulo 2³².
    pub steps: u32,
}

/// The method's memory.
struct Memory<'v, T> {
    /// Aᵀy or h − Aᵀy, d, and θ + αd.
    direction: &'v mut [T],
    /// d₋.
    last: &'v mut [T],
    /// g, where the system is solved for one.
    gradient: &'v mut [T],
    system: &'v mut [T],
}

impl<T: Scalar, const B: usize, D: DualMetric, V: Velocity, I: Inverse> Gram<T, B, D, V, I> {
    const DUAL: DualStorage = {
        assert!(B > 0, "a batch has an example");
        DualStorage {
            examples: B,
            factors: D::FACTORS,
        }
    };

    const GRADIENTS: usize = match I::RIGHT_HAND_SIDE {
        RightHandSide::Residuals => 0,
        RightHandSide::Gradient => 1,
    };

    fn carve(memory: &mut [T], n: usize) -> Memory<'_, T> {
        let mut arena = Arena::new(memory);
        Memory {
            direction: arena.take(n),
            last: arena.take(n.saturating_mul(V::VECTORS)),
            gradient: arena.take(n.saturating_mul(Self::GRADIENTS)),
            system: arena.rest(),
        }
    }
}

impl<T, const B: usize, D, V, I> sealed::Sealed for Gram<T, B, D, V, I> {}

impl<T: Scalar, const B: usize, D: DualMetric, V: Velocity, I: Inverse> Method<T>
    for Gram<T, B, D, V, I>
{
    const STORAGE: Storage = Storage::vectors(1 + V::VECTORS + Self::GRADIENTS)
        .with_dual(Self::DUAL)
        .and(Pass::Product.storage());

    const STACK: usize = 1984;

    // Of d: its factor and μ, and with factors one root more; there is no L2 term then.
    const SLICE: Slice = Slice::new(
        Pass::Gradient,
        false,
        if D::FACTORS > 0 {
            3
        } else {
            larger(2, GRADIENT_MACS * Self::GRADIENTS)
        },
    )
    .with_dual(
        Self::DUAL,
        match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals => 3,
            RightHandSide::Gradient => 1,
        },
    );

    // A look, and d₋.
    const FINISH: usize = 3;

    type State = GramState<T>;

    type Step = GramStep<T>;

    fn check(&self) -> Result<(), Error> {
        self.damping.check_policy()?;
        if let DampingPolicy::Effort { .. } = self.damping.policy {
            return Err(Error::Setting(
                "a system in output space has no iterations that its damping could follow",
            ));
        }
        self.trust.check()?;
        let share = |x: T| x >= T::ZERO && x < T::ONE;
        if !(share(self.momentum) && share(self.smoothing)) {
            return Err(Error::Setting("momentum and smoothing must be in [0, 1)"));
        }
        if !(self.retry_raise > T::ONE && self.retry_raise.is_finite()) {
            return Err(Error::Setting(
                "the raise of a further attempt must be above 1",
            ));
        }
        Ok(())
    }

    fn admit(
        &self,
        model: &Model<'_>,
        batch: &Batch<'_, T>,
        metric: &Metric<'_, T>,
        l2: &L2<'_, T>,
    ) -> Result<(), Error> {
        let regularised = l2.strength > T::ZERO;
        match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals if regularised || !matches!(metric, Metric::Same) => {
                return Err(Error::Setting(
                    "by the push-through identity the metric is that of the batch, without an L2 term: take Woodbury",
                ));
            }
            RightHandSide::Gradient if regularised && D::FACTORS > 0 => {
                return Err(Error::Setting(
                    "with an L2 term a system in output space is damped by λI: take Tikhonov",
                ));
            }
            RightHandSide::Residuals | RightHandSide::Gradient => {}
        }
        let found = metric.examples(model, batch).len(model);
        if found > B {
            return Err(Error::Shape(ShapeError {
                what: "the examples of a system in output space, at most B",
                expected: B,
                found,
            }));
        }
        Ok(())
    }

    fn start(&self) -> GramState<T> {
        GramState {
            damping: self.damping.initial,
            steps: 0,
        }
    }

    fn begin(&self, state: &GramState<T>) -> GramStep<T> {
        let phase = match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals => Phase::Inspect(Inspection::new()),
            RightHandSide::Gradient => Phase::Gradient(GradientPass::new()),
        };
        let carries = V::VECTORS > 0 && state.steps > 0 && self.momentum > T::ZERO;
        let damping = self.damping.clamp(state.damping);
        GramStep::new(phase, GramState { damping, ..*state }, carries)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of a step, one after the other, are its story"
    )]
    fn advance<const TILE: usize>(
        &self,
        step: &mut GramStep<T>,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let (model, params, l2) = (frame.model, frame.params, frame.l2);
        let batch = frame.batch;
        let n = model.trained_params();
        let Memory {
            direction,
            last,
            gradient,
            system,
        } = Self::carve(core::mem::take(&mut frame.vectors), n);
        let mut system = System::carve(model, Self::DUAL, step.state.steps, system);
        let metric = frame.metric.examples(model, batch);
        let examples = metric.len(model);
        let order = examples.saturating_mul(model.dim_out());
        let further = |index: usize| {
            let next = index.saturating_add(1);
            (next < tiles::<TILE>(examples)).then_some(next)
        };

        match &mut step.phase {
            Phase::Gradient(pass) => {
                let progress = pass.advance::<TILE>(&mut frame, gradient)?;
                if pass.is_done() {
                    (step.total, step.loss, step.norm) = (pass.total, pass.loss, pass.norm);
                    step.macs = pass.macs;
                    step.phase = if step.norm == T::ZERO {
                        Phase::Ready(Outcome::Stationary)
                    } else {
                        Phase::Inspect(Inspection::new())
                    };
                }
                return Ok(progress);
            }
            Phase::Inspect(inspection) => {
                let labels = match I::RIGHT_HAND_SIDE {
                    RightHandSide::Residuals => Labels::Needed,
                    RightHandSide::Gradient => Labels::Unused,
                };
                if inspection.advance::<TILE>(model, &metric, labels)? {
                    step.metric_total = inspection.total;
                    step.phase = Phase::Columns(0, 0);
                }
            }
            Phase::Columns(index, column) => {
                let (index, column) = (*index, *column);
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Gradient, frame.scratch);
                let Weights { all, behind, .. } = model.weights();
                let macs = if column == 0 {
                    tile.load(model, &metric, index, step.metric_total);
                    tile.forward(model, params);
                    step.loaded = step.loaded.saturating_add(tile.lanes());
                    if I::RIGHT_HAND_SIDE == RightHandSide::Residuals {
                        tile.add_loss(model, &mut step.loss);
                        system.keep_residuals(&tile, index);
                    }
                    system.keep_inputs(&mut tile, index);
                    all.saturating_add(behind)
                } else {
                    system.restore_with_logits(&mut tile, &metric, index, step.metric_total);
                    behind
                };
                tile.seed_root(model, column);
                step.spend_each(macs, tile.lanes());
                system.keep_seeds(tile, params, index, column);
                let next = column.saturating_add(1);
                if next < model.dim_out() {
                    step.phase = Phase::Columns(index, next);
                } else if let Some(next) = further(index) {
                    step.phase = Phase::Columns(next, 0);
                } else {
                    step.phase = if step.carries {
                        Phase::Carry(0)
                    } else {
                        Phase::Factors(0)
                    };
                    if I::RIGHT_HAND_SIDE == RightHandSide::Residuals {
                        return Self::seen(step, &system, order);
                    }
                }
            }
            Phase::Carry(index) => {
                let index = *index;
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Product, frame.scratch);
                system.restore(&mut tile, &metric, index, step.metric_total);
                step.spend_each(model.row_macs(), tile.lanes());
                system.carry::<TILE>(&mut tile, index, last, self.momentum);
                step.phase = further(index).map_or(Phase::Factors(0), Phase::Carry);
            }
            Phase::Factors(first) => {
                let smoothing = if step.state.steps > 0 {
                    self.smoothing
                } else {
                    T::ZERO
                };
                let first = *first;
                let room = Self::SLICE.pieces(model, TILE);
                let end = system.update_factors(first, examples, step.loaded, smoothing, room);
                step.spend(system.factor_macs(first..end, examples));
                let fresh = system.factors.get(first..end).unwrap_or(&[]);
                step.phase = if !kernels::all_finite(fresh) {
                    // Kept, it would hold its weights for good; and no λ makes it finite.
                    step.solve.status = Status::NonFinite;
                    Phase::Ready(Outcome::Rejected)
                } else if end < system.factors.len() {
                    Phase::Factors(end)
                } else if D::FACTORS > 0 {
                    Phase::Roots(0)
                } else {
                    Phase::Pair(0, 0)
                };
            }
            Phase::Roots(side) => {
                step.phase = if system.take_roots(*side) {
                    Phase::Roots(side.saturating_add(1))
                } else {
                    Phase::Divide(0)
                };
            }
            Phase::Divide(first) => {
                let rows = examples.saturating_add(order);
                let room = Self::SLICE.pieces(model, TILE);
                let end = system.divide_by_roots(*first, examples, room);
                step.phase = if end < rows {
                    Phase::Divide(end)
                } else {
                    Phase::Pair(0, 0)
                };
            }
            Phase::Pair(example, other) => {
                let room = Self::SLICE.pieces(model, TILE) as u64;
                let (next, spent) = system.form((*example, *other), examples, room);
                step.spend(spent);
                step.phase = if next.0 < examples {
                    Phase::Pair(next.0, next.1)
                } else {
                    // ε above 0: a network that no parameter moves has a Gram matrix of zeros.
                    let unit = system.mean_diagonal(order).larger(T::EPSILON);
                    step.absolute = step.damping * unit + l2.strength;
                    Phase::Factor(0, 0)
                };
            }
            Phase::Factor(row, column) => {
                let room = Self::SLICE.pieces(model, TILE) as u64;
                let orders = [order, step.loaded];
                let (pivot, next, spent) =
                    system.factorise((*row, *column), orders, step.absolute, room);
                step.spend(spent);
                if pivot == Pivot::NotPositive {
                    step.solve.status = Status::NonPositiveCurvature;
                    step.carries = false;
                    self.fail(step);
                } else if next.0 < order {
                    step.phase = Phase::Factor(next.0, next.1);
                } else {
                    step.phase = Self::right_hand_side();
                }
            }
            Phase::Whitened => {
                let rows = system.solution.iter_mut().zip(&*system.residual);
                for ((y, &s), &t) in rows.zip(&*system.carried) {
                    *y = if step.carries { s + t } else { s };
                }
                step.phase = Phase::Solve(0);
            }
            Phase::DivideGradient(purpose) => {
                let next = match purpose {
                    Purpose::RightHandSide if step.carries => Phase::Gather(0),
                    Purpose::RightHandSide => Phase::Project(0),
                    Purpose::Direction => Phase::Direction(0),
                };
                kernels::copy(gradient, direction);
                if step.carries && l2.strength > T::ZERO {
                    kernels::axpy(l2.strength * self.momentum, last, direction);
                }
                system.divide(direction);
                step.phase = next;
            }
            Phase::Gather(index) => {
                let index = *index;
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Product, frame.scratch);
                system.restore(&mut tile, &metric, index, step.metric_total);
                step.spend_each(model.row_macs(), tile.lanes());
                system.combine::<TILE>(RowVector::Carried, &mut tile, index, direction);
                step.phase = further(index).map_or(Phase::Project(0), Phase::Gather);
            }
            Phase::Project(index) => {
                let index = *index;
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Product, frame.scratch);
                system.restore(&mut tile, &metric, index, step.metric_total);
                step.spend_each(model.row_macs(), tile.lanes());
                system.project::<TILE>(&mut tile, index, direction);
                step.phase = further(index).map_or(Phase::Solve(0), Phase::Project);
            }
            Phase::Solve(first) => {
                let room = Self::SLICE.pieces(model, TILE);
                let (end, spent) = system.solve(*first, order, room);
                step.spend(spent);
                step.phase = if end < order.saturating_mul(2) {
                    Phase::Solve(end)
                } else {
                    Phase::Solved
                };
            }
            Phase::Solved => {
                // Running sums, in row order: rows of zeros, which the tile places, change no bit of them.
                let (mut slope, mut quad) = (T::ZERO, T::ZERO);
                match I::RIGHT_HAND_SIDE {
                    RightHandSide::Residuals => {
                        let rows = system.solution.iter().zip(&*system.residual);
                        for (&y, &s) in rows.take(order) {
                            let change = step.absolute * y - s;
                            slope += s * change;
                            quad += change * change;
                        }
                    }
                    RightHandSide::Gradient => {
                        let rows = system.solution.iter_mut().zip(&*system.carried);
                        for (y, &t) in rows.take(order) {
                            *y = if step.carries { t - *y } else { -*y };
                            quad += *y * *y;
                        }
                    }
                }
                (step.slope, step.quad, step.curved) = (slope, quad, quad);
                let next = match I::RIGHT_HAND_SIDE {
                    RightHandSide::Residuals => Phase::Direction(0),
                    RightHandSide::Gradient => Phase::DivideGradient(Purpose::Direction),
                };
                if Self::promises_by_rows(model) {
                    return Ok(self.promise(step, next));
                }
                step.phase = next;
            }
            Phase::Direction(index) => {
                let index = *index;
                if index == 0 && I::RIGHT_HAND_SIDE == RightHandSide::Residuals {
                    kernels::fill(T::ZERO, direction);
                }
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Product, frame.scratch);
                system.restore(&mut tile, &metric, index, step.metric_total);
                step.spend_each(model.row_macs(), tile.lanes());
                system.combine::<TILE>(RowVector::Solution, &mut tile, index, direction);
                step.phase = further(index).map_or(Phase::Combine, Phase::Direction);
            }
            Phase::Combine => {
                let scale = match I::RIGHT_HAND_SIDE {
                    RightHandSide::Residuals => -T::ONE,
                    RightHandSide::Gradient => -(T::ONE / step.absolute),
                };
                system.divide_back(scale, direction);
                if step.carries {
                    kernels::axpy(self.momentum, last, direction);
                }
                step.phase = match I::RIGHT_HAND_SIDE {
                    RightHandSide::Residuals => Self::measure(model, step),
                    RightHandSide::Gradient => Phase::Slope,
                };
            }
            Phase::Slope => {
                step.slope = kernels::dot(gradient, direction);
                step.curved = l2.strength * kernels::dot(direction, direction);
                let next = Self::measure(model, step);
                if let Phase::Place = next {
                    step.curved += step.quad;
                    return Ok(self.promise(step, next));
                }
                step.phase = next;
            }
            Phase::Reach(index) => {
                let index = *index;
                let mut tile = Tile::<T, TILE>::carve(model, Pass::Product, frame.scratch);
                tile.load(model, &metric, index, step.metric_total);
                tile.forward(model, params);
                tile.forward_tangent(model, params, direction);
                tile.raise_reach(model, &mut step.reach);
                if I::RIGHT_HAND_SIDE == RightHandSide::Residuals {
                    tile.seed_residual(model);
                    tile.add_seeds_along(model, &mut step.slope);
                }
                let form = tile.seed_metric(model);
                tile.add_forms(&form, &mut step.quad);
                let lanes = tile.lanes();
                step.count(model, Pass::Jvp, lanes);
                if let Some(next) = further(index) {
                    step.phase = Phase::Reach(next);
                } else {
                    step.curved += step.quad;
                    return Ok(self.promise(step, Phase::Place));
                }
            }
            Phase::Place => {
                step.rate = self
                    .trust
                    .cap(model.likelihood(), T::ONE, step.quad, step.reach);
                for (d, &p) in direction.iter_mut().zip(params.trained) {
                    *d = p + step.rate * *d;
                }
                step.phase = Phase::Trial(LossPass::new());
            }
            Phase::Trial(pass) => {
                let macs = &mut step.macs;
                let at = params.at(direction);
                if pass.advance::<TILE>(model, at, frame.scratch, batch, step.total, macs) {
                    let loss = pass.loss + l2.value(direction);
                    return Ok(self.judge(step, loss));
                }
            }
            Phase::Ready(_) => return Ok(Progress::Ready),
        }
        Ok(Progress::Working)
    }

    fn finish(
        &self,
        state: &mut GramState<T>,
        step: &GramStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let Phase::Ready(outcome) = step.phase else {
            return Err(Error::Unfinished);
        };
        let Memory {
            direction: trial,
            last,
            ..
        } = Self::carve(vectors, params.len());
        if outcome == Outcome::Accepted {
            let mut finite = true;
            for (&t, &p) in trial.iter().zip(&*params) {
                finite &= t.is_finite() & (t - p).is_finite();
            }
            if !finite {
                return Err(Error::NonFiniteUpdate);
            }
            for ((d, &t), &p) in last.iter_mut().zip(&*trial).zip(&*params) {
                *d = t - p;
            }
            kernels::copy(trial, params);
            state.damping = step.next_damping;
            // Not saturating: the factors change places by its parity. After 2³² steps one has no memory, like the
            // first.
            state.steps = state.steps.wrapping_add(1);
        }
        let solved = outcome != Outcome::Stationary;
        Ok(Report {
            outcome,
            loss: step.loss,
            loss_after: step.trial_loss,
            gradient_norm: step.norm,
            solve: solved.then_some(SolveReport {
                solve: step.solve,
                damping: step.damping,
                attempts: step.attempts,
                rate: step.rate,
                ratio: step.ratio,
                kl: T::HALF * (step.rate * step.rate) * step.quad,
            }),
            macs: step.macs,
        })
    }
}
