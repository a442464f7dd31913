//! The methods that natural gradient is compared with: tiles of 4.
#![no_std]
#![no_main]

slices::program!(rivals, 4);
