//! The time of an emulator that takes one nanosecond for every instruction.

/// A clock that runs with that time, and sees it pass when it is looked at: often enough that its counter does
/// not come round in between.
#[derive(Debug)]
pub struct Clock {
    last: u32,
    ticks: u64,
}

impl Clock {
    /// A clock that shows 0.
    pub fn start() -> Self {
        counter::start();
        Self {
            last: counter::read(),
            ticks: 0,
        }
    }

    /// What it shows now, in ticks of the board.
    #[inline(always)]
    pub fn look(&mut self) -> u64 {
        let now = counter::read();
        self.ticks += u64::from(now.wrapping_sub(self.last) & counter::LAST);
        self.last = now;
        self.ticks
    }

    /// The ticks that `run` takes, without coming round.
    #[inline(always)]
    pub fn ticks(&mut self, run: impl FnOnce()) -> u32 {
        let before = self.look();
        run();
        (self.look() - before) as u32
    }
}

/// SysTick, which counts 24 bits of the processor's clock, and comes round after half a second or more.
#[cfg(target_arch = "arm")]
mod counter {
    use cortex_m::Peripherals;
    use cortex_m::peripheral::SYST;
    use cortex_m::peripheral::syst::SystClkSource;

    pub(super) const LAST: u32 = 0x00FF_FFFF;

    pub(super) fn start() {
        if let Some(Peripherals {
            SYST: mut timer, ..
        }) = Peripherals::take()
        {
            timer.set_clock_source(SystClkSource::Core);
            timer.set_reload(LAST);
            timer.clear_current();
            timer.enable_counter();
        }
    }

    /// Never part of another function: a trace of the program is cut where this one is called.
    #[inline(never)]
    pub(super) fn read() -> u32 {
        LAST - SYST::get_current()
    }
}

/// The instructions that have retired, a tick for each.
#[cfg(target_arch = "riscv32")]
mod counter {
    pub(super) const LAST: u32 = u32::MAX;

    pub(super) fn start() {}

    #[inline(always)]
    pub(super) fn read() -> u32 {
        riscv::register::minstret::read() as u32
    }
}
