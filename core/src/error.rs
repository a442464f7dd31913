//! Why a call was refused, or why a step failed.

use core::fmt;

use crate::data::DataError;
use crate::plan::PlanError;
use crate::workspace::ShapeError;

/// Why a call was refused, or why a step failed. Parameters and state are what they were before, but for the warm start
/// of a step whose solver had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The plan is invalid.
    Plan(PlanError),
    /// A slice does not have the length that the plan asks for, or a batch has more examples than a method or the
    /// workspace has room for.
    Shape(ShapeError),
    /// An example cannot be used.
    Data(DataError),
    /// A setting is out of its range, or does not go with the batch, the metric or the L2 term; the sentence says
    /// which.
    Setting(&'static str),
    /// The parameters are not finite, or a loss, a gradient or an output overflows at them.
    NonFinite,
    /// The update is not finite.
    NonFiniteUpdate,
    /// A step is under way: finish or abandon it first.
    Busy,
    /// No step is under way.
    Idle,
    /// The step is not ready to be finished: advance it further.
    Unfinished,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Setting(sentence) => f.write_str(sentence),
            Self::NonFinite => {
                f.write_str("the parameters, or a number computed at them, are not finite")
            }
            Self::NonFiniteUpdate => f.write_str("the update is not finite"),
            Self::Busy => f.write_str("a step is under way: finish or abandon it first"),
            Self::Idle => f.write_str("no step is under way"),
            Self::Unfinished => f.write_str("the step is not ready: advance it further"),
        }
    }
}

impl core::error::Error for Error {}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl From<ShapeError> for Error {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}
