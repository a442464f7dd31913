//! Inputs as integers in flash.

use super::{head, row};
use crate::scalar::Scalar;

/// Inputs stored as small integers, `[batch × features]`, with an offset and a scale per feature:
///
/// xᵢ = offsetᵢ + scaleᵢ · rawᵢ.
///
/// A set of 8-bit samples takes a quarter of the flash of `f32`; the product is formed when a tile of
/// examples is loaded, and nowhere stored.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a, R, T> {
    raw: &'a [R],
    scale: &'a [T],
    offset: &'a [T],
}

impl<'a, R: Copy, T: Scalar> Samples<'a, R, T> {
    /// Raw values `[batch × features]`, scale `[features]`, offset `[features]`. The lengths are checked
    /// against the plan where the samples are used.
    pub const fn new(raw: &'a [R], scale: &'a [T], offset: &'a [T]) -> Self {
        Self { raw, scale, offset }
    }

    pub(super) fn values(&self) -> usize {
        self.raw.len()
    }

    /// The number of features, or `usize::MAX` when scale and offset disagree, which fits no plan.
    pub(super) fn features(&self) -> usize {
        if self.scale.len() == self.offset.len() {
            self.scale.len()
        } else {
            usize::MAX
        }
    }

    pub(super) fn head(&self, values: usize) -> Self {
        Self {
            raw: head(self.raw, values),
            ..*self
        }
    }
}

impl<R: Copy + Into<i32>, T: Scalar> Samples<'_, R, T> {
    pub(super) fn read<P>(
        &self,
        example: usize,
        places: impl Iterator<Item = P>,
        mut put: impl FnMut(P, T),
    ) {
        let raw = row(self.raw, example, self.scale.len());
        let features = raw.iter().zip(self.scale).zip(self.offset);
        for (place, ((&raw, &scale), &offset)) in places.zip(features) {
            put(place, offset + scale * T::of_int(raw.into()));
        }
    }
}
