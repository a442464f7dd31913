//! The likelihood p(t | z) of the targets given the logits: its loss, the gradient of the loss and the
//! metric of its outputs.
//!
//! For these three (each with its matching output) the gradient of the loss by the logits is p − t, and
//! its Hessian H by the logits is the Fisher metric of the outputs, so that the extended Gauss-Newton
//! matrix *is* the Fisher (Pascanu & Bengio, sections 2.1 and 5; Schraudolph 2002). Everything is
//! computed from logits, in forms that neither overflow nor divide by a probability.
//!
//! Functions here work on a tile: `[K]` rows of one lane per example.

use crate::activation::{logistic, softplus};
use crate::scalar::Scalar;

#[cfg(test)]
mod tests;

/// What the logits z `[K]` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Likelihood {
    /// t ~ N(z, I): loss ½ Σ (z − t)², mean z, H = I.
    Gaussian,
    /// Independent `t_k` ~ Bernoulli(p), p = σ(z): binary cross-entropy, `H = diag(p(1 − p))`.
    /// Targets are probabilities in `[0, 1]`.
    Bernoulli,
    /// t ~ Categorical(p), p = softmax(z): cross-entropy, H = diag(p) − ppᵀ.
    /// Targets are a class, or a distribution over the classes.
    Categorical,
}

/// Shift and normaliser of one example's softmax: (max z, Σ exp(z − max z)).
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
    /// ℓ(z, t) of one example.
    ///
    /// Gaussian ½ Σ (z − t)²; Bernoulli Σ softplus(z) − zt, as max(z, 0) − zt + ln(1 + e^{−|z|});
    /// categorical Σ tₖ (lse(z) − zₖ), with the largest logit subtracted before the exponentials.
    pub(crate) fn loss<T: Scalar, const TILE: usize>(
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
        match self {
            Self::Gaussian => {
                for (z, t) in pairs {
                    loss += T::HALF * ((z - t) * (z - t));
                }
            }
            Self::Bernoulli => {
                for (z, t) in pairs {
                    // softplus(∓z) has no cancellation for the hard targets.
                    loss += t * softplus(-z) + (T::ONE - t) * softplus(z);
                }
            }
            Self::Categorical => {
                let (top, sum) = softmax_parts(logits, lane);
                let lse = sum.logarithm();
                for (z, t) in pairs {
                    if t != T::ZERO {
                        loss += t * ((top - z) + lse);
                    }
                }
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

    /// seeds = scale · (p − t): the gradient of the loss by the logits.
    pub(crate) fn residual<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        targets: &[[T; TILE]],
        scale: T,
        seeds: &mut [[T; TILE]],
        lane: usize,
    ) {
        if self == Self::Gaussian {
            // Its mean is z itself.
            for ((seed, z), t) in seeds.iter_mut().zip(logits).zip(targets) {
                set(seed, lane, scale * (at(z, lane) - at(t, lane)));
            }
            return;
        }
        for (seed, z) in seeds.iter_mut().zip(logits) {
            set(seed, lane, at(z, lane));
        }
        self.mean(seeds, lane);
        for (seed, t) in seeds.iter_mut().zip(targets) {
            let r = at(seed, lane) - at(t, lane);
            set(seed, lane, scale * r);
        }
    }

    /// seeds = scale · Hu; returns uᵀHu as a sum of terms that are not negative.
    ///
    /// The softmax's uᵀHu = Σ pₖ (uₖ − ū)² with ū = p·u; the inner product of u with Hu can come out
    /// negative in `f32` when the softmax is saturated. Likewise (Hu)ₖ = pₖ (uₖ − ū), not
    /// pₖuₖ − pₖ(p·u).
    pub(crate) fn metric<T: Scalar, const TILE: usize>(
        self,
        logits: &[[T; TILE]],
        tangent: &[[T; TILE]],
        scale: T,
        seeds: &mut [[T; TILE]],
        lane: usize,
    ) -> T {
        let mut quad = T::ZERO;
        match self {
            Self::Gaussian => {
                for (seed, u) in seeds.iter_mut().zip(tangent) {
                    let u = at(u, lane);
                    quad += u * u;
                    set(seed, lane, scale * u);
                }
            }
            Self::Bernoulli => {
                for ((seed, z), u) in seeds.iter_mut().zip(logits).zip(tangent) {
                    let u = at(u, lane);
                    let h = bernoulli_variance(at(z, lane));
                    quad += h * (u * u);
                    set(seed, lane, scale * (h * u));
                }
            }
            Self::Categorical => {
                let (top, sum) = softmax_parts(logits, lane);
                let mut mean = T::ZERO;
                for ((seed, z), u) in seeds.iter_mut().zip(logits).zip(tangent) {
                    let p = (at(z, lane) - top).exponential() / sum;
                    mean += p * at(u, lane);
                    set(seed, lane, p);
                }
                for (seed, u) in seeds.iter_mut().zip(tangent) {
                    let p = at(seed, lane);
                    let centred = at(u, lane) - mean;
                    quad += p * (centred * centred);
                    set(seed, lane, scale * (p * centred));
                }
            }
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
