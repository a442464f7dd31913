//! Builds the firmware in `tests/firmware` for every core, runs it on emulated boards, and holds what it prints
//! against the host.
#![forbid(unsafe_code)]

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use clap::builder::PossibleValue;
use clap::{Args, Parser, ValueEnum};
use natgrad_tests::on_target::{
    Build, CORES, Core, PROFILES, Toolchain, Verdict, bits, budgets, clean, control, cycles,
    examples, linked, panics, products, slices,
};

/// Runs the firmware on emulated cores.
#[derive(Parser)]
#[command(name = "on-target")]
struct Options {
    #[command(flatten)]
    print: Print,

    /// Take the measured costs for the budgets from now on.
    #[arg(long)]
    record: bool,

    /// Only this core; may be given several times [default: all].
    #[arg(long = "core", value_name = "NAME", value_parser = named)]
    cores: Vec<&'static Core>,

    /// Only this check; may be given several times [default: all].
    #[arg(long, value_name = "CHECK")]
    only: Vec<Check>,

    /// Delete what was built for a target by a profile once its last core is done: some 230 MB each.
    #[arg(long)]
    clean: bool,
}

/// What is done in the place of a run.
#[derive(Args)]
struct Print {
    /// Print the cores and the checks, and run nothing.
    #[arg(long)]
    list: bool,

    /// Print the tables of the budgets as they stand in the README, and run nothing.
    #[arg(long)]
    table: bool,

    /// Model the cycles of a Cortex-M4, write their tables into BENCHMARKS.md, and run nothing else.
    #[arg(long)]
    cycles: bool,
}

impl Options {
    fn wants(&self, check: Check) -> bool {
        self.only.is_empty() || self.only.contains(&check)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// The library builds with its logs, the feature `defmt`.
    Defmt,
    /// 100 steps of every method end with the bits of the host.
    Bits,
    /// Flash, RAM, stack and instructions of every method are within their budgets.
    Budgets,
    /// The passes take no more instructions per multiply-accumulate than they may.
    Products,
    /// The passes take no more cycles of a Cortex-M4, by its manual, than they may.
    Cycles,
    /// No slice of any method takes more instructions than its bound.
    Slices,
    /// A control law in the learner's own thread is as punctual as the largest slice lets it be.
    Control,
    /// No public function of the library can panic.
    Panics,
    /// No program holds code of a method that it does not name.
    Linked,
    /// The examples do what they are for, with the known logs.
    Examples,
    /// What is refused is a typed error, logged by name, and changes nothing.
    Errors,
}

impl Check {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().into())
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        let about = value.as_ref().and_then(PossibleValue::get_help);
        about.map_or_else(String::new, ToString::to_string)
    }
}

fn named(name: &str) -> Result<&'static Core, String> {
    let known: Vec<&str> = CORES.iter().map(|core| core.name).collect();
    let found = CORES.iter().find(|core| core.name == name);
    found.ok_or_else(|| format!("the cores are {}", known.join(", ")))
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.print.list {
        for core in CORES {
            println!("{:4} {:30} {}", core.name, core.target, core.board);
        }
        for check in Check::value_variants() {
            println!("--only {:8} {}", check.name(), check.about());
        }
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("on-target: {sentence}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was missed.
fn run(options: &Options) -> Result<bool, String> {
    if options.print.table {
        print!("{}", budgets::render(&budgets::read()?));
        return Ok(true);
    }
    if options.print.cycles {
        return cycles::write(&bits::host_runs()?).map(|()| true);
    }
    let mut cores: Vec<&Core> = CORES
        .iter()
        .filter(|core| options.cores.is_empty() || options.cores.contains(core))
        .collect();
    // The slow ones first, so that the last target is not left alone for long.
    cores.sort_by_key(|core| !core.emulates_floats());
    let host = bits::host_runs()?;
    println!("core target                         profile check    result");
    // The profiles of a target next to each other: cargo builds for one at a time per profile.
    let targets = cores.chunk_by(|one, other| one.target == other.target);
    let by_target = targets.flat_map(|cores| PROFILES.map(|profile| Job::Target(cores, profile)));
    let on_host = ["dev", "release"].map(Job::Host);
    let on_host = on_host.into_iter().filter(|_| options.wants(Check::Bits));

    // An emulator keeps one processor busy: while it does, the next programs are built on the others.
    let jobs = Mutex::new(by_target.chain(on_host));
    let next = || jobs.lock().ok()?.next();
    let work = || {
        let mut good = true;
        while let Some(job) = next() {
            good &= match job {
                Job::Target(cores, profile) => run_target(cores, profile, options, &host)?,
                Job::Host(profile) => {
                    let verdict = bits::check_host(profile, &host);
                    row("host", "", profile, Check::Bits, &verdict)
                }
            };
        }
        Ok(good)
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let verdicts: Vec<Result<bool, String>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let verdicts = workers.into_iter().map(|worker| {
            let verdict = worker.join();
            verdict.unwrap_or_else(|_| Err("a check panicked".into()))
        });
        verdicts.collect()
    });
    let mut good = true;
    for verdict in verdicts {
        good &= verdict?;
    }
    Ok(good)
}

/// What one worker does without a break.
enum Job<'a> {
    /// All checks on the cores of one target, built by a profile.
    Target(&'a [&'static Core], &'static str),
    /// The bits of the host, built by a profile of cargo.
    Host(&'static str),
}

/// All checks on the cores of one target, built by a profile; whether nothing was missed.
fn run_target(
    cores: &[&'static Core],
    profile: &'static str,
    options: &Options,
    host: &[bits::Run],
) -> Result<bool, String> {
    let mut good = true;
    for &core in cores {
        let toolchain = &Toolchain::find(core)?;
        let build = Build {
            core,
            profile,
            toolchain,
        };
        let mut judge = |check, verdict: &dyn Fn() -> Verdict| {
            if options.wants(check) {
                good &= row(core.name, core.target, profile, check, &verdict());
            }
        };
        // What looks at programs and counts their instructions is the same for every core of a target.
        let once = |check: fn(&Build<'_>) -> Verdict| match cores.first() {
            Some(first) if first.name != core.name => {
                Ok(format!("not run: the programs are those of {}", first.name))
            }
            _ => check(&build),
        };
        if profile == "release" {
            judge(Check::Defmt, &|| {
                let built = toolchain.build_with_defmt(core);
                built.map(|()| "builds".into())
            });
        }
        judge(Check::Bits, &|| bits::check(&build, host));
        judge(Check::Panics, &|| once(panics::check));
        judge(Check::Slices, &|| once(slices::check));
        judge(Check::Control, &|| once(control::check));
        judge(Check::Budgets, &|| {
            once(if options.record {
                budgets::record
            } else {
                budgets::check
            })
        });
        judge(Check::Products, &|| once(products::check));
        judge(Check::Cycles, &|| once(cycles::check));
        judge(Check::Linked, &|| once(linked::check));
        judge(Check::Examples, &|| examples::check_examples(&build));
        judge(Check::Errors, &|| {
            examples::check(&build, &examples::ERRORS)
        });
    }
    if let (true, Some(core)) = (options.clean, cores.first()) {
        clean(core, profile)?;
    }
    Ok(good)
}

/// Prints a row, and returns whether it is a good one.
fn row(core: &str, target: &str, profile: &str, check: Check, verdict: &Verdict) -> bool {
    let (Ok(says) | Err(says)) = verdict;
    let sign = if verdict.is_ok() { "" } else { "MISS: " };
    println!(
        "{core:4} {target:30} {profile:7} {:8} {sign}{says}",
        check.name()
    );
    verdict.is_ok()
}
