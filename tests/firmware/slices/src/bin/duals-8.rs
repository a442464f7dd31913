//! Natural gradient in output space: tiles of 8.
#![no_std]
#![no_main]

slices::program!(duals, 8);
