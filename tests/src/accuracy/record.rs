//! The data of the comparison, as they are committed.

use std::path::{Path, PathBuf};

use accuracy::{Batches, Descent, Heavy, Moments, Schedule, TASKS, TILE, Task};
use natgrad::{Pass, Trainer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Choice, Method, Run};
use crate::root;

/// The names of a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// Its own.
    pub task: String,
    /// "raw" or "standardised".
    pub inputs: String,
}

impl Name {
    /// Of a task.
    pub fn of(task: &Task) -> Self {
        let inputs = if task.standardised {
            "standardised"
        } else {
            "raw"
        };
        Self {
            task: task.name.into(),
            inputs: inputs.into(),
        }
    }

    /// Its place among the tasks.
    pub fn place(&self) -> usize {
        let place = TASKS.iter().position(|task| Self::of(task) == *self);
        place.unwrap_or(TASKS.len())
    }

    /// The task.
    pub fn task(&self) -> Option<&'static Task> {
        TASKS.iter().find(|task| Self::of(task) == *self)
    }
}

/// A setting as it is written.
struct Written {
    batch: String,
    rate: f32,
    schedule: String,
}

impl Written {
    fn of(choice: Choice) -> Self {
        let batch = match choice.setting.batches {
            Batches::Of(len) => len.to_string(),
            Batches::GrowingTo(most) => format!("16-{most}"),
        };
        let schedule = match choice.setting.schedule {
            Schedule::Constant => "constant",
            Schedule::Inverse => "inverse",
        };
        Self {
            batch,
            rate: choice.rate,
            schedule: schedule.into(),
        }
    }
}

/// The setting that is written so.
fn chosen(method: Method, batch: &str, rate: f32, schedule: &str) -> Choice {
    let schedule = match schedule {
        "constant" => Schedule::Constant,
        _ => Schedule::Inverse,
    };
    let number = |text: &str| text.parse().unwrap_or(0);
    let mut choice = Choice::new(method, rate, number(batch), schedule);
    if let Some((_, most)) = batch.split_once('-') {
        choice.setting.batches = Batches::GrowingTo(number(most));
    }
    choice
}

/// A run of the grid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    task: String,
    inputs: String,
    /// The method.
    pub method: Method,
    batch: String,
    rate: f32,
    schedule: String,
    seed: u64,
    loose: Option<u64>,
    middle: Option<u64>,
    strict: Option<u64>,
    /// The training loss at the end.
    pub end_loss: f32,
}

impl Trial {
    /// Of a run.
    pub fn new(task: &Task, choice: Choice, seed: u64, run: &Run) -> Self {
        let Name { task, inputs } = Name::of(task);
        let Written {
            batch,
            rate,
            schedule,
        } = Written::of(choice);
        let [loose, middle, strict] = run.arrival.0.map(|point| point.map(|point| point.macs));
        Self {
            task,
            inputs,
            method: choice.method,
            batch,
            rate,
            schedule,
            seed,
            loose,
            middle,
            strict,
            end_loss: run.end.loss,
        }
    }

    /// Its task.
    pub fn name(&self) -> Name {
        Name {
            task: self.task.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Its setting.
    pub fn choice(&self) -> Choice {
        chosen(self.method, &self.batch, self.rate, &self.schedule)
    }

    /// Where it stands in the file.
    pub fn order(&self) -> (usize, Method, u64, String, u32, String) {
        let batch = format!("{:0>4}", self.batch);
        (
            self.name().place(),
            self.method,
            self.seed,
            batch,
            self.rate.to_bits(),
            self.schedule.clone(),
        )
    }

    /// Whether it is of that run.
    pub fn is(&self, task: &Task, choice: Choice, seed: u64) -> bool {
        self.seed == seed && self.name() == Name::of(task) && self.choice() == choice
    }

    /// The multiply-accumulates to an accuracy, with those of the updates: without them small batches would be too
    /// cheap.
    pub fn cost(&self, index: usize) -> Option<u64> {
        let macs = [self.loose, self.middle, self.strict][index]?;
        let model = self.name().task()?.model;
        let update = match self.method {
            Method::Adam => Trainer::<f32, Moments, TILE>::finish_macs(&model),
            Method::Momentum => Trainer::<f32, Heavy, TILE>::finish_macs(&model),
            Method::Sgd => Trainer::<f32, Descent, TILE>::finish_macs(&model),
            Method::Exact | Method::Spring | Method::Cg | Method::Lbfgs => 0,
        };
        let batch: u64 = self.batch.parse().ok()?;
        let steps = macs / (batch * model.macs(Pass::Gradient));
        Some(macs + steps * update)
    }
}

/// A row of the table.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// `Gram` without memory.
    Gram,
    /// `Gram`, the default.
    Spring,
    /// The same over at most 16 examples, where there are few outputs.
    SpringSmall,
    /// `NaturalGradient` by CG, the default.
    Cg,
    /// The same at the best of its grid.
    CgBest,
    /// `Adam`, rate 0.001.
    Adam,
    /// `Adam` at the best of its grid.
    AdamBest,
    /// `Sgd`, rate 0.01.
    Sgd,
    /// `Sgd` at the best of its grid.
    SgdBest,
    /// L-BFGS.
    Lbfgs,
}

impl Row {
    /// All of them, from top to bottom.
    pub const ALL: [Self; 10] = [
        Self::Gram,
        Self::Spring,
        Self::SpringSmall,
        Self::Cg,
        Self::CgBest,
        Self::Adam,
        Self::AdamBest,
        Self::Sgd,
        Self::SgdBest,
        Self::Lbfgs,
    ];
}

/// What a run of a row took to one accuracy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    task: String,
    inputs: String,
    /// The row.
    pub row: Row,
    /// The accuracy.
    pub accuracy: f32,
    /// The method.
    pub method: Method,
    batch: String,
    rate: f32,
    schedule: String,
    /// The seed.
    pub seed: u64,
    /// The steps, if it has arrived.
    pub steps: Option<u32>,
    /// The examples.
    pub examples: Option<u64>,
    /// The multiply-accumulates.
    pub macs: Option<u64>,
    /// The training loss at the end.
    pub end_loss: f32,
    /// The held-out loss at the end.
    pub held_out: f32,
    /// The steps that changed nothing.
    pub rejected: u32,
}

impl Entry {
    /// Of the run that is counted for the `index`-th accuracy.
    pub fn new(task: &Task, row: Row, index: usize, choice: Choice, seed: u64, run: &Run) -> Self {
        let Name { task: name, inputs } = Name::of(task);
        let Written {
            batch,
            rate,
            schedule,
        } = Written::of(choice);
        let arrival = run.arrival.0[index];
        Self {
            task: name,
            inputs,
            row,
            accuracy: task.accuracies[index],
            method: choice.method,
            batch,
            rate,
            schedule,
            seed,
            steps: arrival.map(|point| point.steps),
            examples: arrival.map(|point| point.examples),
            macs: arrival.map(|point| point.macs),
            end_loss: run.end.loss,
            held_out: run.held_out,
            rejected: run.end.rejected,
        }
    }

    /// Its task.
    pub fn name(&self) -> Name {
        Name {
            task: self.task.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Its setting.
    pub fn choice(&self) -> Choice {
        chosen(self.method, &self.batch, self.rate, &self.schedule)
    }
}

/// Where a line stands in its file.
pub type Order = (usize, Row, u64);

impl Entry {
    /// Where it stands in the file, but for the order of the accuracies.
    pub fn order(&self) -> Order {
        (self.name().place(), self.row, self.seed)
    }
}

impl Count {
    /// Its task.
    pub fn name(&self) -> Name {
        Name {
            task: self.task.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Where it stands in the file, but for the order of the accuracies.
    pub fn order(&self) -> Order {
        (self.name().place(), self.row, 0)
    }
}

impl Curve {
    /// Its task.
    pub fn name(&self) -> Name {
        Name {
            task: self.task.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Where it stands in the file.
    pub fn order(&self) -> Order {
        (self.name().place(), self.row, self.macs)
    }
}

/// What the emulated core has counted: the run of the median seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The task.
    pub task: String,
    /// Its inputs.
    pub inputs: String,
    /// The row.
    pub row: Row,
    /// The accuracy.
    pub accuracy: f32,
    /// The seed.
    pub seed: u64,
    /// The steps that were counted.
    pub counted: u32,
    /// The steps to the accuracy, if it arrives: more than were counted where the run is too long for that.
    pub steps: Option<u32>,
    /// The instructions of all of them.
    pub instructions: Option<u64>,
    /// Bytes of parameters, workspace and trainer, and of stack as the library states it.
    pub ram: u64,
    /// Bytes of code and constants of the program, without data.
    pub flash: u64,
}

/// Where the best loss so far of a row stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The task.
    pub task: String,
    /// Its inputs.
    pub inputs: String,
    /// The row.
    pub row: Row,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Quartiles over the seeds of the least training loss so far.
    pub low: f32,
    /// See [`Curve::low`].
    pub median: f32,
    /// See [`Curve::low`].
    pub high: f32,
}

/// The folder of the data.
pub fn folder() -> PathBuf {
    root().join("tests/accuracy")
}

/// Reads a file of it.
///
/// # Errors
/// A sentence.
pub fn read<T: DeserializeOwned>(name: &str) -> Result<Vec<T>, String> {
    let path = folder().join(name);
    let rows = csv::Reader::from_path(&path).and_then(|mut reader| reader.deserialize().collect());
    rows.map_err(|error| sentence(&path, &error))
}

/// Writes a file of it.
///
/// # Errors
/// A sentence.
pub fn write<T: Serialize>(name: &str, rows: &[T]) -> Result<(), String> {
    let path = folder().join(name);
    let written = || -> Result<(), csv::Error> {
        std::fs::create_dir_all(folder())?;
        let mut writer = csv::Writer::from_path(&path)?;
        for row in rows {
            writer.serialize(row)?;
        }
        Ok(writer.flush()?)
    };
    written().map_err(|error| sentence(&path, &error))
}

fn sentence(path: &Path, error: &csv::Error) -> String {
    format!("{}: {error}", path.display())
}
