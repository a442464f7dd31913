//! Stochastic gradient descent.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Sgd<f32> = natgrad::optimizer::Sgd::new(0.01));
