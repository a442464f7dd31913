//! The methods without a linear system, in f64.
#![no_std]
#![no_main]

panics::program! {
    panics::training::rivals::<f64, 1>();
}
