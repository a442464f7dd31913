//! Several steps in output space over changing batches: the memory, both identities, the factors of D that are carried on
//! and the means that they are about, against dense systems in the space of the parameters. And what must change no bit
//! of them.

use core::ops::Range;

use nalgebra::{DMatrix, DVector};
use natgrad::damping::{Damping, DampingPolicy, Tikhonov};
use natgrad::line_search::Trust;
use natgrad::optimizer::{
    Anchor, DualMetric, Gram, Inverse, Kronecker, L2, Momentum, Outcome, Progress, PushThrough,
    Report, RightHandSide, Woodbury,
};
use natgrad::{Activation, Likelihood, Metric, Room, Trainer};
use natgrad_host::reference::{Examples, Reference, solve_damped};
use proptest::prelude::*;

use super::gram::EXAMPLES;
use super::strategies::{Case, Limits, Shape, config, moderate};
use super::subject::{Subject, with_tile};
use super::tolerance::{GRAM_COURSE, GRAM_REPORT, GRAM_ROUNDING, LOSS_FLOOR, REPORTED};

/// Dense systems at every step of a course.
const COURSES: Limits = Limits {
    width: 5,
    params: 80,
    batch: 6,
};

const STEPS: usize = 4;

/// The bounds on a step at the outputs.
const KL: f64 = 0.25;
const LOGIT: f64 = 8.0;

/// Pre-activations and logits beyond which a course ends: from there on slopes and 1 − p lose digits, of which
/// `saturation` is about, and D divides by what is left of them.
const FLAT: f64 = 5.0;
const SATURATED: f64 = 10.0;

/// A network, a batch for every step and one for every metric, and the settings.
#[derive(Debug)]
struct Course {
    batches: Vec<Case>,
    metrics: Vec<Case>,
    trained: Range<usize>,
    relative: f64,
    momentum: f64,
    smoothing: f64,
    strength: f64,
    /// Before every step but the first another is given up, when its factors are there.
    gives_up: bool,
}

fn courses() -> impl Strategy<Value = Course> {
    let settings = (-3.0..1.0_f64, 0.0..0.95_f64, 0.0..0.95_f64, 0.0..1.0_f64);
    // The first input is 0 in every example of a silent course.
    let flags = (any::<bool>(), prop::bool::weighted(0.2));
    (moderate(COURSES), any::<[usize; 2]>(), settings, flags).prop_map(
        |(case, [first, len], (digits, momentum, smoothing, strength), (gives_up, silent))| {
            let batch = |salt: u64| {
                let shape = case.shape.clone();
                let size = (shape.batch + 5 * usize::try_from(salt).expect("small")) % 7 + 1;
                let mut batch = Case::new(Shape {
                    seed: shape.seed ^ salt,
                    batch: size,
                    ..shape
                });
                if silent {
                    for input in &mut batch.examples.inputs {
                        input[0] = 0.0;
                    }
                }
                batch
            };
            let layers = case.network.widths.len() - 1;
            let first = first % layers;
            let trained = first..first + 1 + len % (layers - first);
            let mut batches: Vec<Case> = (0..4).map(batch).collect();
            // One network: that of the first.
            let params = batches[0].params.clone();
            for batch in &mut batches {
                batch.params.clone_from(&params);
            }
            Course {
                batches,
                metrics: (4..8).map(batch).collect(),
                trained,
                relative: 10_f64.powf(digits),
                momentum,
                smoothing,
                strength,
                gives_up,
            }
        },
    )
}

/// What goes into a layer, 0 the first: ∂z₀/∂W₀ᵢ of a network that ends with that layer.
fn into_layer(network: &Reference, params: &[f64], input: &[f64], layer: usize) -> Vec<f64> {
    let (ends, params) = up_to(network, params, layer);
    let (fan_in, fan_out) = (ends.widths[layer], ends.widths[layer + 1]);
    let jacobian = ends.jacobian(params, input);
    let start = params.len() - (fan_in + 1) * fan_out;
    (start..start + fan_in).map(|i| jacobian[(0, i)]).collect()
}

/// Where the parameters of the trained layers begin and end.
fn places(network: &Reference, trained: &Range<usize>) -> Range<usize> {
    let before = |layer: usize| -> usize {
        let layers = network.widths.windows(2).take(layer);
        layers.map(|layer| (layer[0] + 1) * layer[1]).sum()
    };
    before(trained.start)..before(trained.end)
}

/// The network that ends with a layer, 0 the first, and its parameters.
fn up_to<'p>(network: &Reference, params: &'p [f64], layer: usize) -> (Reference, &'p [f64]) {
    let ends = Reference {
        widths: network.widths[..layer + 2].to_vec(),
        ..network.clone()
    };
    let n = ends.params();
    (ends, &params[..n])
}

/// Whether a unit is too flat for its slope, or a logit too far out for its 1 − p, in an example that takes part.
fn saturated(network: &Reference, params: &[f64], examples: &Examples) -> bool {
    let last = network.widths.len() - 2;
    let flattens = !matches!(network.activation, Activation::Identity | Activation::Relu);
    (0..=last).any(|layer| {
        let (ends, params) = up_to(network, params, layer);
        let far = match network.likelihood {
            _ if layer < last && flattens => FLAT,
            Likelihood::Bernoulli | Likelihood::Categorical if layer == last => SATURATED,
            _ => f64::INFINITY,
        };
        let mut inputs = examples.weighted_inputs();
        inputs.any(|(_, x)| ends.outputs(params, x).iter().any(|z| z.abs() > far))
    })
}

/// J over the trained layers, example after example.
fn jacobians(
    network: &Reference,
    params: &[f64],
    examples: &Examples,
    places: &Range<usize>,
) -> DMatrix<f64> {
    let k = network.logits();
    let used = examples.weighted_inputs().count();
    let mut all = DMatrix::zeros(used * k, places.len());
    for (index, (_, input)) in examples.weighted_inputs().enumerate() {
        let jacobian = network.jacobian(params, input);
        let trained = jacobian.columns(places.start, places.len());
        all.rows_mut(index * k, k).copy_from(&trained);
    }
    all
}

/// F over the trained layers as AᵀA: A with the roots of the H by their eigenvectors.
fn root_of_fisher(
    network: &Reference,
    params: &[f64],
    examples: &Examples,
    jacobians: &DMatrix<f64>,
) -> DMatrix<f64> {
    let total = examples.total_weight();
    let k = network.logits();
    let mut root = jacobians.clone();
    for (index, (weight, input)) in examples.weighted_inputs().enumerate() {
        let inner = network.output_hessian(&network.outputs(params, input));
        let eigen = inner.symmetric_eigen();
        let scales = eigen.eigenvalues.map(|value| value.max(0.0).sqrt());
        let half = DMatrix::from_diagonal(&scales) * eigen.eigenvectors.transpose();
        let rows = half * jacobians.rows(index * k, k) * (weight / total).sqrt();
        root.rows_mut(index * k, k).copy_from(&rows);
    }
    root
}

/// What D is made of: the means of the network's inputs, and of every trained layer V of its inputs and U of its units.
#[derive(Clone)]
struct Factors {
    means: Vec<f64>,
    layers: Vec<[Vec<f64>; 2]>,
}

/// x ← smoothing · `kept` + (1 − smoothing) · x.
fn carry_on(fresh: &mut [f64], kept: Option<&[f64]>, smoothing: f64) {
    for (x, old) in fresh.iter_mut().zip(kept.unwrap_or(&[])) {
        *x = smoothing * old + (1.0 - smoothing) * *x;
    }
}

impl Factors {
    /// Those of a metric, with what is kept of the last ones. `root` is that of F over the trained layers.
    fn new(
        network: &Reference,
        params: &[f64],
        examples: &Examples,
        trained: &Range<usize>,
        root: &DMatrix<f64>,
        kept: Option<&Self>,
        smoothing: f64,
    ) -> Self {
        let used: Vec<&[f64]> = examples.weighted_inputs().map(|(_, x)| x).collect();
        let share = 1.0 / f64::from(u32::try_from(used.len()).expect("a small batch"));
        let (mut means, mut layers) = (Vec::new(), Vec::new());
        let mut start = 0;
        for layer in trained.clone() {
            let (fan_in, fan_out) = (network.widths[layer], network.widths[layer + 1]);
            let inputs: Vec<Vec<f64>> = used
                .iter()
                .map(|input| into_layer(network, params, input, layer))
                .collect();
            // Hidden units have a zero of their own.
            let mut zero = vec![0.0; fan_in];
            if layer == 0 {
                for (i, zero) in zero.iter_mut().enumerate() {
                    *zero = share * inputs.iter().map(|a| a[i]).sum::<f64>();
                }
                carry_on(&mut zero, kept.map(|kept| &*kept.means), smoothing);
                means.clone_from(&zero);
            }
            let moment = |i: usize| {
                let squares = inputs.iter().map(|a| (a[i] - zero[i]).powi(2));
                share * squares.sum::<f64>()
            };
            let mut of_inputs: Vec<f64> = (0..fan_in).map(moment).collect();
            // The seeds of a unit are the derivatives by its bias.
            let bias = start + fan_in * fan_out;
            let columns = (bias..bias + fan_out).map(|i| root.column(i).norm_squared());
            let mut of_units: Vec<f64> = columns.collect();
            let before = kept.map(|kept| &kept.layers[layers.len()]);
            carry_on(&mut of_inputs, before.map(|[v, _]| &**v), smoothing);
            carry_on(&mut of_units, before.map(|[_, u]| &**u), smoothing);
            layers.push([of_inputs, of_units]);
            start = bias + fan_out;
        }
        Self { means, layers }
    }

    /// S with D⁻¹ = SSᵀ, and its inverse where D is finite.
    fn roots(&self) -> [DMatrix<f64>; 2] {
        let n: usize = self
            .layers
            .iter()
            .map(|[v, u]| (v.len() + 1) * u.len())
            .sum();
        let [mut scale, mut whiten] = [DMatrix::zeros(n, n), DMatrix::zeros(n, n)];
        let mean = |x: &[f64]| {
            x.iter().sum::<f64>() / f64::from(u32::try_from(x.len()).expect("a small layer"))
        };
        let least = f64::EPSILON * f64::EPSILON;
        let mut start = 0;
        for (layer, [v, u]) in self.layers.iter().enumerate() {
            let of_network = layer == 0 && !self.means.is_empty();
            let bias = start + v.len() * u.len();
            for (o, unit) in u.iter().enumerate() {
                let unit = unit.max((1e-3 * mean(u)).max(least));
                let b = bias + o;
                scale[(b, b)] = 1.0 / unit.sqrt();
                whiten[(b, b)] = unit.sqrt();
                for (i, &input) in v.iter().enumerate() {
                    let w = start + o * v.len() + i;
                    let zero = if of_network { self.means[i] } else { 0.0 };
                    let input = if of_network {
                        input.max(1e-6 * zero * zero)
                    } else {
                        input.max((1e-6 * mean(v)).max(least))
                    };
                    // An input that is always 0 moves nothing.
                    if input > 0.0 {
                        scale[(w, w)] = 1.0 / (unit * input).sqrt();
                        whiten[(w, w)] = (unit * input).sqrt();
                    }
                    scale[(b, w)] = -zero * scale[(w, w)];
                    whiten[(b, w)] = unit.sqrt() * zero;
                }
            }
            start = bias + u.len();
        }
        [scale, whiten]
    }
}

/// The roots of D, or of I where there are no factors.
fn roots(factors: Option<&Factors>, n: usize) -> [DMatrix<f64>; 2] {
    let identity = || DMatrix::identity(n, n);
    factors.map_or_else(|| [identity(), identity()], Factors::roots)
}

/// The system of one step.
struct Dense {
    likelihood: Likelihood,
    jacobians: DMatrix<f64>,
    root: DMatrix<f64>,
    scale: DMatrix<f64>,
    whiten: DMatrix<f64>,
    gradient: DVector<f64>,
    strength: f64,
    /// tr(AD⁻¹Aᵀ)/K.
    unit: f64,
}

impl Dense {
    /// d = c + e, of the e that minimises g·d + ½dᵀ(F + l₂I)d + ½λ|e|²_D.
    fn step(&self, relative: f64, carried: &DVector<f64>) -> DVector<f64> {
        let (a, s) = (&self.root * &self.scale, &self.scale);
        let system = a.tr_mul(&a) + s.tr_mul(s) * self.strength;
        let pull = &self.gradient + carried * self.strength;
        let rhs = -(s.tr_mul(&pull) + a.tr_mul(&(&self.root * carried)));
        let n = rhs.len();
        let damping = DVector::from_element(n, relative * self.unit);
        carried + s * solve_damped(&system, &damping, &rhs)
    }

    /// dᵀFd and dᵀ(F + l₂I)d.
    fn forms(&self, d: &DVector<f64>) -> [f64; 2] {
        let form = (&self.root * d).norm_squared();
        [form, form + self.strength * d.norm_squared()]
    }

    /// The length of a step along d that the bounds allow.
    fn rate(&self, d: &DVector<f64>) -> f64 {
        let by_kl = (2.0 * KL / self.forms(d)[0]).sqrt();
        let by_logit = match self.likelihood {
            Likelihood::Gaussian => f64::INFINITY,
            _ => LOGIT / (&self.jacobians * d).amax(),
        };
        by_kl.min(by_logit).min(1.0)
    }

    /// How much of Jd and of Ad rounding may be, where d is long and moves the outputs little.
    fn blur(&self, d: &DVector<f64>) -> f64 {
        let share = |matrix: &DMatrix<f64>| {
            let terms = (matrix.abs() * d.abs()).amax();
            // Dead units pass nothing on.
            terms / (matrix * d).amax().max(f64::MIN_POSITIVE)
        };
        GRAM_ROUNDING * f64::EPSILON * share(&self.jacobians).max(share(&self.root))
    }

    /// The norm of F + l₂I + λD.
    fn norm(&self, relative: f64, d: &DVector<f64>) -> f64 {
        let damped = relative * self.unit * (&self.whiten * d).norm_squared();
        (self.forms(d)[1] + damped).sqrt()
    }

    /// How much the rounding of parameters of so much each, and of residuals, may come to in that norm.
    fn rounding(&self, relative: f64, size: &DVector<f64>) -> f64 {
        let damping = relative * self.unit;
        let columns = size.iter().enumerate().map(|(i, size)| {
            let form = self.root.column(i).norm_squared() + self.strength;
            (form + damping * self.whiten.column(i).norm_squared()).sqrt() * size
        });
        GRAM_ROUNDING * f64::EPSILON * (1.0 + columns.sum::<f64>())
    }
}

/// |s|, of Qs = p − t, in closed form: of a categorical likelihood s is orthogonal to what Q takes to 0.
fn whitened_residual(network: &Reference, params: &[f64], examples: &Examples) -> f64 {
    let pairs = examples.weighted_pairs().map(|(weight, input, target)| {
        let means = network.predict(&network.outputs(params, input));
        let terms = means.iter().zip(target).map(|(p, t)| {
            let variance = match network.likelihood {
                Likelihood::Gaussian => 1.0,
                Likelihood::Bernoulli => p * (1.0 - p),
                Likelihood::Categorical => *p,
            };
            (p - t).powi(2) / variance
        });
        weight * terms.sum::<f64>()
    });
    (pairs.sum::<f64>() / examples.total_weight()).sqrt()
}

/// A step that the core took.
struct Move {
    before: Vec<f64>,
    after: Vec<f64>,
    report: Report<f64>,
    /// How many d there were, with the one that was taken.
    solves: usize,
}

/// The steps of the core, with the anchor at some parameters.
fn moves<D: DualMetric, I: Inverse>(course: &Course, strength: f64, anchor: &[f64]) -> Vec<Move> {
    type Method<D, I> = Gram<f64, EXAMPLES, D, Momentum, I>;
    type Learner<'a, D, I, const TILE: usize> = Trainer<'a, f64, Method<D, I>, TILE>;
    let subjects: Vec<Subject<'_, f64>> = course.batches.iter().map(Subject::new).collect();
    let metrics: Vec<Subject<'_, f64>> = course.metrics.iter().map(Subject::new).collect();
    let metric = |step: usize| match I::RIGHT_HAND_SIDE {
        RightHandSide::Residuals => Metric::Same,
        RightHandSide::Gradient => Metric::On(metrics[step].unlabelled()),
    };
    let defaults = Method::<D, I>::default();
    let method = Gram {
        damping: Damping {
            initial: course.relative,
            floor: 1e-12,
            policy: DampingPolicy::Constant,
            ..defaults.damping
        },
        momentum: course.momentum,
        smoothing: course.smoothing,
        trust: Trust {
            kl: KL,
            logit: LOGIT,
        },
        retries: 2,
        ..defaults
    };
    let model = subjects[0].model().with_trained(course.trained.clone());
    let model = model.expect("a layer");
    let mut params = course.batches[0].params.clone();
    with_tile!(course.batches[0].shape.tile, TILE => {
        let len = Learner::<D, I, TILE>::workspace_len(&model, Room::NONE);
        let mut workspace = vec![f64::NAN; len];
        let trainer = Learner::<D, I, TILE>::new(model, &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        trainer.regularise(L2 { strength, anchor: Anchor::At(anchor) }).expect("an anchor");
        let step = |step: usize| {
            if course.gives_up && step > 0 {
                let other = (step + 2) % STEPS;
                trainer.begin_in_place(subjects[other].batch(), metric(other)).expect("a batch");
                while !matches!(
                    trainer.advance().expect("a slice"),
                    Progress::Solved { .. } | Progress::Ready
                ) {}
                trainer.abandon();
            }
            let before = trainer.params().to_vec();
            let mut solves = 0;
            let report = trainer.step_with(subjects[step].batch(), metric(step), &mut |progress| {
                solves += usize::from(matches!(progress, Progress::Solved { .. }));
            });
            let report = report.expect("a step");
            Move { before, after: trainer.params().to_vec(), report, solves }
        };
        (0..STEPS).map(step).collect()
    })
}

/// Follows a course step by step, each from where the core is.
fn follow<D: DualMetric, I: Inverse>(course: &Course, strength: f64) -> Result<(), TestCaseError> {
    let network = &course.batches[0].network;
    let trained = places(network, &course.trained);
    let anchor = course.metrics[0].params.clone();
    let mut kept: Option<Factors> = None;
    let mut last = DVector::zeros(trained.len());
    let mut relative = course.relative;
    for (step, taken) in moves::<D, I>(course, strength, &anchor)
        .into_iter()
        .enumerate()
    {
        let Move {
            before,
            after,
            report,
            solves,
        } = taken;
        let (moved, at) = (&after[trained.clone()], &before[trained.clone()]);
        let taken = DVector::from_column_slice(moved) - DVector::from_column_slice(at);
        for (i, (before, after)) in before.iter().zip(&after).enumerate() {
            prop_assert!(trained.contains(&i) || before == after, "{} is frozen", i);
        }

        let batch = &course.batches[step].examples;
        let examples = match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals => batch,
            RightHandSide::Gradient => &course.metrics[step].examples,
        };
        if saturated(network, &before, examples) || saturated(network, &before, batch) {
            break;
        }
        let jacobians = jacobians(network, &before, examples, &trained);
        let root = root_of_fisher(network, &before, examples, &jacobians);
        let smoothing = if kept.is_some() {
            course.smoothing
        } else {
            0.0
        };
        let fresh = (D::FACTORS > 0).then(|| {
            Factors::new(
                network,
                &before,
                examples,
                &course.trained,
                &root,
                kept.as_ref(),
                smoothing,
            )
        });
        let [scale, whiten] = roots(fresh.as_ref(), trained.len());
        let off = DVector::from_iterator(
            trained.len(),
            trained.clone().map(|i| before[i] - anchor[i]),
        );
        let gradient = network.gradient(&before, batch);
        let k = f64::from(u32::try_from(network.logits()).expect("widths are small"));
        let dense = Dense {
            unit: ((&root * &scale).norm_squared() / k).max(f64::EPSILON),
            gradient: gradient.rows(trained.start, trained.len()) + &off * strength,
            likelihood: network.likelihood,
            jacobians,
            root,
            scale,
            whiten,
            strength,
        };
        let loss_at = |d: &DVector<f64>| {
            let mut there = before.clone();
            for (p, d) in there[trained.clone()].iter_mut().zip(d.iter()) {
                *p += d;
            }
            network.loss(&there, batch) + 0.5 * strength * (&off + d).norm_squared()
        };
        let loss = loss_at(&DVector::zeros(trained.len()));
        prop_assert!((report.loss - loss).abs() <= REPORTED * loss.abs() + LOSS_FLOOR);
        let norm = match I::RIGHT_HAND_SIDE {
            RightHandSide::Residuals => whitened_residual(network, &before, batch),
            RightHandSide::Gradient => dense.gradient.norm(),
        };
        prop_assert!(
            (report.gradient_norm - norm).abs() <= REPORTED * norm + LOSS_FLOOR,
            "norm {:e}, not {norm:e}",
            report.gradient_norm
        );
        if report.outcome != Outcome::Accepted {
            prop_assert!(taken.amax() == 0.0);
            continue;
        }
        let size = DVector::from_iterator(trained.len(), at.iter().map(|p| p.abs()));
        let carried = &last * course.momentum;
        let attempt = Attempt {
            report,
            solves,
            size,
            loss,
        };
        relative = attempt.is_that_of(&dense, relative, &carried, &taken, loss_at)?;
        kept = fresh;
        last = taken;
    }
    Ok(())
}

/// An accepted step as the core tells it.
struct Attempt {
    report: Report<f64>,
    /// How many d there were, with the one that was taken.
    solves: usize,
    /// |θ|, entry by entry.
    size: DVector<f64>,
    /// The loss before.
    loss: f64,
}

impl Attempt {
    /// Against the dense system: whether μd₋ is in it, d, and what is told of it. The λ that the method goes on with.
    fn is_that_of(
        &self,
        dense: &Dense,
        relative: f64,
        carried: &DVector<f64>,
        taken: &DVector<f64>,
        loss_at: impl Fn(&DVector<f64>) -> f64,
    ) -> Result<f64, TestCaseError> {
        let solve = self.report.solve.expect("a solve");
        let after = self.report.loss_after.expect("a trial");
        let promise_of = |d: &DVector<f64>| dense.gradient.dot(d) + 0.5 * dense.forms(d)[1];

        // The first d, with μd₋, is taken if the model and the loss say so.
        let first = dense.step(relative, carried);
        let (promise, there) = (promise_of(&first), loss_at(&(&first * dense.rate(&first))));
        let margin = REPORTED * (self.loss.abs() + dense.norm(relative, &first).powi(2));
        if promise.abs() > margin && (there - self.loss).abs() > margin {
            let good = promise < 0.0 && there < self.loss;
            prop_assert_eq!(self.solves == 1, good, "{} {}", promise, there - self.loss);
        }
        let raised = (1..solve.attempts).fold(relative, |damping, _| (4.0 * damping).min(1e4));
        prop_assert_eq!(solve.damping, raised);

        let expected = if self.solves == 1 {
            first
        } else {
            dense.step(raised, &DVector::zeros(carried.len()))
        };
        let rate = dense.rate(&expected);
        let slack = (GRAM_REPORT + dense.blur(&expected)) * rate;
        prop_assert!(
            (solve.rate - rate).abs() <= slack,
            "rate {}, not {rate}",
            solve.rate
        );
        let expected = expected * solve.rate;
        let norm = dense.norm(raised, &expected);
        let rounding = dense.rounding(raised, &(&self.size + expected.abs()));
        let slack = GRAM_COURSE * norm + rounding;
        let off = dense.norm(raised, &(taken - &expected));
        prop_assert!(
            off <= slack,
            "d is off by {off:e} of {norm:e}, {slack:e} allowed"
        );
        for (i, column) in dense.scale.column_iter().enumerate() {
            prop_assert!(
                column.amax() > 0.0 || taken[i] == 0.0,
                "{i} is moved by nothing"
            );
        }

        let kl = 0.5 * dense.forms(&expected)[0];
        let off = (solve.kl - kl).abs();
        prop_assert!(
            off <= slack * (norm + slack),
            "KL {:e}, not {kl:e}",
            solve.kl
        );
        let found = loss_at(taken);
        prop_assert!((after - found).abs() <= REPORTED * found.abs() + LOSS_FLOOR);
        let (actual, promise) = (found - self.loss, promise_of(&expected));
        let significant = 1e-5 * self.loss.abs() + LOSS_FLOOR / GRAM_REPORT;
        if actual.abs() > significant && promise.abs() > 1e-4 * norm * norm {
            let (found, ratio) = (solve.ratio.expect("a trial"), actual / promise);
            // What d may be off, and the rounding of g·d where d is long.
            let terms = dense.gradient.abs().dot(&expected.abs());
            let off = slack * norm + GRAM_ROUNDING * f64::EPSILON * terms;
            prop_assert!(
                (found - ratio).abs() <= (GRAM_REPORT + off / promise.abs()) * ratio.abs(),
                "ratio {found}, not {ratio}"
            );
        }
        Ok(raised)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_step_of_a_course_is_that_of_the_dense_system(course in courses()) {
        follow::<Tikhonov, PushThrough>(&course, 0.0)?;
        follow::<Kronecker, PushThrough>(&course, 0.0)?;
        follow::<Tikhonov, Woodbury>(&course, course.strength)?;
        follow::<Kronecker, Woodbury>(&course, 0.0)?;
    }
}
