//! Invariance to re-parametrisation, and the length of a step in nats.

use nalgebra::{DMatrix, DVector};
use natgrad::damping::{DampingMetric, DampingPolicy, Marquardt};
use rand::SeedableRng;
use rand_distr::{Distribution, LogNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::linearised::Linearised;
use super::statistics::{greatest, least, setting, settings};
use super::task::{Task, natural_recipe};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Halt, Hypothesis, Job, Outcome,
    Results, Scale, Seeds, Setup, Table, Threshold, Verdict,
};
use crate::error::Error;
use crate::plot::{Plot, Series};
use crate::training::{Metrics, Natural, Preconditioning};

pub(super) struct Invariance;

/// λ of the directions, from the weakest.
const DAMPINGS: [f64; 5] = [1e-8, 1e-6, 1e-4, 1e-2, 1.0];
/// λ of the claims.
const CLAIMED: f64 = 1e-4;
/// The cosine that counts as the same direction.
const SAME: f64 = 0.99;
/// The strongest λ, at which damping by diag(F) is claimed to do what λI cannot.
const STRONGEST: f64 = 1.0;
/// Shares of a full step, and the one of the claim.
const SHARES: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];
const SMALL: f64 = 0.01;
/// What its divergence over ½dᵀFd has to be.
const DIVERGENCE: Threshold = Threshold::Between(0.95, 1.05);
/// The standard deviation of the logarithm of a unit.
const SPREAD: f64 = 1.0;
/// The states of the network: at its initial parameters, and trained.
const STATES: [&str; 2] = ["fresh", "trained"];

static ABOUT: About = About {
    name: "invariance",
    title: "Invariance, and steps of a known length",
    question: "Does the natural direction change the outputs in the same way whatever the units of the \
        parameters are, and does its metric tell how far a step moves the distribution? How much damping \
        destroys that?",
    protocol: "UCI optical digits, standardised, 64 inputs, one hidden layer of tanh units, 10 classes, in f64, \
        gradient and metric on one batch. A seed decides the initial parameters, the batch and the units. Every \
        parameter gets a unit of its own, log-normal with σ = 1: θ = Sφ. The direction is computed by a dense \
        solve in θ and in φ, and the two changes of the outputs, to first order and without what is common to \
        all classes, are compared by their cosine. λI damps what is called natural, λ·diag(F) what is called \
        Marquardt; the plain gradient has neither. Then θ moves along the natural direction by a share of it, \
        and the Kullback–Leibler divergence from the old to the new distribution, mean over the batch, is \
        divided by ½dᵀFd. Fresh: at the initial parameters; trained: after updates of natural gradient at λ = 0.1. \
        Claims are about the worse of the two states of every seed.",
    paper: "The natural gradient is invariant to re-parametrisation, and moves by a constant amount of the \
        distribution, measured by the Kullback–Leibler divergence, whose second-order form is the metric \
        (section 2). Both hold for the undamped metric and small steps.",
    hypotheses: &[
        Hypothesis {
            id: "natural-invariant",
            claim: "At λ = 0.0001 the natural direction changes the outputs in the same way in random units",
            effect: "the least cosine of the two states, mean over seeds",
            threshold: Threshold::AtLeast(SAME),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "plain-not-invariant",
            claim: "The plain gradient changes the outputs in another way in random units",
            effect: "the largest cosine of the two states, mean over seeds",
            threshold: Threshold::AtMost(0.6),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "marquardt-invariant",
            claim: "Damping by λ·diag(F), the default of this crate, keeps the invariance even at λ = 1",
            effect: "the least cosine of the two states, mean over seeds",
            threshold: Threshold::AtLeast(SAME),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "small-step-divergence-fresh",
            claim: "In a fresh network, the divergence of a hundredth of the natural step at λ = 0.0001 is ½dᵀFd \
                within 5 %",
            effect: "divergence over ½dᵀFd, geometric mean over seeds",
            threshold: DIVERGENCE,
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "small-step-divergence-trained",
            claim: "In a trained network, the divergence of a hundredth of the natural step at λ = 0.0001 is ½dᵀFd \
                within 5 %",
            effect: "divergence over ½dᵀFd, geometric mean over seeds",
            threshold: DIVERGENCE,
            favours: Favours::Natural,
        },
    ],
    seeds: Seeds {
        quick: 6,
        full: 20,
        tuning: 0,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    hidden: usize,
    batch: usize,
    updates: usize,
}

impl Size {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Smoke => Self {
                hidden: 2,
                batch: 12,
                updates: 3,
            },
            Scale::Quick | Scale::Full => Self {
                hidden: 8,
                batch: 64,
                updates: 20,
            },
        }
    }
}

impl Experiment for Invariance {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        vec![
            ("hidden units", size.hidden.to_string()),
            ("batch", size.batch.to_string()),
            ("updates of the trained network", size.updates.to_string()),
            ("λ", settings(&DAMPINGS)),
            ("shares of a step", settings(&SHARES)),
        ]
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let size = Size::of(setup.scale);
        let arm = |state| Arm::new(state, move |job: &Job<'_>| compare(job, size, state));
        STATES.map(arm).into()
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let worse = |name: &str, choose: fn([f64; 2]) -> f64| {
            let pairs = results.pairs(STATES[0], STATES[1], name).into_iter();
            Estimate::mean(pairs.map(|(fresh, trained)| choose([fresh, trained])))
        };
        let divergence = |state| {
            let values = results.values(state, &divergence_name(CLAIMED, SMALL));
            Estimate::geometric_mean(values)
        };
        Analysis {
            effects: vec![
                (
                    "natural-invariant",
                    worse(&cosine_name("natural", CLAIMED), least),
                ),
                ("plain-not-invariant", worse("plain", greatest)),
                (
                    "marquardt-invariant",
                    worse(&cosine_name("Marquardt", STRONGEST), least),
                ),
                ("small-step-divergence-fresh", divergence(STATES[0])),
                ("small-step-divergence-trained", divergence(STATES[1])),
            ],
            seen: seen(results),
            figures: figures(results),
            tables: vec![cosine_table(results), divergence_table(results)],
        }
    }
}

fn cosine_name(method: &str, damping: f64) -> String {
    format!("{method} at {damping:e}")
}

fn divergence_name(damping: f64, share: f64) -> String {
    format!("divergence ratio at {damping:e} of {share}")
}

fn compare(job: &Job<'_>, size: Size, state: &str) -> Result<Outcome, Halt> {
    let task = Task::digits(size.hidden, job.seed)?;
    let mut params = task.start::<f64>(job.seed)?;
    if state == "trained" {
        let natural = Natural {
            damping: 1e-1,
            floor: 1e-1,
            policy: DampingPolicy::Constant,
            preconditioner: Preconditioning::None,
            ..Natural::new(Metrics::Identity)
        };
        let recipe = natural_recipe(natural, size.batch, size.updates, job.seed);
        task.run(job, &recipe, &mut params)?;
    }
    let rows: Vec<usize> = (0..size.batch).collect();
    let batch = task.train.select(&rows);
    let network = Linearised::<f64>::new(task.model()?, params, &batch)?;
    let metric = network.metric()?;
    let diagonal = metric.diagonal();
    let gradient = DVector::from_vec(network.gradient()?);
    let units = units(gradient.len(), job.seed)?;
    let squares = units.component_mul(&units);
    let cosine = |one: &DVector<f64>, other: &DVector<f64>| -> Result<f64, Error> {
        let [one, other] = [
            network.change(one.as_slice())?,
            network.change(other.as_slice())?,
        ];
        Ok(one.dot(&other) / (one.norm() * other.norm()))
    };

    // In φ the gradient is Sg; taken back to θ the direction is S·Sg.
    let plain = cosine(&gradient, &squares.component_mul(&gradient))?;
    let mut outcome = Outcome::new().with("plain", plain);
    for damping in DAMPINGS {
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        // In φ the metric is SFS, and D is another one; taken back to θ, S(SFS + λD)⁻¹Sg is
        // (F + λS⁻²D)⁻¹g.
        let same = DVector::from_element(gradient.len(), damping);
        let natural = solve(&metric, &same, &gradient)?;
        let other = solve(&metric, &same.component_div(&squares), &gradient)?;
        outcome = outcome.with(cosine_name("natural", damping), cosine(&natural, &other)?);

        let one = solve(&metric, &marquardt(&diagonal, damping), &gradient)?;
        let other = marquardt(&diagonal.component_mul(&squares), damping);
        let other = solve(&metric, &other.component_div(&squares), &gradient)?;
        outcome = outcome.with(cosine_name("Marquardt", damping), cosine(&one, &other)?);

        for share in SHARES {
            let step = &natural * -share;
            let ratio = divergence(&network, step.as_slice())?
                / (0.5 * network.length_squared(step.as_slice())?);
            outcome = outcome.with(divergence_name(damping, share), ratio);
        }
    }
    Ok(outcome)
}

/// A random unit for every parameter.
fn units(n: usize, seed: u64) -> Result<DVector<f64>, Error> {
    // The batches are drawn from a generator of that seed, too: not the same numbers again.
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed ^ (1 << 63));
    let law = LogNormal::new(0.0, SPREAD)
        .map_err(|error| Error::option("the units", error.to_string()))?;
    Ok(DVector::from_fn(n, |_, _| law.sample(&mut generator)))
}

/// λD of the core's Marquardt damping, where diag(F) is `diagonal`.
fn marquardt(diagonal: &DVector<f64>, damping: f64) -> DVector<f64> {
    let form = Marquardt.form(damping, 0.0, diagonal.mean());
    (diagonal * form.scale).add_scalar(form.shift)
}

/// (F + diag(`damping`))⁻¹g.
fn solve(
    metric: &DMatrix<f64>,
    damping: &DVector<f64>,
    gradient: &DVector<f64>,
) -> Result<DVector<f64>, Error> {
    let mut matrix = metric.clone();
    for (index, damping) in damping.iter().enumerate() {
        matrix[(index, index)] += damping;
    }
    let factors = matrix.cholesky();
    let factors = factors.ok_or_else(|| Error::option("the metric", "is not positive definite"))?;
    Ok(factors.solve(gradient))
}

/// KL(p_θ ∥ p_{θ+step}), mean over the batch.
fn divergence(network: &Linearised<'_, f64>, step: &[f64]) -> Result<f64, Error> {
    let before = network.log_probabilities(&vec![0.0; step.len()])?;
    let after = network.log_probabilities(step)?;
    let pairs = before.iter().zip(&after);
    let sum: f64 = pairs.map(|(p, q)| p.exp() * (p - q)).sum();
    Ok(sum / network.examples())
}

fn mean(results: &Results<'_>, state: &str, name: &str) -> Estimate {
    Estimate::mean(results.values(state, name))
}

fn divergence_ratio(results: &Results<'_>, state: &str, damping: f64, share: f64) -> Estimate {
    Estimate::geometric_mean(results.values(state, &divergence_name(damping, share)))
}

fn seen(results: &Results<'_>) -> String {
    let [fresh, trained] = STATES.map(|state| {
        let same =
            |damping: &&f64| mean(results, state, &cosine_name("natural", **damping)).low >= SAME;
        let last = DAMPINGS.iter().take_while(same).last();
        last.map_or("at none of them".to_string(), |damping| {
            format!("up to {}", setting(*damping))
        })
    });
    let [fresh_small, trained_small] = STATES.map(|state| {
        let kept = |damping: &&f64| {
            let ratio = divergence_ratio(results, state, **damping, SMALL);
            DIVERGENCE.verdict(&ratio) == Verdict::Supported
        };
        let last = DAMPINGS.iter().rev().take_while(kept).last();
        last.map_or("at none of them".to_string(), |damping| {
            format!("down to {}", setting(*damping))
        })
    });
    let [fresh_full, trained_full] =
        STATES.map(|state| divergence_ratio(results, state, CLAIMED, 1.0));
    format!(
        "Going up with λ, the natural direction stayed the same, with a cosine of at least {SAME} over all of its \
         interval, {fresh} in the fresh and {trained} in the trained network: beyond that λI breaks the \
         invariance. Going down with λ, the divergence of a hundredth of the step was within 5 % of ½dᵀFd, over \
         all of its interval, {fresh_small} in the fresh and {trained_small} in the trained network: below \
         that the step is so long in the directions that the metric hardly sees that its hundredth leaves the \
         quadratic range. At λ = {} the divergence of the \
         full step was {fresh_full} times ½dᵀFd in the fresh and {trained_full} times in the trained network.",
        setting(CLAIMED)
    )
}

fn figures(results: &Results<'_>) -> Vec<Figure> {
    let cosines = |state: &str| {
        let series = |method: &str, name: &dyn Fn(f64) -> String| Series {
            name: method.into(),
            points: DAMPINGS
                .iter()
                .map(|&damping| mean(results, state, &name(damping)).at(damping))
                .collect(),
        };
        Figure {
            caption: format!(
                "Cosine of the changes of the outputs in two sets of units, {state} network: mean over seeds, with \
                 its 95 % interval."
            ),
            plot: Plot {
                title: format!("Invariance against λ, {state} network"),
                x: "λ".into(),
                wide_x: true,
                y: "cosine".into(),
                series: vec![
                    series("natural, λI", &|damping| cosine_name("natural", damping)),
                    series("Marquardt, λ diag(F)", &|damping| {
                        cosine_name("Marquardt", damping)
                    }),
                    series("plain gradient", &|_| "plain".into()),
                ],
                thresholds: vec![(SAME, SAME.to_string())],
            },
        }
    };
    let lengths = |state: &str| {
        let series = |damping: f64| Series {
            name: format!("λ = {}", setting(damping)),
            points: SHARES
                .iter()
                .map(|&share| divergence_ratio(results, state, damping, share).at(share))
                .collect(),
        };
        Figure {
            caption: format!(
                "Divergence of a share of the natural step as a multiple of ½dᵀFd, {state} network: geometric mean \
                 over seeds, with its 95 % interval."
            ),
            plot: Plot {
                title: format!("Divergence against the share of a step, {state} network"),
                x: "share of the step".into(),
                wide_x: true,
                y: "KL / ½dᵀFd".into(),
                series: [CLAIMED, 1e-2, 1.0].map(series).into(),
                thresholds: vec![(1.0, String::new())],
            },
        }
    };
    let states = STATES.into_iter();
    states
        .clone()
        .map(cosines)
        .chain(states.map(lengths))
        .collect()
}

fn cosine_table(results: &Results<'_>) -> Table {
    let cells = |name: &str| STATES.map(|state| mean(results, state, name).to_string());
    let row = |heading: String, name: &str| {
        let [fresh, trained] = cells(name);
        vec![heading, fresh, trained]
    };
    let mut rows = vec![row("plain gradient".into(), "plain")];
    for method in ["natural", "Marquardt"] {
        for damping in DAMPINGS {
            let heading = format!("{method}, λ = {}", setting(damping));
            rows.push(row(heading, &cosine_name(method, damping)));
        }
    }
    Table {
        caption: "Cosines: means over seeds, with 95 % intervals.".into(),
        head: ["direction", "fresh", "trained"].map(String::from).into(),
        rows,
    }
}

fn divergence_table(results: &Results<'_>) -> Table {
    let row = |(damping, share): (f64, f64)| {
        let [fresh, trained] =
            STATES.map(|state| divergence_ratio(results, state, damping, share).to_string());
        vec![
            format!("λ = {}, {share} of the step", setting(damping)),
            fresh,
            trained,
        ]
    };
    let places = [CLAIMED, 1e-2, 1.0]
        .into_iter()
        .flat_map(|damping| SHARES.map(|share| (damping, share)));
    Table {
        caption: "Divergence over ½dᵀFd: geometric means over seeds, with 95 % intervals.".into(),
        head: ["step", "fresh", "trained"].map(String::from).into(),
        rows: places.map(row).collect(),
    }
}
