//! A step is a transaction: abandoned, rejected or failed, it leaves the parameters and all state that
//! outlives a step as they were, bit for bit.
//!
//! State is observed from outside: in what a method shows of itself, and in the steps that follow.

mod abandoned;
mod damped;
mod failed;
mod guarded;
mod observed;
mod protocol;
mod refused;
mod rejected;
mod setup;
