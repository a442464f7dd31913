//! The only memory there is: one all-zero arena, and how it is carved.

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::scalar::Scalar;

/// `LEN` scalars, all zero: as a `static` it lies in `.bss` and costs neither flash nor a start-up copy.
///
/// It derefs to a slice, which is all that the core asks for; a host may pass a `Vec` instead.
#[derive(Clone, Debug)]
#[repr(transparent)]
pub struct Workspace<T, const LEN: usize>([T; LEN]);

impl<T: Scalar, const LEN: usize> Workspace<T, LEN> {
    /// Its size in bytes.
    pub const BYTES: usize = size_of::<[T; LEN]>();

    /// The workspace, all zeros.
    pub const fn new() -> Self {
        Self([T::ZERO; LEN])
    }
}

impl<T: Scalar, const LEN: usize> Default for Workspace<T, LEN> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const LEN: usize> Deref for Workspace<T, LEN> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const LEN: usize> DerefMut for Workspace<T, LEN> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// A slice that does not have the length that the plan, or the method, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ShapeError {
    /// Which slice.
    pub what: &'static str,
    /// Its length in scalars (or examples) as it should be; for memory that may be larger, the least.
    pub expected: usize,
    /// Its length as it is.
    pub found: usize,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: length {}, where plan and method ask for {}",
            self.what, self.found, self.expected
        )
    }
}

impl core::error::Error for ShapeError {}

/// Demands an exact length.
pub(crate) fn exact(what: &'static str, expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found {
        Ok(())
    } else {
        Err(ShapeError {
            what,
            expected,
            found,
        })
    }
}

/// Demands a least length.
pub(crate) fn at_least(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), ShapeError> {
    if expected <= found {
        Ok(())
    } else {
        Err(ShapeError {
            what,
            expected,
            found,
        })
    }
}

/// Memory from which one part after the other is taken.
pub(crate) struct Arena<'a, T>(&'a mut [T]);

impl<'a, T> Arena<'a, T> {
    pub(crate) const fn new(memory: &'a mut [T]) -> Self {
        Self(memory)
    }

    /// The next `len` elements. Total: fewer when there are fewer, which the checks of the public functions exclude.
    pub(crate) fn take(&mut self, len: usize) -> &'a mut [T] {
        let whole = core::mem::take(&mut self.0);
        let len = if len < whole.len() { len } else { whole.len() };
        match whole.split_at_mut_checked(len) {
            Some((head, tail)) => {
                self.0 = tail;
                head
            }
            None => &mut [],
        }
    }

    /// The next `rows` rows of one lane per example, of which a plan has no more than the address space holds.
    pub(crate) fn take_rows<const TILE: usize>(&mut self, rows: usize) -> &'a mut [[T; TILE]] {
        self.take(rows.wrapping_mul(TILE)).as_chunks_mut().0
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a mut [T] {
        self.0
    }
}
