//! A random smooth map of the plane, by which one glyph becomes another of its class.
//!
//! ```text
//! D(p) = c + A (p − c) + shift + Σ_k d_k sin(2π f_k·p + φ_k)      k = 1, 2;  c the centre of the image
//! A    = rotation(N(0, 0.22)) · shear(N(0, 0.22)) · diag(exp N(0, 0.15), exp N(0, 0.15))
//! shift  N(0, 0.05) along each axis
//! d_k    0.045 long, f_k 0.5 to 1.5 long, both in uniform directions; φ_k uniform
//! ```
//!
//! Lengths are in sides of the image, N(0, σ) has the standard deviation σ, and `strength` multiplies every σ
//! and the length of d_k.

use std::f64::consts::TAU;

use libm::{cos, exp, sin};

use super::glyphs::Point;
use super::random::Random;

const ROTATION: f64 = 0.22;
const SHEAR: f64 = 0.22;
const LOG_SCALE: f64 = 0.15;
const SHIFT: f64 = 0.05;
const AMPLITUDE: f64 = 0.045;
const CENTRE: Point = [0.5, 0.5];

/// One such map.
#[derive(Debug)]
pub(super) struct Deformation {
    linear: [[f64; 2]; 2],
    shift: Point,
    waves: [Wave; 2],
}

/// A plane wave of displacements.
#[derive(Debug)]
struct Wave {
    displacement: Point,
    frequency: Point,
    phase: f64,
}

impl Deformation {
    /// Draws one; with the strength 0 it moves nothing.
    pub(super) fn draw(random: &mut Random, strength: f64) -> Self {
        let angle = random.normal(strength * ROTATION);
        let shear = random.normal(strength * SHEAR);
        let scales = [(); 2].map(|()| exp(random.normal(strength * LOG_SCALE)));
        let shift = [(); 2].map(|()| random.normal(strength * SHIFT));
        let (sin, cos) = (sin(angle), cos(angle));
        Self {
            linear: [
                [cos * scales[0], (cos * shear - sin) * scales[1]],
                [sin * scales[0], (sin * shear + cos) * scales[1]],
            ],
            shift,
            waves: [(); 2].map(|()| Wave {
                displacement: towards_any(random, strength * AMPLITUDE),
                frequency: {
                    let length = random.uniform(0.5, 1.5);
                    towards_any(random, length)
                },
                phase: random.uniform(0.0, TAU),
            }),
        }
    }

    /// Where it takes a point of the unit square.
    pub(super) fn apply(&self, point: Point) -> Point {
        let from_centre = [point[0] - CENTRE[0], point[1] - CENTRE[1]];
        let mut moved = [0, 1]
            .map(|axis| CENTRE[axis] + dot(self.linear[axis], from_centre) + self.shift[axis]);
        for wave in &self.waves {
            let height = sin(TAU * dot(wave.frequency, point) + wave.phase);
            for (moved, displacement) in moved.iter_mut().zip(wave.displacement) {
                *moved += displacement * height;
            }
        }
        moved
    }
}

/// A vector of a given length in a uniform direction.
fn towards_any(random: &mut Random, length: f64) -> Point {
    let angle = random.uniform(0.0, TAU);
    [length * cos(angle), length * sin(angle)]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

#[cfg(test)]
mod tests {
    use super::super::random::Purpose;
    use super::*;

    fn some(seed: u64, strength: f64) -> Deformation {
        Deformation::draw(&mut Random::new(Purpose::Segment, &[seed]), strength)
    }

    #[test]
    fn without_strength_nothing_moves() {
        for seed in 0..20 {
            for point in [[0.0, 0.0], [0.3, 0.8], [1.0, 0.1]] {
                let moved = some(seed, 0.0).apply(point);
                assert!((moved[0] - point[0]).abs() < 1e-15);
                assert!((moved[1] - point[1]).abs() < 1e-15);
            }
        }
    }

    /// Recovered from the map's derivative where there is no wave: R S diag(a, b) has the determinant a b,
    /// its first column has the length a and the direction of the rotation.
    #[test]
    fn rotation_shear_scales_and_shift_spread_as_documented() {
        const N: u64 = 4000;
        let mut squares = [0.0; 6];
        for seed in 0..N {
            let map = some(seed, 1.0);
            let [[a, b], [c, d]] = map.linear;
            let first = a.hypot(c);
            let second = (a * d - b * c) / first;
            let shear = (a * b + c * d) / (first * second);
            let found = [
                c.atan2(a),
                shear,
                first.ln(),
                second.ln(),
                map.shift[0],
                map.shift[1],
            ];
            for (square, found) in squares.iter_mut().zip(found) {
                *square += found * found;
            }
        }
        let expected = [0.22, 0.22, 0.15, 0.15, 0.05, 0.05];
        for (square, expected) in squares.iter().zip(expected) {
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let ratio = (square / N as f64).sqrt() / expected;
            // Five standard errors of a standard deviation, 1/√(2N) each.
            assert!((ratio - 1.0).abs() < 0.056, "{expected}: {ratio}");
        }
    }

    #[test]
    fn waves_are_as_long_as_documented_and_grow_with_the_strength() {
        for seed in 0..50 {
            for wave in &some(seed, 0.7).waves {
                let length = |v: Point| v[0].hypot(v[1]);
                assert!((length(wave.displacement) - 0.7 * 0.045).abs() < 1e-15);
                assert!((0.5..1.5).contains(&length(wave.frequency)));
            }
        }
    }

    #[test]
    fn the_map_is_its_equation() {
        let map = Deformation {
            linear: [[2.0, 1.0], [0.0, 3.0]],
            shift: [0.125, -0.25],
            waves: [0.25, 0.0].map(|length| Wave {
                displacement: [length, 2.0 * length],
                frequency: [1.0, 0.5],
                phase: TAU / 8.0,
            }),
        };
        // f·p + φ = 0.125 + 0 + 1/8 of a turn, where the sine is 1.
        let [x, y] = map.apply([0.125, 0.0]);
        assert!((x - (0.5 + 2.0 * -0.375 - 0.5 + 0.125 + 0.25)).abs() < 1e-15);
        assert!((y - (0.5 + 3.0 * -0.5 - 0.25 + 0.5)).abs() < 1e-15);
    }
}
