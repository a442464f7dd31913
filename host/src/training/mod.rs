//! A training run: batches drawn from a seed, a method chosen by name, a record of the losses.
//!
//! One run is one thread, and gives the same bits for the same recipe, whatever the tile.

mod dispatch;
mod footprint;
mod method;
mod record;

pub use dispatch::{MOST_DUAL_EXAMPLES, Steps, tile_for, trainer};
pub use footprint::{Footprint, footprint, step_costs};
pub use method::{
    Curvatures, DualMetrics, EIGENVECTORS, Gram, Inverses, KRYLOV, Metrics, Moments, Natural,
    Optimizer, Plane, Preconditioning, Solvers, Tonga, named_policy,
};
pub use record::{Ended, Point, Record};

use std::time::Instant;

use natgrad::{Batch, Metric, Model, Scalar, data};
use num_traits::Float;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::data::Dataset;
use crate::error::Error;
use crate::evaluation::Examples;

/// How the initial parameters are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Glorot & Bengio 2010.
    Glorot,
    /// Martens 2010.
    Sparse,
}

/// Everything that decides the bits of a run, the data and the initial parameters apart.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The method and its settings.
    pub optimizer: Optimizer,
    /// Examples per gradient; at least the training set for the full batch.
    pub batch: usize,
    /// Examples of the metric: at most the batch for its leading ones, more for a sample of its own,
    /// `None` for the batch itself.
    pub metric_batch: Option<usize>,
    /// The steps to take.
    pub steps: usize,
    /// Stop as soon as the loss of a gradient batch, L2 term included, is at most this.
    pub until: Option<f64>,
    /// l₂.
    pub l2: f64,
    /// The seed of the batches.
    pub seed: u64,
    /// Examples per tile: 1, 4, 16 or 32.
    pub tile: usize,
}

/// What the loop tells whoever watches.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Steps taken.
    pub step: usize,
    /// The loss of the last gradient batch.
    pub loss: f64,
    /// Examples that gradients have seen so far.
    pub examples: u64,
}

/// Trains `params` by `recipe` on `train`; measures on `test` along the way if there is any.
///
/// `observe` is called after every step; the run ends early when it returns false. `params` hold the
/// last good parameters at the end, however it came. A step that fails ends the run, too: see
/// [`Record::failure`].
///
/// # Errors
/// [`Error::Option`] when a setting is refused, [`Error::File`] when the data cannot be computed with. No step
/// was taken then.
pub fn run<T: Scalar + Float>(
    model: Model<'_>,
    params: &mut [T],
    recipe: &Recipe,
    train: &Dataset,
    test: &Dataset,
    observe: &mut dyn FnMut(Watch) -> bool,
) -> Result<Record, Error> {
    let started = Instant::now();
    let refused = |error| refused(train.name(), error);
    let train_examples = Examples::<T>::new(train)?;
    let test_examples = Examples::<T>::new(test)?;
    let mut sampler = Sampler::new(recipe, train)?;
    let mut workspace = Vec::new();
    let how = (&recipe.optimizer, recipe.tile);
    let mut trainer = trainer(model, params, &mut workspace, how, recipe.l2, train.name())?;
    let measure = |trainer: &mut dyn Steps<T>, step| {
        measure(trainer, step, &train_examples, &test_examples).map_err(refused)
    };

    let interval = (recipe.steps / Record::POINTS).max(1);
    let mut walk = |record: &mut Record| -> Result<(), Error> {
        for step in 0..recipe.steps {
            if step % interval == 0 {
                let point = measure(&mut *trainer, step)?;
                record.points.push(point);
            }
            let (batch, metric) = sampler.next(&train_examples);
            let report = trainer.step(batch.view(), metric.view()).map_err(refused)?;
            record.steps = step + 1;
            record.examples += batch.len() as u64;
            record.macs += report.macs;
            let loss = report.loss.widen();
            let watch = Watch {
                step: record.steps,
                loss,
                examples: record.examples,
            };
            record.ended = if !observe(watch) {
                Ended::Interrupted
            } else if recipe.until.is_some_and(|until| loss <= until) {
                Ended::Reached
            } else {
                sampler.verdict(report.outcome)
            };
            if record.ended != Ended::Steps {
                break;
            }
        }
        let point = measure(&mut *trainer, record.steps)?;
        record.points.push(point);
        Ok(())
    };
    let mut record = Record::default();
    if let Err(error) = walk(&mut record) {
        // Without a step there is nothing to keep.
        if record.steps == 0 {
            return Err(error);
        }
        record.ended = Ended::Failed;
        record.failure = Some(after(record.steps, error));
    }
    record.seconds = started.elapsed().as_secs_f64();
    Ok(record)
}

/// What is wrong with the data, with the step that it came after.
fn after(step: usize, error: Error) -> Error {
    match error {
        Error::File { file, problem } => Error::Step {
            file,
            step,
            problem,
        },
        other => other,
    }
}

fn measure<T: Scalar + Float>(
    trainer: &mut dyn Steps<T>,
    step: usize,
    train: &Examples<T>,
    test: &Examples<T>,
) -> Result<Point, natgrad::Error> {
    let mut loss = |examples: &Examples<T>| trainer.loss(examples.batch()).map(Scalar::widen);
    Ok(Point {
        step,
        train: loss(train)?,
        test: if test.is_empty() {
            None
        } else {
            Some(loss(test)?)
        },
    })
}

/// A refusal of the core, as a sentence of this crate about the data called `data`.
pub(crate) fn refused(data: &str, error: natgrad::Error) -> Error {
    match error {
        natgrad::Error::Setting(sentence) => Error::option("the settings", sentence),
        natgrad::Error::NonFinite => Error::file(
            data,
            "the loss or its gradient overflows on it; scale the data, lower the rate or use --precision f64",
        ),
        other => Error::file(data, other.to_string()),
    }
}

/// Draws batches without replacement, epoch by epoch.
struct Sampler {
    generator: Xoshiro256PlusPlus,
    order: Vec<usize>,
    next: usize,
    batch: usize,
    metric: Option<usize>,
    full: bool,
}

/// A batch: the whole training set, or examples gathered from it.
enum Drawn<'e, T> {
    All(&'e Examples<T>),
    Gathered(Examples<T>),
}

impl<T: Scalar + Float> Drawn<'_, T> {
    fn view(&self) -> Batch<'_, T> {
        match self {
            Self::All(examples) => examples.batch(),
            Self::Gathered(examples) => examples.batch(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::All(examples) => examples.len(),
            Self::Gathered(examples) => examples.len(),
        }
    }
}

/// Where the metric is taken.
enum DrawnMetric<T> {
    Same,
    Leading(usize),
    On(Examples<T>),
}

impl<T: Scalar + Float> DrawnMetric<T> {
    fn view(&self) -> Metric<'_, T> {
        match self {
            Self::Same => Metric::Same,
            Self::Leading(examples) => Metric::Leading(*examples),
            Self::On(examples) => Metric::On(examples.batch()),
        }
    }
}

impl Sampler {
    fn new(recipe: &Recipe, train: &Dataset) -> Result<Self, Error> {
        let n = train.len();
        if recipe.metric_batch.is_some_and(|metric| metric > n) {
            let problem = format!("asks for more than the {n} examples that train");
            return Err(Error::option("--metric-batch", problem));
        }
        let full = recipe.batch >= n;
        Ok(Self {
            generator: Xoshiro256PlusPlus::seed_from_u64(recipe.seed),
            order: (0..n).collect(),
            next: n,
            batch: recipe.batch.min(n),
            metric: recipe.metric_batch,
            full,
        })
    }

    fn next<'e, T: Scalar + Float>(
        &mut self,
        train: &'e Examples<T>,
    ) -> (Drawn<'e, T>, DrawnMetric<T>) {
        let metric = match self.metric {
            None => DrawnMetric::Same,
            Some(metric) if metric <= self.batch => DrawnMetric::Leading(metric),
            Some(metric) => {
                let mut rows: Vec<usize> = (0..train.len()).collect();
                let (drawn, _) = rows.partial_shuffle(&mut self.generator, metric);
                DrawnMetric::On(train.gather(drawn))
            }
        };
        if self.full {
            return (Drawn::All(train), metric);
        }
        // A last batch that is smaller than the others would be a noisier one: it is left out.
        if self.next + self.batch > self.order.len() {
            self.order.shuffle(&mut self.generator);
            self.next = 0;
        }
        let rows = self
            .order
            .get(self.next..self.next + self.batch)
            .unwrap_or_default();
        self.next += self.batch;
        (Drawn::Gathered(train.gather(rows)), metric)
    }

    /// On the full batch a step that changes nothing is the last one: the next would end the same way.
    fn verdict(&self, outcome: natgrad::optimizer::Outcome) -> Ended {
        use natgrad::optimizer::Outcome;
        let repeats = self.full && self.metric.is_none_or(|metric| metric <= self.batch);
        match outcome {
            Outcome::Rejected if repeats => Ended::Stalled,
            Outcome::Stationary if repeats => Ended::Stationary,
            _ => Ended::Steps,
        }
    }
}

/// Draws initial parameters, and folds the scales of the inputs into the first layer.
///
/// # Errors
/// [`Error::File`] when the inputs cannot be computed with.
pub fn initialise<T: Scalar + Float>(
    model: Model<'_>,
    init: Init,
    seed: u64,
    train: &Dataset,
) -> Result<Vec<T>, Error> {
    let refused = |error| refused(train.name(), error);
    let mut params = vec![T::ZERO; model.params()];
    match init {
        Init::Glorot => natgrad::init::glorot(model, seed, &mut params),
        Init::Sparse => natgrad::init::sparse(model, seed, &mut params),
    }
    .map_err(refused)?;
    let inputs: Vec<T> = train.inputs_as()?;
    let batch = Batch::unlabelled(data::Inputs::Values(&inputs));
    natgrad::init::fold_scales(model, &batch, &mut params).map_err(refused)?;
    Ok(params)
}
