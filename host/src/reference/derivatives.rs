//! Gradient, Jacobian, Hessian and directional products, by forward automatic differentiation.
//!
//! A dual number a + b ε with ε² = 0 carries a value and a derivative through any arithmetic. One pass
//! of the network here carries the derivatives in `LANES` coordinates at once, so a gradient costs
//! P / `LANES` passes: quadratic in P, which is the price of sharing nothing with backpropagation.
//! Second derivatives nest the numbers: the Hessian is the Jacobian of the gradient.

use super::{Examples, Reference};
use nalgebra::{DMatrix, DVector};
use num_dual::{Dual2_64, Dual64, DualNum, DualSVec};

/// Coordinates that one pass differentiates at once.
const LANES: usize = 8;

/// A number with its derivatives in [`LANES`] coordinates.
type Lanes<T> = DualSVec<T, LANES>;

/// The Jacobian of f at a point, as one vector of output derivatives per coordinate: entry `[j][k]` is
/// `∂f_k/∂x_j`.
fn jacobian_columns<T: DualNum<Primitive = f64> + Copy>(
    point: &[T],
    f: impl Fn(&[Lanes<T>]) -> Vec<Lanes<T>>,
) -> Vec<Vec<T>> {
    let mut columns = Vec::with_capacity(point.len());
    for start in (0..point.len()).step_by(LANES) {
        let lanes = start..point.len().min(start + LANES);
        let variables: Vec<Lanes<T>> = point
            .iter()
            .enumerate()
            .map(|(j, &x)| {
                let constant = Lanes::from_re(x);
                if lanes.contains(&j) {
                    constant.derivative(j - start)
                } else {
                    constant
                }
            })
            .collect();
        let outputs = f(&variables);
        columns.extend(lanes.map(|j| {
            let derivative = |output: &Lanes<T>| output.eps.0.map_or(T::zero(), |d| d[j - start]);
            outputs.iter().map(derivative).collect()
        }));
    }
    columns
}

/// The gradient of a scalar f at a point.
fn gradient_entries<T: DualNum<Primitive = f64> + Copy>(
    point: &[T],
    f: impl Fn(&[Lanes<T>]) -> Lanes<T>,
) -> Vec<T> {
    jacobian_columns(point, |x| vec![f(x)]).concat()
}

/// The Hessian of a scalar f at a point: the Jacobian of its gradient. Both triangles are computed.
fn hessian_matrix(
    point: &[f64],
    f: impl Fn(&[Lanes<Lanes<f64>>]) -> Lanes<Lanes<f64>>,
) -> DMatrix<f64> {
    let columns = jacobian_columns(point, |x| gradient_entries(x, &f));
    DMatrix::from_vec(point.len(), point.len(), columns.concat())
}

/// The dual numbers `θ_j + v_j ε`, whose ε parts become derivatives along v.
fn along(params: &[f64], v: &[f64]) -> Vec<Dual64> {
    assert_eq!(params.len(), v.len(), "length of the direction");
    let pairs = params.iter().zip(v);
    pairs.map(|(&theta, &v)| Dual64::new(theta, v)).collect()
}

impl Reference {
    /// ∇L(θ) `[P]`. Cost: B P / 8 passes.
    pub fn gradient(&self, params: &[f64], examples: &Examples) -> DVector<f64> {
        gradient_entries(params, |theta| self.loss(theta, examples)).into()
    }

    /// The gradients of single examples, not weighted: column b of `[P × B]` is `∇ℓ_b(θ)`, or zero
    /// for an example of weight 0. Cost: as [`gradient`](Self::gradient).
    ///
    /// # Panics
    /// When there are not as many weights or targets as inputs.
    pub fn example_gradients(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        let count = examples.inputs.len();
        assert_eq!(count, examples.weights.len(), "one weight per input");
        assert_eq!(
            count,
            examples.targets.len(),
            "one target per input: this quantity needs labels"
        );
        let mut gradients = DMatrix::zeros(self.params(), count);
        for (b, mut column) in gradients.column_iter_mut().enumerate() {
            if examples.weights[b] != 0.0 {
                let (input, target) = (&examples.inputs[b], &examples.targets[b]);
                let gradient = gradient_entries(params, |theta| {
                    self.example_loss(&self.outputs(theta, input), target)
                });
                column.copy_from_slice(&gradient);
            }
        }
        gradients
    }

    /// The Jacobian of the logits of one input, J = ∂z/∂θ `[K × P]`. Cost: P / 8 passes.
    pub fn jacobian(&self, params: &[f64], input: &[f64]) -> DMatrix<f64> {
        let columns = jacobian_columns(params, |theta| self.outputs(theta, input));
        DMatrix::from_vec(self.logits(), self.params(), columns.concat())
    }

    /// J v `[K]`, the derivative of the logits of one input along v (Pearlmutter's R{z}). Cost: one
    /// pass.
    pub fn jvp(&self, params: &[f64], input: &[f64], v: &[f64]) -> DVector<f64> {
        let outputs = self.outputs(&along(params, v), input);
        DVector::from_iterator(outputs.len(), outputs.iter().map(|z| z.eps))
    }

    /// Jᵀ u `[P]`, by way of the Jacobian. Cost: P / 8 passes.
    ///
    /// # Panics
    /// When `u` does not have one entry per logit.
    pub fn vjp(&self, params: &[f64], input: &[f64], u: &[f64]) -> DVector<f64> {
        assert_eq!(u.len(), self.logits(), "length of the cotangent");
        self.jacobian(params, input)
            .tr_mul(&DVector::from_column_slice(u))
    }

    /// ∇²L(θ) `[P × P]`, not symmetrised. Cost: B (P / 8)² passes on numbers of 81 parts, so meant for
    /// P up to about 300 and B up to about 8.
    pub fn hessian(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        hessian_matrix(params, |theta| self.loss(theta, examples))
    }

    /// ∇²L(θ) v `[P]`, the gradient of the derivative of L along v. Cost: B P / 8 passes.
    pub fn hessian_product(&self, params: &[f64], examples: &Examples, v: &[f64]) -> DVector<f64> {
        let gradient = gradient_entries(&along(params, v), |theta| self.loss(theta, examples));
        DVector::from_iterator(gradient.len(), gradient.iter().map(|g| g.eps))
    }

    /// vᵀ ∇²L(θ) v, the second derivative of L along v. Cost: B passes.
    ///
    /// # Panics
    /// When `v` and `params` differ in length.
    pub fn hessian_quadratic_form(&self, params: &[f64], examples: &Examples, v: &[f64]) -> f64 {
        assert_eq!(params.len(), v.len(), "length of the direction");
        let pairs = params.iter().zip(v);
        let line: Vec<Dual2_64> = pairs
            .map(|(&theta, &v)| Dual2_64::new(theta, v, 0.0))
            .collect();
        self.loss(&line, examples).v2
    }

    /// ∂ℓ/∂z `[K]` of one example.
    pub fn output_gradient(&self, logits: &[f64], target: &[f64]) -> DVector<f64> {
        gradient_entries(logits, |z| self.example_loss(z, target)).into()
    }

    /// `H_z = ∂²ℓ/∂z²` `[K × K]` of one example, which for these likelihoods does not depend on the
    /// target. Cost: of order K³.
    pub fn output_hessian(&self, logits: &[f64]) -> DMatrix<f64> {
        let any_target = self.predict(logits);
        hessian_matrix(logits, |z| self.example_loss(z, &any_target))
    }
}
