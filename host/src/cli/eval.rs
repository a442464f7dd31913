//! `natgrad eval`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use natgrad::{Likelihood, Pass, Scalar};
use num_traits::Float;

use super::options::{Meaning, Origin, PrecisionWord, Source, model, shape};
use super::report;
use crate::data::{Dataset, Scaling};
use crate::error::{Error, shown};
use crate::evaluation::{Quality, evaluate};
use crate::files::{self, Precision, params_hash};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The model
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    meaning: Meaning,
    /// [default: the model's]
    #[arg(long, value_enum)]
    precision: Option<PrecisionWord>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures a CSV file as test data, all of it; an embedded set in the two parts of its split.
pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let file = files::Model::read(&options.model)?;
    let (activation, likelihood) = options.meaning.of_file(&options.model, &file)?;
    let origin = Origin::File(&options.model);
    let model = model(origin, file.params.widths(), activation, likelihood)?;
    let set = options.source.load(&shape(&model))?;
    let scaling = file
        .scaling
        .clone()
        .unwrap_or_else(|| Scaling::identity(model.dim_in(), model.dim_out()));
    let precision = options
        .precision
        .map_or_else(|| file.params.theta().precision(), Into::into);
    let set = scaling.apply_in(&set, precision)?;
    let (train, test) = if options.source.is_split() {
        let split = options.source.split(&set, 0)?;
        (set.select(&split.train), set.select(&split.test))
    } else {
        (set.select(&[]), set)
    };
    let measure = match precision {
        Precision::F32 => measure::<f32>,
        Precision::F64 => measure::<f64>,
    };
    let train_quality = measure(options, &file, &model, &train, &scaling)?;
    let test_quality = measure(options, &file, &model, &test, &scaling)?;

    if options.json {
        let classes = likelihood != Likelihood::Gaussian;
        let examples = train.len() + test.len();
        let mut object = serde_json::Map::new();
        report::quality(&mut object, "train", train_quality, classes);
        report::quality(&mut object, "test", test_quality, classes);
        object.insert("steps".into(), 0.into());
        object.insert("examples".into(), examples.into());
        let macs = model.macs(Pass::Loss).saturating_mul(examples as u64);
        object.insert("macs".into(), macs.into());
        object.insert("seconds".into(), started.elapsed().as_secs_f64().into());
        let hash = params_hash(file.params.theta());
        object.insert("params_hash".into(), hash.into());
        report::json(&object)?;
    } else {
        let lines = [
            report::sentence("train", train_quality),
            report::sentence("test", test_quality),
        ];
        for line in lines.into_iter().flatten() {
            report::result(&line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure<T: Scalar + Float>(
    options: &Options,
    file: &files::Model,
    model: &natgrad::Model<'_>,
    set: &Dataset,
    scaling: &Scaling,
) -> Result<Option<Quality>, Error> {
    if set.is_empty() {
        return Ok(None);
    }
    let params: Vec<T> = file.params.theta().convert(&shown(&options.model))?;
    evaluate(*model, &params, set, scaling).map(Some)
}
