//! Linear operators on parameter-shaped vectors.
//!
//! An operator is a *sum of parts*: a curvature is a sum over tiles of examples, damping is one more
//! part. So one code serves a step that is cut into slices, a plain loop, and threads on a host. A
//! damped operator is an operator, and so is a preconditioner; the identity is the null object of both.

#[cfg(test)]
mod tests;

use crate::kernels;
use crate::scalar::{ROOT_MACS, Scalar};

/// A symmetric linear operator A on vectors of length [`LinearOperator::dim`], given as a sum of parts.
///
/// The methods are total: there is nothing to fail. If a length differs from `dim`, only the common prefix is used.
pub trait LinearOperator<T: Scalar> {
    /// The length of the vectors.
    fn dim(&self) -> usize;

    /// The number of parts.
    fn parts(&self) -> usize;

    /// Adds part `part` of Av to `out` and of vᵀAv to `quad`.
    ///
    /// Both accumulators are carried through the parts, example by example, so that neither depends on
    /// how the examples are cut into tiles. The parts are to be applied in order, from 0.
    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T);

    /// out = Av; returns vᵀAv.
    fn apply(&mut self, v: &[T], out: &mut [T]) -> T {
        kernels::fill(T::ZERO, out);
        add_product(self, v, out)
    }
}

/// out += Av; returns vᵀAv.
pub(crate) fn add_product<T: Scalar>(
    a: &mut (impl LinearOperator<T> + ?Sized),
    v: &[T],
    out: &mut [T],
) -> T {
    let mut quad = T::ZERO;
    for part in 0..a.parts() {
        a.apply_part(part, v, out, &mut quad);
    }
    quad
}

/// s·I: Tikhonov damping and the L2 term with s = λ, the preconditioner that does nothing with s = 1.
#[derive(Clone, Copy, Debug)]
pub struct Identity<T> {
    dim: usize,
    scale: T,
}

impl<T: Scalar> Identity<T> {
    /// I on vectors of length `dim`.
    pub fn new(dim: usize) -> Self {
        Self::scaled(dim, T::ONE)
    }

    /// The multiplications of a product, per parameter.
    pub(crate) const MACS: usize = 2;

    /// `scale` · I.
    pub const fn scaled(dim: usize, scale: T) -> Self {
        Self { dim, scale }
    }
}

impl<T: Scalar> LinearOperator<T> for Identity<T> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let scale = self.scale;
        let square = kernels::reduce_into(v, v, out, |v, _, out| {
            *out += scale * v;
            v * v
        });
        *quad += scale * square;
    }
}

/// s·diag(e) + c·I: Marquardt damping with e = diag(F), s = λ and c a little more than 0.
///
/// The constant keeps the damping positive for a parameter that no example moves: the weight of a
/// constant input, the weights of a dead unit.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal<'a, T> {
    entries: &'a [T],
    scale: T,
    shift: T,
}

impl<'a, T: Scalar> Diagonal<'a, T> {
    /// The multiplications of a product, per parameter.
    pub(crate) const MACS: usize = 4;

    /// `scale` · diag(`entries`) + `shift` · I.
    pub const fn new(entries: &'a [T], scale: T, shift: T) -> Self {
        Self {
            entries,
            scale,
            shift,
        }
    }
}

impl<T: Scalar> LinearOperator<T> for Diagonal<'_, T> {
    fn dim(&self) -> usize {
        self.entries.len()
    }

    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let Self { scale, shift, .. } = *self;
        *quad += kernels::reduce_into(self.entries, v, out, |e, v, out| {
            let entry = scale * e + shift;
            *out += entry * v;
            entry * (v * v)
        });
    }
}

/// The power to which a diagonal preconditioner takes its diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Exponent {
    /// m
    One,
    /// m^¾ (Martens 2010), as √m·√√m: two square roots, which are exact to the last bit everywhere.
    ThreeQuarters,
}

/// (s·diag(e) + c·I)^−q: a diagonal preconditioner.
#[derive(Clone, Copy, Debug)]
pub struct InverseDiagonal<'a, T> {
    entries: &'a [T],
    scale: T,
    shift: T,
    exponent: Exponent,
}

impl<'a, T: Scalar> InverseDiagonal<'a, T> {
    /// The multiply-accumulates of a product, per parameter.
    pub(crate) const fn macs(exponent: Exponent) -> usize {
        match exponent {
            Exponent::One => 3,
            Exponent::ThreeQuarters => 4 + 2 * ROOT_MACS,
        }
    }

    /// The inverse of (`scale` · diag(`entries`) + `shift` · I) to the power `exponent`, entries not
    /// negative, `shift` positive.
    pub const fn new(entries: &'a [T], scale: T, shift: T, exponent: Exponent) -> Self {
        Self {
            entries,
            scale,
            shift,
            exponent,
        }
    }
}

impl<T: Scalar> LinearOperator<T> for InverseDiagonal<'_, T> {
    fn dim(&self) -> usize {
        self.entries.len()
    }

    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let Self { scale, shift, .. } = *self;
        let power = |m: T| match self.exponent {
            Exponent::One => m,
            Exponent::ThreeQuarters => {
                let root = m.root();
                root * root.root()
            }
        };
        *quad += kernels::reduce_into(self.entries, v, out, |e, v, out| {
            let quotient = v / power(scale * e + shift);
            *out += quotient;
            v * quotient
        });
    }
}

/// A + B. With B an [`Identity`] or a [`Diagonal`], A is damped: see [`Damped`].
pub struct Sum<'a, T: Scalar, B> {
    first: &'a mut dyn LinearOperator<T>,
    second: B,
}

/// A damped operator A + λD: the operator, and its damping as a last part.
///
/// ```
/// use natgrad::operator::{Damped, Identity, LinearOperator};
///
/// let mut curvature = Identity::scaled(2, 3.0_f32);
/// let mut damped = Damped::new(&mut curvature, Identity::scaled(2, 0.5));
/// let mut out = [0.0; 2];
/// let quad = damped.apply(&[1.0, 2.0], &mut out);
/// assert_eq!((out, quad), ([3.5, 7.0], 17.5));
/// ```
pub type Damped<'a, T, D> = Sum<'a, T, D>;

impl<'a, T: Scalar, B: LinearOperator<T>> Sum<'a, T, B> {
    /// `first` + `second`.
    pub fn new(first: &'a mut dyn LinearOperator<T>, second: B) -> Self {
        Self { first, second }
    }
}

impl<T: Scalar, B: LinearOperator<T>> LinearOperator<T> for Sum<'_, T, B> {
    fn dim(&self) -> usize {
        self.first.dim()
    }

    fn parts(&self) -> usize {
        self.first.parts().saturating_add(self.second.parts())
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        match part.checked_sub(self.first.parts()) {
            None => self.first.apply_part(part, v, out, quad),
            Some(part) => self.second.apply_part(part, v, out, quad),
        }
    }
}
