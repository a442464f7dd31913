//! The command line: `train`, `eval`, `plan`, `product`, `export`, `reproduce`, `report`.
//!
//! Results go to standard output, everything else to standard error. Whatever is wrong with an option or a
//! file is one sentence and exit code 2; nothing is half-written.

mod eval;
mod export;
mod interrupt;
mod method;
mod options;
mod outputs;
mod plan;
mod product;
mod remarks;
mod report;
mod report_command;
mod reproduce;
mod train;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::error::{Error, one_line};

/// Train small networks by natural gradient, and check every product of it.
#[derive(Debug, Parser)]
#[command(name = "natgrad", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network on a CSV file or on an embedded data set.
    #[command(allow_negative_numbers = true)]
    Train(Box<train::Options>),
    /// Measure a model: loss, and accuracy or RMSE.
    #[command(allow_negative_numbers = true)]
    Eval(eval::Options),
    /// What a network costs on a device: parameters, workspace, arithmetic per step.
    #[command(allow_negative_numbers = true)]
    Plan(Box<plan::Options>),
    /// Compute one product of a model (output, gradient, Jv, Fisher, …) and write it to a file.
    #[command(allow_negative_numbers = true)]
    Product(product::Options),
    /// Write a model as Rust source for a firmware: the plan, θ and the scales.
    Export(export::Options),
    /// Run the experiments after the paper, and report what holds.
    Reproduce(reproduce::Options),
    /// Merge directories of `reproduce`, such as shards, and write their report.
    Report(report_command::Options),
}

/// The exit code of a wrong option or file.
const USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).unwrap_or_else(|error| complain(&error)),
    };
    let result = match cli.command {
        Command::Train(options) => train::run(&options),
        Command::Eval(options) => eval::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Product(options) => product::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Reproduce(options) => reproduce::run(&options),
        Command::Report(options) => report_command::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => complain(&error),
    }
}

fn complain(error: &Error) -> ExitCode {
    report::note(&format!("error: {error}"));
    ExitCode::from(USAGE)
}

/// Help and version as they are; a wrong command line as one sentence.
fn usage(error: &clap::Error) -> Result<ExitCode, Error> {
    if !error.use_stderr() {
        report::result(error.to_string().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        report::note(
            "error: a command is needed: train, eval, plan, product, export, reproduce or report; --help explains them",
        );
        return Ok(ExitCode::from(USAGE));
    }
    let text = error.to_string();
    let sentence: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    report::note(&one_line(&sentence.join(" ")));
    Ok(ExitCode::from(USAGE))
}
