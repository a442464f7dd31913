//! The identities by which the inverse is taken in output space.

use super::sealed;

/// The identity by which the inverse is taken in output space, as a type: which gradients it takes.
pub trait Inverse: Copy + Default + sealed::Sealed {
    /// What the system is solved for.
    const RIGHT_HAND_SIDE: RightHandSide;

    /// The λ below which f32 has no digits left for d: the floor of the default.
    const FLOOR: f64;
}

/// What a system in output space is solved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightHandSide {
    /// The residuals s of the batch.
    Residuals,
    /// A gradient, which is one more vector.
    Gradient,
}

/// (λD + AᵀA)⁻¹Aᵀ = D⁻¹Aᵀ(λI + AD⁻¹Aᵀ)⁻¹: the metric is that of the gradient batch, and there is no L2 term. d lies in
/// the span of the rows of A.
///
/// No digits are lost by a division by λ, as by [`Woodbury`]. But near an optimum with residuals left y is close to
/// s/λ, of which Aᵀ cancels nearly all, and the digits of d go with it; the table at
/// [`Gram::default`](super::Gram::default) has the errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PushThrough;

impl sealed::Sealed for PushThrough {}

impl Inverse for PushThrough {
    const RIGHT_HAND_SIDE: RightHandSide = RightHandSide::Residuals;
    const FLOOR: f64 = 1e-5;
}

/// (λD + AᵀA)⁻¹ = D⁻¹(I − Aᵀ(λI + AD⁻¹Aᵀ)⁻¹AD⁻¹)/λ: any metric, and with [`Tikhonov`](crate::damping::Tikhonov) an L2
/// term. What is left of the gradient outside of the rows of A moves the parameters by 1/λ; the difference loses the
/// digits of λ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Woodbury;

impl sealed::Sealed for Woodbury {}

impl Inverse for Woodbury {
    const RIGHT_HAND_SIDE: RightHandSide = RightHandSide::Gradient;
    const FLOOR: f64 = 1e-3;
}
