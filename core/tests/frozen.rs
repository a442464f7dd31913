//! Frozen layers: every product is the part of the whole one that belongs to the trained layers, every
//! method moves them alone, and a network whose first layers are frozen trains as the rest of it would on
//! what those layers put out, bit for bit.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use core::ops::Range;

use natgrad::curvature::{Empirical, EmpiricalFisher, Fisher, GradientCovariance, Hessian};
use natgrad::damping::Tikhonov;
use natgrad::krylov::{Minres, MinresQlp};
use natgrad::operator::LinearOperator;
use natgrad::optimizer::{
    Adam, Anchor, Centred, Full, HessianFree, KrylovDescent, L2, Local, Method, Momentum,
    NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Report, Sgd, StructuralHessianFree, Tonga,
    Uncentred,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{
    Activation, Batch, Error, Likelihood, Metric, Mlp, Model, Pass, Plan, PlanError, Room, Trainer,
};

const TILE: usize = 4;
const EXAMPLES: usize = 10;
const WIDTHS: [usize; 5] = [4, 6, 5, 7, 3];

/// In (−1, 1), from a linear congruential generator (Numerical Recipes).
fn numbers(seed: u32, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn plan(activation: Activation, likelihood: Likelihood) -> Plan<5> {
    Plan::new(WIDTHS, activation, likelihood).unwrap()
}

/// The parameters before the layers and in them.
fn part(layers: Range<usize>) -> Range<usize> {
    let params = |end: usize| -> usize { (0..end).map(|l| (WIDTHS[l] + 1) * WIDTHS[l + 1]).sum() };
    params(layers.start)..params(layers.end)
}

const RANGES: [Range<usize>; 6] = [0..4, 0..1, 3..4, 1..3, 2..4, 0..2];

/// A whole vector that is zero but in the trained part.
fn padded(part: &Range<usize>, vector: &[f64]) -> Vec<f64> {
    let mut whole = vec![0.0; WIDTHS.windows(2).map(|w| (w[0] + 1) * w[1]).sum()];
    whole[part.clone()].copy_from_slice(vector);
    whole
}

/// Everything that a network computes with a direction or seeds of its trained layers.
fn products(model: Model<'_>, params: &[f64], v: &[f64]) -> Vec<(&'static str, Vec<f64>)> {
    let inputs = numbers(3, EXAMPLES * WIDTHS[0]);
    let targets: Vec<f64> = numbers(4, EXAMPLES * WIDTHS[4])
        .iter()
        .map(|t| t.abs())
        .collect();
    let labels = [0, 2, 1, 1, 0, 2, 2, 1, 0, 1];
    let batch = match model.likelihood() {
        Likelihood::Categorical => Batch::labelled(&inputs[..], &labels),
        _ => Batch::new(&inputs[..], &targets[..]),
    };
    let seeds = numbers(5, EXAMPLES * WIDTHS[4]);
    let n = model.trained_params();
    let mut scratch = vec![0.0; Pass::Hessian.scratch_len(&model, TILE)];
    let mut mlp = Mlp::<f64, TILE>::new(model, params, &mut scratch).unwrap();

    let mut found = Vec::new();
    let mut out = vec![0.0; n];
    let loss = mlp.gradient(&batch, &mut out).unwrap();
    found.push(("loss", vec![loss]));
    found.push(("gradient", out.clone()));
    mlp.vjp(&inputs[..], &seeds, &mut out).unwrap();
    found.push(("vjp", out.clone()));
    let quad = mlp.hvp(&batch, v, &mut out).unwrap();
    found.push(("hvp", out.clone()));
    found.push(("hvp quad", vec![quad]));
    let mut logits = vec![0.0; EXAMPLES * WIDTHS[4]];
    mlp.jvp(&inputs[..], v, &mut logits).unwrap();
    found.push(("jvp", logits));

    let mut scratch = vec![0.0; Pass::Hessian.scratch_len(&model, TILE)];
    let mut mean = vec![0.0; n];
    macro_rules! operator {
        ($name:literal, $mlp:ident => $operator:expr) => {{
            let $mlp = Mlp::<f64, TILE>::new(model, params, &mut scratch).unwrap();
            let mut operator = $operator;
            assert_eq!(operator.dim(), n);
            let quad = operator.apply(v, &mut out);
            found.push(($name, out.clone()));
            found.push(("its quad", vec![quad]));
        }};
    }
    operator!("fisher", mlp => Fisher::new(mlp, batch).unwrap());
    operator!("structural", mlp => Fisher::new(mlp, batch)
        .unwrap()
        .with_structure(0.5));
    operator!("structural hessian", mlp => Hessian::new(mlp, batch)
        .unwrap()
        .with_structure(0.5));
    operator!("empirical", mlp => EmpiricalFisher::new(mlp, batch).unwrap());
    operator!("covariance", mlp => GradientCovariance::new(mlp, batch, &mut mean).unwrap());
    let mlp = Mlp::<f64, TILE>::new(model, params, &mut scratch).unwrap();
    Fisher::new(mlp, batch).unwrap().diagonal(&mut out);
    found.push(("fisher diagonal", out.clone()));
    found
}

#[test]
fn a_product_of_trained_layers_is_their_part_of_the_whole_product() {
    for likelihood in [
        Likelihood::Gaussian,
        Likelihood::Bernoulli,
        Likelihood::Categorical,
    ] {
        for activation in [Activation::Tanh, Activation::Logistic, Activation::Softplus] {
            let whole = plan(activation, likelihood);
            let params = numbers(1, whole.params());
            for layers in RANGES {
                let frozen = whole.with_trained(layers.clone()).unwrap();
                let part = part(layers.clone());
                assert_eq!(frozen.trained_params(), part.len());
                assert_eq!(frozen.params(), whole.params());
                let v = numbers(2, part.len());
                let expected = products(whole.model(), &params, &padded(&part, &v));
                let found = products(frozen.model(), &params, &v);
                for ((name, expected), (_, found)) in expected.iter().zip(found) {
                    let expected = if expected.len() == whole.params() {
                        &expected[part.clone()]
                    } else {
                        &expected[..]
                    };
                    assert_eq!(found, expected, "{name} of {layers:?}, {likelihood:?}");
                }
            }
        }
    }
}

/// Two steps by a method; the reports.
fn train<M: Method<f32>>(
    plan: Model<'_>,
    params: &mut [f32],
    method: M,
    inputs: &[f32],
    anchor: &[f32],
) -> Vec<Report<f32>> {
    let len = Trainer::<f32, M, TILE>::workspace_len(&plan, Room::NONE);
    let mut workspace = vec![0.0; len];
    let labels = [0, 2, 1, 1, 0, 2, 2, 1, 0, 1];
    let mut trainer = Trainer::<f32, M, TILE>::new(plan, params, &mut workspace, method).unwrap();
    let l2 = L2 {
        strength: 0.01,
        anchor: Anchor::At(anchor),
    };
    trainer.regularise(l2).unwrap();
    let batch = Batch::labelled(inputs, &labels);
    let steps = (0..6).map(|_| trainer.step(batch, Metric::Leading(7)).unwrap());
    steps.collect()
}

/// Frozen first layers against the rest of the network on what they put out, and frozen others against
/// themselves.
fn holds<M: Method<f32>>(name: &str, method: impl Fn() -> M) {
    let single = |values: Vec<f64>| -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        values.into_iter().map(|value| value as f32).collect()
    };
    let whole = plan(Activation::Tanh, Likelihood::Categorical);
    let inputs = single(numbers(3, EXAMPLES * WIDTHS[0]));
    let start = single(numbers(1, whole.params()));
    let anchor = single(numbers(6, whole.params()));

    let frozen = whole.with_trained(2..4).unwrap();
    let part_of = part(2..4);
    let mut params = start.clone();
    let reports = train(frozen.model(), &mut params, method(), &inputs, &anchor);
    assert_eq!(params[..part_of.start], start[..part_of.start], "{name}");
    assert_ne!(params[part_of.clone()], start[part_of.clone()], "{name}");

    let below = Plan::new(
        [WIDTHS[0], WIDTHS[1], WIDTHS[2]],
        Activation::Tanh,
        Likelihood::Gaussian,
    )
    .unwrap();
    let mut scratch = vec![0.0; Pass::Outputs.scratch_len(&below.model(), TILE)];
    let mut features = vec![0.0; EXAMPLES * WIDTHS[2]];
    Mlp::<f32, TILE>::new(&below, &start[..part_of.start], &mut scratch)
        .unwrap()
        .outputs(&inputs[..], &mut features)
        .unwrap();
    for feature in &mut features {
        *feature = Activation::Tanh.value(*feature);
    }
    let rest = Plan::new(
        [WIDTHS[2], WIDTHS[3], WIDTHS[4]],
        Activation::Tanh,
        Likelihood::Categorical,
    )
    .unwrap();
    let mut head = start[part_of.clone()].to_vec();
    let anchor_of = &anchor[part_of.clone()];
    let expected = train(rest.model(), &mut head, method(), &features, anchor_of);
    assert_eq!(params[part_of], head, "{name}");
    for (report, expected) in reports.iter().zip(&expected) {
        let macs = expected.macs;
        assert_eq!(Report { macs, ..*report }, *expected, "{name}");
        // Every pass goes through the frozen layers once more.
        assert!(report.macs > expected.macs, "{name}");
    }

    for layers in [0..1, 1..3] {
        let frozen = whole.with_trained(layers.clone()).unwrap();
        let part = part(layers);
        let mut params = start.clone();
        let reports = train(frozen.model(), &mut params, method(), &inputs, &anchor);
        assert_eq!(params[..part.start], start[..part.start], "{name}");
        assert_eq!(params[part.end..], start[part.end..], "{name}");
        assert!(reports[5].loss < reports[0].loss, "{name}: {reports:?}");
    }
}

#[test]
fn every_method_moves_the_trained_layers_alone() {
    holds("plain", || Sgd::<f32, Plain>::new(0.05));
    holds("momentum", || Sgd::<f32, Momentum>::new(0.02));
    holds("nesterov", || Sgd::<f32, Nesterov>::new(0.02));
    holds("adam", || Adam::new(0.01));
    holds("natural", NaturalGradient::<f32>::default);
    holds(
        "martens",
        NaturalGradient::<f32, natgrad::krylov::Cg<4>, Martens, Tikhonov>::default,
    );
    holds(
        "minres",
        NaturalGradient::<f32, Minres, Unpreconditioned, Tikhonov>::default,
    );
    holds(
        "minres-qlp",
        NaturalGradient::<f32, MinresQlp, Unpreconditioned, Tikhonov>::default,
    );
    holds(
        "empirical",
        NaturalGradient::<f32, natgrad::krylov::Cg, Unpreconditioned, Tikhonov, Empirical>::default,
    );
    holds("natcg-l", NaturalCg::<f32, Local>::default);
    holds("natcg-f", NaturalCg::<f32, Full>::default);
    holds("newton", Newton::<f32>::default);
    holds("hessian-free", || HessianFree::<f32>::hessian_free(1.0));
    holds("structural", || {
        StructuralHessianFree::<f32>::hessian_free(1.0)
    });
    holds("krylov-descent", KrylovDescent::<f32, 3, Jacobi>::default);
    holds("tonga", || Tonga::<f32, 3, 3, Uncentred>::new(0.25));
    holds("tonga-centred", || Tonga::<f32, 2, 4, Centred>::new(0.25));
}

#[test]
fn frozen_layers_take_no_storage_and_no_backward_arithmetic() {
    type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, TILE>;
    let whole = plan(Activation::Tanh, Likelihood::Categorical);
    let frozen = whole.with_trained(2..4).unwrap();
    let len = |plan: &Plan<5>| Learner::workspace_len(&plan.model(), Room::NONE);
    let params = part(0..2).len();
    assert_eq!(len(&whole) - len(&frozen), 6 * params);

    let rest = Plan::new(
        [WIDTHS[2], WIDTHS[3], WIDTHS[4]],
        Activation::Tanh,
        Likelihood::Categorical,
    )
    .unwrap();
    let weights = (4 * 6 + 6 * 5) as u64;
    for pass in [
        Pass::Outputs,
        Pass::Loss,
        Pass::Gradient,
        Pass::Jvp,
        Pass::Vjp,
        Pass::Product,
        Pass::Hessian,
    ] {
        let macs = frozen.model().macs(pass);
        assert_eq!(macs, rest.model().macs(pass) + weights, "{pass:?}");
    }
    // A trained first layer under three frozen ones: out and back through all of them.
    let first = whole.with_trained(0..1).unwrap();
    let (lowest, above) = (4 * 6, 6 * 5 + 5 * 7 + 7 * 3);
    assert_eq!(
        first.model().macs(Pass::Gradient),
        (lowest + above) + above + lowest
    );
    // Forward, tangents, two seeds back through the frozen layers, one outer product.
    assert_eq!(
        first.model().macs(Pass::Hessian),
        (lowest + above) + (lowest + above) + 2 * above + lowest
    );
}

#[test]
fn a_range_that_trains_nothing_is_no_plan() {
    let plan = plan(Activation::Tanh, Likelihood::Categorical);
    for layers in [0..0, 2..2, 3..5, 4..5, 0..usize::MAX] {
        assert_eq!(plan.with_trained(layers), Err(PlanError::NothingTrained));
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    let backwards = plan.with_trained(3..1);
    assert_eq!(backwards, Err(PlanError::NothingTrained));
    assert_ne!(plan.with_trained(1..2), Ok(plan));
    assert_eq!(plan.with_trained(0..4), Ok(plan));
}

#[test]
fn vectors_have_the_length_of_the_trained_layers() {
    let frozen = plan(Activation::Tanh, Likelihood::Gaussian)
        .with_trained(1..2)
        .unwrap();
    let params = vec![0.1_f32; frozen.params()];
    let mut scratch = vec![0.0; Pass::Hessian.scratch_len(&frozen.model(), TILE)];
    let mut mlp = Mlp::<f32, TILE>::new(&frozen, &params, &mut scratch).unwrap();
    let (inputs, targets) = ([0.5; 4], [0.5; 3]);
    let mut whole = vec![0.0; frozen.params()];
    let refused = mlp.gradient(&Batch::new(&inputs, &targets), &mut whole);
    let Err(Error::Shape(error)) = refused else {
        panic!("a gradient of the wrong length: {refused:?}");
    };
    assert_eq!(error.expected, 6 * 5 + 5);
}
