//! What a run leaves behind, its parameters apart.

use crate::error::Error;

/// A measurement of the whole training set, and of the test set if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The steps taken before it.
    pub step: usize,
    /// The mean loss of the training set, without the L2 term.
    pub train: f64,
    /// The mean loss of the test set.
    pub test: Option<f64>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// All steps are taken.
    #[default]
    Steps,
    /// The loss that was asked for is reached.
    Reached,
    /// The gradient is zero.
    Stationary,
    /// No step from here lowers the loss.
    Stalled,
    /// The watcher asked for it.
    Interrupted,
    /// A step failed, and changed nothing.
    Failed,
}

impl Ended {
    const ALL: [Self; 6] = [
        Self::Steps,
        Self::Reached,
        Self::Stationary,
        Self::Stalled,
        Self::Interrupted,
        Self::Failed,
    ];

    /// The end of that [`word`](Self::word).
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.word() == word)
    }

    /// The word of the JSON output, and of the metadata of a model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Reached => "reached",
            Self::Stationary => "stationary",
            Self::Stalled => "stalled",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// The record of a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The measurements, the first before the first step, the last after the last unless the run failed.
    pub points: Vec<Point>,
    /// The steps taken, rejected ones included.
    pub steps: usize,
    /// Examples that gradients have seen.
    pub examples: u64,
    /// Multiply-accumulates of the steps; those of the measurements are not counted.
    pub macs: u64,
    /// Wall-clock time, measurements included.
    pub seconds: f64,
    /// Why the run ended.
    pub ended: Ended,
    /// What went wrong where it failed.
    pub failure: Option<Error>,
}

impl Record {
    /// About how many measurements a run makes.
    pub const POINTS: usize = 200;

    /// The last measurement.
    pub fn last(&self) -> Option<Point> {
        self.points.last().copied()
    }
}
