//! The benchmark of the paper: a deep auto-encoder of curves, by every method.

mod course;
mod methods;
mod run;

use self::methods::{
    ADAM, DESCENT, EMPIRICAL, FULL, HESSIAN_FREE, LBFGS, LOCAL, METHODS, MOMENTUM, Method, NATSGD,
    NATURAL, NEWTON, NONLINEAR, SGD, STRUCTURAL, TONGA,
};
use super::statistics::{rounded, setting};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Hypothesis, Results, Scale,
    Seeds, Setup, Table, Threshold,
};
use crate::plot::{Plot, Series};

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

/// The names of the numbers of a run.
const ERROR: &str = "test squared error";
const TRAINING: &str = "training squared error";
const UPDATES: &str = "updates to the target";
const MACS: &str = "MACs to the target";
/// Where the target is out of reach, the budget stands for it: what it takes is at least that.
const UPDATES_AT_LEAST: &str = "updates to the target or the budget";
const MACS_AT_LEAST: &str = "MACs to the target or the budget";
/// Below 1 the share of the budget that the target took; above it by how far the target was missed.
const SCORE: &str = "share of the budget, or distance";

static ABOUT: About = About {
    name: "benchmark",
    title: "The auto-encoder benchmark",
    question: "How many updates, and how much arithmetic, does every method need to train a deep auto-encoder?",
    protocol: "Images of curves, 12 × 12 pixels in [0, 1], 2,000 that train and 1,000 that test (500 and 500 at \
        quick scale), through 144-64-32-16-6-16-32-64-144 with logistic units, a linear code and logistic \
        outputs, cross-entropy, an L2 term of 2e−5, sparse initialisation, f32. The error is the squared error \
        of an image, mean over the images. Every method has a grid of three settings, tuned on seeds of their \
        own for the least arithmetic to the target or, out of its reach, for the least error. A run ends with its budget of multiply-accumulates, which \
        are counted over the examples, those of rejected attempts and of line searches included; the work on \
        vectors of parameters, a few percent of it and with TONGA some 15 %, is not. Seconds are those of the machine of \
        the report, with other runs beside each. Stochastic \
        methods take 100 images per update; natural-gradient ones a gradient over 500 images and a metric over \
        125 of them (125 and 60 at quick scale); Hessian-Free and subspace descent (KSD) the gradient of all and a metric over 250 (125); L-BFGS and \
        nonlinear CG, which are a library's, all images in f64. \
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
        full: 6,
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

impl Experiment for Benchmark {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        let mut settings = vec![
            ("images that train", size.training.to_string()),
            ("images that test", size.test.to_string()),
            (
                "budget, billion MACs",
                setting(course::float(size.budget) / 1e9),
            ),
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
            score: SCORE,
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
    // Where a run has missed the target there is no number of its arm to be put in order.
    let order = |name: &str| {
        let mut arms: Vec<(f64, &str)> = METHODS
            .iter()
            .map(|method| (geometric(results, method.label, name).value, method.label))
            .filter(|(value, _)| value.is_finite())
            .collect();
        arms.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shown = arms.iter().map(|(value, label)| match name {
            UPDATES => format!("{label} {value:.0}"),
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
            "The target was not reached within the budget by {}, which are not in these lists.",
            missed.join(", ")
        )
    };
    format!(
        "Updates to the target, from the fewest: {}. Arithmetic to the target in billions of \
         multiply-accumulates, from the least: {}. {missed}",
        order(UPDATES),
        order(MACS),
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
            &[NATSGD, LOCAL, FULL, HESSIAN_FREE, STRUCTURAL, DESCENT][..],
        ),
        (
            "other curvatures, and full-batch rivals",
            &[NATSGD, NEWTON, EMPIRICAL, TONGA, LBFGS, NONLINEAR][..],
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
            method.label.into(),
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
