//! How far along a direction.

use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::scalar::Scalar;

/// The choice of the rate α of a step αd.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LineSearch<T> {
    /// α as given.
    Fixed,
    /// Armijo backtracking: while L(θ + αd) > L(θ) + `slope` · α g·d, α × `shrink`, at most `tries`
    /// times; then the attempt has failed (Martens 2010: 10⁻², 0.8, 60).
    Backtracking {
        /// The share of the predicted decrease that must be seen, in [0, 1).
        slope: T,
        /// The factor, in (0, 1).
        shrink: T,
        /// The most shrinkings.
        tries: u16,
    },
}

impl<T: Scalar> LineSearch<T> {
    /// Armijo backtracking with Martens' constants.
    pub fn backtracking() -> Self {
        Self::Backtracking {
            slope: T::of(1e-2),
            shrink: T::of(0.8),
            tries: 60,
        }
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match *self {
            Self::Fixed => Ok(()),
            Self::Backtracking { slope, shrink, .. } => {
                let good =
                    slope >= T::ZERO && slope < T::ONE && shrink > T::ZERO && shrink < T::ONE;
                if good {
                    Ok(())
                } else {
                    Err(Error::Setting(
                        "the line search needs a slope in [0, 1) and a shrink in (0, 1)",
                    ))
                }
            }
        }
    }
}

/// How the rate α falls from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Decay<T> {
    /// Not at all.
    Constant,
    /// × `factor` every `every` steps from step `start` on (the authors: ½ every 100 steps from 150 on).
    Geometric {
        /// The first step that counts.
        start: u32,
        /// The number of steps between two changes, at least 1.
        every: u32,
        /// The factor, in (0, 1].
        factor: T,
    },
    /// α / (1 + (t − `start`) / `scale`) at the steps t after `start` (the authors: 150 and 20).
    Harmonic {
        /// The last step before it falls.
        start: u32,
        /// The steps in which it halves, at least 1.
        scale: u32,
    },
}

impl<T: Scalar> Decay<T> {
    /// The factor on α of step `step`, from that of the step before.
    pub(crate) fn next(&self, before: T, step: u32) -> T {
        match *self {
            Self::Constant => T::ONE,
            Self::Geometric {
                start,
                every,
                factor,
            } => {
                let since = step.checked_sub(start).map(|n| n.checked_rem(every));
                if since == Some(Some(0)) {
                    before * factor
                } else {
                    before
                }
            }
            Self::Harmonic { start, scale } => {
                let scale = T::of(f64::from(scale));
                scale / (scale + T::of(f64::from(step.saturating_sub(start))))
            }
        }
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let good = match *self {
            Self::Constant => true,
            Self::Geometric { every, factor, .. } => {
                every > 0 && factor > T::ZERO && factor <= T::ONE
            }
            Self::Harmonic { scale, .. } => scale > 0,
        };
        if good {
            Ok(())
        } else {
            Err(Error::Setting(
                "the decay of the rate needs a factor in (0, 1] and at least one step between two changes",
            ))
        }
    }
}

/// A trust region: how much of a step is allowed, measured at the outputs. Infinite to switch a bound off.
///
/// A saturated softmax makes F vanish while p − t stays near 1; the direction then grows as 1/λ, and only
/// the change of the outputs themselves bounds it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Trust<T> {
    /// ½ α² dᵀFd ≤ `kl`: the KL divergence of a step, in nats per example, to second order.
    pub kl: T,
    /// |α Jᵦd| ≤ `logit` for every logit of every example of the metric, of a Bernoulli or categorical
    /// likelihood: in nats of log-odds. A Gaussian's outputs are in the user's units, and its metric
    /// does not saturate: for it there is only `kl`.
    pub logit: T,
}

impl<T: Scalar> Default for Trust<T> {
    /// A logit may change by 8 in a step; no bound on the divergence.
    fn default() -> Self {
        Self {
            logit: T::of(8.0),
            ..Self::unbounded()
        }
    }
}

impl<T: Scalar> Trust<T> {
    /// No bound.
    pub fn unbounded() -> Self {
        Self {
            kl: T::infinity(),
            logit: T::infinity(),
        }
    }

    /// The largest α ≤ `rate` within the region, from dᵀFd and max |Jᵦd|.
    pub(crate) fn cap(&self, likelihood: Likelihood, rate: T, quad: T, reach: T) -> T {
        let mut cap = rate;
        if quad > T::ZERO {
            cap = ((self.kl + self.kl) / quad).root().smaller(cap);
        }
        if reach > T::ZERO && likelihood != Likelihood::Gaussian {
            cap = (self.logit / reach).smaller(cap);
        }
        cap
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.kl > T::ZERO && self.logit > T::ZERO {
            Ok(())
        } else {
            Err(Error::Setting(
                "the bounds of the trust region must be positive",
            ))
        }
    }
}
