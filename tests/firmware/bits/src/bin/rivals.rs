//! The methods that natural gradient is compared with.
#![no_std]
#![no_main]

bits::program!(rivals);
