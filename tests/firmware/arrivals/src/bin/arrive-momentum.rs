//! Gradient descent with momentum.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Heavy = arrivals::accuracy::Heavy::new, few: true, many: true);
