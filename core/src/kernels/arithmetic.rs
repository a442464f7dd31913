//! What a multiply-add is: two operations, or with the feature `fma` one, where the machine has it as an instruction.
//!
//! Never a function that does it in software: where there is no instruction, the operations stay apart. That is decided
//! - in a function of `for_machines`, for the instruction set of each of its versions;
//! - elsewhere for the instruction set of the build: by `fma` on x86, `neon` on 64-bit Arm, a floating-point unit in
//!   the calling convention of a Cortex-M, where each is one that fuses `f32`, and `f` or `d` on RISC-V.

#![cfg_attr(
    feature = "fma",
    expect(
        clippy::inline_always,
        reason = "the instruction set of a multiply-add is that of what it is inlined into"
    )
)]

use crate::scalar::Scalar;

/// How a product comes to a sum.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arithmetic {
    /// It is rounded, and then the sum is.
    Separate,
    /// The sum is rounded alone.
    #[cfg(feature = "fma")]
    Fused,
}

impl Arithmetic {
    /// That of the instruction set of the build.
    #[cfg_attr(
        not(feature = "fma"),
        expect(
            clippy::extra_unused_type_parameters,
            reason = "no type is fused without the feature"
        )
    )]
    #[inline]
    pub(super) const fn of_build<T: Scalar>() -> Self {
        #[cfg(feature = "fma")]
        if T::FUSES {
            return Self::Fused;
        }
        Self::Separate
    }

    /// sum + a b.
    #[cfg_attr(feature = "fma", inline(always))]
    #[cfg_attr(not(feature = "fma"), inline)]
    pub(super) fn multiply_add<T: Scalar>(self, a: T, b: T, sum: T) -> T {
        match self {
            Self::Separate => sum + a * b,
            #[cfg(feature = "fma")]
            Self::Fused => a.fused(b, sum),
        }
    }
}

/// That of the instruction set at this place of a function of `for_machines`, for a type.
#[cfg(feature = "fma")]
macro_rules! arithmetic {
    ($type:ty) => {
        if has!("fma") {
            Arithmetic::Fused
        } else {
            Arithmetic::of_build::<$type>()
        }
    };
}
#[cfg(not(feature = "fma"))]
macro_rules! arithmetic {
    ($type:ty) => {
        Arithmetic::of_build::<$type>()
    };
}
