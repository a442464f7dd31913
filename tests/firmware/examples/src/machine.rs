//! A pump that is watched by eight sensors, and that has a fault now and then.
//!
//! Speed and load wander, and all sensors follow these two: what is normal is a surface in the space of the
//! readings. A fault leaves every sensor within its usual range, but not the readings on their surface.

use crate::noise::Noise;

/// The sensors.
pub const SENSORS: usize = 8;

/// One round of all sensors: vibration in x, y and z (mm/s), sound (dB), motor current (A), temperature rise of
/// the winding (K), flow (l/min), pressure (bar).
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// In the units above.
    pub values: [f32; SENSORS],
    /// Which fault the machine has, which only a test can know.
    pub fault: Option<Fault>,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Fault {
    /// A bearing's race is worn: it shakes more than it should at this speed.
    Bearing,
    /// The filter is clogged: less flow than the speed and the pressure call for.
    Filter,
    /// The winding's thermometer has come off.
    Thermometer,
}

/// When each fault begins; it lasts for [`LASTS`] rounds.
const FAULTS: [(usize, Fault); 3] = [
    (600, Fault::Bearing),
    (750, Fault::Filter),
    (900, Fault::Thermometer),
];
/// How many rounds a fault lasts.
const LASTS: usize = 25;

/// The rounds of sensors until the end.
pub fn readings() -> impl Iterator<Item = Reading> {
    let mut noise = Noise(3);
    let (mut speed, mut load) = (0.5_f32, 0.5_f32);
    (0..1050).map(move |round| {
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
        let fault = FAULTS
            .iter()
            .find(|(begin, _)| (*begin..begin + LASTS).contains(&round));
        let fault = fault.map(|&(_, fault)| fault);
        match fault {
            Some(Fault::Bearing) => values[0] += 0.7,
            Some(Fault::Filter) => values[6] -= 3.0,
            Some(Fault::Thermometer) => values[5] = 12.0,
            None => {}
        }
        Reading { values, fault }
    })
}

/// How well faults are flagged, which only a test can know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    found: [u32; FAULTS.len()],
    normal: u32,
    false_alarms: u32,
}

impl Score {
    /// Counts a round.
    pub fn count(&mut self, fault: Option<Fault>, flagged: bool) {
        if let Some(fault) = fault {
            if let Some(found) = self.found.get_mut(fault as usize) {
                *found += u32::from(flagged);
            }
        } else {
            self.normal += 1;
            self.false_alarms += u32::from(flagged);
        }
    }

    /// Says how it stands.
    pub fn log(&self) {
        for ((_, fault), found) in FAULTS.iter().zip(self.found) {
            defmt::info!("{}: flagged in {} of {} rounds", fault, found, LASTS);
        }
        let (false_alarms, normal) = (self.false_alarms, self.normal);
        defmt::info!("{} false alarms in {} normal rounds", false_alarms, normal);
    }

    /// Whether every fault is found, with at most one false alarm in a hundred rounds.
    pub fn is_good(&self) -> bool {
        self.found.iter().all(|&rounds| rounds > 0) && 100 * self.false_alarms <= self.normal
    }
}
