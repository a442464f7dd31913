//! The last N samples of a stream.

use heapless::Vec;

use super::{Batch, DataError, Targets};
use crate::scalar::Scalar;

/// What a sample of a stream should give: `[T; K]` values, or a class.
pub trait Target<T>: Copy {
    /// The targets of consecutive samples.
    fn view(samples: &[Self]) -> Targets<'_, T>;
    /// Whether every number in it is finite.
    fn is_finite(&self) -> bool;
}

impl<T: Scalar, const K: usize> Target<T> for [T; K] {
    fn view(samples: &[Self]) -> Targets<'_, T> {
        Targets::Values(samples.as_flattened())
    }
    fn is_finite(&self) -> bool {
        self.iter().all(|t| t.is_finite())
    }
}

impl<T: Scalar> Target<T> for u16 {
    fn view(samples: &[Self]) -> Targets<'_, T> {
        Targets::Classes(samples)
    }
    fn is_finite(&self) -> bool {
        true
    }
}

/// The last `N` samples of a stream, each `DIM_IN` inputs and one target; the oldest gives way to the
/// newest.
///
/// [`Ring::batch`] is a view of them in slot order, not by age; a mean depends on that only in its last bits.
/// [`Batch::leading`] of it takes the first slots, neither the oldest nor the newest samples.
///
/// ```
/// use natgrad::{Plan, Activation, Likelihood, data::Ring};
///
/// let plan = Plan::new([2, 1], Activation::Tanh, Likelihood::Gaussian)?;
/// let mut ring: Ring<f32, 2, [f32; 1], 3> = Ring::new();
/// for i in 0..5_u8 {
///     ring.push([f32::from(i), 1.0], [0.5])?;
/// }
/// assert_eq!(ring.batch().len(&plan.model()), 3);
/// assert!(ring.push([f32::NAN, 1.0], [0.5]).is_err());
/// # Ok::<(), natgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ring<T, const DIM_IN: usize, Y, const N: usize> {
    // Not `HistoryBuf`: its `write` keeps a bounds check that can panic.
    inputs: Vec<[T; DIM_IN], N>,
    targets: Vec<Y, N>,
    /// The place of the oldest sample, once there are `N`.
    oldest: usize,
}

impl<T: Scalar, const DIM_IN: usize, Y: Target<T>, const N: usize> Ring<T, DIM_IN, Y, N> {
    /// The ring without a sample.
    pub const fn new() -> Self {
        const { assert!(N > 0, "a ring holds at least one sample") };
        Self {
            inputs: Vec::new(),
            targets: Vec::new(),
            oldest: 0,
        }
    }

    /// Adds a sample; the oldest is forgotten when there are `N` already.
    ///
    /// # Errors
    /// [`DataError::Input`] or [`DataError::Target`], when a number is NaN or infinite: the ring is as
    /// it was.
    pub fn push(&mut self, inputs: [T; DIM_IN], target: Y) -> Result<(), DataError> {
        let example = self.len();
        if let Some(feature) = inputs.iter().position(|x| !x.is_finite()) {
            return Err(DataError::Input { example, feature });
        }
        if !target.is_finite() {
            return Err(DataError::Target { example });
        }
        if self.inputs.push(inputs).is_ok() && self.targets.push(target).is_ok() {
            return Ok(());
        }
        let places = (
            self.inputs.get_mut(self.oldest),
            self.targets.get_mut(self.oldest),
        );
        if let (Some(x), Some(y)) = places {
            (*x, *y) = (inputs, target);
        }
        self.oldest = self.oldest.saturating_add(1).checked_rem(N).unwrap_or(0);
        Ok(())
    }

    /// The number of samples, at most `N`.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no sample yet.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Forgets every sample.
    pub fn clear(&mut self) {
        self.inputs.clear();
        self.targets.clear();
        self.oldest = 0;
    }

    /// The samples as a batch, in slot order.
    pub fn batch(&self) -> Batch<'_, T> {
        Batch::new(
            self.inputs.as_slice().as_flattened(),
            Y::view(self.targets.as_slice()),
        )
    }
}

impl<T: Scalar, const DIM_IN: usize, Y: Target<T>, const N: usize> Default
    for Ring<T, DIM_IN, Y, N>
{
    fn default() -> Self {
        Self::new()
    }
}
