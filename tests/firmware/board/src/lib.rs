//! What the firmware of these tests stands on: an emulated board's memory map, start-up and console.
#![no_std]

mod clock;
pub mod stack;
mod ticks;
pub mod words;

pub use clock::Clock;
#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
pub use semihosting::{println, process};
pub use ticks::Ticks;

#[cfg(target_arch = "arm")]
use cortex_m as _;
use portable_atomic as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;

/// The board's RAM in bytes.
pub const RAM: usize = match usize::from_str_radix(env!("RAM_KIB"), 10) {
    Ok(kib) => 1024 * kib,
    Err(_) => panic!("the memory map gives the RAM in KiB"),
};

/// The panic handler of a program that may have one: prints where, and exits with 1.
#[macro_export]
macro_rules! print_panics {
    () => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::println!("{info}");
            $crate::process::exit(1)
        }
    };
}

/// The panic handler of a program whose size counts: exits with 1.
#[macro_export]
macro_rules! silent_panics {
    () => {
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            $crate::process::exit(1)
        }
    };
}
