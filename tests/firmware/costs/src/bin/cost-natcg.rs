//! Natural conjugate gradients.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::NaturalCg<f32, natgrad::optimizer::Full> = Default::default());
