//! A pump that is watched by eight sensors: vibration in x, y and z (mm/s), sound (dB), motor current (A),
//! temperature rise of the winding (K), flow (l/min), pressure (bar).
//!
//! Speed and load wander, and all sensors follow these two: what is normal is a surface in the space of the readings.

use crate::noise::Noise;

/// The sensors.
pub const SENSORS: usize = 8;

/// Rounds of all sensors, without end and without fault.
pub fn rounds() -> impl Iterator<Item = [f32; SENSORS]> {
    let mut noise = Noise(3);
    let (mut speed, mut load) = (0.5_f32, 0.5_f32);
    core::iter::repeat_with(move || {
        let mut wander = |at: f32| (at + 0.3 * (noise.uniform() - 0.5)).clamp(0.0, 1.0);
        (speed, load) = (wander(speed), wander(load));
        let (s, l) = (speed, load);
        let mut values = [
            0.4 + 1.8 * s * s + 0.3 * l,
            0.3 + 1.2 * s * s + 0.6 * l * s,
            0.2 + 0.9 * s,
            45.0 + 22.0 * s + 6.0 * l,
            2.0 + 6.0 * l * (0.4 + 0.6 * s),
            10.0 + 30.0 * l + 15.0 * s * l,
            12.0 * s * (1.0 - 0.25 * l) + 2.0,
            1.0 + 4.0 * s * s - 0.5 * l,
        ];
        let spans = [2.1, 1.8, 0.9, 28.0, 6.0, 45.0, 12.0, 4.5];
        for (value, span) in values.iter_mut().zip(spans) {
            *value += 0.01 * span * noise.normal();
        }
        values
    })
}
