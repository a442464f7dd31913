//! Stochastic gradient descent with momentum.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Sgd<f32, natgrad::optimizer::Momentum> = natgrad::optimizer::Sgd::new(0.01));
