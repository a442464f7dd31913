//! TONGA.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Tonga<f32, 3, 3> = natgrad::optimizer::Tonga::new(0.25));
