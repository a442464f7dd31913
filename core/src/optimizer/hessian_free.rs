//! Hessian-Free optimisation as settings of [`NaturalGradient`]: see [`HessianFree`].

use super::NaturalGradient;
use crate::damping::{Damping, DampingMetric, Structural, Tikhonov};
use crate::krylov::{Cg, Stop};
use crate::line_search::{LineSearch, Trust};
use crate::precondition::Martens;
use crate::scalar::Scalar;

/// Hessian-Free optimisation after Martens, damped by λI: natural gradient with the extras of his implementation, made
/// by [`NaturalGradient::hessian_free`].
///
/// ```text
/// preconditioner ((1/B) Σ gᵦ∘gᵦ + λ + l₂)^¾; x₀ = 0.95 · the last solve's end point
/// CG until the relative progress over k = max(10, ⌈i/10⌉) iterations is below 5·10⁻⁴ k, at most 250
/// backtracking along the kept iterates ⌈5 · 1.3ʲ⌉, then Armijo: L(θ + αd) ≤ L(θ) + 10⁻² α g·d, α × 0.8
/// ρ = (L(θ + d) − L(θ)) / (g·d + ½ dᵀFd), without the damping; λ × ⅔ above ¾, × 3/2 below ¼
/// ```
///
/// For matching losses the extended Gauss-Newton matrix that HF solves with *is* the Fisher, so that HF is natural
/// gradient with truncated conjugate gradients. λ is in the unit of a batch-mean metric. The initialisation is
/// [`crate::init::sparse`], the L2 term (10⁻⁵ in his experiments) [`super::Trainer::regularise`].
///
/// Cost of a step: that of [`NaturalGradient`] with the same types. Memory: 6 + `CHECKPOINTS` vectors, as many iterates
/// being kept.
///
/// Reference: Martens 2010, sections 3 and 4; Pascanu & Bengio 2014, section 5.
pub type HessianFree<T, const CHECKPOINTS: usize = 2> =
    NaturalGradient<T, Cg<CHECKPOINTS>, Martens, Tikhonov>;

/// Hessian-Free optimisation with structural damping ([`Structural`]): the hidden units are held, too. Otherwise as
/// [`HessianFree`].
///
/// Reference: Martens & Sutskever 2012, on structural damping.
pub type StructuralHessianFree<T, const CHECKPOINTS: usize = 2> =
    NaturalGradient<T, Cg<CHECKPOINTS>, Martens, Structural<T>>;

impl<T: Scalar, const CHECKPOINTS: usize, D: DampingMetric<T>>
    NaturalGradient<T, Cg<CHECKPOINTS>, Martens, D>
{
    /// The settings of Martens' implementation, from the damping λ = `initial` on (45 in his experiments,
    /// in the unit of a batch-mean metric).
    ///
    /// Two things differ: a step that is rejected is tried again at once with a stronger λ, where his goes
    /// on to the next batch; and no more than `CHECKPOINTS` iterates are kept.
    pub fn hessian_free(initial: T) -> Self {
        Self {
            damping: Damping {
                initial,
                ..Damping::default()
            },
            stop: Stop {
                iterations: 250,
                residual: T::ZERO,
                progress: T::of(5e-4),
                refresh: 0,
            },
            warm_start: T::of(0.95),
            line_search: LineSearch::backtracking(),
            trust: Trust::unbounded(),
            ..Self::default()
        }
    }
}
