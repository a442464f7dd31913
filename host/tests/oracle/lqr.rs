//! One step by five ways: in output space, as a regulator over the layers (two forms), by conjugate gradients run to
//! convergence, and by the dense system.

use nalgebra::{DMatrix, DVector};
use natgrad::damping::Tikhonov;
use natgrad::krylov::{Cg, Start, Stop, System, solve};
use natgrad::operator::{Damped, Identity};
use natgrad::optimizer::PushThrough;
use natgrad_host::reference::solve_damped;
use proptest::prelude::*;

use super::gram::direction;
use super::strategies::{Case, DENSE, Limits, config, moderate};
use super::subject::{Curvature, Subject};
use super::tolerance::{REGULATOR, SAME_STEP};

/// F + λI and its step.
struct Dense {
    damped: DMatrix<f64>,
    damping: f64,
    step: DVector<f64>,
}

impl Dense {
    /// λ relative to tr F/K, which is the mean diagonal of the Gram matrix.
    fn new(case: &Case, relative: f64) -> Self {
        let (network, params) = (&case.network, &case.params);
        let fisher = network.gauss_newton(params, &case.examples);
        let outputs = u32::try_from(network.logits()).expect("widths are small");
        let damping = relative * fisher.trace() / f64::from(outputs);
        let n = params.len();
        let all = DVector::from_element(n, damping);
        let rhs = -network.gradient(params, &case.examples);
        Self {
            step: solve_damped(&fisher, &all, &rhs),
            damped: fisher + DMatrix::from_diagonal(&all),
            damping,
        }
    }

    /// How far a step is from the dense one, in the norm of F + λI and relative to it.
    fn off(&self, step: &DVector<f64>) -> f64 {
        let norm = |v: &DVector<f64>| v.dot(&(&self.damped * v)).sqrt();
        norm(&(step - &self.step)) / norm(&self.step)
    }
}

/// −(F + λI)⁻¹g with nothing to stop it but the residual and the limit.
fn conjugate_gradients(case: &Case, damping: f64) -> DVector<f64> {
    let subject = Subject::<f64>::new(case);
    let (gradient, _) = subject.gradient();
    let n = gradient.len();
    let rhs: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut memory = vec![0.0; 4 * n];
    let stop = Stop {
        iterations: 3_000,
        residual: 1e-12,
        progress: 0.0,
        refresh: 0,
    };
    subject.with(Curvature::Fisher, |fisher| {
        let system = System {
            operator: &mut Damped::new(fisher, Identity::scaled(n, damping)),
            preconditioner: &mut Identity::new(n),
            rhs: &rhs,
        };
        solve::<f64, Cg>(system, &stop, Start::Zero, &mut memory);
    });
    DVector::from_column_slice(&memory[..n])
}

/// 1 to 10⁻⁶.
fn dampings() -> impl Strategy<Value = f64> {
    (0.0..6.0_f64).prop_map(|digits| 10_f64.powf(-digits))
}

/// Every way but that of one example.
fn agree(case: &Case, relative: f64) -> Result<Dense, TestCaseError> {
    let dense = Dense::new(case, relative);
    prop_assume!(dense.step.norm() > 0.0);
    let close = |what: &str, step: &DVector<f64>, tolerance: f64| {
        let off = dense.off(step);
        prop_assert!(off <= tolerance, "{what} is off by {off:e} of the step");
        Ok(())
    };
    let gram = direction::<f64, Tikhonov, PushThrough>(case, relative);
    let gram = gram.expect("a matrix that is positive definite").into();
    close("Gram", &gram, SAME_STEP)?;
    let (network, params) = (&case.network, &case.params);
    let regulator = network.lqr_step(params, &case.examples, dense.damping);
    close("LQR", &regulator, REGULATOR)?;
    let iterated = conjugate_gradients(case, dense.damping);
    close("CG", &iterated, SAME_STEP)?;
    Ok(dense)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn gram_regulator_cg_and_the_dense_solve_are_one_step(
        (case, relative) in (moderate(DENSE), dampings())
    ) {
        agree(&case, relative)?;
    }

    /// With systems of K unknowns.
    #[test]
    fn of_one_example_the_regulator_of_the_root_is_that_step_too(
        (case, relative) in (moderate(Limits { batch: 1, ..DENSE }), dampings())
    ) {
        let dense = agree(&case, relative)?;
        let (input, target) = (&case.examples.inputs[0], &case.examples.targets[0]);
        let step = case.network.lqr_step_of_one(&case.params, input, target, dense.damping);
        let off = dense.off(&step);
        prop_assert!(off <= SAME_STEP, "LQR of one example is off by {off:e} of the step");
    }
}
