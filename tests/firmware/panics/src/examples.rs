//! Examples: batches, samples, rings; and parameters that are made from them.

use core::hint::black_box;

use natgrad::data::{Metric, Ring, Samples, Target};
use natgrad::{Batch, Inputs, Scalar, Targets, init};

use crate::numbers::number;
use crate::plans::model;
use crate::{count, slice, slice_mut, used};

/// Any inputs.
pub(crate) fn inputs<T: Scalar>() -> Inputs<'static, T> {
    black_box(Inputs::Values(&[]))
}

/// Any batch.
pub(crate) fn batch<T: Scalar>() -> Batch<'static, T> {
    black_box(Batch::new(inputs(), black_box(Targets::Unlabelled)))
}

/// Any metric.
pub(crate) fn metric<T: Scalar>() -> Metric<'static, T> {
    black_box(Metric::Same)
}

/// The functions of examples.
pub fn all<T: Scalar>() {
    batches::<T>();
    streams::<T>();
    parameters::<T>();
}

fn batches<T: Scalar>() {
    let bytes = Samples::<u8, T>::new(slice(), slice(), slice());
    let words = Samples::<i16, T>::new(slice(), slice(), slice());
    used(Inputs::from(black_box(bytes)));
    used(Inputs::from(black_box(words)));
    used(Inputs::from(slice::<T>()));
    used(Inputs::from(black_box(&[T::ZERO; 3])));
    used(Targets::from(slice::<T>()));
    used(Targets::from(black_box(&[T::ZERO; 3])));
    used(Batch::<T>::new(slice(), slice()));
    used(Batch::<T>::labelled(slice(), slice()));
    used(Batch::<T>::unlabelled(slice()));
    used(Batch::<T>::empty());
    used(Batch::<T>::weighted(batch(), slice()));
    used(Batch::<T>::is_empty(&batch()));
    if let Some(model) = model() {
        used(Batch::<T>::len(&batch(), &model));
        used(Batch::<T>::leading(&batch(), &model, count()));
    }
}

fn streams<T: Scalar>() {
    ring::<T, 3, [T; 2], 8>([T::ZERO; 2]);
    ring::<T, 3, u16, 8>(0);
    ring::<T, 1, [T; 1], 1>([T::ZERO; 1]);
    ring::<T, 0, [T; 0], 1>([]);
}

fn ring<T: Scalar, const DIM_IN: usize, Y: Target<T> + 'static, const N: usize>(target: Y) {
    used(<Y as Target<T>>::view(slice()));
    used(<Y as Target<T>>::is_finite(black_box(&target)));
    used(Ring::<T, DIM_IN, Y, N>::default());
    let mut ring = Ring::<T, DIM_IN, Y, N>::new();
    let inputs = black_box([number::<T>(); DIM_IN]);
    used(Ring::push(black_box(&mut ring), inputs, black_box(target)));
    used(Ring::len(black_box(&ring)));
    used(Ring::is_empty(black_box(&ring)));
    used(Ring::batch(black_box(&ring)));
    Ring::clear(black_box(&mut ring));
    used(ring);
}

fn parameters<T: Scalar>() {
    if let Some(model) = model() {
        let seed = black_box(1);
        used(init::glorot::<T>(model, seed, slice_mut()));
        used(init::sparse::<T>(model, seed, slice_mut()));
        used(init::fold_scales::<T>(model, &batch(), slice_mut()));
    }
}
