//! Builds the firmware in `tests/firmware` for every core, runs it on emulated boards, and holds what it prints
//! against the host.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::builder::PossibleValue;
use clap::{Parser, ValueEnum};
use natgrad_tests::on_target::{
    Build, CORES, Core, PROFILES, Toolchain, Verdict, bits, clean, control, examples, panics,
    slices,
};

/// Runs the firmware on emulated cores.
#[derive(Parser)]
#[command(name = "on-target")]
struct Options {
    /// Print the cores and the checks, and run nothing.
    #[arg(long)]
    list: bool,

    /// Only this core; may be given several times [default: all].
    #[arg(long = "core", value_name = "NAME", value_parser = named)]
    cores: Vec<&'static Core>,

    /// Only this check; may be given several times [default: all].
    #[arg(long, value_name = "CHECK")]
    only: Vec<Check>,

    /// Delete what was built for a target once its last core is done: some 450 MB each.
    #[arg(long)]
    clean: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// The library builds with its logs, the feature `defmt`.
    Defmt,
    /// 100 steps of every method end with the bits of the host.
    Bits,
    /// No slice of any method takes more instructions than its bound.
    Slices,
    /// A control law in the learner's own thread is as punctual as the largest slice lets it be.
    Control,
    /// No public function of the library can panic.
    Panics,
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
    if options.list {
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
    let all: Vec<&Core> = CORES.iter().collect();
    let cores = if options.cores.is_empty() {
        &all
    } else {
        &options.cores
    };
    let wanted = |check| options.only.is_empty() || options.only.contains(&check);
    let host = bits::host_runs()?;
    println!("core target                         profile check    result");
    let mut good = true;
    for profile in ["dev", "release"]
        .into_iter()
        .filter(|_| wanted(Check::Bits))
    {
        let verdict = bits::check_host(profile, &host);
        good &= row("host", "", profile, Check::Bits, &verdict);
    }
    for (place, &core) in cores.iter().enumerate() {
        let toolchain = &Toolchain::find(core)?;
        if wanted(Check::Defmt) {
            let result = toolchain.build_with_defmt(core).map(|()| "builds".into());
            good &= row(core.name, core.target, "release", Check::Defmt, &result);
        }
        for profile in PROFILES {
            let build = Build {
                core,
                profile,
                toolchain,
            };
            let mut judge = |check, verdict: &dyn Fn() -> Verdict| {
                if wanted(check) {
                    good &= row(core.name, core.target, profile, check, &verdict());
                }
            };
            judge(Check::Bits, &|| bits::check(&build, &host));
            judge(Check::Panics, &|| panics::check(&build));
            judge(Check::Slices, &|| slices::check(&build));
            judge(Check::Control, &|| control::check(&build));
            judge(Check::Examples, &|| examples::check_examples(&build));
            judge(Check::Errors, &|| {
                examples::check(&build, &examples::ERRORS)
            });
        }
        let next = cores.get(place + 1);
        if options.clean && next.is_none_or(|next| next.target != core.target) {
            clean(core)?;
        }
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
