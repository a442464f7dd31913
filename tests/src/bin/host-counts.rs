//! Counts the instructions of the passes on a host, by valgrind, and holds them to `tests/host-counts.csv`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use natgrad_tests::host_counts::{self, Budgets};

/// Counts the instructions of gradients and Fisher products on a host.
#[derive(Parser)]
#[command(name = "host-counts")]
struct Options {
    /// Take what is counted for the budgets from now on.
    #[arg(long)]
    record: bool,
}

fn main() -> ExitCode {
    let budgets = if Options::parse().record {
        Budgets::Record
    } else {
        Budgets::Hold
    };
    match host_counts::run(budgets) {
        Ok(says) => {
            println!("{says}");
            ExitCode::SUCCESS
        }
        Err(sentences) => {
            eprintln!("host-counts: {sentences}");
            ExitCode::FAILURE
        }
    }
}
