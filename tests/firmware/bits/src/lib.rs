//! How a program is made of a group of training runs.
#![no_std]

#[doc(hidden)]
pub use board;

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

        #[$crate::board::entry]
        fn main() -> ! {
            $group::all::<TILE>(PARAMS.take(), WORKSPACE.take(), |name, end| match end {
                Ok(end) => $crate::board::println!("{name} {end}"),
                Err(error) => $crate::board::println!("{name} {error}"),
            });
            $crate::board::process::exit(0)
        }

        $crate::board::print_panics!();
    };
}
