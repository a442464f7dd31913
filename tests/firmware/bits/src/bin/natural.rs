//! Natural gradient, by every solver.
#![no_std]
#![no_main]

bits::program!(natural);
