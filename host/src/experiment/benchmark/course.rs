//! The test error along a run, against updates, arithmetic and seconds.

use std::time::Instant;

use super::super::Outcome;
use super::{ERROR, MACS, MACS_AT_LEAST, PLACES, SCORE, Size, UPDATES, UPDATES_AT_LEAST};

/// The test error along a run.
pub(super) struct Course {
    budget: u64,
    target: f64,
    updates: u64,
    macs: u64,
    /// The arithmetic at which the error is looked at again.
    due: u64,
    error: f64,
    least: f64,
    /// Updates and arithmetic when the target was reached.
    reached: Option<(u64, u64)>,
    by_updates: Vec<(f64, f64)>,
    by_macs: Vec<(f64, f64)>,
    started: Instant,
    clock: Vec<(f64, f64)>,
}

/// How often the error is looked at, in shares of the budget.
const LOOKS: u64 = 200;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

impl Course {
    pub(super) fn new(size: Size, error: f64) -> Self {
        Self {
            budget: size.budget,
            target: size.target,
            updates: 0,
            macs: 0,
            due: 0,
            error,
            least: error,
            reached: None,
            // From the first update on, for an axis that is logarithmic.
            by_updates: Vec::new(),
            by_macs: vec![(0.0, error)],
            started: Instant::now(),
            clock: vec![(0.0, 0.0)],
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        self.macs < self.budget
    }

    /// An update of that arithmetic; whether the error is to be looked at.
    pub(super) fn advance(&mut self, macs: u64) -> bool {
        self.updates += 1;
        self.macs += macs;
        self.macs >= self.due || !self.goes_on()
    }

    /// Arithmetic that is no update.
    pub(super) fn spend(&mut self, macs: u64) {
        self.macs += macs;
    }

    /// The error now.
    pub(super) fn note(&mut self, error: f64) {
        // Up to here the curve is what it was at the last look.
        self.fill(self.macs);
        self.due = self.macs + self.budget / LOOKS;
        self.error = error;
        self.least = self.least.min(error);
        self.by_updates.push((float(self.updates), error));
        if error <= self.target && self.reached.is_none() {
            self.reached = Some((self.updates, self.macs));
        }
    }

    /// The error at the places of the budget before `macs`.
    fn fill(&mut self, macs: u64) {
        let place = |index: usize| self.budget / PLACES as u64 * index as u64;
        let mut next = self.by_macs.len();
        let seconds = self.started.elapsed().as_secs_f64();
        while next <= PLACES && place(next) < macs {
            self.by_macs.push((float(place(next)), self.error));
            self.clock.push((float(place(next)), seconds));
            next += 1;
        }
    }

    pub(super) fn outcome(mut self) -> Outcome {
        self.fill(u64::MAX);
        let (updates, macs) = self.reached.unwrap_or((self.updates, self.budget));
        let known = |value: u64| match self.reached {
            Some(_) => float(value),
            None => f64::NAN,
        };
        let score = if self.reached.is_some() {
            float(macs) / float(self.budget)
        } else {
            1.0 + (self.least / self.target).ln()
        };
        Outcome::new()
            .with(SCORE, score)
            .with(ERROR, self.least)
            .with(UPDATES, known(updates))
            .with(MACS, known(macs))
            .with(UPDATES_AT_LEAST, float(updates))
            .with(MACS_AT_LEAST, float(macs))
            .with_series("by updates", self.by_updates)
            .with_series("by MACs", self.by_macs)
            .with_clock("by MACs", self.clock)
    }
}
