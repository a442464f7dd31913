//! `natgrad export`: a model as source for a firmware.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::options::{Meaning, Origin, model};
use super::outputs;
use crate::error::{Error, shown};
use crate::files::{self, RustSource, write_atomic};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The model
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    #[command(flatten)]
    meaning: Meaning,
    /// Where the Rust source goes: the plan, θ and the scales in f32, to be a module of a firmware or to
    /// be included in one
    #[arg(long, value_name = "FILE.rs")]
    rust: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    outputs::check(
        [("--model", options.model.as_path())],
        [("--rust", options.rust.as_path())],
    )?;
    let file = files::Model::read(&options.model)?;
    let (activation, likelihood) = options.meaning.of_file(&options.model, &file)?;
    // What is no network here would be no plan there.
    let origin = Origin::File(&options.model);
    model(origin, file.params.widths(), activation, likelihood)?;
    let source = RustSource::new(&shown(&options.model), &file, activation, likelihood)?;
    write_atomic(&options.rust, source.text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
