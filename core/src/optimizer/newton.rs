//! Truncated Newton as a type of [`NaturalGradient`]: see [`Newton`].

use super::NaturalGradient;
use crate::curvature;
use crate::damping::Tikhonov;
use crate::krylov::Cg;
use crate::precondition::Unpreconditioned;

/// Truncated Newton: natural gradient's step with the true Hessian H `[P × P]` in the place of the Fisher.
///
/// ```text
/// d ≈ −(H + λI + l₂I)⁻¹ g, by conjugate gradients that stop at the first direction p with pᵀ(H + λI)p ≤ 0
/// ```
///
/// It is here as the contrast: H is indefinite, depends on the labels, and costs 8n − 5n₁ multiply-accumulates per
/// example and product, where F costs 5n − 2n₁, with n weights and n₁ of them in the first layer. Negative curvature
/// ends the solve; the iterate before it is the direction, if there is one and it descends. Where there is none, the
/// attempt has failed, and the next one has a stronger λ, until H + λI is positive along the gradient.
///
/// Memory: that of [`NaturalGradient`] with the same types, and the scratch of a Hessian product.
///
/// Reference: Martens 2010, section 3; Nocedal & Wright 2006, section 7.1; Pascanu & Bengio 2014, section 5.
pub type Newton<T, S = Cg, P = Unpreconditioned, D = Tikhonov> =
    NaturalGradient<T, S, P, D, curvature::Newton>;
