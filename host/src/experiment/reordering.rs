//! How much the order of the examples decides: the variance of the outputs when one segment of a stream is
//! drawn anew.

use natgrad::damping::DampingPolicy;
use natgrad::{Metric, init};

use super::classifier::{self, Digits, Labelled, Training};
use super::statistics::{as_float, rounded, setting};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Halt, Hypothesis, Job,
    Outcome, Results, Scale, Seeds, Setup, Table, Threshold,
};
use crate::data::Stream;
use crate::error::Error;
use crate::evaluation::Examples;
use crate::plot::{Plot, Series};
use crate::training::{Natural, Optimizer, Solvers, refused};

pub(super) struct Reordering;

/// How much a digit is deformed.
const STRENGTH: f64 = 1.0;
/// Examples of a batch; each is used once.
const BATCH: usize = 128;
/// The negative log-likelihood at which the methods are compared.
const MATCHED: f64 = 0.9;
/// The segment of the stream behind the resampled ones, and that of the metric's own inputs.
const REST: u64 = 1_000;
const METRIC: u64 = 2_000;

/// The methods, by their labels.
const SGD: &str = "SGD";
const MOMENTUM: &str = "momentum";
const ADAM: &str = "Adam";
const NATURAL: &str = "natSGD";
const UNLABELLED: &str = "natSGD+unlabelled";
const METHODS: [&str; 5] = [SGD, MOMENTUM, ADAM, NATURAL, UNLABELLED];
/// Those of the second question: the error after as many updates.
const FAST_NATURAL: &str = "fast-natSGD";
const FAST_ADAM: &str = "fast-Adam";

static ABOUT: About = About {
    name: "reordering",
    title: "Robustness to the order of the examples",
    question: "How much do the outputs of a trained network depend on which examples it saw when, and does the \
        natural gradient make them depend less?",
    protocol: "A stream of deformed digits that never repeats, 12 × 12 pixels, 144 inputs, 48 tanh units, 10 \
        classes; one pass, 128 fresh digits per update (drawn glyphs, or handwriting where --mnist gives it). \
        Its first half is cut into equal segments. For every segment the network is trained \
        several times, each time with another draw of that segment and everything else the same, initial \
        parameters included; the variance of the output probabilities over the draws, summed over the classes \
        and averaged over a fixed held-out set, is that segment's share. Since a method that has learnt \
        little varies little, methods are compared at matched performance: of the settings of every grid, the \
        one that ends closest to a held-out negative log-likelihood of 0.9, which all of them reach. A seed decides the stream and the \
        initial parameters. The paper's protocol, after Erhan et al. (2010), on another and smaller set; \
        where it compares at convergence, this compares after one pass over few examples.",
    paper: "Stochastic gradient descent is most sensitive to the first segments of the stream; natural gradient \
        has less variance overall, and a flatter profile, so that it is more robust to a reordering of the \
        training set (section 8).",
    hypotheses: &[
        Hypothesis {
            id: "variance-below-momentum",
            claim: "At matched performance, the outputs vary at most half as much with natSGD as with momentum",
            effect: "mean variance over the segments, natSGD / momentum, geometric mean over seeds",
            threshold: Threshold::AtMost(0.5),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "variance-below-sgd",
            claim: "At matched performance, the outputs vary at most 0.8 times as much with natSGD as with plain SGD",
            effect: "mean variance over the segments, natSGD / SGD, geometric mean over seeds",
            threshold: Threshold::AtMost(0.8),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "variance-below-adam",
            claim: "At matched performance, the outputs vary at most half as much with natSGD as with Adam",
            effect: "mean variance over the segments, natSGD / Adam, geometric mean over seeds",
            threshold: Threshold::AtMost(0.5),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "natural-profile",
            claim: "With natSGD the first segment decides no more than the last one",
            effect: "variance by the first over that by the last segment, natSGD, geometric mean over seeds",
            threshold: Threshold::AtMost(1.0),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "sgd-profile",
            claim: "With plain SGD the first segment decides more than the last one",
            effect: "variance by the first over that by the last segment, SGD, geometric mean over seeds",
            threshold: Threshold::AtLeast(1.0),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "matched-momentum",
            claim: "The match with momentum holds: natSGD ends within 10 % of its negative log-likelihood",
            effect: "held-out negative log-likelihood, natSGD / momentum, geometric mean over seeds",
            threshold: Threshold::Between(0.9, 1.1),
            favours: Favours::Nobody,
        },
        Hypothesis {
            id: "stream-error",
            claim: "After as many updates, tuned natSGD has at most 0.85 times the held-out error of tuned Adam",
            effect: "held-out error, natSGD / Adam, each at its best setting, geometric mean over seeds",
            threshold: Threshold::AtMost(0.85),
            favours: Favours::Natural,
        },
    ],
    seeds: Seeds {
        quick: 4,
        full: 10,
        tuning: 6,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    /// Updates of a training run.
    updates: usize,
    segments: usize,
    /// Draws of a segment.
    draws: usize,
    held_out: usize,
}

impl Size {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Smoke => Self {
                updates: 4,
                segments: 2,
                draws: 2,
                held_out: 40,
            },
            Scale::Quick => Self {
                updates: 64,
                segments: 4,
                draws: 3,
                held_out: 500,
            },
            Scale::Full => Self {
                updates: 64,
                segments: 8,
                draws: 5,
                held_out: 1_000,
            },
        }
    }

    /// Examples of a segment.
    fn segment(self) -> usize {
        self.updates / 2 / self.segments * BATCH
    }
}

/// A method with a setting.
#[derive(Clone, Copy)]
enum Method {
    First(fn(f64) -> Optimizer, f64),
    /// Rate 1, constant λ; metric on the gradient batch.
    Natural(f64),
    /// The same with the metric on fresh digits without labels.
    Unlabelled(f64),
    /// Levenberg–Marquardt down to this λ.
    Adaptive(f64),
}

impl Method {
    fn sgd(rate: f64) -> Self {
        Self::First(Optimizer::Sgd, rate)
    }

    fn momentum(rate: f64) -> Self {
        Self::First(|rate| Optimizer::Momentum(rate, 0.9), rate)
    }

    fn adam(rate: f64) -> Self {
        Self::First(Optimizer::Adam, rate)
    }

    fn optimizer(self) -> Optimizer {
        let natural = |damping, policy| {
            Optimizer::Natural(Natural {
                damping,
                floor: damping,
                policy,
                iterations: 20,
                ..Natural::nat_sgd(Solvers::Cg)
            })
        };
        match self {
            Self::First(method, rate) => method(rate),
            Self::Natural(damping) | Self::Unlabelled(damping) => {
                natural(damping, DampingPolicy::Constant)
            }
            Self::Adaptive(floor) => Optimizer::Natural(Natural {
                damping: 1.0,
                floor,
                iterations: 20,
                ..Natural::nat_sgd(Solvers::Cg)
            }),
        }
    }

    /// The label of the setting.
    fn label(self) -> String {
        match self {
            Self::First(_, rate) => format!("rate={rate}"),
            Self::Natural(damping) | Self::Unlabelled(damping) => format!("lambda={damping}"),
            Self::Adaptive(floor) => format!("floor={floor}"),
        }
    }
}

/// Every method: its settings, and the one that it was given after the tuning runs.
struct Choice {
    method: &'static str,
    settings: [Method; 5],
    chosen: Method,
    score: &'static str,
}

/// The score of the settings that are to be matched, and of those that are to be best.
const DISTANCE: &str = "distance from the match";
const ERROR: &str = "error";
const NLL: &str = "negative log-likelihood";
const VARIANCE: &str = "mean variance";
const PROFILE: &str = "variance";

fn choices() -> [Choice; 7] {
    [
        Choice {
            method: SGD,
            settings: [0.4, 0.5, 0.6, 0.7, 0.8].map(Method::sgd),
            chosen: Method::sgd(0.5),
            score: DISTANCE,
        },
        Choice {
            method: MOMENTUM,
            settings: [0.03, 0.04, 0.05, 0.06, 0.07].map(Method::momentum),
            chosen: Method::momentum(0.05),
            score: DISTANCE,
        },
        Choice {
            method: ADAM,
            settings: [0.003, 0.004, 0.005, 0.006, 0.008].map(Method::adam),
            chosen: Method::adam(0.005),
            score: DISTANCE,
        },
        Choice {
            method: NATURAL,
            settings: [1.0, 1.5, 2.0, 3.0, 4.0].map(Method::Natural),
            chosen: Method::Natural(2.0),
            score: DISTANCE,
        },
        Choice {
            method: UNLABELLED,
            settings: [1.0, 1.5, 2.0, 3.0, 4.0].map(Method::Unlabelled),
            chosen: Method::Unlabelled(2.0),
            score: DISTANCE,
        },
        Choice {
            method: FAST_NATURAL,
            settings: [0.01, 0.03, 0.1, 0.2, 0.3].map(Method::Adaptive),
            chosen: Method::Adaptive(0.1),
            score: ERROR,
        },
        Choice {
            method: FAST_ADAM,
            settings: [0.01, 0.02, 0.03, 0.05, 0.08].map(Method::adam),
            chosen: Method::adam(0.05),
            score: ERROR,
        },
    ]
}

impl Experiment for Reordering {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        let mut settings = vec![
            ("updates", size.updates.to_string()),
            ("batch", BATCH.to_string()),
            ("segments", size.segments.to_string()),
            ("draws of a segment", size.draws.to_string()),
            ("held-out digits", size.held_out.to_string()),
            ("strength of the deformations", setting(STRENGTH)),
            ("matched negative log-likelihood", setting(MATCHED)),
            ("digits", Digits::name(setup)),
        ];
        for choice in choices() {
            settings.push((choice.method, choice.chosen.label()));
        }
        settings
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let size = Size::of(setup.scale);
        choices()
            .into_iter()
            .map(|choice| {
                let (method, setup) = (choice.chosen, setup.clone());
                let resampled = METHODS.contains(&choice.method);
                Arm::new(choice.method, move |job| {
                    if resampled {
                        resample(job, &setup, size, method)
                    } else {
                        once(job, &setup, size, method)
                    }
                })
            })
            .collect()
    }

    fn grids(&self, setup: &Setup) -> Vec<Grid> {
        let size = Size::of(setup.scale);
        let grid = |choice: Choice| Grid {
            method: choice.method,
            settings: choice
                .settings
                .iter()
                .map(|&method| {
                    let setup = setup.clone();
                    Arm::new(method.label(), move |job| once(job, &setup, size, method))
                })
                .collect(),
            chosen: choice.chosen.label(),
            score: choice.score,
        };
        choices().into_iter().map(grid).collect()
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let variance = |other| results.ratio(NATURAL, other, VARIANCE);
        Analysis {
            effects: vec![
                ("variance-below-momentum", variance(MOMENTUM)),
                ("variance-below-sgd", variance(SGD)),
                ("variance-below-adam", variance(ADAM)),
                ("natural-profile", profile(results, NATURAL)),
                ("sgd-profile", profile(results, SGD)),
                ("matched-momentum", results.ratio(NATURAL, MOMENTUM, NLL)),
                (
                    "stream-error",
                    results.ratio(FAST_NATURAL, FAST_ADAM, ERROR),
                ),
            ],
            seen: seen(results),
            figures: vec![figure(results)],
            tables: vec![table(results), fast_table(results)],
        }
    }
}

/// What all training runs of a seed share.
struct Course {
    start: Vec<f32>,
    /// The segments of the first half, then the rest.
    segments: Vec<Examples<f32>>,
    /// The inputs of the metric, of arms that have their own.
    metric: Option<Examples<f32>>,
    held_out: Labelled,
}

/// What a training run ends with, on the held-out set.
struct End {
    /// The probabilities of the classes, example by example.
    probabilities: Vec<f32>,
    error: f64,
    loss: f64,
}

impl Course {
    fn new(stream: &Stream<'_>, size: Size, method: Method, seed: u64) -> Result<Self, Error> {
        let examples = |segment, examples| Examples::new(&stream.segment(segment, 0, examples)?);
        let mut segments = Vec::new();
        for segment in 0..size.segments {
            segments.push(examples(segment as u64, size.segment())?);
        }
        let rest = size.updates * BATCH - size.segments * size.segment();
        segments.push(examples(REST, rest)?);
        let model = classifier::model()?;
        let mut start = vec![0.0; model.params()];
        init::glorot(model, seed, &mut start).map_err(|error| refused(classifier::NAME, error))?;
        Ok(Self {
            start,
            segments,
            metric: match method {
                Method::Unlabelled(_) => Some(examples(METRIC, size.updates * BATCH)?),
                _ => None,
            },
            held_out: Labelled::new(&stream.held_out(size.held_out)?)?,
        })
    }

    /// Trains once over the stream, with `other` in the place of a segment.
    fn train(
        &self,
        job: &Job<'_>,
        method: Method,
        other: Option<(usize, &Examples<f32>)>,
    ) -> Result<End, Halt> {
        let mut params = self.start.clone();
        let mut workspace = Vec::new();
        let mut training = Training::new(&method.optimizer(), &mut params, &mut workspace)?;
        let mut update = 0;
        for (index, own) in self.segments.iter().enumerate() {
            let segment = match other {
                Some((place, other)) if place == index => other,
                _ => own,
            };
            for batch in 0..segment.len() / BATCH {
                if !job.goes_on() {
                    return Err(Halt::Interrupted);
                }
                let rows: Vec<usize> = (batch * BATCH..(batch + 1) * BATCH).collect();
                let examples = segment.gather(&rows);
                let rows: Vec<usize> = (update * BATCH..(update + 1) * BATCH).collect();
                let fresh = self.metric.as_ref().map(|metric| metric.gather(&rows));
                let metric = match &fresh {
                    Some(fresh) => Metric::On(natgrad::Batch::unlabelled(fresh.inputs())),
                    None => Metric::Same,
                };
                training.step(&examples, metric)?;
                update += 1;
            }
        }
        Ok(End {
            probabilities: training.probabilities(&self.held_out)?,
            error: training.error(&self.held_out)?,
            loss: training.loss(&self.held_out)?,
        })
    }
}

/// One training run.
fn once(job: &Job<'_>, setup: &Setup, size: Size, method: Method) -> Result<Outcome, Halt> {
    let digits = Digits::of(setup)?;
    let course = Course::new(&digits.stream(job.seed, STRENGTH)?, size, method, job.seed)?;
    let end = course.train(job, method, None)?;
    Ok(Outcome::new()
        .with(ERROR, end.error)
        .with(NLL, end.loss)
        .with(DISTANCE, (end.loss / MATCHED).ln().abs()))
}

/// All draws of all segments.
fn resample(job: &Job<'_>, setup: &Setup, size: Size, method: Method) -> Result<Outcome, Halt> {
    let digits = Digits::of(setup)?;
    let stream = digits.stream(job.seed, STRENGTH)?;
    let course = Course::new(&stream, size, method, job.seed)?;
    let base = course.train(job, method, None)?;
    let mut variances = Vec::new();
    for segment in 0..size.segments {
        // The stream itself is the first draw of each of its segments.
        let mut draws = vec![base.probabilities.clone()];
        for draw in 1..size.draws {
            let other = stream.segment(segment as u64, draw as u64, size.segment())?;
            let other = Examples::new(&other)?;
            let end = course.train(job, method, Some((segment, &other)))?;
            draws.push(end.probabilities);
        }
        variances.push(variance(&draws) / as_float(size.held_out));
    }
    let mean = variances.iter().sum::<f64>() / as_float(variances.len());
    let curve = (1..).zip(&variances).map(|(x, &y)| (f64::from(x), y));
    Ok(Outcome::new()
        .with(VARIANCE, mean)
        .with("first", variances.first().copied().unwrap_or(f64::NAN))
        .with("last", variances.last().copied().unwrap_or(f64::NAN))
        .with(ERROR, base.error)
        .with(NLL, base.loss)
        .with_series(PROFILE, curve))
}

/// The variance over the draws, without bias, summed over the places.
fn variance(draws: &[Vec<f32>]) -> f64 {
    let count = as_float(draws.len());
    let places = draws.first().map_or(0, Vec::len);
    let at = |place: usize| draws.iter().map(move |draw| f64::from(draw[place]));
    (0..places)
        .map(|place| {
            let mean = at(place).sum::<f64>() / count;
            let squares = at(place).map(|p| (p - mean) * (p - mean));
            squares.sum::<f64>() / (count - 1.0)
        })
        .sum()
}

/// The variance by the first segment over that by the last.
fn profile(results: &Results<'_>, arm: &str) -> Estimate {
    let first = results.values(arm, "first");
    let last = results.values(arm, "last");
    Estimate::geometric_mean(
        first
            .into_iter()
            .zip(last)
            .map(|(first, last)| first / last),
    )
}

fn geometric(results: &Results<'_>, arm: &str, name: &str) -> Estimate {
    Estimate::geometric_mean(results.values(arm, name))
}

fn seen(results: &Results<'_>) -> String {
    let mut order = METHODS.map(|method| (geometric(results, method, VARIANCE).value, method));
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let order = order.map(|(variance, method)| format!("{method} {}", rounded(1e3 * variance, 2)));
    format!(
        "Mean variance of the outputs, in thousandths, from the least: {}. The first segment decided {} times as \
         much as the last one with natSGD, {} with SGD, {} with momentum and {} with Adam. The held-out negative \
         log-likelihoods, which were to be matched at {}, were {} with natSGD, {} with SGD, {} with momentum and \
         {} with Adam. At their best settings, after as many updates, natSGD had an error of {} and Adam of {}.",
        order.join(", "),
        profile(results, NATURAL),
        profile(results, SGD),
        profile(results, MOMENTUM),
        profile(results, ADAM),
        setting(MATCHED),
        geometric(results, NATURAL, NLL),
        geometric(results, SGD, NLL),
        geometric(results, MOMENTUM, NLL),
        geometric(results, ADAM, NLL),
        geometric(results, FAST_NATURAL, ERROR),
        geometric(results, FAST_ADAM, ERROR),
    )
}

fn figure(results: &Results<'_>) -> Figure {
    let series = METHODS.map(|method| Series {
        name: method.into(),
        points: results.band(method, PROFILE, Estimate::geometric_mean),
    });
    Figure {
        caption: "Variance of the output probabilities, summed over the classes, by the segment of the stream that \
            is drawn anew: geometric mean over seeds, with its 95 % interval."
            .into(),
        plot: Plot {
            title: "Variance of the outputs against the segment".into(),
            x: "segment".into(),
            y: "variance".into(),
            series: series.into(),
            ..Plot::default()
        },
    }
}

fn table(results: &Results<'_>) -> Table {
    let row = |method: &str| {
        vec![
            method.into(),
            geometric(results, method, VARIANCE).to_string(),
            profile(results, method).to_string(),
            geometric(results, method, NLL).to_string(),
            geometric(results, method, ERROR).to_string(),
        ]
    };
    Table {
        caption: "At matched performance: geometric means over seeds, with 95 % intervals.".into(),
        head: [
            "method",
            "mean variance",
            "first / last segment",
            "held-out NLL",
            "held-out error",
        ]
        .map(String::from)
        .into(),
        rows: METHODS.map(row).into(),
    }
}

fn fast_table(results: &Results<'_>) -> Table {
    let row = |method: &str| {
        vec![
            method.into(),
            geometric(results, method, NLL).to_string(),
            geometric(results, method, ERROR).to_string(),
        ]
    };
    Table {
        caption: "At the best setting of either: geometric means over seeds, with 95 % intervals."
            .into(),
        head: ["method", "held-out NLL", "held-out error"]
            .map(String::from)
            .into(),
        rows: [FAST_NATURAL, FAST_ADAM].map(row).into(),
    }
}
