//! A pressure sensor as it leaves the factory: a piezo-resistive bridge, a diode beside it, and a converter.
//!
//! The bridge loses 0.2 % of its sensitivity per kelvin, its zero drifts by 0.05 % of full scale per kelvin, and
//! it bends by 1.5 % of full scale: what a silicon die does before anyone has calibrated it.

use crate::noise::Noise;

/// The pressure that the sensor is made for, in bar.
pub const FULL_SCALE: f32 = 10.0;

/// What the converter gives, and the reference beside it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The counts of the bridge and of the diode.
    pub counts: [i16; 2],
    /// The pressure by the reference, in bar.
    pub pressure: f32,
}

/// Readings at pressures and temperatures from all of their range, 0 to 10 bar and −20 to 85 °C.
pub fn readings() -> impl Iterator<Item = Reading> {
    let mut noise = Noise(7);
    core::iter::from_fn(move || {
        let pressure = FULL_SCALE * noise.uniform();
        let warmer = -45.0 + 105.0 * noise.uniform(); // than 25 °C
        let load = pressure / FULL_SCALE;
        let sensitivity = 1.0 - 0.002 * warmer + 4e-6 * warmer * warmer;
        let zero = 0.06 + 0.000_5 * warmer;
        let bridge = zero + sensitivity * (load + 0.06 * load * (1.0 - load));
        let diode = 0.6 - 0.002 * warmer - 1e-6 * warmer * warmer;
        let counts = |volts: f32, noise: &mut Noise| (volts + 2.0 * noise.normal()) as i16;
        Some(Reading {
            counts: [
                counts(22_000.0 * bridge, &mut noise),
                counts(16_000.0 * diode, &mut noise),
            ],
            pressure,
        })
    })
}

/// The pressure by the data sheet, which knows the bridge at 25 °C only, and a straight line.
pub fn by_data_sheet(counts: [i16; 2]) -> f32 {
    FULL_SCALE * (f32::from(counts[0]) / 22_000.0 - 0.06)
}
