//! Host side of natgrad: the independent reference, the data, and the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod files;
mod memory;
pub mod plot;
pub mod reference;
pub mod training;
