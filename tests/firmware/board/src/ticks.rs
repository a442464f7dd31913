//! A periodic interrupt, as a control law has it, and how late one is who polls for what it says.
//!
//! SysTick, or RISC-V's machine timer, makes the interrupt. A second, free-running timer of the board says when
//! it was due, even when it is masked for so long that the next one takes its place.

use core::sync::atomic::{AtomicU32, Ordering};

/// The interrupts so far.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Ticks with a period, and which of them have been handled.
pub struct Ticks {
    period: u32,
    /// When the first one that has not been handled was due or will be, on the free-running timer.
    due: u32,
    first: u32,
    handled: u32,
}

impl Ticks {
    /// Starts them, `period` ns apart, in the place of those that there were.
    pub fn start(period: u32) -> Self {
        interrupt::stop();
        COUNT.store(0, Ordering::Relaxed);
        interrupt::start(period);
        let period = timer::ticks(period);
        let first = timer::now().wrapping_add(period);
        Self {
            period,
            due: first,
            first,
            handled: 0,
        }
    }

    /// How late it is in ns, if there is a tick that has not been handled; it counts as handled now.
    pub fn poll(&mut self) -> Option<u32> {
        if COUNT.load(Ordering::Relaxed) == self.handled {
            return None;
        }
        let late = timer::now().wrapping_sub(self.due);
        self.due = self.due.wrapping_add(self.period);
        self.handled += 1;
        // The two timers are started one after the other.
        let late = if late.cast_signed() < 0 { 0 } else { late };
        Some(timer::nanos(late))
    }

    /// The ticks that were due, and whose interrupt has not come.
    pub fn lost(&self) -> u32 {
        let since = timer::now().wrapping_sub(self.first);
        let due = 1 + since / self.period;
        due.saturating_sub(COUNT.load(Ordering::Relaxed))
    }
}

fn count() {
    // The interrupt is the only one that writes, and the Cortex-M0 has no atomic sum.
    COUNT.store(COUNT.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[cfg(target_arch = "arm")]
mod interrupt {
    use cortex_m::Peripherals;
    use cortex_m::peripheral::SCB;
    use cortex_m::peripheral::syst::SystClkSource;
    use cortex_m_rt::exception;

    #[exception]
    fn SysTick() {
        super::count();
    }

    pub(super) fn stop() {
        // SAFETY: nothing else uses SysTick while there are ticks.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.disable_interrupt();
        systick.disable_counter();
        SCB::clear_pendst();
    }

    pub(super) fn start(period: u32) {
        // SAFETY: as above.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(super::timer::ticks(period) - 1);
        systick.clear_current();
        systick.enable_interrupt();
        systick.enable_counter();
    }
}

#[cfg(target_arch = "riscv32")]
mod interrupt {
    use riscv::interrupt::Interrupt;
    use riscv::register::{mie, mstatus};

    /// Nanoseconds per tick of the machine timer.
    const NANOS: u32 = 100;

    const MTIMECMP: *mut u32 = 0x0200_4000 as *mut u32;
    const MTIME: *mut u32 = 0x0200_BFF8 as *mut u32;

    static mut PERIOD: u32 = 0;

    #[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
    fn machine_timer() {
        super::count();
        // SAFETY: registers of the board, which nothing else writes; a program runs for less than 2³² ticks.
        unsafe {
            MTIMECMP.write_volatile(MTIMECMP.read_volatile().wrapping_add(PERIOD));
        }
    }

    pub(super) fn stop() {
        // SAFETY: an interrupt less.
        unsafe { mie::clear_mtimer() };
    }

    pub(super) fn start(period: u32) {
        // SAFETY: as above, and the interrupt is enabled behind what it reads.
        unsafe {
            PERIOD = period / NANOS;
            MTIMECMP.write_volatile(MTIME.read_volatile().wrapping_add(PERIOD));
            MTIMECMP.add(1).write_volatile(0);
            mie::set_mtimer();
            mstatus::set_mie();
        }
    }
}

/// The timer of the Cortex-M system design kit: it counts down, at the processor's clock.
#[cfg(any(timer = "cmsdk", timer = "secure-cmsdk"))]
mod timer {
    #[cfg(timer = "secure-cmsdk")]
    const BASE: usize = 0x5000_0000;
    #[cfg(timer = "secure-cmsdk")]
    const MHZ: u32 = 20;
    #[cfg(timer = "cmsdk")]
    const BASE: usize = 0x4000_0000;
    #[cfg(timer = "cmsdk")]
    const MHZ: u32 = 25;

    const CTRL: *mut u32 = BASE as *mut u32;
    const VALUE: *mut u32 = (BASE + 4) as *mut u32;
    const RELOAD: *mut u32 = (BASE + 8) as *mut u32;

    pub(super) fn now() -> u32 {
        // SAFETY: registers of the board, which nothing else writes.
        unsafe {
            if CTRL.read_volatile() == 0 {
                RELOAD.write_volatile(u32::MAX);
                VALUE.write_volatile(u32::MAX);
                CTRL.write_volatile(1);
            }
            !VALUE.read_volatile()
        }
    }

    pub(super) fn ticks(nanos: u32) -> u32 {
        nanos / (1000 / MHZ)
    }

    pub(super) fn nanos(ticks: u32) -> u32 {
        ticks.saturating_mul(1000 / MHZ)
    }
}

/// TIMER0 of the nRF51, at the 16 MHz of the processor's clock.
#[cfg(timer = "nrf51")]
mod timer {
    const BASE: usize = 0x4000_8000;
    const START: *mut u32 = BASE as *mut u32;
    const CAPTURE: *mut u32 = (BASE + 0x040) as *mut u32;
    const BITMODE: *mut u32 = (BASE + 0x508) as *mut u32;
    const PRESCALER: *mut u32 = (BASE + 0x510) as *mut u32;
    const CAPTURED: *mut u32 = (BASE + 0x540) as *mut u32;

    pub(super) fn now() -> u32 {
        // SAFETY: registers of the board, which nothing else writes.
        unsafe {
            if BITMODE.read_volatile() == 0 {
                PRESCALER.write_volatile(0);
                BITMODE.write_volatile(3);
                START.write_volatile(1);
            }
            CAPTURE.write_volatile(1);
            CAPTURED.read_volatile()
        }
    }

    pub(super) fn ticks(nanos: u32) -> u32 {
        nanos / 125 * 2
    }

    pub(super) fn nanos(ticks: u32) -> u32 {
        ticks.saturating_mul(125) / 2
    }
}

/// The emulator's instructions, a nanosecond each.
#[cfg(timer = "instructions")]
mod timer {
    pub(super) fn now() -> u32 {
        riscv::register::minstret::read() as u32
    }

    pub(super) fn ticks(nanos: u32) -> u32 {
        nanos
    }

    pub(super) fn nanos(ticks: u32) -> u32 {
        ticks
    }
}
