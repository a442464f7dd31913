//! Host side of natgrad: the independent reference, the data, and the command line.
#![forbid(unsafe_code)]

pub mod reference;
