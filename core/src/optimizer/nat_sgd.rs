//! Stochastic natural gradient as settings of [`NaturalGradient`]: see [`NatSgd`].

use super::{Acceptance, NaturalGradient};
use crate::damping::{Damping, DampingPolicy, Ratio, Tikhonov};
use crate::krylov::Stop;
use crate::line_search::Trust;
use crate::precondition::Unpreconditioned;
use crate::scalar::Scalar;

/// Stochastic natural gradient as its authors ran it (natSGD), with the solver `S`: theirs was MINRES-QLP
/// ([`MinresQlp`](crate::krylov::MinresQlp)). Made by [`NaturalGradient::nat_sgd`].
///
/// ```text
/// r = −(F + λI)⁻¹ g, without preconditioner, warm start, line search or trust region; θ ← θ + α r
/// ρ = (L(θ + αr) − L(θ)) / (α g·r): the *linear* prediction
/// ```
///
/// Its four ways to set λ are settings:
/// 1. by ρ on the gradient batch in every step: the default here;
/// 2. by ρ on a larger batch every so many steps: [`HeldOut::Judges`] and [`super::Trainer::hold_out`];
/// 3. by the solver's effort, without any loss: [`DampingPolicy::Effort`];
/// 4. by a schedule: [`DampingPolicy::Schedule`].
///
/// The rate may fall by [`Decay`]: halved every 100 steps from 150 on, or as 1/(1 + (t − 150)/20). The metric is taken
/// on the gradient batch, on another one or on unlabelled data by the [`Metric`] of a step.
///
/// A different metric batch with little damping diverges: g has components outside the row space of that batch's J,
/// which 1/λ amplifies. It needs λ by ρ, or λ ≥ 0.1 at rates up to 0.3 and ≥ 0.3 at 1 (exploratory runs).
///
/// With ρ linear and α = 1, λ settles where ρ is about ¾; with a small α, ρ stays near 1 and λ runs to its floor, which
/// then is the damping.
///
/// Cost and memory: those of [`NaturalGradient`] with the same types.
///
/// Reference: Pascanu & Bengio 2014, sections 3, 7 and 10; the settings are those of the authors' program.
///
/// [`Metric`]: crate::data::Metric
/// [`HeldOut::Judges`]: super::HeldOut::Judges
/// [`Decay`]: crate::line_search::Decay
pub type NatSgd<T, S> = NaturalGradient<T, S, Unpreconditioned, Tikhonov>;

impl<T: Scalar, S: Default> NaturalGradient<T, S, Unpreconditioned, Tikhonov> {
    /// The authors' settings: λ from 6 on by Levenberg–Marquardt on the linear ratio, at most 30
    /// iterations to a relative residual of 10⁻⁴, rate 1, every finite trial accepted at once.
    pub fn nat_sgd() -> Self {
        Self {
            damping: Damping {
                initial: T::of(6.0),
                floor: T::of(1e-4),
                policy: DampingPolicy::LevenbergMarquardt {
                    ratio: Ratio::Linear,
                    low: T::of(0.25),
                    high: T::of(0.75),
                    raise: T::of(1.5),
                    lower: T::of(2.0 / 3.0),
                },
                ..Damping::default()
            },
            stop: Stop {
                iterations: 30,
                residual: T::of(1e-4),
                progress: T::ZERO,
                refresh: 0,
            },
            trust: Trust::unbounded(),
            acceptance: Acceptance::Finite,
            retries: 0,
            ..Self::default()
        }
    }
}
