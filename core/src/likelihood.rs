//! The likelihood p(t | z) of the targets given the logits: its loss, the gradient of the loss and the
//! metric of its outputs.
//!
//! For these three (each with its matching output) the gradient of the loss by the logits is p − t, and
//! its Hessian H by the logits is the Fisher metric of the outputs, so that the extended Gauss-Newton
//! matrix *is* the Fisher (Pascanu & Bengio, sections 2.1 and 5; Schraudolph 2002). Everything is
//! computed from logits, in forms that neither overflow nor divide by a probability.
//!
//! Limits: p − t of a confident right answer is a difference of numbers near 1, and off by up to ε of 1. Beyond a
//! margin of the logits of about 17 in `f32` (36 in `f64`) the gradients of such an example have no digits left, nor
//! have a categorical's losses and, at the likeliest class, its products Hu. The losses of a Bernoulli and its Hu,
//! whitened residuals and forms uᵀHu keep theirs.
//!
//! Functions here work on a tile: `[K]` rows of one lane per example. Sums over the outputs run in index order.

use crate::activation::{logistic, softplus};
use crate::scalar::Scalar;

#[cfg(test)]
mod tests;

/// What the logits z `[K]` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Likelihood {
    /// t ~ N(z, I): loss ½ Σ (z − t)², mean z, H = I.
    ///
    /// Its variance is 1, so that the loss, λ and the bounds of [`Trust`](crate::line_search::Trust) are in squares of
    /// the targets' unit. Targets should be of order 1: less their mean, divided by their standard deviation. ¼ of
    /// [`Trust::kl`](crate::line_search::Trust::kl), the default of [`Gram`](crate::optimizer::Gram), lets the outputs
    /// change by about 0.7 of that unit per step, in the root mean square; without a bound, a natural-gradient step
    /// toward targets in the hundreds can saturate tanh units for good.
    Gaussian,
    /// Independent `t_k` ~ Bernoulli(p), p = σ(z): binary cross-entropy, `H = diag(p(1 − p))`.
    /// Targets are probabilities in `[0, 1]`.
    Bernoulli,
    /// t ~ Categorical(p), p = softmax(z): cross-entropy, H = diag(p) − ppᵀ.
    /// Targets are a class, or a distribution over the classes.
    Categorical,
}

/// Shift and normaliser of one example's softmax: (max z, Σ exp(z − max z)).
#[cfg_attr(target_os = "none", inline(never))]
fn softmax_parts<T: Scalar, const TILE: usize>(logits: &[[T; TILE]], lane: usize) -> (T, T) {
    let mut top = T::neg_infinity();
    for row in logits {
        top = at(row, lane).larger(top);
    }
    let mut sum = T::ZERO;
    for row in logits {
        sum += (at(row, lane) - top).exponential();
    }
    (top, sum)
}

/// The lane of a row. Total; the callers' lanes are below `TILE`.
#[inline]
fn at<T: Scalar, const TILE: usize>(row: &[T; TILE], lane: usize) -> T {
    row.get(lane).copied().unwrap_or(T::ZERO)
}

#[inline]
fn set<T: Scalar, const TILE: usize>(row: &mut [T; TILE], lane: usize, value: T) {
    if let Some(slot) = row.get_mut(lane) {
        *slot = value;
    }
}

impl Likelihood {
    /// ℓ(z, t) of the first `lanes` examples.
    ///
    /// Gaussian ½ Σ (z − t)²; Bernoulli Σ t softplus(−z) + (1 − t) softplus(z); categorical Σ tₖ (lse(z) − zₖ), with
    /// the largest logit subtracted before the exponentials.
    pub(crate) fn losses<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        lanes: usize,
    ) -> [T; TILE] {
        let mut losses = [T::ZERO; TILE];
        if self == Self::Gaussian {
            // By rows, here and below: a few operations, to which a walk along a lane would add as many again.
            for (z, t) in logits.iter().zip(targets) {
                for ((loss, &z), &t) in losses.iter_mut().zip(z).zip(t) {
                    *loss += T::HALF * ((z - t) * (z - t));
                }
            }
        } else {
            for (lane, loss) in losses.iter_mut().enumerate().take(lanes) {
                *loss = self.loss_by_functions(logits, targets, lane);
            }
        }
        losses
    }

    /// The same of one example whose likelihood is not Gaussian.
    #[cfg_attr(target_os = "none", inline(never))]
    fn loss_by_functions<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        lane: usize,
    ) -> T {
        let pairs = logits
            .iter()
            .zip(targets)
            .map(|(z, t)| (at(z, lane), at(t, lane)));
        let mut loss = T::ZERO;
        if self == Self::Categorical {
            let (top, sum) = softmax_parts(logits, lane);
            let lse = sum.logarithm();
            for (z, t) in pairs {
                if t != T::ZERO {
                    loss += t * ((top - z) + lse);
                }
            }
        } else {
            for (z, t) in pairs {
                // softplus(∓z) has no cancellation for the hard targets.
                loss += t * softplus(-z) + (T::ONE - t) * softplus(z);
            }
        }
        loss
    }

    /// The mean of t under the model: z, σ(z), softmax(z). One example, in place.
    pub(crate) fn mean<T: Scalar, const TILE: usize>(self, logits: &mut [[T; TILE]], lane: usize) {
        match self {
            Self::Gaussian => {}
            Self::Bernoulli => {
                for row in logits {
                    let p = logistic(at(row, lane));
                    set(row, lane, p);
                }
            }
            Self::Categorical => {
                let (top, sum) = softmax_parts(logits, lane);
                for row in logits {
                    let p = (at(row, lane) - top).exponential() / sum;
                    set(row, lane, p);
                }
            }
        }
    }

    /// seeds = scaleᵦ (p − t) of the first `lanes` examples: the gradient of the loss by the logits.
    pub(crate) fn residuals<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        scale: &[T; TILE],
        seeds: &mut [[T; TILE]],
        lanes: usize,
    ) {
        if self == Self::Gaussian {
            // The mean is z itself.
            for (seed, (z, t)) in seeds.iter_mut().zip(logits.iter().zip(targets)) {
                for (((seed, &z), &t), &scale) in seed.iter_mut().zip(z).zip(t).zip(scale) {
                    *seed = scale * (z - t);
                }
            }
        } else {
            for (lane, &scale) in scale.iter().enumerate().take(lanes) {
                self.residual_by_functions(logits, targets, scale, seeds, lane);
            }
        }
    }

    /// The same of one example whose likelihood is not Gaussian.
    #[cfg_attr(target_os = "none", inline(never))]
    fn residual_by_functions<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        scale: T,
        seeds: &mut [[T; TILE]],
        lane: usize,
    ) {
        for (seed, z) in seeds.iter_mut().zip(logits) {
            set(seed, lane, at(z, lane));
        }
        self.mean(seeds, lane);
        for (seed, t) in seeds.iter_mut().zip(targets) {
            let r = at(seed, lane) - at(t, lane);
            set(seed, lane, scale * r);
        }
    }

    /// seeds = scaleᵦ Hu of the first `lanes` examples; returns scaleᵦ uᵀHu of each, uᵀHu as a sum of terms that are
    /// not negative.
    ///
    /// The softmax's uᵀHu = Σ pₖ (uₖ − ū)² with ū = p·u; the inner product of u with Hu can come out
    /// negative in `f32` when the softmax is saturated. Likewise (Hu)ₖ = pₖ (uₖ − ū), not
    /// pₖuₖ − pₖ(p·u).
    pub(crate) fn metrics<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        tangent: &[[T; TILE]],
        scale: &[T; TILE],
        seeds: &mut [[T; TILE]],
        lanes: usize,
    ) -> [T; TILE] {
        let mut quads = [T::ZERO; TILE];
        if self == Self::Gaussian {
            for (seed, u) in seeds.iter_mut().zip(tangent) {
                let lanes = quads.iter_mut().zip(seed).zip(u).zip(scale);
                for (((quad, seed), &u), &scale) in lanes {
                    *quad += u * u;
                    *seed = scale * u;
                }
            }
        } else {
            let examples = quads.iter_mut().zip(scale).enumerate();
            for (lane, (quad, &scale)) in examples.take(lanes) {
                *quad = self.metric_by_functions(logits, tangent, scale, seeds, lane);
            }
        }
        for (quad, &scale) in quads.iter_mut().zip(scale) {
            *quad *= scale;
        }
        quads
    }

    /// The same of one example whose likelihood is not Gaussian; returns uᵀHu.
    #[cfg_attr(target_os = "none", inline(never))]
    fn metric_by_functions<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        tangent: &[[T; TILE]],
        scale: T,
        seeds: &mut [[T; TILE]],
        lane: usize,
    ) -> T {
        let rows = seeds.iter_mut().zip(logits.iter().zip(tangent));
        let mut mean = T::ZERO;
        if self == Self::Categorical {
            let (top, sum) = softmax_parts(logits, lane);
            for (seed, (z, u)) in rows {
                let p = (at(z, lane) - top).exponential() / sum;
                mean += p * at(u, lane);
                set(seed, lane, p);
            }
        } else {
            // The metric of an output has no mean over the others.
            for (seed, (z, _)) in rows {
                set(seed, lane, bernoulli_variance(at(z, lane)));
            }
        }
        let mut quad = T::ZERO;
        for (seed, u) in seeds.iter_mut().zip(tangent) {
            let h = at(seed, lane);
            let centred = at(u, lane) - mean;
            quad += h * (centred * centred);
            set(seed, lane, scale * (h * centred));
        }
        quad
    }

    /// s with Qs = p − t, of one example: the residual in units of its deviation under the model.
    ///
    /// z − t; (p − t)/√(p(1 − p)); (p − t)/√p. From the logits and never from p, which underflows on exactly the
    /// worst examples: √p = exp(½(z − lse)), and 1/√pₜ = exp(½(lse − zₜ)), an exponent that is capped at
    /// [`STEEPEST`]. A Bernoulli's is −t e^{−z/2} + (1 − t) e^{z/2}.
    pub(crate) fn whitened_residual<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        lane: usize,
        out: &mut [T],
    ) {
        let steep = |x: T| x.smaller(T::of(STEEPEST)).exponential();
        let pairs = logits
            .iter()
            .zip(targets)
            .map(|(z, t)| (at(z, lane), at(t, lane)));
        match self {
            Self::Gaussian => {
                for (s, (z, t)) in out.iter_mut().zip(pairs) {
                    *s = z - t;
                }
            }
            Self::Bernoulli => {
                for (s, (z, t)) in out.iter_mut().zip(pairs) {
                    let half = T::HALF * z;
                    *s = (T::ONE - t) * steep(half) - t * steep(-half);
                }
            }
            Self::Categorical => {
                let (top, sum) = softmax_parts(logits, lane);
                let lse = top + sum.logarithm();
                for (k, (s, (z, t))) in out.iter_mut().zip(pairs).enumerate() {
                    if t == T::ZERO {
                        *s = (T::HALF * (z - lse)).exponential();
                        continue;
                    }
                    // 1 − p as the sum of the others keeps its digits where p is near 1.
                    let mut others = T::ZERO;
                    for (other, z) in logits.iter().enumerate() {
                        if other != k {
                            others += (at(z, lane) - lse).exponential();
                        }
                    }
                    let difference = (T::ONE - t) - others;
                    *s = difference * steep(T::HALF * (lse - z));
                }
            }
        }
    }

    /// seeds = the `column`-th column of Q, with H = QQᵀ: what makes the diagonal of JᵀHJ exact with K
    /// backward passes, diag(JᵀHJ) = Σₖ (Jᵀqₖ)².
    ///
    /// Q = I; diag(√(p(1 − p))); diag(√p) − p√pᵀ.
    pub(crate) fn root_column<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        column: usize,
        seeds: &mut [[T; TILE]],
        lane: usize,
    ) {
        match self {
            Self::Gaussian => {
                for (k, seed) in seeds.iter_mut().enumerate() {
                    set(seed, lane, if k == column { T::ONE } else { T::ZERO });
                }
            }
            Self::Bernoulli => {
                for (k, (seed, z)) in seeds.iter_mut().zip(logits).enumerate() {
                    let root = if k == column {
                        deviation(bernoulli_variance(at(z, lane)))
                    } else {
                        T::ZERO
                    };
                    set(seed, lane, root);
                }
            }
            Self::Categorical => {
                let (top, sum) = softmax_parts(logits, lane);
                let z = logits.get(column).map_or(T::ZERO, |row| at(row, lane));
                let root = deviation((z - top).exponential() / sum);
                for (k, (seed, z)) in seeds.iter_mut().zip(logits).enumerate() {
                    let p = (at(z, lane) - top).exponential() / sum;
                    let unit = if k == column { T::ONE } else { T::ZERO };
                    set(seed, lane, root * (unit - p));
                }
            }
        }
    }
}

/// The largest exponent of a whitened residual: beyond it its square would leave the range of `f32`.
const STEEPEST: f64 = 40.0;

/// e^{−40}.
const FAINTEST: f64 = 4.248_354_255_291_589e-18;

/// √ of a probability or a variance in Q, at least e^{−[`STEEPEST`]}: the inverse of what a whitened residual is capped
/// at, so that Qs stays p − t of the worst examples.
fn deviation<T: Scalar>(variance: T) -> T {
    variance.root().larger(T::of(FAINTEST))
}

/// p(1 − p) = e / (1 + e)² with e = e^{−|z|}: keeps its digits where p rounds to 0 or 1.
fn bernoulli_variance<T: Scalar>(z: T) -> T {
    let e = (-z.abs()).exponential();
    let d = T::ONE + e;
    (e / d) / d
}
