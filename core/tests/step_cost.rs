//! What a step costs by each solver, against steps that ran and trainers that are there.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use natgrad::optimizer::{
    Gram, Method, NaturalGradient, Outcome, Report, StepCost, StepCosts, StepSolver,
};
use natgrad::{
    Activation, Batch, Likelihood, Metric, Model, OverBudget, Pass, Plan, Room, Scalar, Trainer,
    init,
};

const LIKELIHOODS: [Likelihood; 3] = [
    Likelihood::Gaussian,
    Likelihood::Bernoulli,
    Likelihood::Categorical,
];

fn plan<const N: usize>(widths: [usize; N], likelihood: Likelihood) -> Plan<N> {
    Plan::new(widths, Activation::Tanh, likelihood).expect("a plan")
}

/// All layers, and the last one alone.
fn plans(likelihood: Likelihood) -> [Plan<4>; 2] {
    let whole = plan([3, 5, 4, 2], likelihood);
    [whole, whole.with_trained(2..3).expect("a layer")]
}

/// The budget at which training by `M` begins to fit.
fn least<T: Scalar, M: Method<T>, const TILE: usize>(model: &Model<'_>) -> usize {
    let fits = |budget| Trainer::<T, M, TILE>::fits(model, Room::NONE, budget);
    let Err(OverBudget { statics, stack, .. }) = fits(0) else {
        panic!("a trainer without memory");
    };
    let least = statics + stack;
    assert_eq!(fits(least), Ok(()));
    assert!(fits(least - 1).is_err());
    least
}

fn bytes_are_those_of_a_trainer<T: Scalar, const B: usize, const TILE: usize>() {
    for plan in LIKELIHOODS.into_iter().flat_map(plans) {
        let model = plan.model();
        let StepCosts { gram, cg, dense } = model.step_costs::<T, TILE>(B, 50);
        assert_eq!(gram.bytes, least::<T, Gram<T, B>, TILE>(&model));
        assert_eq!(cg.bytes, least::<T, NaturalGradient<T>, TILE>(&model));
        let p = model.trained_params();
        let vectors = <NaturalGradient<T> as Method<T>>::STORAGE.vectors;
        let other = p * (p + 1) / 2 + 3 * p - vectors * p;
        assert_eq!(dense.bytes, cg.bytes + size_of::<T>() * other);
    }
}

#[test]
fn bytes_are_those_at_which_training_fits() {
    bytes_are_those_of_a_trainer::<f32, 1, 1>();
    bytes_are_those_of_a_trainer::<f32, 7, 4>();
    bytes_are_those_of_a_trainer::<f64, 16, 1>();
}

const EXAMPLES: usize = 7;

/// Steps so short that none fails.
const DAMPING: f32 = 1000.0;

/// The reports of two steps that succeed at once.
fn reports<M: Method<f32>, const TILE: usize>(model: Model<'_>, method: M) -> [Report<f32>; 2] {
    let wave = |i: usize, step: usize| {
        let place = u8::try_from(i * step % 97).expect("small");
        f32::from(place) / 96.0
    };
    let inputs: Vec<f32> = (0..3 * EXAMPLES).map(|i| wave(i, 31)).collect();
    let values: Vec<f32> = (0..2 * EXAMPLES).map(|i| wave(i, 17)).collect();
    let classes: Vec<u16> = (0..EXAMPLES).map(|i| u16::from(i % 3 == 0)).collect();
    let batch = match model.likelihood() {
        Likelihood::Categorical => Batch::labelled(inputs.as_slice(), &classes),
        _ => Batch::new(inputs.as_slice(), values.as_slice()),
    };
    let mut params = vec![0.0; model.params()];
    init::glorot(model, 3, &mut params).expect("the length of the model");
    let mut workspace = vec![0.0; Trainer::<f32, M, TILE>::workspace_len(&model, Room::NONE)];
    let mut trainer = Trainer::<f32, M, TILE>::new(model, &mut params, &mut workspace, method)
        .expect("a trainer");
    [(); 2].map(|()| {
        let report = trainer.step(batch, Metric::Same).expect("a step");
        let solve = report.solve.expect("a solve");
        assert_eq!((report.outcome, solve.attempts), (Outcome::Accepted, 1));
        report
    })
}

#[test]
fn macs_of_gram_are_those_that_a_step_reports() {
    // Of an example the weights that are trained, and two outputs for each unit.
    let rows = [15 + 20 + 8 + 2 * 11, 8 + 2 * 2];
    let plans = LIKELIHOODS.map(|likelihood| plans(likelihood).into_iter().zip(rows));
    for (plan, rows) in plans.into_iter().flatten() {
        let model = plan.model();
        let StepCost { macs, .. } = model.step_costs::<f32, 1>(EXAMPLES, 50).gram;
        let memory = EXAMPLES as u64 * rows;
        let mut method = Gram::<f32, EXAMPLES>::default();
        method.damping.initial = DAMPING;
        let [first, second] = reports::<_, 1>(model, method);
        assert_eq!(
            (first.macs, second.macs),
            (macs - memory, macs),
            "{model:?}"
        );
        let mut larger = Gram::<f32, 16>::default();
        larger.damping.initial = DAMPING;
        let [_, second] = reports::<_, 4>(model, larger);
        assert_eq!(second.macs, macs, "whatever the tile and the capacity");
    }
}

#[test]
fn macs_of_cg_are_those_that_a_step_reports() {
    for plan in LIKELIHOODS.into_iter().flat_map(plans) {
        for iterations in [1, 4] {
            let model = plan.model();
            let mut method = NaturalGradient::<f32>::default();
            method.damping.initial = DAMPING;
            method.stop.iterations = iterations;
            (method.stop.residual, method.stop.progress) = (0.0, 0.0);
            let StepCost { macs, .. } = model.step_costs::<f32, 4>(EXAMPLES, iterations).cg;
            for report in reports::<_, 4>(model, method) {
                assert_eq!(report.solve.expect("a solve").solve.last.count, iterations);
                assert_eq!(report.macs, macs, "{model:?}, {iterations} iterations");
            }
        }
    }
}

/// Counted as the loops of a matrix, its factor and its two solves run.
#[test]
fn macs_of_the_dense_one_are_those_of_its_loops() {
    for plan in LIKELIHOODS.into_iter().flat_map(plans) {
        let model = plan.model();
        let (b, k, p) = (EXAMPLES as u64, 2, model.trained_params() as u64);
        let mut expected = 0;
        for row in 0..p {
            for column in 0..=row {
                expected += b * k + (column + 1);
            }
            expected += 2 * (row + 1);
        }
        let bounded = u64::from(model.likelihood() != Likelihood::Gaussian);
        expected += b
            * (model.macs(Pass::Gradient)
                + k * model.macs(Pass::Vjp)
                + bounded * model.macs(Pass::Jvp)
                + model.macs(Pass::Loss));
        let found = model.step_costs::<f32, 1>(EXAMPLES, 50).dense.macs;
        assert_eq!(found, expected, "{model:?}");
    }
}

// A firmware decides while it is built.
const SENSOR: Plan<3> = match Plan::new([4, 12, 1], Activation::Tanh, Likelihood::Gaussian) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const COSTS: StepCosts = SENSOR.model().step_costs::<f32, 1>(16, 50);
const CHOSEN: Option<StepSolver> = COSTS.cheapest(16 * 1024);

#[test]
fn the_cheapest_is_the_one_with_the_fewest_macs_that_fits() {
    let of = |costs: &StepCosts| {
        [StepSolver::Gram, StepSolver::Cg, StepSolver::Dense].map(|solver| costs.of(solver))
    };
    assert_eq!(CHOSEN, Some(StepSolver::Gram));
    assert_eq!(of(&COSTS), [COSTS.gram, COSTS.cg, COSTS.dense]);

    // The system in output space is of order 640, the products are 50.
    let digits = plan([64, 32, 10], Likelihood::Categorical);
    let costs = digits.model().step_costs::<f32, 1>(64, 50);
    assert_eq!(costs.cheapest(usize::MAX), Some(StepSolver::Cg));
    // Of order 160.
    let small = digits.model().step_costs::<f32, 1>(16, 50);
    assert_eq!(small.cheapest(usize::MAX), Some(StepSolver::Gram));
    // It needs more memory; without it the products are left.
    assert!(small.gram.bytes > small.cg.bytes);
    assert_eq!(small.cheapest(small.gram.bytes), Some(StepSolver::Gram));
    let below = small.cheapest(small.gram.bytes - 1);
    assert_eq!(below, Some(StepSolver::Cg));
    assert_eq!(small.cheapest(small.cg.bytes - 1), None);
    // Four parameters, and 64 examples.
    let line = plan([3, 1], Likelihood::Gaussian);
    let costs = line.model().step_costs::<f32, 1>(64, 50);
    assert_eq!(costs.cheapest(usize::MAX), Some(StepSolver::Dense));

    for costs in [COSTS, small] {
        for ram in (0..64 * 1024).step_by(97) {
            let fitting = of(&costs).into_iter().filter(|cost| cost.bytes <= ram);
            let fewest = fitting.map(|cost| cost.macs).min();
            let found = costs.cheapest(ram).map(|solver| costs.of(solver).macs);
            assert_eq!(found, fewest, "{ram} bytes");
        }
    }
}

/// And of equal ones the first is the cheapest.
#[test]
fn sizes_saturate() {
    let plan = plan([3, 5, 2], Likelihood::Categorical);
    let model = plan.model();
    let costs = model.step_costs::<f64, 4>(usize::MAX, u16::MAX);
    assert_eq!(costs.gram.bytes, usize::MAX);
    assert_eq!(costs.cg.macs, u64::MAX);
    assert_eq!(costs.dense.macs, u64::MAX);
    assert_eq!(costs.cheapest(usize::MAX - 1), Some(StepSolver::Cg));
    let none = model.step_costs::<f32, 1>(0, 0);
    assert_eq!((none.gram.macs, none.cg.macs), (0, 0));
    assert_eq!(none.cheapest(usize::MAX), Some(StepSolver::Gram));
}
