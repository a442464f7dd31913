//! `Gram`, over at most 64 examples.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Spring<64> = |_| Default::default(), few: true, many: false);
