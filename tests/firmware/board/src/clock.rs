//! The time of an emulator that takes one nanosecond for every instruction.

/// A counter that runs with that time, and the difference of two looks at it.
pub struct Clock(#[cfg(target_arch = "arm")] cortex_m::peripheral::SYST);

#[cfg(target_arch = "arm")]
impl Clock {
    /// SysTick counts down its 24 bits, from the processor's clock.
    const LAST: u32 = 0x00FF_FFFF;

    /// Starts it. There is one.
    pub fn start() -> Option<Self> {
        let mut clock = cortex_m::Peripherals::take()?.SYST;
        clock.set_clock_source(cortex_m::peripheral::syst::SystClkSource::Core);
        clock.set_reload(Self::LAST);
        clock.clear_current();
        clock.enable_counter();
        Some(Self(clock))
    }

    /// The ticks that `run` takes, which must be fewer than 2²⁴.
    #[inline(always)]
    pub fn ticks(&mut self, run: impl FnOnce()) -> u32 {
        let before = cortex_m::peripheral::SYST::get_current();
        run();
        let after = cortex_m::peripheral::SYST::get_current();
        before.wrapping_sub(after) & Self::LAST
    }
}

#[cfg(target_arch = "riscv32")]
impl Clock {
    /// Starts it: it runs anyway.
    pub fn start() -> Option<Self> {
        Some(Self())
    }

    /// The instructions that `run` takes, which must be fewer than 2³².
    #[inline(always)]
    pub fn ticks(&mut self, run: impl FnOnce()) -> u32 {
        let before = riscv::register::minstret::read();
        run();
        let after = riscv::register::minstret::read();
        after.wrapping_sub(before) as u32
    }
}
