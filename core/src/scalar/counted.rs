//! A number that counts what is done with it, on the thread that does it.

extern crate std;

use core::cell::Cell;
use core::fmt;
use core::num::FpCategory;
use core::ops::{
    Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign,
};
use std::thread_local;

use num_traits::float::FloatCore;
use num_traits::{Num, NumCast, One, ToPrimitive, Zero};

use super::{ROOT_MACS, Scalar, sealed};

/// What has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Multiplications, divisions, and [`ROOT_MACS`] for each square root.
    pub(crate) macs: u64,
    /// Exponentials, logarithms and hyperbolic tangents.
    pub(crate) calls: u64,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { macs: 0, calls: 0 }) };
}

impl Count {
    /// What has been done since this was asked for last.
    pub(crate) fn take() -> Self {
        COUNT.take()
    }

    fn macs(more: u64) {
        let Self { macs, calls } = COUNT.get();
        COUNT.set(Self {
            macs: macs + more,
            calls,
        });
    }

    fn call() {
        let Self { macs, calls } = COUNT.get();
        COUNT.set(Self {
            macs,
            calls: calls + 1,
        });
    }
}

/// An `f32` that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Counted(pub(crate) f32);

impl sealed::Sealed for Counted {
    // What is counted is what a device does: vectors compute some numbers in vain.
    const VECTORS: bool = false;

    const REGISTERS: bool = true;

    fn below_zero(self) -> bool {
        self.0.below_zero()
    }
    fn positive_zero(self) -> bool {
        self.0.positive_zero()
    }

    #[cfg(feature = "fma")]
    const FUSES: bool = true;

    #[cfg(feature = "fma")]
    fn fused(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
}

impl Scalar for Counted {
    const ZERO: Self = Self(0.0);
    const ONE: Self = Self(1.0);
    const HALF: Self = Self(0.5);
    const EPSILON: Self = Self(f32::EPSILON);

    fn of(value: f64) -> Self {
        Self(f32::of(value))
    }
    fn of_count(count: usize) -> Self {
        Self(f32::of_count(count))
    }
    fn of_int(value: i32) -> Self {
        Self(f32::of_int(value))
    }
    fn widen(self) -> f64 {
        self.0.widen()
    }
    fn root(self) -> Self {
        Count::macs(ROOT_MACS as u64);
        Self(self.0.root())
    }
    fn exponential(self) -> Self {
        Count::call();
        Self(self.0.exponential())
    }
    fn exponential_m1(self) -> Self {
        Count::call();
        Self(self.0.exponential_m1())
    }
    fn logarithm(self) -> Self {
        Count::call();
        Self(self.0.logarithm())
    }
    fn logarithm_1p(self) -> Self {
        Count::call();
        Self(self.0.logarithm_1p())
    }
    fn hyperbolic_tangent(self) -> Self {
        Count::call();
        Self(self.0.hyperbolic_tangent())
    }
}

macro_rules! arithmetic {
    ($($operator:ident $method:ident $assign:ident $assign_method:ident $macs:literal;)*) => {$(
        impl $operator for Counted {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Count::macs($macs);
                Self(self.0.$method(other.0))
            }
        }
        impl $assign for Counted {
            fn $assign_method(&mut self, other: Self) {
                *self = self.$method(other);
            }
        }
    )*};
}

arithmetic! {
    Add add AddAssign add_assign 0;
    Sub sub SubAssign sub_assign 0;
    Mul mul MulAssign mul_assign 1;
    Div div DivAssign div_assign 1;
    Rem rem RemAssign rem_assign 1;
}

impl Neg for Counted {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::LowerExp for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Zero for Counted {
    fn zero() -> Self {
        Self::ZERO
    }
    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }
}

impl One for Counted {
    fn one() -> Self {
        Self::ONE
    }
}

impl Num for Counted {
    type FromStrRadixErr = <f32 as Num>::FromStrRadixErr;
    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        f32::from_str_radix(text, radix).map(Self)
    }
}

impl ToPrimitive for Counted {
    fn to_i64(&self) -> Option<i64> {
        self.0.to_i64()
    }
    fn to_u64(&self) -> Option<u64> {
        self.0.to_u64()
    }
}

impl NumCast for Counted {
    fn from<N: ToPrimitive>(n: N) -> Option<Self> {
        <f32 as NumCast>::from(n).map(Self)
    }
}

impl FloatCore for Counted {
    fn infinity() -> Self {
        Self(f32::INFINITY)
    }
    fn neg_infinity() -> Self {
        Self(f32::NEG_INFINITY)
    }
    fn nan() -> Self {
        Self(f32::NAN)
    }
    fn neg_zero() -> Self {
        Self(-0.0)
    }
    fn min_value() -> Self {
        Self(f32::MIN)
    }
    fn min_positive_value() -> Self {
        Self(f32::MIN_POSITIVE)
    }
    fn epsilon() -> Self {
        Self::EPSILON
    }
    fn max_value() -> Self {
        Self(f32::MAX)
    }
    fn classify(self) -> FpCategory {
        self.0.classify()
    }
    fn to_degrees(self) -> Self {
        Self(self.0.to_degrees())
    }
    fn to_radians(self) -> Self {
        Self(self.0.to_radians())
    }
    fn integer_decode(self) -> (u64, i16, i8) {
        FloatCore::integer_decode(self.0)
    }
}
