//! Krylov subspace descent.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::KrylovDescent<f32, 3, natgrad::precondition::Jacobi> = Default::default());
