//! Options that several commands share, and what they mean together.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use natgrad::{Activation, Likelihood, Model};

use super::report;
use crate::data::{Builtin, Dataset, Shape, Split, Table};
use crate::error::Error;
use crate::files::{self, Precision, activation_word, likelihood_word};
use crate::training::{Metrics, Natural, Optimizer, Preconditioning, named_policy};

/// The largest network and workspace that a command allocates, in bytes.
const MOST_BYTES: usize = 8 << 30;

/// Widths such as `64-32-10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Net(pub(super) Vec<usize>);

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('-')
            .map(|width| {
                width.parse().map_err(|_| {
                    "widths are positive integers joined by hyphens, such as 64-32-10".to_string()
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ActivationWord {
    Tanh,
    Logistic,
    Relu,
    Softplus,
    Identity,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LikelihoodWord {
    /// Numbers; squared error.
    Gaussian,
    /// Independent probabilities; binary cross-entropy.
    Bernoulli,
    /// One class of several; cross-entropy.
    Categorical,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PrecisionWord {
    F32,
    F64,
}

impl From<PrecisionWord> for Precision {
    fn from(word: PrecisionWord) -> Self {
        match word {
            PrecisionWord::F32 => Self::F32,
            PrecisionWord::F64 => Self::F64,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DatasetWord {
    /// UCI optical digits: 1,797 images of 8 × 8, ten classes.
    Digits,
    /// UCI wine in its raw units: 178 × 13, three classes.
    Wine,
    /// Tecator near-infrared spectra: 215 × 100 channels to fat content.
    Tecator,
}

impl From<DatasetWord> for Builtin {
    fn from(word: DatasetWord) -> Self {
        match word {
            DatasetWord::Digits => Self::Digits,
            DatasetWord::Wine => Self::Wine,
            DatasetWord::Tecator => Self::Tecator,
        }
    }
}

/// What a network computes, where a file does not say it.
#[derive(Clone, Debug, Args)]
pub(super) struct Meaning {
    /// Activation of the hidden layers [default: the model's, else tanh]
    #[arg(long, value_enum)]
    activation: Option<ActivationWord>,
    /// What the outputs mean [default: the model's or the data set's, else gaussian]
    #[arg(long, value_enum)]
    likelihood: Option<LikelihoodWord>,
}

impl Meaning {
    pub(super) fn activation(&self) -> Option<Activation> {
        self.activation.map(|word| match word {
            ActivationWord::Tanh => Activation::Tanh,
            ActivationWord::Logistic => Activation::Logistic,
            ActivationWord::Relu => Activation::Relu,
            ActivationWord::Softplus => Activation::Softplus,
            ActivationWord::Identity => Activation::Identity,
        })
    }

    pub(super) fn likelihood(&self) -> Option<Likelihood> {
        self.likelihood.map(|word| match word {
            LikelihoodWord::Gaussian => Likelihood::Gaussian,
            LikelihoodWord::Bernoulli => Likelihood::Bernoulli,
            LikelihoodWord::Categorical => Likelihood::Categorical,
        })
    }

    /// The meaning of a model file, which options may supply but not contradict.
    pub(super) fn of_file(
        &self,
        path: &Path,
        model: &files::Model,
    ) -> Result<(Activation, Likelihood), Error> {
        fn agree<T: PartialEq + Copy>(
            option: &str,
            word: impl Fn(T) -> &'static str,
            asked: Option<T>,
            found: Option<T>,
            path: &Path,
        ) -> Result<T, Error> {
            match (asked, found) {
                (Some(asked), Some(found)) if asked != found => {
                    let problem = format!(
                        "{} contradicts {}, which says {}",
                        word(asked),
                        crate::error::shown(path),
                        word(found)
                    );
                    Err(Error::option(option, problem))
                }
                (Some(value), _) | (None, Some(value)) => Ok(value),
                (None, None) => {
                    let problem = format!(
                        "is needed, since the metadata of {} do not say it",
                        crate::error::shown(path)
                    );
                    Err(Error::option(option, problem))
                }
            }
        }
        Ok((
            agree(
                "--activation",
                activation_word,
                self.activation(),
                model.activation,
                path,
            )?,
            agree(
                "--likelihood",
                likelihood_word,
                self.likelihood(),
                model.likelihood,
                path,
            )?,
        ))
    }
}

/// Where the examples come from.
#[derive(Clone, Debug, Args)]
pub(super) struct Source {
    /// A CSV file of numbers, with or without a header: inputs first, then the class index
    /// (categorical) or the targets
    #[arg(long, value_name = "FILE.csv", conflicts_with = "dataset")]
    data: Option<PathBuf>,
    /// An embedded data set
    #[arg(long, value_enum)]
    dataset: Option<DatasetWord>,
    /// The share of the rows that is held back for testing, in [0, 1) [default: 0.2; none of wine;
    /// the published split of tecator]
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
}

/// Reads a CSV file, and says so when its first row is taken for a header.
pub(super) fn read_table(path: &Path) -> Result<Table, Error> {
    let table = Table::read(path)?;
    if table.header().is_some() {
        let name = crate::error::shown(path);
        report::note(&format!(
            "note: the first row of {name} is taken for a header"
        ));
    }
    Ok(table)
}

/// The share of a CSV file that tests.
const TEST_SHARE: f64 = 0.2;

impl Source {
    pub(super) fn builtin(&self) -> Option<Builtin> {
        self.dataset.map(Into::into)
    }

    /// Whether the rows fall into a part that trains and one that tests: always for an embedded set.
    pub(super) fn is_split(&self) -> bool {
        self.dataset.is_some() || self.validation.is_some()
    }

    /// All rows.
    pub(super) fn load(&self, shape: &Shape) -> Result<Dataset, Error> {
        match (&self.data, self.builtin()) {
            (Some(path), _) => read_table(path)?.into_dataset(shape),
            (None, Some(builtin)) => {
                if builtin.shape() != *shape {
                    let expected = builtin.shape();
                    let problem = format!(
                        "{builtin} has {} inputs and {} outputs of a {} likelihood, but the network has {} and {} of a {} one",
                        expected.dim_in,
                        expected.dim_out,
                        likelihood_word(expected.likelihood),
                        shape.dim_in,
                        shape.dim_out,
                        likelihood_word(shape.likelihood),
                    );
                    return Err(Error::option("--dataset", problem));
                }
                builtin.load()
            }
            (None, None) => Err(Error::option(
                "--data",
                "name a CSV file, or an embedded set by --dataset digits, wine or tecator",
            )),
        }
    }

    /// Which rows train and which test; `seed` chooses those of a file.
    pub(super) fn split(&self, set: &Dataset, seed: u64) -> Result<Split, Error> {
        match self.builtin() {
            Some(builtin) => builtin.split(set, self.validation),
            None => Split::seeded(set, self.validation.unwrap_or(TEST_SHARE), seed),
        }
    }
}

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
    /// The method, damped in `metric` where the options do not say in which.
    pub(super) fn optimizer(&self, metric: Metrics) -> Result<Optimizer, Error> {
        self.refuse_foreign()?;
        let rate = |default: f64| positive("--rate", self.rate.unwrap_or(default));
        let momentum = || within("--momentum", self.momentum.unwrap_or(0.9), 0.0..1.0);
        Ok(match self.optimizer {
            OptimizerWord::Natural => Optimizer::Natural(self.natural(metric)?),
            OptimizerWord::Sgd => Optimizer::Sgd(rate(0.1)?),
            OptimizerWord::Momentum => Optimizer::Momentum(rate(0.05)?, momentum()?),
            OptimizerWord::Nesterov => Optimizer::Nesterov(rate(0.05)?, momentum()?),
            OptimizerWord::Adam => Optimizer::Adam(rate(0.01)?),
        })
    }

    fn natural(&self, metric: Metrics) -> Result<Natural, Error> {
        let metric = match self.damping_metric {
            Some(MetricWord::Identity) => Metrics::Identity,
            Some(MetricWord::Diagonal) => Metrics::Diagonal,
            None => metric,
        };
        let mut natural = Natural::new(metric);
        natural.rate = positive("--rate", self.rate.unwrap_or(natural.rate))?;
        natural.damping = positive("--damping", self.damping.unwrap_or(natural.damping))?;
        let floor = self.damping_floor.unwrap_or(natural.floor);
        natural.floor = positive("--damping-floor", floor)?;
        if self.damping_floor.is_some() && natural.floor > natural.damping {
            return Err(Error::option("--damping-floor", "is above --damping"));
        }
        natural.floor = natural.floor.min(natural.damping);
        if let Some(word) = &self.damping_policy {
            natural.policy = named_policy(word).ok_or_else(|| {
                let problem = format!(
                    "{} is none of lm, lm-linear, effort, schedule and constant",
                    crate::error::excerpt(word)
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
        natural.warm_start = within("--warm-start", warm, 0.0..1.0)?;
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

/// A positive, finite value.
pub(super) fn positive(option: &str, value: f64) -> Result<f64, Error> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::option(
            option,
            format!("{value} is not positive and finite"),
        ))
    }
}

/// A value of a half-open range.
pub(super) fn within(option: &str, value: f64, range: std::ops::Range<f64>) -> Result<f64, Error> {
    if range.contains(&value) {
        Ok(value)
    } else {
        let problem = format!("{value} is not from {} to below {}", range.start, range.end);
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

/// The model of a net, which must fit `bytes` per parameter-sized vector into memory.
pub(super) fn model(
    widths: &[usize],
    activation: Activation,
    likelihood: Likelihood,
) -> Result<Model<'_>, Error> {
    let model = Model::new(widths, activation, likelihood)
        .map_err(|error| Error::option("--net", error.message()))?;
    // θ, and the seven vectors of the largest workspace, in f64.
    let bytes = model.params().saturating_mul(8 * size_of::<f64>());
    if bytes > MOST_BYTES {
        let problem = format!(
            "{} parameters need more than the {} GiB that a run may take",
            model.params(),
            MOST_BYTES >> 30
        );
        return Err(Error::option("--net", problem));
    }
    Ok(model)
}

/// What a network of `model` expects of a table.
pub(super) fn shape(model: &Model<'_>) -> Shape {
    Shape {
        dim_in: model.dim_in(),
        dim_out: model.dim_out(),
        likelihood: model.likelihood(),
    }
}
