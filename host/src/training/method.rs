//! From the name of a method to the types of the core.

use natgrad::damping::{Damping, DampingMetric, DampingPolicy, Marquardt, Ratio, Tikhonov};
use natgrad::krylov::{Cg, Stop};
use natgrad::line_search::LineSearch;
use natgrad::optimizer::{
    Adam, Anchor, L2, Method, Momentum, NaturalGradient, Nesterov, Plain, Report, Sgd, Velocity,
};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Batch, Metric, Model, Pass, Room, Scalar, Trainer};

use super::{Recipe, refused};
use crate::error::Error;
use crate::memory::zeros;

/// A method and its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Natural gradient by conjugate gradients.
    Natural(Natural),
    /// Plain stochastic gradient descent at a rate.
    Sgd(f64),
    /// With momentum: rate and momentum.
    Momentum(f64, f64),
    /// With Nesterov's momentum: rate and momentum.
    Nesterov(f64, f64),
    /// Adam at a rate.
    Adam(f64),
}

/// The damping metric D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// I.
    Identity,
    /// diag(F) and a little of its mean.
    Diagonal,
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

/// The settings of natural gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Natural {
    /// α.
    pub rate: f64,
    /// λ at the start.
    pub damping: f64,
    /// The least λ.
    pub floor: f64,
    /// How λ changes.
    pub policy: DampingPolicy<f64>,
    /// In which metric λ damps.
    pub metric: Metrics,
    /// The preconditioner.
    pub preconditioner: Preconditioning,
    /// The most iterations of the solver.
    pub iterations: u16,
    /// The share of the last result that the solver starts from.
    pub warm_start: f64,
    /// Whether a line search shortens the step.
    pub line_search: bool,
}

impl Natural {
    /// The core's own defaults, damped in `metric`.
    pub fn new(metric: Metrics) -> Self {
        let core = NaturalGradient::<f64>::default();
        Self {
            rate: core.rate,
            damping: core.damping.initial,
            floor: core.damping.floor,
            policy: core.damping.policy,
            metric,
            preconditioner: Preconditioning::Jacobi,
            iterations: core.stop.iterations,
            warm_start: core.warm_start,
            line_search: false,
        }
    }

    fn method<T: Scalar, P: Preconditioner<T>, D: DampingMetric<T>>(
        &self,
    ) -> NaturalGradient<T, Cg, P, D> {
        let core = NaturalGradient::<T, Cg, P, D>::default();
        NaturalGradient {
            rate: T::of(self.rate),
            damping: Damping {
                initial: T::of(self.damping),
                floor: T::of(self.floor),
                ceiling: core.damping.ceiling.larger(T::of(self.damping)),
                policy: policy(self.policy),
                metric: D::default(),
            },
            stop: Stop {
                iterations: self.iterations,
                ..core.stop
            },
            warm_start: T::of(self.warm_start),
            line_search: if self.line_search {
                LineSearch::backtracking()
            } else {
                core.line_search
            },
            ..core
        }
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
pub(super) trait Steps<T: Scalar> {
    /// One step.
    fn step(
        &mut self,
        batch: Batch<'_, T>,
        metric: Metric<'_, T>,
    ) -> Result<Report<T>, natgrad::Error>;

    /// The mean loss of a batch.
    fn loss(&mut self, batch: Batch<'_, T>) -> Result<T, natgrad::Error>;
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
        1 => Ok(dispatch_method::<T, V, 1>(optimizer, visit)),
        4 => Ok(dispatch_method::<T, V, 4>(optimizer, visit)),
        32 => Ok(dispatch_method::<T, V, 32>(optimizer, visit)),
        _ => Err(Error::option(
            "--tile",
            format!("{tile} is none of 1, 4 and 32"),
        )),
    }
}

fn dispatch_method<T: Scalar, V: Visit<T>, const TILE: usize>(
    optimizer: &Optimizer,
    visit: V,
) -> V::Output {
    fn sgd<T: Scalar, V: Velocity>(rate: f64, momentum: f64) -> Sgd<T, V> {
        Sgd {
            rate: T::of(rate),
            momentum: T::of(momentum),
            velocity: V::default(),
        }
    }
    match optimizer {
        Optimizer::Natural(natural) => match natural.metric {
            Metrics::Identity => dispatch_natural::<T, V, Tikhonov, TILE>(natural, visit),
            Metrics::Diagonal => dispatch_natural::<T, V, Marquardt, TILE>(natural, visit),
        },
        Optimizer::Sgd(rate) => visit.visit::<_, TILE>(sgd::<T, Plain>(*rate, 0.0)),
        Optimizer::Momentum(rate, momentum) => {
            visit.visit::<_, TILE>(sgd::<T, Momentum>(*rate, *momentum))
        }
        Optimizer::Nesterov(rate, momentum) => {
            visit.visit::<_, TILE>(sgd::<T, Nesterov>(*rate, *momentum))
        }
        Optimizer::Adam(rate) => visit.visit::<_, TILE>(Adam::new(T::of(*rate))),
    }
}

fn dispatch_natural<T, V, D, const TILE: usize>(natural: &Natural, visit: V) -> V::Output
where
    T: Scalar,
    V: Visit<T>,
    D: DampingMetric<T> + 'static,
{
    fn with<T, V, P, D, const TILE: usize>(natural: &Natural, visit: V) -> V::Output
    where
        T: Scalar,
        V: Visit<T>,
        P: Preconditioner<T> + 'static,
        D: DampingMetric<T> + 'static,
    {
        visit.visit::<_, TILE>(natural.method::<T, P, D>())
    }
    match natural.preconditioner {
        Preconditioning::None => with::<T, V, Unpreconditioned, D, TILE>(natural, visit),
        Preconditioning::Jacobi => with::<T, V, Jacobi, D, TILE>(natural, visit),
        Preconditioning::Martens => with::<T, V, Martens, D, TILE>(natural, visit),
    }
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

/// The trainer of a recipe.
pub(super) fn trainer<'a, T: Scalar>(
    model: Model<'a>,
    params: &'a mut [T],
    workspace: &'a mut Vec<T>,
    recipe: &Recipe,
    data: &'a str,
) -> Result<Box<dyn Steps<T> + 'a>, Error> {
    let make = Make {
        model,
        params,
        workspace,
        l2: recipe.l2,
        data,
    };
    dispatch(&recipe.optimizer, recipe.tile, make)?
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
    if let Optimizer::Natural(natural) = optimizer {
        let products = u64::from(natural.iterations);
        let mut macs = over(Pass::Product, metric_batch).saturating_mul(products);
        macs = macs.saturating_add(over(Pass::Jvp, metric_batch));
        macs = macs.saturating_add(over(Pass::Loss, batch));
        if natural.metric == Metrics::Diagonal || natural.preconditioner == Preconditioning::Jacobi
        {
            let columns = model.dim_out() as u64;
            macs = macs.saturating_add(over(Pass::Vjp, metric_batch).saturating_mul(columns));
        }
        if natural.preconditioner == Preconditioning::Martens {
            macs = macs.saturating_add(over(Pass::Gradient, batch));
        }
        footprint.macs = footprint.macs.saturating_add(macs);
    }
    Ok(footprint)
}
