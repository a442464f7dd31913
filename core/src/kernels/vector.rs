//! Kernels on vectors of length P.

use super::PARTS;
use crate::scalar::Scalar;

/// Adds the partial sums as a tree: ((0+4)+(2+6)) + ((1+5)+(3+7)).
fn tree<T: Scalar>(parts: [T; PARTS]) -> T {
    let [a, b, c, d, e, f, g, h] = parts;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Σ f(xᵢ, yᵢ) in [`PARTS`] interleaved partial sums.
#[inline]
pub(crate) fn reduce<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut parts = [T::ZERO; PARTS];
    let (x_chunks, x_rest) = x.as_chunks::<PARTS>();
    let (y_chunks, y_rest) = y.as_chunks::<PARTS>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for ((part, &x), &y) in parts.iter_mut().zip(x).zip(y) {
            *part += f(x, y);
        }
    }
    for ((part, &x), &y) in parts.iter_mut().zip(x_rest).zip(y_rest) {
        *part += f(x, y);
    }
    tree(parts)
}

/// x · y.
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    reduce(x, y, |x, y| x * y)
}

/// Σ xᵢ.
pub(crate) fn sum<T: Scalar>(x: &[T]) -> T {
    reduce(x, x, |x, _| x)
}

/// |x − y|².
pub(crate) fn distance_squared<T: Scalar>(x: &[T], y: &[T]) -> T {
    reduce(x, y, |x, y| (x - y) * (x - y))
}

/// y += a x.
pub(crate) fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// y = x + a y.
pub(crate) fn xpay<T: Scalar>(x: &[T], a: T, y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x + a * *y;
    }
}

/// y = x.
pub(crate) fn copy<T: Copy>(x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x;
    }
}

/// x *= a.
pub(crate) fn scale<T: Scalar>(a: T, x: &mut [T]) {
    for x in x {
        *x *= a;
    }
}

/// x = a, everywhere.
pub(crate) fn fill<T: Copy>(a: T, x: &mut [T]) {
    for x in x {
        *x = a;
    }
}

/// Whether every element is finite.
pub(crate) fn all_finite<T: Scalar>(x: &[T]) -> bool {
    // `&`, not an early exit: one branch for the whole vector.
    x.iter().fold(true, |finite, x| finite & x.is_finite())
}
