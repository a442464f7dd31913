//! The options of a method, and the numbers that make sense for them.

use clap::{Args, ValueEnum};

use crate::error::{Error, excerpt};
use crate::files::Precision;
use crate::training::{Metrics, Natural, Optimizer, Preconditioning, named_policy};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OptimizerWord {
    /// Natural gradient by conjugate gradients.
    Natural,
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
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PreconditionerWord {
    None,
    Jacobi,
    Martens,
}

/// The method and its settings.
#[derive(Clone, Debug, Args)]
pub(super) struct Method {
    #[arg(long, value_enum, default_value = "natural")]
    pub(super) optimizer: OptimizerWord,
    /// The rate [default: natural 1, sgd 0.1, momentum and nesterov 0.05, adam 0.01]
    #[arg(long)]
    rate: Option<f64>,
    /// The momentum of momentum and nesterov [default: 0.9]
    #[arg(long)]
    momentum: Option<f64>,
    /// Natural: the damping λ at the start [default: 1]
    #[arg(long)]
    damping: Option<f64>,
    /// Natural: the least damping [default: 0.001]
    #[arg(long)]
    damping_floor: Option<f64>,
    /// Natural: how λ changes: lm, lm-linear, effort, schedule or constant [default: lm]
    #[arg(long, value_name = "POLICY")]
    damping_policy: Option<String>,
    /// Natural: in which metric λ damps [default: identity with --scale standard, diagonal with none]
    #[arg(long, value_enum)]
    damping_metric: Option<MetricWord>,
    /// Natural: the preconditioner of the solver [default: jacobi]
    #[arg(long, value_enum)]
    preconditioner: Option<PreconditionerWord>,
    /// Natural: the most iterations of the solver in a step [default: 50]
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
    /// The method, damped in `metric` where the options do not say in which; its numbers must make sense
    /// in `precision`.
    pub(super) fn optimizer(
        &self,
        metric: Metrics,
        precision: Precision,
    ) -> Result<Optimizer, Error> {
        self.refuse_foreign()?;
        let rate = |default: f64| positive("--rate", self.rate.unwrap_or(default), precision);
        let momentum = || {
            let momentum = self.momentum.unwrap_or(0.9);
            within("--momentum", momentum, 0.0..1.0, precision)
        };
        Ok(match self.optimizer {
            OptimizerWord::Natural => Optimizer::Natural(self.natural(metric, precision)?),
            OptimizerWord::Sgd => Optimizer::Sgd(rate(0.1)?),
            OptimizerWord::Momentum => Optimizer::Momentum(rate(0.05)?, momentum()?),
            OptimizerWord::Nesterov => Optimizer::Nesterov(rate(0.05)?, momentum()?),
            OptimizerWord::Adam => Optimizer::Adam(rate(0.01)?),
        })
    }

    /// The size of the metric's batch, which first-order methods do not have.
    pub(super) fn metric_batch(&self, asked: Option<usize>) -> Result<Option<usize>, Error> {
        if asked.is_some() && self.optimizer != OptimizerWord::Natural {
            return Err(Error::option(
                "--metric-batch",
                "means something with --optimizer natural only",
            ));
        }
        asked
            .map(|metric| at_least_one("--metric-batch", metric))
            .transpose()
    }

    fn natural(&self, metric: Metrics, precision: Precision) -> Result<Natural, Error> {
        let metric = match self.damping_metric {
            Some(MetricWord::Identity) => Metrics::Identity,
            Some(MetricWord::Diagonal) => Metrics::Diagonal,
            None => metric,
        };
        let mut natural = Natural::new(metric);
        let rate = self.rate.unwrap_or(natural.rate);
        natural.rate = positive("--rate", rate, precision)?;
        let damping = self.damping.unwrap_or(natural.damping);
        natural.damping = positive("--damping", damping, precision)?;
        let floor = self.damping_floor.unwrap_or(natural.floor);
        natural.floor = positive("--damping-floor", floor, precision)?;
        if self.damping_floor.is_some() && natural.floor > natural.damping {
            return Err(Error::option("--damping-floor", "is above --damping"));
        }
        natural.floor = natural.floor.min(natural.damping);
        if let Some(word) = &self.damping_policy {
            natural.policy = named_policy(word).ok_or_else(|| {
                let problem = format!(
                    "{} is none of lm, lm-linear, effort, schedule and constant",
                    excerpt(word)
                );
                Error::option("--damping-policy", problem)
            })?;
        }
        natural.preconditioner = match self.preconditioner {
            Some(PreconditionerWord::None) => Preconditioning::None,
            Some(PreconditionerWord::Jacobi) | None => Preconditioning::Jacobi,
            Some(PreconditionerWord::Martens) => Preconditioning::Martens,
        };
        natural.iterations = self.iterations.unwrap_or(natural.iterations);
        if natural.iterations == 0 {
            return Err(Error::option("--iterations", "must be at least 1"));
        }
        let warm = self.warm_start.unwrap_or(0.0);
        natural.warm_start = within("--warm-start", warm, 0.0..1.0, precision)?;
        natural.line_search = self.line_search;
        Ok(natural)
    }

    /// An option of another method than the one that is asked for.
    fn refuse_foreign(&self) -> Result<(), Error> {
        let natural = self.optimizer == OptimizerWord::Natural;
        let momentum = matches!(
            self.optimizer,
            OptimizerWord::Momentum | OptimizerWord::Nesterov
        );
        let given = [
            ("--momentum", self.momentum.is_some(), momentum),
            ("--damping", self.damping.is_some(), natural),
            ("--damping-floor", self.damping_floor.is_some(), natural),
            ("--damping-policy", self.damping_policy.is_some(), natural),
            ("--damping-metric", self.damping_metric.is_some(), natural),
            ("--preconditioner", self.preconditioner.is_some(), natural),
            ("--iterations", self.iterations.is_some(), natural),
            ("--warm-start", self.warm_start.is_some(), natural),
            ("--line-search", self.line_search, natural),
        ];
        match given.iter().find(|(_, given, meant)| *given && !*meant) {
            None => Ok(()),
            Some((option, ..)) => {
                let word = self
                    .optimizer
                    .to_possible_value()
                    .map_or_else(String::new, |value| value.get_name().to_string());
                Err(Error::option(
                    *option,
                    format!("means nothing with --optimizer {word}"),
                ))
            }
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
