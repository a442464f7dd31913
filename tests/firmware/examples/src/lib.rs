//! What the example programs share: a log, an end, and the sensors that they have on an emulated board.
//!
//! A program's log goes out by `defmt`: the device sends numbers, and the host finds the words for them in the
//! program's ELF file. On hardware `defmt-rtt` takes the place of `defmt-semihosting`, and `panic-probe` that of
//! the panic handler below.
#![no_std]

pub mod bridge;
pub mod machine;
mod noise;
pub mod pump;
pub mod scales;
pub mod watch;

use core::panic::PanicInfo;

use board::process;
use defmt::Display2Format;
use defmt_semihosting as _;

/// Ends a program: with 0 if it has done what it is for, with 1 if not, or if something was refused, which is
/// logged.
pub fn end(outcome: Result<bool, natgrad::Error>) -> ! {
    match outcome {
        Ok(good) => process::exit(i32::from(!good)),
        Err(error) => {
            defmt::error!("{}", error);
            process::exit(1)
        }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", Display2Format(info));
    process::exit(1)
}
