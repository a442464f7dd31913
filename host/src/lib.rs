//! Host side of natgrad: the independent reference, rivals from a library, the data, the experiments, and
//! the command line.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod experiment;
pub mod files;
mod memory;
pub mod parallel;
pub mod plot;
pub mod reference;
pub mod report;
pub mod training;
