#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(all(feature = "fma", target_os = "none"), feature(core_float_math))]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable
)]

// To ask the machine what it is, and for `mul_add`.
#[cfg(any(
    feature = "multiversion",
    all(feature = "fma", not(target_os = "none"))
))]
extern crate std;

// The reading order: a module rests on those above it. Two names come from below: `plan` asks for `data::Labels`,
// whether targets are looked at, and `error` holds what `data` refuses.

#[macro_use]
mod machine;

pub mod scalar;

pub mod kernels;

pub mod dense;

pub mod activation;

pub mod likelihood;

pub mod plan;

pub mod workspace;

pub mod budget;

pub mod error;

pub mod data;

pub mod mlp;

pub mod init;

pub mod operator;

pub mod curvature;

pub mod krylov;

pub mod precondition;

pub mod damping;

pub mod line_search;

pub mod optimizer;

pub use activation::Activation;
pub use budget::OverBudget;
pub use data::{Batch, Inputs, Metric, Targets};
pub use error::Error;
pub use likelihood::Likelihood;
pub use mlp::Mlp;
pub use optimizer::Trainer;
pub use plan::{DualStorage, Model, Pass, Plan, PlanError, Room, Storage};
pub use scalar::Scalar;
pub use workspace::{ShapeError, Workspace};
