//! A run of the benchmark.

use natgrad::{Activation, Batch, Likelihood, Metric, Mlp, Model, Pass, Scalar, init};
use num_traits::Float;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::statistics::as_float;
use super::super::{Halt, Job, Outcome};
use super::course::Course;
use super::methods::{Draw, Make, Method};
use super::{BATCH, CODE, L2, SIDE, Size, TRAINING, WIDTHS};
use crate::baseline::{self, Baseline, Budget};
use crate::data::Curves;
use crate::error::Error;
use crate::evaluation::{Examples, TILE};
use crate::training::{Optimizer, Steps, refused, trainer};

/// The data, as messages name it.
const NAME: &str = "the curves";

/// The data, and the network at its start.
struct Task {
    training: Examples<f32>,
    test: Examples<f32>,
    start: Vec<f32>,
}

const HIDDEN: usize = WIDTHS.len() - 2;

/// The activations of the hidden layers.
const ACTIVATIONS: [Activation; HIDDEN] = {
    let mut activations = [Activation::Logistic; HIDDEN];
    activations[CODE] = Activation::Identity;
    activations
};

fn model() -> Result<Model<'static>, Error> {
    Model::new(&WIDTHS, Activation::Logistic, Likelihood::Bernoulli)
        .and_then(|model| model.with_activations(&ACTIVATIONS))
        .map_err(|error| Error::option("the network", error.message()))
}

/// The same initial parameters for every method.
fn start(model: Model<'_>, seed: u64) -> Result<Vec<f32>, Error> {
    let mut start = vec![0.0; model.params()];
    init::sparse(model, seed, &mut start).map_err(|error| refused(NAME, error))?;
    Ok(start)
}

impl Task {
    fn new(size: Size, seed: u64) -> Result<Self, Error> {
        let curves = Curves::new(seed, SIDE);
        Ok(Self {
            training: Examples::new(&curves.training(size.training)?)?,
            test: Examples::new(&curves.test(size.test)?)?,
            start: start(model()?, seed)?,
        })
    }
}

/// The squared error of an image, mean over the images, for the means that `predict` writes.
fn squared_error<T: Scalar + Float>(
    images: &Examples<T>,
    mut predict: impl FnMut(&[T], &mut [T]) -> Result<(), natgrad::Error>,
) -> Result<f64, Error> {
    let mut means = vec![T::ZERO; images.inputs().len()];
    predict(images.inputs(), &mut means).map_err(|error| refused(NAME, error))?;
    let pairs = images.inputs().iter().zip(&means);
    let sum: f64 = pairs.map(|(&x, &p)| (x - p).widen().powi(2)).sum();
    Ok(sum / as_float(images.len()))
}

/// Trains until the budget is spent.
pub(super) fn train(
    job: &Job<'_>,
    size: Size,
    method: &Method,
    value: f64,
) -> Result<Outcome, Halt> {
    match method.make {
        Make::Core(draw, optimizer) => by_core(job, size, draw, &optimizer(value)),
        Make::Library(baseline) => by_library(job, size, baseline(value)),
    }
}

/// A full-batch run in `f64`, whose errors are looked at as those of the others are.
fn by_library(job: &Job<'_>, size: Size, baseline: Baseline) -> Result<Outcome, Halt> {
    let curves = Curves::new(job.seed, SIDE);
    let (training, test) = (curves.training(size.training)?, curves.test(size.test)?);
    let (images, tested) = (Examples::new(&training)?, Examples::new(&test)?);
    let model = model()?;
    let start = start(model, job.seed)?;
    let mut params: Vec<f64> = start.into_iter().map(f64::from).collect();
    let mut scratch = vec![0.0; Pass::Outputs.scratch_len(&model, TILE)];
    let mut error = |params: &[f64], images: &Examples<f64>| {
        let mlp = Mlp::<f64, TILE>::new(model, params, &mut scratch);
        let mut mlp = mlp.map_err(|error| refused(NAME, error))?;
        squared_error(images, |inputs, means| mlp.predict(inputs, means))
    };
    let mut course = Course::new(size, error(&params, &tested)?);
    let mut failed = None;
    let mut before = 0;
    let budget = Budget {
        iterations: u64::MAX,
        macs: size.budget,
    };
    baseline::run(
        model,
        &mut params,
        baseline,
        L2,
        &training,
        budget,
        &mut |step| {
            let macs = step.macs - before;
            before = step.macs;
            // The start is looked at, and is no update.
            if step.iteration == 0 {
                course.spend(macs);
            } else if course.advance(macs) {
                match error(step.params, &tested) {
                    Ok(error) => course.note(error),
                    Err(error) => failed = Some(error),
                }
            }
            job.goes_on() && failed.is_none()
        },
    )?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !job.goes_on() {
        return Err(Halt::Interrupted);
    }
    let training = error(&params, &images)?;
    Ok(course.outcome().with(TRAINING, training))
}

fn by_core(job: &Job<'_>, size: Size, draw: Draw, optimizer: &Optimizer) -> Result<Outcome, Halt> {
    let refused = |error| refused(NAME, error);
    let task = Task::new(size, job.seed)?;
    let mut params = task.start.clone();
    let mut workspace = Vec::new();
    let how = (optimizer, TILE);
    let mut trainer = trainer(model()?, &mut params, &mut workspace, how, L2, NAME)?;
    let error = |trainer: &mut dyn Steps<f32>, images: &Examples<f32>| {
        squared_error(images, |inputs, means| trainer.predict(inputs, means))
    };
    let mut order = Order::new(size.training, job.seed);
    let mut course = Course::new(size, error(&mut *trainer, &task.test)?);
    while course.goes_on() {
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        let images;
        let (batch, metric): (Batch<'_, f32>, _) = match draw {
            Draw::Stochastic => {
                images = task.training.gather(order.next(BATCH.min(size.training)));
                (images.batch(), Metric::Same)
            }
            Draw::Natural => {
                images = task.training.gather(order.next(size.gradient));
                (images.batch(), Metric::Leading(size.metric))
            }
            Draw::All => {
                images = task.training.gather(order.next(size.curvature));
                let metric = Batch::unlabelled(images.inputs());
                (task.training.batch(), Metric::On(metric))
            }
        };
        let macs = match trainer.step(batch, metric) {
            Ok(report) => report.macs,
            // The run has diverged; it stays where it is.
            Err(natgrad::Error::NonFinite | natgrad::Error::NonFiniteUpdate) => break,
            Err(error) => return Err(refused(error).into()),
        };
        if course.advance(macs) {
            course.note(error(&mut *trainer, &task.test)?);
        }
    }
    let training = error(&mut *trainer, &task.training)?;
    Ok(course.outcome().with(TRAINING, training))
}

/// The examples in the order of their use: without replacement, epoch by epoch.
struct Order {
    generator: Xoshiro256PlusPlus,
    rows: Vec<usize>,
    next: usize,
}

impl Order {
    fn new(examples: usize, seed: u64) -> Self {
        Self {
            generator: Xoshiro256PlusPlus::seed_from_u64(seed),
            rows: (0..examples).collect(),
            next: examples,
        }
    }

    fn next(&mut self, count: usize) -> &[usize] {
        if self.next + count > self.rows.len() {
            self.rows.shuffle(&mut self.generator);
            self.next = 0;
        }
        let from = self.next;
        self.next += count;
        &self.rows[from..self.next]
    }
}
