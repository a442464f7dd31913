//! Natural gradient, by every solver: tiles of 8.
#![no_std]
#![no_main]

slices::program!(naturals, 8);
