//! The one table of tolerances, each with its reason.

use natgrad::Scalar;
use proptest::prelude::*;

use super::bound::Bound;

/// How far two evaluations may be apart: `relative` · ε · (largest entry expected) + `absolute` · ε ·
/// (the error bound of the quantity, in units of rounding). ε is that of the less precise of the two, so
/// that one entry serves `f32` (against `f64`) and `f64` (against the oracle).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    pub(crate) relative: f64,
    pub(crate) absolute: f64,
}

/// A pass or a product. The bound is rigorous to first order in ε = 2u, with u the unit of rounding, for
/// each of the two evaluations: a factor 1 covers both. The relative part covers the rounding of the
/// expected value itself.
pub(crate) const ROUNDING: Tolerance = Tolerance {
    relative: 4.0,
    absolute: 1.0,
};

/// Two ways to compute the same operator in one precision, and sums of two products (symmetry,
/// linearity): up to four roundings of the size that the bound measures.
pub(crate) const IDENTITY: Tolerance = Tolerance {
    relative: 8.0,
    absolute: 4.0,
};

/// An entry of `operator` against dense arithmetic: one product and one sum per entry, two square roots
/// and a division at most, and a dot product of P terms in `quad`.
pub(crate) const ELEMENTWISE: Tolerance = Tolerance {
    relative: 16.0,
    absolute: 0.0,
};

/// The residual |b − Ax| / (‖A‖|x| + |b|) of a solve that was asked for 10⁻¹², or of as many iterations
/// as bring nothing more: it stagnates at a few ε times the number of iterations, some 1,000.
pub(crate) const BACKWARD_ERROR: f64 = 1e-11;

/// The recurrence of φ against ½xᵀAx − bᵀx: an iteration rounds x and r by ε of what they have been, and
/// φ feels that through ‖A‖|x|² + |b||x|. Per iteration, with P ≤ 300 terms in the inner products.
pub(crate) const PHI_PER_ITERATION: f64 = 16.0 * f64::EPSILON;

/// The residual that MINRES-QLP can reach, in |b|: ε(1 + ‖A‖|x|/|b|), at most ε κ, times the P roundings of an
/// inner product. MINRES, whose recurrence carries rounding on: ε κ² (Sleijpen, van der Vorst & Modersitzki
/// 2000). The first also for how well the residual of an x is known at all. Over ten times what thousands of
/// random systems came to.
pub(crate) const ATTAINABLE: f64 = 1.0;

/// The distance of a least-squares end of MINRES-QLP from the shortest solution, in √ε κ |b|/σ with the smallest
/// singular value σ that is not 0: the Lanczos process tells 0 from small to √ε|A|, and the part of b in the
/// null space then comes into x by that share, over σ.
/// Some 60,000 random systems with P ≤ 40 came to 8, in either precision.
pub(crate) const SHORTEST: f64 = 32.0;

/// The condition number up to which a regular A is not taken for singular in `f32`: 16/√ε, by the rule of
/// the core.
pub(crate) const SINGULAR_IN_F32: f64 = 4.6e4;

/// The distance of a step from the solution of the dense system, in the norm of the system, relative to
/// the step's own: √κ times the residual of 10⁻¹² asked for, κ ≤ 10⁸ at the λ drawn.
pub(crate) const STEP: f64 = 1e-7;

/// A product in `f64` against a dense matrix of order ≤ 60 of which either is made, relative to the norms of
/// both: some hundred roundings.
pub(crate) const DENSE_PRODUCT: f64 = 1e-12;

/// The value of the quadratic model at the minimum over a plane, relative: a system of order 2 whose
/// vectors are at least 10⁻² apart from parallel, with r and d from differences of parameters, which
/// carry 10⁻¹⁶ of θ where a step may be 10⁻⁵ of it.
pub(crate) const PLANE: f64 = 1e-7;

/// A number that a step reports, against the oracle's: losses of order 1 to 100 and their difference, in
/// `f64`, where the difference is at least 10⁻⁵ of the loss (smaller ones are left out).
pub(crate) const REPORTED: f64 = 1e-7;

/// The absolute error of a loss in `f64`: a categorical one is ln Σ exp − z, whose logarithm of 1 + x is
/// off by ε however small x is, and so are logits of order 100 by some ε each.
pub(crate) const LOSS_FLOOR: f64 = 1e-13;

/// The KL divergence of a step against its second-order term, at 10⁻¹² nats: the third-order term is
/// smaller by the length of the step at the outputs, 10⁻⁶, times the curvature of the network along it,
/// which is up to 10³ where a narrow layer makes parameters move far for little. The difference of two
/// cross-entropies of order 10 is off by 10⁻¹⁵.
pub(crate) const KL_THIRD_ORDER: f64 = 1e-2;

/// Linear regression at λ = 10⁻¹²: the solution is off by λ/σ² of it, with the smallest singular value
/// σ² > 10⁻⁵ of the (well-conditioned, over-determined) problems drawn.
pub(crate) const REGRESSION: f64 = 1e-6;

/// Algorithms, section 10 i: the decrease of the model that CG reaches in `f32`, of that in `f64`, at
/// λ = 10⁻³; and that a step in output space reaches at the floor of its default.
pub(crate) const DECREASE_IN_F32: f64 = 0.99;

/// uᵀHu of a softmax in `f32` with logit gaps up to 30, relative: p carries |z| ε ≈ 60 ε, its rivals'
/// tangents a few ε of |J||v|; the form that cancels is off by 2 % to 75 % (algorithms, 1.3).
pub(crate) const SATURATED_FORM: f64 = 1e-3;

/// A deviation gᵦ·v − ḡ·v in `f32`, relative to Σ |g v|: two sums of P terms, whose roundings partly
/// cancel. The form of gradients that agree to 10⁻³ is then off by 0.06 ε of (g·v)², where the one-pass
/// form is off by ε and more.
pub(crate) const COVARIANCE_OF_LIKE: f64 = 32.0 * 1.2e-7;

/// L Lᵀ − A relative to n ε ‖A‖, and the residual of a solve likewise: the bound is (n + 1) u ‖L‖² with
/// u = ε/2 and ‖L‖² ≤ n^½ ‖A‖ (Higham 2002, theorem 10.3); a solve adds twice as much.
pub(crate) const BACKWARD_FACTOR: f64 = 2.0;

/// How near to singular a matrix may be for the sign of its pivots to be certain, in n² ε ‖A‖: the pivots of
/// A + E, with |E| as above, and the test itself.
pub(crate) const DENSE_PIVOT: f64 = 4.0;

/// V Vᵀ − I relative to n ε: each of some ten sweeps turns a row n − 1 times, by 2 ε at most, of random sign.
pub(crate) const ORTHONORMAL: f64 = 4.0;

/// V A − Λ V and the eigenvalues relative to n ε ‖A‖: as V Vᵀ − I.
pub(crate) const EIGEN: f64 = 4.0;

/// Eigenvalues of D C D in `f32`, κ(C) ≤ 2 and n ≤ 12, relative: n ε κ(C) times a few (Demmel & Veselić 1992);
/// the smallest is 10⁻⁷ of the largest, of which a method with errors of ε ‖A‖ gets no digit.
pub(crate) const RELATIVE_EIGENVALUE: f64 = 2e-6;

/// What a step of TONGA may be off for the rounding of θ and of the gradient alone, in ε (|θ| + η/λ): the two
/// gradients are sums of some tens of terms of order 1 to 10, and the last one may vanish.
pub(crate) const TONGA_ROUNDING: f64 = 100.0;

/// A step of TONGA against (C + λI)⁻¹g of the dense recursion, relative: ε times the condition of C + λI, up to
/// 10⁵ at the λ drawn, and the same for each of the compactions before.
pub(crate) const TONGA: f64 = 1e-9;

/// The same behind a cut whose gap is 10⁻⁶ of the largest eigenvalue: eigenvectors on its two sides mix by ε over
/// the gap.
pub(crate) const TONGA_AFTER_A_CUT: f64 = 1e-8;

/// The same in `f32`, where the condition is at most some 10³, and θ itself is rounded to 10⁻⁷ of it: a step of
/// 10⁻³ θ has four digits.
pub(crate) const TONGA_IN_F32: f64 = 2e-3;

/// The minimum of the model in a subspace, and the loss there, relative: ε times the condition of VᵀFV (at most
/// 10⁴) and that of the vectors before they are made orthogonal (likewise), and what they amplify in turn.
pub(crate) const MODEL_MINIMUM: f64 = 1e-6;

/// The loss at the end of a line search above its minimum, relative: the search goes on while the model promises
/// more than ε of the loss, and a model is within a factor of the loss near its minimum.
pub(crate) const LINE_MINIMUM: f64 = 1e-12;

/// The minimum of a quadratic loss: where the loss is flat to ε of it a parameter is known to √ε, times the root
/// of the condition, some 10².
pub(crate) const QUADRATIC_MINIMUM: f64 = 1e-6;

/// A damped step in `f64` by two ways, in the norm of the system and relative to the step: ε times the condition,
/// which is up to P/λ ≈ 10⁷ for λ ≥ 10⁻⁶ of the mean diagonal. Some 16,000 random systems came to 3 · 10⁻¹⁰, most of it
/// of the dense solve.
pub(crate) const SAME_STEP: f64 = 3e-9;

/// The same by the recursion that passes V itself down, rather than its root: C = (λI + VM)⁻¹ is not symmetric, and
/// of V ← λAᵀCVA what is left in the range of a large M is a difference of which λ remains, layer by layer. 8,000
/// came to 7 · 10⁻⁸.
pub(crate) const REGULATOR: f64 = 1e-6;

/// A step in output space with a memory and the factors of D of the steps before, in `f64` and the norm of its system,
/// relative to the step: ε times the condition, which λ ≥ 10⁻³ of the mean diagonal bounds by 10⁵, times 10³ for an input
/// whose variance is at its floor of 10⁻⁶ of the square of its mean.
pub(crate) const GRAM_COURSE: f64 = 1e-8;

/// What such a step may be off for the rounding of θ, of d and of the residuals alone, in ε: outputs are sums of some tens
/// of terms of order 1 to 10, and the residual may be next to nothing.
pub(crate) const GRAM_ROUNDING: f64 = 100.0;

/// The rate of such a step, and its ratio, where the change of the loss is at least 10⁻⁵ of it and 10⁻⁷, and the promise 10⁻⁴
/// of the square of the step's norm: losses to 10⁻¹⁵ and promises to the digits of the step.
pub(crate) const GRAM_REPORT: f64 = 1e-6;

/// Both vectors, entry by entry.
pub(crate) fn close<T: Scalar>(
    what: &str,
    found: &[f64],
    expected: &[f64],
    tolerance: Tolerance,
    bound: Bound,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len(), "length of {}", what);
    let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let eps = T::EPSILON.widen();
    let slack = eps * (tolerance.relative * largest + tolerance.absolute * bound.error);
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        prop_assert!(
            off <= slack,
            "{what}[{i}]: {found:e}, expected {expected:e}: off by {off:e}, {slack:e} allowed"
        );
    }
    Ok(())
}

/// Both numbers.
pub(crate) fn close_number<T: Scalar>(
    what: &str,
    found: f64,
    expected: f64,
    tolerance: Tolerance,
    bound: Bound,
) -> Result<(), TestCaseError> {
    close::<T>(what, &[found], &[expected], tolerance, bound)
}
