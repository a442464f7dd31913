//! The list of runs of a command, and its shards.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Arm, Experiment, Scale, Setup, Threshold, Work};
use crate::error::Error;

/// The first seed of tuning runs; judging runs have smaller ones.
pub const TUNING_SEEDS: u64 = 1_000_000;

/// The most seeds of an experiment.
pub const MOST_SEEDS: u64 = 10_000;

/// The judging seeds at [`Scale::Smoke`]: the fewest that have an interval.
const SMOKE_SEEDS: u64 = 2;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To choose a setting.
    Tuning,
    /// To judge a claim.
    Judging,
}

impl Role {
    /// Its word in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tuning => "tuning",
            Self::Judging => "judging",
        }
    }
}

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The name of its experiment.
    pub experiment: String,
    /// What it is for.
    pub role: Role,
    /// What is compared; of a tuning run the method and the setting, joined by `:`.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            experiment,
            role,
            arm,
            seed,
        } = self;
        write!(f, "{experiment}/{}/{arm}/{seed}", role.word())
    }
}

/// What a command is to run: enough to list the runs anew.
///
/// It is stored before any of them, and with it what is claimed, so that no hypothesis can come, go or move
/// once runs are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this crate.
    pub version: String,
    /// Stands for the bytes of the program that makes the plan.
    pub build: String,
    /// What is said to all experiments.
    pub setup: Setup,
    /// The names of the experiments.
    pub experiments: Vec<String>,
    /// How many seeds judge, where that is not left to the experiment.
    pub seeds: Option<u64>,
    /// Whether only the tuning runs are meant.
    pub tune: bool,
    /// The thresholds of all hypotheses, by id.
    pub thresholds: BTreeMap<String, Threshold>,
}

/// The runs of one experiment.
pub struct Part<'e> {
    /// The experiment.
    pub experiment: &'e dyn Experiment,
    /// Stands for all that decides the numbers of its runs, their keys and the code of a version apart.
    pub config: String,
    /// The runs: arm by arm, and seed by seed.
    pub runs: Vec<Run>,
}

/// A run that is to be done.
#[derive(Clone)]
pub struct Run {
    /// Which.
    pub key: Key,
    pub(super) work: Arc<Work>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.key).finish()
    }
}

impl Plan {
    /// The plan of the experiments called `only`, or of all of them if there is no name.
    ///
    /// # Errors
    /// [`Error::Option`], when there is no experiment of a name.
    pub fn new(
        registry: &[&dyn Experiment],
        setup: Setup,
        only: &[String],
        seeds: Option<u64>,
        tune: bool,
    ) -> Result<Self, Error> {
        let names = || registry.iter().map(|experiment| experiment.about().name);
        if let Some(unknown) = only
            .iter()
            .find(|name| !names().any(|known| known == *name))
        {
            let known: Vec<&str> = names().collect();
            let problem = format!(
                "there is no experiment {}, only {}",
                crate::error::excerpt(unknown),
                known.join(", ")
            );
            return Err(Error::option("--only", problem));
        }
        let wanted = |name: &&str| only.is_empty() || only.iter().any(|only| only == name);
        let experiments: Vec<String> = names().filter(wanted).map(String::from).collect();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            build: build(),
            thresholds: thresholds(registry, &experiments),
            setup,
            experiments,
            seeds,
            tune,
        })
    }

    /// The runs, experiment by experiment.
    pub fn parts<'e>(&self, registry: &[&'e dyn Experiment]) -> Vec<Part<'e>> {
        let named = |experiment: &&&dyn Experiment| {
            let name = experiment.about().name;
            self.experiments.iter().any(|wanted| wanted == name)
        };
        let part = |experiment: &&'e dyn Experiment| Part {
            experiment: *experiment,
            config: config(*experiment, &self.setup),
            runs: self.runs(*experiment),
        };
        registry.iter().filter(named).map(part).collect()
    }

    /// Seed by seed within an arm, since runs of the same arm take about as long: so every shard of a
    /// round robin gets its share of the long ones.
    fn runs(&self, experiment: &dyn Experiment) -> Vec<Run> {
        let about = experiment.about();
        let scale = self.setup.scale;
        let runs = |role: Role, label: String, arm: &Arm, seeds: std::ops::Range<u64>| {
            let work = Arc::clone(&arm.work);
            seeds.map(move |seed| Run {
                key: Key {
                    experiment: about.name.into(),
                    role,
                    arm: label.clone(),
                    seed,
                },
                work: Arc::clone(&work),
            })
        };
        let mut list = Vec::new();
        if self.tune || scale == Scale::Full {
            let count = match scale {
                Scale::Smoke => 1,
                Scale::Quick | Scale::Full => about.seeds.tuning,
            };
            for grid in experiment.grids(&self.setup) {
                for arm in &grid.settings {
                    let label = tuning_label(grid.method, &arm.label);
                    let seeds = TUNING_SEEDS..TUNING_SEEDS + count;
                    list.extend(runs(Role::Tuning, label, arm, seeds));
                }
            }
        }
        if !self.tune {
            let seeds = self.seeds.unwrap_or(match scale {
                Scale::Smoke => SMOKE_SEEDS,
                Scale::Quick => about.seeds.quick,
                Scale::Full => about.seeds.full,
            });
            for arm in experiment.arms(&self.setup) {
                list.extend(runs(Role::Judging, arm.label.clone(), &arm, 0..seeds));
            }
        }
        list
    }
}

/// What the hypotheses of the experiments called `names` say now.
pub(super) fn thresholds(
    registry: &[&dyn Experiment],
    names: &[String],
) -> BTreeMap<String, Threshold> {
    let abouts = registry.iter().map(|experiment| experiment.about());
    abouts
        .filter(|about| names.iter().any(|name| name == about.name))
        .flat_map(|about| about.hypotheses)
        .map(|hypothesis| (hypothesis.id.into(), hypothesis.threshold))
        .collect()
}

/// A checksum of this program, or nothing where it cannot be read.
fn build() -> String {
    let program = std::env::current_exe().and_then(std::fs::read);
    program.map_or(String::new(), |bytes| {
        format!("{:08x}", crc32fast::hash(&bytes))
    })
}

/// The arm of a tuning run in its key.
pub(super) fn tuning_label(method: &str, setting: &str) -> String {
    format!("{method}:{setting}")
}

/// Eight hexadecimal digits that change with the settings of an experiment, with the scale and with the
/// version.
pub(super) fn config(experiment: &dyn Experiment, setup: &Setup) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&setup.scale.to_string());
    for (name, value) in experiment.settings(setup) {
        add(name);
        add(&value);
    }
    format!("{:08x}", hasher.finalize())
}

/// A part of a list of runs: those whose place, counted from 0, is `index` modulo `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// The whole list.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The runs of this shard, in the order of the list.
    pub fn select<T>(self, list: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        list.skip(self.index).step_by(self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            Some((_, of)) if of > 0 => Err(format!(
                "shards count from 0, so that the last of {of} is {}/{of}",
                of - 1
            )),
            _ => Err("a shard is I/N, such as 0/4 for the first of four".into()),
        }
    }
}
