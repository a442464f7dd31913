//! MINRES-QLP (Choi, Paige & Saunders 2011): of all x with the smallest residual, the shortest.
//!
//! ```text
//! AVₖ = MVₖ₊₁Tₖ by Lanczos; QTₖP = L, the rows of L η ϑ γ; t = Qβ₁e₁; W = VP
//! repeat: (w'', w', v) = (w'', w', v)P; Lu = t, row by row; x += u''w''; (w', w'') = (v, w')
//! at the end: x += u'w' + u w
//! ```
//!
//! The reflections of P are orthogonal, so W is as orthonormal as V and carries no rounding on; and where
//! T is singular, so is the last entry of L's diagonal: u = 0 there gives the shortest x. u'' and w''
//! are final with column k, the two after them with the columns to come.
//!
//! The authors begin with MINRES, which costs fewer operations and vectors, and go over to this form when
//! the condition number of R exceeds a bound (`TranCond`). Here there is no switch: w takes the place of
//! w'', whose part of x is final, so that the vectors are as many as those of MINRES; and the 7n operations
//! more per iteration are nothing beside a product with A.

use super::lanczos::{Directions, Lanczos, Vectors};
use super::tridiagonal::Factor;
use crate::scalar::Scalar;

/// The minimum residual method in the form that finds the shortest x, whatever the rank of A.
///
/// As [`Minres`](super::Minres), with the same iterates as long as T is regular, and less rounding in them. Of
/// a system that has many solutions, or none, it finds x = A⁺b: the shortest in the norm of M, √(x·Mx), which is
/// the plain one without a preconditioner only. From a warm start it is x − x₀ that is shortest.
///
/// A solve that ends as least squares has u = 0 in the last row, and x is off by some √ε|A|/σ in units of
/// |b|/σ, σ being the smallest singular value of A that is not 0: that is as near to 0 as the singular
/// values of T are known. [`Status::NonPositivePreconditioner`](super::Status) leaves an x without the last
/// row, too.
///
/// ```
/// use natgrad::krylov::{MinresQlp, Start, Status, Stop, System, solve};
/// use natgrad::operator::{Diagonal, Identity};
///
/// let mut memory = [0.0_f32; 6 * 2];
/// let system = System {
///     operator: &mut Diagonal::new(&[2.0, 0.0], 1.0, 0.0),
///     preconditioner: &mut Identity::new(2),
///     rhs: &[2.0, 8.0],
/// };
/// let end = solve::<f32, MinresQlp>(system, &Stop::default(), Start::Zero, &mut memory);
/// assert_eq!(end.status, Status::LeastSquares);
/// assert!((memory[0] - 1.0).abs() < 1e-5 && memory[1].abs() < 1e-5);
/// ```
///
/// Memory: 6 vectors. Per iteration: one product with A, one with M⁻¹, one fused vector update of four
/// vectors, and the three of the Lanczos process. To begin and to end: as [`Minres`](super::Minres), and
/// one update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MinresQlp;

/// `newer` is w', `older` w''; and L's rows and u, as far as they are still needed.
#[derive(Clone, Copy, Debug)]
pub struct Columns<T> {
    /// t, η and ϑ of row k − 2, which has no more changes to come but that of its γ.
    tau_older: T,
    eta_older: T,
    theta_older: T,
    /// t and η of row k − 1.
    tau_newer: T,
    eta_newer: T,
    /// u of rows k − 4, k − 3 and k − 2, final.
    u_fourth: T,
    u_third: T,
    u_second: T,
    /// u of rows k − 1 and k as it is now: what x lacks.
    u_newer: T,
    u_last: T,
}

impl<T: Scalar> Columns<T> {
    /// u of row k − 1, after the turn of column k.
    fn newer(&self, factor: &Factor<T>) -> T {
        let known = self.eta_newer * self.u_third + factor.theta_newer * self.u_second;
        quotient(self.tau_newer - known, factor.gamma_newer)
    }
}

impl<T: Scalar> Directions<T> for Columns<T> {
    const MACS: usize = 9;

    fn begin() -> Self {
        let zero = T::ZERO;
        Self {
            tau_older: zero,
            eta_older: zero,
            theta_older: zero,
            tau_newer: zero,
            eta_newer: zero,
            u_fourth: zero,
            u_third: zero,
            u_second: zero,
            u_newer: zero,
            u_last: zero,
        }
    }

    fn turn(&mut self, factor: &Factor<T>, vectors: &mut Vectors<'_, T>) {
        let known = self.eta_older * self.u_fourth + self.theta_older * self.u_third;
        self.u_second = quotient(self.tau_older - known, factor.gamma_older);
        let (u, outer, inner) = (self.u_second, factor.outer, factor.inner);
        let turned = vectors.older.iter_mut().zip(vectors.newer.iter_mut());
        let known = vectors.x.iter_mut().zip(vectors.v.iter());
        for ((older, newer), (x, &v)) in turned.zip(known) {
            let (last, rest) = outer.apply(*older, v);
            *x += u * last;
            (*newer, *older) = inner.apply(*newer, rest);
        }
    }

    fn complete(&mut self, factor: &Factor<T>, _vectors: &mut Vectors<'_, T>) {
        self.u_newer = self.newer(factor);
        let known = factor.eta * self.u_second + factor.theta * self.u_newer;
        self.u_last = quotient(factor.tau - known, factor.corner);

        (self.u_fourth, self.u_third) = (self.u_third, self.u_second);
        self.theta_older = factor.theta_newer;
        (self.tau_older, self.tau_newer) = (self.tau_newer, factor.tau);
        (self.eta_older, self.eta_newer) = (self.eta_newer, factor.eta);
    }

    /// The shortest x for the rows of L above the last.
    fn truncate(&mut self, factor: &Factor<T>) -> bool {
        self.u_newer = self.newer(factor);
        self.u_last = T::ZERO;
        true
    }

    fn settle(&mut self, vectors: &mut Vectors<'_, T>) {
        let (u_newer, u_last) = (self.u_newer, self.u_last);
        let known = vectors.newer.iter().zip(vectors.older.iter());
        for (x, (&newer, &last)) in vectors.x.iter_mut().zip(known) {
            *x += u_newer * newer + u_last * last;
        }
    }
}

/// a/b; 0 for a row that is not there yet, or is all 0.
fn quotient<T: Scalar>(a: T, b: T) -> T {
    if b == T::ZERO { T::ZERO } else { a / b }
}

impl Lanczos for MinresQlp {
    type Directions<T: Scalar> = Columns<T>;
}
