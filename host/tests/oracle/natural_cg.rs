//! Natural conjugate gradient against the dense minimum over its plane.

use core::cell::Cell;

use nalgebra::{DMatrix, DVector, Matrix2, Vector2};
use natgrad::damping::Tikhonov;
use natgrad::krylov::Cg;
use natgrad::optimizer::{
    Acceptance, Conjugation, Full, Local, NaturalCg, NaturalGradient, Outcome,
};
use natgrad::precondition::Unpreconditioned;
use natgrad::{Activation, Batch, Likelihood, Metric, Plan, Room, Trainer};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::natural::exact;
use super::strategies::{Case, DENSE, config, moderate};
use super::subject::{Subject, with_tile};
use super::tolerance::{PLANE, STEP};

type Conjugate<J> = NaturalCg<f64, J, Cg, Unpreconditioned, Tikhonov>;

/// With solves of at most `iterations` iterations.
fn conjugate<J: Conjugation>(damping: f64, iterations: u16) -> Conjugate<J> {
    let mut natural = exact::<Unpreconditioned, Tikhonov>(damping);
    natural.stop.iterations = iterations;
    NaturalCg {
        natural,
        ..NaturalCg::default()
    }
}

/// θ after 0 to `steps` steps.
fn path<J: Conjugation>(case: &Case, method: Conjugate<J>, steps: usize) -> Vec<DVector<f64>> {
    let subject = Subject::<f64>::new(case);
    let ends = (0..=steps).map(|steps| DVector::from_vec(subject.steps(method, steps).0));
    ends.collect()
}

/// The case at other parameters.
fn at(case: &Case, params: &DVector<f64>) -> Case {
    let mut case = case.clone();
    case.params = params.as_slice().to_vec();
    case
}

/// r at the parameters of `case`.
fn natural(
    case: &Case,
    method: NaturalGradient<f64, Cg, Unpreconditioned, Tikhonov>,
) -> DVector<f64> {
    let (after, _) = Subject::<f64>::new(case).steps(method, 1);
    DVector::from_vec(after) - DVector::from_column_slice(&case.params)
}

fn dense(case: &Case, damping: f64) -> (DMatrix<f64>, DVector<f64>) {
    let n = case.params.len();
    let fisher = case
        .network
        .fisher_by_enumeration(&case.params, &case.examples);
    let gradient = case.network.gradient(&case.params, &case.examples);
    (fisher + DMatrix::identity(n, n) * damping, gradient)
}

proptest! {
    #![proptest_config(config())]

    /// r minimises the model already: (a, b) = (1, 0).
    #[test]
    fn with_an_exact_solve_on_the_same_batch_it_is_natural_gradient(
        (case, damping) in (moderate(DENSE), 0.03..3.0_f64)
    ) {
        let path = path(&case, conjugate::<Local>(damping, 3_000), 2);
        for pair in path.windows(2) {
            let case = at(&case, &pair[0]);
            let expected = natural(&case, exact(damping));
            let off = (&pair[1] - &pair[0] - &expected).norm();
            prop_assert!(
                off <= STEP * expected.norm() / damping.min(1.0),
                "{off:e} off, of {:e}", expected.norm()
            );
        }
    }

    /// With solves that are cut short: the minimum of the dense model over span{r, d}.
    #[test]
    fn natcg_l_minimises_the_model_over_the_plane(
        (case, damping, iterations) in (moderate(DENSE), 0.03..3.0_f64, 1..4_u16)
    ) {
        let method = conjugate::<Local>(damping, iterations);
        let path = path(&case, method, 3);
        let mut before: Option<DVector<f64>> = None;
        for pair in path.windows(2) {
            let case = at(&case, &pair[0]);
            let (system, gradient) = dense(&case, damping);
            let r = natural(&case, method.natural);
            let taken = &pair[1] - &pair[0];
            let model = |s: &DVector<f64>| gradient.dot(s) + 0.5 * s.dot(&(&system * s));
            let best = match &before {
                None => &r * (-gradient.dot(&r) / r.dot(&(&system * &r))),
                Some(d) => {
                    let (mr, md) = (&system * &r, &system * d);
                    let gram = Matrix2::new(r.dot(&mr), r.dot(&md), r.dot(&md), d.dot(&md));
                    // Nearly parallel vectors are left out on either side of the threshold.
                    prop_assume!(gram.determinant() > 1e-4 * gram[(0, 0)] * gram[(1, 1)]);
                    let sides = Vector2::new(-gradient.dot(&r), -gradient.dot(d));
                    let [[a, b]] = gram.lu().solve(&sides).expect("regular").data.0;
                    &r * a + d * b
                }
            };
            let (found, expected) = (model(&taken), model(&best));
            prop_assert!(expected < 0.0);
            prop_assert!(
                (found - expected).abs() <= PLANE * expected.abs(),
                "m = {found:e}, but {expected:e} is the minimum"
            );
            before = Some(taken);
        }
    }

    /// NatCG-F ends no higher than NatCG-L from the same state, in the same plane.
    #[test]
    fn natcg_f_lowers_the_loss_further(
        (case, damping) in (moderate(DENSE), 0.1..3.0_f64)
    ) {
        let local = conjugate::<Local>(damping, 2);
        let full = Conjugate::<Full> { natural: local.natural, ..conjugate(damping, 2) };
        // The first steps are alike, since there is nothing to combine.
        let (local, full) = (path(&case, local, 2), path(&case, full, 2));
        prop_assert_eq!(&local[1], &full[1]);
        let loss = |params: &DVector<f64>| -> f64 {
            case.network.loss(params.as_slice(), &case.examples)
        };
        let (l, f) = (loss(&local[2]), loss(&full[2]));
        prop_assert!(f <= l + PLANE * l.abs(), "{f:e} above {l:e}");

        let case = at(&case, &full[1]);
        let r = natural(&case, exact_short(damping));
        let plane = DMatrix::from_columns(&[r, &full[1] - &full[0]]);
        let taken = &full[2] - &full[1];
        let svd = plane.clone().svd(true, true);
        let coordinates = svd.solve(&taken, 1e-12).expect("a solution");
        let off = (&plane * coordinates - &taken).norm();
        prop_assert!(off <= PLANE * taken.norm(), "{off:e} out of the plane");
    }
}

/// A step whose first attempt has failed.
struct Retried {
    /// The case at its start.
    case: Case,
    /// The step before.
    d: DVector<f64>,
    taken: DVector<f64>,
    /// The λ of the attempt that was accepted.
    damping: f64,
}

/// A good step, and one of a rate so large that its first attempt fails; nothing where the first attempt of the one fails or that of the other does not.
fn after_a_failure<J: Conjugation>(
    case: &Case,
    mut method: Conjugate<J>,
    rate: f64,
) -> Option<Retried> {
    method.natural.acceptance = Acceptance::Decrease;
    (method.natural.retries, method.natural.retry_raise) = (8, 3.0);
    let subject = Subject::<f64>::new(case);
    let mut params = subject.params.clone();
    with_tile!(case.shape.tile, TILE => {
        type Learner<'a, J> = Trainer<'a, f64, Conjugate<J>, TILE>;
        let mut workspace = vec![f64::NAN; Learner::<J>::workspace_len(&subject.model(), Room::NONE)];
        let trainer = Learner::new(subject.model(), &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        let mut ends = vec![DVector::from_column_slice(trainer.params())];
        let mut solves = Vec::new();
        for rate in [1.0, rate] {
            trainer.method_mut().expect("idle").natural.rate = rate;
            let report = trainer.step(subject.batch(), Metric::Same).expect("a step");
            ends.push(DVector::from_column_slice(trainer.params()));
            if report.outcome != Outcome::Accepted {
                return None;
            }
            solves.push(report.solve?);
        }
        let failed = solves[0].attempts == 1 && solves[1].attempts > 1;
        failed.then(|| Retried {
            case: at(case, &ends[1]),
            d: &ends[1] - &ends[0],
            taken: &ends[2] - &ends[1],
            damping: solves[1].damping,
        })
    })
}

/// What goes along r alone after a failure, in the plane or not.
fn along_r<J: Conjugation>(
    (case, damping, rate): (&Case, f64, f64),
) -> Result<bool, TestCaseError> {
    let Some(retried) = after_a_failure(case, conjugate::<J>(damping, 1), rate) else {
        return Ok(false);
    };
    let Retried {
        case,
        d,
        taken,
        damping,
    } = retried;
    // One iteration is far from the minimum of the model.
    let r = natural(&case, conjugate::<J>(damping, 1).natural);
    let off = |d: &DVector<f64>| (d - &r * (r.dot(d) / r.norm_squared())).norm();
    // A step of rate 10⁻⁴ of θ and less has no digits left.
    if taken.norm() < 1e-4 || r.norm() < 1e-4 {
        return Ok(false);
    }
    prop_assert!(
        off(&taken) <= PLANE * taken.norm(),
        "{:e} beside r",
        off(&taken) / taken.norm()
    );
    // Whether the minimum over the plane is elsewhere.
    let (system, gradient) = dense(&case, damping);
    let (mr, md) = (&system * &r, &system * &d);
    let gram = Matrix2::new(r.dot(&mr), r.dot(&md), r.dot(&md), d.dot(&md));
    if gram.determinant() <= 1e-4 * gram[(0, 0)] * gram[(1, 1)] {
        return Ok(false);
    }
    let sides = Vector2::new(-gradient.dot(&r), -gradient.dot(&d));
    let [[a, b]] = gram.lu().solve(&sides).expect("regular").data.0;
    let best = &r * a + &d * b;
    Ok(off(&best) > 1e3 * PLANE * best.norm())
}

#[test]
fn what_has_failed_once_goes_along_r_and_not_in_the_plane() {
    let told_apart = Cell::new([0; 2]);
    let cases = (moderate(DENSE), 0.03..3.0_f64, 2.5..30.0_f64);
    let outcome = TestRunner::new(config()).run(&cases, |(case, damping, rate)| {
        let [local, full] = told_apart.get();
        told_apart.set([
            local + usize::from(along_r::<Local>((&case, damping, rate))?),
            full + usize::from(along_r::<Full>((&case, damping, rate))?),
        ]);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let told_apart = told_apart.get();
    assert!(
        told_apart.iter().all(|&cases| cases > 20),
        "only {told_apart:?} tell a plane from a line"
    );
}

/// Inputs of 0 leave the bias alone to move: r and d are parallel, and b is 0, so that a step is the minimum of the model.
#[test]
fn what_is_parallel_has_no_second_coordinate() {
    let plan = Plan::new([1, 1], Activation::Tanh, Likelihood::Gaussian).expect("a plan");
    let mut params = [0.5, 2.0];
    let mut memory = vec![f64::NAN; 200];
    let method = conjugate::<Local>(3.0, 2);
    let trainer = Trainer::<f64, Conjugate<Local>, 1>::new(&plan, &mut params, &mut memory, method);
    let mut trainer = trainer.expect("a trainer");
    for step in 0..6 {
        let before = trainer.params()[1];
        let report = trainer
            .step(Batch::new(&[0.0], &[1.0]), Metric::Same)
            .expect("a step");
        assert_eq!(report.outcome, Outcome::Accepted);
        // F = 1 and g = b − 1, with λ = 3.
        let expected = before - (before - 1.0) / 4.0;
        let after = trainer.params();
        assert!(
            (after[1] - expected).abs() < 1e-12,
            "step {step}: {}, not {expected}",
            after[1]
        );
        assert_eq!(after[0], 0.5);
    }
}

fn exact_short(damping: f64) -> NaturalGradient<f64, Cg, Unpreconditioned, Tikhonov> {
    conjugate::<Local>(damping, 2).natural
}

/// With the loss, the rate and the ratio of its own.
#[test]
fn a_step_is_reported_as_one_of_natural_gradient() {
    let shape = super::strategies::Shape {
        widths: vec![3, 4, 2],
        activation: natgrad::Activation::Tanh,
        likelihood: natgrad::Likelihood::Categorical,
        batch: 6,
        tile: super::strategies::Tile::Four,
        regime: super::strategies::Regime::Moderate,
        labels: super::strategies::Labels::Soft,
        weighted: false,
        seed: 3,
    };
    let case = Case::new(shape);
    let subject = Subject::<f64>::new(&case);
    let method = NaturalCg::<f64, Full>::default();
    let (_, reports) = subject.steps(method, 5);
    for report in reports {
        assert_eq!(report.outcome, Outcome::Accepted);
        assert!(report.loss_after.expect("a trial") < report.loss);
        let solve = report.solve.expect("a solve");
        assert!(solve.kl > 0.0 && solve.rate == 1.0 && solve.ratio.is_some());
    }
}
