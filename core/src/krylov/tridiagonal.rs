//! The tridiagonal T of the Lanczos process, factored column by column: numbers, no vectors.
//!
//! ```text
//! T = tridiag(β, α, β)   k + 1 rows, k columns
//! QT = R                 reflections from the left; R is upper triangular with rows γ δ ε
//! RP = L                 reflections from the right; L is lower triangular with rows η ϑ γ
//! ```
//!
//! R alone gives MINRES, L the shortest solution (Choi, Paige & Saunders 2011). Both methods
//! have L's diagonal, which tells the rank where R's does not: the last entry of L comes down with the
//! smallest singular value of T.
//!
//! With tₖ = cₖ|rₖ₋₁| the right-hand side of R, |rₖ| = |sₖ||rₖ₋₁| and
//! |Arₖ₋₁| = |rₖ₋₁| √(γ̄ₖ² + (cₖ₋₁βₖ₊₁)²). The value φ of the model follows without a vector, too. With dₖ
//! the columns of VR⁻¹, xₖ = xₖ₋₁ + tₖdₖ, so that φ(xₖ) − φ(xₖ₋₁) = −½ tₖ dₖ·(rₖ₋₁ + rₖ); and the vₖ
//! being orthogonal,
//!
//! ```text
//! σₖ = dₖ·rₖ₋₁ ; dₖ·rₖ = sₖ²σₖ ; γₖσₖ = −cₖ₋₁|rₖ₋₁| − δₖ sₖ₋₁²σₖ₋₁ − εₖ sₖ₋₁²sₖ₋₂²σₖ₋₂
//! ```

use crate::scalar::Scalar;

/// √(a² + b²), which neither overflows nor underflows on the way.
pub(super) fn length<T: Scalar>(a: T, b: T) -> T {
    let (a, b) = (a.abs(), b.abs());
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    if large == T::ZERO {
        return T::ZERO;
    }
    let ratio = small / large;
    large * (T::ONE + ratio * ratio).root()
}

/// The reflection [c s; s −c].
#[derive(Clone, Copy, Debug)]
pub(super) struct Reflection<T> {
    pub(super) c: T,
    pub(super) s: T,
}

impl<T: Scalar> Reflection<T> {
    /// The reflection that keeps its second argument: where there is no first one yet.
    fn first() -> Self {
        Self {
            c: -T::ONE,
            s: T::ZERO,
        }
    }

    /// The reflection that takes (a, b) to (r, 0), and r ≥ 0.
    fn onto(a: T, b: T) -> (Self, T) {
        let r = length(a, b);
        if r == T::ZERO {
            return (Self::first(), r);
        }
        let reflection = Self { c: a / r, s: b / r };
        (reflection, r)
    }

    pub(super) fn apply(self, a: T, b: T) -> (T, T) {
        (self.c * a + self.s * b, self.s * a - self.c * b)
    }
}

/// T is singular to working precision where the last entry of L's diagonal is below so many ε|A|: entries
/// of T are off by ε|A|.
const RANK: f64 = 8.0;

/// Where b has a part in the null space of A, |Arₖ₋₁|/|rₖ₋₁| and the last entry of L's diagonal, both relative
/// to |A|, come down together until they meet near √ε. From there on orthogonality is lost: the one rises
/// as the other goes on falling, their product stays at 0.001 to 0.25 ε, and x is inflated along the null
/// space. So the time to stop is when the entry is below `SMALL` √ε and the product below `LOSS` ε.
///
/// Of a regular A neither falls below the smallest singular value, so that condition numbers up to 16/√ε,
/// 4·10⁴ in `f32`, are not in question. Beyond, both come near it only when what is left of r lies along its
/// vector; then the next column mostly solves for that, and |r| falls by half at least.
const SMALL: f64 = 0.0625;
const LOSS: f64 = 0.25;

/// The factors, as far as the next column needs them.
///
/// A column k comes in two halves: [`Factor::turn`] when αₖ is known, [`Factor::complete`] when βₖ₊₁ is.
#[derive(Clone, Copy, Debug)]
pub struct Factor<T> {
    /// |r| in the norm of M⁻¹.
    pub(super) residual: T,
    /// φ(x).
    pub(super) phi: T,

    left: Reflection<T>,
    /// What the last reflection but one has left of βₖ in the row above the diagonal.
    delta_before: T,
    /// γ̄ₖ, before its reflection from the left.
    gamma_before: T,
    /// εₖ₊₁.
    epsilon_next: T,
    /// Column k of R, and its entry of the right-hand side.
    pub(super) gamma: T,
    pub(super) delta: T,
    pub(super) epsilon: T,
    pub(super) tau: T,

    /// The reflections from the right of columns k − 2 and k, k − 1 and k.
    pub(super) outer: Reflection<T>,
    pub(super) inner: Reflection<T>,
    /// What they make of L: γ of row k − 2, ϑ and γ of row k − 1.
    pub(super) gamma_older: T,
    pub(super) theta_newer: T,
    pub(super) gamma_newer: T,
    /// Row k of L.
    pub(super) eta: T,
    pub(super) theta: T,
    pub(super) corner: T,

    /// dₖ·rₖ, and sₖ²dₖ₋₁·rₖ₋₁.
    along: T,
    along_before: T,
}

/// Column k with its last entry, before it is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<T> {
    left: Reflection<T>,
    gamma: T,
    beta: T,
    eta: T,
    theta: T,
    /// The last entry of L's diagonal.
    corner: T,
    /// |Arₖ₋₁| / |rₖ₋₁|.
    image: T,
}

impl<T: Scalar> Column<T> {
    /// Whether column k shows T to be singular, |A| being `norm`.
    pub(super) fn is_singular(&self, norm: T) -> bool {
        let corner = self.corner.abs();
        if corner <= T::of(RANK) * T::EPSILON * norm {
            return true;
        }
        let small = corner <= T::of(SMALL) * T::EPSILON.root() * norm;
        let lost = (self.image / norm) * (corner / norm) <= T::of(LOSS) * T::EPSILON;
        small && lost && self.left.s > T::HALF
    }
}

impl<T: Scalar> Factor<T> {
    /// Before the first column: |r| = β₁ and φ where the process starts.
    pub(super) fn begin(residual: T, phi: T) -> Self {
        let zero = T::ZERO;
        Self {
            residual,
            phi,
            left: Reflection::first(),
            delta_before: zero,
            gamma_before: zero,
            epsilon_next: zero,
            gamma: zero,
            delta: zero,
            epsilon: zero,
            tau: zero,
            outer: Reflection::first(),
            inner: Reflection::first(),
            gamma_older: zero,
            theta_newer: zero,
            gamma_newer: zero,
            eta: zero,
            theta: zero,
            corner: zero,
            along: zero,
            along_before: zero,
        }
    }

    /// Column k above and on the diagonal, and the reflections from the right, which need no more.
    pub(super) fn turn(&mut self, alpha: T) {
        self.epsilon = self.epsilon_next;
        (self.delta, self.gamma_before) = self.left.apply(self.delta_before, alpha);

        (self.outer, self.gamma_older) = Reflection::onto(self.gamma_newer, self.epsilon);
        let (theta, delta) = self.outer.apply(self.theta, self.delta);
        self.theta_newer = theta;
        (self.inner, self.gamma_newer) = Reflection::onto(self.corner, delta);
    }

    /// Column k below the diagonal.
    pub(super) fn column(&self, beta: T) -> Column<T> {
        let (left, gamma) = Reflection::onto(self.gamma_before, beta);
        let (eta, rest) = self.outer.apply(T::ZERO, gamma);
        let (theta, corner) = self.inner.apply(T::ZERO, rest);
        Column {
            left,
            gamma,
            beta,
            eta,
            theta,
            corner,
            image: length(self.gamma_before, self.left.c * beta),
        }
    }

    /// Takes the column.
    pub(super) fn complete(&mut self, column: Column<T>) {
        let before = self.left;
        self.delta_before = -(before.c * column.beta);
        self.epsilon_next = before.s * column.beta;

        let sine_squared = column.left.s * column.left.s;
        let above =
            before.c * self.residual + self.delta * self.along + self.epsilon * self.along_before;
        let sigma = -(above / column.gamma);
        self.tau = column.left.c * self.residual;
        self.residual *= column.left.s;
        self.phi -= T::HALF * (self.tau * sigma * (T::ONE + sine_squared));
        self.along_before = sine_squared * self.along;
        self.along = sine_squared * sigma;

        self.left = column.left;
        self.gamma = column.gamma;
        self.eta = column.eta;
        self.theta = column.theta;
        self.corner = column.corner;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 5;
    const ALPHA: [f64; N] = [0.5, -2.0, 1.5, 0.25, 3.0];
    const BETA: [f64; N] = [2.0, 1.0, 0.5, 1.75, 0.0];

    /// Av with A = T itself, so that V = I.
    fn product(v: &[f64; N]) -> [f64; N] {
        core::array::from_fn(|i| {
            let at = |j: usize| v.get(j).copied().unwrap_or(0.0);
            let beta = |j: usize| BETA.get(j).copied().unwrap_or(0.0);
            let above = i.checked_sub(1).map_or(0.0, |j| beta(j) * at(j));
            let diagonal = ALPHA.get(i).copied().unwrap_or(0.0) * at(i);
            above + diagonal + beta(i) * at(i + 1)
        })
    }

    fn dot(x: &[f64; N], y: &[f64; N]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }

    /// x − (x·y) y
    fn without(x: [f64; N], y: &[f64; N]) -> [f64; N] {
        let along = dot(&x, y);
        core::array::from_fn(|i| {
            let at = |v: &[f64; N]| v.get(i).copied().unwrap_or(0.0);
            at(&x) - along * at(y)
        })
    }

    /// The residual of every iteration by projection, and its image.
    #[test]
    fn residual_and_its_image() {
        let mut factor = Factor::begin(3.0, 0.0);
        let mut residual = [3.0, 0.0, 0.0, 0.0, 0.0];
        let mut basis = [[0.0; N]; N];
        for (k, (&alpha, &beta)) in ALPHA.iter().zip(&BETA).enumerate() {
            factor.turn(alpha);
            let column = factor.column(beta);
            let length = dot(&residual, &residual).root();
            assert!((factor.residual - length).abs() < 1e-14, "iteration {k}");
            let image = product(&residual);
            let expected = dot(&image, &image).root() / length;
            assert!((column.image - expected).abs() < 1e-13, "iteration {k}");

            let unit = core::array::from_fn(|i| f64::from(u8::from(i == k)));
            // Twice is enough for an orthogonal basis.
            let once = basis.iter().fold(product(&unit), without);
            let twice = basis.iter().fold(once, without);
            let norm = dot(&twice, &twice).root();
            let image = twice.map(|x| x / norm);
            residual = without(residual, &image);
            if let Some(place) = basis.get_mut(k) {
                *place = image;
            }
            factor.complete(column);
        }
        assert!(factor.residual.abs() < 1e-14);
    }

    #[test]
    fn length_of_any_size() {
        for scale in [1e-40_f32, 1e-30, 1.0, 1e38] {
            let found = length(-3e-1 * scale, 4e-1 * scale);
            assert!((found / (0.5 * scale) - 1.0).abs() < 1e-4, "{scale}");
        }
        assert_eq!(length(0.0_f32, 0.0), 0.0);
        assert!(length(f32::NAN, 1.0).is_nan() && length(1.0, f32::NAN).is_nan());
    }
}
