//! Whether an update can leave the range of the scalar type, known without a look at each parameter.
//!
//! ```text
//! before a step that makes |xᵢ| at most F(|xᵢ|, |gᵢ|), F rising in both:  |xᵢ| ≤ b
//! after it:                                                               |xᵢ| ≤ b′ = (1 + 2ε) F(b, |g|)
//! ```
//!
//! The Euclidean norm |g| is at least every |gᵢ|; ε is the distance from 1 to the next number, of which a rounding is
//! half. That b′ is in range is enough for a step, and not needed: where it is not, the elements decide, and the
//! largest of them is the new b.

use crate::scalar::Scalar;

/// At least the magnitude of every parameter, and of every element of what else a method keeps from step to step.
///
/// Both grow in a step by no more than its method says, whatever the examples are. So bounds are carried along, and the
/// parameters themselves are looked at only where nothing is known yet, or a bound comes near the end of the range,
/// some hundred million steps after the last look if the parameters stay where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Bounds<T, const N: usize>(pub(super) [T; N]);

impl<T: Scalar, const N: usize> Bounds<T, N> {
    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self([T::infinity(); N])
    }

    /// At least what comes of the operations that gave `magnitudes` on elements that are no larger: up to four
    /// roundings each do not make it less.
    pub(super) fn above(magnitudes: [T; N]) -> Self {
        let four_roundings = T::ONE + (T::EPSILON + T::EPSILON);
        Self(magnitudes.map(|magnitude| magnitude * four_roundings))
    }

    /// Whether all are finite, with room for a norm that has been rounded itself, or whose squares were too small.
    pub(super) fn hold(&self) -> bool {
        self.0.iter().all(|&bound| (bound + bound).is_finite())
    }
}
