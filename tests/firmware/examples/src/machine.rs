//! A [pump](crate::pump) that has a fault now and then.
//!
//! A fault leaves every sensor within its usual range, but not the readings on their surface.

use crate::pump;
pub use crate::pump::SENSORS;

/// One round of all sensors.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// In the units of the [pump](crate::pump).
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
    pump::rounds()
        .take(1050)
        .enumerate()
        .map(|(round, mut values)| {
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
