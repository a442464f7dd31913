//! `natgrad train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use natgrad::{Activation, Likelihood, Model, Scalar};
use num_traits::Float;

use super::interrupt;
use super::method::{Method, OptimizerWord, Task, at_least_one, not_negative, positive};
use super::options::{Meaning, Net, Origin, PrecisionWord, Source, model, shape};
use super::{outputs, remarks, report};
use crate::data::{Builtin, Dataset, Scale, Scaling};
use crate::error::{Error, shown};
use crate::evaluation::{Quality, evaluate};
use crate::files::{self, Params, Precision, Values, params_hash};
use crate::plot::learning_curve;
use crate::training::{self, Ended, Init, Metrics, Recipe, Record, Watch, tile_for};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    source: Source,
    /// The widths, inputs first, such as 64-32-10 [default: the data set's, or those of --init]
    #[arg(long, value_name = "WIDTHS", allow_hyphen_values = true)]
    net: Option<Net>,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    method: Method,
    /// Examples per gradient [default: 256, gram 16, or all that train if they are fewer]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Examples of the metric: the batch's leading ones, or with more than the batch a sample of
    /// their own [default: the batch]
    #[arg(long, value_name = "N")]
    metric_batch: Option<usize>,
    /// The steps to take [default: natural 400]
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<usize>,
    /// The passes over the training part to take [default: first-order methods 100]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Stop as soon as the loss of a batch is at most this
    #[arg(long, value_name = "LOSS")]
    until: Option<f64>,
    /// The strength of the term ½ l₂ |θ|²
    #[arg(
        long,
        value_name = "STRENGTH",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    l2: f64,
    /// Decides the initial parameters, the batches, and the split of a CSV file
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, value_enum, default_value = "f32")]
    precision: PrecisionWord,
    /// Examples computed at once: 1, 4, 16 or 32 [default: by the batch]; changes no bit
    #[arg(long)]
    tile: Option<usize>,
    /// How the initial parameters are drawn
    #[arg(long, value_enum, default_value = "glorot", conflicts_with = "init")]
    init_scheme: InitWord,
    /// Start from the parameters of a model
    #[arg(long, value_name = "MODEL.safetensors")]
    init: Option<PathBuf>,
    /// How inputs, and Gaussian targets, are scaled [default: standard; none for wine; what --init
    /// was trained with]
    #[arg(long, value_enum)]
    scale: Option<ScaleWord>,
    /// Write the model
    #[arg(long, value_name = "MODEL.safetensors")]
    out: Option<PathBuf>,
    /// Write the learning curve
    #[arg(long, value_name = "CURVE.svg")]
    plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InitWord {
    /// Glorot & Bengio 2010.
    Glorot,
    /// Martens 2010.
    Sparse,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScaleWord {
    None,
    /// To mean 0 and standard deviation 1, counted on the training part.
    Standard,
}

impl From<ScaleWord> for Scale {
    fn from(word: ScaleWord) -> Self {
        match word {
            ScaleWord::None => Self::None,
            ScaleWord::Standard => Self::Standard,
        }
    }
}

/// The network that is asked for.
struct Network<'a> {
    origin: Origin<'a>,
    widths: Vec<usize>,
    activation: Activation,
    likelihood: Likelihood,
}

/// The data of a run, in training units.
struct Data {
    scaling: Scaling,
    train: Dataset,
    test: Dataset,
}

/// Examples of a gradient, unless there are fewer or the user says otherwise.
const BATCH: usize = 256;
/// The same of a gradient whose metric is solved for in output space.
const DUAL_BATCH: usize = 16;
/// Steps of natural gradient, unless the user says otherwise.
const STEPS: usize = 400;
/// Epochs of a first-order method, unless the user says otherwise.
const EPOCHS: usize = 100;

impl Network<'_> {
    fn model(&self) -> Result<Model<'_>, Error> {
        model(self.origin, &self.widths, self.activation, self.likelihood)
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    options.source.check_named()?;
    let init = options.init.as_deref().map(|path| ("--init", path));
    let out = options.out.as_deref().map(|path| ("--out", path));
    let plot = options.plot.as_deref().map(|path| ("--plot", path));
    outputs::check(options.source.file(), out.into_iter().chain(plot))?;
    // A model may be trained further in its place.
    outputs::check(init, plot)?;
    let start = match &options.init {
        Some(path) => Some(files::Model::read(path)?),
        None => None,
    };
    let network = network(options, start.as_ref())?;
    let data = data(options, &network, start.as_ref())?;
    remarks::on_examples(&data.train, &data.scaling, network.likelihood);
    match options.precision.into() {
        Precision::F32 => run_in::<f32>(options, &network, &data, start.as_ref()),
        Precision::F64 => run_in::<f64>(options, &network, &data, start.as_ref()),
    }
}

fn network<'a>(options: &'a Options, start: Option<&files::Model>) -> Result<Network<'a>, Error> {
    let builtin = options.source.builtin();
    let asked = options.net.as_ref().map(|net| net.0.clone());
    if let (Some(path), Some(start)) = (&options.init, start) {
        let widths = start.params.widths().to_vec();
        if asked.is_some_and(|asked| asked != widths) {
            let problem = format!("contradicts the widths of {}", shown(path));
            return Err(Error::option("--net", problem));
        }
        let (activation, likelihood) = options.meaning.of_file(path, start)?;
        return Ok(Network {
            origin: Origin::File(path),
            widths,
            activation,
            likelihood,
        });
    }
    let widths = asked
        .or_else(|| builtin.map(|set| set.widths().to_vec()))
        .ok_or_else(|| Error::option("--net", "is needed with --data, such as --net 64-32-10"))?;
    Ok(Network {
        origin: Origin::Net,
        widths,
        activation: options.meaning.activation().unwrap_or(Activation::Tanh),
        likelihood: options
            .meaning
            .likelihood()
            .or(builtin.map(Builtin::likelihood))
            .unwrap_or(Likelihood::Gaussian),
    })
}

fn data(
    options: &Options,
    network: &Network<'_>,
    start: Option<&files::Model>,
) -> Result<Data, Error> {
    let set = options.source.load(&shape(&network.model()?))?;
    if set.len() < 2 {
        return Err(Error::file(
            set.name(),
            "has only one row, and training needs at least two",
        ));
    }
    let split = options.source.split(&set, options.seed)?;
    let (train, test) = (set.select(&split.train), set.select(&split.test));
    let scaling = match (options.scale, start.and_then(|start| start.scaling.clone())) {
        (None, Some(scaling)) => scaling,
        (scale, _) => {
            let default = options
                .source
                .builtin()
                .map_or(Scale::Standard, Builtin::scale);
            let scale = scale.map_or(default, Into::into);
            Scaling::fit(scale, &train, network.likelihood)?
        }
    };
    let precision = options.precision.into();
    Ok(Data {
        train: scaling.apply_in(&train, precision)?,
        test: scaling.apply_in(&test, precision)?,
        scaling,
    })
}

fn recipe(options: &Options, data: &Data) -> Result<Recipe, Error> {
    let n = data.train.len();
    let gram = options.method.optimizer == OptimizerWord::Gram;
    let default = if gram { DUAL_BATCH } else { BATCH };
    let batch = at_least_one("--batch", options.batch.unwrap_or(default))?.min(n);
    let metric_batch = options.method.metric_batch(options.metric_batch)?;
    let per_epoch = (n / batch).max(1);
    let natural = options.method.optimizer == OptimizerWord::Natural;
    let steps = match (options.steps, options.epochs) {
        (Some(steps), _) => at_least_one("--steps", steps)?,
        (None, Some(epochs)) => at_least_one("--epochs", epochs)?.saturating_mul(per_epoch),
        (None, None) if natural => STEPS,
        (None, None) => EPOCHS * per_epoch,
    };
    let precision = options.precision.into();
    let raw = data.scaling == Scaling::identity(data.train.dim_in(), data.train.dim_out());
    let metric = if raw {
        Metrics::Diagonal
    } else {
        Metrics::Identity
    };
    let l2 = not_negative("--l2", options.l2, precision)?;
    let task = Task {
        batch,
        metric_batch,
        l2,
    };
    Ok(Recipe {
        optimizer: options.method.optimizer(metric, task, precision)?,
        batch,
        metric_batch,
        steps,
        until: options
            .until
            .map(|until| positive("--until", until, Precision::F64))
            .transpose()?,
        l2,
        seed: options.seed,
        tile: options
            .tile
            .unwrap_or_else(|| tile_for(batch.max(metric_batch.unwrap_or(batch)))),
    })
}

fn run_in<T: Scalar + Float>(
    options: &Options,
    network: &Network<'_>,
    data: &Data,
    start: Option<&files::Model>,
) -> Result<ExitCode, Error>
where
    Values: From<Vec<T>>,
{
    let model = network.model()?;
    let recipe = recipe(options, data)?;
    let mut params: Vec<T> = if let (Some(start), Some(path)) = (start, &options.init) {
        start.params.theta().convert(&shown(path))?
    } else {
        let init = match options.init_scheme {
            InitWord::Glorot => Init::Glorot,
            InitWord::Sparse => Init::Sparse,
        };
        training::initialise(model, init, options.seed, &data.train)?
    };

    let stop = interrupt::flag("Ctrl-C will not save the model");
    let bar = progress(recipe.steps);
    let record = training::run(
        model,
        &mut params,
        &recipe,
        &data.train,
        &data.test,
        &mut |watch| {
            show(&bar, watch);
            !stop.load(Ordering::Relaxed)
        },
    );
    bar.finish_and_clear();
    let record = record?;

    let theta = Values::from(params.clone());
    let hash = params_hash(&theta);
    let saved = files::Model {
        params: Params::new(network.widths.clone(), theta)?,
        activation: Some(network.activation),
        likelihood: Some(network.likelihood),
        scaling: Some(data.scaling.clone()),
        ended: Some(record.ended),
    };
    // Before anything else can fail.
    if let Some(path) = &options.out {
        saved.write(path)?;
    }
    if let Some(path) = &options.plot {
        plot(path, data.train.name(), &record)?;
    }
    let quality = |set: &Dataset| match evaluate(model, &params, set, &data.scaling) {
        _ if set.is_empty() => Ok(None),
        // What the step failed on may be the loss of these very parameters.
        Err(_) if record.failure.is_some() => Ok(None),
        measured => measured.map(Some),
    };
    let parts = (quality(&data.train)?, quality(&data.test)?);
    say(options, network, &record, parts, &hash)?;
    match record.failure {
        Some(error) => Err(error),
        None if record.ended == Ended::Interrupted => Ok(ExitCode::from(interrupt::INTERRUPTED)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let template = "{bar:30} {pos}/{len} steps  {msg}  {elapsed}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn show(bar: &ProgressBar, watch: Watch) {
    bar.set_position(watch.step as u64);
    let seconds = bar.elapsed().as_secs_f64().max(1e-9);
    let rate = watch.examples as f64 / seconds;
    let loss = report::number(watch.loss, 5);
    bar.set_message(format!("loss {loss}  {rate:.0} examples/s"));
}

#[expect(clippy::cast_precision_loss, reason = "step numbers are far below 2⁵³")]
fn plot(path: &Path, name: &str, record: &Record) -> Result<(), Error> {
    let points = |loss: fn(&training::Point) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = record.points.iter();
        points
            .filter_map(|point| Some((point.step as f64, loss(point)?)))
            .collect()
    };
    let train = points(|point| Some(point.train));
    let test = points(|point| point.test);
    let test = (!test.is_empty()).then_some(test.as_slice());
    let svg = learning_curve(&format!("Training on {name}"), &train, test)?;
    files::write_atomic(path, svg.as_bytes())
}

fn say(
    options: &Options,
    network: &Network<'_>,
    record: &Record,
    (train, test): (Option<Quality>, Option<Quality>),
    hash: &str,
) -> Result<(), Error> {
    let classes = network.likelihood != Likelihood::Gaussian;
    if options.json {
        let mut object = serde_json::Map::new();
        report::quality(&mut object, "train", train, classes);
        report::quality(&mut object, "test", test, classes);
        object.insert("steps".into(), record.steps.into());
        object.insert("examples".into(), record.examples.into());
        object.insert("macs".into(), record.macs.into());
        object.insert("seconds".into(), record.seconds.into());
        object.insert("params_hash".into(), hash.into());
        object.insert("ended".into(), record.ended.word().into());
        object.insert("seed".into(), options.seed.into());
        return report::json(&object);
    }
    let lines = [
        report::sentence("train", train),
        report::sentence("test", test),
        Some(format!(
            "{} steps over {} examples, {:.3e} multiply-accumulates, {:.2} s ({})",
            record.steps,
            record.examples,
            approximate(record.macs),
            record.seconds,
            reason(record.ended),
        )),
        Some(format!("params hash {hash}")),
        options
            .out
            .as_ref()
            .map(|path| format!("model in {}", shown(path))),
        options
            .plot
            .as_ref()
            .map(|path| format!("curve in {}", shown(path))),
    ];
    for line in lines.into_iter().flatten() {
        report::result(&line)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "printed with four digits")]
fn approximate(count: u64) -> f64 {
    count as f64
}

fn reason(ended: Ended) -> &'static str {
    match ended {
        Ended::Steps => "all steps taken",
        Ended::Reached => "the loss asked for is reached",
        Ended::Stationary => "the gradient is zero",
        Ended::Stalled => "no step lowers the loss any more",
        Ended::Interrupted => "interrupted",
        Ended::Failed => "a step failed",
    }
}
