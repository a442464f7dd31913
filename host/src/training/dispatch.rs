//! From the values of a method to the types of the core.

use std::marker::PhantomData;

use natgrad::curvature::{Curvature, Empirical, Natural as Fisher, Newton as Hessian};
use natgrad::damping::{DampingMetric, Marquardt, Structural, Tikhonov};
use natgrad::krylov::{Cg, Minres, MinresQlp, Solver};
use natgrad::optimizer::{
    Adam, Anchor, Centred, Conjugation, DualMetric, Full, Inverse, Kronecker, KrylovDescent, L2,
    Local, Method, Moment, Momentum, NaturalCg, Nesterov, Plain, PushThrough, Report, Search, Sgd,
    Tonga, Uncentred, Velocity, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Batch, Metric, Model, Room, Scalar, Trainer};

use super::method::{
    Curvatures, DualMetrics, EIGENVECTORS, Gram, Inverses, KRYLOV, Metrics, Moments, Natural,
    Optimizer, Plane, Preconditioning, Solvers, Tonga as TongaSettings,
};
use super::refused;
use crate::error::Error;
use crate::memory::zeros;

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
pub(super) trait Visit<T: Scalar> {
    type Output;
    fn visit<M: Method<T> + 'static, const TILE: usize>(self, method: M) -> Self::Output;
}

/// The tile that computes a batch of so many examples fastest, of those that [`trainer`] has; it changes no bit.
///
/// Lanes without an example are computed along, so that very few examples are faster by themselves. More lanes than 16 buy
/// nothing: two vectors of them, or one, feed the units of a core.
pub const fn tile_for(examples: usize) -> usize {
    match examples {
        0..=2 => 1,
        _ => 16,
    }
}

/// What is done with a tile once its type is known.
pub(super) trait OnTile {
    type Output;
    fn on<const TILE: usize>(self) -> Self::Output;
}

/// From the value of `tile` to a type.
///
/// # Errors
/// [`Error::Option`], when there is no such tile.
pub(super) fn on_tile<O: OnTile>(tile: usize, what: O) -> Result<O::Output, Error> {
    match tile {
        1 => Ok(what.on::<1>()),
        4 => Ok(what.on::<4>()),
        16 => Ok(what.on::<16>()),
        32 => Ok(what.on::<32>()),
        _ => Err(Error::option(
            "--tile",
            format!("{tile} is none of 1, 4, 16 and 32"),
        )),
    }
}

/// From the values of `optimizer` and `tile` to types.
pub(super) fn dispatch<T: Scalar, V: Visit<T>>(
    optimizer: &Optimizer,
    tile: usize,
    visit: V,
) -> Result<V::Output, Error> {
    struct ByMethod<'o, T, V> {
        optimizer: &'o Optimizer,
        visit: V,
        scalar: PhantomData<T>,
    }
    impl<T: Scalar, V: Visit<T>> OnTile for ByMethod<'_, T, V> {
        type Output = Result<V::Output, Error>;

        fn on<const TILE: usize>(self) -> Self::Output {
            dispatch_method::<T, V, TILE>(self.optimizer, self.visit)
        }
    }
    let scalar = PhantomData;
    on_tile(
        tile,
        ByMethod {
            optimizer,
            visit,
            scalar,
        },
    )?
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
    fn tonga<T: Scalar, V: Moment>(
        settings: &TongaSettings,
    ) -> Tonga<T, EIGENVECTORS, EIGENVECTORS, V> {
        Tonga {
            rate: T::of(settings.rate),
            damping: T::of(settings.damping),
            forgetting: T::of(settings.forgetting),
            moment: V::default(),
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
        Optimizer::Gram(gram) => return dispatch_gram::<T, V, TILE>(gram, visit),
        Optimizer::KrylovDescent(directions) => {
            visit.visit::<_, TILE>(KrylovDescent::<T, KRYLOV, Jacobi> {
                search: Search {
                    directions: *directions,
                    ..Search::default()
                },
                ..KrylovDescent::default()
            })
        }
        Optimizer::Tonga(settings) => match settings.moment {
            Moments::Uncentred => visit.visit::<_, TILE>(tonga::<T, Uncentred>(settings)),
            Moments::Centred => visit.visit::<_, TILE>(tonga::<T, Centred>(settings)),
        },
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
        (Curvatures::Fisher, Solvers::Minres, Preconditioning::None, Metrics::Identity) => {
            with::<T, V, Minres, Unpreconditioned, _, Fisher, TILE>(natural, Tikhonov, visit)
        }
        (Curvatures::Fisher, Solvers::MinresQlp, Preconditioning::None, Metrics::Identity) => {
            with::<T, V, MinresQlp, Unpreconditioned, _, Fisher, TILE>(natural, Tikhonov, visit)
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

/// The most examples that a system in output space may have here.
pub const MOST_DUAL_EXAMPLES: usize = 256;

/// In the smallest of a few capacities that holds the examples, which changes no bit.
fn dispatch_gram<T: Scalar, V: Visit<T>, const TILE: usize>(
    gram: &Gram,
    visit: V,
) -> Result<V::Output, Error> {
    fn by_metric<T: Scalar, V: Visit<T>, const TILE: usize, const B: usize>(
        gram: &Gram,
        visit: V,
    ) -> V::Output {
        match gram.metric {
            DualMetrics::Identity => by_inverse::<T, V, TILE, B, Tikhonov>(gram, visit),
            DualMetrics::Kronecker => by_inverse::<T, V, TILE, B, Kronecker>(gram, visit),
        }
    }
    fn by_inverse<T, V, const TILE: usize, const B: usize, D>(gram: &Gram, visit: V) -> V::Output
    where
        T: Scalar,
        V: Visit<T>,
        D: DualMetric + 'static,
    {
        match gram.inverse {
            Inverses::PushThrough => by_memory::<T, V, TILE, B, D, PushThrough>(gram, visit),
            Inverses::Woodbury => by_memory::<T, V, TILE, B, D, Woodbury>(gram, visit),
        }
    }
    fn by_memory<T, V, const TILE: usize, const B: usize, D, I>(gram: &Gram, visit: V) -> V::Output
    where
        T: Scalar,
        V: Visit<T>,
        D: DualMetric + 'static,
        I: Inverse + 'static,
    {
        if gram.momentum > 0.0 {
            visit.visit::<_, TILE>(gram.method::<T, B, D, Momentum, I>())
        } else {
            visit.visit::<_, TILE>(gram.method::<T, B, D, Plain, I>())
        }
    }
    match gram.examples {
        0..=16 => Ok(by_metric::<T, V, TILE, 16>(gram, visit)),
        17..=MOST_DUAL_EXAMPLES => Ok(by_metric::<T, V, TILE, MOST_DUAL_EXAMPLES>(gram, visit)),
        examples => Err(Error::option(
            match gram.inverse {
                Inverses::PushThrough => "--batch",
                Inverses::Woodbury => "--metric-batch",
            },
            format!(
                "{examples} examples are more than the {MOST_DUAL_EXAMPLES} of a system in output space"
            ),
        )),
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
