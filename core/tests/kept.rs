//! Activations that stay from one product of a step to the next: fewer multiplications, the same bits.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use natgrad::curvature::{
    Curvature, CurvatureOperator, Empirical, EmpiricalFisher, Fisher, Hessian,
};
use natgrad::damping::Tikhonov;
use natgrad::krylov::{Cg, MinresQlp};
use natgrad::operator::LinearOperator;
use natgrad::optimizer::{
    Full, HessianFree, KrylovDescent, Method, NaturalCg, NaturalGradient, Newton, Outcome,
    Progress, Report,
};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Activation, Batch, Likelihood, Metric, Mlp, Model, Pass, Plan, Room, Trainer, init};

const INPUTS: usize = 3;
const EXAMPLES: usize = 11;
/// Examples of a metric of its own.
const OTHERS: usize = 9;
const STEPS: usize = 4;
const TILE: usize = 4;

const PLAN: Plan<4> = match Plan::new([INPUTS, 5, 4, 3], Activation::Tanh, Likelihood::Categorical)
{
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

struct Data {
    inputs: Vec<f32>,
    classes: Vec<u16>,
    weights: Vec<f32>,
}

impl Data {
    fn new(examples: usize, phase: f32) -> Self {
        let number = |i: usize| f32::from(u16::try_from(i).expect("few"));
        Self {
            inputs: (0..examples * INPUTS)
                .map(|i| (phase + 0.7 * number(i)).sin())
                .collect(),
            classes: (0..examples)
                .map(|i| u16::from(i % 3 == 0) + u16::from(i % 5 < 2))
                .collect(),
            // One is left out, so that lanes and examples are not the same.
            weights: (0..examples).map(|i| number(i % 4)).collect(),
        }
    }

    fn batch(&self) -> Batch<'_, f32> {
        Batch::labelled(self.inputs.as_slice(), &self.classes).weighted(&self.weights)
    }
}

/// How the examples of a step are handed over.
#[derive(Clone, Copy, Debug)]
enum Way {
    AtOnce,
    InPlace,
    Copied,
}

/// The reports of some steps, and the bits of θ behind them.
fn run<M: Method<f32>>(
    model: Model<'_>,
    method: M,
    room: Room,
    way: Way,
) -> (Vec<Report<f32>>, Vec<u32>) {
    let (data, others) = (Data::new(EXAMPLES, 0.0), Data::new(OTHERS, 5.0));
    let (batch, metric) = (data.batch(), Metric::On(others.batch()));
    let mut params = vec![0.0; model.params()];
    init::glorot(model, 3, &mut params).expect("the length of the model");
    let mut workspace = vec![0.0; Trainer::<f32, M, TILE>::workspace_len(&model, room)];
    let mut trainer = Trainer::<f32, M, TILE>::new(model, &mut params, &mut workspace, method)
        .expect("a trainer");
    let reports = (0..STEPS).map(|_| {
        match way {
            Way::AtOnce => return trainer.step(batch, metric).expect("a step"),
            Way::InPlace => trainer.begin_in_place(batch, metric).expect("examples"),
            Way::Copied => trainer.begin(batch, metric).expect("room"),
        }
        while trainer.advance().expect("a slice") != Progress::Ready {}
        trainer.finish().expect("a step")
    });
    let reports = reports.collect();
    let bits = params.iter().map(|x| x.to_bits()).collect();
    (reports, bits)
}

/// `saved` are the multiply-accumulates that a step does not do for each of its products but the first one.
fn holds<M: Method<f32> + Copy>(method: M) {
    for model in [
        PLAN.model(),
        PLAN.with_trained(1..3).expect("layers").model(),
    ] {
        for way in [Way::AtOnce, Way::InPlace, Way::Copied] {
            let examples = match way {
                Way::Copied => Room {
                    batch: EXAMPLES,
                    metric: OTHERS,
                    ..Room::NONE
                },
                _ => Room::NONE,
            };
            let (bare, bits) = run(model, method, examples, way);
            assert!(
                bare.iter()
                    .any(|report| report.outcome == Outcome::Accepted)
            );
            let mut before = bare.clone();
            // A tile of the three of the metric, two of them, all, and more than there are.
            for activations in [TILE, 2 * TILE, 3 * TILE, 20 * TILE] {
                let room = Room {
                    activations,
                    ..examples
                };
                let (reports, with_room) = run(model, method, room, way);
                assert_eq!(with_room, bits, "{way:?}, {activations}");
                for ((report, before), bare) in reports.iter().zip(&before).zip(&bare) {
                    let macs = bare.macs;
                    assert_eq!(Report { macs, ..*report }, *bare);
                    let saved = macs - report.macs;
                    let forward = model.macs(Pass::Outputs);
                    assert!(saved > 0 && saved % forward == 0, "{saved} of {macs}");
                    assert!(report.macs <= before.macs);
                }
                before = reports;
            }
        }
    }
}

#[test]
fn natural_gradient_by_every_solver() {
    holds(NaturalGradient::<f32>::default());
    holds(NaturalGradient::<f32, Cg<2>, Martens, Tikhonov>::default());
    holds(NaturalGradient::<f32, MinresQlp, Unpreconditioned, Tikhonov>::default());
}

#[test]
fn curvatures_that_look_at_targets() {
    holds(NaturalGradient::<
        f32,
        Cg,
        Unpreconditioned,
        Tikhonov,
        Empirical,
    >::default());
    holds(Newton::<f32>::default());
}

#[test]
fn relatives() {
    holds(NaturalCg::<f32, Full>::default());
    holds(HessianFree::<f32>::hessian_free(1.0));
    holds(KrylovDescent::<f32, 3, Jacobi>::default());
}

/// What room for all activations saves, step by step: the iterations of the solve, and the forward passes over the metric
/// that were not taken.
fn savings<P: Preconditioner<f32>>() -> Vec<(u64, u64)> {
    let method = NaturalGradient::<f32, Cg, P, Tikhonov>::default();
    let room = Room {
        activations: OTHERS.next_multiple_of(TILE),
        ..Room::NONE
    };
    let model = PLAN.model();
    let (bare, _) = run(model, method, Room::NONE, Way::AtOnce);
    let (kept, _) = run(model, method, room, Way::AtOnce);
    let weighted = Data::new(OTHERS, 5.0).weights;
    let examples = weighted.iter().filter(|weight| **weight > 0.0).count();
    let forward = model.macs(Pass::Outputs) * examples as u64;
    let saving = |(bare, kept): (&Report<f32>, &Report<f32>)| {
        let solve = bare.solve.expect("a solve");
        assert_eq!(solve.attempts, 1);
        let saved = bare.macs - kept.macs;
        assert_eq!(saved % forward, 0);
        (u64::from(solve.solve.last.count), saved / forward)
    };
    bare.iter().zip(&kept).map(saving).collect()
}

#[test]
fn every_product_but_the_first_is_without_a_forward_pass() {
    for (iterations, saved) in savings::<Unpreconditioned>() {
        // The products of the solve, and that for the length of d: of those all but the first.
        assert_eq!(saved, iterations);
    }
}

#[test]
fn after_a_diagonal_every_product_is() {
    let columns = PLAN.model().dim_out() as u64;
    for (iterations, saved) in savings::<Jacobi>() {
        // And every column of the diagonal but the first.
        assert_eq!(saved, iterations + columns);
    }
}

/// The bits of some products, of a diagonal between them, and of their forms.
fn products<'a, C: Curvature<f32>>(
    mut operator: CurvatureOperator<'a, f32, C, TILE>,
    between: impl Fn(&mut CurvatureOperator<'a, f32, C, TILE>, &mut [f32]),
) -> Vec<u32> {
    let n = operator.dim();
    let mut out = vec![0.0; n];
    let mut bits = Vec::new();
    let mut keep = |quad: f32, out: &[f32]| {
        bits.push(quad.to_bits());
        bits.extend(out.iter().map(|x| x.to_bits()));
    };
    for round in 0..3_u8 {
        let v: Vec<f32> = (0..n)
            .map(|i| (f32::from(round) + 0.3 * f32::from(u16::try_from(i).expect("few"))).cos())
            .collect();
        let quad = operator.apply(&v, &mut out);
        keep(quad, &out);
        between(&mut operator, &mut out);
        keep(0.0, &out);
    }
    bits
}

#[test]
fn an_operator_keeps_them_between_products() {
    let data = Data::new(EXAMPLES, 0.0);
    for model in [
        PLAN.model(),
        PLAN.with_trained(1..3).expect("layers").model(),
    ] {
        let mut params = vec![0.0; model.params()];
        init::glorot(model, 3, &mut params).expect("the length of the model");
        let of_tile = model.units() * TILE;
        let mut found = Vec::new();
        for len in [0, of_tile - 1, of_tile, 2 * of_tile + 1, 9 * of_tile] {
            // What is there before has no share in it.
            let [mut a, mut b, mut c] = [(); 3].map(|()| vec![f32::NAN; len]);
            let mut scratch = vec![0.0; Pass::Hessian.scratch_len(&model, TILE)];
            macro_rules! mlp {
                () => {
                    Mlp::<f32, TILE>::new(model, &params, &mut scratch).expect("a network")
                };
            }
            let mut bits = Vec::new();
            let fisher = Fisher::new(mlp!(), data.batch())
                .expect("it")
                .keeping(&mut a);
            bits.extend(products(fisher, CurvatureOperator::diagonal));
            let empirical = EmpiricalFisher::new(mlp!(), data.batch()).expect("it");
            bits.extend(products(
                empirical.keeping(&mut b),
                CurvatureOperator::diagonal,
            ));
            let hessian = Hessian::new(mlp!(), data.batch()).expect("it");
            bits.extend(products(hessian.keeping(&mut c), |_, _| {}));
            found.push(bits);
        }
        for bits in &found {
            assert_eq!(bits, &found[0]);
        }
    }
}
