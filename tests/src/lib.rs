//! Shared set-up of the tests that span crates.
#![forbid(unsafe_code)]
