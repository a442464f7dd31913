//! With the feature `defmt`, whatever a firmware wants to log can be: errors, reports, statuses, states, settings.
//!
//! That this compiles is the test.
#![cfg(feature = "defmt")]

use defmt::Format;
use natgrad::data::DataError;
use natgrad::krylov::{Iteration, Solve, Status, Stop};
use natgrad::optimizer::{
    Adam, AdamState, DescentState, NaturalCg, NaturalCgState, NaturalGradient, NaturalState,
    Outcome, Progress, Report, SgdState, SolveReport, TongaState,
};
use natgrad::{Activation, Error, Likelihood, Plan, PlanError, ShapeError};

fn formats<T: Format>() {}

#[test]
fn what_a_firmware_logs_has_a_format() {
    formats::<(Error, PlanError, ShapeError, DataError)>();
    formats::<(Report<f32>, SolveReport<f32>, Outcome, Progress<f32>)>();
    formats::<(Solve<f32>, Iteration<f32>, Status, Stop<f32>)>();
    formats::<(Plan<3>, Activation, Likelihood)>();
    formats::<(NaturalGradient<f32>, NaturalCg<f32>, Adam<f32>)>();
    formats::<(NaturalState<f32>, NaturalCgState<f32>, DescentState)>();
    formats::<(AdamState<f32>, SgdState<f32>, TongaState<f32>)>();
}
