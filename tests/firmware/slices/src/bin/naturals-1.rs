//! Natural gradient, by every solver: tiles of 1.
#![no_std]
#![no_main]

slices::program!(naturals, 1);
