//! Natural gradient in output space.
#![no_std]
#![no_main]

bits::program!(dual);
