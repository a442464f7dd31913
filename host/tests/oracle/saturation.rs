//! What must survive `f32`: quadratic forms of a saturated softmax, curvature along CG, the covariance of
//! gradients that nearly agree, and the decrease of the model.

use natgrad::krylov::{Cg, Start, Status, Stop, System, solve};
use natgrad::operator::{Damped, Identity, LinearOperator};
use natgrad::{Activation, Likelihood, Scalar};
use proptest::prelude::*;

use super::operators::dense;
use super::strategies::{
    Case, DENSE, Draw, LARGE, Labels, Regime, Shape, Tile, cases, config, moderate,
};
use super::subject::{Curvature, Subject, narrow, widen};
use super::tolerance::{COVARIANCE_OF_LIKE, DECREASE_IN_F32, SATURATED_FORM};

/// A softmax without a hidden layer whose logits are as far apart as `gap`: the biases do it.
fn confident(classes: usize, gap: f64, seed: u64) -> Case {
    let mut case = Case::new(Shape {
        widths: vec![4, classes],
        activation: Activation::Identity,
        likelihood: Likelihood::Categorical,
        batch: 6,
        tile: Tile::Four,
        regime: Regime::Moderate,
        labels: Labels::Classes,
        weighted: false,
        seed,
    });
    let biases = case.params.len() - classes;
    let mut draw = Draw::new(seed ^ 2);
    let certain = draw.below(classes);
    for (k, bias) in case.params[biases..].iter_mut().enumerate() {
        let depth = if k == certain {
            0.0
        } else {
            0.8 + 0.2 * draw.number(1.0)
        };
        let rounded = narrow::<f32>(&[-gap * depth]);
        *bias = f64::from(rounded[0]);
    }
    case
}

/// Solves (F + λI)x = −g, with nothing to stop it but the residual and the limit.
fn natural_direction<T: Scalar>(
    case: &Case,
    damping: f64,
    residual: f64,
    refresh: u16,
) -> (Vec<f64>, Status) {
    let subject = Subject::<T>::new(case);
    let (gradient, _) = subject.gradient();
    let n = gradient.len();
    let rhs: Vec<T> = gradient.iter().map(|&g| T::of(-g)).collect();
    let mut memory = vec![T::ZERO; 4 * n];
    let stop = Stop {
        iterations: 250,
        residual: T::of(residual),
        progress: T::ZERO,
        refresh,
    };
    let end = subject.with(Curvature::Fisher, |fisher| {
        let system = System {
            operator: &mut Damped::new(fisher, Identity::scaled(n, T::of(damping))),
            preconditioner: &mut Identity::new(n),
            rhs: &rhs,
        };
        solve::<T, Cg>(system, &stop, Start::Zero, &mut memory)
    });
    (widen(&memory[..n]), end.status)
}

/// ½xᵀ(F + λI)x + g·x in `f64`.
fn model_value(case: &Case, damping: f64, x: &[f64]) -> f64 {
    let subject = Subject::<f64>::new(case);
    let (gradient, _) = subject.gradient();
    let (_, quad) = subject.product(Curvature::Fisher, x);
    let squared: f64 = x.iter().map(|x| x * x).sum();
    let slope: f64 = x.iter().zip(&gradient).map(|(x, g)| x * g).sum();
    0.5 * (quad + damping * squared) + slope
}

proptest! {
    #![proptest_config(config())]

    /// Algorithms, 10 j: the naive u·Hu comes out negative here.
    #[test]
    fn saturated_softmax_keeps_its_quadratic_forms(
        (classes, gap, seed) in (2..=24_usize, 0.0..100.0_f64, any::<u64>())
    ) {
        let case = confident(classes, gap, seed);
        let subject = Subject::<f32>::new(&case);
        for v in [&case.v, &case.u] {
            for curvature in [Curvature::Fisher, Curvature::EmpiricalFisher, Curvature::Covariance] {
                let (_, quad) = subject.product(curvature, v);
                prop_assert!(quad >= 0.0, "{:?}: {}", curvature, quad);
            }
            let (_, quad) = subject.product(Curvature::Fisher, v);
            let (_, expected) = Subject::<f64>::new(&case).product(Curvature::Fisher, v);
            if gap <= 30.0 {
                let off = (quad - expected).abs();
                prop_assert!(off <= SATURATED_FORM * expected, "{quad:e}, not {expected:e}");
            }
            let damped = subject.with(Curvature::Fisher, |fisher| {
                let damping = Identity::scaled(fisher.dim(), 1e-4);
                let mut out = vec![0.0; fisher.dim()];
                Damped::new(fisher, damping).apply(&narrow::<f32>(v), &mut out)
            });
            prop_assert!(damped > 0.0);
        }
        // Squares of a gradient below 10⁻¹⁵ leave the range of f32, and λ|p|² with them.
        let (gradient, _) = subject.gradient();
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        prop_assume!(norm > 1e-15);
        let (x, status) = natural_direction::<f32>(&case, 1e-3, 1e-4, 0);
        prop_assert!(x.iter().all(|x| x.is_finite()));
        prop_assert!(!matches!(status, Status::NonPositiveCurvature | Status::NonFinite), "{status:?}");
    }

    #[test]
    fn saturated_networks_keep_their_quadratic_forms(case in cases(LARGE)) {
        let subject = Subject::<f32>::new(&case);
        for curvature in [Curvature::Fisher, Curvature::EmpiricalFisher, Curvature::Covariance] {
            let (_, quad) = subject.product(curvature, &case.v);
            prop_assert!(quad >= 0.0, "{:?}: {}", curvature, quad);
        }
    }

    /// Algorithms, 10 i; with the residual as the recurrence gives it, and computed anew.
    #[test]
    fn cg_in_f32_decreases_the_model_as_much_as_in_f64(
        (case, refresh) in (moderate(DENSE), prop_oneof![Just(0), 1..30_u16])
    ) {
        prop_assume!(case.clear_of_kinks());
        let damping = f64::from(1e-3_f32);
        let (coarse, _) = natural_direction::<f32>(&case, damping, 1e-6, refresh);
        let (fine, _) = natural_direction::<f64>(&case, damping, 1e-12, 0);
        let (coarse, fine) = (model_value(&case, damping, &coarse), model_value(&case, damping, &fine));
        prop_assert!(fine < 0.0);
        prop_assert!(coarse / fine >= DECREASE_IN_F32, "{coarse:e} of {fine:e}");
    }

    /// All examples alike up to 10⁻³, Gaussian: gradients agree to as much.
    #[test]
    fn covariance_of_nearly_equal_gradients_keeps_its_digits(case in moderate(DENSE)) {
        let mut case = case;
        let mut draw = Draw::new(case.shape.seed ^ 3);
        let first = case.examples.inputs[0].clone();
        for row in &mut case.examples.inputs {
            for (x, &near) in row.iter_mut().zip(&first) {
                *x = f64::from(narrow::<f32>(&[near + 1e-3 * draw.number(1.0)])[0]);
            }
        }
        let first = case.examples.targets[0].clone();
        case.examples.targets.fill(first);
        if let Some(classes) = &mut case.classes {
            let first = classes[0];
            classes.fill(first);
        }
        prop_assume!(case.clear_of_kinks());
        let covariance = dense(&case, Curvature::Covariance);
        let v = nalgebra::DVector::from_column_slice(&case.v);
        let expected = (&covariance * &v).dot(&v);
        // A deviation gᵦ·v − ḡ·v is off by `noise`, and the form by 2 |deviation| of that.
        let (gradient, _) = Subject::<f64>::new(&case).gradient();
        let along: f64 = gradient.iter().zip(&case.v).map(|(g, v)| (g * v).abs()).sum();
        let noise = COVARIANCE_OF_LIKE * along;
        let (out, quad) = Subject::<f32>::new(&case).product(Curvature::Covariance, &case.v);
        let slack = noise * (2.0 * expected.sqrt() + noise);
        let off = (quad - expected).abs();
        prop_assert!(off <= slack, "{quad:e}, not {expected:e}: off by {off:e}, {slack:e} allowed");
        let off = (nalgebra::DVector::from_vec(out) - &covariance * &v).norm();
        let norm: f64 = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let slack = norm * (noise + COVARIANCE_OF_LIKE * expected.sqrt());
        prop_assert!(off <= slack, "off by {off:e}, {slack:e} allowed");
    }
}
