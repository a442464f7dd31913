//! The metric of the damping of a system in output space.

use super::sealed;
use crate::damping::Tikhonov;

/// The metric D of the damping of a system in output space, as a type.
pub trait DualMetric: Copy + Default + sealed::Sealed {
    /// Numbers per input and per unit of the trained layers.
    const FACTORS: usize;
}

impl sealed::Sealed for Tikhonov {}

impl DualMetric for Tikhonov {
    const FACTORS: usize = 0;
}

/// D in product form, about the mean μ of the network's inputs: vᵢuₒ for the weight of an input i in a unit o, and uₒ
/// for what the unit has at μ, which is b + Wμ. vᵢ is the variance of an input of the network, and the mean square of a
/// hidden unit, which has a zero of its own (μ = 0 there); uₒ is the mean square of the unit's columns of JᵀQ, summed
/// over the outputs. It is the diagonal of a Kronecker factorisation of F in those coordinates:
///
/// ```text
/// dᵀDd = Σₗ Σₒ uₒ ( Σᵢ vᵢ ΔWₒᵢ² + (Δbₒ + ΔWₒ·μ)² )
/// ```
///
/// So a step depends neither on the units nor on the zeros that inputs are measured with: from raw inputs, whose scales
/// were folded into the start ([`init::fold_scales`](crate::init::fold_scales)), a run is that from standardised ones,
/// but for rounding. The Gram matrix has the inner products of a − μ, for no more arithmetic than those of a.
///
/// A hidden unit counts at least 10⁻⁶ of the mean over its layer, a uₒ 10⁻³; the variance of an input of the network at
/// least 10⁻⁶ of the square of its mean, below which it is rounding. An input that is always 0 moves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Kronecker;

impl sealed::Sealed for Kronecker {}

impl DualMetric for Kronecker {
    /// As they were, as they are, and their roots.
    const FACTORS: usize = 3;
}
