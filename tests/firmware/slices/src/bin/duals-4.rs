//! Natural gradient in output space: tiles of 4.
#![no_std]
#![no_main]

slices::program!(duals, 4);
