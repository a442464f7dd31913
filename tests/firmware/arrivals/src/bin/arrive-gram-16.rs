//! `Gram` without memory, over at most 16 examples.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Exact<16> = |_| Default::default(), few: true, many: true);
