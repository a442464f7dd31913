//! Scalar functions that neither overflow nor lose accuracy, on any dual number.
//!
//! Each branch is chosen by the value; on either side of it the expression is smooth and equal, so
//! derivatives of every order come out right. The rectifier alone has a kink, and takes the derivative
//! 0 there.

use natgrad::Activation;
use num_dual::DualNum;

/// φ(z) of a hidden unit.
pub(super) fn activate<D: DualNum<Primitive = f64>>(activation: Activation, z: D) -> D {
    match activation {
        Activation::Tanh => tanh(&z),
        Activation::Logistic => logistic(&z),
        Activation::Relu if z.re() > 0.0 => z,
        Activation::Relu => D::zero(),
        Activation::Softplus => binary_cross_entropy(&z, 0.0),
        Activation::Identity => z,
    }
}

/// tanh z = (1 − e^{−2z}) / (1 + e^{−2z}) for z ≥ 0, and odd.
///
/// `num_dual` divides sinh by cosh, which overflows where this saturates.
fn tanh<D: DualNum<Primitive = f64>>(z: &D) -> D {
    if z.re() < 0.0 {
        return -tanh(&-z.clone());
    }
    let exponent = z.clone() * -2.0;
    -exponent.exp_m1() / (exponent.exp() + 1.0)
}

/// σ(z) = 1 / (1 + e^{−z}).
pub(super) fn logistic<D: DualNum<Primitive = f64>>(z: &D) -> D {
    if z.re() < 0.0 {
        let e = z.exp();
        e.clone() / (e + 1.0)
    } else {
        ((-z.clone()).exp() + 1.0).recip()
    }
}

/// ln(1 + e^z) − t z, without cancellation for large |z|; with t = 0 it is softplus.
pub(super) fn binary_cross_entropy<D: DualNum<Primitive = f64>>(z: &D, t: f64) -> D {
    let (step, minus_abs) = if z.re() > 0.0 {
        (1.0, -z.clone())
    } else {
        (0.0, z.clone())
    };
    z.clone() * (step - t) + minus_abs.exp().ln_1p()
}

/// The position of the (first) largest value.
pub(super) fn position_of_largest<D: DualNum<Primitive = f64>>(values: &[D]) -> usize {
    (1..values.len()).fold(0, |best, k| {
        if values[k].re() > values[best].re() {
            k
        } else {
            best
        }
    })
}
