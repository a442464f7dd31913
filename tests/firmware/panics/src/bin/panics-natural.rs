//! Natural gradient, by every solver.
#![no_std]
#![no_main]

panics::program! {
    panics::training::natural::<f32, 1>();
}
