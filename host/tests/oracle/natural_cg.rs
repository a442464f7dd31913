//! Natural conjugate gradient against the dense minimum over its plane.

use nalgebra::{DMatrix, DVector, Matrix2, Vector2};
use natgrad::damping::Tikhonov;
use natgrad::krylov::Cg;
use natgrad::optimizer::{Conjugation, Full, Local, NaturalCg, NaturalGradient, Outcome};
use natgrad::precondition::Unpreconditioned;
use proptest::prelude::*;

use super::natural::exact;
use super::strategies::{Case, DENSE, config, moderate};
use super::subject::Subject;
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

fn exact_short(damping: f64) -> NaturalGradient<f64, Cg, Unpreconditioned, Tikhonov> {
    conjugate::<Local>(damping, 2).natural
}

/// What is parallel has no second coordinate, and what has failed once goes along r.
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
