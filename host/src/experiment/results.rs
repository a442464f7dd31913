//! What an experiment sees of its runs, and what it says of them.

use std::collections::BTreeMap;

use super::plan::tuning_label;
use super::{Archive, Estimate, Grid, Outcome, Role, Scale};
use crate::plot::{Plot, Point};

/// The runs of one experiment that are there.
#[derive(Debug)]
pub struct Results<'a> {
    scale: Scale,
    runs: BTreeMap<(Role, &'a str), BTreeMap<u64, &'a Outcome>>,
}

/// What an experiment says of its runs.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// The effect of every hypothesis, by its id.
    pub effects: Vec<(&'static str, Estimate)>,
    /// What was seen, in sentences.
    pub seen: String,
    /// Plots.
    pub figures: Vec<Figure>,
    /// All that the sentences rest on.
    pub tables: Vec<Table>,
}

/// A plot with the sentence below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// What is seen, and what a band is.
    pub caption: String,
    /// The plot.
    pub plot: Plot,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The headings of the columns.
    pub head: Vec<String>,
    /// The rows, which begin with their own heading.
    pub rows: Vec<Vec<String>>,
}

/// Whether the tuning runs bear out the choice of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// The settings, with the mean of their scores.
    pub scores: Vec<(String, Estimate)>,
    /// The label of the setting whose mean is least.
    pub best: Option<String>,
    /// That of the setting that the judging runs have.
    pub chosen: String,
}

impl<'a> Results<'a> {
    /// The runs of the experiment called `name`.
    pub fn new(archive: &'a Archive, name: &str, scale: Scale) -> Self {
        let mut runs: BTreeMap<(Role, &str), BTreeMap<u64, &Outcome>> = BTreeMap::new();
        for record in archive
            .runs()
            .filter(|record| record.key.experiment == name)
        {
            let key = (record.key.role, record.key.arm.as_str());
            let arm = runs.entry(key).or_default();
            arm.insert(record.key.seed, &record.outcome);
        }
        Self { scale, runs }
    }

    /// The scale of the runs.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// How many judging seeds have a run.
    pub fn seeds(&self) -> usize {
        let judging = self
            .runs
            .iter()
            .filter(|((role, _), _)| *role == Role::Judging);
        let most = judging.map(|(_, runs)| runs.len()).max();
        most.unwrap_or(0)
    }

    fn outcomes(&self, role: Role, arm: &str) -> impl Iterator<Item = (u64, &'a Outcome)> + '_ {
        let mut arms = self.runs.iter();
        let found = arms.find(|((known, label), _)| *known == role && *label == arm);
        let runs = found.into_iter().flat_map(|(_, runs)| runs);
        runs.map(|(seed, outcome)| (*seed, *outcome))
    }

    /// The number called `name` of every judging run of an arm, in the order of the seeds; NaN for a run
    /// that diverged.
    pub fn values(&self, arm: &str, name: &str) -> Vec<f64> {
        let outcomes = self.outcomes(Role::Judging, arm);
        outcomes.map(|(_, outcome)| outcome.scalar(name)).collect()
    }

    /// The numbers called `name` of two arms, for the seeds that both have.
    pub fn pairs(&self, arm: &str, other: &str, name: &str) -> Vec<(f64, f64)> {
        let others: BTreeMap<u64, &Outcome> = self.outcomes(Role::Judging, other).collect();
        self.outcomes(Role::Judging, arm)
            .filter_map(|(seed, outcome)| {
                let other = others.get(&seed)?;
                Some((outcome.scalar(name), other.scalar(name)))
            })
            .collect()
    }

    /// The ratio of the number called `name` in an arm to that in another, as a geometric mean over the
    /// seeds.
    pub fn ratio(&self, arm: &str, other: &str, name: &str) -> Estimate {
        let pairs = self.pairs(arm, other, name);
        Estimate::geometric_mean(pairs.into_iter().map(|(a, b)| a / b))
    }

    /// The curve called `name` of an arm, as `average` of the seeds with its interval, at each x that all of
    /// them have: beyond the shortest curve the mean would be over other seeds.
    pub fn band(
        &self,
        arm: &str,
        name: &str,
        average: impl Fn(Vec<f64>) -> Estimate,
    ) -> Vec<Point> {
        let mut columns: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
        let mut runs = 0;
        for (_, outcome) in self.outcomes(Role::Judging, arm) {
            let Some((_, curve)) = outcome.series().find(|(known, _)| *known == name) else {
                continue;
            };
            runs += 1;
            for (x, y) in curve {
                let column = columns
                    .entry(x.to_bits())
                    .or_insert_with(|| (*x, Vec::new()));
                column.1.push(y.unwrap_or(f64::NAN));
            }
        }
        let mut points: Vec<Point> = columns
            .into_values()
            .filter(|(_, values)| values.len() == runs)
            .map(|(x, values)| average(values).at(x))
            .collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        points
    }

    /// The curve called `name` of an arm against the seconds of its clock: the mean of the seeds' seconds at
    /// each point.
    pub fn timed_band(
        &self,
        arm: &str,
        name: &str,
        average: impl Fn(Vec<f64>) -> Estimate,
    ) -> Vec<Point> {
        let mut clocks: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (_, outcome) in self.outcomes(Role::Judging, arm) {
            for (x, seconds) in outcome.clock(name) {
                clocks.entry(x.to_bits()).or_default().push(*seconds);
            }
        }
        let band = self.band(arm, name, average).into_iter();
        band.filter_map(|point| {
            let seconds = clocks.get(&point.x.to_bits())?;
            let x = Estimate::mean(seconds.iter().copied()).value;
            Some(Point { x, ..point })
        })
        .collect()
    }

    /// What the tuning runs say of a choice; nothing, where there is none.
    pub fn confirmation(&self, grid: &Grid) -> Option<Confirmation> {
        let score = |label: &str| {
            let arm = tuning_label(grid.method, label);
            let outcomes: Vec<f64> = self
                .outcomes(Role::Tuning, &arm)
                .map(|(_, outcome)| outcome.scalar(grid.score))
                .collect();
            Estimate::mean(outcomes)
        };
        let scores: Vec<(String, Estimate)> = grid
            .settings
            .iter()
            .map(|arm| (arm.label.clone(), score(&arm.label)))
            .collect();
        if scores.iter().all(|(_, score)| score.n == 0) {
            return None;
        }
        let best = scores
            .iter()
            .filter(|(_, score)| score.value.is_finite())
            .min_by(|a, b| a.1.value.total_cmp(&b.1.value));
        Some(Confirmation {
            best: best.map(|(label, _)| label.clone()),
            chosen: grid.chosen.clone(),
            scores,
        })
    }
}

impl Estimate {
    /// As a point of a plot, with the interval for its band.
    pub fn at(&self, x: f64) -> Point {
        Point {
            x,
            y: self.value,
            band: Some((self.low, self.high)),
        }
    }
}
