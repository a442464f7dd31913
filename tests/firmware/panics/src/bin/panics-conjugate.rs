//! Natural conjugate gradient.
#![no_std]
#![no_main]

panics::program! {
    panics::training::conjugate::<f32, 1>();
}
