//! Hessian-free optimisation.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::HessianFree<f32> = natgrad::optimizer::HessianFree::hessian_free(1.0));
