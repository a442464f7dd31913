//! Natural gradient in output space: tiles of 1.
#![no_std]
#![no_main]

slices::program!(duals, 1);
