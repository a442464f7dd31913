//! Numbers, activations, dense matrices.

use core::hint::black_box;

use natgrad::dense::{self, Eigen, Rows};
use natgrad::{Activation, Scalar};

use crate::{count, slice, slice_mut, used};

/// Any number.
pub(crate) fn number<T: Scalar>() -> T {
    black_box(T::ONE)
}

/// The functions of numbers and of small matrices.
pub fn all<T: Scalar>() {
    scalars::<T>();
    activations::<T>();
    matrices::<T>();
}

fn scalars<T: Scalar>() {
    used(<T as Scalar>::of(black_box(1.0)));
    used(<T as Scalar>::of_count(count()));
    used(<T as Scalar>::of_int(black_box(1)));
    used(Scalar::widen(number::<T>()));
    used(Scalar::root(number::<T>()));
    used(Scalar::exponential(number::<T>()));
    used(Scalar::exponential_m1(number::<T>()));
    used(Scalar::logarithm(number::<T>()));
    used(Scalar::logarithm_1p(number::<T>()));
    used(Scalar::hyperbolic_tangent(number::<T>()));
    <T as Scalar>::hyperbolic_tangents(slice_mut());
    used(Scalar::larger(number::<T>(), number()));
    used(Scalar::smaller(number::<T>(), number()));
}

fn activations<T: Scalar>() {
    let activation = black_box(Activation::Tanh);
    used(Activation::value(activation, number::<T>()));
    used(Activation::slope(activation, number::<T>()));
    used(Activation::bend(activation, number::<T>()));
}

fn matrices<T: Scalar>() {
    let rows = black_box(Rows::Square(count()));
    used(Rows::packed_len(count()));
    used(dense::factor_entry::<T>(
        slice_mut(),
        rows,
        count(),
        count(),
    ));
    used(dense::factor::<T>(slice_mut(), count()));
    dense::solve_row::<T>(slice(), rows, count(), slice_mut(), count());
    dense::solve::<T>(slice(), count(), slice_mut());
    used(dense::eigen::<T>(slice_mut(), count(), slice_mut()));
    used(Eigen::rotation_macs(count()));
    let mut eigen = Eigen::begin(count());
    used(Eigen::advance::<T>(
        black_box(&mut eigen),
        slice_mut(),
        slice_mut(),
        count(),
    ));
}
