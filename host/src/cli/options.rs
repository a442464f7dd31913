//! Options that several commands share, and what they mean together.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use natgrad::{Activation, Likelihood, Model};

use super::outputs::Named;
use super::report;
use crate::data::{Builtin, Dataset, Shape, Split, Table};
use crate::error::{Error, shown};
use crate::files::{self, Precision, activation_word, likelihood_word};
use crate::memory::MOST_BYTES;

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
    /// Activation of the hidden layers [default: what the model says; of a new network tanh]
    #[arg(long, value_enum)]
    activation: Option<ActivationWord>,
    /// What the outputs mean [default: what the model says; of a new network the data set's, or gaussian]
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
                        shown(path),
                        word(found)
                    );
                    Err(Error::option(option, problem))
                }
                (Some(value), _) | (None, Some(value)) => Ok(value),
                (None, None) => {
                    let problem = format!(
                        "is needed, since the metadata of {} do not say it",
                        shown(path)
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
        let name = shown(path);
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

    /// The CSV file, if there is one, and its option.
    pub(super) fn file(&self) -> Option<Named<'_>> {
        self.data.as_deref().map(|path| ("--data", path))
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
                fits(builtin, shape)?;
                builtin.load()
            }
            (None, None) => Err(Self::unnamed()),
        }
    }

    /// Refuses a command line that names no examples.
    pub(super) fn check_named(&self) -> Result<(), Error> {
        if self.data.is_none() && self.dataset.is_none() {
            return Err(Self::unnamed());
        }
        Ok(())
    }

    fn unnamed() -> Error {
        Error::option(
            "--data",
            "is needed, a CSV file, or an embedded set by --dataset digits, wine or tecator",
        )
    }

    /// Which rows train and which test; `seed` chooses those of a file.
    pub(super) fn split(&self, set: &Dataset, seed: u64) -> Result<Split, Error> {
        match self.builtin() {
            Some(builtin) => builtin.split(set, self.validation),
            None => Split::seeded(set, self.validation.unwrap_or(TEST_SHARE), seed),
        }
    }
}

/// Refuses a network that is none for `builtin`.
pub(super) fn fits(builtin: Builtin, shape: &Shape) -> Result<(), Error> {
    let expected = builtin.shape();
    if expected == *shape {
        return Ok(());
    }
    let problem = format!(
        "{builtin} has {} inputs and {} outputs of a {} likelihood, but the network has {} and {} of a {} one",
        expected.dim_in,
        expected.dim_out,
        likelihood_word(expected.likelihood),
        shape.dim_in,
        shape.dim_out,
        likelihood_word(shape.likelihood),
    );
    Err(Error::option("--dataset", problem))
}

/// Where the widths of a net come from, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// The option `--net`, or the default of a data set.
    Net,
    /// A model file.
    File(&'a Path),
}

impl Origin<'_> {
    fn wrong(self, problem: impl Into<String>) -> Error {
        match self {
            Self::Net => Error::option("--net", problem),
            Self::File(path) => Error::file(shown(path), problem),
        }
    }
}

/// The model of a net, whose parameter-sized vectors must fit into memory.
pub(super) fn model<'w>(
    origin: Origin<'_>,
    widths: &'w [usize],
    activation: Activation,
    likelihood: Likelihood,
) -> Result<Model<'w>, Error> {
    let model = Model::new(widths, activation, likelihood)
        .map_err(|error| origin.wrong(error.message()))?;
    // θ, and the seven vectors of the largest workspace, in f64.
    let bytes = model.params().saturating_mul(8 * size_of::<f64>());
    if bytes > MOST_BYTES {
        let problem = format!(
            "{} parameters need more than the {} GiB that a run may take",
            model.params(),
            MOST_BYTES >> 30
        );
        return Err(origin.wrong(problem));
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
