//! From the name of a method to the types of the core.

use natgrad::curvature::Curvature;
use natgrad::damping::{
    Damping, DampingMetric, DampingPolicy, Marquardt, Ratio, Structural, Tikhonov,
};
use natgrad::krylov::{Cg, Solver, Stop};
use natgrad::line_search::{Decay, LineSearch, Trust};
use natgrad::optimizer::{
    Acceptance, Adam, Anchor, Conjugation, Full, HessianFree, L2, Local, Method, Momentum, NatSgd,
    NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Report, Sgd, Velocity,
};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Batch, Metric, Model, Pass, Room, Scalar, Trainer};

use super::refused;
use crate::error::Error;
use crate::memory::zeros;

/// A method and its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Natural gradient, and what differs from it in settings alone: natSGD, Hessian-Free, truncated
    /// Newton.
    Natural(Natural),
    /// Natural conjugate gradient: how the natural direction is found, and the step before combined
    /// with it.
    NaturalCg(Natural, Plane),
    /// Plain stochastic gradient descent at a rate.
    Sgd(f64),
    /// With momentum: rate and momentum.
    Momentum(f64, f64),
    /// With Nesterov's momentum: rate and momentum.
    Nesterov(f64, f64),
    /// Adam at a rate.
    Adam(f64),
}

/// The curvature that a step divides the gradient by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvatures {
    /// The Fisher.
    Fisher,
    /// The empirical Fisher.
    Empirical,
    /// The Hessian of the loss.
    Hessian,
}

/// The linear solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solvers {
    /// Conjugate gradients.
    Cg,
    /// The same, with a step back along the iterates that it has kept.
    BacktrackedCg,
}

/// The damping metric D.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metrics {
    /// I.
    Identity,
    /// diag(F) and a little of its mean.
    Diagonal,
    /// I and, with this weight, the metric of the hidden units.
    Structural(f64),
}

/// The preconditioner of the solve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preconditioning {
    /// None.
    None,
    /// diag(F + λD).
    Jacobi,
    /// Martens 2010.
    Martens,
}

/// How natural conjugate gradient chooses a point of its plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// By the quadratic model.
    Local,
    /// By the loss.
    Full,
}

/// The settings of natural gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Natural {
    /// α.
    pub rate: f64,
    /// How α falls.
    pub decay: Decay<f64>,
    /// λ at the start.
    pub damping: f64,
    /// The least λ.
    pub floor: f64,
    /// How λ changes.
    pub policy: DampingPolicy<f64>,
    /// In which metric λ damps.
    pub metric: Metrics,
    /// The curvature.
    pub curvature: Curvatures,
    /// The solver.
    pub solver: Solvers,
    /// The preconditioner.
    pub preconditioner: Preconditioning,
    /// The most iterations of the solver.
    pub iterations: u16,
    /// The relative residual at which the solver stops.
    pub residual: f64,
    /// The relative progress at which it stops.
    pub progress: f64,
    /// The share of the last result that the solver starts from.
    pub warm_start: f64,
    /// Whether a line search shortens the step.
    pub line_search: bool,
    /// The bound on a step at the outputs.
    pub trust: Trust<f64>,
    /// Which trial points are good enough.
    pub acceptance: Acceptance,
    /// How often a failed attempt is followed by another.
    pub retries: u16,
}

impl Natural {
    /// The core's own defaults, damped in `metric`.
    pub fn new(metric: Metrics) -> Self {
        let core = NaturalGradient::<f64>::default();
        Self {
            metric,
            preconditioner: Preconditioning::Jacobi,
            ..Self::of(&core)
        }
    }

    /// Hessian-Free as Martens ran it, from λ = `damping` on, damped in `metric`.
    pub fn hessian_free(damping: f64, metric: Metrics) -> Self {
        Self {
            metric,
            solver: Solvers::BacktrackedCg,
            preconditioner: Preconditioning::Martens,
            ..Self::of(&HessianFree::<f64>::hessian_free(damping))
        }
    }

    /// natSGD as its authors ran it.
    pub fn nat_sgd(solver: Solvers) -> Self {
        Self {
            solver,
            ..Self::of(&NatSgd::<f64, Cg>::nat_sgd())
        }
    }

    /// Truncated Newton.
    pub fn newton() -> Self {
        Self {
            curvature: Curvatures::Hessian,
            ..Self::of(&Newton::<f64>::default())
        }
    }

    /// The numbers of a method of the core, on the Fisher by conjugate gradients without preconditioner,
    /// damped by λI.
    fn of<S, P, D, C>(core: &NaturalGradient<f64, S, P, D, C>) -> Self {
        Self {
            rate: core.rate,
            decay: core.decay,
            damping: core.damping.initial,
            floor: core.damping.floor,
            policy: core.damping.policy,
            metric: Metrics::Identity,
            curvature: Curvatures::Fisher,
            solver: Solvers::Cg,
            preconditioner: Preconditioning::None,
            iterations: core.stop.iterations,
            residual: core.stop.residual,
            progress: core.stop.progress,
            warm_start: core.warm_start,
            line_search: core.line_search != LineSearch::Fixed,
            trust: core.trust,
            acceptance: core.acceptance,
            retries: core.retries,
        }
    }

    /// The same numbers, with types.
    fn method<T, S, P, D, C>(&self, metric: D) -> NaturalGradient<T, S, P, D, C>
    where
        T: Scalar,
        S: Default,
        P: Preconditioner<T>,
        D: DampingMetric<T>,
        C: Curvature<T>,
    {
        let core = NaturalGradient::<T, S, P, D, C>::default();
        NaturalGradient {
            rate: T::of(self.rate),
            decay: decay(self.decay),
            damping: Damping {
                initial: T::of(self.damping),
                floor: T::of(self.floor),
                ceiling: core.damping.ceiling.larger(T::of(self.damping)),
                policy: policy(self.policy),
                metric,
            },
            stop: Stop {
                iterations: self.iterations,
                residual: T::of(self.residual),
                progress: T::of(self.progress),
                ..core.stop
            },
            warm_start: T::of(self.warm_start),
            line_search: if self.line_search {
                LineSearch::backtracking()
            } else {
                LineSearch::Fixed
            },
            trust: Trust {
                kl: T::of(self.trust.kl),
                logit: T::of(self.trust.logit),
            },
            acceptance: self.acceptance,
            retries: self.retries,
            ..core
        }
    }
}

fn decay<T: Scalar>(decay: Decay<f64>) -> Decay<T> {
    match decay {
        Decay::Constant => Decay::Constant,
        Decay::Geometric {
            start,
            every,
            factor,
        } => Decay::Geometric {
            start,
            every,
            factor: T::of(factor),
        },
        Decay::Harmonic { start, scale } => Decay::Harmonic { start, scale },
    }
}

fn policy<T: Scalar>(policy: DampingPolicy<f64>) -> DampingPolicy<T> {
    match policy {
        DampingPolicy::Constant => DampingPolicy::Constant,
        DampingPolicy::LevenbergMarquardt {
            ratio,
            low,
            high,
            raise,
            lower,
        } => DampingPolicy::LevenbergMarquardt {
            ratio,
            low: T::of(low),
            high: T::of(high),
            raise: T::of(raise),
            lower: T::of(lower),
        },
        DampingPolicy::Effort {
            few,
            many,
            raise,
            lower,
        } => DampingPolicy::Effort {
            few,
            many,
            raise: T::of(raise),
            lower: T::of(lower),
        },
        DampingPolicy::Schedule {
            start,
            every,
            factor,
        } => DampingPolicy::Schedule {
            start,
            every,
            factor: T::of(factor),
        },
    }
}

/// The policies that the command line names, with the constants of the papers.
pub fn named_policy(word: &str) -> Option<DampingPolicy<f64>> {
    let marquardt = |ratio| DampingPolicy::LevenbergMarquardt {
        ratio,
        low: 0.25,
        high: 0.75,
        raise: 1.5,
        lower: 2.0 / 3.0,
    };
    match word {
        "constant" => Some(DampingPolicy::Constant),
        "lm" => Some(marquardt(Ratio::Quadratic)),
        "lm-linear" => Some(marquardt(Ratio::Linear)),
        "effort" => Some(DampingPolicy::Effort {
            few: 5,
            many: 30,
            raise: 1.5,
            lower: 2.0 / 3.0,
        }),
        "schedule" => Some(DampingPolicy::Schedule {
            start: 0,
            every: 50,
            factor: 0.5,
        }),
        _ => None,
    }
}

/// A trainer of whatever method.
pub trait Steps<T: Scalar> {
    /// One step.
    ///
    /// # Errors
    /// Those of the core's trainer.
    fn step(
        &mut self,
        batch: Batch<'_, T>,
        metric: Metric<'_, T>,
    ) -> Result<Report<T>, natgrad::Error>;

    /// The mean loss of a batch.
    ///
    /// # Errors
    /// Those of the core's trainer.
    fn loss(&mut self, batch: Batch<'_, T>) -> Result<T, natgrad::Error>;

    /// The means of the targets of some inputs, `[n × dim_out]`.
    ///
    /// # Errors
    /// Those of the core's trainer.
    fn predict(&mut self, inputs: &[T], out: &mut [T]) -> Result<(), natgrad::Error>;

    /// The parameters.
    fn params(&self) -> &[T];
}

impl<T: Scalar, M: Method<T>, const TILE: usize> Steps<T> for Trainer<'_, T, M, TILE> {
    fn step(
        &mut self,
        batch: Batch<'_, T>,
        metric: Metric<'_, T>,
    ) -> Result<Report<T>, natgrad::Error> {
        Trainer::step(self, batch, metric)
    }

    fn loss(&mut self, batch: Batch<'_, T>) -> Result<T, natgrad::Error> {
        Trainer::loss(self, batch)
    }

    fn predict(&mut self, inputs: &[T], out: &mut [T]) -> Result<(), natgrad::Error> {
        Trainer::predict(self, inputs, out)
    }

    fn params(&self) -> &[T] {
        Trainer::params(self)
    }
}

/// What is done with a method once its types are known.
trait Visit<T: Scalar> {
    type Output;
    fn visit<M: Method<T> + 'static, const TILE: usize>(self, method: M) -> Self::Output;
}

/// From the values of `optimizer` and `tile` to types.
fn dispatch<T: Scalar, V: Visit<T>>(
    optimizer: &Optimizer,
    tile: usize,
    visit: V,
) -> Result<V::Output, Error> {
    match tile {
        1 => dispatch_method::<T, V, 1>(optimizer, visit),
        4 => dispatch_method::<T, V, 4>(optimizer, visit),
        32 => dispatch_method::<T, V, 32>(optimizer, visit),
        _ => Err(Error::option(
            "--tile",
            format!("{tile} is none of 1, 4 and 32"),
        )),
    }
}

fn dispatch_method<T: Scalar, V: Visit<T>, const TILE: usize>(
    optimizer: &Optimizer,
    visit: V,
) -> Result<V::Output, Error> {
    fn sgd<T: Scalar, V: Velocity>(rate: f64, momentum: f64) -> Sgd<T, V> {
        Sgd {
            rate: T::of(rate),
            momentum: T::of(momentum),
            velocity: V::default(),
        }
    }
    Ok(match optimizer {
        Optimizer::Natural(natural) => return dispatch_natural::<T, V, TILE>(natural, visit),
        Optimizer::NaturalCg(natural, Plane::Local) => {
            return dispatch_conjugate::<T, V, Local, TILE>(natural, visit);
        }
        Optimizer::NaturalCg(natural, Plane::Full) => {
            return dispatch_conjugate::<T, V, Full, TILE>(natural, visit);
        }
        Optimizer::Sgd(rate) => visit.visit::<_, TILE>(sgd::<T, Plain>(*rate, 0.0)),
        Optimizer::Momentum(rate, momentum) => {
            visit.visit::<_, TILE>(sgd::<T, Momentum>(*rate, *momentum))
        }
        Optimizer::Nesterov(rate, momentum) => {
            visit.visit::<_, TILE>(sgd::<T, Nesterov>(*rate, *momentum))
        }
        Optimizer::Adam(rate) => visit.visit::<_, TILE>(Adam::new(T::of(*rate))),
    })
}

/// Not every combination of types is compiled: those that the methods of the paper need.
fn dispatch_natural<T: Scalar, V: Visit<T>, const TILE: usize>(
    natural: &Natural,
    visit: V,
) -> Result<V::Output, Error> {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "what stands beside its calls refuses"
    )]
    fn with<T, V, S, P, D, C, const TILE: usize>(
        natural: &Natural,
        metric: D,
        visit: V,
    ) -> Result<V::Output, Error>
    where
        T: Scalar,
        V: Visit<T>,
        S: Solver<T> + Default + 'static,
        P: Preconditioner<T> + 'static,
        D: DampingMetric<T> + 'static,
        C: Curvature<T> + 'static,
    {
        Ok(visit.visit::<_, TILE>(natural.method::<T, S, P, D, C>(metric)))
    }
    fn by_cg<T, V, D, const TILE: usize>(
        natural: &Natural,
        metric: D,
        visit: V,
    ) -> Result<V::Output, Error>
    where
        T: Scalar,
        V: Visit<T>,
        D: DampingMetric<T> + 'static,
    {
        use natgrad::curvature::Natural as Fisher;
        match natural.preconditioner {
            Preconditioning::None => {
                with::<T, V, Cg, Unpreconditioned, D, Fisher, TILE>(natural, metric, visit)
            }
            Preconditioning::Jacobi => {
                with::<T, V, Cg, Jacobi, D, Fisher, TILE>(natural, metric, visit)
            }
            Preconditioning::Martens => {
                with::<T, V, Cg, Martens, D, Fisher, TILE>(natural, metric, visit)
            }
        }
    }
    use natgrad::curvature::{Empirical, Natural as Fisher, Newton as Hessian};
    match (
        natural.curvature,
        natural.solver,
        natural.preconditioner,
        natural.metric,
    ) {
        (Curvatures::Fisher, Solvers::Cg, _, Metrics::Identity) => {
            by_cg::<T, V, Tikhonov, TILE>(natural, Tikhonov, visit)
        }
        (Curvatures::Fisher, Solvers::Cg, _, Metrics::Diagonal) => {
            by_cg::<T, V, Marquardt, TILE>(natural, Marquardt, visit)
        }
        (Curvatures::Fisher, Solvers::Cg, _, Metrics::Structural(weight)) => {
            let weight = T::of(weight);
            by_cg::<T, V, Structural<T>, TILE>(natural, Structural { weight }, visit)
        }
        (
            Curvatures::Fisher,
            Solvers::BacktrackedCg,
            Preconditioning::Martens,
            Metrics::Identity,
        ) => with::<T, V, Cg<KEPT>, Martens, _, Fisher, TILE>(natural, Tikhonov, visit),
        (
            Curvatures::Fisher,
            Solvers::BacktrackedCg,
            Preconditioning::Martens,
            Metrics::Structural(weight),
        ) => {
            let metric = Structural {
                weight: T::of(weight),
            };
            with::<T, V, Cg<KEPT>, Martens, _, Fisher, TILE>(natural, metric, visit)
        }
        (Curvatures::Empirical, Solvers::Cg, Preconditioning::None, Metrics::Identity) => {
            with::<T, V, Cg, Unpreconditioned, _, Empirical, TILE>(natural, Tikhonov, visit)
        }
        (Curvatures::Hessian, Solvers::Cg, Preconditioning::None, Metrics::Identity) => {
            with::<T, V, Cg, Unpreconditioned, _, Hessian, TILE>(natural, Tikhonov, visit)
        }
        _ => Err(Error::option(
            "the method",
            "is not there with that curvature, solver, preconditioner and damping metric together",
        )),
    }
}

/// The iterates that backtracking has behind the last one.
const KEPT: usize = 2;

fn dispatch_conjugate<T, V, J, const TILE: usize>(
    natural: &Natural,
    visit: V,
) -> Result<V::Output, Error>
where
    T: Scalar,
    V: Visit<T>,
    J: Conjugation + 'static,
{
    fn with<T: Scalar, J: Conjugation, P: Preconditioner<T>, D: DampingMetric<T>>(
        natural: &Natural,
        metric: D,
    ) -> NaturalCg<T, J, Cg, P, D> {
        NaturalCg {
            natural: natural.method(metric),
            ..NaturalCg::default()
        }
    }
    Ok(match (natural.preconditioner, natural.metric) {
        (Preconditioning::None, Metrics::Identity) => {
            visit.visit::<_, TILE>(with::<T, J, Unpreconditioned, _>(natural, Tikhonov))
        }
        (Preconditioning::Jacobi, Metrics::Identity) => {
            visit.visit::<_, TILE>(with::<T, J, Jacobi, _>(natural, Tikhonov))
        }
        (Preconditioning::Jacobi, Metrics::Diagonal) => {
            visit.visit::<_, TILE>(with::<T, J, Jacobi, _>(natural, Marquardt))
        }
        _ => {
            return Err(Error::option(
                "the method",
                "is not there with that preconditioner and damping metric together",
            ));
        }
    })
}

/// Makes a trainer, and the workspace that it lives in.
struct Make<'a, T> {
    model: Model<'a>,
    params: &'a mut [T],
    workspace: &'a mut Vec<T>,
    l2: f64,
    data: &'a str,
}

impl<'a, T: Scalar> Visit<T> for Make<'a, T> {
    type Output = Result<Box<dyn Steps<T> + 'a>, Error>;

    fn visit<M: Method<T> + 'static, const TILE: usize>(self, method: M) -> Self::Output {
        let len = Trainer::<T, M, TILE>::workspace_len(&self.model, Room::NONE);
        *self.workspace = zeros(len)?;
        let refused = |error| refused(self.data, error);
        let mut trainer =
            Trainer::<T, M, TILE>::new(self.model, self.params, self.workspace, method)
                .map_err(refused)?;
        trainer
            .regularise(L2 {
                strength: T::of(self.l2),
                anchor: Anchor::Zero,
            })
            .map_err(refused)?;
        Ok(Box::new(trainer))
    }
}

/// A trainer of `optimizer` with an L2 term of strength `l2`, whose refusals speak of `data`.
///
/// # Errors
/// [`Error::Option`], when a setting is refused.
pub fn trainer<'a, T: Scalar>(
    model: Model<'a>,
    params: &'a mut [T],
    workspace: &'a mut Vec<T>,
    (optimizer, tile): (&Optimizer, usize),
    l2: f64,
    data: &'a str,
) -> Result<Box<dyn Steps<T> + 'a>, Error> {
    let make = Make {
        model,
        params,
        workspace,
        l2,
        data,
    };
    dispatch(optimizer, tile, make)?
}

/// What a step of a method costs, known before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Vectors of length P in the workspace.
    pub vectors: usize,
    /// Scalars of the workspace, without room for copied examples.
    pub workspace: usize,
    /// Multiply-accumulates of a step; for natural gradient those of a step that uses all iterations of
    /// its solver and succeeds at the first attempt.
    pub macs: u64,
}

/// Counts the memory of a method.
struct Measure<'a>(Model<'a>);

impl<T: Scalar> Visit<T> for Measure<'_> {
    type Output = Footprint;

    fn visit<M: Method<T> + 'static, const TILE: usize>(self, _: M) -> Footprint {
        Footprint {
            vectors: M::STORAGE.vectors,
            workspace: Trainer::<T, M, TILE>::workspace_len(&self.0, Room::NONE),
            macs: 0,
        }
    }
}

/// The footprint of `optimizer` on `model`, for a gradient over `batch` and a metric over `metric_batch`
/// examples.
///
/// # Errors
/// [`Error::Option`], when there is no such tile.
pub fn footprint<T: Scalar>(
    model: Model<'_>,
    optimizer: &Optimizer,
    tile: usize,
    batch: usize,
    metric_batch: usize,
) -> Result<Footprint, Error> {
    let mut footprint = dispatch::<T, _>(optimizer, tile, Measure(model))?;
    let over = |pass: Pass, examples: usize| model.macs(pass).saturating_mul(examples as u64);
    footprint.macs = over(Pass::Gradient, batch);
    let (natural, plane) = match optimizer {
        Optimizer::Natural(natural) => (natural, None),
        Optimizer::NaturalCg(natural, plane) => (natural, Some(*plane)),
        _ => return Ok(footprint),
    };
    let (product, length) = match natural.curvature {
        Curvatures::Fisher | Curvatures::Empirical => (Pass::Product, Pass::Jvp),
        Curvatures::Hessian => (Pass::Hessian, Pass::Hessian),
    };
    let mut add = |macs: u64| footprint.macs = footprint.macs.saturating_add(macs);
    add(over(product, metric_batch).saturating_mul(u64::from(natural.iterations)));
    add(over(length, metric_batch));
    add(over(Pass::Loss, batch));
    if natural.metric == Metrics::Diagonal || natural.preconditioner == Preconditioning::Jacobi {
        let columns = model.dim_out() as u64;
        add(over(Pass::Vjp, metric_batch).saturating_mul(columns));
    }
    if natural.preconditioner == Preconditioning::Martens {
        add(over(Pass::Gradient, batch));
    }
    if plane.is_some() {
        add(over(Pass::Product, batch));
    }
    if plane == Some(Plane::Full) {
        let evaluations = u64::from(Full::default().evaluations);
        add(over(Pass::Loss, batch).saturating_mul(evaluations));
    }
    Ok(footprint)
}
