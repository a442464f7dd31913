//! Truncated Newton.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Newton<f32> = Default::default());
