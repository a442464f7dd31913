//! Gradient descent.
#![no_std]
#![no_main]

arrivals::program!(arrivals::accuracy::Descent = arrivals::accuracy::Descent::new, few: true, many: true);
