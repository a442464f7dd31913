//! A control law that holds a plant at a set point, and keeps what it sees of it.

use board::Ticks;
use natgrad::data::Ring;
use natgrad::{Batch, Error};

/// What is known of a tick: the state, the actuator, and the disturbance as it is measured.
pub(crate) const INPUTS: usize = 3;

/// The last ticks.
pub(crate) const KEPT: usize = 32;

/// A plant with friction that nobody has told the law about, and the law: proportional and integral.
#[derive(Default)]
pub(crate) struct Law {
    state: f32,
    integral: f32,
    disturbance: u32,
    samples: Ring<f32, INPUTS, [f32; 1], KEPT>,
    ticks: usize,
    latest: u32,
}

impl Law {
    /// Handles a tick, if one is due.
    ///
    /// # Errors
    /// As [`Law::tick`].
    pub(crate) fn poll(&mut self, ticks: &mut Ticks) -> Result<(), Error> {
        let Some(late) = ticks.poll() else {
            return Ok(());
        };
        self.latest = late.max(self.latest);
        self.tick()
    }

    /// One tick: reads the sensor, sets the actuator, and keeps what comes of it.
    ///
    /// # Errors
    /// The ring's, for a number that is not finite. None is expected.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        let target = if self.ticks / 64 % 2 == 0 { 0.5 } else { -0.5 };
        let error = target - self.state;
        self.integral += 0.0625 * error;
        let actuator = (error + self.integral).clamp(-1.0, 1.0);
        self.disturbance = self
            .disturbance
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let gust = (self.disturbance >> 20) as f32 / 4096.0 - 0.5;
        let friction = self.state * self.state * self.state;
        let next = self.state + 0.25 * (actuator - friction) + 0.0625 * gust;
        self.samples.push([self.state, actuator, gust], [next])?;
        self.state = next;
        self.ticks += 1;
        Ok(())
    }

    /// The ticks so far.
    pub(crate) fn ticks(&self) -> usize {
        self.ticks
    }

    /// The last of them, for a learner: inputs, and the state that follows.
    pub(crate) fn samples(&self) -> Batch<'_, f32> {
        self.samples.batch()
    }

    /// The latest that a tick was handled after it was due, in ns.
    pub(crate) fn latest(&self) -> u32 {
        self.latest
    }
}
