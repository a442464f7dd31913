//! How deep the stack has been: painted beforehand, and looked at afterwards.
//!
//! The mark misses what a function reserves below the deepest word that it writes.

use core::arch::asm;

/// What no program is likely to leave on its stack.
const PAINT: u32 = 0xA5C3_3C5A;

/// How much is painted, in bytes: what goes deeper has used all of it.
const DEPTH: usize = 8192;

/// The painted part of the stack.
#[derive(Debug)]
pub struct Painted {
    bottom: usize,
    top: usize,
}

/// Paints the stack below the caller's frame.
#[inline(always)]
pub fn paint() -> Painted {
    unsafe extern "C" {
        /// The end of all statics.
        static __sheap: u32;
    }
    let top: usize;
    // SAFETY: copies a register.
    #[cfg(target_arch = "arm")]
    unsafe {
        asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: copies a register.
    #[cfg(target_arch = "riscv32")]
    unsafe {
        asm!("mv {}, sp", out(reg) top, options(nomem, nostack, preserves_flags));
    }
    let statics_end = (&raw const __sheap).addr();
    let bottom = statics_end.max(top - DEPTH);
    for word in (bottom..top).step_by(4) {
        // SAFETY: between the end of the statics and the stack pointer of the frame that this is inlined in
        // there is nothing, and no interrupt comes in between.
        unsafe { (word as *mut u32).write_volatile(PAINT) };
    }
    Painted { bottom, top }
}

impl Painted {
    /// The bytes of stack that were used below the frame that painted, since then.
    #[inline(always)]
    pub fn used(&self) -> usize {
        let untouched = (self.bottom..self.top).step_by(4).take_while(|&word| {
            // SAFETY: RAM that was painted.
            unsafe { (word as *const u32).read_volatile() == PAINT }
        });
        self.top - self.bottom - 4 * untouched.count()
    }
}
