//! What the programs of this package share: a board, a console, and how a program is made of a group of
//! training runs.
#![no_std]

#[cfg(target_arch = "arm")]
#[doc(hidden)]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
#[doc(hidden)]
pub use riscv_rt::entry;
#[doc(hidden)]
pub use semihosting::{println, process};

#[cfg(target_arch = "arm")]
use cortex_m as _;
use portable_atomic as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;

/// A program that makes all runs of a group, and prints `name params state losses` for each.
#[macro_export]
macro_rules! program {
    ($group:ident) => {
        use scenario::{PLAN, $group};
        use static_cell::ConstStaticCell;

        /// The examples of a tile, which have no share in the bits.
        const TILE: usize = 1;
        const LEN: usize = $group::workspace_len::<TILE>();

        static PARAMS: ConstStaticCell<[f32; PLAN.params()]> =
            ConstStaticCell::new([0.0; PLAN.params()]);
        static WORKSPACE: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);

        #[$crate::entry]
        fn main() -> ! {
            $group::all::<TILE>(PARAMS.take(), WORKSPACE.take(), |name, end| match end {
                Ok(end) => $crate::println!("{name} {end}"),
                Err(error) => $crate::println!("{name} {error}"),
            });
            $crate::process::exit(0)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::println!("{info}");
            $crate::process::exit(1)
        }
    };
}
