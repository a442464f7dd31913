//! A loop of two million instructions, to know the clock by.
#![no_std]
#![no_main]

use core::arch::asm;

use costs::{board, print};

#[board::entry]
fn main() -> ! {
    let mut clock = board::Clock::start();
    let before = clock.look();
    // SAFETY: counts a register down.
    #[cfg(target_arch = "arm")]
    unsafe {
        asm!("2: subs {n}, {n}, #1", "bne 2b", n = inout(reg) 1_000_000 => _, options(nomem, nostack));
    }
    // SAFETY: counts a register down.
    #[cfg(target_arch = "riscv32")]
    unsafe {
        asm!("2: addi {n}, {n}, -1", "bnez {n}, 2b", n = inout(reg) 1_000_000 => _, options(nomem, nostack));
    }
    let ticks = clock.look() - before;
    print(&[ticks as u32]);
    board::process::exit(0)
}

board::silent_panics!();
