//! A step is a transaction: abandoned, rejected or failed, it leaves the parameters and all state that
//! outlives a step as they were, bit for bit.
//!
//! State is observed from outside: whatever outlives a step shows in the steps that follow.

mod abandoned;
mod failed;
mod guarded;
mod protocol;
mod setup;
