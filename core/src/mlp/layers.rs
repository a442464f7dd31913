//! The layers of flat vectors, from either end: of the parameters, and of what has the trained ones' shape.

use crate::plan::Model;

/// One layer of a parameter-shaped vector.
pub(crate) struct Layer<'a, T> {
    /// Its place, from 0.
    pub(crate) index: usize,
    /// The number of its inputs.
    pub(crate) fan_in: usize,
    /// The number of its units.
    pub(crate) fan_out: usize,
    /// `[out × in]`, row-major.
    pub(crate) weights: &'a [T],
    /// `[out]`.
    pub(crate) bias: &'a [T],
}

/// One layer of a parameter-shaped vector, to be written.
pub(crate) struct LayerMut<'a, T> {
    /// The number of its inputs.
    pub(crate) fan_in: usize,
    /// The number of its units.
    pub(crate) fan_out: usize,
    /// `[out × in]`, row-major.
    pub(crate) weights: &'a mut [T],
    /// `[out]`.
    pub(crate) bias: &'a mut [T],
}

/// The parameters of all layers, in three runs: the trained ones may lie elsewhere than the frozen ones, as
/// at a trial point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'a, T> {
    /// Of the frozen layers before the trained ones.
    below: &'a [T],
    /// Of the trained layers: the P that a method sees.
    pub(crate) trained: &'a [T],
    /// Of the frozen layers after them.
    above: &'a [T],
}

impl<'a, T> Parameters<'a, T> {
    /// Those of a whole parameter vector.
    pub(crate) fn of(model: &Model<'_>, params: &'a [T]) -> Self {
        let (below, rest) = params
            .split_at_checked(model.params_below())
            .unwrap_or((&[], &[]));
        let (trained, above) = rest
            .split_at_checked(model.trained_params())
            .unwrap_or((&[], &[]));
        Self {
            below,
            trained,
            above,
        }
    }

    /// With other parameters of the trained layers.
    pub(crate) fn at(self, trained: &'a [T]) -> Self {
        Self { trained, ..self }
    }
}

/// The trained part of a whole parameter vector.
pub(crate) fn trained_mut<'a, T>(model: &Model<'_>, params: &'a mut [T]) -> &'a mut [T] {
    let (_, rest) = params
        .split_at_mut_checked(model.params_below())
        .unwrap_or((&mut [], &mut []));
    rest.get_mut(..model.trained_params()).unwrap_or(&mut [])
}

/// All layers, input side first.
pub(crate) fn layers<'a, T>(model: &Model<'a>, params: Parameters<'a, T>) -> Layers<'a, T> {
    Layers {
        widths: model.widths(),
        params,
        first: 0,
    }
}

/// The trained layers, with what a `vector` `[P]` holds for them.
pub(crate) fn trained_layers<'a, T>(model: &Model<'a>, vector: &'a [T]) -> Layers<'a, T> {
    Layers {
        widths: model.trained_widths(),
        params: Parameters {
            below: &[],
            trained: vector,
            above: &[],
        },
        first: model.first_trained(),
    }
}

/// All layers of a whole parameter vector, to be written.
pub(crate) fn layers_mut<'a, T>(model: &Model<'a>, params: &'a mut [T]) -> LayersMut<'a, T> {
    LayersMut {
        widths: model.widths(),
        vector: params,
    }
}

/// The trained layers, to be written.
pub(crate) fn trained_layers_mut<'a, T>(
    model: &Model<'a>,
    vector: &'a mut [T],
) -> LayersMut<'a, T> {
    LayersMut {
        widths: model.trained_widths(),
        vector,
    }
}

pub(crate) struct Layers<'a, T> {
    widths: &'a [usize],
    /// What is left of each run: a layer lies in one of them.
    params: Parameters<'a, T>,
    first: usize,
}

/// The number of weights of a layer of a plan, whose sizes do not leave the address space: not a product that looks
/// whether they do, for each layer of each pass.
#[inline]
fn weights_len(fan_in: usize, fan_out: usize) -> usize {
    fan_in.wrapping_mul(fan_out)
}

/// All but the last `len` elements, and those.
fn split_end<T>(slice: &[T], len: usize) -> Option<(&[T], &[T])> {
    slice.split_at_checked(slice.len().checked_sub(len)?)
}

fn split_end_mut<T>(slice: &mut [T], len: usize) -> Option<(&mut [T], &mut [T])> {
    slice.split_at_mut_checked(slice.len().checked_sub(len)?)
}

impl<'a, T> Iterator for Layers<'a, T> {
    type Item = Layer<'a, T>;

    fn next(&mut self) -> Option<Layer<'a, T>> {
        let [fan_in, rest @ ..] = self.widths else {
            return None;
        };
        let [fan_out, ..] = rest else {
            return None;
        };
        let Parameters {
            below,
            trained,
            above,
        } = &mut self.params;
        let run = if !below.is_empty() {
            below
        } else if !trained.is_empty() {
            trained
        } else {
            above
        };
        let (weights, tail) = run.split_at_checked(weights_len(*fan_in, *fan_out))?;
        let (bias, tail) = tail.split_at_checked(*fan_out)?;
        *run = tail;
        let index = self.first;
        (self.widths, self.first) = (rest, index.saturating_add(1));
        Some(Layer {
            index,
            fan_in: *fan_in,
            fan_out: *fan_out,
            weights,
            bias,
        })
    }
}

impl<T> DoubleEndedIterator for Layers<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let [rest @ .., fan_out] = self.widths else {
            return None;
        };
        let [.., fan_in] = rest else {
            return None;
        };
        let Parameters {
            below,
            trained,
            above,
        } = &mut self.params;
        let run = if !above.is_empty() {
            above
        } else if !trained.is_empty() {
            trained
        } else {
            below
        };
        let (head, bias) = split_end(run, *fan_out)?;
        let (head, weights) = split_end(head, weights_len(*fan_in, *fan_out))?;
        *run = head;
        let index = self.first.saturating_add(rest.len()).saturating_sub(1);
        self.widths = rest;
        Some(Layer {
            index,
            fan_in: *fan_in,
            fan_out: *fan_out,
            weights,
            bias,
        })
    }
}

pub(crate) struct LayersMut<'a, T> {
    widths: &'a [usize],
    vector: &'a mut [T],
}

impl<'a, T> Iterator for LayersMut<'a, T> {
    type Item = LayerMut<'a, T>;

    fn next(&mut self) -> Option<LayerMut<'a, T>> {
        let [fan_in, rest @ ..] = self.widths else {
            return None;
        };
        let [fan_out, ..] = rest else {
            return None;
        };
        let vector = core::mem::take(&mut self.vector);
        let (weights, tail) = vector.split_at_mut_checked(weights_len(*fan_in, *fan_out))?;
        let (bias, tail) = tail.split_at_mut_checked(*fan_out)?;
        (self.widths, self.vector) = (rest, tail);
        Some(LayerMut {
            fan_in: *fan_in,
            fan_out: *fan_out,
            weights,
            bias,
        })
    }
}

impl<T> DoubleEndedIterator for LayersMut<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let [rest @ .., fan_out] = self.widths else {
            return None;
        };
        let [.., fan_in] = rest else {
            return None;
        };
        let vector = core::mem::take(&mut self.vector);
        let (head, bias) = split_end_mut(vector, *fan_out)?;
        let (head, weights) = split_end_mut(head, weights_len(*fan_in, *fan_out))?;
        (self.widths, self.vector) = (rest, head);
        Some(LayerMut {
            fan_in: *fan_in,
            fan_out: *fan_out,
            weights,
            bias,
        })
    }
}
