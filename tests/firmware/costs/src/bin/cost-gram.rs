//! Natural gradient in output space.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Gram<f32, { costs::BATCH }> = natgrad::optimizer::Gram::default());
