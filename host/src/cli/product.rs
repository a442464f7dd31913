//! `natgrad product`: any product of the core, from files to a file, so that anyone can check it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use natgrad::curvature::{
    CurvatureOperator, Empirical, Factored, GradientCovariance, Hessian, Natural, Phased,
};
use natgrad::operator::LinearOperator;
use natgrad::{Batch, Mlp, Model, Pass, Scalar};
use num_traits::Float;

use super::options::{Meaning, Origin, PrecisionWord, model, read_table, shape};
use super::outputs::{self, Named};
use crate::data::Dataset;
use crate::error::{Error, shown};
use crate::evaluation::{Examples, TILE};
use crate::files::{self, Output, Params, Precision, Values, write_loss};
use crate::memory::zeros;
use crate::parallel::Parallel;
use crate::training::refused;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Which product
    #[arg(long, value_enum)]
    kind: Kind,
    /// The model: tensors `layers.{i}.weight` and `layers.{i}.bias`
    #[arg(long, value_name = "MODEL.safetensors")]
    model: PathBuf,
    /// The vector: parameter-shaped like a model; for vjp the tensor `output`
    #[arg(long, value_name = "VECTOR.safetensors")]
    vector: Option<PathBuf>,
    /// The examples, taken as they are; label-free products also take a file of inputs alone
    #[arg(long, value_name = "FILE.csv")]
    data: PathBuf,
    #[command(flatten)]
    meaning: Meaning,
    #[arg(long, value_enum, default_value = "f64")]
    precision: PrecisionWord,
    /// Threads that share a product with the Fisher matrix or the empirical one; no bit depends on them
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// The result
    #[arg(long, value_name = "RESULT.safetensors")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Logits of every example.
    Output,
    /// Mean loss.
    Loss,
    /// Gradient of the mean loss.
    Gradient,
    /// Jv of the logits of every example.
    Jvp,
    /// Jᵀu, summed over the examples.
    Vjp,
    /// Fv, mean over the examples.
    Fisher,
    /// Hv, mean over the examples.
    Hessian,
    /// Product with the uncentred second moment of the per-example gradients.
    EmpiricalFisher,
    /// Product with the centred covariance of the per-example gradients.
    Covariance,
}

impl Kind {
    fn needs_labels(self) -> bool {
        !matches!(self, Self::Output | Self::Jvp | Self::Vjp | Self::Fisher)
    }

    fn needs_vector(self) -> bool {
        !matches!(self, Self::Output | Self::Loss | Self::Gradient)
    }

    fn is_shared(self) -> bool {
        matches!(self, Self::Fisher | Self::EmpiricalFisher)
    }
}

/// The result of a product, by its shape.
enum Product<T> {
    Output(Vec<T>),
    Loss(T),
    Params(Vec<T>),
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let vector = options.vector.as_deref().map(|path| ("--vector", path));
    let read: [Named<'_>; 2] = [("--model", &options.model), ("--data", &options.data)];
    outputs::check(
        read.into_iter().chain(vector),
        [("--out", options.out.as_path())],
    )?;
    match (options.kind.needs_vector(), &options.vector) {
        (true, None) => {
            return Err(Error::option("--vector", "is needed for this product"));
        }
        (false, Some(_)) => {
            return Err(Error::option("--vector", "means nothing for this product"));
        }
        _ => {}
    }
    if options.threads > 1 && !options.kind.is_shared() {
        let value = options.kind.to_possible_value();
        let kind = value.map_or_else(String::new, |value| value.get_name().to_string());
        let problem =
            format!("several share fisher and empirical-fisher only; one alone computes {kind}");
        return Err(Error::option("--threads", problem));
    }
    let file = files::Model::read(&options.model)?;
    let (activation, likelihood) = options.meaning.of_file(&options.model, &file)?;
    let origin = Origin::File(&options.model);
    let model = model(origin, file.params.widths(), activation, likelihood)?;
    let table = read_table(&options.data)?;
    let set = if options.kind.needs_labels() || table.columns() != model.dim_in() {
        table.into_dataset(&shape(&model))?
    } else {
        table.into_inputs(&shape(&model))?
    };
    match options.precision.into() {
        Precision::F32 => run_in::<f32>(options, &file, model, &set)?,
        Precision::F64 => run_in::<f64>(options, &file, model, &set)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_in<T: Scalar + Float + Send + Sync>(
    options: &Options,
    file: &files::Model,
    model: Model<'_>,
    set: &Dataset,
) -> Result<(), Error>
where
    Values: From<Vec<T>>,
{
    let params: Vec<T> = file.params.theta().convert(&shown(&options.model))?;
    let examples = Examples::<T>::new(set)?;
    let product = compute(options, model, &params, &examples, set.name())?;
    let precision = Precision::from(options.precision);
    let finite = |values: &[T]| {
        if values.iter().all(|value| value.widen().is_finite()) {
            Ok(())
        } else {
            Err(overflow(set.name(), precision))
        }
    };
    match product {
        Product::Output(values) => {
            finite(&values)?;
            Output::new(set.len(), model.dim_out(), values.into())?.write(&options.out)
        }
        Product::Loss(loss) => write_loss(&options.out, &vec![loss].into()),
        Product::Params(values) => {
            finite(&values)?;
            Params::new(model.widths().to_vec(), values.into())?.write(&options.out)
        }
    }
}

fn overflow(data: &str, precision: Precision) -> Error {
    Error::file(data, format!("the product overflows on it in {precision}"))
}

fn compute<T: Scalar + Float + Send + Sync>(
    options: &Options,
    model: Model<'_>,
    params: &[T],
    examples: &Examples<T>,
    data: &str,
) -> Result<Product<T>, Error> {
    let refused = |error| match error {
        natgrad::Error::NonFinite => overflow(data, options.precision.into()),
        error => refused(data, error),
    };
    let mut scratch: Vec<T> = zeros(Pass::Hessian.scratch_len(&model, TILE))?;
    let mut mlp = Mlp::<T, TILE>::new(model, params, &mut scratch).map_err(refused)?;
    let batch = examples.batch();
    let outputs = examples.len() * model.dim_out();
    let mut result = vec![T::ZERO; model.params()];
    let vector = || -> Result<Vec<T>, Error> {
        let path = options.vector.as_deref().unwrap_or(&options.model);
        Params::read_for(path, model.widths())?
            .theta()
            .convert(&shown(path))
    };
    match options.kind {
        Kind::Output => {
            let mut out = vec![T::ZERO; outputs];
            mlp.outputs(examples.inputs(), &mut out).map_err(refused)?;
            return Ok(Product::Output(out));
        }
        Kind::Loss => return mlp.loss(&batch).map(Product::Loss).map_err(refused),
        Kind::Gradient => {
            mlp.gradient(&batch, &mut result).map_err(refused)?;
        }
        Kind::Jvp => {
            let mut out = vec![T::ZERO; outputs];
            mlp.jvp(examples.inputs(), &vector()?, &mut out)
                .map_err(refused)?;
            return Ok(Product::Output(out));
        }
        Kind::Vjp => {
            let path = options.vector.as_deref().unwrap_or(&options.model);
            let u = Output::read(path, examples.len(), model.dim_out())?;
            let u: Vec<T> = u.values().convert(&shown(path))?;
            mlp.vjp(examples.inputs(), &u, &mut result)
                .map_err(refused)?;
        }
        Kind::Fisher => {
            metric::<T, Natural>(options.threads, mlp, batch, data, &vector()?, &mut result)?;
        }
        Kind::Hessian => {
            let mut operator = Hessian::new(mlp, batch).map_err(refused)?;
            operator.apply(&vector()?, &mut result);
        }
        Kind::EmpiricalFisher => {
            metric::<T, Empirical>(options.threads, mlp, batch, data, &vector()?, &mut result)?;
        }
        Kind::Covariance => {
            let mut mean = vec![T::ZERO; model.params()];
            let mut operator = GradientCovariance::new(mlp, batch, &mut mean).map_err(refused)?;
            operator.apply(&vector()?, &mut result);
        }
    }
    Ok(Product::Params(result))
}

/// A product with a metric: tile after tile by one thread; several keep the activations of all examples.
fn metric<T, C>(
    threads: u16,
    mlp: Mlp<'_, T, TILE>,
    batch: Batch<'_, T>,
    data: &str,
    vector: &[T],
    result: &mut [T],
) -> Result<(), Error>
where
    T: Scalar + Send + Sync,
    C: Factored<T> + Send + Sync,
{
    let refused = |error| refused(data, error);
    if threads == 1 {
        let mut operator = CurvatureOperator::<T, C, TILE>::new(mlp, batch).map_err(refused)?;
        operator.apply(vector, result);
        return Ok(());
    }
    let phased = Phased::<T, C, TILE>::new(mlp.model(), mlp.params(), batch).map_err(refused)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(threads))
        .build();
    let pool = pool.map_err(|error| Error::option("--threads", error.to_string()))?;
    pool.install(|| {
        let mut memory = Parallel::memory(&phased)?;
        let mut operator = Parallel::new(&phased, &mut memory).map_err(refused)?;
        operator.apply(vector, result);
        Ok(())
    })
}
