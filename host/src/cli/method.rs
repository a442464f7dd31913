//! The options of a method, and the numbers that make sense for them.

use clap::{Args, ValueEnum};
use natgrad::damping::DampingPolicy;

use crate::error::{Error, excerpt};
use crate::files::Precision;
use crate::training::{
    DualMetrics, Gram, Inverses, Metrics, Moments, Natural, Optimizer, Plane, Preconditioning,
    Solvers, Tonga, named_policy,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OptimizerWord {
    /// Natural gradient by conjugate gradients.
    Natural,
    /// Natural gradient as its authors ran it.
    Natsgd,
    /// Natural conjugate gradient by the quadratic model.
    NatcgL,
    /// Natural conjugate gradient by the loss.
    NatcgF,
    /// Hessian-Free optimisation.
    HessianFree,
    /// Truncated Newton.
    Newton,
    /// Natural gradient in output space.
    Gram,
    /// Krylov subspace descent, with 8 vectors.
    KrylovDescent,
    /// TONGA, with 10 eigenvectors.
    Tonga,
    /// The same about the running mean of the gradients.
    TongaCentred,
    /// Stochastic gradient descent.
    Sgd,
    /// The same with momentum.
    Momentum,
    /// The same with Nesterov's momentum.
    Nesterov,
    Adam,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MetricWord {
    /// I: for standardised inputs.
    Identity,
    /// diag(F): for raw units.
    Diagonal,
    /// I, and 0.03 of the metric of the hidden units.
    Structural,
    /// A factor for each input and each unit of a layer.
    Kronecker,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SolverWord {
    Cg,
    Minres,
    MinresQlp,
}

/// The directions of the search in a Krylov subspace, as the core has them.
pub(super) const DIRECTIONS: u16 = 30;

/// The weight of the hidden units in structural damping.
const STRUCTURAL: f64 = 0.03;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PreconditionerWord {
    None,
    Jacobi,
    Martens,
}

/// What a run has beside its method, and a system in output space depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// Examples per gradient.
    pub(super) batch: usize,
    /// Examples of the metric, where it is not the batch.
    pub(super) metric_batch: Option<usize>,
    /// The strength of the L2 term.
    pub(super) l2: f64,
}

/// The method and its settings.
#[derive(Clone, Debug, Args)]
pub(super) struct Method {
    #[arg(long, value_enum, default_value = "natural")]
    pub(super) optimizer: OptimizerWord,
    /// The rate [default: 1, but tonga 0.1, sgd 0.1, momentum and nesterov 0.05, adam 0.01]
    #[arg(long)]
    rate: Option<f64>,
    /// The momentum of momentum and nesterov [default: 0.9], and the share of its last step that gram
    /// goes on from [default: 0.5]
    #[arg(long)]
    momentum: Option<f64>,
    /// Second order and tonga: the damping λ at the start [default: 1, natsgd 6, hessian-free 45,
    /// gram 0.01 of the mean diagonal]
    #[arg(long)]
    damping: Option<f64>,
    /// Second order: the least damping [default: 0.001, natsgd 0.0001, gram 0.00001 but with
    /// --metric-batch or --l2 0.001]
    #[arg(long)]
    damping_floor: Option<f64>,
    /// Second order: how λ changes: lm, lm-linear, effort, schedule or constant [default: lm, natsgd lm-linear]
    #[arg(long, value_name = "POLICY")]
    damping_policy: Option<String>,
    /// Natural, natcg-l, natcg-f and hessian-free: in which metric λ damps [default: identity with --scale standard and
    /// with hessian-free, else diagonal]. Gram: identity or kronecker [default: kronecker, with --l2 identity]
    #[arg(long, value_enum)]
    damping_metric: Option<MetricWord>,
    /// Natsgd: the solver [default: minres-qlp]
    #[arg(long, value_enum)]
    solver: Option<SolverWord>,
    /// Natural: the preconditioner of the solver [default: jacobi]
    #[arg(long, value_enum)]
    preconditioner: Option<PreconditionerWord>,
    /// Second order: the most iterations of the solver in a step [default: 50, natsgd 30, hessian-free 250]
    #[arg(long)]
    iterations: Option<u16>,
    /// Natural: start the solver at this share of its last result [default: 0]
    #[arg(long, value_name = "SHARE")]
    warm_start: Option<f64>,
    /// Natural: shorten steps by a backtracking line search
    #[arg(long)]
    line_search: bool,
}

impl Method {
    /// The method for a task, damped in `metric` where the options do not say in which; its numbers must make
    /// sense in `precision`.
    pub(super) fn optimizer(
        &self,
        metric: Metrics,
        task: Task,
        precision: Precision,
    ) -> Result<Optimizer, Error> {
        self.refuse_foreign()?;
        let rate = |default: f64| positive("--rate", self.rate.unwrap_or(default), precision);
        let momentum = || self.momentum(0.9, precision);
        Ok(match self.optimizer {
            OptimizerWord::NatcgL => {
                Optimizer::NaturalCg(self.natural(metric, precision)?, Plane::Local)
            }
            OptimizerWord::NatcgF => {
                Optimizer::NaturalCg(self.natural(metric, precision)?, Plane::Full)
            }
            OptimizerWord::Natural
            | OptimizerWord::Natsgd
            | OptimizerWord::HessianFree
            | OptimizerWord::Newton => Optimizer::Natural(self.natural(metric, precision)?),
            OptimizerWord::Gram => Optimizer::Gram(self.gram(task, precision)?),
            OptimizerWord::KrylovDescent => Optimizer::KrylovDescent(DIRECTIONS),
            OptimizerWord::Tonga => {
                Optimizer::Tonga(self.tonga(rate(0.1)?, Moments::Uncentred, precision)?)
            }
            OptimizerWord::TongaCentred => {
                Optimizer::Tonga(self.tonga(rate(0.1)?, Moments::Centred, precision)?)
            }
            OptimizerWord::Sgd => Optimizer::Sgd(rate(0.1)?),
            OptimizerWord::Momentum => Optimizer::Momentum(rate(0.05)?, momentum()?),
            OptimizerWord::Nesterov => Optimizer::Nesterov(rate(0.05)?, momentum()?),
            OptimizerWord::Adam => Optimizer::Adam(rate(0.01)?),
        })
    }

    /// The size of the metric's batch, which first-order methods do not have.
    pub(super) fn metric_batch(&self, asked: Option<usize>) -> Result<Option<usize>, Error> {
        let descent = self.optimizer == OptimizerWord::KrylovDescent;
        if asked.is_some() && !(self.optimizer.is_second_order() || descent) {
            return Err(self.meaningless("--metric-batch"));
        }
        asked
            .map(|metric| at_least_one("--metric-batch", metric))
            .transpose()
    }

    fn momentum(&self, default: f64, precision: Precision) -> Result<f64, Error> {
        let momentum = self.momentum.unwrap_or(default);
        within("--momentum", momentum, 0.0..1.0, precision)
    }

    fn gram(&self, task: Task, precision: Precision) -> Result<Gram, Error> {
        let pulled = task.l2 > 0.0;
        let metric = match self.damping_metric {
            Some(MetricWord::Identity) => DualMetrics::Identity,
            Some(MetricWord::Kronecker) if pulled => {
                let problem = "kronecker means nothing with --l2, which adds to λI: take identity";
                return Err(Error::option("--damping-metric", problem));
            }
            None if pulled => DualMetrics::Identity,
            Some(MetricWord::Kronecker) | None => DualMetrics::Kronecker,
            Some(MetricWord::Diagonal | MetricWord::Structural) => {
                let problem = "of --optimizer gram is identity or kronecker";
                return Err(Error::option("--damping-metric", problem));
            }
        };
        let inverse = if pulled || task.metric_batch.is_some() {
            Inverses::Woodbury
        } else {
            Inverses::PushThrough
        };
        let mut gram = Gram::new(task.metric_batch.unwrap_or(task.batch), metric, inverse);
        gram.momentum = self.momentum(gram.momentum, precision)?;
        (gram.damping, gram.floor) = self.damping(gram.damping, gram.floor, precision)?;
        match (self.policy()?, &mut gram.policy) {
            (Some(DampingPolicy::Effort { .. }), _) => {
                let problem = "effort means nothing with --optimizer gram, which does not iterate";
                return Err(Error::option("--damping-policy", problem));
            }
            // Of the constants its own are the ones that it is meant with.
            (
                Some(DampingPolicy::LevenbergMarquardt { ratio: asked, .. }),
                DampingPolicy::LevenbergMarquardt { ratio, .. },
            ) => *ratio = asked,
            (Some(asked), policy) => *policy = asked,
            (None, _) => {}
        }
        Ok(gram)
    }

    /// λ at the start, and the least one.
    fn damping(&self, initial: f64, floor: f64, precision: Precision) -> Result<(f64, f64), Error> {
        let damping = self.damping.unwrap_or(initial);
        let damping = positive("--damping", damping, precision)?;
        let floor = self.damping_floor.unwrap_or(floor);
        let floor = positive("--damping-floor", floor, precision)?;
        if self.damping_floor.is_some() && floor > damping {
            return Err(Error::option("--damping-floor", "is above --damping"));
        }
        Ok((damping, floor.min(damping)))
    }

    /// The policy that is asked for.
    fn policy(&self) -> Result<Option<DampingPolicy<f64>>, Error> {
        let Some(word) = &self.damping_policy else {
            return Ok(None);
        };
        let policy = named_policy(word).ok_or_else(|| {
            let problem = format!(
                "{} is none of lm, lm-linear, effort, schedule and constant",
                excerpt(word)
            );
            Error::option("--damping-policy", problem)
        })?;
        Ok(Some(policy))
    }

    fn tonga(&self, rate: f64, moment: Moments, precision: Precision) -> Result<Tonga, Error> {
        Ok(Tonga {
            rate,
            damping: positive("--damping", self.damping.unwrap_or(1.0), precision)?,
            forgetting: 0.99,
            moment,
        })
    }

    fn natural(&self, metric: Metrics, precision: Precision) -> Result<Natural, Error> {
        let asked = match self.damping_metric {
            None => None,
            Some(MetricWord::Identity) => Some(Metrics::Identity),
            Some(MetricWord::Diagonal) => Some(Metrics::Diagonal),
            Some(MetricWord::Structural) => Some(Metrics::Structural(STRUCTURAL)),
            Some(MetricWord::Kronecker) => {
                let problem = "kronecker is there with --optimizer gram only";
                return Err(Error::option("--damping-metric", problem));
            }
        };
        let metric = asked.unwrap_or(metric);
        let mut natural = match self.optimizer {
            OptimizerWord::Natsgd => Natural::nat_sgd(match self.solver {
                Some(SolverWord::Cg) => Solvers::Cg,
                Some(SolverWord::Minres) => Solvers::Minres,
                Some(SolverWord::MinresQlp) | None => Solvers::MinresQlp,
            }),
            OptimizerWord::HessianFree => {
                Natural::hessian_free(45.0, asked.unwrap_or(Metrics::Identity))
            }
            OptimizerWord::Newton => Natural::newton(),
            _ => Natural::new(metric),
        };
        let rate = self.rate.unwrap_or(natural.rate);
        natural.rate = positive("--rate", rate, precision)?;
        (natural.damping, natural.floor) =
            self.damping(natural.damping, natural.floor, precision)?;
        natural.policy = self.policy()?.unwrap_or(natural.policy);
        if let Some(word) = self.preconditioner {
            natural.preconditioner = match word {
                PreconditionerWord::None => Preconditioning::None,
                PreconditionerWord::Jacobi => Preconditioning::Jacobi,
                PreconditionerWord::Martens => Preconditioning::Martens,
            };
        }
        natural.iterations = self.iterations.unwrap_or(natural.iterations);
        if natural.iterations == 0 {
            return Err(Error::option("--iterations", "must be at least 1"));
        }
        if let Some(warm) = self.warm_start {
            natural.warm_start = within("--warm-start", warm, 0.0..1.0, precision)?;
        }
        natural.line_search |= self.line_search;
        Ok(natural)
    }

    /// An option of another method than the one that is asked for.
    fn refuse_foreign(&self) -> Result<(), Error> {
        use OptimizerWord::{
            Gram, HessianFree, KrylovDescent, Momentum, NatcgF, NatcgL, Natsgd, Natural, Nesterov,
            Tonga, TongaCentred,
        };
        let second = self.optimizer.is_second_order();
        let is = |words: &[OptimizerWord]| words.contains(&self.optimizer);
        let gram = is(&[Gram]);
        let metric = is(&[Natural, NatcgL, NatcgF, HessianFree, Gram]);
        let tonga = is(&[Tonga, TongaCentred]);
        let given = [
            ("--rate", self.rate.is_some(), !is(&[KrylovDescent, Gram])),
            ("--solver", self.solver.is_some(), is(&[Natsgd])),
            (
                "--momentum",
                self.momentum.is_some(),
                is(&[Momentum, Nesterov, Gram]),
            ),
            ("--damping", self.damping.is_some(), second || tonga),
            ("--damping-floor", self.damping_floor.is_some(), second),
            ("--damping-policy", self.damping_policy.is_some(), second),
            ("--damping-metric", self.damping_metric.is_some(), metric),
            (
                "--preconditioner",
                self.preconditioner.is_some(),
                is(&[Natural]),
            ),
            ("--iterations", self.iterations.is_some(), second && !gram),
            ("--warm-start", self.warm_start.is_some(), is(&[Natural])),
            ("--line-search", self.line_search, is(&[Natural])),
        ];
        match given.iter().find(|(_, given, meant)| *given && !*meant) {
            None => Ok(()),
            Some((option, ..)) => Err(self.meaningless(option)),
        }
    }

    fn meaningless(&self, option: &str) -> Error {
        let value = self.optimizer.to_possible_value();
        let word = value.map_or_else(String::new, |value| value.get_name().to_string());
        Error::option(option, format!("means nothing with --optimizer {word}"))
    }
}

impl OptimizerWord {
    /// Whether it solves with a curvature.
    const fn is_second_order(self) -> bool {
        match self {
            Self::Natural
            | Self::Natsgd
            | Self::NatcgL
            | Self::NatcgF
            | Self::HessianFree
            | Self::Newton
            | Self::Gram => true,
            Self::KrylovDescent
            | Self::Tonga
            | Self::TongaCentred
            | Self::Sgd
            | Self::Momentum
            | Self::Nesterov
            | Self::Adam => false,
        }
    }
}

/// A positive, finite value; it must be so in `precision` too.
pub(super) fn positive(option: &str, value: f64, precision: Precision) -> Result<f64, Error> {
    let held = precision.round(value);
    if held > 0.0 && held.is_finite() {
        Ok(value)
    } else {
        let problem = format!("{value:?} is not positive and finite in {precision}");
        Err(Error::option(option, problem))
    }
}

/// A finite value that is not negative; it must be so in `precision` too.
pub(super) fn not_negative(option: &str, value: f64, precision: Precision) -> Result<f64, Error> {
    if value >= 0.0 && precision.round(value).is_finite() {
        Ok(value)
    } else {
        let problem = format!("{value:?} is not a finite number from 0 on in {precision}");
        Err(Error::option(option, problem))
    }
}

/// A value of a half-open range; it must be there in `precision` too.
pub(super) fn within(
    option: &str,
    value: f64,
    range: std::ops::Range<f64>,
    precision: Precision,
) -> Result<f64, Error> {
    if range.contains(&precision.round(value)) {
        Ok(value)
    } else {
        let problem = format!(
            "{value:?} is not from {} to below {} in {precision}",
            range.start, range.end
        );
        Err(Error::option(option, problem))
    }
}

/// A count of at least one.
pub(super) fn at_least_one(option: &str, count: usize) -> Result<usize, Error> {
    if count == 0 {
        return Err(Error::option(option, "must be at least 1"));
    }
    Ok(count)
}
