//! The layers of a flat parameter vector, from either end.

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

/// The layers of `vector`, input side first.
pub(crate) fn layers<'a, T>(model: &Model<'a>, vector: &'a [T]) -> Layers<'a, T> {
    Layers {
        widths: model.widths(),
        vector,
        first: 0,
    }
}

/// The layers of `vector`, to be written.
pub(crate) fn layers_mut<'a, T>(model: &Model<'a>, vector: &'a mut [T]) -> LayersMut<'a, T> {
    LayersMut {
        widths: model.widths(),
        vector,
    }
}

pub(crate) struct Layers<'a, T> {
    widths: &'a [usize],
    vector: &'a [T],
    first: usize,
}

impl<'a, T> Layers<'a, T> {
    fn layer(index: usize, fan_in: usize, fan_out: usize, layer: &'a [T]) -> Layer<'a, T> {
        let (weights, bias) = layer
            .split_at_checked(fan_in.saturating_mul(fan_out))
            .unwrap_or((&[], &[]));
        Layer {
            index,
            fan_in,
            fan_out,
            weights,
            bias,
        }
    }
}

fn layer_len(fan_in: usize, fan_out: usize) -> usize {
    fan_in.saturating_add(1).saturating_mul(fan_out)
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
        let (layer, tail) = self.vector.split_at_checked(layer_len(*fan_in, *fan_out))?;
        let index = self.first;
        (self.widths, self.vector, self.first) = (rest, tail, index.saturating_add(1));
        Some(Self::layer(index, *fan_in, *fan_out, layer))
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
        let start = self
            .vector
            .len()
            .checked_sub(layer_len(*fan_in, *fan_out))?;
        let (head, layer) = self.vector.split_at_checked(start)?;
        let index = self.first.saturating_add(rest.len()).saturating_sub(1);
        (self.widths, self.vector) = (rest, head);
        Some(Self::layer(index, *fan_in, *fan_out, layer))
    }
}

pub(crate) struct LayersMut<'a, T> {
    widths: &'a [usize],
    vector: &'a mut [T],
}

impl<'a, T> LayersMut<'a, T> {
    fn layer(fan_in: usize, fan_out: usize, layer: &'a mut [T]) -> Option<LayerMut<'a, T>> {
        let (weights, bias) = layer.split_at_mut_checked(fan_in.saturating_mul(fan_out))?;
        Some(LayerMut {
            fan_in,
            fan_out,
            weights,
            bias,
        })
    }
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
        let (layer, tail) =
            core::mem::take(&mut self.vector).split_at_mut_checked(layer_len(*fan_in, *fan_out))?;
        (self.widths, self.vector) = (rest, tail);
        Self::layer(*fan_in, *fan_out, layer)
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
        let start = vector.len().checked_sub(layer_len(*fan_in, *fan_out))?;
        let (head, layer) = vector.split_at_mut_checked(start)?;
        (self.widths, self.vector) = (rest, head);
        Self::layer(*fan_in, *fan_out, layer)
    }
}
