//! How much a solve has to do: its iterations, and its precision.

use natgrad::damping::DampingPolicy;
use natgrad::krylov::Stop;
use natgrad::{Scalar, krylov};

use super::linearised::Linearised;
use super::statistics::{as_float, least, percent, rounded, setting, settings};
use super::task::{Task, natural_recipe};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Halt, Hypothesis, Job, Outcome,
    Results, Scale, Seeds, Setup, Table, Threshold,
};
use crate::plot::{Plot, Series};
use crate::training::{Metrics, Natural, Preconditioning};

pub(super) struct Solver;

/// λ of the training runs, held constant.
const DAMPINGS: [f64; 3] = [1.0, 1e-1, 1e-2];
/// The limits of iterations.
const LIMITS: [u16; 5] = [3, 5, 10, 20, 50];
/// The limit that is called enough, and the one that stands for a solve to the end.
const ENOUGH: u16 = 10;
const MOST: u16 = 50;
/// Examples of a batch, of gradient and metric alike.
const BATCH: usize = 128;

/// λ of the solves in both precisions, from the strongest.
const SOLVED: [f64; 7] = [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// The least λ for which `f32` is claimed to do.
const LEAST: f64 = 1e-3;
/// The states of the network: at its initial parameters, and trained.
const STATES: [&str; 2] = ["fresh", "trained"];

static ABOUT: About = About {
    name: "solver",
    title: "Solver effort, and single precision",
    question: "How many iterations of conjugate gradients does a step need, and are 32 bits enough for \
        them? Both decide what a step costs on a microcontroller.",
    protocol: "UCI optical digits, standardised, 64 inputs, one hidden layer of tanh units, 10 classes. A \
        seed decides which fifth tests, the initial parameters and the batches. Iterations: natural gradient \
        in f32 at rate 1 with λI of a constant λ and no preconditioner, gradient and metric on the same \
        batch; the solver is stopped at a limit, or before by Martens' rule of relative progress. \
        Precision: the system of one batch is solved in f32 and in f64 by as many iterations, without a \
        preconditioner and without the rule of progress; the two directions are put into the quadratic model \
        of the loss, damping included, in f64, and its decreases are compared. Fresh: at the initial \
        parameters; trained: after a training run with λ = 0.1 and 10 iterations.",
    paper: "The paper solves for the natural direction by truncated iterations of a Krylov solver, up to 250 \
        of them in its benchmark, on a GPU. It does not ask what a device can afford.",
    hypotheses: &[
        Hypothesis {
            id: "ten-iterations-test",
            claim: "At λ = 0.1, ten iterations lead to a test loss within 2 % of that with fifty",
            effect: "test loss with 10 iterations over that with 50, geometric mean over seeds",
            threshold: Threshold::AtMost(1.02),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "ten-iterations-test-strong",
            claim: "At λ = 1, ten iterations lead to a test loss within 2 % of that with fifty",
            effect: "test loss with 10 iterations over that with 50, geometric mean over seeds",
            threshold: Threshold::AtMost(1.02),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "ten-iterations-training",
            claim: "At λ = 0.1, ten iterations lead to a training loss within 2 % of that with fifty",
            effect: "training loss with 10 iterations over that with 50, geometric mean over seeds",
            threshold: Threshold::AtMost(1.02),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "single-precision",
            claim: "For λ of at least 0.001, f32 reaches 99 % of the decrease that f64 reaches, in a fresh and in \
                a trained network",
            effect: "the least ratio of the decreases over those λ and both states, mean over seeds",
            threshold: Threshold::AtLeast(0.99),
            favours: Favours::Natural,
        },
    ],
    seeds: Seeds {
        quick: 5,
        full: 20,
        tuning: 0,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    hidden: usize,
    updates: usize,
    /// Iterations of the solves in both precisions.
    iterations: u16,
}

impl Size {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Smoke => Self {
                hidden: 6,
                updates: 4,
                iterations: 10,
            },
            Scale::Quick | Scale::Full => Self {
                hidden: 32,
                updates: 64,
                iterations: 250,
            },
        }
    }
}

impl Experiment for Solver {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        vec![
            ("hidden units", size.hidden.to_string()),
            ("batch", BATCH.to_string()),
            ("updates", size.updates.to_string()),
            ("λ of the updates", settings(&DAMPINGS)),
            ("limits of iterations", settings(&LIMITS.map(f64::from))),
            ("iterations in both precisions", size.iterations.to_string()),
            ("λ in both precisions", settings(&SOLVED)),
        ]
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let size = Size::of(setup.scale);
        let mut arms = Vec::new();
        for damping in DAMPINGS {
            for limit in LIMITS {
                arms.push(Arm::new(training_arm(damping, limit), move |job| {
                    train(job, size, damping, limit)
                }));
            }
        }
        for state in STATES {
            arms.push(Arm::new(state, move |job| {
                compare_precisions(job, size, state)
            }));
        }
        arms
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let ratio = |damping, name| loss_ratio(results, damping, ENOUGH, name);
        Analysis {
            effects: vec![
                ("ten-iterations-test", ratio(1e-1, "test loss")),
                ("ten-iterations-test-strong", ratio(1.0, "test loss")),
                ("ten-iterations-training", ratio(1e-1, "training loss")),
                ("single-precision", least_decrease(results)),
            ],
            seen: seen(results),
            figures: figures(results),
            tables: vec![effort_table(results), precision_table(results)],
        }
    }
}

fn training_arm(damping: f64, limit: u16) -> String {
    format!("lambda={damping:e}+iterations={limit}")
}

fn decrease_name(damping: f64) -> String {
    format!("decrease ratio at {damping:e}")
}

fn natural(damping: f64, limit: u16) -> Natural {
    Natural {
        damping,
        floor: damping,
        policy: DampingPolicy::Constant,
        preconditioner: Preconditioning::None,
        iterations: limit,
        ..Natural::new(Metrics::Identity)
    }
}

fn train(job: &Job<'_>, size: Size, damping: f64, limit: u16) -> Result<Outcome, Halt> {
    let task = Task::digits(size.hidden, job.seed)?;
    let mut params = task.start::<f32>(job.seed)?;
    let recipe = natural_recipe(natural(damping, limit), BATCH, size.updates, job.seed);
    let record = task.run(job, &recipe, &mut params)?;
    let points = record.points.iter();
    let test = |point: &crate::training::Point| point.test.unwrap_or(f64::NAN);
    let last = record.last();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
    let macs = record.macs as f64;
    Ok(Outcome::new()
        .with("training loss", last.map_or(f64::NAN, |point| point.train))
        .with("test loss", last.map_or(f64::NAN, |point| test(&point)))
        .with("MACs per update", macs / as_float(record.steps))
        .with_series(
            "training loss",
            points.map(|point| (as_float(point.step), point.train)),
        ))
}

fn compare_precisions(job: &Job<'_>, size: Size, state: &str) -> Result<Outcome, Halt> {
    let task = Task::digits(size.hidden, job.seed)?;
    let mut params = task.start::<f32>(job.seed)?;
    if state == "trained" {
        let recipe = natural_recipe(natural(1e-1, ENOUGH), BATCH, size.updates, job.seed);
        task.run(job, &recipe, &mut params)?;
    }
    let rows: Vec<usize> = (0..BATCH).collect();
    let batch = task.train.select(&rows);
    let wide: Vec<f64> = params.iter().map(|&theta| f64::from(theta)).collect();
    let single = Linearised::<f32>::new(task.model()?, params, &batch)?;
    let double = Linearised::<f64>::new(task.model()?, wide, &batch)?;
    let mut outcome = Outcome::new();
    for damping in SOLVED {
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        let narrow = single.direction(damping, &to_the_limit(size.iterations))?;
        let narrow: Vec<f64> = narrow.into_iter().map(f64::from).collect();
        let wide = double.direction(damping, &to_the_limit(size.iterations))?;
        let ratio = double.decrease(damping, &narrow)? / double.decrease(damping, &wide)?;
        outcome = outcome.with(decrease_name(damping), ratio);
    }
    Ok(outcome)
}

/// Not stopped by slow progress, which is what is compared.
fn to_the_limit<T: Scalar>(iterations: u16) -> Stop<T> {
    Stop {
        iterations,
        progress: T::ZERO,
        ..krylov::Stop::default()
    }
}

/// The least ratio of every seed over the λ that are claimed and both states.
fn least_decrease(results: &Results<'_>) -> Estimate {
    let claimed = SOLVED.into_iter().filter(|damping| *damping >= LEAST);
    let columns: Vec<Vec<f64>> = claimed
        .flat_map(|damping| {
            let pairs = results.pairs(STATES[0], STATES[1], &decrease_name(damping));
            let (fresh, trained): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            [fresh, trained]
        })
        .collect();
    let seeds = columns.iter().map(Vec::len).min().unwrap_or(0);
    let worst = (0..seeds).map(|seed| {
        let values = columns.iter().filter_map(|column| column.get(seed));
        least(values.copied())
    });
    Estimate::mean(worst)
}

fn mean(results: &Results<'_>, arm: &str, name: &str) -> Estimate {
    Estimate::mean(results.values(arm, name))
}

fn loss_ratio(results: &Results<'_>, damping: f64, limit: u16, name: &str) -> Estimate {
    let [arm, most] = [limit, MOST].map(|limit| training_arm(damping, limit));
    results.ratio(&arm, &most, name)
}

fn seen(results: &Results<'_>) -> String {
    let cost = |limit| mean(results, &training_arm(1e-1, limit), "MACs per update").value;
    let [strong, middle, weak] =
        DAMPINGS.map(|damping| loss_ratio(results, damping, ENOUGH, "training loss"));
    let [fresh, trained] = STATES.map(|state| {
        let kept = |damping: &&f64| mean(results, state, &decrease_name(**damping)).low >= 0.99;
        let least = SOLVED.iter().take_while(kept).last();
        least.map_or("none".to_string(), |damping| setting(*damping))
    });
    format!(
        "At λ = 0.1, updates with at most ten iterations took {} of the arithmetic of those with at most fifty. \
         The training loss with ten, as a multiple of that with fifty, was {strong} at λ = 1, {middle} at 0.1 \
         and {weak} at 0.01. Going down with λ, f32 kept 99 % of the decrease, with all of the interval, down \
         to λ = {fresh} in the fresh and {trained} in the trained network.",
        percent(cost(ENOUGH) / cost(MOST)),
    )
}

fn figures(results: &Results<'_>) -> Vec<Figure> {
    let curves = LIMITS.map(|limit| Series {
        name: format!("≤ {limit}"),
        points: results.band(
            &training_arm(1e-1, limit),
            "training loss",
            Estimate::geometric_mean,
        ),
    });
    let effort = DAMPINGS.map(|damping| Series {
        name: format!("λ = {damping}"),
        points: LIMITS
            .iter()
            .map(|&limit| loss_ratio(results, damping, limit, "test loss").at(limit.into()))
            .collect(),
    });
    let precision = STATES.map(|state| Series {
        name: state.into(),
        points: SOLVED
            .iter()
            .map(|&damping| mean(results, state, &decrease_name(damping)).at(damping))
            .collect(),
    });
    vec![
        Figure {
            caption: "Training loss at λ = 0.1, by the limit of iterations: geometric mean over seeds, with \
                its 95 % interval."
                .into(),
            plot: Plot {
                title: "Training loss against updates".into(),
                x: "updates".into(),
                y: "training loss".into(),
                series: curves.into(),
                ..Plot::default()
            },
        },
        Figure {
            caption: "Test loss after the last update, as a multiple of that with 50 iterations: geometric mean \
                over seeds, with its 95 % interval."
                .into(),
            plot: Plot {
                title: "Test loss against the limit of iterations".into(),
                x: "limit of iterations".into(),
                wide_x: true,
                y: "test loss / that with 50".into(),
                series: effort.into(),
                thresholds: vec![(1.02, "1.02".into())],
            },
        },
        Figure {
            caption: "Decrease of the model reached in f32, as a share of that in f64: mean over seeds, with its \
                95 % interval."
                .into(),
            plot: Plot {
                title: "Decrease in single precision against λ".into(),
                x: "λ".into(),
                wide_x: true,
                y: "decrease, f32 / f64".into(),
                series: precision.into(),
                thresholds: vec![(0.99, "0.99".into())],
            },
        },
    ]
}

fn effort_table(results: &Results<'_>) -> Table {
    let mut rows = Vec::new();
    for damping in DAMPINGS {
        for limit in LIMITS {
            let arm = training_arm(damping, limit);
            rows.push(vec![
                format!("λ = {damping}, ≤ {limit}"),
                Estimate::geometric_mean(results.values(&arm, "training loss")).to_string(),
                Estimate::geometric_mean(results.values(&arm, "test loss")).to_string(),
                loss_ratio(results, damping, limit, "test loss").to_string(),
                rounded(mean(results, &arm, "MACs per update").value / 1e6, 3),
            ]);
        }
    }
    Table {
        caption: "Losses after the last update: geometric means over seeds, with 95 % intervals. MACs are \
            millions of multiply-accumulates per update."
            .into(),
        head: [
            "λ and limit",
            "training loss",
            "test loss",
            "test loss / that with 50",
            "million MACs",
        ]
        .map(String::from)
        .into(),
        rows,
    }
}

fn precision_table(results: &Results<'_>) -> Table {
    let row = |damping: f64| {
        let [fresh, trained] =
            STATES.map(|state| mean(results, state, &decrease_name(damping)).to_string());
        vec![setting(damping), fresh, trained]
    };
    Table {
        caption: "Decrease of the model in f32 as a share of that in f64: means over seeds, with 95 % intervals."
            .into(),
        head: ["λ", "fresh", "trained"].map(String::from).into(),
        rows: SOLVED.into_iter().map(row).collect(),
    }
}
