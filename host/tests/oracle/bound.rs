//! How far rounding can move each result: first-order running error analysis in norms.
//!
//! A [`Bound`] says that a quantity's norm is at most `size`, and that its computed value is off by at
//! most `error` units of rounding. The rules are the usual ones (Higham 2002, chapter 3): a product of
//! two carries each one's error times the other's size, a sum of n terms adds n roundings of the sum of
//! absolute terms. Nothing here evaluates the network: layers enter by their norms, activations by the
//! bounds on their derivatives. So a bound is the same for the core, for the oracle and for any other
//! careful evaluation, and errors grow in it as they must: with depth, fan-in, and the gain of the layers.

use nalgebra::DMatrix;
use natgrad::{Activation, Likelihood};

use super::strategies::Case;
use super::subject::Curvature;

/// |x| ≤ `size`, |computed − x| ≤ `error` · ε.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) size: f64,
    pub(crate) error: f64,
}

impl Bound {
    fn exact(size: f64) -> Self {
        Self { size, error: 0.0 }
    }

    /// After that many roundings of its size.
    pub(crate) fn rounded(self, roundings: f64) -> Self {
        let error = self.error + roundings * self.size;
        Self { error, ..self }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            size: self.size + other.size,
            error: self.error + other.error,
        }
    }

    fn times(self, other: Self) -> Self {
        Self {
            size: self.size * other.size,
            error: self.size * other.error + self.error * other.size,
        }
        .rounded(1.0)
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            size: self.size * factor,
            error: self.error * factor,
        }
    }
}

/// The norms of one layer's weights and biases.
#[derive(Clone, Copy, Debug)]
struct Layer {
    fan_in: f64,
    fan_out: f64,
    /// The largest singular value: what carries errors on.
    gain: f64,
    /// The Frobenius norm: what bounds the norm of |W||a|, whose roundings a product makes.
    mass: f64,
    bias: f64,
}

impl Layer {
    fn image(&self, a: Bound) -> Bound {
        let carried = a.scaled(self.gain);
        let made = self.fan_in * self.mass * a.size;
        Bound {
            error: carried.error + made,
            ..carried
        }
    }

    fn affine(&self, a: Bound) -> Bound {
        self.image(a).plus(Bound::exact(self.bias).rounded(1.0))
    }

    fn transposed(&self, s: Bound) -> Bound {
        let carried = s.scaled(self.gain);
        let made = self.fan_out * self.mass * s.size;
        Bound {
            error: carried.error + made,
            ..carried
        }
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// A small count.
pub(crate) fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("a small count"))
}

fn layers(widths: &[usize], params: &[f64]) -> Vec<Layer> {
    let mut rest = params;
    let each = widths.windows(2).map(|layer| {
        let (weights, tail) = rest.split_at(layer[0] * layer[1]);
        let (biases, tail) = tail.split_at(layer[1]);
        rest = tail;
        let matrix = DMatrix::from_row_slice(layer[1], layer[0], weights);
        Layer {
            fan_in: count(layer[0]),
            fan_out: count(layer[1]),
            gain: matrix.singular_values().max(),
            mass: norm(weights),
            bias: norm(biases),
        }
    });
    each.collect()
}

/// Bounds on the derivatives of φ and on φ itself: sup φ′, sup |φ″/φ′| (the derivative of φ′ by the value
/// a), sup |φ″|, φ(0), sup |φ|.
fn constants(activation: Activation) -> [f64; 5] {
    match activation {
        Activation::Tanh => [1.0, 2.0, 0.77, 0.0, 1.0],
        Activation::Logistic => [0.25, 1.0, 0.1, 0.5, 1.0],
        Activation::Relu | Activation::Identity => [1.0, 0.0, 0.0, 0.0, f64::INFINITY],
        Activation::Softplus => [1.0, 1.0, 0.25, 0.7, f64::INFINITY],
    }
}

/// The roundings of an elementary function and of the few operations around it.
const FUNCTION: f64 = 4.0;
/// sup |dφ″/da| for any of the activations.
const BEND_SLOPE: f64 = 4.0;

/// The bounds of a case, for its worst example.
pub(crate) struct Bounds<'c> {
    case: &'c Case,
    layers: Vec<Layer>,
    /// a₀ … a_{L−1}.
    activations: Vec<Bound>,
    pub(crate) logits: Bound,
    outputs: f64,
    /// The roundings of a mean over the examples.
    mean: f64,
}

impl<'c> Bounds<'c> {
    pub(crate) fn new(case: &'c Case) -> Self {
        let layers = layers(&case.network.widths, &case.params);
        let inputs = case.examples.inputs.iter().map(|x| norm(x));
        let mut activations = vec![Bound::exact(inputs.fold(0.0, f64::max))];
        let [slope, _, _, rest, cap] = constants(case.shape.activation);
        let mut logits = activations[0];
        for (index, layer) in layers.iter().enumerate() {
            let z = layer.affine(activations[index]);
            if index + 1 == layers.len() {
                logits = z;
            } else {
                let root = layer.fan_out.sqrt();
                let a = z.scaled(slope).plus(Bound::exact(rest * root));
                let size = a.size.min(cap * root);
                activations.push(Bound { size, ..a }.rounded(FUNCTION));
            }
        }
        Self {
            outputs: count(case.network.logits()),
            mean: count(case.examples.inputs.len()) + 2.0,
            case,
            layers,
            activations,
            logits,
        }
    }

    /// φ′ at layer `index`: an element's bound.
    fn slope(&self, index: usize) -> Bound {
        let [slope, bend, ..] = constants(self.case.shape.activation);
        let carried = bend * self.activations[index].error;
        Bound {
            size: slope,
            error: carried + FUNCTION * slope,
        }
    }

    /// The roundings of a softmax or a logistic, and of a sum over the outputs.
    fn at_outputs(&self) -> f64 {
        2.0 * FUNCTION + self.outputs
    }

    pub(crate) fn prediction(&self) -> Bound {
        match self.case.shape.likelihood {
            Likelihood::Gaussian => self.logits,
            _ => Bound {
                size: self.outputs.sqrt(),
                error: self.logits.error,
            }
            .rounded(self.at_outputs()),
        }
    }

    fn residual(&self) -> Bound {
        let targets = self.case.examples.targets.iter().map(|t| norm(t));
        let largest = targets.fold(0.0, f64::max);
        self.prediction().plus(Bound::exact(largest)).rounded(1.0)
    }

    pub(crate) fn loss(&self) -> Bound {
        let residual = self.residual();
        let loss = match self.case.shape.likelihood {
            Likelihood::Gaussian => residual.times(residual),
            // ℓ ≤ Σ (|z| + ln 2), and its derivative is the residual.
            _ => Bound {
                size: self.outputs * (self.logits.size + 1.0),
                error: residual.size * self.logits.error,
            }
            .rounded(FUNCTION),
        };
        loss.rounded(self.at_outputs() + self.mean)
    }

    /// Ra₀ … Ra_{L−1} and Rz₁ … Rz_L.
    fn tangents(&self, v: &[f64]) -> (Vec<Bound>, Vec<Bound>) {
        let mut values = vec![Bound::exact(0.0)];
        let mut before = Vec::new();
        let directions = layers(&self.case.network.widths, v);
        for (index, (layer, direction)) in self.layers.iter().zip(&directions).enumerate() {
            let z = direction.affine(self.activations[index]);
            let z = z.plus(layer.image(values[index])).rounded(1.0);
            before.push(z);
            if index + 1 < self.layers.len() {
                values.push(self.slope(index + 1).times(z));
            }
        }
        (values, before)
    }

    pub(crate) fn jvp(&self, v: &[f64]) -> Bound {
        *self.tangents(v).1.last().expect("a layer")
    }

    /// Jᵀδ of one example, from a seed at the logits.
    fn backward(&self, seed: Bound) -> Bound {
        let mut total = Bound::exact(0.0);
        let mut seed = seed;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let input = self.activations[index].plus(Bound::exact(1.0));
            total = total.plus(seed.times(input));
            seed = self.slope(index).times(layer.transposed(seed));
        }
        total
    }

    /// Jᵀu, summed over the examples, from rows of u with norms up to `largest`.
    pub(crate) fn vjp(&self, largest: f64) -> Bound {
        let one = self.backward(Bound::exact(largest));
        one.rounded(self.mean).scaled(self.mean)
    }

    pub(crate) fn gradient(&self) -> Bound {
        self.backward(self.residual()).rounded(self.mean)
    }

    /// H_z u at the logits.
    fn metric(&self, u: Bound) -> Bound {
        if self.case.shape.likelihood == Likelihood::Gaussian {
            u
        } else {
            let inner = Bound {
                size: 1.0,
                error: self.logits.error,
            };
            inner.rounded(self.at_outputs()).times(u)
        }
    }

    /// (p − t)·u less its mean, and (p − t) times that.
    fn along(&self, v: &[f64], centred: bool) -> (Bound, Bound) {
        let residual = self.residual();
        let along = residual.times(self.jvp(v)).rounded(self.outputs);
        let along = if centred {
            let length = count(v.len()).sqrt();
            along.plus(self.gradient().times(Bound::exact(norm(v))).rounded(length))
        } else {
            along
        };
        (along, residual.times(along))
    }

    /// Av and vᵀAv.
    pub(crate) fn product(&self, curvature: Curvature, v: &[f64]) -> (Bound, Bound) {
        let (out, quad) = match curvature {
            Curvature::Fisher => {
                let u = self.jvp(v);
                let seed = self.metric(u);
                (self.backward(seed), seed.times(u).rounded(self.outputs))
            }
            Curvature::Hessian => self.hessian(v),
            Curvature::EmpiricalFisher => {
                let (along, seed) = self.along(v, false);
                (self.backward(seed), along.times(along))
            }
            Curvature::Covariance => {
                let (along, seed) = self.along(v, true);
                let correction = self.gradient().times(along);
                let out = self.backward(seed).plus(correction);
                (out, along.times(along))
            }
        };
        (out.rounded(self.mean), quad.rounded(self.mean))
    }

    /// Hv and vᵀHv by the R-backward pass of one example.
    fn hessian(&self, v: &[f64]) -> (Bound, Bound) {
        let directions = layers(&self.case.network.widths, v);
        let (values, before) = self.tangents(v);
        let u = self.jvp(v);
        let [_, _, bend, ..] = constants(self.case.shape.activation);
        let (mut seed, mut tangent) = (self.residual(), self.metric(u));
        let mut quad = tangent.times(u).rounded(self.outputs);
        let mut total = Bound::exact(0.0);
        for index in (0..self.layers.len()).rev() {
            let (layer, direction) = (&self.layers[index], &directions[index]);
            let input = self.activations[index].plus(Bound::exact(1.0));
            total = total.plus(tangent.times(input));
            total = total.plus(seed.times(values[index])).rounded(2.0);
            if index == 0 {
                break;
            }
            let below = layer.transposed(seed);
            let crossed = direction.transposed(seed);
            let bent = Bound {
                size: bend,
                error: BEND_SLOPE * self.activations[index].error + FUNCTION * bend,
            };
            let bent = bent.times(before[index - 1]).times(below);
            quad = quad.plus(crossed.times(values[index]).scaled(2.0));
            quad = quad.plus(bent.times(before[index - 1]));
            quad = quad.rounded(layer.fan_in + 2.0);
            tangent = crossed.plus(layer.transposed(tangent)).rounded(1.0);
            tangent = self.slope(index).times(tangent).plus(bent).rounded(1.0);
            seed = self.slope(index).times(below);
        }
        (total, quad)
    }

    /// diag(F), K squares per example; or the squares of per-example gradients.
    pub(crate) fn diagonal(&self, curvature: Curvature) -> Bound {
        let seed = match curvature {
            Curvature::Fisher => self.metric(Bound::exact(1.0)).scaled(self.outputs.sqrt()),
            _ => self.residual(),
        };
        let gradient = self.backward(seed);
        gradient.times(gradient).rounded(self.mean + self.outputs)
    }
}
