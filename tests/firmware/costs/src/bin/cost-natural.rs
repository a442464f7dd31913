//! Natural gradient with conjugate gradients, as it comes.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::NaturalGradient<f32> = Default::default());
