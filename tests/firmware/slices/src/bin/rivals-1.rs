//! The methods that natural gradient is compared with: tiles of 1.
#![no_std]
#![no_main]

slices::program!(rivals, 1);
