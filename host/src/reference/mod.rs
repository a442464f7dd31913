//! The oracle: every quantity of the core, computed again in `f64` from its definition.
//!
//! It shares no pass with the core. The core propagates derivatives backward by hand-written rules;
//! here a naive forward evaluation, generic over the number type, is run on dual numbers
//! ([`num_dual`]), and metrics are dense matrices built from their definitions. Agreement of the two
//! is evidence; speed is not the point, and the costs that matter are stated at each item.
//!
//! - [`Reference`] is the network with its likelihood: outputs, loss, predictions (this file), then
//!   gradient, Jacobian, Hessian and directional products (`derivatives`), then the Fisher metric and
//!   its rivals (`metric`), and the exact damped step as a regulator over the layers (`lqr`).
//! - [`Examples`] is the weighted sample over which means are taken.
//! - [`solve_damped`], [`minimum_norm_solve`] and [`smallest_eigenvalue`] are dense linear algebra.
//!
//! # Conventions
//! The network is `a_0 = x`, `a_i = φ(W_i a_{i−1} + b_i)`, and linear logits `z = W_L a_{L−1} + b_L`.
//! K is the number of logits, B of examples, P of parameters.
//!
//! Parameters are one flat vector: layer after layer, the weights `[out × in]` row-major, then the
//! biases `[out]` (the order of `PyTorch`'s `Linear`).
//!
//! Losses, gradients, Hessians and metrics are weighted means `Σ_b w_b (·)_b / Σ_b w_b` over
//! examples and sums over outputs. An example of weight 0 is not evaluated at all.
//!
//! # Reference
//! Pascanu and Bengio, *Revisiting Natural Gradient for Deep Networks*, arXiv 1301.3584, 2014.

mod derivatives;
mod lqr;
mod metric;
mod scalar;
mod solve;
#[cfg(test)]
mod tests;

pub use solve::{minimum_norm_solve, smallest_eigenvalue, solve_damped};

use natgrad::{Activation, Likelihood};
use num_dual::DualNum;

/// A multilayer perceptron with a likelihood on its logits, evaluated naively.
///
/// Every method panics when the length of an argument does not fit `widths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Widths of all layers, `[inputs, hidden…, K]`: at least two of them.
    pub widths: Vec<usize>,
    /// φ of every hidden layer; the last layer is linear.
    pub activation: Activation,
    /// What the logits mean.
    pub likelihood: Likelihood,
}

/// A weighted sample of inputs and targets.
///
/// The metric reads no target, so methods that say "labels are not read" accept empty `targets`.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// `[B × inputs]`
    pub inputs: Vec<Vec<f64>>,
    /// `[B × K]`: real for Gaussian, in [0, 1] for Bernoulli, a distribution for categorical; or
    /// empty for unlabelled examples.
    pub targets: Vec<Vec<f64>>,
    /// `[B]`, not negative and not all zero. An example of weight 0 is ignored, whatever it holds.
    pub weights: Vec<f64>,
}

impl Examples {
    /// Labelled examples of weight 1.
    pub fn new(inputs: Vec<Vec<f64>>, targets: Vec<Vec<f64>>) -> Self {
        let weights = vec![1.0; inputs.len()];
        Self {
            inputs,
            targets,
            weights,
        }
    }

    /// Examples of weight 1 without targets, for metrics that need no labels.
    pub fn unlabelled(inputs: Vec<Vec<f64>>) -> Self {
        Self::new(inputs, Vec::new())
    }

    /// `Σ_b w_b`
    ///
    /// # Panics
    /// When a weight is negative or not finite, or when the sum is not positive.
    pub fn total_weight(&self) -> f64 {
        assert!(
            self.weights.iter().all(|w| w.is_finite() && *w >= 0.0),
            "weights must be finite and not negative: {:?}",
            self.weights
        );
        let total = self.weights.iter().sum();
        assert!(
            total > 0.0,
            "a mean over no example (all weights are zero) is not defined"
        );
        total
    }

    /// The pairs `(w_b, x_b)` of the examples that count (`w_b ≠ 0`).
    ///
    /// # Panics
    /// When there are not as many weights as inputs.
    pub fn weighted_inputs(&self) -> impl Iterator<Item = (f64, &[f64])> {
        assert_eq!(
            self.inputs.len(),
            self.weights.len(),
            "one weight per input"
        );
        let all = self.weights.iter().zip(&self.inputs);
        all.map(|(&weight, input)| (weight, input.as_slice()))
            .filter(|&(weight, _)| weight != 0.0)
    }

    /// The triples `(w_b, x_b, t_b)` of the examples that count (`w_b ≠ 0`).
    ///
    /// # Panics
    /// When there are not as many weights or targets as inputs.
    pub fn weighted_pairs(&self) -> impl Iterator<Item = (f64, &[f64], &[f64])> {
        assert_eq!(
            self.inputs.len(),
            self.weights.len(),
            "one weight per input"
        );
        assert_eq!(
            self.inputs.len(),
            self.targets.len(),
            "one target per input: this quantity needs labels"
        );
        let all = self.weights.iter().zip(&self.inputs).zip(&self.targets);
        all.map(|((&weight, input), target)| (weight, input.as_slice(), target.as_slice()))
            .filter(|&(weight, _, _)| weight != 0.0)
    }
}

impl Reference {
    /// P, the number of parameters: `Σ_i (n_{i−1} + 1) n_i`.
    pub fn params(&self) -> usize {
        self.widths
            .windows(2)
            .map(|layer| (layer[0] + 1) * layer[1])
            .sum()
    }

    /// K, the number of logits.
    ///
    /// # Panics
    /// When `widths` is empty.
    pub fn logits(&self) -> usize {
        *self
            .widths
            .last()
            .expect("a network has at least two widths")
    }

    /// The logits z `[K]` of one input. Cost: P multiplications of the number type.
    ///
    /// # Panics
    /// When `widths` has fewer than two entries, or `params` or `input` a wrong length.
    pub fn outputs<D: DualNum<Primitive = f64>>(&self, params: &[D], input: &[f64]) -> Vec<D> {
        assert!(self.widths.len() >= 2, "a network has at least two widths");
        assert_eq!(params.len(), self.params(), "length of the parameters");
        assert_eq!(input.len(), self.widths[0], "length of the input");
        let last = self.widths.len() - 2;
        let mut values: Vec<D> = input.iter().map(|&x| D::from(x)).collect();
        let mut rest = params;
        for (index, layer) in self.widths.windows(2).enumerate() {
            let (weights, tail) = rest.split_at(layer[0] * layer[1]);
            let (biases, tail) = tail.split_at(layer[1]);
            rest = tail;
            values = biases
                .iter()
                .enumerate()
                .map(|(unit, bias)| {
                    let row = &weights[unit * layer[0]..(unit + 1) * layer[0]];
                    let z = row
                        .iter()
                        .zip(&values)
                        .fold(bias.clone(), |sum, (w, a)| sum + w.clone() * a);
                    if index == last {
                        z
                    } else {
                        scalar::activate(self.activation, z)
                    }
                })
                .collect();
        }
        values
    }

    /// The loss ℓ(z, t) = −log p(t | z) of one example, up to a constant in z.
    ///
    /// - Gaussian: `½ Σ_k (z_k − t_k)²`
    /// - Bernoulli: `Σ_k ln(1 + e^{z_k}) − t_k z_k`
    /// - categorical: `ln Σ_j e^{z_j} − Σ_k t_k z_k`, where `Σ_k t_k = 1`
    ///
    /// The exponentials are shifted so that none overflows, and so that the loss of a confident right
    /// answer, and its derivatives, keep their relative accuracy.
    ///
    /// # Panics
    /// When `logits` or `target` has a wrong length, or a categorical target does not sum to 1.
    pub fn example_loss<D: DualNum<Primitive = f64>>(&self, logits: &[D], target: &[f64]) -> D {
        assert_eq!(logits.len(), self.logits(), "number of logits");
        assert_eq!(target.len(), self.logits(), "length of the target");
        let pairs = logits.iter().zip(target);
        match self.likelihood {
            Likelihood::Gaussian => pairs
                .map(|(z, &t)| {
                    let error = z.clone() - t;
                    error.clone() * error * 0.5
                })
                .sum(),
            Likelihood::Bernoulli => pairs
                .map(|(z, &t)| scalar::binary_cross_entropy(z, t))
                .sum(),
            Likelihood::Categorical => {
                let mass: f64 = target.iter().sum();
                assert!(
                    (mass - 1.0).abs() < 1e-5,
                    "a categorical target must sum to 1, not {mass}"
                );
                let largest = scalar::position_of_largest(logits);
                let shifted = |z: &D| z.clone() - &logits[largest];
                let others: D = logits
                    .iter()
                    .enumerate()
                    .filter(|&(k, _)| k != largest)
                    .map(|(_, z)| shifted(z).exp())
                    .sum();
                let log_sum = others.ln_1p();
                pairs
                    .map(|(z, &t)| (log_sum.clone() - shifted(z)) * t)
                    .sum()
            }
        }
    }

    /// The mean of the targets under the model `[K]`: z, σ(z) or softmax(z).
    ///
    /// For these matching pairs of likelihood and link, ∂ℓ/∂z = prediction − t.
    ///
    /// # Panics
    /// When `logits` has a wrong length.
    pub fn predict(&self, logits: &[f64]) -> Vec<f64> {
        assert_eq!(logits.len(), self.logits(), "number of logits");
        match self.likelihood {
            Likelihood::Gaussian => logits.to_vec(),
            Likelihood::Bernoulli => logits.iter().map(scalar::logistic).collect(),
            Likelihood::Categorical => {
                let shift = logits[scalar::position_of_largest(logits)];
                let masses: Vec<f64> = logits.iter().map(|z| (z - shift).exp()).collect();
                let total: f64 = masses.iter().sum();
                masses.iter().map(|mass| mass / total).collect()
            }
        }
    }

    /// The mean loss `L(θ) = Σ_b w_b ℓ(z(θ, x_b), t_b) / Σ_b w_b`. Cost: B evaluations of the network.
    pub fn loss<D: DualNum<Primitive = f64>>(&self, params: &[D], examples: &Examples) -> D {
        let total = examples.total_weight();
        let sum: D = examples
            .weighted_pairs()
            .map(|(weight, input, target)| {
                self.example_loss(&self.outputs(params, input), target) * weight
            })
            .sum();
        sum / total
    }
}
