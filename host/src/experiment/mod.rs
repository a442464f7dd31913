//! The experiments after the paper: hypotheses first, then runs, then verdicts.
//!
//! | module | what |
//! |---|---|
//! | `hypothesis` | a claim with its threshold, and how an effect is judged by it |
//! | `statistics` | means over seeds, and their intervals |
//! | `plan` | the list of runs of a command, and its shards |
//! | `store` | finished runs on disk, merged and resumed |
//! | `driver` | runs in parallel |
//! | `results` | what an experiment sees of its runs, and what it says of them |
//! | the others | an experiment each, and what they share |
//!
//! # Judging and tuning
//! A *judging* run has a seed from 0 on, a *tuning* run one from [`TUNING_SEEDS`] on: settings are never
//! chosen by what judges them. What is chosen stands as a constant in the code of the experiment, beside
//! the grid that it was chosen from; every method of an experiment has a grid of as many settings. So a
//! judging run needs the result of no other run, and any part of the list can run anywhere. The tuning
//! runs are part of the list at [`Scale::Full`], and the report says whether their mean is least at the
//! choice.
//!
//! # To add an experiment
//! Implement [`Experiment`] in a file of its own, and name it in [`ALL`].

mod benchmark;
mod classifier;
mod driver;
mod empirical;
mod hypothesis;
mod invariance;
mod linearised;
mod plan;
mod reordering;
mod results;
mod solver;
mod statistics;
mod store;
mod task;
mod unlabelled;

pub use driver::{Progress, execute};
pub use hypothesis::{Favours, Hypothesis, Threshold, Verdict};
pub use plan::{Key, MOST_SEEDS, Part, Plan, Role, Run, Shard, TUNING_SEEDS};
pub use results::{Analysis, Confirmation, Figure, Results, Table};
pub use statistics::Estimate;
pub use store::{Archive, RUNS_FILE, Record, Store};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// All experiments, in the order of the report.
pub const ALL: &[&dyn Experiment] = &[
    &solver::Solver,
    &invariance::Invariance,
    &reordering::Reordering,
    &benchmark::Benchmark,
    &unlabelled::Unlabelled,
    &empirical::Empirical,
];

/// An experiment: what it asks and claims, its runs, and what they say.
pub trait Experiment: Sync {
    /// What is fixed before anything runs.
    fn about(&self) -> &'static About;

    /// Names and values of all that decides the numbers at this scale, the code apart: a reader sees
    /// them, and a stored run is only used again while they are the same.
    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)>;

    /// What is compared: each arm runs once per judging seed, the same seeds for all. Nothing is read yet: a
    /// report lists the runs, too, where the data may be missing.
    fn arms(&self, setup: &Setup) -> Vec<Arm>;

    /// What the settings of its methods were chosen from.
    fn grids(&self, _setup: &Setup) -> Vec<Grid> {
        Vec::new()
    }

    /// Effects, plots and a table. Runs may be missing.
    fn analyse(&self, results: &Results<'_>) -> Analysis;
}

/// What an experiment fixes before anything runs.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The word of the command line: small letters, digits and hyphens.
    pub name: &'static str,
    /// The heading.
    pub title: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// How it finds out.
    pub protocol: &'static str,
    /// What the paper claims about it.
    pub paper: &'static str,
    /// What is claimed here.
    pub hypotheses: &'static [Hypothesis],
    /// How many seeds judge and tune.
    pub seeds: Seeds,
}

/// How many seeds an experiment has.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// Those that judge at [`Scale::Quick`].
    pub quick: u64,
    /// Those that judge at [`Scale::Full`].
    pub full: u64,
    /// Those that tune.
    pub tuning: u64,
}

/// How large the experiments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Seconds: whether everything runs. Its numbers mean nothing.
    Smoke,
    /// Minutes.
    Quick,
    /// The sizes that the claims are made for.
    Full,
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Full => "full",
        })
    }
}

/// What a command says to all experiments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// How large they are.
    pub scale: Scale,
    /// The folder that holds MNIST, if there is one.
    pub mnist: Option<PathBuf>,
}

impl Setup {
    /// Reads what it names, once for all runs.
    ///
    /// # Errors
    /// [`Error::File`], when the folder does not hold MNIST.
    pub fn check(&self) -> Result<(), Error> {
        classifier::Digits::of(self).map(drop)
    }
}

/// One of the things that an experiment compares: a name, and what a run of it does.
#[derive(Clone)]
pub struct Arm {
    label: String,
    work: Arc<Work>,
}

/// What a run does.
pub type Work = dyn Fn(&Job<'_>) -> Result<Outcome, Halt> + Send + Sync;

impl Arm {
    /// An arm called `label`, of letters, digits and the signs `.=+-`.
    pub fn new(
        label: impl Into<String>,
        work: impl Fn(&Job<'_>) -> Result<Outcome, Halt> + Send + Sync + 'static,
    ) -> Self {
        Self {
            label: label.into(),
            work: Arc::new(work),
        }
    }
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Arm").field(&self.label).finish()
    }
}

/// The settings that a method could have had, and the one that it has.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The method, which is part of the labels in the report.
    pub method: &'static str,
    /// The settings: as many as those of every other method of the experiment.
    pub settings: Vec<Arm>,
    /// The label of the one that the judging runs have.
    pub chosen: String,
    /// The scalar of an [`Outcome`] whose mean over the tuning seeds is to be least.
    pub score: &'static str,
}

/// What a run is told.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Decides all that is random in the run.
    pub seed: u64,
    stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Whether nobody has asked to stop: to be asked at least once a second.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Why a run has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Somebody asked to stop.
    Interrupted,
    /// Something is wrong.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The numbers of a run. One that is not finite says that the run diverged.
///
/// Two outcomes are equal when their numbers are, whatever their clocks say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// `null` in a file for what is not finite.
    scalars: BTreeMap<String, Option<f64>>,
    series: BTreeMap<String, Vec<(f64, Option<f64>)>>,
    /// Seconds at the points of a curve: others every time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    clocks: BTreeMap<String, Vec<(f64, f64)>>,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        self.scalars == other.scalars && self.series == other.series
    }
}

impl Outcome {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a number called `name`.
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.scalars.insert(name.into(), finite(value));
        self
    }

    /// With a curve called `name`, of points at increasing finite x.
    pub fn with_series(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points.into_iter().map(|(x, y)| (x, finite(y)));
        self.series.insert(name.into(), points.collect());
        self
    }

    /// With the seconds since the begin of the run at the points of the curve called `name`.
    pub fn with_clock(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.clocks
            .insert(name.into(), points.into_iter().collect());
        self
    }

    /// The number called `name`; NaN, if it is not finite or not there.
    pub fn scalar(&self, name: &str) -> f64 {
        self.scalars
            .get(name)
            .copied()
            .flatten()
            .unwrap_or(f64::NAN)
    }

    /// The numbers alone, which are the same every time.
    #[must_use]
    pub fn without_clocks(&self) -> Self {
        Self {
            clocks: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The clock of the curve called `name`.
    pub fn clock(&self, name: &str) -> &[(f64, f64)] {
        self.clocks.get(name).map_or(&[], Vec::as_slice)
    }

    /// All numbers, by name.
    pub fn scalars(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        self.scalars
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// All curves, by name.
    pub fn series(&self) -> impl Iterator<Item = (&str, &[(f64, Option<f64>)])> {
        self.series
            .iter()
            .map(|(name, points)| (name.as_str(), points.as_slice()))
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
