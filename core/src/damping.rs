//! Damping: in which metric (a type), and how strong (a policy).

use crate::error::Error;
use crate::operator::{Diagonal, Identity, LinearOperator};
use crate::precondition::{DampingForm, Diagonals};
use crate::scalar::Scalar;

/// The metric D of the damping λD, as a type.
pub trait DampingMetric<T: Scalar>: Copy + Default {
    /// Whether it needs diag(F).
    const FISHER: bool;

    /// The multiply-accumulates of a product with the diagonal part of λD + l₂I, per parameter.
    const MACS: usize;

    /// The diagonal part of λD + l₂I as an operator.
    type Operator<'v>: LinearOperator<T>;

    /// The diagonal part of λD + l₂I, as s·diag(F) + c·I.
    fn form(&self, damping: T, l2: T, fisher_mean: T) -> DampingForm<T>;

    /// The weight in λD of the metric of the hidden units; 0 for none.
    fn structure(&self, damping: T) -> T;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`].
    fn check(&self) -> Result<(), Error>;

    /// The diagonal part of λD + l₂I on vectors of length `dim`.
    fn operator(
        dim: usize,
        diagonals: Diagonals<'_, T>,
        form: DampingForm<T>,
    ) -> Self::Operator<'_>;
}

/// D = I: every parameter is held alike. For standardised inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tikhonov;

impl<T: Scalar> DampingMetric<T> for Tikhonov {
    const FISHER: bool = false;
    const MACS: usize = Identity::<T>::MACS;
    type Operator<'v> = Identity<T>;

    fn form(&self, damping: T, l2: T, _: T) -> DampingForm<T> {
        DampingForm {
            scale: T::ZERO,
            shift: damping + l2,
        }
    }

    fn structure(&self, _: T) -> T {
        T::ZERO
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn operator(dim: usize, _: Diagonals<'_, T>, form: DampingForm<T>) -> Identity<T> {
        Identity::scaled(dim, form.shift)
    }
}

/// D = diag(F) + 10⁻⁴ · mean(diag F) · I: each parameter is held in its own unit, so that the step does
/// not depend on the units of the inputs. For raw sensor values.
///
/// That holds down to an entry of diag(F) of 10⁻⁴ of the mean, below which all are held alike: for inputs that lie
/// further apart take [`Gram`](crate::optimizer::Gram) with [`Kronecker`](crate::optimizer::Kronecker).
///
/// Reference: Marquardt 1963.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Marquardt;

/// The share of the mean in Marquardt's D: what holds a parameter that no example moves.
const MEAN_SHARE: f64 = 1e-4;

impl<T: Scalar> DampingMetric<T> for Marquardt {
    const FISHER: bool = true;
    const MACS: usize = Diagonal::<T>::MACS;
    type Operator<'v> = Diagonal<'v, T>;

    fn structure(&self, _: T) -> T {
        T::ZERO
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn form(&self, damping: T, l2: T, fisher_mean: T) -> DampingForm<T> {
        // ε below the mean: where the outputs are so saturated that F underflows, A must not be 0.
        let share = T::of(MEAN_SHARE) * fisher_mean.larger(T::EPSILON);
        DampingForm {
            scale: damping,
            shift: damping * share + l2,
        }
    }

    fn operator(_: usize, diagonals: Diagonals<'_, T>, form: DampingForm<T>) -> Diagonal<'_, T> {
        Diagonal::new(diagonals.fisher, form.scale, form.shift)
    }
}

/// D = I + μ J_hᵀH_hJ_h: structural damping, which also holds the hidden units h where they are, each read
/// as an output of its own (see [`crate::curvature::Fisher::with_structure`]).
///
/// Reference: Martens & Sutskever 2012, on structural damping; Pascanu & Bengio 2014, section 5 (the metric of the
/// joint p(t|h) p(h|x)).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Structural<T> {
    /// μ, not negative.
    pub weight: T,
}

impl<T: Scalar> Default for Structural<T> {
    /// μ = 0.03 (the setting of the authors' group).
    fn default() -> Self {
        Self {
            weight: T::of(0.03),
        }
    }
}

impl<T: Scalar> DampingMetric<T> for Structural<T> {
    const FISHER: bool = false;
    const MACS: usize = Identity::<T>::MACS;
    type Operator<'v> = Identity<T>;

    fn form(&self, damping: T, l2: T, fisher_mean: T) -> DampingForm<T> {
        Tikhonov.form(damping, l2, fisher_mean)
    }

    fn structure(&self, damping: T) -> T {
        damping * self.weight
    }

    fn check(&self) -> Result<(), Error> {
        if self.weight >= T::ZERO && self.weight.is_finite() {
            Ok(())
        } else {
            Err(Error::Setting(
                "the weight of structural damping must be finite and not negative",
            ))
        }
    }

    fn operator(dim: usize, _: Diagonals<'_, T>, form: DampingForm<T>) -> Identity<T> {
        Identity::scaled(dim, form.shift)
    }
}

/// Which reduction ratio ρ = (L(θ + αd) − L(θ)) / prediction a policy looks at. The thresholds of one do
/// not suit the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Ratio {
    /// Prediction α g·d + ½α² dᵀ(F + l₂I)d, the damping excluded: 1 where the model is exact, whatever λ
    /// is (Martens 2010).
    Quadratic,
    /// Prediction α g·d: between ½ and 1 for a full step of an exact model, so that λ settles where it
    /// is ¾; at small rates it stays near 1, and λ runs to its floor (the authors' natSGD).
    Linear,
}

/// How λ changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DampingPolicy<T> {
    /// Not at all.
    Constant,
    /// By the reduction ratio: × `raise` below `low`, × `lower` above `high`. NaN counts as failure.
    LevenbergMarquardt {
        /// Which ratio.
        ratio: Ratio,
        /// Below it λ rises.
        low: T,
        /// Above it λ falls.
        high: T,
        /// The factor up, at least 1.
        raise: T,
        /// The factor down, in (0, 1].
        lower: T,
    },
    /// By the solver's iterations: × `lower` below `few`, × `raise` above `many`. It asks for no
    /// evaluation of the loss.
    Effort {
        /// Below it λ falls.
        few: u16,
        /// Above it λ rises.
        many: u16,
        /// The factor up, at least 1.
        raise: T,
        /// The factor down, in (0, 1].
        lower: T,
    },
    /// × `factor` every `every` steps from step `start` on.
    Schedule {
        /// The first step that counts.
        start: u32,
        /// The number of steps between two changes, at least 1.
        every: u32,
        /// The factor, positive.
        factor: T,
    },
}

impl<T: Scalar> DampingPolicy<T> {
    /// Levenberg–Marquardt on the quadratic ratio, ¼ and ¾, × 3/2 and × 2/3 (Martens 2010).
    pub fn levenberg_marquardt() -> Self {
        Self::LevenbergMarquardt {
            ratio: Ratio::Quadratic,
            low: T::of(0.25),
            high: T::of(0.75),
            raise: T::of(1.5),
            lower: T::of(2.0 / 3.0),
        }
    }
}

/// The damping λD: the strength λ at the start, its limits and its policy, and the metric D.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Damping<T, D = Marquardt> {
    /// λ of the first step. In the unit of D: of a batch-mean metric for [`Tikhonov`], a pure number for
    /// [`Marquardt`].
    pub initial: T,
    /// λ never falls below it: in `f32`, 10⁻⁴ to 10⁻³ for [`Tikhonov`].
    pub floor: T,
    /// λ never rises above it.
    pub ceiling: T,
    /// How it changes.
    pub policy: DampingPolicy<T>,
    /// D.
    pub metric: D,
}

impl<T: Scalar, D: Default> Default for Damping<T, D> {
    /// λ = 1 between 10⁻³ and 10⁴ after Levenberg–Marquardt on the quadratic ratio.
    fn default() -> Self {
        Self {
            initial: T::ONE,
            floor: T::of(1e-3),
            ceiling: T::of(1e4),
            policy: DampingPolicy::levenberg_marquardt(),
            metric: D::default(),
        }
    }
}

/// What a step that is about to be taken tells the policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<T> {
    pub(crate) ratio: T,
    /// Whether the loss could have told anything: the predicted change is above its rounding.
    pub(crate) significant: bool,
    pub(crate) iterations: u16,
    /// The steps taken before.
    pub(crate) steps: u32,
}

impl<T: Scalar, D> Damping<T, D> {
    /// λ after a step with that evidence, from the `current` λ.
    pub(crate) fn next(&self, current: T, evidence: Evidence<T>) -> T {
        let factor = match self.policy {
            DampingPolicy::Constant => T::ONE,
            DampingPolicy::LevenbergMarquardt {
                low,
                high,
                raise,
                lower,
                ..
            } => {
                if !evidence.significant {
                    T::ONE
                } else if evidence.ratio > high {
                    lower
                } else if evidence.ratio >= low {
                    T::ONE
                } else {
                    raise
                }
            }
            DampingPolicy::Effort {
                few,
                many,
                raise,
                lower,
            } => {
                if evidence.iterations < few {
                    lower
                } else if evidence.iterations > many {
                    raise
                } else {
                    T::ONE
                }
            }
            DampingPolicy::Schedule {
                start,
                every,
                factor,
            } => {
                let since = evidence
                    .steps
                    .checked_sub(start)
                    .map(|n| n.checked_rem(every));
                if since == Some(Some(0)) {
                    factor
                } else {
                    T::ONE
                }
            }
        };
        self.clamp(current * factor)
    }

    /// λ between its limits.
    pub(crate) fn clamp(&self, value: T) -> T {
        value.larger(self.floor).smaller(self.ceiling)
    }

    /// Whether the policy looks at the loss at the trial point.
    pub(crate) fn reads_ratio(&self) -> Option<Ratio> {
        match self.policy {
            DampingPolicy::LevenbergMarquardt { ratio, .. } => Some(ratio),
            _ => None,
        }
    }

    /// Checks the settings, but for the metric.
    pub(crate) fn check_policy(&self) -> Result<(), Error> {
        let positive = |x: T| x > T::ZERO && x.is_finite();
        if !(positive(self.floor) && positive(self.ceiling) && self.floor <= self.ceiling) {
            return Err(Error::Setting(
                "the damping's floor and ceiling must be positive, finite and in order",
            ));
        }
        if !positive(self.initial) {
            return Err(Error::Setting("the damping must be positive and finite"));
        }
        let factors = |raise: T, lower: T| {
            raise >= T::ONE && raise.is_finite() && lower > T::ZERO && lower <= T::ONE
        };
        let good = match self.policy {
            DampingPolicy::Constant => true,
            DampingPolicy::LevenbergMarquardt {
                low,
                high,
                raise,
                lower,
                ..
            } => low <= high && factors(raise, lower),
            DampingPolicy::Effort {
                few,
                many,
                raise,
                lower,
            } => few <= many && factors(raise, lower),
            DampingPolicy::Schedule { every, factor, .. } => every > 0 && positive(factor),
        };
        if good {
            Ok(())
        } else {
            Err(Error::Setting(
                "the damping's policy needs thresholds in order, a raise of at least 1 and a lower between 0 and 1",
            ))
        }
    }
}

impl<T: Scalar, D: DampingMetric<T>> Damping<T, D> {
    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_policy()?;
        self.metric.check()
    }
}
