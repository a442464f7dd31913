//! Diagonal preconditioners of the linear solve, as types.

use crate::operator::{Exponent, Identity, InverseDiagonal, LinearOperator};
use crate::scalar::Scalar;

/// The diagonals that a step has at hand, each `[P]` if some type asked for it and empty otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Diagonals<'v, T> {
    /// diag(F).
    pub fisher: &'v [T],
    /// The mean of diag(F); 1 when it is not computed.
    pub fisher_mean: T,
    /// (1/B) Σ gᵦ∘gᵦ, the diagonal of the empirical Fisher.
    pub squares: &'v [T],
}

/// The damping of a step, λD plus the L2 term, as s·diag(F) + c·I.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DampingForm<T> {
    /// s.
    pub scale: T,
    /// c.
    pub shift: T,
}

/// A preconditioner as a type: what it needs, and M⁻¹ as an operator.
pub trait Preconditioner<T: Scalar>: Copy + Default {
    /// Whether it needs diag(F): a vector, and K backward passes per example of the metric.
    const FISHER: bool;
    /// Whether it needs (1/B) Σ gᵦ∘gᵦ: a vector, and a backward pass per example of the gradient.
    const SQUARES: bool;
    /// The multiply-accumulates of a product with M⁻¹, per parameter, as [`Slice`](crate::optimizer::Slice) counts
    /// them.
    const MACS: usize;

    /// M⁻¹.
    type Operator<'v>: LinearOperator<T>;

    /// M⁻¹ for F + `damping`, on vectors of length `dim`.
    fn operator(
        dim: usize,
        diagonals: Diagonals<'_, T>,
        damping: DampingForm<T>,
    ) -> Self::Operator<'_>;
}

/// M = I: the null object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unpreconditioned;

impl<T: Scalar> Preconditioner<T> for Unpreconditioned {
    const FISHER: bool = false;
    const SQUARES: bool = false;
    const MACS: usize = Identity::<T>::MACS;
    type Operator<'v> = Identity<T>;

    fn operator(dim: usize, _: Diagonals<'_, T>, _: DampingForm<T>) -> Identity<T> {
        Identity::new(dim)
    }
}

/// M = diag(F + λD + l₂I), exactly (Chapelle & Erhan 2011 estimate it by random signs).
///
/// It needs no labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Jacobi;

impl<T: Scalar> Preconditioner<T> for Jacobi {
    const FISHER: bool = true;
    const SQUARES: bool = false;
    const MACS: usize = InverseDiagonal::<T>::macs(Exponent::One);
    type Operator<'v> = InverseDiagonal<'v, T>;

    fn operator(
        _: usize,
        diagonals: Diagonals<'_, T>,
        damping: DampingForm<T>,
    ) -> InverseDiagonal<'_, T> {
        let scale = T::ONE + damping.scale;
        InverseDiagonal::new(diagonals.fisher, scale, damping.shift, Exponent::One)
    }
}

/// M = ((1/B) Σ gᵦ∘gᵦ + λ + l₂)^¾ (Martens 2010, section 4.7). Where λ multiplies diag(F), the mean of
/// that stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Martens;

impl<T: Scalar> Preconditioner<T> for Martens {
    const FISHER: bool = false;
    const SQUARES: bool = true;
    const MACS: usize = InverseDiagonal::<T>::macs(Exponent::ThreeQuarters);
    type Operator<'v> = InverseDiagonal<'v, T>;

    fn operator(
        _: usize,
        diagonals: Diagonals<'_, T>,
        damping: DampingForm<T>,
    ) -> InverseDiagonal<'_, T> {
        let shift = damping.scale * diagonals.fisher_mean + damping.shift;
        InverseDiagonal::new(diagonals.squares, T::ONE, shift, Exponent::ThreeQuarters)
    }
}
