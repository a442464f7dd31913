//! Adam: see [`Adam`].

use super::bounds::Bounds;
use super::objective::GRADIENT_MACS;
use super::sgd::FirstOrderStep;
use super::{Frame, Method, Progress, Report, Slice, sealed};
use crate::error::Error;
use crate::plan::{Pass, Storage};
use crate::scalar::{ROOT_MACS, Scalar};
use crate::workspace::Arena;

/// Adam. An honest baseline.
///
/// ```text
/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g∘g
/// θ ← θ − η (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)       t = 1, 2, …
/// ```
///
/// m, v and g are `[P]`; the powers β₁ᵗ and β₂ᵗ are running products.
///
/// A step is refused with [`Error::NonFiniteUpdate`] where |θ| + 2η′|m|/ε with η′ = η/(1 − β₁ᵗ), which bounds the new
/// θ, is not finite.
///
/// Cost of a step: a gradient. Memory: the gradient and two moments.
///
/// Reference: Kingma & Ba 2015.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Adam<T> {
    /// The rate η, positive.
    pub rate: T,
    /// β₁, in [0, 1).
    pub beta1: T,
    /// β₂, in [0, 1).
    pub beta2: T,
    /// ε, positive.
    pub epsilon: T,
}

/// What outlives a step of [`Adam`], beside its moments.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AdamState<T> {
    /// β₁ᵗ and β₂ᵗ.
    pub powers: [T; 2],
    /// Of θ, m and v.
    bounds: Bounds<T, 3>,
}

impl<T: Scalar> Adam<T> {
    /// With that rate, β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    pub fn new(rate: T) -> Self {
        Self {
            rate,
            beta1: T::of(0.9),
            beta2: T::of(0.999),
            epsilon: T::of(1e-8),
        }
    }
}

impl<T> sealed::Sealed for Adam<T> {}

impl<T: Scalar> Method<T> for Adam<T> {
    const STORAGE: Storage = Storage::vectors(3).and(Pass::Gradient.storage());

    const STACK: usize = 1216;

    const SLICE: Slice = Slice::new(Pass::Gradient, false, GRADIENT_MACS);

    // Looked at: five for the moments, the bound, and twice times zero. Written: five, two quotients, ηm and a root.
    const FINISH: usize = 8 + 8 + ROOT_MACS;

    type State = AdamState<T>;

    type Step = FirstOrderStep<T>;

    fn check(&self) -> Result<(), Error> {
        let positive = |x: T| x > T::ZERO && x.is_finite();
        if !positive(self.rate) {
            return Err(Error::Setting("the rate must be positive and finite"));
        }
        let decay = |x: T| x >= T::ZERO && x < T::ONE;
        if !(decay(self.beta1) && decay(self.beta2)) {
            return Err(Error::Setting("the decays of Adam must be in [0, 1)"));
        }
        if !positive(self.epsilon) {
            return Err(Error::Setting(
                "the epsilon of Adam must be positive and finite",
            ));
        }
        if !((self.rate + self.rate) / self.epsilon).is_finite() {
            return Err(Error::Setting(
                "the rate of Adam divided by its epsilon must be finite",
            ));
        }
        Ok(())
    }

    fn start(&self) -> AdamState<T> {
        AdamState {
            powers: [T::ONE; 2],
            bounds: Bounds::unknown(),
        }
    }

    fn begin(&self, _: &AdamState<T>) -> FirstOrderStep<T> {
        FirstOrderStep::new()
    }

    fn advance<const TILE: usize>(
        &self,
        step: &mut FirstOrderStep<T>,
        frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        step.advance::<TILE>(frame)
    }

    fn finish(
        &self,
        state: &mut AdamState<T>,
        step: &FirstOrderStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let report = step.report()?;
        let mut arena = Arena::new(vectors);
        let gradient = arena.take(params.len());
        let first = arena.take(params.len());
        let second = arena.take(params.len());

        let Self {
            rate,
            beta1,
            beta2,
            epsilon,
        } = *self;
        let [power1, power2] = state.powers;
        let powers = [power1 * beta1, power2 * beta2];
        let [power1, power2] = powers;
        let (rate, unbias) = (rate / (T::ONE - power1), T::ONE - power2);
        let moments = |g: T, m: T, v: T| {
            let m = beta1 * m + (T::ONE - beta1) * g;
            let v = beta2 * v + (T::ONE - beta2) * (g * g);
            (m, v)
        };

        // √v̂ + ε ≥ ε, so that twice η|m|/ε is above every |change|, rounded as it may be: no root is needed to know
        // that none of them leaves the range.
        let steepest = (rate + rate) / epsilon;
        let [p, m, v] = state.bounds.0;
        let largest = report.gradient_norm;
        let m = largest.larger(m);
        let mut bounds = Bounds::above([p + m * steepest, m, (largest * largest).larger(v)]);
        if !bounds.hold() {
            let (mut largest_p, mut largest_m, mut largest_v) = (T::ZERO, T::ZERO, T::ZERO);
            // Times zero, what is not finite is not zero.
            let mut taint = T::ZERO;
            let old = first.iter().zip(second.iter());
            for ((&g, &p), (&m, &v)) in gradient.iter().zip(params.iter()).zip(old) {
                let (m, v) = moments(g, m, v);
                let m = m.abs();
                let p = p.abs() + m * steepest;
                taint += v * T::ZERO + p * T::ZERO;
                largest_p = p.larger(largest_p);
                largest_m = m.larger(largest_m);
                largest_v = v.larger(largest_v);
            }
            if taint != T::ZERO {
                return Err(Error::NonFiniteUpdate);
            }
            bounds = Bounds([largest_p, largest_m, largest_v]);
        }
        let old = first.iter_mut().zip(second);
        for ((&mut g, p), (m, v)) in gradient.iter_mut().zip(params).zip(old) {
            (*m, *v) = moments(g, *m, *v);
            *p += -(rate * *m) / ((*v / unbias).root() + epsilon);
        }
        *state = AdamState { powers, bounds };
        Ok(report)
    }
}
