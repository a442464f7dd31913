//! Runs a list of runs in parallel, and stores each as it ends.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::{Experiment, Halt, Job, Key, Part, Record, Run, Shard, Store};
use crate::error::Error;

/// What whoever watches is told.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'k> {
    /// An experiment is about to run: its name, its runs in all, and how many are there already.
    Begun(&'k str, usize, usize),
    /// A run has ended.
    Ended(&'k Key),
}

/// Runs what `shard` asks for of `parts` and `store` does not hold, on as many threads as rayon has.
///
/// One run is one thread, so that its numbers do not depend on how many there are. Returns whether all is
/// done: `stop` ends it early, after what each thread can do in about a second.
///
/// # Errors
/// The first error of a run, which names it, or of the store. What has ended before is kept.
pub fn execute(
    parts: &[Part<'_>],
    shard: Shard,
    store: &mut Store,
    registry: &[&dyn Experiment],
    stop: &AtomicBool,
    watch: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<bool, Error> {
    let runs = parts
        .iter()
        .flat_map(|part| part.runs.iter().map(move |run| (part, run)));
    let mine: Vec<(&Part<'_>, &Run)> = shard.select(runs).collect();
    let is_there = |run: &Run| store.archive().contains(&run.key);
    for part in parts {
        let name = part.experiment.about().name;
        let own = || mine.iter().filter(|(_, run)| run.key.experiment == name);
        let there = own().filter(|(_, run)| is_there(run)).count();
        watch(Progress::Begun(name, own().count(), there));
    }
    let to_do: Vec<(String, &Run)> = mine
        .into_iter()
        .filter(|(_, run)| !is_there(run))
        .map(|(part, run)| (part.config.clone(), run))
        .collect();

    let store = Mutex::new(store);
    let result = to_do
        .into_par_iter()
        .with_max_len(1)
        .try_for_each(|(config, run)| {
            let record = work(run, config, stop)?;
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            store.add(record, registry)?;
            watch(Progress::Ended(&run.key));
            Ok(())
        });
    match result {
        Ok(()) => Ok(true),
        Err(Halt::Interrupted) => Ok(false),
        Err(Halt::Failed(error)) => Err(error),
    }
}

fn work(run: &Run, config: String, stop: &AtomicBool) -> Result<Record, Halt> {
    let job = Job {
        seed: run.key.seed,
        stop,
    };
    if !job.goes_on() {
        return Err(Halt::Interrupted);
    }
    let started = Instant::now();
    let outcome = (run.work)(&job).map_err(|halt| match halt {
        Halt::Interrupted => Halt::Interrupted,
        Halt::Failed(error) => Halt::Failed(Error::file(run.key.to_string(), error.to_string())),
    })?;
    Ok(Record {
        key: run.key.clone(),
        config,
        outcome,
        seconds: started.elapsed().as_secs_f64(),
    })
}
