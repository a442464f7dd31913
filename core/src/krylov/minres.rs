//! MINRES (Paige & Saunders 1975): the smallest residual, for any symmetric A.
//!
//! ```text
//! AVₖ = MVₖ₊₁Tₖ by Lanczos; QTₖ = R, the rows of R γ δ ε; t = Qβ₁e₁
//! repeat: d'' = (v − δd' − εd'')/γ; x += t d''; (d', d'') = (d'', d')
//! ```
//!
//! d are the columns of VR⁻¹. The two-term recurrence that makes them carries rounding on, so that b − Ax
//! departs from what T says of it: by ε κ(A)²|b| where MINRES-QLP comes to ε κ(A)|b| (Sleijpen, van der
//! Vorst & Modersitzki 2000). In `f32`, with n = 60 and eigenvalues spread evenly on a logarithmic scale, it
//! stops falling at 2·10⁻³|b| against 2·10⁻⁴|b| for κ = 10⁴, and at 0.1|b| against 3·10⁻³|b| for κ = 10⁵,
//! x itself and φ being about as good as the other's.

use super::lanczos::{Directions, Lanczos, Vectors};
use super::tridiagonal::Factor;
use crate::scalar::Scalar;

/// The minimum residual method: of all x in the Krylov space, the one with the smallest |b − Ax|.
///
/// |r| is the norm of M⁻¹, √(r·M⁻¹r), here and in [`Iteration::residual`](super::Iteration::residual). It falls
/// in every iteration, for an indefinite or singular A too; φ falls with it if A is positive definite, so
/// that [`Stop::progress`](super::Stop::progress) is a rule for those.
///
/// Where Ax = b has no solution the end is [`Status::LeastSquares`](super::Status::LeastSquares), with an x
/// that holds an arbitrary part of A's null space: [`MinresQlp`](super::MinresQlp) is for that.
///
/// Memory: 6 vectors. Per iteration: one product with A, one with M⁻¹, two fused vector updates, and the
/// three of the Lanczos process. To begin: one product with M⁻¹, from a warm start one with A and one with
/// M⁻¹ more. To end by the residual: one with A and one with M⁻¹, to see that it is so; as least squares
/// one with each more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Minres;

/// `newer` is d', `older` d'': all there is to know lies in vectors.
#[derive(Clone, Copy, Debug)]
pub struct Columns;

impl<T: Scalar> Directions<T> for Columns {
    const MACS: usize = 2;

    fn begin() -> Self {
        Self
    }

    /// γd, since γ is not known while v is there.
    fn turn(&mut self, factor: &Factor<T>, vectors: &mut Vectors<'_, T>) {
        let Factor { delta, epsilon, .. } = *factor;
        let known = vectors.v.iter().zip(vectors.newer.iter());
        for (older, (&v, &newer)) in vectors.older.iter_mut().zip(known) {
            *older = v - delta * newer - epsilon * *older;
        }
    }

    fn complete(&mut self, factor: &Factor<T>, vectors: &mut Vectors<'_, T>) {
        let (tau, inverse) = (factor.tau, factor.gamma.recip());
        for (x, d) in vectors.x.iter_mut().zip(vectors.older.iter_mut()) {
            *d *= inverse;
            *x += tau * *d;
        }
    }

    fn truncate(&mut self, _factor: &Factor<T>) -> bool {
        false
    }

    fn settle(&mut self, _vectors: &mut Vectors<'_, T>) {}
}

impl Lanczos for Minres {
    type Directions<T: Scalar> = Columns;
}
