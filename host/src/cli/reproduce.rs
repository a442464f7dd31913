//! `natgrad reproduce`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::report_command::conclude;
use super::{interrupt, report};
use crate::error::{Error, shown};
use crate::experiment::{self, ALL, MOST_SEEDS, Plan, Progress, Scale, Setup, Shard, Store};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How large the experiments are
    #[arg(long, value_enum, default_value = "quick")]
    scale: ScaleWord,
    /// Run only this experiment; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The number of seeds that judge, at least 2 [default: each experiment's own]
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Run only the tuning runs, which the settings in the code were chosen by; part of --scale full
    #[arg(long)]
    tune: bool,
    /// Run only the I-th of N parts of the list of runs, counted from 0; `natgrad report` merges them
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// The folder with the MNIST files, for the experiments that can use them
    #[arg(long, value_name = "DIR")]
    mnist: Option<PathBuf>,
    /// Where runs are stored, taken up again, and reported
    #[arg(long, value_name = "DIR", default_value = "reproduction")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScaleWord {
    /// Seconds: whether everything runs.
    Smoke,
    /// At most three minutes on two cores.
    Quick,
    /// At most 45 minutes on two cores.
    Full,
}

impl From<ScaleWord> for Scale {
    fn from(word: ScaleWord) -> Self {
        match word {
            ScaleWord::Smoke => Self::Smoke,
            ScaleWord::Quick => Self::Quick,
            ScaleWord::Full => Self::Full,
        }
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    if options
        .seeds
        .is_some_and(|seeds| !(2..=MOST_SEEDS).contains(&seeds))
    {
        let problem = format!("must be from 2, which an interval needs, to {MOST_SEEDS}");
        return Err(Error::option("--seeds", problem));
    }
    if let Some(folder) = options.mnist.as_ref().filter(|folder| !folder.is_dir()) {
        let problem = format!("there is no folder {}", shown(folder));
        return Err(Error::option("--mnist", problem));
    }
    let setup = Setup {
        scale: options.scale.into(),
        mnist: options.mnist.clone(),
    };
    // Before anything is written, and by no run, whose name would mean nothing here.
    setup.check()?;
    let plan = Plan::new(ALL, setup, &options.only, options.seeds, options.tune)?;
    let parts = plan.parts(ALL);
    let mut store = Store::open(&options.out, ALL)?;
    store.begin(&plan, ALL)?;

    let stop = interrupt::flag("Ctrl-C will lose the runs that are under way");
    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let bars = Bars::new();
    let done = experiment::execute(&parts, shard, &mut store, ALL, &stop, &|progress| {
        bars.show(progress);
    });
    bars.clear();
    let out = shown(&options.out);
    if !done? {
        let kept = store.archive().runs().count();
        report::note(&format!(
            "interrupted: {kept} runs are kept in {out}, and the same command goes on from there"
        ));
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    }
    if options.shard.is_some() {
        report::result(&format!("runs in {out}; natgrad report merges the shards"))?;
        return Ok(ExitCode::SUCCESS);
    }
    conclude(store.archive(), &options.out)
}

/// A bar per experiment; or a line at its beginning and its end, where nobody watches.
struct Bars {
    all: MultiProgress,
    experiments: Mutex<BTreeMap<String, ProgressBar>>,
    watched: bool,
}

impl Bars {
    fn new() -> Self {
        Self {
            all: MultiProgress::new(),
            experiments: Mutex::default(),
            watched: stderr().is_terminal(),
        }
    }

    fn show(&self, progress: Progress<'_>) {
        let mut experiments = self
            .experiments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Begun(name, runs, there) => {
                let bar = self.all.add(bar(name, runs, there));
                if self.watched {
                    bar.enable_steady_tick(Duration::from_millis(200));
                } else {
                    report::note(&format!("{name}: {there} of {runs} runs are there"));
                }
                experiments.insert(name.to_string(), bar);
            }
            Progress::Ended(key) => {
                let Some(bar) = experiments.get(&key.experiment) else {
                    return;
                };
                bar.inc(1);
                if bar.length() == Some(bar.position()) {
                    bar.abandon();
                    if !self.watched {
                        report::note(&format!("{}: all runs are done", key.experiment));
                    }
                }
            }
        }
    }

    fn clear(&self) {
        // A terminal that has gone away is no error.
        let _ = self.all.clear();
    }
}

fn bar(name: &str, runs: usize, there: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64).with_position(there as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix:14} {bar:30} {pos}/{len} runs  {elapsed}, {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_string());
    bar.reset_eta();
    bar
}
