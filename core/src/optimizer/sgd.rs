//! Stochastic gradient descent: see [`Sgd`].

use super::bounds::Bounds;
use super::objective::{GRADIENT_MACS, GradientPass};
use super::{Frame, Method, Outcome, Progress, Report, Slice, sealed};
use crate::error::Error;
use crate::plan::{Pass, Storage};
use crate::scalar::Scalar;
use crate::workspace::Arena;

/// What a step of [`Sgd`] does with the steps before it, as a type.
pub trait Velocity: Copy + Default + sealed::Sealed {
    /// Vectors that outlive a step.
    const VECTORS: usize;

    /// From μ, v and −ηg: the new v, and the change of θ.
    fn update<T: Scalar>(momentum: T, velocity: T, pull: T) -> (T, T);
}

/// Nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plain;

/// Momentum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Momentum;

/// Nesterov's momentum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Nesterov;

impl sealed::Sealed for Plain {}
impl sealed::Sealed for Momentum {}
impl sealed::Sealed for Nesterov {}

impl Velocity for Plain {
    const VECTORS: usize = 0;
    fn update<T: Scalar>(_: T, _: T, pull: T) -> (T, T) {
        (T::ZERO, pull)
    }
}

impl Velocity for Momentum {
    const VECTORS: usize = 1;
    fn update<T: Scalar>(momentum: T, velocity: T, pull: T) -> (T, T) {
        let velocity = momentum * velocity + pull;
        (velocity, velocity)
    }
}

impl Velocity for Nesterov {
    const VECTORS: usize = 1;
    fn update<T: Scalar>(momentum: T, velocity: T, pull: T) -> (T, T) {
        let velocity = momentum * velocity + pull;
        (velocity, momentum * velocity + pull)
    }
}

/// Stochastic gradient descent: plain, with momentum, with Nesterov's momentum. An honest baseline.
///
/// ```text
/// Plain     θ ← θ − ηg
/// Momentum  v ← μv − ηg; θ ← θ + v
/// Nesterov  v ← μv − ηg; θ ← θ + μv − ηg
/// ```
///
/// Nesterov's form is written for the point that looks ahead. g and v are `[P]`.
///
/// Cost of a step: a gradient. Memory: the gradient, and the velocity if there is one.
///
/// Reference: Sutskever, Martens, Dahl & Hinton 2013, for Nesterov's form.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sgd<T, V = Plain> {
    /// The rate η, positive.
    pub rate: T,
    /// The momentum μ, in [0, 1); [`Plain`] does not look at it.
    pub momentum: T,
    /// What is done with the steps before.
    pub velocity: V,
}

impl<T: Scalar, V: Velocity> Sgd<T, V> {
    /// With that rate, and momentum 0.9.
    pub fn new(rate: T) -> Self {
        Self {
            rate,
            momentum: T::of(0.9),
            velocity: V::default(),
        }
    }
}

/// What outlives a step of [`Sgd`], beside its velocity.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SgdState<T> {
    /// Of θ and v.
    bounds: Bounds<T, 2>,
}

impl<T, V> sealed::Sealed for Sgd<T, V> {}

impl<T: Scalar, V: Velocity> Method<T> for Sgd<T, V> {
    const STORAGE: Storage = Storage::vectors(1 + V::VECTORS).and(Pass::Gradient.storage());

    const STACK: usize = 1216;

    const SLICE: Slice = Slice::new(Pass::Gradient, false, GRADIENT_MACS);

    // Looked at, and written: ηg, μv and μ times the new v.
    const FINISH: usize = 6;

    type State = SgdState<T>;

    type Step = FirstOrderStep<T>;

    fn check(&self) -> Result<(), Error> {
        if !(self.rate > T::ZERO && self.rate.is_finite()) {
            return Err(Error::Setting("the rate must be positive and finite"));
        }
        if !(self.momentum >= T::ZERO && self.momentum < T::ONE) {
            return Err(Error::Setting("the momentum must be in [0, 1)"));
        }
        Ok(())
    }

    fn start(&self) -> SgdState<T> {
        SgdState {
            bounds: Bounds::unknown(),
        }
    }

    fn begin(&self, _: &SgdState<T>) -> FirstOrderStep<T> {
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
        state: &mut SgdState<T>,
        step: &FirstOrderStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let report = step.report()?;
        let mut arena = Arena::new(vectors);
        let gradient = arena.take(params.len());
        let velocity = arena.take(params.len());
        let update = |g: T, v: T| V::update(self.momentum, v, -(self.rate * g));

        // μ and η are not negative: from magnitudes comes what no magnitude is above.
        let [p, v] = state.bounds.0;
        let (v, change) = V::update(self.momentum, v, self.rate * report.gradient_norm);
        let mut bounds = Bounds::above([p + change, v]);
        if !bounds.hold() {
            let (mut largest_p, mut largest_v) = (T::ZERO, T::ZERO);
            let mut finite = true;
            for (i, (&g, &p)) in gradient.iter().zip(params.iter()).enumerate() {
                let v = velocity.get(i).copied().unwrap_or(T::ZERO);
                let (v, change) = update(g, v);
                let p = p + change;
                finite &= v.is_finite() & p.is_finite();
                largest_p = p.abs().larger(largest_p);
                largest_v = v.abs().larger(largest_v);
            }
            if !finite {
                return Err(Error::NonFiniteUpdate);
            }
            bounds = Bounds([largest_p, largest_v]);
        }
        for (i, (&mut g, p)) in gradient.iter_mut().zip(params).enumerate() {
            let mut none = T::ZERO;
            let v = velocity.get_mut(i).unwrap_or(&mut none);
            let (next, change) = update(g, *v);
            *v = next;
            *p += change;
        }
        state.bounds = bounds;
        Ok(report)
    }
}

/// A step of a first-order method under way: the gradient is all there is to it.
#[derive(Clone, Copy, Debug)]
pub struct FirstOrderStep<T> {
    gradient: GradientPass<T>,
}

impl<T: Scalar> FirstOrderStep<T> {
    pub(super) const fn new() -> Self {
        Self {
            gradient: GradientPass::new(),
        }
    }

    pub(super) fn advance<const TILE: usize>(
        &mut self,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let mut arena = Arena::new(core::mem::take(&mut frame.vectors));
        let gradient = arena.take(frame.model.trained_params());
        self.gradient.advance::<TILE>(&mut frame, gradient)
    }

    pub(super) fn report(&self) -> Result<Report<T>, Error> {
        if !self.gradient.is_done() {
            return Err(Error::Unfinished);
        }
        Ok(Report {
            outcome: Outcome::Accepted,
            loss: self.gradient.loss,
            loss_after: None,
            gradient_norm: self.gradient.norm,
            solve: None,
            macs: self.gradient.macs,
        })
    }
}
