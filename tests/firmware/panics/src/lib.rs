//! Calls every public function of `natgrad`, with arguments of which the compiler knows nothing but the type.
//!
//! The programs of this package have a panic handler that does not exist: they link only if the compiler has
//! removed every path to a panic. They are linked, and not run.
//!
//! A test of `natgrad-tests` reads these files, and finds the public functions that are not called. It knows a
//! call by its path, `Type::function`, `Trait::function` or `module::function`, so that is how they are written
//! here; a receiver and an argument go through [`black_box`] or come from [`slice`] and its like.
#![no_std]

pub mod algebra;
pub mod examples;
pub mod network;
pub mod numbers;
pub mod plans;
pub mod training;

#[doc(hidden)]
pub use board;
#[cfg(not(feature = "halt"))]
#[doc(hidden)]
pub use panic_never;

use core::hint::black_box;

/// A slice of any length.
fn slice<T: 'static>() -> &'static [T] {
    black_box(&[])
}

/// A mutable slice of any length.
fn slice_mut<T: 'static>() -> &'static mut [T] {
    black_box(&mut [])
}

/// Any number of elements, examples or rows.
fn count() -> usize {
    black_box(1)
}

/// Keeps the compiler from leaving out what nobody reads.
fn used<T>(value: T) {
    black_box(value);
}

/// A program that makes some calls.
#[macro_export]
macro_rules! program {
    ($($calls:expr;)*) => {
        #[cfg(not(feature = "halt"))]
        use $crate::panic_never as _;

        #[cfg(feature = "halt")]
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            loop {}
        }

        #[$crate::board::entry]
        fn main() -> ! {
            $($calls;)*
            loop {}
        }
    };
}
