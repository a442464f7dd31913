//! Hidden activations: the value, and the derivatives *from the value*.
//!
//! A pass keeps the activations a = φ(z) and forgets z; every derivative that the passes need has a
//! closed form in a. (Algorithms: Pascanu & Bengio, section 1 notation; Pearlmutter 1994 for φ″.)

use crate::scalar::Scalar;

#[cfg(test)]
mod tests;

/// The activation φ of the units of a hidden layer. The last layer is linear: its outputs are the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Activation {
    /// φ(z) = tanh z, in (−1, 1).
    Tanh,
    /// φ(z) = 1 / (1 + e⁻ᶻ), in (0, 1).
    Logistic,
    /// φ(z) = max(0, z), with φ′(0) = 0.
    Relu,
    /// φ(z) = ln(1 + eᶻ), in (0, ∞).
    Softplus,
    /// φ(z) = z.
    Identity,
}

impl Activation {
    /// This activation after every layer.
    pub(crate) const fn everywhere(self) -> &'static [Self] {
        match self {
            Self::Tanh => &[Self::Tanh],
            Self::Logistic => &[Self::Logistic],
            Self::Relu => &[Self::Relu],
            Self::Softplus => &[Self::Softplus],
            Self::Identity => &[Self::Identity],
        }
    }

    /// a = φ(z).
    #[inline]
    pub fn value<T: Scalar>(self, z: T) -> T {
        match self {
            Self::Tanh => z.hyperbolic_tangent(),
            Self::Logistic => logistic(z),
            // A NaN stays a NaN, and is found.
            Self::Relu => {
                if z.below_zero() {
                    T::ZERO
                } else {
                    z
                }
            }
            Self::Softplus => softplus(z),
            Self::Identity => z,
        }
    }

    /// φ′(z) from a = φ(z).
    #[inline]
    pub fn slope<T: Scalar>(self, a: T) -> T {
        match self {
            // (1 − a)(1 + a), not 1 − a²: the product keeps the digits near ±1.
            Self::Tanh => (T::ONE - a) * (T::ONE + a),
            Self::Logistic => a * (T::ONE - a),
            Self::Relu => {
                if a > T::ZERO {
                    T::ONE
                } else {
                    T::ZERO
                }
            }
            // φ′ = eᶻ/(1 + eᶻ) and eᵃ = 1 + eᶻ, hence 1 − e⁻ᵃ.
            Self::Softplus => -(-a).exponential_m1(),
            Self::Identity => T::ONE,
        }
    }

    /// z ← φ(z), for many.
    #[inline]
    pub(crate) fn apply<T: Scalar>(self, values: &mut [T]) {
        match self {
            Self::Identity => {}
            Self::Relu => rectify(values),
            Self::Tanh | Self::Logistic | Self::Softplus => self.apply_function(values),
        }
    }

    /// The same where there are vectors, which a device has not.
    pub(crate) fn apply_to_vectors<T: Scalar>(self, values: &mut [T]) {
        match self {
            Self::Tanh => T::hyperbolic_tangents(values),
            _ => self.apply(values),
        }
    }

    // What takes a call for each number does not share a function with what takes none.
    #[cfg_attr(target_os = "none", inline(never))]
    fn apply_function<T: Scalar>(self, values: &mut [T]) {
        for z in values {
            *z = self.value(*z);
        }
    }

    /// x ← φ′(z) x from a = φ(z), for many.
    #[inline]
    pub(crate) fn scale_by_slope<T: Scalar>(self, values: &[T], out: &mut [T]) {
        match self {
            Self::Identity => {}
            Self::Relu => gate(values, out),
            Self::Tanh | Self::Logistic | Self::Softplus => self.scale_by_curve(values, out),
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn scale_by_curve<T: Scalar>(self, values: &[T], out: &mut [T]) {
        // Which one it is asked once, not for every number: some have a slope of two operations.
        match self {
            Self::Tanh => scale(out, values, |a| Self::Tanh.slope(a)),
            Self::Logistic => scale(out, values, |a| Self::Logistic.slope(a)),
            _ => scale(out, values, |a| self.slope(a)),
        }
    }

    /// (H Rz, RzᵀH Rz) of one unit that is read as an output of its own, from a = φ(z) and Ra = φ′Rz: the
    /// metric of structural damping.
    ///
    /// Logistic: a Bernoulli mean, H = a(1 − a). Tanh: (1 + a)/2 is one, H = 1 − a². Others: the mean of a
    /// Gaussian of variance 1, H = φ′². (Martens & Sutskever 2012, on structural damping; Pascanu & Bengio 2014,
    /// section 5: the KL divergence of p(h|x).)
    #[inline]
    pub(crate) fn unit_metric<T: Scalar>(self, a: T, tangent: T) -> (T, T) {
        let slope = self.slope(a);
        match self {
            // H = φ′, so that H Rz = Ra; a slope of 0 has a tangent of 0.
            Self::Logistic | Self::Tanh => {
                let square = tangent * tangent;
                let form = if square > T::ZERO {
                    square / slope
                } else {
                    T::ZERO
                };
                (tangent, form)
            }
            Self::Relu | Self::Softplus | Self::Identity => (slope * tangent, tangent * tangent),
        }
    }

    /// φ″(z) / φ′(z) from a = φ(z): finite even where φ′ vanishes, so that the R-backward pass needs no
    /// pre-activation: φ″ Rz = (φ″/φ′) Ra.
    #[inline]
    pub fn bend<T: Scalar>(self, a: T) -> T {
        match self {
            Self::Tanh => -(a + a),
            Self::Logistic => T::ONE - (a + a),
            Self::Softplus => (-a).exponential(),
            Self::Relu | Self::Identity => T::ZERO,
        }
    }
}

/// Numbers that a loop of a few instructions for each takes at once: on a host as many as fit into the smallest
/// vectors.
const BLOCK: usize = if cfg!(target_os = "none") { 8 } else { 4 };

for_machines! {
    /// z ← max(0, z), of which a NaN stays one.
    #[inline]
    fn rectify<T: Scalar>(values: &mut [T]) {
        let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
        for block in blocks {
            for z in block {
                clear_if(z.below_zero(), z);
            }
        }
        for z in rest {
            clear_if(z.below_zero(), z);
        }
    }
}

for_machines! {
    /// x ← 0 where a = φ(z) of a [`Activation::Relu`] is +0, hence z ≤ 0.
    ///
    /// No product: x is its own with 1, and an x that has left the range of the numbers has none with 0.
    #[inline]
    fn gate<T: Scalar>(values: &[T], out: &mut [T]) {
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        let (keys, last) = values.as_chunks::<BLOCK>();
        for (block, keys) in blocks.iter_mut().zip(keys) {
            for (x, a) in block.iter_mut().zip(keys) {
                clear_if(a.positive_zero(), x);
            }
        }
        for (x, a) in rest.iter_mut().zip(last) {
            clear_if(a.positive_zero(), x);
        }
    }
}

/// x ← 0, if so.
#[inline]
fn clear_if<T: Scalar>(so: bool, x: &mut T) {
    // A vector is stored whole; a device stores what changes.
    if T::VECTORS {
        *x = if so { T::ZERO } else { *x };
    } else if so {
        *x = T::ZERO;
    }
}

for_machines! {
    /// x ← φ′(a) x.
    #[inline]
    fn scale<T: Scalar, F: Fn(T) -> T>(out: &mut [T], values: &[T], slope: F) {
        for (x, &a) in out.iter_mut().zip(values) {
            *x *= slope(a);
        }
    }
}

/// 1 / (1 + e⁻ᶻ), with the exponent never positive.
#[inline]
pub(crate) fn logistic<T: Scalar>(z: T) -> T {
    if z < T::ZERO {
        let e = z.exponential();
        e / (T::ONE + e)
    } else {
        T::ONE / (T::ONE + (-z).exponential())
    }
}

/// ln(1 + eᶻ) = max(z, 0) + ln(1 + e^{−|z|}), with the exponent never positive.
#[inline]
pub(crate) fn softplus<T: Scalar>(z: T) -> T {
    let tail = (-z.abs()).exponential().logarithm_1p();
    if z > T::ZERO { z + tail } else { tail }
}
