//! The methods and their settings as values: what the command line and the experiments name.

use natgrad::Scalar;
use natgrad::curvature::Curvature;
use natgrad::damping::{Damping, DampingMetric, DampingPolicy, Ratio};
use natgrad::krylov::{Cg, Stop};
use natgrad::line_search::{Decay, LineSearch, Trust};
use natgrad::optimizer::{self, Acceptance, HessianFree, NatSgd, NaturalGradient, Newton};
use natgrad::precondition::Preconditioner;

/// A method and its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Natural gradient, and what differs from it in settings alone: natSGD, Hessian-Free, truncated
    /// Newton.
    Natural(Natural),
    /// Natural conjugate gradient: how the natural direction is found, and the step before combined
    /// with it.
    NaturalCg(Natural, Plane),
    /// Natural gradient in output space.
    Gram(Gram),
    /// Krylov subspace descent with [`KRYLOV`] vectors, and at most that many directions of its search.
    KrylovDescent(u16),
    /// TONGA with [`EIGENVECTORS`] eigenvectors and as many recent gradients.
    Tonga(Tonga),
    /// Plain stochastic gradient descent at a rate.
    Sgd(f64),
    /// With momentum: rate and momentum.
    Momentum(f64, f64),
    /// With Nesterov's momentum: rate and momentum.
    Nesterov(f64, f64),
    /// Adam at a rate.
    Adam(f64),
}

/// The Krylov vectors of subspace descent.
pub const KRYLOV: usize = 8;

/// The eigenvectors of TONGA, and the gradients between two compactions.
pub const EIGENVECTORS: usize = 10;

/// The settings of TONGA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tonga {
    /// η.
    pub rate: f64,
    /// λ.
    pub damping: f64,
    /// γ.
    pub forgetting: f64,
    /// About which point.
    pub moment: Moments,
}

/// The point about which TONGA takes its second moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moments {
    /// 0.
    Uncentred,
    /// The running mean.
    Centred,
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
    /// MINRES.
    Minres,
    /// MINRES-QLP.
    MinresQlp,
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

/// The damping metric D of a system in output space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DualMetrics {
    /// I.
    Identity,
    /// In product form: a factor for each input and each unit of a layer.
    Kronecker,
}

/// The identity by which the inverse is taken in output space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inverses {
    /// The metric is that of the gradient batch, without an L2 term.
    PushThrough,
    /// Any metric, and with [`DualMetrics::Identity`] an L2 term.
    Woodbury,
}

/// The settings of natural gradient in output space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gram {
    /// The most examples of the system: those of the metric.
    pub examples: usize,
    /// λ at the start, relative to the mean diagonal of the Gram matrix.
    pub damping: f64,
    /// The least λ.
    pub floor: f64,
    /// How λ changes.
    pub policy: DampingPolicy<f64>,
    /// In which metric λ damps.
    pub metric: DualMetrics,
    /// μ; at 0 the last step is not remembered, which saves a vector.
    pub momentum: f64,
    /// How the inverse is taken.
    pub inverse: Inverses,
}

impl Gram {
    /// The core's own defaults.
    pub fn new(examples: usize, metric: DualMetrics, inverse: Inverses) -> Self {
        type Core<I> = optimizer::Gram<f64, 1, optimizer::Kronecker, optimizer::Momentum, I>;
        let (damping, momentum) = match inverse {
            Inverses::PushThrough => {
                let core = Core::<optimizer::PushThrough>::default();
                (core.damping, core.momentum)
            }
            Inverses::Woodbury => {
                let core = Core::<optimizer::Woodbury>::default();
                (core.damping, core.momentum)
            }
        };
        Self {
            examples,
            damping: damping.initial,
            floor: damping.floor,
            policy: damping.policy,
            metric,
            momentum,
            inverse,
        }
    }

    /// The same numbers, with types.
    pub(super) fn method<T, const B: usize, D, V, I>(&self) -> optimizer::Gram<T, B, D, V, I>
    where
        T: Scalar,
        D: optimizer::DualMetric,
        V: Default,
        I: optimizer::Inverse,
    {
        let core = optimizer::Gram::<T, B, D, V, I>::default();
        optimizer::Gram {
            damping: Damping {
                initial: T::of(self.damping),
                floor: T::of(self.floor),
                ceiling: core.damping.ceiling.larger(T::of(self.damping)),
                policy: policy(self.policy),
                metric: core.damping.metric,
            },
            momentum: T::of(self.momentum),
            ..core
        }
    }
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
    pub(super) fn method<T, S, P, D, C>(&self, metric: D) -> NaturalGradient<T, S, P, D, C>
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
