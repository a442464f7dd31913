//! Natural gradient, by every solver: tiles of 4.
#![no_std]
#![no_main]

slices::program!(naturals, 4);
