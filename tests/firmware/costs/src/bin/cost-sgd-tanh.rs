//! Stochastic gradient descent of a classifier with tanh.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::Sgd<f32> = natgrad::optimizer::Sgd::new(0.01), Tanh, Categorical);
