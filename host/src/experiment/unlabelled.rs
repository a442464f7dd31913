//! Inputs without labels in the metric: whether they help to generalise.

use natgrad::damping::{DampingPolicy, Ratio};
use natgrad::{Batch, Metric, Scalar};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::classifier::{self, Digits, Labelled, PIXELS, Training};
use super::statistics::{as_float, setting, settings};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Halt, Hypothesis, Job,
    Outcome, Results, Scale, Seeds, Setup, Table, Threshold,
};
use crate::data::{PartSizes, SemiSupervised};
use crate::error::Error;
use crate::evaluation::Examples;
use crate::plot::{Plot, Series};
use crate::training::{Natural, Optimizer, Solvers};

pub(super) struct Unlabelled;

/// How much digits are deformed.
const STRENGTH: f64 = 0.6;
/// Examples of a gradient.
const BATCH: usize = 60;
/// The most iterations of a solve.
const ITERATIONS: u16 = 20;
/// λ at the start, and where it ends unless that is tuned.
const DAMPING: f64 = 1.0;
const FLOOR: f64 = 0.1;
/// Updates of SGD and Adam for one of natural gradient at rate 1.
const FIRST_ORDER: usize = 10;
/// Measurements between two points of a curve.
const CURVE: usize = 4;

/// What is measured.
const STOPPED: &str = "test error at the stop";
const STOP: &str = "updates to the stop";
const LAST: &str = "test error at the end";
const TRAINING: &str = "training error at the end";
const CURVES: &str = "test error";

/// The labels that train.
#[derive(Clone, Copy)]
struct Labels {
    name: &'static str,
    wrong: f64,
}

const NOISY: Labels = Labels {
    name: "noisy",
    wrong: 0.3,
};
const CLEAN: Labels = Labels {
    name: "clean",
    wrong: 0.0,
};
const LABELS: [Labels; 2] = [NOISY, CLEAN];

/// Where the metric is taken: on so many inputs of labelled examples outside the gradient's batch and so
/// many unlabelled ones; on the gradient's batch, where there are none.
#[derive(Clone, Copy)]
struct Source {
    name: &'static str,
    labelled: usize,
    unlabelled: usize,
}

const SAME: Source = Source {
    name: "same",
    labelled: 0,
    unlabelled: 0,
};
const DIFFERENT: Source = Source {
    name: "different-90",
    labelled: 90,
    unlabelled: 0,
};
const MIXTURE: Source = Source {
    name: "mixture-60+30",
    labelled: 60,
    unlabelled: 30,
};
const AS_MANY: Source = Source {
    name: "unlabelled-90",
    labelled: 0,
    unlabelled: 90,
};
const MORE: Source = Source {
    name: "unlabelled-240",
    labelled: 0,
    unlabelled: 240,
};
const SOURCES: [Source; 5] = [SAME, DIFFERENT, MIXTURE, AS_MANY, MORE];

/// A rate that is not tuned, with the factor by which λ changes there.
#[derive(Clone, Copy)]
struct Regime {
    rate: f64,
    factor: f64,
    /// Updates from one measurement to the next.
    interval: usize,
}

const LARGE: Regime = Regime {
    rate: 1.0,
    factor: 1.5,
    interval: 1,
};
const SMALL: Regime = Regime {
    rate: 0.2,
    factor: 1.25,
    interval: 2,
};

fn regimes(scale: Scale) -> &'static [Regime] {
    match scale {
        Scale::Smoke | Scale::Quick => &[LARGE],
        Scale::Full => &[LARGE, SMALL],
    }
}

static ABOUT: About = About {
    name: "unlabelled",
    title: "Unlabelled data in the metric",
    question: "The metric needs inputs and no labels. Does a network generalise better when its metric is taken \
        on other inputs than those of the gradient, and on unlabelled ones in particular?",
    protocol: "Deformed digits of 12 × 12 pixels, one hidden layer of 48 tanh units, 10 classes; few labelled and \
        many unlabelled examples, and labelled ones to stop by and to test on. natSGD in f32: gradient on 60 \
        examples, metric on the same ones, on 90 other labelled ones, on a mixture of 60 other labelled and 30 \
        unlabelled ones, on 90 and on 240 unlabelled ones, drawn anew in every update; at most 20 iterations of \
        conjugate gradients, λ from 1 down to at least 0.1 by Levenberg–Marquardt on the linear ratio. Labels that \
        train are right, or wrong with a probability of 30 %; the others are right. A seed decides digits, wrong \
        labels, initial parameters and batches; the batches of the gradient are the same whatever the metric. After \
        every update (at rate 0.2 after every second one) the validation error is measured, and the outcome is the \
        test error where it was least first. Rates of 1 and, at full scale, 0.2 are compared as they are. SGD, Adam \
        and natSGD with two of the metrics are compared at their best settings, from grids of as many settings, for \
        either kind of labels, that of natSGD of pairs of a rate and a least λ; first-order methods get ten times \
        the updates, and are measured after every tenth, so that all are stopped by as many measurements. The paper \
        has faces (TFD), and its authors' published program a convolutional network with sigmoid outputs, batches of \
        256 for the gradient and 384 for the metric, MINRES-QLP, and as its unlabelled variant the mixture; 60 and \
        90 keep their ratio.",
    paper: "Unlabelled data in the metric can improve the generalisation error. A metric on the gradient's own \
        batch does not know in which directions a step changes the outputs on other examples, and lets it \
        over-fit the batch; one on other training examples, or on unlabelled ones, knows more of them (section 7).",
    hypotheses: &[
        Hypothesis {
            id: "unlabelled-noisy",
            claim: "With 30 % of the labels wrong, at rate 1 and stopped early, a metric on 240 unlabelled inputs \
                leads to a test error at least half a point below that of a metric on the gradient's batch",
            effect: "test error, unlabelled − same, mean over seeds",
            threshold: Threshold::AtMost(-0.005),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "different-noisy",
            claim: "With 30 % of the labels wrong, at rate 1 and stopped early, a metric on 90 other labelled \
                examples leads to no higher test error than one on the gradient's batch",
            effect: "test error, different − same, mean over seeds",
            threshold: Threshold::AtMost(0.0),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "unlabelled-clean",
            claim: "With right labels, at rate 1 and stopped early, a metric on 240 unlabelled inputs leads to no \
                lower test error than one on the gradient's batch",
            effect: "test error, unlabelled − same, mean over seeds",
            threshold: Threshold::AtLeast(0.0),
            favours: Favours::Rival,
        },
        Hypothesis {
            id: "unlabelled-end",
            claim: "With 30 % of the labels wrong, at rate 1 and not stopped early, a metric on 240 unlabelled inputs \
                leads to a test error at least two points above that of a metric on the gradient's batch",
            effect: "test error at the end, unlabelled − same, mean over seeds",
            threshold: Threshold::AtLeast(0.02),
            favours: Favours::Rival,
        },
        Hypothesis {
            id: "tuned-metrics-tie",
            claim: "With 30 % of the labels wrong, and either of them tuned, metrics on 240 unlabelled inputs and \
                on the gradient's batch lead to the same test error within half a point",
            effect: "test error, unlabelled − same, mean over seeds",
            threshold: Threshold::Between(-0.005, 0.005),
            favours: Favours::Nobody,
        },
        Hypothesis {
            id: "unlabelled-adam-noisy",
            claim: "With 30 % of the labels wrong, natSGD with its metric on 240 unlabelled inputs has a lower test \
                error than Adam, either of them tuned",
            effect: "test error, natSGD − Adam, mean over seeds",
            threshold: Threshold::AtMost(0.0),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "unlabelled-adam-clean",
            claim: "With right labels, natSGD with its metric on 240 unlabelled inputs has a lower test error than \
                Adam, either of them tuned",
            effect: "test error, natSGD − Adam, mean over seeds",
            threshold: Threshold::AtMost(0.0),
            favours: Favours::Natural,
        },
    ],
    seeds: Seeds {
        quick: 5,
        full: 20,
        tuning: 3,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    parts: PartSizes,
    /// How often a run is measured after its start.
    measurements: usize,
}

impl Size {
    fn of(scale: Scale) -> Self {
        let parts = PartSizes::default();
        match scale {
            Scale::Smoke => Self {
                parts: PartSizes {
                    labelled: 160,
                    unlabelled: 240,
                    validation: 30,
                    test: 30,
                },
                measurements: 4,
            },
            Scale::Quick => Self {
                parts,
                measurements: 60,
            },
            Scale::Full => Self {
                parts,
                measurements: 100,
            },
        }
    }
}

/// What trains.
#[derive(Clone, Copy)]
enum Method {
    Sgd(f64),
    Adam(f64),
    Natural {
        source: Source,
        regime: Regime,
        /// The least λ.
        floor: f64,
    },
}

impl Method {
    fn at(source: Source, regime: Regime) -> Self {
        Self::Natural {
            source,
            regime,
            floor: FLOOR,
        }
    }

    fn optimizer(self) -> Optimizer {
        match self {
            Self::Sgd(rate) => Optimizer::Sgd(rate),
            Self::Adam(rate) => Optimizer::Adam(rate),
            Self::Natural { regime, floor, .. } => Optimizer::Natural(Natural {
                rate: regime.rate,
                damping: DAMPING.max(floor),
                floor,
                policy: DampingPolicy::LevenbergMarquardt {
                    ratio: Ratio::Linear,
                    low: 0.25,
                    high: 0.75,
                    raise: regime.factor,
                    lower: regime.factor.recip(),
                },
                iterations: ITERATIONS,
                ..Natural::nat_sgd(Solvers::Cg)
            }),
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Sgd(_) | Self::Adam(_) => SAME,
            Self::Natural { source, .. } => source,
        }
    }

    /// Updates from one measurement to the next.
    fn interval(self) -> usize {
        match self {
            Self::Sgd(_) | Self::Adam(_) => FIRST_ORDER,
            Self::Natural { regime, .. } => regime.interval,
        }
    }

    /// The label of the setting.
    fn label(self) -> String {
        match self {
            Self::Sgd(rate) | Self::Adam(rate) => format!("rate={rate}"),
            Self::Natural { regime, floor, .. } => format!("rate={}+floor={floor}", regime.rate),
        }
    }
}

/// A method that is tuned, with the labels that it is tuned for.
struct Tuned {
    /// The label of its arm, and of its grid.
    name: &'static str,
    labels: Labels,
    settings: [Method; 9],
    /// The one of them that the tuning runs chose.
    chosen: Method,
}

/// Pairs of a rate and a least λ: a larger rate goes with more damping.
const NATURAL_SETTINGS: [(f64, f64); 9] = [
    (0.3, 0.03),
    (1.0, 1e-4),
    (1.0, 1e-3),
    (1.0, 0.01),
    (1.0, 0.1),
    (1.0, 1.0),
    (1.0, 3.0),
    (3.0, 3.0),
    (3.0, 10.0),
];
const SGD_SETTINGS: [f64; 9] = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0];
const ADAM_SETTINGS: [f64; 9] = [3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2, 7e-2, 1e-1, 1.5e-1];

fn tuned() -> [Tuned; 8] {
    let natural = |name, labels, source, chosen| {
        let at = |(rate, floor)| Method::Natural {
            source,
            regime: Regime { rate, ..LARGE },
            floor,
        };
        Tuned {
            name,
            labels,
            settings: NATURAL_SETTINGS.map(at),
            chosen: at(chosen),
        }
    };
    let sgd = |name, labels, chosen| Tuned {
        name,
        labels,
        settings: SGD_SETTINGS.map(Method::Sgd),
        chosen: Method::Sgd(chosen),
    };
    let adam = |name, labels, chosen| Tuned {
        name,
        labels,
        settings: ADAM_SETTINGS.map(Method::Adam),
        chosen: Method::Adam(chosen),
    };
    [
        natural("noisy+natSGD+same", NOISY, SAME, (1.0, 3.0)),
        natural("noisy+natSGD+unlabelled", NOISY, MORE, (1.0, 3.0)),
        sgd("noisy+SGD", NOISY, 2.0),
        adam("noisy+Adam", NOISY, 0.03),
        natural("clean+natSGD+same", CLEAN, SAME, (1.0, 1e-4)),
        natural("clean+natSGD+unlabelled", CLEAN, MORE, (1.0, 1e-4)),
        sgd("clean+SGD", CLEAN, 1.5),
        adam("clean+Adam", CLEAN, 0.1),
    ]
}

/// The label of the arm of rates that are not tuned.
fn fixed_arm(labels: Labels, regime: Regime, source: Source) -> String {
    format!("{}+rate={}+{}", labels.name, regime.rate, source.name)
}

impl Experiment for Unlabelled {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let Size {
            parts,
            measurements,
        } = Size::of(setup.scale);
        let regimes = regimes(setup.scale);
        let values =
            |value: fn(&Regime) -> f64| settings(&regimes.iter().map(value).collect::<Vec<f64>>());
        let mut list = vec![
            ("digits", Digits::name(setup)),
            ("strength of the deformations", setting(STRENGTH)),
            ("labelled", parts.labelled.to_string()),
            ("unlabelled", parts.unlabelled.to_string()),
            ("validation", parts.validation.to_string()),
            ("test", parts.test.to_string()),
            ("wrong labels", settings(&LABELS.map(|labels| labels.wrong))),
            ("batch", BATCH.to_string()),
            ("measurements", measurements.to_string()),
            ("rates that are not tuned", values(|regime| regime.rate)),
            ("factors on λ there", values(|regime| regime.factor)),
        ];
        for method in tuned() {
            list.push((method.name, method.chosen.label()));
        }
        list
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let mut arms = Vec::new();
        for labels in LABELS {
            for &regime in regimes(setup.scale) {
                for source in SOURCES {
                    let label = fixed_arm(labels, regime, source);
                    arms.push(arm(setup, label, labels, Method::at(source, regime)));
                }
            }
        }
        for method in tuned() {
            let label = method.name.to_string();
            arms.push(arm(setup, label, method.labels, method.chosen));
        }
        arms
    }

    fn grids(&self, setup: &Setup) -> Vec<Grid> {
        let grid = |tuned: Tuned| Grid {
            method: tuned.name,
            settings: tuned
                .settings
                .iter()
                .map(|&method| arm(setup, method.label(), tuned.labels, method))
                .collect(),
            chosen: tuned.chosen.label(),
            score: STOPPED,
        };
        tuned().into_iter().map(grid).collect()
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let fixed = |labels, source, name| {
            let arm = fixed_arm(labels, LARGE, source);
            difference(results, &arm, &fixed_arm(labels, LARGE, SAME), name)
        };
        let tuned = |arm, other| difference(results, arm, other, STOPPED);
        Analysis {
            effects: vec![
                ("unlabelled-noisy", fixed(NOISY, MORE, STOPPED)),
                ("different-noisy", fixed(NOISY, DIFFERENT, STOPPED)),
                ("unlabelled-clean", fixed(CLEAN, MORE, STOPPED)),
                ("unlabelled-end", fixed(NOISY, MORE, LAST)),
                (
                    "tuned-metrics-tie",
                    tuned("noisy+natSGD+unlabelled", "noisy+natSGD+same"),
                ),
                (
                    "unlabelled-adam-noisy",
                    tuned("noisy+natSGD+unlabelled", "noisy+Adam"),
                ),
                (
                    "unlabelled-adam-clean",
                    tuned("clean+natSGD+unlabelled", "clean+Adam"),
                ),
            ],
            seen: seen(results),
            figures: figures(results),
            tables: tables(results),
        }
    }
}

fn arm(setup: &Setup, label: String, labels: Labels, method: Method) -> Arm {
    let setup = setup.clone();
    Arm::new(label, move |job| train(job, &setup, labels, method))
}

fn train(job: &Job<'_>, setup: &Setup, labels: Labels, method: Method) -> Result<Outcome, Halt> {
    let size = Size::of(setup.scale);
    let digits = Digits::of(setup)?;
    let stream = digits.stream(job.seed, STRENGTH)?;
    let parts = SemiSupervised::of_stream(&stream, size.parts, labels.wrong)?;
    let mut sampler = Sampler::new(&parts, method.source(), job.seed)?;
    let validation = Labelled::new(&parts.validation)?;
    let test = Labelled::new(&parts.test)?;

    let mut params = classifier::start(job.seed, &parts.labelled)?;
    let mut workspace = Vec::new();
    let mut training = Training::new(&method.optimizer(), &mut params, &mut workspace)?;
    let mut stop = Stop {
        validation: f64::INFINITY,
        test: f64::NAN,
        updates: f64::NAN,
    };
    let mut curve = Vec::new();
    for measurement in 0..=size.measurements {
        if measurement > 0 {
            for _ in 0..method.interval() {
                let (batch, inputs) = sampler.draw();
                let metric = if inputs.is_empty() {
                    Metric::Same
                } else {
                    Metric::On(Batch::unlabelled(inputs.as_slice()))
                };
                training.step(&batch, metric)?;
            }
        }
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        let updates = as_float(measurement * method.interval());
        let now = training.error(&validation)?;
        let better = now < stop.validation;
        let drawn = measurement % CURVE == 0;
        if better || drawn {
            let test = training.error(&test)?;
            if better {
                stop = Stop {
                    validation: now,
                    test,
                    updates,
                };
            }
            if drawn {
                curve.push((updates, test));
            }
        }
    }
    Ok(Outcome::new()
        .with(STOPPED, stop.test)
        .with(STOP, stop.updates)
        .with(LAST, training.error(&test)?)
        .with(TRAINING, training.error(&sampler.labelled)?)
        .with_series(CURVES, curve))
}

/// Where the validation error was least first, and what was measured there.
struct Stop {
    validation: f64,
    test: f64,
    updates: f64,
}

/// Draws the batches of the gradient, epoch by epoch, and the inputs of the metric.
struct Sampler {
    labelled: Labelled,
    unlabelled: Vec<f32>,
    source: Source,
    /// The rows of the labelled examples in the order of the epoch, and where it goes on.
    order: Vec<usize>,
    next: usize,
    /// The rows of the unlabelled ones.
    pool: Vec<usize>,
    /// One each, so that the batches are the same whatever the metric.
    batches: Xoshiro256PlusPlus,
    metrics: Xoshiro256PlusPlus,
}

impl Sampler {
    fn new(parts: &SemiSupervised, source: Source, seed: u64) -> Result<Self, Error> {
        let unlabelled = parts.unlabelled.iter();
        let unlabelled: Vec<f32> = unlabelled.map(|&pixel| f32::of(pixel)).collect();
        Ok(Self {
            labelled: Labelled::new(&parts.labelled)?,
            pool: (0..unlabelled.len() / PIXELS).collect(),
            unlabelled,
            source,
            order: (0..parts.labelled.len()).collect(),
            next: parts.labelled.len(),
            batches: Xoshiro256PlusPlus::seed_from_u64(seed),
            metrics: Xoshiro256PlusPlus::seed_from_u64(seed ^ (1 << 63)),
        })
    }

    /// A batch of the gradient, and the inputs of the metric; none, where it is taken on the same ones.
    fn draw(&mut self) -> (Examples<f32>, Vec<f32>) {
        if self.next + BATCH > self.order.len() {
            self.order.shuffle(&mut self.batches);
            self.next = 0;
        }
        let (before, rest) = self.order.split_at(self.next);
        let (batch, after) = rest.split_at(BATCH);
        self.next += BATCH;

        let mut others = [before, after].concat();
        let (labelled, _) = others.partial_shuffle(&mut self.metrics, self.source.labelled);
        let mut inputs = self.labelled.examples.gather(labelled).inputs().to_vec();
        let (unlabelled, _) = self
            .pool
            .partial_shuffle(&mut self.metrics, self.source.unlabelled);
        for &mut row in unlabelled {
            inputs.extend_from_slice(&self.unlabelled[row * PIXELS..][..PIXELS]);
        }
        (self.labelled.examples.gather(batch), inputs)
    }
}

/// A number of an arm less that of another, mean over the seeds that both have.
fn difference(results: &Results<'_>, arm: &str, other: &str, name: &str) -> Estimate {
    let pairs = results.pairs(arm, other, name).into_iter();
    Estimate::mean(pairs.map(|(a, b)| a - b))
}

fn mean(results: &Results<'_>, arm: &str, name: &str) -> Estimate {
    Estimate::mean(results.values(arm, name))
}

fn seen(results: &Results<'_>) -> String {
    let apart = |labels, regime, source, name| {
        let [arm, same] = [source, SAME].map(|source| fixed_arm(labels, regime, source));
        difference(results, &arm, &same, name)
    };
    let listed = |labels, regime, differs: fn(&Estimate) -> bool| {
        let found = SOURCES
            .iter()
            .filter(|source| differs(&apart(labels, regime, **source, STOPPED)))
            .map(|source| source.name);
        let found: Vec<&str> = found.collect();
        if found.is_empty() {
            "none".to_string()
        } else {
            found.join(", ")
        }
    };
    let differing = |regime: &Regime| {
        let [noisy, clean] = LABELS.map(|labels| {
            let lower = listed(labels, *regime, |difference| difference.high < 0.0);
            let higher = listed(labels, *regime, |difference| difference.low > 0.0);
            format!("for {} labels lower {lower}, higher {higher}", labels.name)
        });
        format!("At rate {}: {noisy}; {clean}. ", regime.rate)
    };
    let differing: String = regimes(results.scale()).iter().map(differing).collect();
    let least = |labels: Labels| {
        let known = tuned().into_iter().filter_map(|method| {
            let error = mean(results, method.name, STOPPED);
            (method.labels.name == labels.name && error.is_known()).then_some((method.name, error))
        });
        let least = known.min_by(|(_, one), (_, other)| one.value.total_cmp(&other.value));
        least.map_or("no run".to_string(), |(name, error)| {
            let (_, method) = name.split_once('+').unwrap_or_default();
            format!("{method}, at {error}")
        })
    };
    format!(
        "Errors are shares. Stopped early, these metrics had another test error than the gradient's batch, over all of \
         the interval of the difference. {differing}At the end of training at rate 1, a metric on 240 unlabelled \
         inputs changed the test error by {} for noisy and by {} for clean labels. Of the tuned methods, the least \
         test error had {} for noisy, and {} for clean labels.",
        apart(NOISY, LARGE, MORE, LAST),
        apart(CLEAN, LARGE, MORE, LAST),
        least(NOISY),
        least(CLEAN),
    )
}

fn figures(results: &Results<'_>) -> Vec<Figure> {
    let curve = |arm: &str| results.band(arm, CURVES, Estimate::mean);
    let fixed = |labels: Labels| {
        let series = SOURCES.map(|source| Series {
            name: source.name.into(),
            points: curve(&fixed_arm(labels, LARGE, source)),
        });
        Figure {
            caption: format!(
                "Test error of natSGD at rate 1, {} labels, by where its metric is taken: mean over seeds, with its \
                 95 % interval.",
                labels.name
            ),
            plot: Plot {
                title: format!("Test error against updates, {} labels", labels.name),
                x: "updates".into(),
                y: "test error".into(),
                series: series.into(),
                ..Plot::default()
            },
        }
    };
    let compared = |labels: Labels| {
        let methods = tuned().into_iter();
        let methods = methods.filter(|method| method.labels.name == labels.name);
        let series = methods.map(|method| Series {
            name: method.name.replace('+', " "),
            // The axis is logarithmic, and has no place for the start.
            points: curve(method.name)
                .into_iter()
                .filter(|point| point.x > 0.0)
                .collect(),
        });
        Figure {
            caption: format!(
                "Test error of the methods at their best settings, {} labels: mean over seeds, with its 95 % \
                 interval.",
                labels.name
            ),
            plot: Plot {
                title: format!("Test error of the tuned methods, {} labels", labels.name),
                x: "updates".into(),
                wide_x: true,
                y: "test error".into(),
                series: series.collect(),
                ..Plot::default()
            },
        }
    };
    let fixed = LABELS.into_iter().map(fixed);
    fixed.chain(LABELS.into_iter().map(compared)).collect()
}

fn tables(results: &Results<'_>) -> Vec<Table> {
    let row = |heading: String, arm: &str, reference: &str| {
        let errors = [STOPPED, LAST, TRAINING].map(|name| mean(results, arm, name).to_string());
        let [stopped, last, training] = errors;
        vec![
            heading,
            stopped,
            difference(results, arm, reference, STOPPED).to_string(),
            mean(results, arm, STOP).to_string(),
            last,
            training,
        ]
    };
    let head = |first: &str, reference: &str| {
        vec![
            first.into(),
            STOPPED.into(),
            format!("less that of {reference}"),
            STOP.into(),
            LAST.into(),
            TRAINING.into(),
        ]
    };
    let mut fixed = Vec::new();
    for labels in LABELS {
        for &regime in regimes(results.scale()) {
            for source in SOURCES {
                let heading = format!("{}, rate {}, {}", labels.name, regime.rate, source.name);
                let arm = fixed_arm(labels, regime, source);
                fixed.push(row(heading, &arm, &fixed_arm(labels, regime, SAME)));
            }
        }
    }
    let compared = tuned().into_iter().map(|method| {
        let adam = format!("{}+Adam", method.labels.name);
        let heading = format!(
            "{}, {}",
            method.name.replace('+', " "),
            method.chosen.label()
        );
        row(heading, method.name, &adam)
    });
    vec![
        Table {
            caption: "Errors as shares, natSGD at rates that are not tuned: means over seeds, with 95 % intervals. \
                Training errors are by the labels that train, wrong ones included."
                .into(),
            head: head("labels, rate and metric", "the same batch"),
            rows: fixed,
        },
        Table {
            caption: "The same of the tuned methods.".into(),
            head: head("labels, method and setting", "Adam"),
            rows: compared.collect(),
        },
    ]
}
