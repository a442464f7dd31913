//! Natural gradient by CG.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Cg = |_| Default::default(), few: true, many: true);
