//! Natural gradient as its authors ran it, with conjugate gradients.
#![no_std]
#![no_main]

costs::program!(natgrad::optimizer::NatSgd<f32, natgrad::krylov::Cg> = natgrad::optimizer::NatSgd::nat_sgd());
