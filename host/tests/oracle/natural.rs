//! A step of natural gradient, through the trainer, against the dense system and the dense metric.

use nalgebra::{DMatrix, DVector};
use natgrad::damping::{Damping, DampingMetric, DampingPolicy, Marquardt, Tikhonov};
use natgrad::krylov::{Cg, Status, Stop};
use natgrad::line_search::{LineSearch, Trust};
use natgrad::optimizer::{Acceptance, Anchor, L2, NaturalGradient, Outcome, Report};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Activation, Likelihood, Metric, Room, Scalar, Trainer};
use natgrad_host::reference::{Examples, solve_damped};
use proptest::prelude::*;

use super::strategies::{Case, DENSE, Draw, Labels, Regime, Shape, Tile, config, moderate};
use super::subject::{Subject, narrow, widen, with_tile};
use super::tolerance::{KL_THIRD_ORDER, LOSS_FLOOR, REGRESSION, REPORTED, STEP};

pub(crate) type Method<T, P, D> = NaturalGradient<T, Cg, P, D>;

/// The examples of the metric.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Same,
    Leading(usize),
    Others,
}

/// A KL divergence, in nats, that is nearly of second order.
const SMALL_KL: f64 = 1e-12;

/// What a step has beside its method.
pub(crate) struct Setting {
    pub(crate) on: On,
    pub(crate) strength: f64,
    pub(crate) anchor: Option<Vec<f64>>,
}

pub(crate) const PLAIN: Setting = Setting {
    on: On::Same,
    strength: 0.0,
    anchor: None,
};

/// Other inputs for the same network.
pub(crate) fn others(case: &Case) -> Case {
    let shape = case.shape.clone();
    Case::new(Shape {
        seed: shape.seed ^ 6,
        batch: shape.batch % 8 + 1,
        ..shape
    })
}

/// One step: parameters after it, the report, the λ that the method goes on with.
pub(crate) fn step<T, P, D>(
    case: &Case,
    method: Method<T, P, D>,
    setting: &Setting,
) -> (Vec<f64>, Report<T>, T)
where
    T: Scalar,
    P: Preconditioner<T>,
    D: DampingMetric<T>,
{
    let others = others(case);
    let (subject, metric) = (Subject::<T>::new(case), Subject::<T>::new(&others));
    let anchor = setting.anchor.as_deref().map(narrow::<T>);
    let mut params = subject.params.clone();
    let (report, damping) = with_tile!(case.shape.tile, TILE => {
        type Learner<'a, T, P, D> = Trainer<'a, T, Method<T, P, D>, TILE>;
        let len = Learner::<T, P, D>::workspace_len(&subject.model(), Room::NONE);
        let mut workspace = vec![T::of(f64::NAN); len];
        let trainer = Learner::new(subject.model(), &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        let l2 = L2 {
            strength: T::of(setting.strength),
            anchor: anchor.as_deref().map_or(Anchor::Zero, Anchor::At),
        };
        trainer.regularise(l2).expect("a strength");
        let metric = match setting.on {
            On::Same => Metric::Same,
            On::Leading(examples) => Metric::Leading(examples),
            On::Others => Metric::On(metric.unlabelled()),
        };
        let report = trainer.step(subject.batch(), metric).expect("a step");
        (report, trainer.state().damping)
    });
    (widen(&params), report, damping)
}

/// A method that does nothing but solve, as far as rounding goes.
pub(crate) fn exact<P: Preconditioner<f64>, D: DampingMetric<f64>>(
    damping: f64,
) -> Method<f64, P, D> {
    Method {
        damping: Damping {
            initial: damping,
            floor: 1e-12,
            ceiling: 1e6,
            policy: DampingPolicy::Constant,
            metric: D::default(),
        },
        stop: Stop {
            iterations: 3_000,
            residual: 1e-12,
            progress: 0.0,
            refresh: 0,
        },
        acceptance: Acceptance::Finite,
        line_search: LineSearch::Fixed,
        trust: Trust::unbounded(),
        ..Method::default()
    }
}

/// The quantities of a step by the oracle.
struct Dense {
    metric: Examples,
    fisher: DMatrix<f64>,
    gradient: DVector<f64>,
    strength: f64,
    anchor: DVector<f64>,
}

impl Dense {
    fn new(case: &Case, setting: &Setting) -> Self {
        let mut metric = match setting.on {
            On::Others => others(case).examples,
            _ => case.examples.clone(),
        };
        if let On::Leading(examples) = setting.on {
            metric.inputs.truncate(examples);
            metric.weights.truncate(examples);
        }
        metric.targets.clear();
        let theta = DVector::from_column_slice(&case.params);
        let anchor = match &setting.anchor {
            Some(anchor) => DVector::from_column_slice(anchor),
            None => DVector::zeros(theta.len()),
        };
        let gradient = case.network.gradient(&case.params, &case.examples);
        Self {
            fisher: case.network.fisher_by_enumeration(&case.params, &metric),
            gradient: gradient + (&theta - &anchor) * setting.strength,
            strength: setting.strength,
            metric,
            anchor,
        }
    }

    /// L(θ) with its L2 term.
    fn loss(&self, case: &Case, params: &[f64]) -> f64 {
        let away = DVector::from_column_slice(params) - &self.anchor;
        let loss: f64 = case.network.loss(params, &case.examples);
        loss + 0.5 * self.strength * away.norm_squared()
    }

    /// The diagonal of λD + l₂I.
    fn damping(&self, lambda: f64, marquardt: bool) -> DVector<f64> {
        let n = self.fisher.nrows();
        let diagonal = self.fisher.diagonal();
        let metric = if marquardt {
            let share = 1e-4 * diagonal.mean();
            diagonal.add_scalar(share)
        } else {
            DVector::from_element(n, 1.0)
        };
        (metric * lambda).add_scalar(self.strength)
    }

    /// Whether `found` solves (F + λD + l₂I) d = −g: its distance to the dense solution in the norm of the
    /// system, relative to the solution's.
    fn distance(&self, found: &DVector<f64>, damping: &DVector<f64>) -> f64 {
        let expected = -solve_damped(&self.fisher, damping, &self.gradient);
        let off = found - &expected;
        let system = &self.fisher + DMatrix::from_diagonal(damping);
        let length = |v: &DVector<f64>| v.dot(&(&system * v)).max(0.0).sqrt();
        length(&off) / length(&expected)
    }
}

fn moved(case: &Case, after: &[f64]) -> DVector<f64> {
    DVector::from_column_slice(after) - DVector::from_column_slice(&case.params)
}

fn is_close(what: &str, found: f64, expected: f64) -> Result<(), TestCaseError> {
    let off = (found - expected).abs();
    prop_assert!(
        off <= REPORTED * expected.abs(),
        "{what} is {found:e}, not {expected:e}"
    );
    Ok(())
}

fn is_close_loss(what: &str, found: f64, expected: f64) -> Result<(), TestCaseError> {
    let off = (found - expected).abs();
    let slack = REPORTED * expected + LOSS_FLOOR;
    prop_assert!(off <= slack, "{what} is {found:e}, not {expected:e}");
    Ok(())
}

/// λ from 10⁻³ to 10, a metric batch, and L2 toward 0 or toward an anchor, or none.
fn settings() -> impl Strategy<Value = (f64, On, f64, bool)> {
    let on = prop_oneof![
        Just(On::Same),
        (1..8_usize).prop_map(On::Leading),
        Just(On::Others)
    ];
    let strength = prop_oneof![Just(0.0), 1e-3..1.0_f64];
    (
        (-3.0..1.0_f64).prop_map(|e| 10.0_f64.powf(e)),
        on,
        strength,
        any::<bool>(),
    )
}

fn setting(case: &Case, on: On, strength: f64, anchored: bool) -> Setting {
    let on = match on {
        // The leading examples must weigh something.
        On::Leading(k) if !case.examples.weights.iter().take(k).any(|&w| w > 0.0) => On::Same,
        on => on,
    };
    let anchor = Draw::new(case.shape.seed ^ 7).vector(case.params.len(), 1.0);
    Setting {
        on,
        strength,
        anchor: anchored.then_some(anchor),
    }
}

fn step_solves_the_system<P: Preconditioner<f64>, D: DampingMetric<f64>>(
    case: &Case,
    lambda: f64,
    setting: &Setting,
) -> Result<(), TestCaseError> {
    let (after, report, _) = step(case, exact::<P, D>(lambda), setting);
    prop_assert_eq!(report.outcome, Outcome::Accepted);
    let solve = report.solve.expect("a solve");
    // Martens' diagonal is of the gradient batch, and may be no help on another one.
    prop_assume!(solve.solve.status == Status::Residual);
    let dense = Dense::new(case, setting);
    let distance = dense.distance(&moved(case, &after), &dense.damping(lambda, D::FISHER));
    prop_assert!(
        distance <= STEP,
        "{distance:e} from the solution, {report:?}"
    );
    prop_assert_eq!(
        (solve.damping, solve.rate, solve.attempts),
        (lambda, 1.0, 1)
    );
    Ok(())
}

/// Everything that a step reports, against the oracle.
fn report_is_true<D: DampingMetric<f64> + Copy>(
    case: &Case,
    method: Method<f64, Jacobi, D>,
    setting: &Setting,
) -> Result<(), TestCaseError> {
    let lambda = method.damping.initial;
    let (after, report, next) = step(case, method, setting);
    let dense = Dense::new(case, setting);
    let before = dense.loss(case, &case.params);
    is_close_loss("the loss", report.loss, before)?;
    is_close("|g|", report.gradient_norm, dense.gradient.norm())?;
    let solve = report.solve.expect("a solve");
    if report.outcome != Outcome::Accepted {
        prop_assert_eq!((&after, next), (&case.params, lambda));
        return Ok(());
    }
    let delta = moved(case, &after);
    let (quad, slope) = (
        delta.dot(&(&dense.fisher * &delta)),
        dense.gradient.dot(&delta),
    );
    let expected = 0.5 * quad;
    // θ + αd rounds to ε|θ|, which Δ feels.
    if delta.norm() > 1e-6 * DVector::from_column_slice(&case.params).norm() {
        is_close("the KL divergence", solve.kl, expected)?;
        let damping = dense.damping(solve.damping, D::FISHER);
        let distance = dense.distance(&(&delta / solve.rate), &damping);
        prop_assert!(
            distance <= STEP,
            "{distance:e} from the solution, {report:?}"
        );
    }
    let reached = dense.loss(case, &after);
    let loss_after = report.loss_after.expect("a loss");
    is_close_loss("the loss after the step", loss_after, reached)?;
    prop_assert!(
        loss_after <= report.loss * (1.0 + 1e-14) + LOSS_FLOOR,
        "the loss rose: {report:?}"
    );
    let actual = reached - before;
    let predicted = slope + 0.5 * (quad + setting.strength * delta.norm_squared());
    let ratio = solve.ratio.expect("a ratio");
    if actual.abs() > 1e-5 * before && predicted.abs() > 1e-5 * before {
        is_close("the ratio", ratio, actual / predicted)?;
        let factor = if ratio > 0.75 {
            2.0 / 3.0
        } else if ratio >= 0.25 {
            1.0
        } else {
            1.5
        };
        is_close("the next λ", next, solve.damping * factor)?;
    }
    let attempts = i32::from(solve.attempts) - 1;
    is_close("λ", solve.damping, lambda * 4.0_f64.powi(attempts))?;

    let trust = method.trust;
    prop_assert!(solve.kl <= trust.kl * (1.0 + 1e-12) && solve.rate <= method.rate);
    let network = &case.network;
    let mut reach = 0.0_f64;
    for (_, x) in dense.metric.weighted_inputs() {
        reach = reach.max(network.jvp(&case.params, x, delta.as_slice()).amax());
    }
    if network.likelihood == Likelihood::Gaussian {
        // Its outputs are in the user's units: only the KL divergence bounds them.
        reach = 0.0;
    }
    prop_assert!(reach <= trust.logit * (1.0 + REPORTED), "{reach:e}");
    if method.line_search == LineSearch::Fixed && solve.rate < method.rate {
        // The step was cut, and no more than it had to be.
        let full = (solve.kl / trust.kl).sqrt().max(reach / trust.logit);
        prop_assert!((full - 1.0).abs() <= REPORTED, "{full}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_step_solves_the_tikhonov_system((case, drawn) in (moderate(DENSE), settings())) {
        let (lambda, on, strength, anchored) = drawn;
        let setting = setting(&case, on, strength, anchored);
        step_solves_the_system::<Jacobi, Tikhonov>(&case, lambda, &setting)?;
        step_solves_the_system::<Unpreconditioned, Tikhonov>(&case, lambda, &setting)?;
    }

    #[test]
    fn a_step_solves_the_marquardt_system((case, drawn) in (moderate(DENSE), settings())) {
        let (lambda, on, strength, anchored) = drawn;
        let setting = setting(&case, on, strength, anchored);
        step_solves_the_system::<Jacobi, Marquardt>(&case, lambda, &setting)?;
        step_solves_the_system::<Martens, Marquardt>(&case, lambda, &setting)?;
    }

    #[test]
    fn what_a_step_reports_is_true(
        (case, drawn, rate, search, trust, marquardt) in (
            moderate(DENSE),
            settings(),
            0.1..1.0_f64,
            any::<bool>(),
            prop_oneof![
                Just((f64::INFINITY, f64::INFINITY)),
                (1e-4..1.0_f64, Just(f64::INFINITY)),
                (1e-2..10.0_f64, 1e-2..2.0_f64),
            ],
            any::<bool>(),
        )
    ) {
        let (lambda, on, strength, anchored) = drawn;
        let setting = setting(&case, on, strength, anchored);
        let search = if search { LineSearch::backtracking() } else { LineSearch::Fixed };
        let trust = Trust { kl: trust.0, logit: trust.1 };
        if marquardt {
            let mut method = exact::<Jacobi, Marquardt>(lambda);
            (method.rate, method.line_search, method.trust) = (rate, search, trust);
            method.damping.policy = DampingPolicy::levenberg_marquardt();
            method.acceptance = Acceptance::Decrease;
            report_is_true(&case, method, &setting)?;
        } else {
            let mut method = exact::<Jacobi, Tikhonov>(lambda);
            (method.rate, method.line_search, method.trust) = (rate, search, trust);
            method.damping.policy = DampingPolicy::levenberg_marquardt();
            method.acceptance = Acceptance::Decrease;
            report_is_true(&case, method, &setting)?;
        }
    }

    /// ½dᵀFd is the KL divergence of the models before and after, to second order.
    #[test]
    fn a_small_step_is_as_long_as_its_kl_divergence(
        (case, lambda) in (moderate(DENSE), 0.1..1.0_f64)
    ) {
        prop_assume!(case.clear_of_kinks());
        let mut method = exact::<Jacobi, Marquardt>(lambda);
        method.trust.kl = SMALL_KL;
        let (after, report, _) = step(&case, method, &PLAIN);
        let kl = report.solve.expect("a solve").kl;
        let network = &case.network;
        let examples = case.examples.weighted_inputs().map(|(weight, x)| {
            let (z, moved) = (network.outputs(&case.params, x), network.outputs(&after, x));
            let p = network.predict(&z);
            // Cross-entropy less entropy.
            weight * (network.example_loss(&moved, &p) - network.example_loss(&z, &p))
        });
        let expected = examples.sum::<f64>() / case.examples.total_weight();
        // A full step may be as short as that already.
        prop_assert!(kl <= SMALL_KL * (1.0 + 1e-12));
        prop_assume!(kl > 0.1 * SMALL_KL);
        prop_assert!((kl / expected - 1.0).abs() <= KL_THIRD_ORDER, "{kl:e}, not {expected:e}");
    }

    #[test]
    fn one_undamped_step_solves_linear_regression(
        (inputs, outputs, weighted, tile, seed) in (
            1..7_usize,
            1..5_usize,
            any::<bool>(),
            prop_oneof![Just(Tile::One), Just(Tile::Four), Just(Tile::Sixteen)],
            any::<u64>(),
        )
    ) {
        let case = Case::new(Shape {
            widths: vec![inputs, outputs],
            activation: Activation::Tanh,
            likelihood: Likelihood::Gaussian,
            batch: 4 * inputs + 12,
            tile,
            regime: Regime::Moderate,
            labels: Labels::Hard,
            weighted,
            seed,
        });
        let (after, report, _) = step(&case, exact::<Jacobi, Tikhonov>(1e-12), &PLAIN);
        prop_assert_eq!(report.outcome, Outcome::Accepted);

        // The normal equations, weights and all.
        let rows = case.examples.inputs.len();
        let design = DMatrix::from_fn(rows, inputs + 1, |b, i| {
            case.examples.inputs[b].get(i).copied().unwrap_or(1.0)
        });
        let targets = DMatrix::from_fn(rows, outputs, |b, k| case.examples.targets[b][k]);
        let weights = DMatrix::from_diagonal(&DVector::from_column_slice(&case.examples.weights));
        let normal = design.tr_mul(&(&weights * &design));
        let solution = normal.lu().solve(&design.tr_mul(&(&weights * &targets)));
        let solution = solution.expect("a regular problem");
        for k in 0..outputs {
            for i in 0..=inputs {
                let place = if i < inputs { k * inputs + i } else { outputs * inputs + k };
                let off = (after[place] - solution[(i, k)]).abs();
                prop_assert!(off <= REGRESSION * solution.norm(), "off by {off:e}");
            }
        }
    }
}
