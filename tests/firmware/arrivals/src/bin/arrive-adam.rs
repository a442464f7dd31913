//! Adam.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Moments = arrivals::accuracy::Moments::new, few: true, many: true);
