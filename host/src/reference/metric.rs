//! The Fisher metric by its definition, and the matrices that are compared with it.
//!
//! | name | matrix | targets |
//! |---|---|---|
//! | Fisher | `E_x E_{t ~ p(t∣x,θ)}[∇ℓ ∇ℓᵀ]` | enumerated from the model |
//! | Gauss–Newton | `E_x[Jᵀ H_z J]` | none |
//! | empirical Fisher | `E_{(x,t)}[∇ℓ ∇ℓᵀ]` | of the data |
//! | gradient covariance | `E_{(x,t)}[(∇ℓ − g)(∇ℓ − g)ᵀ]`, `g = E[∇ℓ]` | of the data |
//!
//! The first two are equal for matching pairs of likelihood and link (Pascanu and Bengio 2014,
//! section 5; Schraudolph 2002), and they are computed here by different ways.

use super::{Examples, Reference};
use nalgebra::{DMatrix, DVector};
use natgrad::Likelihood;

/// The largest number of Bernoulli outputs whose 2^K outcomes are enumerated.
const MAX_BERNOULLI_OUTPUTS: usize = 8;

impl Reference {
    /// The outcomes (probability, target) of p(t | z), such that `Σ p f(t) = E[f(t)]` exactly.
    ///
    /// - categorical: the K classes, one-hot
    /// - Bernoulli: the 2^K binary vectors, K ≤ 8
    /// - Gaussian: the 2 K sigma points `z ± √K e_k`, exact for every f of degree 2 or less in t
    ///
    /// # Panics
    /// When a Bernoulli likelihood has more than 8 outputs.
    pub fn model_targets(&self, logits: &[f64]) -> Vec<(f64, Vec<f64>)> {
        let outputs = logits.len();
        let predicted = self.predict(logits);
        match self.likelihood {
            Likelihood::Gaussian => {
                #[expect(clippy::cast_precision_loss, reason = "a count of outputs is small")]
                let count = outputs as f64;
                (0..outputs)
                    .flat_map(|k| [(k, count.sqrt()), (k, -count.sqrt())])
                    .map(|(k, offset)| {
                        let mut target = predicted.clone();
                        target[k] += offset;
                        (0.5 / count, target)
                    })
                    .collect()
            }
            Likelihood::Bernoulli => {
                assert!(
                    outputs <= MAX_BERNOULLI_OUTPUTS,
                    "2^K outcomes are enumerated for K up to {MAX_BERNOULLI_OUTPUTS}, not {outputs}"
                );
                // 1 − σ(z) = σ(−z), without the cancellation.
                let opposite: Vec<f64> = logits.iter().map(|z| -z).collect();
                let complement = self.predict(&opposite);
                (0..1_usize << outputs)
                    .map(|bits| {
                        let is_one = |k: usize| bits >> k & 1 == 1;
                        let probability = (0..outputs)
                            .map(|k| {
                                if is_one(k) {
                                    predicted[k]
                                } else {
                                    complement[k]
                                }
                            })
                            .product();
                        let target = (0..outputs).map(|k| f64::from(u8::from(is_one(k))));
                        (probability, target.collect())
                    })
                    .collect()
            }
            Likelihood::Categorical => predicted
                .iter()
                .enumerate()
                .map(|(class, &probability)| {
                    let mut target = vec![0.0; outputs];
                    target[class] = 1.0;
                    (probability, target)
                })
                .collect(),
        }
    }

    /// The same inputs with every target that the model itself may emit, each weighted by its
    /// probability at θ: means over the result are means over x of `E_{t ~ p(t|x,θ)}`. Labels are
    /// not read.
    pub fn with_model_targets(&self, params: &[f64], examples: &Examples) -> Examples {
        let mut enumerated = Examples {
            inputs: Vec::new(),
            targets: Vec::new(),
            weights: Vec::new(),
        };
        for (weight, input) in examples.weighted_inputs() {
            for (probability, target) in self.model_targets(&self.outputs(params, input)) {
                enumerated.inputs.push(input.to_vec());
                enumerated.targets.push(target);
                enumerated.weights.push(weight * probability);
            }
        }
        enumerated
    }

    /// The Fisher metric by its definition, `F = E_x E_{t ~ p(t|x,θ)}[∇ℓ ∇ℓᵀ]` `[P × P]`. Labels are
    /// not read. Cost: the gradient of every enumerated example, so P / 8 passes for each of K, 2^K or 2 K
    /// outcomes.
    pub fn fisher_by_enumeration(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        self.empirical_fisher(params, &self.with_model_targets(params, examples))
    }

    /// The extended Gauss–Newton matrix `E_x[Jᵀ H_z J]` `[P × P]` (Schraudolph 2002). Labels are not
    /// read. Cost: B P / 8 passes and B K P² multiplications.
    pub fn gauss_newton(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        let mut sum = DMatrix::zeros(self.params(), self.params());
        for (weight, input) in examples.weighted_inputs() {
            let jacobian = self.jacobian(params, input);
            let inner = self.output_hessian(&self.outputs(params, input));
            sum += jacobian.tr_mul(&(inner * &jacobian)) * weight;
        }
        sum / examples.total_weight()
    }

    /// F v `[P]` as `E_x[Jᵀ H_z J v]`, without the matrix. Labels are not read. Cost: B P / 8 passes.
    pub fn fisher_product(&self, params: &[f64], examples: &Examples, v: &[f64]) -> DVector<f64> {
        let mut sum = DVector::zeros(self.params());
        for (weight, input) in examples.weighted_inputs() {
            let inner = self.output_hessian(&self.outputs(params, input));
            let cotangent = inner * self.jvp(params, input, v);
            sum += self.vjp(params, input, cotangent.as_slice()) * weight;
        }
        sum / examples.total_weight()
    }

    /// vᵀ F v as `E_x[(J v)ᵀ H_z (J v)]`. Labels are not read. Cost: B passes and B K³.
    pub fn fisher_quadratic_form(&self, params: &[f64], examples: &Examples, v: &[f64]) -> f64 {
        let sum: f64 = examples
            .weighted_inputs()
            .map(|(weight, input)| {
                let tangent = self.jvp(params, input, v);
                let inner = self.output_hessian(&self.outputs(params, input));
                weight * tangent.dot(&(inner * &tangent))
            })
            .sum();
        sum / examples.total_weight()
    }

    /// The empirical Fisher matrix `E[∇ℓ ∇ℓᵀ]` `[P × P]`, not centred, with the targets of the data.
    /// Cost: B P / 8 passes and B P² multiplications.
    pub fn empirical_fisher(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        self.second_moment(params, examples, &DVector::zeros(self.params()))
    }

    /// The covariance of the gradients of single examples, `E[(∇ℓ − g)(∇ℓ − g)ᵀ]` with `g = E[∇ℓ]`
    /// `[P × P]` (Le Roux, Manzagol and Bengio 2007). Cost: twice that of
    /// [`empirical_fisher`](Self::empirical_fisher).
    pub fn gradient_covariance(&self, params: &[f64], examples: &Examples) -> DMatrix<f64> {
        self.second_moment(params, examples, &self.gradient(params, examples))
    }

    /// `E[(∇ℓ − c)(∇ℓ − c)ᵀ]` with the targets of the data.
    fn second_moment(
        &self,
        params: &[f64],
        examples: &Examples,
        centre: &DVector<f64>,
    ) -> DMatrix<f64> {
        let gradients = self.example_gradients(params, examples);
        let mut sum = DMatrix::zeros(self.params(), self.params());
        for (gradient, &weight) in gradients.column_iter().zip(&examples.weights) {
            let deviation = gradient - centre;
            sum.ger(weight, &deviation, &deviation, 1.0);
        }
        sum / examples.total_weight()
    }
}
