//! Panics on purpose: in a function that is called, and in one that becomes a part of its caller.
#![no_std]
#![no_main]

use core::hint::black_box;

#[cfg(feature = "never")]
use panic_never as _;

#[cfg(not(feature = "never"))]
board::print_panics!();

#[board::entry]
fn main() -> ! {
    black_box(called(black_box(&[]), black_box(0)));
    black_box(caller(black_box(0), black_box(1)));
    board::process::exit(0)
}

#[inline(never)]
fn called(values: &[u8], at: usize) -> u8 {
    values[at]
}

#[inline(never)]
fn caller(number: u32, divisor: u32) -> u32 {
    inlined(number, divisor) + 1
}

#[inline(always)]
fn inlined(number: u32, divisor: u32) -> u32 {
    number / divisor
}
