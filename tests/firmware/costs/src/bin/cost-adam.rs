//! Adam.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Adam<f32> = natgrad::optimizer::Adam::new(0.01));
