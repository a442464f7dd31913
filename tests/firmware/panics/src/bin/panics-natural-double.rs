//! Natural gradient in f64, in tiles.
#![no_std]
#![no_main]

panics::program! {
    panics::training::natural::<f64, 4>();
}
