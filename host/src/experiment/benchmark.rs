//! The benchmark of the paper: a deep auto-encoder of curves, by every method.

use std::time::Instant;

use natgrad::damping::DampingPolicy;
use natgrad::optimizer::Acceptance;
use natgrad::{Activation, Batch, Likelihood, Metric, Model, init};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::statistics::{as_float, rounded, setting};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Halt, Hypothesis, Job,
    Outcome, Results, Scale, Seeds, Setup, Table, Threshold,
};
use crate::data::Curves;
use crate::error::Error;
use crate::evaluation::{Examples, TILE};
use crate::plot::{Plot, Series};
use crate::training::{
    Curvatures, Metrics, Natural, Optimizer, Plane, Preconditioning, Solvers, Steps, refused,
    trainer,
};

pub(super) struct Benchmark;

/// The side of an image.
const SIDE: usize = 12;
/// The auto-encoder: all hidden units are logistic, but for the linear ones of the code.
const WIDTHS: [usize; 9] = [144, 64, 32, 16, 6, 16, 32, 64, 144];
const CODE: usize = 3;
/// Weight of the L2 term.
const L2: f64 = 2e-5;
/// The places of the budget at which a curve has a point.
const PLACES: usize = 50;

/// What an arm is called.
const SGD: &str = "SGD";
const MOMENTUM: &str = "momentum";
const ADAM: &str = "Adam";
const NATSGD: &str = "natSGD";
const NATURAL: &str = "natural";
const EMPIRICAL: &str = "empirical";
const LOCAL: &str = "NatCG-L";
const FULL: &str = "NatCG-F";
const HESSIAN_FREE: &str = "HF";
const STRUCTURAL: &str = "HF+structural";
const NEWTON: &str = "Newton";

/// The names of the numbers of a run.
const ERROR: &str = "test squared error";
const TRAINING: &str = "training squared error";
const UPDATES: &str = "updates to the target";
const MACS: &str = "MACs to the target";
/// Where the target is out of reach, the budget stands for it: what it takes is at least that.
const UPDATES_AT_LEAST: &str = "updates to the target or the budget";
const MACS_AT_LEAST: &str = "MACs to the target or the budget";

static ABOUT: About = About {
    name: "benchmark",
    title: "The auto-encoder benchmark",
    question: "How many updates, and how much arithmetic, does every method need to train a deep auto-encoder?",
    protocol: "Images of curves, 12 × 12 pixels in [0, 1], 2,000 that train and 1,000 that test (500 and 500 at \
        quick scale), through 144-64-32-16-6-16-32-64-144 with logistic units, a linear code and logistic \
        outputs, cross-entropy, an L2 term of 2e−5, sparse initialisation, f32. The error is the squared error \
        of an image, mean over the images. Every method has a grid of three settings, tuned on seeds of their \
        own for the least arithmetic to the target. A run ends with its budget of multiply-accumulates, which \
        are counted, those of rejected attempts and of line searches included. Seconds are those of the machine of \
        the report, with other runs beside each. Stochastic \
        methods take 100 images per update; natural-gradient ones a gradient over 500 images and a metric over \
        125 of them (125 and 60 at quick scale); Hessian-Free the gradient of all and a metric over 250 (125). \
        The paper's network, data and batches are larger, its machine was a GPU, and its time is not ours.",
    paper: "Natural gradient with conjugate directions needs fewer updates than natSGD, and both need fewer than \
        stochastic gradient descent, and less time on a GPU (section 10).",
    hypotheses: &[
        Hypothesis {
            id: "updates-against-first-order",
            claim: "natSGD needs at most a fifteenth of the updates of the best first-order method",
            effect: "updates to the target, natSGD / the least of SGD, momentum and Adam, geometric mean over seeds",
            threshold: Threshold::AtMost(0.0667),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "natcg-f-updates",
            claim: "NatCG-F needs at most 0.9 times the updates of natSGD",
            effect: "updates to the target, NatCG-F / natSGD, geometric mean over seeds",
            threshold: Threshold::AtMost(0.9),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "natcg-l-updates",
            claim: "NatCG-L needs about as many updates as natSGD",
            effect: "updates to the target, NatCG-L / natSGD, geometric mean over seeds",
            threshold: Threshold::Between(0.85, 1.05),
            favours: Favours::Nobody,
        },
        Hypothesis {
            id: "preconditioning-saves",
            claim: "Martens' preconditioner and a warm start save natSGD at least 20 % of its arithmetic",
            effect: "MACs to the target, with them / without, geometric mean over seeds",
            threshold: Threshold::AtMost(0.8),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "arithmetic-against-first-order",
            claim: "The best first-order method needs less arithmetic than the best natural-gradient one",
            effect: "MACs to the target, least of SGD, momentum and Adam / least of natSGD, natural, NatCG and HF, \
                geometric mean over seeds",
            threshold: Threshold::AtMost(1.0),
            favours: Favours::Rival,
        },
        Hypothesis {
            id: "fisher-against-hessian",
            claim: "With the Hessian in the place of the Fisher it takes at least 1.5 times the arithmetic",
            effect: "MACs to the target or the budget, Newton / natSGD, geometric mean over seeds",
            threshold: Threshold::AtLeast(1.5),
            favours: Favours::Natural,
        },
    ],
    seeds: Seeds {
        quick: 3,
        full: 8,
        tuning: 2,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    training: usize,
    test: usize,
    /// Examples of a gradient and of a metric of natural gradient, and of a metric of Hessian-Free.
    gradient: usize,
    metric: usize,
    curvature: usize,
    /// Multiply-accumulates of a run.
    budget: u64,
    /// The squared error that is to be reached.
    target: f64,
}

impl Size {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Smoke => Self {
                training: 40,
                test: 20,
                gradient: 20,
                metric: 10,
                curvature: 20,
                budget: 40_000_000,
                target: 9.0,
            },
            Scale::Quick => Self {
                training: 500,
                test: 500,
                gradient: 125,
                metric: 60,
                curvature: 125,
                budget: 8_000_000_000,
                target: 4.0,
            },
            Scale::Full => Self {
                training: 2_000,
                test: 1_000,
                gradient: 500,
                metric: 125,
                curvature: 250,
                budget: 60_000_000_000,
                target: 2.2,
            },
        }
    }
}

/// Examples per update of stochastic methods.
const BATCH: usize = 100;

/// Which examples an update sees.
#[derive(Clone, Copy)]
enum Draw {
    /// A batch for the gradient.
    Stochastic,
    /// A larger one, whose first examples are the metric's.
    Natural,
    /// All for the gradient, and some for the metric.
    All,
}

/// A method: the examples of its updates, and three settings of it.
struct Method {
    label: &'static str,
    draw: Draw,
    name: &'static str,
    values: [f64; 3],
    chosen: f64,
    optimizer: fn(f64) -> Optimizer,
}

/// natSGD by conjugate gradients, with Levenberg–Marquardt on the quadratic ratio from λ on.
fn nat_sgd(damping: f64) -> Natural {
    Natural {
        damping,
        floor: 1e-4,
        policy: DampingPolicy::levenberg_marquardt(),
        iterations: 50,
        progress: 5e-4,
        ..Natural::nat_sgd(Solvers::Cg)
    }
}

/// The same where the curvature is none of the model: the loss must not rise, else λ does, at once.
fn careful(damping: f64) -> Natural {
    Natural {
        acceptance: Acceptance::Decrease,
        retries: 8,
        ..nat_sgd(damping)
    }
}

const METHODS: &[Method] = &[
    Method {
        label: SGD,
        draw: Draw::Stochastic,
        name: "rate",
        values: [0.05, 0.1, 0.2],
        chosen: 0.1,
        optimizer: Optimizer::Sgd,
    },
    Method {
        label: MOMENTUM,
        draw: Draw::Stochastic,
        name: "rate",
        values: [0.003, 0.01, 0.03],
        chosen: 0.01,
        optimizer: |rate| Optimizer::Momentum(rate, 0.9),
    },
    Method {
        label: ADAM,
        draw: Draw::Stochastic,
        name: "rate",
        values: [0.003, 0.01, 0.03],
        chosen: 0.01,
        optimizer: Optimizer::Adam,
    },
    Method {
        label: NATSGD,
        draw: Draw::Natural,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        optimizer: |damping| Optimizer::Natural(nat_sgd(damping)),
    },
    Method {
        label: NATURAL,
        draw: Draw::Natural,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        optimizer: |damping| {
            Optimizer::Natural(Natural {
                preconditioner: Preconditioning::Martens,
                warm_start: 0.95,
                ..nat_sgd(damping)
            })
        },
    },
    Method {
        label: EMPIRICAL,
        draw: Draw::Natural,
        name: "lambda",
        values: [1.0, 3.0, 10.0],
        chosen: 3.0,
        optimizer: |damping| {
            Optimizer::Natural(Natural {
                curvature: Curvatures::Empirical,
                ..careful(damping)
            })
        },
    },
    Method {
        label: LOCAL,
        draw: Draw::Natural,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        optimizer: |damping| Optimizer::NaturalCg(nat_sgd(damping), Plane::Local),
    },
    Method {
        label: FULL,
        draw: Draw::Natural,
        name: "lambda",
        values: [1.0, 3.0, 10.0],
        chosen: 10.0,
        optimizer: |damping| Optimizer::NaturalCg(nat_sgd(damping), Plane::Full),
    },
    Method {
        label: HESSIAN_FREE,
        draw: Draw::All,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        optimizer: |damping| {
            Optimizer::Natural(Natural {
                iterations: 100,
                ..Natural::hessian_free(damping, Metrics::Identity)
            })
        },
    },
    Method {
        label: STRUCTURAL,
        draw: Draw::All,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        optimizer: |damping| {
            Optimizer::Natural(Natural {
                iterations: 100,
                ..Natural::hessian_free(damping, Metrics::Structural(0.03))
            })
        },
    },
    Method {
        label: NEWTON,
        draw: Draw::Natural,
        name: "lambda",
        values: [1.0, 3.0, 10.0],
        chosen: 1.0,
        optimizer: |damping| {
            Optimizer::Natural(Natural {
                curvature: Curvatures::Hessian,
                ..careful(damping)
            })
        },
    },
];

impl Method {
    fn setting(&self, value: f64) -> String {
        format!("{}={value}", self.name)
    }

    fn arm(&'static self, label: String, size: Size, value: f64) -> Arm {
        Arm::new(label, move |job| train(job, size, self, value))
    }
}

impl Experiment for Benchmark {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        let mut settings = vec![
            ("images that train", size.training.to_string()),
            ("images that test", size.test.to_string()),
            ("budget of MACs", size.budget.to_string()),
            ("target of the squared error", setting(size.target)),
        ];
        for method in METHODS {
            settings.push((method.label, method.setting(method.chosen)));
        }
        settings
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let size = Size::of(setup.scale);
        let arm = |method: &'static Method| method.arm(method.label.into(), size, method.chosen);
        METHODS.iter().map(arm).collect()
    }

    fn grids(&self, setup: &Setup) -> Vec<Grid> {
        let size = Size::of(setup.scale);
        let grid = |method: &'static Method| Grid {
            method: method.label,
            settings: method
                .values
                .iter()
                .map(|&value| method.arm(method.setting(value), size, value))
                .collect(),
            chosen: method.setting(method.chosen),
            score: MACS_AT_LEAST,
        };
        METHODS.iter().map(grid).collect()
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let first_order = [SGD, MOMENTUM, ADAM];
        let natural = [NATSGD, NATURAL, LOCAL, FULL, HESSIAN_FREE, STRUCTURAL];
        let updates = |arm| results.ratio(arm, NATSGD, UPDATES);
        Analysis {
            effects: vec![
                (
                    "updates-against-first-order",
                    ratio_to_least(
                        &results.values(NATSGD, UPDATES),
                        &least_of(results, &first_order, UPDATES_AT_LEAST),
                    ),
                ),
                ("natcg-f-updates", updates(FULL)),
                ("natcg-l-updates", updates(LOCAL)),
                (
                    "preconditioning-saves",
                    results.ratio(NATURAL, NATSGD, MACS),
                ),
                (
                    "arithmetic-against-first-order",
                    ratio_to_least(
                        &least_of(results, &first_order, MACS_AT_LEAST),
                        &least_of(results, &natural, MACS_AT_LEAST),
                    ),
                ),
                (
                    "fisher-against-hessian",
                    ratio_to_least(
                        &results.values(NEWTON, MACS_AT_LEAST),
                        &results.values(NATSGD, MACS),
                    ),
                ),
            ],
            seen: seen(results),
            figures: figures(results),
            tables: vec![table(results)],
        }
    }
}

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

impl Task {
    fn new(size: Size, seed: u64) -> Result<Self, Error> {
        let curves = Curves::new(seed, SIDE);
        let model = model()?;
        let mut start = vec![0.0; model.params()];
        init::sparse(model, seed, &mut start).map_err(|error| refused("the curves", error))?;
        Ok(Self {
            training: Examples::new(&curves.training(size.training)?)?,
            test: Examples::new(&curves.test(size.test)?)?,
            start,
        })
    }
}

/// The squared error of an image, mean over the images.
fn squared_error(
    trainer: &mut dyn Steps<f32>,
    images: &Examples<f32>,
    means: &mut Vec<f32>,
) -> Result<f64, natgrad::Error> {
    means.resize(images.inputs().len(), 0.0);
    trainer.predict(images.inputs(), means)?;
    let pairs = images.inputs().iter().zip(&*means);
    let sum: f64 = pairs.map(|(x, p)| f64::from(x - p).powi(2)).sum();
    Ok(sum / as_float(images.len()))
}

/// Trains until the budget is spent.
fn train(job: &Job<'_>, size: Size, method: &Method, value: f64) -> Result<Outcome, Halt> {
    let refused = |error| refused("the curves", error);
    let task = Task::new(size, job.seed)?;
    let mut params = task.start.clone();
    let (mut workspace, mut means) = (Vec::new(), Vec::new());
    let how = (&(method.optimizer)(value), TILE);
    let mut trainer = trainer(model()?, &mut params, &mut workspace, how, L2, "the curves")?;
    let mut order = Order::new(size.training, job.seed);
    let error = squared_error(&mut *trainer, &task.test, &mut means).map_err(refused)?;
    let mut course = Course::new(size, error);
    while course.goes_on() {
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        let images;
        let (batch, metric): (Batch<'_, f32>, _) = match method.draw {
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
            let error = squared_error(&mut *trainer, &task.test, &mut means).map_err(refused)?;
            course.note(error);
        }
    }
    let training = squared_error(&mut *trainer, &task.training, &mut means).map_err(refused)?;
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

/// The test error along a run.
struct Course {
    budget: u64,
    target: f64,
    updates: u64,
    macs: u64,
    /// The arithmetic at which the error is looked at again.
    due: u64,
    error: f64,
    least: f64,
    /// Updates and arithmetic when the target was reached.
    reached: Option<(u64, u64)>,
    by_updates: Vec<(f64, f64)>,
    by_macs: Vec<(f64, f64)>,
    started: Instant,
    clock: Vec<(f64, f64)>,
}

/// How often the error is looked at, in shares of the budget.
const LOOKS: u64 = 200;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
const fn float(count: u64) -> f64 {
    count as f64
}

impl Course {
    fn new(size: Size, error: f64) -> Self {
        Self {
            budget: size.budget,
            target: size.target,
            updates: 0,
            macs: 0,
            due: 0,
            error,
            least: error,
            reached: None,
            by_updates: vec![(0.0, error)],
            by_macs: vec![(0.0, error)],
            started: Instant::now(),
            clock: vec![(0.0, 0.0)],
        }
    }

    fn goes_on(&self) -> bool {
        self.macs < self.budget
    }

    /// An update of that arithmetic; whether the error is to be looked at.
    fn advance(&mut self, macs: u64) -> bool {
        self.updates += 1;
        self.macs += macs;
        self.macs >= self.due || !self.goes_on()
    }

    /// The error now.
    fn note(&mut self, error: f64) {
        // Up to here the curve is what it was at the last look.
        self.fill(self.macs);
        self.due = self.macs + self.budget / LOOKS;
        self.error = error;
        self.least = self.least.min(error);
        self.by_updates.push((float(self.updates), error));
        if error <= self.target && self.reached.is_none() {
            self.reached = Some((self.updates, self.macs));
        }
    }

    /// The error at the places of the budget before `macs`.
    fn fill(&mut self, macs: u64) {
        let place = |index: usize| self.budget / PLACES as u64 * index as u64;
        let mut next = self.by_macs.len();
        let seconds = self.started.elapsed().as_secs_f64();
        while next <= PLACES && place(next) < macs {
            self.by_macs.push((float(place(next)), self.error));
            self.clock.push((float(place(next)), seconds));
            next += 1;
        }
    }

    fn outcome(mut self) -> Outcome {
        self.fill(u64::MAX);
        let (updates, macs) = self.reached.unwrap_or((self.updates, self.budget));
        let known = |value: u64| match self.reached {
            Some(_) => float(value),
            None => f64::NAN,
        };
        Outcome::new()
            .with(ERROR, self.least)
            .with(UPDATES, known(updates))
            .with(MACS, known(macs))
            .with(UPDATES_AT_LEAST, float(updates))
            .with(MACS_AT_LEAST, float(macs))
            .with_series("by updates", self.by_updates)
            .with_series("by MACs", self.by_macs)
            .with_clock("by MACs", self.clock)
    }
}

/// The least of some arms, seed by seed.
fn least_of(results: &Results<'_>, arms: &[&str], name: &str) -> Vec<f64> {
    let columns: Vec<Vec<f64>> = arms.iter().map(|arm| results.values(arm, name)).collect();
    let seeds = columns.iter().map(Vec::len).min().unwrap_or(0);
    let least = |seed: usize| {
        let values = columns.iter().map(|column| column[seed]);
        values.fold(f64::INFINITY, f64::min)
    };
    (0..seeds).map(least).collect()
}

fn ratio_to_least(values: &[f64], least: &[f64]) -> Estimate {
    Estimate::geometric_mean(values.iter().zip(least).map(|(value, least)| value / least))
}

fn geometric(results: &Results<'_>, arm: &str, name: &str) -> Estimate {
    Estimate::geometric_mean(results.values(arm, name))
}

/// How many runs of an arm have reached the target.
fn reached(results: &Results<'_>, arm: &str) -> (usize, usize) {
    let values = results.values(arm, UPDATES);
    let reached = values.iter().filter(|value| value.is_finite()).count();
    (reached, values.len())
}

fn seen(results: &Results<'_>) -> String {
    let order = |name: &str| {
        let mut arms: Vec<(f64, &str)> = METHODS
            .iter()
            .map(|method| (geometric(results, method.label, name).value, method.label))
            .filter(|(value, _)| value.is_finite())
            .collect();
        arms.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shown = arms.iter().map(|(value, label)| match name {
            UPDATES_AT_LEAST => format!("{label} {value:.0}"),
            _ => format!("{label} {}", rounded(value / 1e9, 2)),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let missed: Vec<String> = METHODS
        .iter()
        .map(|method| (method.label, reached(results, method.label)))
        .filter(|(_, (reached, runs))| reached < runs)
        .map(|(label, (reached, runs))| format!("{label} in {} of {runs} runs", runs - reached))
        .collect();
    let missed = if missed.is_empty() {
        "Every run reached the target.".into()
    } else {
        format!(
            "The target was not reached within the budget by {}; for those runs the budget stands in these lists.",
            missed.join(", ")
        )
    };
    format!(
        "Updates to the target, from the fewest: {}. Arithmetic to the target in billions of \
         multiply-accumulates, from the least: {}. {missed}",
        order(UPDATES_AT_LEAST),
        order(MACS_AT_LEAST),
    )
}

fn figures(results: &Results<'_>) -> Vec<Figure> {
    let groups = [
        (
            "first order and natural gradient",
            &[SGD, MOMENTUM, ADAM, NATSGD, NATURAL, FULL][..],
        ),
        (
            "natural gradient and its relatives",
            &[
                NATSGD,
                LOCAL,
                FULL,
                HESSIAN_FREE,
                STRUCTURAL,
                EMPIRICAL,
                NEWTON,
            ][..],
        ),
    ];
    let mut figures = Vec::new();
    for (what, arms) in groups {
        for (name, x) in [
            ("by MACs", "multiply-accumulates"),
            ("by updates", "updates"),
            ("by MACs", Plot::SECONDS),
        ] {
            let average = Estimate::geometric_mean;
            let series = arms.iter().map(|arm| Series {
                name: (*arm).into(),
                points: if x == Plot::SECONDS {
                    results.timed_band(arm, name, average)
                } else {
                    results.band(arm, name, average)
                },
            });
            figures.push(Figure {
                caption: format!(
                    "Test squared error of an image against {x}, {what}: geometric mean over seeds, with its 95 % \
                     interval."
                ),
                plot: Plot {
                    title: format!("Test error against {x}: {what}"),
                    x: x.into(),
                    wide_x: x == "updates",
                    y: "squared error".into(),
                    series: series.collect(),
                    ..Plot::default()
                },
            });
        }
    }
    figures
}

fn table(results: &Results<'_>) -> Table {
    let row = |method: &Method| {
        let (reached, runs) = reached(results, method.label);
        vec![
            format!("{}, {}", method.label, method.setting(method.chosen)),
            format!("{reached} of {runs}"),
            geometric(results, method.label, UPDATES_AT_LEAST).to_string(),
            rounded(
                geometric(results, method.label, MACS_AT_LEAST).value / 1e9,
                3,
            ),
            geometric(results, method.label, ERROR).to_string(),
            geometric(results, method.label, TRAINING).to_string(),
        ]
    };
    Table {
        caption: "To the target, or to the end of the budget in runs that did not reach it; the least test error \
            within the budget, and the training error at its end. Geometric means over seeds, with 95 % intervals."
            .into(),
        head: [
            "method",
            "reached",
            "updates",
            "billion MACs",
            "least test error",
            "training error",
        ]
        .map(String::from)
        .into(),
        rows: METHODS.iter().map(row).collect(),
    }
}
