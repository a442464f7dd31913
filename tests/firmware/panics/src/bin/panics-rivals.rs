//! The methods without a linear system.
#![no_std]
#![no_main]

panics::program! {
    panics::training::rivals::<f32, 1>();
}
