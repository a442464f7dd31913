//! The number type: `f32` on the device, `f64` for the oracle.
//!
//! Arithmetic is IEEE `+ − × ÷` as the language gives it, without fused operations unless the feature `fma` is on. What
//! the language does not give (`√`, `exp`, `ln`, `tanh`, …) comes from the `libm` crate on every target, the host
//! included, because the platform's own functions differ in the last bit from one another.

use core::fmt::{Debug, Display, LowerExp};
use core::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use num_traits::float::FloatCore;

mod tanh;

#[cfg(test)]
pub(crate) mod counted;

mod sealed {
    pub trait Sealed: Sized {
        /// Whether kernels work on whole vectors of this type: on a machine with an operating system. A core of bare
        /// metal has no vectors, and too little stack for what would fill them.
        const VECTORS: bool = !cfg!(target_os = "none");

        /// Whether the machine computes with this type in registers of its own; else functions do, by integers.
        const REGISTERS: bool;

        /// Whether the number is below 0, or −0; a NaN is not.
        fn below_zero(self) -> bool;

        /// Whether the number is +0.
        fn positive_zero(self) -> bool;

        /// Whether the instruction set of the build fuses a multiplication with an addition.
        #[cfg(feature = "fma")]
        const FUSES: bool;

        /// self · factor + term, rounded once.
        #[cfg(feature = "fma")]
        fn fused(self, factor: Self, term: Self) -> Self;
    }
}

macro_rules! sealed {
    ($type:ident, $riscv:literal, $($arm:tt)*) => {
        impl sealed::Sealed for $type {
            const REGISTERS: bool = cfg!(any(
                not(target_os = "none"),
                all(target_arch = "aarch64", target_feature = "neon"),
                all(any(target_arch = "riscv32", target_arch = "riscv64"), target_feature = $riscv),
                $($arm)*
            ));

            // By the bits, as a comparison of numbers moves flags from one unit to the other on a Cortex-M, and is a
            // function where there is no unit. As integers, −0 … −∞ are the lowest, and the NaNs of that sign lie above
            // them.
            #[inline]
            fn below_zero(self) -> bool {
                self.to_bits().cast_signed() <= $type::NEG_INFINITY.to_bits().cast_signed()
            }

            #[inline]
            fn positive_zero(self) -> bool {
                self.to_bits() == 0
            }

            #[cfg(feature = "fma")]
            const FUSES: bool = cfg!(any(
                all(any(target_arch = "x86", target_arch = "x86_64"), target_feature = "fma"),
                all(target_arch = "aarch64", target_feature = "neon"),
                all(any(target_arch = "riscv32", target_arch = "riscv64"), target_feature = $riscv),
                all(target_feature = "mclass", $($arm)*)
            ));

            // Inlined whatever it costs: in a version of a kernel it is one instruction, and alone a function of
            // software.
            #[cfg(feature = "fma")]
            #[expect(clippy::disallowed_methods, reason = "other bits are what the feature is for")]
            #[inline(always)]
            fn fused(self, factor: Self, term: Self) -> Self {
                // The same operation: a library without an operating system has it under an unstable name.
                #[cfg(target_os = "none")]
                return core::$type::math::mul_add(self, factor, term);
                #[cfg(not(target_os = "none"))]
                return self.mul_add(factor, term);
            }
        }
    };
}

// The convention `eabihf` means a unit for `f32` at least, which on a Cortex-M fuses.
sealed!(f32, "f", all(target_arch = "arm", target_abi = "eabihf"));
sealed!(f64, "d", any());

/// What a square root counts as in multiply-accumulates: it is computed by software, on every target.
pub const ROOT_MACS: usize = 8;

/// A real number that the core computes with. Implemented by `f32` and `f64` only.
///
/// It rests on [`num_traits::float::FloatCore`], never on `num_traits::Float`: with `std` anywhere in
/// the build, the methods of the latter call the platform's mathematics, and the bits would depend on
/// the machine.
pub trait Scalar:
    sealed::Sealed
    + FloatCore
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Default
    + Debug
    + Display
    + LowerExp
    + Send
    + Sync
    + 'static
{
    /// 0, as a constant: static memory is made of it.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// ½.
    const HALF: Self;
    /// The distance from 1 to the next larger number: 2⁻²³ or 2⁻⁵².
    const EPSILON: Self;

    /// The nearest number to `value`.
    fn of(value: f64) -> Self;
    /// The nearest number to an integer count.
    fn of_count(count: usize) -> Self;
    /// The nearest number to a small integer; no `f64` on the way, which a device would emulate.
    fn of_int(value: i32) -> Self;
    /// The value as `f64`, exactly.
    fn widen(self) -> f64;
    /// √x, correctly rounded; NaN below 0.
    fn root(self) -> Self;
    /// eˣ.
    fn exponential(self) -> Self;
    /// eˣ − 1, without cancellation near 0.
    fn exponential_m1(self) -> Self;
    /// ln x; −∞ at 0, NaN below.
    fn logarithm(self) -> Self;
    /// ln(1 + x), without cancellation near 0.
    fn logarithm_1p(self) -> Self;
    /// tanh x.
    fn hyperbolic_tangent(self) -> Self;

    /// x ← tanh x for every element, with the bits of [`Scalar::hyperbolic_tangent`]; vectorised for `f32` on a host.
    fn hyperbolic_tangents(values: &mut [Self]) {
        for x in values {
            *x = x.hyperbolic_tangent();
        }
    }

    /// The larger of two numbers by comparison; `other` when `self` is NaN.
    ///
    /// Not `FloatCore::max`: that leaves the sign of a zero to the platform.
    #[inline]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// The smaller of two numbers by comparison; `other` when `self` is NaN.
    #[inline]
    fn smaller(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

macro_rules! scalar {
    ($type:ident, $sqrt:ident, $exp:ident, $expm1:ident, $log:ident, $log1p:ident, $tanh:ident, $of:expr, $of_count:expr, $of_int:expr $(, $tanhs:path)?) => {
        impl Scalar for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const EPSILON: Self = $type::EPSILON;

            #[inline]
            fn of(value: f64) -> Self {
                $of(value)
            }
            #[inline]
            fn of_count(count: usize) -> Self {
                $of_count(count)
            }
            #[inline]
            fn of_int(value: i32) -> Self {
                $of_int(value)
            }
            #[inline]
            fn widen(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn root(self) -> Self {
                libm::$sqrt(self)
            }
            #[inline]
            fn exponential(self) -> Self {
                libm::$exp(self)
            }
            #[inline]
            fn exponential_m1(self) -> Self {
                libm::$expm1(self)
            }
            #[inline]
            fn logarithm(self) -> Self {
                libm::$log(self)
            }
            #[inline]
            fn logarithm_1p(self) -> Self {
                libm::$log1p(self)
            }
            #[inline]
            fn hyperbolic_tangent(self) -> Self {
                libm::$tanh(self)
            }
            $(
                #[inline]
                fn hyperbolic_tangents(values: &mut [Self]) {
                    $tanhs(values);
                }
            )?
        }
    };
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "rounding to the nearest number is what the conversions are for"
)]
mod implementation {
    use super::Scalar;

    scalar!(
        f32,
        sqrtf,
        expf,
        expm1f,
        logf,
        log1pf,
        tanhf,
        |value: f64| value as f32,
        |count: usize| count as f32,
        |value: i32| value as f32,
        super::tanh::hyperbolic_tangents
    );
    scalar!(
        f64,
        sqrt,
        exp,
        expm1,
        log,
        log1p,
        tanh,
        |value: f64| value,
        |count: usize| count as f64,
        f64::from
    );
}
