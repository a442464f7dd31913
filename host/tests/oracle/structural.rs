//! Structural damping and the other curvatures of a step, against dense matrices.
//!
//! The oracle of a hidden layer is the network cut off behind it: its logits are the pre-activations.

use nalgebra::{DMatrix, DVector};
use natgrad::curvature::{self, Curvature, Fisher};
use natgrad::damping::{Damping, DampingPolicy, Structural};
use natgrad::krylov::{Cg, Status, Stop};
use natgrad::line_search::Trust;
use natgrad::operator::LinearOperator;
use natgrad::optimizer::{Acceptance, HessianFree, NaturalGradient, Outcome};
use natgrad::precondition::Unpreconditioned;
use natgrad::{Activation, Mlp, Pass};
use natgrad_host::reference::{Reference, smallest_eigenvalue, solve_damped};
use proptest::prelude::*;

use super::natural::exact;
use super::strategies::{Case, DENSE, config, moderate};
use super::subject::{Subject, narrow, widen, with_tile};
use super::tolerance::{DENSE_PRODUCT, STEP};

/// H of a unit by its pre-activation, from the definition of how it is read.
fn unit_metric(activation: Activation, z: f64) -> f64 {
    let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
    match activation {
        // A Bernoulli variable with logit z.
        Activation::Logistic => logistic(z) * (1.0 - logistic(z)),
        // ½(1 + tanh z) = σ(2z): a Bernoulli variable with logit 2z, hence 4 σ(1 − σ).
        Activation::Tanh => 4.0 * logistic(2.0 * z) * (1.0 - logistic(2.0 * z)),
        // Gaussian: the square of the slope.
        Activation::Softplus => logistic(z) * logistic(z),
        Activation::Relu => f64::from(z > 0.0),
        Activation::Identity => 1.0,
    }
}

/// Σ_layers Σᵦ (wᵦ/W) J_hᵀ H_h J_h, `[P × P]`.
fn hidden_metric(case: &Case) -> DMatrix<f64> {
    let network = &case.network;
    let n = case.params.len();
    let mut metric = DMatrix::zeros(n, n);
    for depth in 2..network.widths.len() {
        let cut = Reference {
            widths: network.widths[..depth].to_vec(),
            activation: network.activation,
            likelihood: natgrad::Likelihood::Gaussian,
        };
        let params = &case.params[..cut.params()];
        let total = case.examples.total_weight();
        for (weight, input) in case.examples.weighted_inputs() {
            let pre: Vec<f64> = cut.outputs(params, input);
            let jacobian = cut.jacobian(params, input);
            let units = pre.iter().map(|&z| unit_metric(network.activation, z));
            let units = DVector::from_iterator(pre.len(), units) * (weight / total);
            let part = jacobian.transpose() * DMatrix::from_diagonal(&units) * &jacobian;
            let mut corner = metric.view_mut((0, 0), part.shape());
            corner += part;
        }
    }
    metric
}

/// A method that does nothing but solve, with the curvature `C` and structural damping.
fn solving<C: Curvature<f64>>(
    damping: f64,
    weight: f64,
) -> NaturalGradient<f64, Cg, Unpreconditioned, Structural<f64>, C> {
    NaturalGradient {
        damping: Damping {
            initial: damping,
            floor: 1e-12,
            ceiling: 1e6,
            policy: DampingPolicy::Constant,
            metric: Structural { weight },
        },
        stop: Stop {
            iterations: 3_000,
            residual: 1e-12,
            progress: 0.0,
            refresh: 0,
        },
        acceptance: Acceptance::Finite,
        trust: Trust::unbounded(),
        retries: 0,
        ..NaturalGradient::default()
    }
}

/// One step solves (C + λI + λμM) d = −g.
fn step_solves<C: Curvature<f64>>(
    case: &Case,
    curvature: &DMatrix<f64>,
    damping: f64,
    weight: f64,
) -> Result<(), TestCaseError> {
    let system = curvature + hidden_metric(case) * (damping * weight);
    let n = system.nrows();
    // Negative curvature is another matter.
    prop_assume!(smallest_eigenvalue(&system) > -0.5 * damping);
    let subject = Subject::<f64>::new(case);
    let (after, reports) = subject.steps(solving::<C>(damping, weight), 1);
    prop_assert_eq!(reports[0].outcome, Outcome::Accepted);
    prop_assume!(reports[0].solve.expect("a solve").solve.status == Status::Residual);
    let gradient = case.network.gradient(&case.params, &case.examples);
    let shift = DVector::from_element(n, damping);
    let expected = -solve_damped(&system, &shift, &gradient);
    let found = DVector::from_vec(after) - DVector::from_column_slice(&case.params);
    let off = (&found - &expected).norm();
    prop_assert!(
        off <= STEP * expected.norm() / damping.min(1.0),
        "{off:e} off, of {:e}",
        expected.norm()
    );
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// Structural damping is the dense metric of the hidden units, for every activation.
    #[test]
    fn structural_damping_is_the_metric_of_the_hidden_units(
        (case, weight) in (moderate(DENSE), 0.01..10.0_f64)
    ) {
        let fisher = case.network.fisher_by_enumeration(&case.params, &case.examples);
        let dense = fisher + hidden_metric(&case) * weight;
        let subject = Subject::<f64>::new(&case);
        let (found, form) = with_tile!(case.shape.tile, TILE => {
            let mut scratch = vec![f64::NAN; Pass::Product.scratch_len(&subject.model(), TILE)];
            let mlp = Mlp::<f64, TILE>::new(subject.model(), &subject.params, &mut scratch);
            let metric = Fisher::new(mlp.expect("an mlp"), subject.unlabelled());
            let mut metric = metric.expect("a metric").with_structure(weight);
            let mut out = vec![f64::NAN; metric.dim()];
            let form = metric.apply(&narrow::<f64>(&case.v), &mut out);
            (widen(&out), form)
        });
        let v = DVector::from_column_slice(&case.v);
        let expected = &dense * &v;
        let slack = DENSE_PRODUCT * dense.norm() * v.norm();
        let off = (DVector::from_vec(found) - &expected).norm();
        prop_assert!(off <= slack, "{off:e} off, {slack:e} allowed");
        let off = (form - expected.dot(&v)).abs();
        prop_assert!(off <= slack * v.norm(), "{off:e} off in vᵀAv");
    }

    /// No weight, no bits.
    #[test]
    fn structural_damping_of_weight_0_is_none(case in moderate(DENSE)) {
        let subject = Subject::<f64>::new(&case);
        let plain = exact::<Unpreconditioned, natgrad::damping::Tikhonov>(0.5);
        let (expected, _) = subject.steps(plain, 2);
        let mut none = solving::<curvature::Natural>(0.5, 0.0);
        none.retries = plain.retries;
        let (found, _) = subject.steps(none, 2);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_structural_step_solves_its_system(
        (case, damping, weight) in (moderate(DENSE), 0.01..1.0_f64, 0.01..3.0_f64)
    ) {
        let fisher = case.network.fisher_by_enumeration(&case.params, &case.examples);
        step_solves::<curvature::Natural>(&case, &fisher, damping, weight)?;
    }

    /// The same step with the empirical Fisher in the place of the Fisher.
    #[test]
    fn an_empirical_step_solves_its_system(
        (case, damping, weight) in (moderate(DENSE), 0.01..1.0_f64, 0.01..3.0_f64)
    ) {
        let fisher = case.network.empirical_fisher(&case.params, &case.examples);
        step_solves::<curvature::Empirical>(&case, &fisher, damping, weight)?;
    }

    /// The same with the Hessian, where the damping makes it positive.
    #[test]
    fn a_newton_step_solves_its_system(
        (case, damping, weight) in (moderate(DENSE), 1.0..30.0_f64, 0.01..0.3_f64)
    ) {
        prop_assume!(case.clear_of_kinks());
        let hessian = case.network.hessian(&case.params, &case.examples);
        step_solves::<curvature::Newton>(&case, &hessian, damping, weight)?;
    }

    /// Hessian-Free without its extras is natural gradient: its step solves with the extended
    /// Gauss-Newton matrix, which the oracle builds from the Hessian of the loss by the logits.
    #[test]
    fn hessian_free_without_its_extras_is_natural_gradient(
        (case, damping) in (moderate(DENSE), 0.01..3.0_f64)
    ) {
        let extended = case.network.gauss_newton(&case.params, &case.examples);
        let bare = solving::<curvature::Natural>(damping, 0.0);
        let martens = HessianFree::<f64, 0>::hessian_free(damping);
        // The preconditioner stays: it changes the way to the solution, not the solution.
        let method = HessianFree::<f64, 0> {
            stop: bare.stop,
            warm_start: 0.0,
            line_search: natgrad::line_search::LineSearch::Fixed,
            acceptance: Acceptance::Finite,
            ..martens
        };
        let (after, reports) = Subject::<f64>::new(&case).steps(method, 1);
        prop_assume!(reports[0].solve.expect("a solve").solve.status == Status::Residual);
        let gradient = case.network.gradient(&case.params, &case.examples);
        let shift = DVector::from_element(gradient.len(), damping);
        let expected = -solve_damped(&extended, &shift, &gradient);
        let found = DVector::from_vec(after) - DVector::from_column_slice(&case.params);
        let off = (&found - &expected).norm();
        prop_assert!(off <= STEP * expected.norm() / damping.min(1.0), "{off:e} off");
    }
}
