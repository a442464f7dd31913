//! Every pass: the core in `f64` against the oracle, and the core in `f32` against the core in `f64`.

use natgrad::Scalar;
use proptest::prelude::*;

use super::bound::Bounds;
use super::strategies::{Case, Draw, LARGE, cases, config};
use super::subject::{Curvature, Subject};
use super::tolerance::{ROUNDING, close, close_number};

/// u `[B × K]`.
fn cotangents(case: &Case) -> Vec<f64> {
    let len = case.examples.inputs.len() * case.network.logits();
    Draw::new(case.shape.seed ^ 1).vector(len, 1.0)
}

/// All passes of one precision.
struct Results {
    outputs: Vec<f64>,
    predictions: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
    jvp: Vec<f64>,
    vjp: Vec<f64>,
    hvp: Vec<f64>,
    quad: f64,
}

impl Results {
    fn of_core<T: Scalar>(case: &Case) -> Result<Self, TestCaseError> {
        let subject = Subject::<T>::new(case);
        let (gradient, loss) = subject.gradient();
        prop_assert_eq!(
            loss.to_bits(),
            subject.loss().to_bits(),
            "loss of two passes"
        );
        let (hvp, quad) = subject.hvp(&case.v);
        Ok(Self {
            outputs: subject.outputs(),
            predictions: subject.predict(),
            loss,
            gradient,
            jvp: subject.jvp(&case.v),
            vjp: subject.vjp(&cotangents(case)),
            hvp,
            quad,
        })
    }

    fn of_oracle(case: &Case) -> Self {
        let Case {
            network,
            params,
            examples,
            v,
            ..
        } = case;
        let each = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
            examples.inputs.iter().flat_map(|x| f(x)).collect()
        };
        let mut vjp = vec![0.0; params.len()];
        let cotangents = cotangents(case);
        for (x, u) in examples
            .inputs
            .iter()
            .zip(cotangents.chunks(network.logits()))
        {
            for (sum, term) in vjp.iter_mut().zip(network.vjp(params, x, u).iter()) {
                *sum += term;
            }
        }
        Self {
            outputs: each(&|x| network.outputs(params, x)),
            predictions: each(&|x| network.predict(&network.outputs(params, x))),
            loss: network.loss(params, examples),
            gradient: network.gradient(params, examples).as_slice().to_vec(),
            jvp: each(&|x| network.jvp(params, x, v).as_slice().to_vec()),
            vjp,
            hvp: network
                .hessian_product(params, examples, v)
                .as_slice()
                .to_vec(),
            quad: network.hessian_quadratic_form(params, examples, v),
        }
    }

    fn agree<T: Scalar>(&self, expected: &Self, case: &Case) -> Result<(), TestCaseError> {
        let bounds = Bounds::new(case);
        let (hvp, quad) = bounds.product(Curvature::Hessian, &case.v);
        let tolerance = ROUNDING;
        let vjp = bounds.vjp(f64::from(24_u8).sqrt());
        close::<T>(
            "outputs",
            &self.outputs,
            &expected.outputs,
            tolerance,
            bounds.logits,
        )?;
        close::<T>(
            "predictions",
            &self.predictions,
            &expected.predictions,
            tolerance,
            bounds.prediction(),
        )?;
        close_number::<T>("loss", self.loss, expected.loss, tolerance, bounds.loss())?;
        close::<T>(
            "gradient",
            &self.gradient,
            &expected.gradient,
            tolerance,
            bounds.gradient(),
        )?;
        close::<T>(
            "Jv",
            &self.jvp,
            &expected.jvp,
            tolerance,
            bounds.jvp(&case.v),
        )?;
        close::<T>("Jᵀu", &self.vjp, &expected.vjp, tolerance, vjp)?;
        close::<T>("Hv", &self.hvp, &expected.hvp, tolerance, hvp)?;
        close_number::<T>("vᵀHv", self.quad, expected.quad, tolerance, quad)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_pass_agrees_with_the_oracle(case in cases(LARGE)) {
        Results::of_core::<f64>(&case)?.agree::<f64>(&Results::of_oracle(&case), &case)?;
    }

    #[test]
    fn every_pass_in_f32_agrees_with_f64(case in cases(LARGE)) {
        prop_assume!(case.clear_of_kinks());
        let expected = Results::of_core::<f64>(&case)?;
        Results::of_core::<f32>(&case)?.agree::<f32>(&expected, &case)?;
    }
}
