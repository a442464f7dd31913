//! Finished runs on disk: one line of JSON each, appended as they come.
//!
//! Every line stands for itself, so that files can be joined line by line. A plan comes before its runs.
//! What a crash has torn is the end of the last line: it is cut off, and its run is done again.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{config, thresholds};
use super::{Experiment, Key, Outcome, Plan, Threshold};
use crate::error::{Error, shown};
use crate::files;

/// The name of the file in a directory of results.
pub const RUNS_FILE: &str = "runs.jsonl";

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which.
    pub key: Key,
    /// What decided its numbers: see [`Part::config`](super::Part::config).
    pub config: String,
    /// Its numbers.
    pub outcome: Outcome,
    /// How long it took, which is no number of the experiment: it is another one every time.
    pub seconds: f64,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Plan(Plan),
    Run(Record),
}

/// The runs and plans of a directory, or of several that were merged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Archive {
    plans: Vec<Plan>,
    runs: BTreeMap<Key, Record>,
}

impl Archive {
    /// What the directory `folder` holds; nothing, if it is not there or has no runs.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Row`], when the file cannot be read, or holds something that the
    /// experiments of `registry` cannot use.
    pub fn read(folder: &Path, registry: &[&dyn Experiment]) -> Result<Self, Error> {
        let path = folder.join(RUNS_FILE);
        if path.exists() {
            Self::parse(&shown(&path), whole_lines(&files::read(&path)?), registry)
        } else {
            Ok(Self::default())
        }
    }

    fn parse(name: &str, bytes: &[u8], registry: &[&dyn Experiment]) -> Result<Self, Error> {
        let mut archive = Self::default();
        for (row, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line.is_empty() {
                continue;
            }
            let wrong = |problem: String| Error::row(name, row, problem);
            let line =
                serde_json::from_slice(line).map_err(|_| wrong("is no line of a run".into()))?;
            match line {
                Line::Plan(plan) => archive.add_plan(plan, registry),
                Line::Run(record) => archive.add(record, registry),
            }
            .map_err(wrong)?;
        }
        Ok(archive)
    }

    /// Adds what `other` holds.
    ///
    /// # Errors
    /// [`Error::File`] about `name`, when a run has other numbers there, or when the two are of different
    /// scales.
    pub fn merge(
        &mut self,
        other: Self,
        name: &str,
        registry: &[&dyn Experiment],
    ) -> Result<(), Error> {
        let wrong = |problem| Error::file(name, problem);
        for plan in other.plans {
            self.add_plan(plan, registry).map_err(wrong)?;
        }
        for record in other.runs.into_values() {
            self.add(record, registry).map_err(wrong)?;
        }
        Ok(())
    }

    /// The plan that all others agree with in what is said to all experiments.
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.first()
    }

    /// All plans.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// All runs, in the order of their keys.
    pub fn runs(&self) -> impl Iterator<Item = &Record> {
        self.runs.values()
    }

    /// Whether a run is there.
    pub fn contains(&self, key: &Key) -> bool {
        self.runs.contains_key(key)
    }

    fn add_plan(&mut self, plan: Plan, registry: &[&dyn Experiment]) -> Result<(), String> {
        let current = env!("CARGO_PKG_VERSION");
        if plan.version != current {
            return Err(format!(
                "the runs are of natgrad {}, and this is natgrad {current}; choose another directory",
                plan.version
            ));
        }
        if let Some(first) = self.plan() {
            if first.setup.scale != plan.setup.scale {
                return Err(format!(
                    "runs at the scales {} and {} do not go together; choose another directory",
                    first.setup.scale, plan.setup.scale
                ));
            }
            if first.setup.mnist.is_some() != plan.setup.mnist.is_some() {
                return Err(
                    "runs with and without MNIST do not go together; choose another directory"
                        .into(),
                );
            }
        }
        for name in &plan.experiments {
            find(registry, name)?;
        }
        let now = thresholds(registry, &plan.experiments);
        let ids = now.keys().chain(plan.thresholds.keys());
        let moved = ids
            .clone()
            .find(|id| now.get(*id) != plan.thresholds.get(*id));
        if let Some(id) = moved {
            let shown = |threshold: Option<&Threshold>| {
                threshold.map_or("nothing".to_string(), Threshold::to_string)
            };
            return Err(format!(
                "the runs were begun to judge {id} by {}, and it is now {}; choose another directory",
                shown(plan.thresholds.get(id)),
                shown(now.get(id)),
            ));
        }
        if !self.plans.contains(&plan) {
            self.plans.push(plan);
        }
        Ok(())
    }

    fn add(&mut self, record: Record, registry: &[&dyn Experiment]) -> Result<(), String> {
        let Some(plan) = self.plan() else {
            return Err("a run comes before its plan".into());
        };
        let experiment = find(registry, &record.key.experiment)?;
        if record.config != config(experiment, &plan.setup) {
            return Err(format!(
                "the run {} has other settings than the experiment has now; choose another directory",
                record.key
            ));
        }
        match self.runs.get(&record.key) {
            Some(known) if known.outcome != record.outcome => {
                Err(format!("the run {} has two different outcomes", record.key))
            }
            Some(_) => Ok(()),
            None => {
                self.runs.insert(record.key.clone(), record);
                Ok(())
            }
        }
    }
}

fn find<'e>(registry: &[&'e dyn Experiment], name: &str) -> Result<&'e dyn Experiment, String> {
    let found = registry
        .iter()
        .find(|experiment| experiment.about().name == name);
    found
        .copied()
        .ok_or_else(|| format!("there is no experiment {}", crate::error::excerpt(name)))
}

/// All but a torn last line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    end.and_then(|end| bytes.get(..=end)).unwrap_or_default()
}

/// A directory that runs are added to, by one process at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    archive: Archive,
}

impl Store {
    /// Opens the directory `folder`, or makes it.
    ///
    /// # Errors
    /// As [`Archive::read`]; [`Error::File`], when the directory cannot be written to, or when another
    /// process is at it.
    pub fn open(folder: &Path, registry: &[&dyn Experiment]) -> Result<Self, Error> {
        let path = folder.join(RUNS_FILE);
        let failed = |error: io::Error| cannot_be_written(&path, &error);
        if folder.exists() && !folder.is_dir() {
            return Err(Error::file(shown(folder), "is no directory"));
        }
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(failed)?;
        // A file system without locks must not keep anybody from running there.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::file(
                shown(&path),
                "another process is writing to it; give every shard a directory of its own",
            ));
        }
        let bytes = files::read(&path)?;
        let whole = whole_lines(&bytes);
        if whole.len() < bytes.len() {
            file.set_len(whole.len() as u64).map_err(failed)?;
            file.seek(SeekFrom::End(0)).map_err(failed)?;
        }
        let archive = Archive::parse(&shown(&path), whole, registry)?;
        Ok(Self {
            path,
            file,
            archive,
        })
    }

    /// What is there.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Writes down what is about to run, if it is not written yet.
    ///
    /// # Errors
    /// [`Error::File`], when what is there is of another kind, or when it cannot be written.
    pub fn begin(&mut self, plan: &Plan, registry: &[&dyn Experiment]) -> Result<(), Error> {
        if self.archive.plans.contains(plan) {
            return Ok(());
        }
        let mut archive = std::mem::take(&mut self.archive);
        let added = archive.add_plan(plan.clone(), registry);
        self.archive = archive;
        added.map_err(|problem| Error::file(shown(&self.path), problem))?;
        self.write(&Line::Plan(plan.clone()))
    }

    /// Adds a finished run.
    ///
    /// # Errors
    /// [`Error::File`], when it cannot be written, or is there with other numbers.
    pub fn add(&mut self, record: Record, registry: &[&dyn Experiment]) -> Result<(), Error> {
        let known = self.archive.contains(&record.key);
        let problem = |problem| Error::file(shown(&self.path), problem);
        self.archive
            .add(record.clone(), registry)
            .map_err(problem)?;
        if known {
            return Ok(());
        }
        self.write(&Line::Run(record))
    }

    /// Adds all that `archive` holds, and that is not there yet.
    ///
    /// # Errors
    /// As [`Store::begin`] and [`Store::add`].
    pub fn add_all(
        &mut self,
        archive: &Archive,
        registry: &[&dyn Experiment],
    ) -> Result<(), Error> {
        for plan in &archive.plans {
            self.begin(plan, registry)?;
        }
        for record in archive.runs() {
            self.add(record.clone(), registry)?;
        }
        Ok(())
    }

    /// One write for a line and its end, so that a crash tears no other line.
    fn write(&mut self, line: &Line) -> Result<(), Error> {
        let written = serde_json::to_vec(line)
            .map_err(io::Error::from)
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                self.file.write_all(&bytes)
            });
        written.map_err(|error| cannot_be_written(&self.path, &error))
    }
}

fn cannot_be_written(path: &Path, error: &io::Error) -> Error {
    Error::file(shown(path), format!("cannot be written: {error}"))
}
