//! Initial parameters from a seed, the same on every target.
//!
//! The generator is xoshiro128++ (Blackman & Vigna 2021), seeded by `SplitMix64`; a draw takes 24 of its
//! bits, so that `f32` and `f64` start at the same numbers.

use crate::activation::Activation;
use crate::data::{Batch, Labels};
use crate::error::Error;
use crate::kernels;
use crate::mlp::layers_mut;
use crate::plan::Model;
use crate::scalar::Scalar;
use crate::workspace::exact;

/// Random draws, by xoshiro128++.
///
/// Not the crate `rand_xoshiro`, whose draws these are: its seeds go through slices of bytes, and at
/// `opt-level = "s"` the checks of their lengths stay, with their panics.
struct Source([u32; 4]);

impl Source {
    /// Two draws of `SplitMix64`, low halves first. They are never both 0, which would be no state: of all
    /// counters only 0 gives 0.
    #[expect(clippy::cast_possible_truncation, reason = "a draw is cut into halves")]
    fn new(seed: u64) -> Self {
        let mut counter = seed;
        let mut draw = || {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let z = z ^ (z >> 31);
            [z as u32, (z >> 32) as u32]
        };
        let ([a, b], [c, d]) = (draw(), draw());
        Self([a, b, c, d])
    }

    /// The next 32 bits.
    fn bits(&mut self) -> u32 {
        let [a, b, c, d] = self.0;
        let (e, f) = (c ^ a, d ^ b);
        self.0 = [a ^ f, b ^ e, e ^ (b << 9), f.rotate_left(11)];
        a.wrapping_add(d).rotate_left(7).wrapping_add(a)
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    fn uniform<T: Scalar>(&mut self) -> T {
        let bits = (self.bits() >> 8).cast_signed();
        T::of_int(bits) * T::of(1.0 / 16_777_216.0)
    }

    /// Standard normal (the polar method of Marsaglia & Bray 1964, one of the pair): logarithm and root
    /// only, where a cosine would bring `f64` arithmetic into an `f32` firmware.
    fn normal<T: Scalar>(&mut self) -> T {
        loop {
            let [a, b] = [self.signed(), self.signed()];
            // In integers, so that f32 and f64 accept the same draws.
            let squared = i64::from(a) * i64::from(a) + i64::from(b) * i64::from(b);
            if squared > 0 && squared < 1 << 46 {
                let unit = T::of(1.0 / 8_388_608.0);
                let (u, v) = (T::of_int(a) * unit, T::of_int(b) * unit);
                let radius = u * u + v * v;
                // The radius may round to just above 1.
                let minus_log = (-radius.logarithm()).larger(T::ZERO);
                return u * ((minus_log + minus_log) / radius).root();
            }
        }
    }

    /// Uniform over the integers in [−2²³, 2²³).
    fn signed(&mut self) -> i32 {
        self.bits().cast_signed() >> 8
    }

    /// Uniform below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let wide = u64::from(self.bits()).wrapping_mul(bound as u64);
        usize::try_from(wide >> 32).unwrap_or(0)
    }
}

/// Glorot & Bengio 2010: weights uniform in ±√(6 / (in + out)), four times that for logistic units,
/// biases 0. Into `params`, those of all layers.
///
/// # Errors
/// [`Error::Shape`].
pub fn glorot<'p, T: Scalar>(
    model: impl Into<Model<'p>>,
    seed: u64,
    params: &mut [T],
) -> Result<(), Error> {
    let model = model.into();
    exact("the parameter vector", model.params(), params.len())?;
    let mut source = Source::new(seed);
    for (index, layer) in layers_mut(&model, params).enumerate() {
        let fans = T::of_count(layer.fan_in) + T::of_count(layer.fan_out);
        let gain = match model.activation(index) {
            Activation::Logistic => T::of(4.0),
            _ => T::ONE,
        };
        let bound = (T::of(6.0) / fans).root() * gain;
        for w in layer.weights {
            let u = source.uniform::<T>();
            *w = bound * (u + u - T::ONE);
        }
        kernels::fill(T::ZERO, layer.bias);
    }
    Ok(())
}

/// The sparse initialisation of Martens 2010: every unit has at most 15 incoming weights, drawn from
/// N(0, 1) at places drawn with replacement, all other weights 0. Between tanh units weights are halved
/// on each tanh side; tanh units start with a bias of ½, others with 0. Into `params`, those of all layers.
///
/// # Errors
/// [`Error::Shape`].
pub fn sparse<'p, T: Scalar>(
    model: impl Into<Model<'p>>,
    seed: u64,
    params: &mut [T],
) -> Result<(), Error> {
    let model = model.into();
    exact("the parameter vector", model.params(), params.len())?;
    let mut source = Source::new(seed);
    let tanh = |layer| model.activation(layer) == Activation::Tanh;
    for (index, layer) in layers_mut(&model, params).enumerate() {
        let (below, above) = (index.checked_sub(1).is_some_and(tanh), tanh(index));
        let mut factor = T::ONE;
        for side in [below, above] {
            if side {
                factor *= T::HALF;
            }
        }
        let bias = if above { T::HALF } else { T::ZERO };
        kernels::fill(T::ZERO, layer.weights);
        kernels::fill(bias, layer.bias);
        for unit in 0..layer.fan_out {
            for _ in 0..INCOMING {
                let column = source.below(layer.fan_in);
                let weight = factor * source.normal();
                let place = unit.saturating_mul(layer.fan_in).saturating_add(column);
                if let Some(w) = layer.weights.get_mut(place) {
                    *w = weight;
                }
            }
        }
    }
    Ok(())
}

/// The incoming weights of a unit in [`sparse`].
const INCOMING: usize = 15;

/// Folds a standardisation of the inputs into the first layer: with mean μ and standard deviation σ of
/// every feature over `batch`, W₁ ← W₁/σ and b₁ ← b₁ − W₁μ, so that raw units do not saturate the hidden
/// layer before training starts, which no damping can cure. A constant feature has σ = 1; one whose
/// moments leave the range of `T` stays as it is.
///
/// It mends the start and no more: where a feature lies far from zero for its spread, its weight and the bias of a unit
/// go on doing nearly the same, and training is slow, but by [`Gram`](crate::optimizer::Gram) damped by
/// [`Kronecker`](crate::optimizer::Kronecker), which goes about the means. For other methods give such inputs an offset
/// ([`Samples`](crate::data::Samples)) instead.
///
/// Means over the weighted batch, in two passes per feature. Call it once, after an initialisation.
///
/// # Errors
/// [`Error::Shape`]; [`Error::Data`]. Nothing has changed then.
///
/// Cost: two reads of the batch per feature; no memory.
pub fn fold_scales<'p, T: Scalar>(
    model: impl Into<Model<'p>>,
    batch: &Batch<'_, T>,
    params: &mut [T],
) -> Result<(), Error> {
    let model = model.into();
    exact("the parameter vector", model.params(), params.len())?;
    let total = batch.admit(&model, Labels::Unused)?;
    let Some(layer) = layers_mut(&model, params).next() else {
        return Ok(());
    };
    for feature in 0..model.dim_in() {
        let mean = feature_mean(&model, batch, feature, total, |x| x);
        let variance = feature_mean(&model, batch, feature, total, |x| (x - mean) * (x - mean));
        let deviation = variance.root();
        // Sum or squares leave the range of T: this feature stays as it is.
        if !(mean.is_finite() && deviation.is_finite()) {
            continue;
        }
        // A deviation within the rounding of the mean is a constant that was not hit exactly.
        let negligible = deviation <= T::of(8.0) * T::EPSILON * mean.abs();
        let scale = if negligible { T::ONE } else { deviation };
        let units = layer.bias.iter_mut().enumerate();
        for (unit, bias) in units {
            let place = unit.saturating_mul(layer.fan_in).saturating_add(feature);
            if let Some(w) = layer.weights.get_mut(place) {
                let (scaled, shifted) = (*w / scale, *bias - (*w / scale) * mean);
                if scaled.is_finite() && shifted.is_finite() {
                    (*w, *bias) = (scaled, shifted);
                }
            }
        }
    }
    Ok(())
}

/// Σ wᵦ f(xᵦ) / Σ wᵦ of one feature, example by example.
fn feature_mean<T: Scalar>(
    model: &Model<'_>,
    batch: &Batch<'_, T>,
    feature: usize,
    total: T,
    f: impl Fn(T) -> T,
) -> T {
    let mut sum = T::ZERO;
    for example in 0..batch.len(model) {
        let weight = batch.weight(example);
        if weight == T::ZERO {
            continue;
        }
        batch.read_inputs(model, example, 0..model.dim_in(), |i, x| {
            if i == feature {
                sum += weight * f(x);
            }
        });
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro128PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    use super::Source;

    #[test]
    fn draws_are_those_of_rand_xoshiro() {
        for seed in [0, 1, 0x61c8_8646_80b5_83eb, u64::MAX] {
            let mut source = Source::new(seed);
            let mut other = Xoshiro128PlusPlus::seed_from_u64(seed);
            for _ in 0..100 {
                assert_eq!(source.bits(), other.next_u32());
            }
        }
    }
}
