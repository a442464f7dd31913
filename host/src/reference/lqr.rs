//! The exact damped natural-gradient step as a linear-quadratic regulator over the layers.
//!
//! Linearised, a network is a dynamical system: the state is the change of what a layer puts out, stacked over
//! the examples, and the control is the change of its parameters. The damped quadratic model of the loss is the cost
//! of a trajectory, and so its minimiser d = −(F + λI)⁻¹g comes from one sweep down the layers and one up, without J,
//! F, or any matrix of P rows:
//!
//! ```text
//! xᵢ = Aᵢxᵢ₋₁ + Bᵢuᵢ, x₀ = 0          Aᵢ = diag(φ′ᵢ)Wᵢ of each example, Bᵢu = φ′ᵢ ∘ (ΔW aᵢ₋₁ + Δb)
//! min ½λ Σᵢ|uᵢ|² + ½xᵀVx + l·x        of x = x_L, V = diag_b(wᵦHᵦ), l = (wᵦ(pᵦ − tᵦ)), wᵦ shares that sum to 1
//!
//! M = BBᵀ                             entry ((b,r),(c,s)) = δᵣₛ φ′ᵦᵣφ′꜀ᵣ(aᵦ·a꜀ + 1)
//! down   C = (λI + VM)⁻¹              V ← λAᵀCVA, l ← λAᵀCl
//! up     y = C(VAx + l), u = −Bᵀy     x ← Ax − My
//! ```
//!
//! With a root V = SSᵀ of n = BK columns, and l = Sr, the systems are of n unknowns, for one example K:
//!
//! ```text
//! T = λI + SᵀMS = LLᵀ                 CV = ST⁻¹Sᵀ, Cl = ST⁻¹r
//! down   S ← √λ AᵀSL⁻ᵀ                r ← √λ L⁻¹r
//! up     y = ST⁻¹(SᵀAx + r)
//! ```
//!
//! r in the place of l is a matter of digits: Cl = (l − ST⁻¹SᵀMl)/λ, by the push-through identity, is a difference of
//! which λ|Cl| is left.
//!
//! # Why the core solves by the Gram matrix instead
//! Let Gᵢ = SᵀMS of layer i alone, with S passed down by Aᵀ and nothing else. Then T of the last layer is λI + G_L, and
//! of the one below λL⁻¹(λI + G_L + G_{L−1})L⁻ᵀ: the recursion factors λI + ΣᵢGᵢ, which is the system of
//! [`Gram`](natgrad::optimizer::Gram), a layer at a time. S costs what the backward passes of the Gram form cost, and
//! SᵀMS what its entries do; what comes on top is a factor per layer, SL⁻ᵀ, and a sweep up in the place of one gradient.
//! For one example, in multiply-accumulates and in numbers kept beside θ and d:
//!
//! | network | K | Gram | LQR | Gram keeps | LQR keeps |
//! |---|---|---|---|---|---|
//! | 8-16-4 | 4 | 984 | 1,264 | 126 | 204 |
//! | 100-8-1 | 1 | 1,753 | 1,786 | 121 | 155 |
//!
//! It would also need root and sweeps of its own beside passes that are there. What it could do and the Gram form
//! cannot is to stop at a layer, or to add curvature of hidden units to V on the way; neither is part of a
//! natural gradient.
//!
//! Reference: Layerwise LQR, arXiv 2605.04230.

use super::{Examples, Reference, scalar};
use nalgebra::{Cholesky, DMatrix, DVector};
use natgrad::Likelihood;
use num_dual::Dual64;

/// A layer about its parameters: a stage of the system.
struct Stage {
    /// W `[out × in]`.
    weights: DMatrix<f64>,
    /// aᵢ₋₁ `[in]` of each example.
    inputs: Vec<DVector<f64>>,
    /// φ′ᵢ `[out]` of each example.
    slopes: Vec<DVector<f64>>,
}

impl Stage {
    /// Ax, stacked over the examples `[B·out × columns]`, of x `[B·in × columns]`.
    fn transition(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        let (fan_out, fan_in) = self.weights.shape();
        let mut out = DMatrix::zeros(self.slopes.len() * fan_out, x.ncols());
        for (b, slope) in self.slopes.iter().enumerate() {
            let mut block = &self.weights * x.rows(b * fan_in, fan_in);
            for mut column in block.column_iter_mut() {
                column.component_mul_assign(slope);
            }
            out.rows_mut(b * fan_out, fan_out).copy_from(&block);
        }
        out
    }

    /// Aᵀx `[B·in × columns]` of x `[B·out × columns]`.
    fn transposed(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        let (fan_out, fan_in) = self.weights.shape();
        let mut out = DMatrix::zeros(self.slopes.len() * fan_in, x.ncols());
        for (b, slope) in self.slopes.iter().enumerate() {
            let mut block = x.rows(b * fan_out, fan_out).into_owned();
            for mut column in block.column_iter_mut() {
                column.component_mul_assign(slope);
            }
            out.rows_mut(b * fan_in, fan_in)
                .copy_from(&self.weights.tr_mul(&block));
        }
        out
    }

    /// M `[B·out × B·out]`.
    fn reach(&self) -> DMatrix<f64> {
        let fan_out = self.weights.nrows();
        let order = self.slopes.len() * fan_out;
        let mut reach = DMatrix::zeros(order, order);
        for (b, (a, slope)) in self.inputs.iter().zip(&self.slopes).enumerate() {
            for (c, (other, rival)) in self.inputs.iter().zip(&self.slopes).enumerate() {
                let along = a.dot(other) + 1.0;
                for r in 0..fan_out {
                    reach[(b * fan_out + r, c * fan_out + r)] = slope[r] * rival[r] * along;
                }
            }
        }
        reach
    }

    /// The diagonal of M of one example: φ′²(|a|² + 1).
    fn reach_of_one(&self) -> DVector<f64> {
        let along = self.inputs[0].norm_squared() + 1.0;
        self.slopes[0].map(|slope| slope * slope * along)
    }

    /// Appends u = −Bᵀy: the weights row by row, then the biases.
    fn push_control(&self, y: &DVector<f64>, step: &mut Vec<f64>) {
        let (fan_out, fan_in) = self.weights.shape();
        let mut weights = DMatrix::zeros(fan_out, fan_in);
        let mut biases = DVector::zeros(fan_out);
        for (b, (a, slope)) in self.inputs.iter().zip(&self.slopes).enumerate() {
            let seed = y.rows(b * fan_out, fan_out).component_mul(slope);
            weights -= &seed * a.transpose();
            biases -= seed;
        }
        step.extend(weights.transpose().iter());
        step.extend(biases.iter());
    }
}

impl Reference {
    /// d = −(F + λI)⁻¹g `[P]` of a batch, by the recursion in the space of the states, stacked over the examples.
    ///
    /// λ > 0 is in the unit of F. Cost: for each layer of m units a system of B m unknowns and products of
    /// that order, some (B m)³. Memory: L matrices of B m rows.
    ///
    /// # Panics
    /// When a length does not fit, or λ is so small that λI + VM is singular to rounding.
    pub fn lqr_step(&self, params: &[f64], examples: &Examples, damping: f64) -> DVector<f64> {
        let total = examples.total_weight();
        let pairs: Vec<_> = examples.weighted_pairs().collect();
        let inputs: Vec<_> = pairs.iter().map(|&(_, input, _)| input).collect();
        let (stages, logits) = self.stages(params, &inputs);
        let outputs = self.logits();
        let order = pairs.len() * outputs;
        let mut value = DMatrix::zeros(order, order);
        let mut slope = DMatrix::zeros(order, 1);
        for (b, (&(weight, _, target), z)) in pairs.iter().zip(&logits).enumerate() {
            let share = weight / total;
            let first = b * outputs;
            let block = self.output_hessian(z) * share;
            value
                .view_mut((first, first), (outputs, outputs))
                .copy_from(&block);
            for (k, (p, t)) in self.predict(z).iter().zip(target).enumerate() {
                slope[first + k] = share * (p - t);
            }
        }

        let mut gains = Vec::with_capacity(stages.len());
        for stage in stages.iter().rev() {
            let reach = stage.reach();
            let mut damped = &value * &reach;
            for i in 0..damped.nrows() {
                damped[(i, i)] += damping;
            }
            let damped = damped.lu();
            let solved = |rhs: &DMatrix<f64>| damped.solve(rhs).expect("λI + VM is singular");
            let (gain, drift) = (solved(&value), solved(&slope));
            let half = stage.transposed(&gain);
            let whole = stage.transposed(&half.transpose()) * damping;
            value = (&whole + whole.transpose()) * 0.5;
            slope = stage.transposed(&drift) * damping;
            gains.push((reach, gain, drift));
        }

        let mut state = DMatrix::zeros(pairs.len() * self.widths[0], 1);
        let mut step = Vec::with_capacity(self.params());
        for (stage, (reach, gain, drift)) in stages.iter().zip(gains.into_iter().rev()) {
            let moved = stage.transition(&state);
            let y = gain * &moved + drift;
            stage.push_control(&y.column(0).into_owned(), &mut step);
            state = moved - reach * y;
        }
        step.into()
    }

    /// The same of one example of weight 1, by the recursion of the root of V: no system has more than K unknowns.
    ///
    /// λ > 0 is in the unit of F. Cost: as K + 3 backward passes, K² multiplications for every unit, and K³/6 for
    /// every layer. Memory: K numbers for every unit, K² for every layer.
    ///
    /// # Panics
    /// When a length does not fit, or λ is not positive.
    pub fn lqr_step_of_one(
        &self,
        params: &[f64],
        input: &[f64],
        target: &[f64],
        damping: f64,
    ) -> DVector<f64> {
        let (stages, logits) = self.stages(params, &[input]);
        let (mut root, mut residual) = self.whitened(&logits[0], target);
        let mut gains = Vec::with_capacity(stages.len());
        for stage in stages.iter().rev() {
            let reach = stage.reach_of_one();
            let mut weighted = root.clone();
            for mut column in weighted.column_iter_mut() {
                column.component_mul_assign(&reach);
            }
            let mut system = root.tr_mul(&weighted);
            for k in 0..system.nrows() {
                system[(k, k)] += damping;
            }
            let factor = Cholesky::new(system).expect("λI + SᵀMS is positive definite");
            let lower = factor.l();
            let unused = "a factor has a positive diagonal";
            let shared = lower.solve_lower_triangular(&root.transpose());
            let next = stage.transposed(&shared.expect(unused).transpose()) * damping.sqrt();
            let passed = lower.solve_lower_triangular(&residual).expect(unused) * damping.sqrt();
            gains.push((reach, root, residual, factor));
            (root, residual) = (next, passed);
        }

        let mut state = DMatrix::zeros(self.widths[0], 1);
        let mut step = Vec::with_capacity(self.params());
        for (stage, (reach, root, residual, factor)) in stages.iter().zip(gains.into_iter().rev()) {
            let moved = stage.transition(&state);
            let y = &root * factor.solve(&(root.tr_mul(&moved.column(0)) + residual));
            stage.push_control(&y, &mut step);
            state = moved;
            state -= reach.component_mul(&y);
        }
        step.into()
    }

    /// The layers about their parameters, and the logits of each input.
    fn stages(&self, params: &[f64], inputs: &[&[f64]]) -> (Vec<Stage>, Vec<Vec<f64>>) {
        let last = self.widths.len() - 2;
        let mut values: Vec<DVector<f64>> = inputs
            .iter()
            .map(|&input| DVector::from_column_slice(input))
            .collect();
        let mut rest = params;
        let mut stages = Vec::with_capacity(last + 1);
        for (index, layer) in self.widths.windows(2).enumerate() {
            let (weights, tail) = rest.split_at(layer[0] * layer[1]);
            let (biases, tail) = tail.split_at(layer[1]);
            rest = tail;
            let weights = DMatrix::from_row_slice(layer[1], layer[0], weights);
            let biases = DVector::from_column_slice(biases);
            let (outs, slopes) = values
                .iter()
                .map(|a| {
                    let z = &weights * a + &biases;
                    if index == last {
                        let ones = z.map(|_| 1.0);
                        return (z, ones);
                    }
                    let units = z.map(|z| scalar::activate(self.activation, Dual64::new(z, 1.0)));
                    (units.map(|unit| unit.re), units.map(|unit| unit.eps))
                })
                .unzip();
            let inputs = core::mem::replace(&mut values, outs);
            stages.push(Stage {
                weights,
                inputs,
                slopes,
            });
        }
        let logits = values.iter().map(|z| z.as_slice().to_vec()).collect();
        (stages, logits)
    }

    /// S `[K × K]` with SSᵀ = H, and r `[K]` with Sr = p − t, of one example: the residual in units of its deviation
    /// under the model.
    ///
    /// S = I, diag(√(p(1 − p))), diag(√p) − p√pᵀ; r = z − t, (p − t)/√(p(1 − p)), (p − t)/√p. Infinite where p
    /// underflows, at logits some 700 apart. Cost: K².
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn whitened(&self, logits: &[f64], target: &[f64]) -> (DMatrix<f64>, DVector<f64>) {
        let means = DVector::from_vec(self.predict(logits));
        let target = DVector::from_column_slice(target);
        match self.likelihood {
            Likelihood::Gaussian => (DMatrix::identity(means.len(), means.len()), means - target),
            Likelihood::Bernoulli => {
                let opposite: Vec<f64> = logits.iter().map(|z| -z).collect();
                let complement = DVector::from_vec(self.predict(&opposite));
                let deviations = means.component_mul(&complement).map(f64::sqrt);
                let residual = (means - target).component_div(&deviations);
                (DMatrix::from_diagonal(&deviations), residual)
            }
            Likelihood::Categorical => {
                let roots = means.map(f64::sqrt);
                let root = DMatrix::from_diagonal(&roots) - &means * roots.transpose();
                (root, (means - target).component_div(&roots))
            }
        }
    }
}
