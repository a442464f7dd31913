//! The training runs by which methods are compared: what a method takes to a given accuracy.
//!
//! The same code runs on firmware and host and ends with the same bits. So the host finds the steps, of as many seeds
//! as one likes, and an emulated core counts their instructions.
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts below 2²⁴, and shares of a budget"
)]

mod run;
mod task;

#[rustfmt::skip]
#[expect(clippy::approx_constant, clippy::unreadable_literal, dead_code, reason = "measured numbers; the pump has no raw task")]
mod data {
    include!(concat!(env!("OUT_DIR"), "/data.rs"));
}

pub use run::{
    Arrival, Batches, Memory, Point, Rated, Schedule, Setting, batch_len, run, workspace_len,
};
pub use task::{Measure, PLANS, Set, TASKS, Targets, Task};

use natgrad::optimizer::{Adam, Gram, Kronecker, Momentum, NaturalGradient, Plain, Sgd};

/// The examples that are computed at once.
pub const TILE: usize = 4;

/// The most examples of a step in output space, with few outputs and with many: B².K² entries take RAM and time.
pub const CAPACITIES: [usize; 2] = [64, 16];

/// The most outputs that are few.
pub const FEW: usize = 3;

/// Natural gradient in output space.
pub type Exact<const B: usize> = Gram<f32, B, Kronecker, Plain>;

/// The same with the memory of SPRING: the default.
pub type Spring<const B: usize> = Gram<f32, B, Kronecker, Momentum>;

/// Natural gradient by CG.
pub type Cg = NaturalGradient<f32>;

/// Stochastic gradient descent without and with momentum.
pub type Descent = Sgd<f32, Plain>;
/// See [`Descent`].
pub type Heavy = Sgd<f32, Momentum>;

/// Adam.
pub type Moments = Adam<f32>;
