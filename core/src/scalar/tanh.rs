//! tanh of many `f32` at once: `libm::tanhf` without branches, so that a compiler makes vectors of it.
//!
//! tanh x = t/(t + 2) with t = e²ˣ − 1, and that from y = 2x = k ln 2 + r by a rational function of r, all as in
//! `libm::{tanhf, expm1f}` (FreeBSD's msun): each operation that counts there is done here in the same order, and what
//! a branch would skip is computed and left out. So it is libm's tanh to the last bit, which is what binds a host to
//! the devices: the test compares every number from 2⁻²⁶ to 10, and of the others every 4099th.

use core::f32::consts::LOG2_E;

/// |x| from which on tanh is 1, and below which it is x.
const LARGE: u32 = 0x4120_0000;
const SMALL: u32 = 0x0080_0000;
/// ½ ln 3 and ½ ln 5/3: where the form changes.
const HALF_LN_3: u32 = 0x3f0c_9f54;
const HALF_LN_5_3: u32 = 0x3e82_c578;
/// ½ ln 2 and 3/2 ln 2.
const HALF_LN_2: u32 = 0x3eb1_7218;
const THREE_HALVES_LN_2: u32 = 0x3f85_1592;

/// ln 2 in two parts, the first with room for a multiple.
const LN_2_HIGH: f32 = f32::from_bits(0x3f31_7180);
const LN_2_LOW: f32 = f32::from_bits(0x3717_f7d1);
/// 2²³: a number that this is added to is rounded to an integer, which the low bits of the sum are.
const INTEGERS: f32 = 8_388_608.0;
const Q1: f32 = -3.333_321_2e-2;
const Q2: f32 = 1.580_717e-3;

for_machines! {
    /// x ← tanh x.
    // Inlined, or else a firmware that does not call it is compiled to other code all the same.
    #[inline]
    pub(super) fn hyperbolic_tangents(values: &mut [f32]) {
        for x in values {
            *x = hyperbolic_tangent(*x);
        }
    }
}

#[expect(
    clippy::inline_always,
    reason = "the instruction set of a kernel is that of what is inlined into it"
)]
#[inline(always)]
fn hyperbolic_tangent(x: f32) -> f32 {
    let size = x.abs();
    let bits = size.to_bits();
    // Where tanh is 1, any number will do for the rest, and a small one overflows nowhere.
    let twice = if bits > LARGE { 2.0 } else { size + size };
    // The form of small x takes e⁻²ˣ − 1.
    let falls = bits <= HALF_LN_5_3;
    let t = exponential_m1(if falls { -twice } else { twice });
    let quotient = (if bits > HALF_LN_3 {
        2.0
    } else if falls {
        -t
    } else {
        t
    }) / (t + 2.0);
    let tanh = if bits > LARGE {
        // NaN stays NaN.
        1.0 + 0.0 / size
    } else if bits > HALF_LN_3 {
        1.0 - quotient
    } else if bits >= SMALL {
        quotient
    } else {
        size
    };
    if x.is_sign_negative() { -tanh } else { tanh }
}

/// eʸ − 1 for −½ ln 5/3 · 2 ≤ y ≤ 20.
#[expect(
    clippy::inline_always,
    reason = "the instruction set of a kernel is that of what is inlined into it"
)]
#[inline(always)]
fn exponential_m1(y: f32) -> f32 {
    let bits = y.abs().to_bits();
    // k as a number: of a conversion that saturates, a compiler makes no vectors.
    let k = if bits <= HALF_LN_2 {
        0.0
    } else if bits >= THREE_HALVES_LN_2 {
        let k = LOG2_E * y + 0.5;
        let nearest = (k + INTEGERS) - INTEGERS;
        if nearest > k { nearest - 1.0 } else { nearest }
    } else if y < 0.0 {
        -1.0
    } else {
        1.0
    };
    let high = y - k * LN_2_HIGH;
    let low = k * LN_2_LOW;
    let x = high - low;
    let c = (high - x) - low;

    let half = 0.5 * x;
    let square = x * half;
    let r = 1.0 + square * (Q1 + square * Q2);
    let t = 3.0 - r * half;
    let e = square * ((r - t) / (6.0 - x * t));
    let e = (x * (e - c) - c) - square;

    // eʸ = 2ᵏ (1 + x − e).
    let [power, inverse] =
        [k, -k].map(|k| f32::from_bits((INTEGERS + (127.0 + k)).to_bits() << 23));
    if k == 0.0 {
        x - e
    } else if k == -1.0 {
        0.5 * (x - e) - 0.5
    } else if k == 1.0 {
        if x < -0.25 {
            -2.0 * (e - (x + 0.5))
        } else {
            1.0 + 2.0 * (x - e)
        }
    } else if k < 23.0 {
        (x - e + (1.0 - inverse)) * power
    } else {
        (x - (e + inverse) + 1.0) * power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of [2⁻²⁶, 10] one after the other, others by steps; from below, tanh is odd.
    #[test]
    fn every_tanh_has_the_bits_of_libm() {
        let all = 0x3280_0000..LARGE + 2;
        let others = (0..all.start).chain(all.end..=u32::MAX >> 1);
        let negative = (1 << 31..=u32::MAX).filter(|bits| bits % 4099 == 0);
        let mut chunk = [0.0; 64];
        let mut numbers = all
            .chain(others.filter(|bits| bits % 4099 == 0))
            .chain(negative)
            .map(f32::from_bits);
        loop {
            let mut len = 0;
            for (slot, x) in chunk.iter_mut().zip(&mut numbers) {
                *slot = x;
                len += 1;
            }
            if len == 0 {
                return;
            }
            let inputs = chunk;
            hyperbolic_tangents(&mut chunk);
            for (&x, &tanh) in inputs.iter().zip(&chunk).take(len) {
                let libm = libm::tanhf(x);
                let same = tanh.to_bits() == libm.to_bits() || (tanh.is_nan() && libm.is_nan());
                assert!(same, "tanh {x:e} is {libm:e}, not {tanh:e}");
            }
        }
    }
}
