//! Natural gradient by other curvatures, and its relatives.
#![no_std]
#![no_main]

panics::program! {
    panics::training::relatives::<f32, 1>();
}
