//! φ of the last iterations, and the rule of relative progress over them.

use super::WINDOW;
use crate::scalar::Scalar;

/// φ of the last [`WINDOW`] iterations, each at its count modulo that.
#[derive(Clone, Copy, Debug)]
pub(super) struct History<T>([T; WINDOW]);

impl<T: Scalar> History<T> {
    pub(super) const fn new() -> Self {
        Self([T::ZERO; WINDOW])
    }

    /// Keeps φ of iteration `count`.
    pub(super) fn keep(&mut self, count: u16, phi: T) {
        if let Some(slot) = self.0.get_mut(usize::from(count) % WINDOW) {
            *slot = phi;
        }
    }

    /// Whether φ has come to `phi` at iteration `count` so slowly that the solve is to stop (Martens 2010,
    /// section 4.4).
    pub(super) fn stalls(&self, count: u16, phi: T, tolerance: T) -> bool {
        let count = usize::from(count);
        let window = count.div_ceil(10).clamp(10, WINDOW - 1);
        let Some(before) = count.checked_sub(window) else {
            return false;
        };
        let earlier = self.0.get(before % WINDOW).copied().unwrap_or(T::ZERO);
        before > 0 && earlier < T::ZERO && (phi - earlier) / phi < T::of_count(window) * tolerance
    }
}
