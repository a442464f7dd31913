//! How a program is made that trains by one method, and measures what a step costs: stack and instructions.
//! What else it costs, flash and RAM, is read from its ELF file. So it formats nothing: it prints hexadecimal
//! words, and its panics say nothing.
#![no_std]

use core::hint::black_box;

use board::Clock;
use natgrad::optimizer::{Method, Progress};
use natgrad::{Batch, Error, Metric, Model, Trainer, init};

#[doc(hidden)]
pub use board;
pub use board::words::print;

/// The examples of a step.
pub const BATCH: usize = 16;

/// The steps that are counted, as many as TONGA takes gradients for a new basis; one before them is not.
pub const STEPS: u32 = 3;

/// The examples that are computed at once.
pub const TILE: usize = 4;

/// The RAM that a board has to have beside a network's, for the stack, the examples and whatever else there is.
pub const REST: usize = 4096;

/// Uniform inputs in [−1, 1), and one output after the other that should be 1: it does for every likelihood.
pub fn examples<const IN: usize, const OUT: usize>(
    inputs: &mut [[f32; IN]],
    targets: &mut [[f32; OUT]],
) {
    let mut state = 1_u32;
    for (example, (x, t)) in inputs.iter_mut().zip(targets).enumerate() {
        for x in x.iter_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
        }
        for (k, t) in t.iter_mut().enumerate() {
            *t = if example % OUT == k { 1.0 } else { 0.0 };
        }
    }
}

/// The bytes of stack below the frame that calls a step, at the deepest of all steps, and the ticks of the counted
/// ones.
///
/// # Errors
/// Those of a step. None is expected.
#[inline(never)]
pub fn measure<M: Method<f32>, const TILE: usize>(
    trainer: &mut Trainer<'_, f32, M, TILE>,
    batch: Batch<'_, f32>,
) -> Result<(u32, u64), Error> {
    let mut clock = Clock::start();
    deepest(&mut || {
        // On the slowest core the clock would come round within a step.
        trainer.step_with(batch, Metric::Same, &mut |_| {
            clock.look();
        })?;
        Ok(clock.look())
    })
}

/// The stack of the same in slices, with a network of these widths.
///
/// # Errors
/// Those of a trainer. None is expected.
pub fn depth<'a, M: Method<f32>, const TILE: usize>(
    method: M,
    model: Model<'a>,
    params: &'a mut [f32],
    workspace: &'a mut [f32],
    batch: Batch<'a, f32>,
) -> Result<u32, Error> {
    init::glorot(model, 1, params)?;
    let mut trainer = Trainer::<f32, M, TILE>::new(model, params, workspace, method)?;
    let (stack, _) = deepest(&mut || {
        trainer.begin_in_place(batch, Metric::Same)?;
        while trainer.advance()? != Progress::Ready {}
        trainer.finish().map(|_| 0)
    })?;
    Ok(stack)
}

/// The stack of `step` at the deepest of some steps, and what it says after the last one less what it says after the
/// first.
#[inline(always)]
fn deepest(step: &mut dyn FnMut() -> Result<u64, Error>) -> Result<(u32, u64), Error> {
    // Opaque, so that no part of a step gets into the frame of this function, which is not measured.
    let step = black_box(step);
    let painted = board::stack::paint();
    let before = step()?;
    let mut after = before;
    for _ in 0..STEPS {
        after = step()?;
    }
    Ok((painted.used() as u32, after - before))
}

/// A program that trains two networks by a method, one after the other, each in memory of its own.
#[macro_export]
macro_rules! program {
    ($method:ty = $value:expr) => {
        $crate::program!($method = $value, Relu, Gaussian);
    };
    ($method:ty = $value:expr, $activation:ident, $likelihood:ident) => {
        type Learner = natgrad::Trainer<'static, f32, $method, { $crate::TILE }>;

        fn method() -> $method {
            $value
        }

        $crate::network!(small, [8, 16, 4], $activation, $likelihood);
        $crate::network!(large, [32, 64, 10], $activation, $likelihood);

        $crate::main!(small, large);
    };
}

/// The entry of a program that measures some networks, and its panics. A line without words stands for a network for
/// which the board has no room.
#[macro_export]
macro_rules! main {
    ($($network:ident),*) => {
        #[$crate::board::entry]
        fn main() -> ! {
            $(match $network::run() {
                Some(Ok(words)) => $crate::print(&words),
                Some(Err(_)) => $crate::board::process::exit(2),
                None => $crate::print(&[]),
            })*
            $crate::board::process::exit(0)
        }

        $crate::board::silent_panics!();
    };
}

/// A network: its plan, its memory, and its run.
#[macro_export]
macro_rules! network {
    (
        $name:ident,
        [$inputs:literal, $hidden:literal, $outputs:literal],
        $activation:ident,
        $likelihood:ident
    ) => {
        mod $name {
            use natgrad::{Activation, Batch, Error, Likelihood, Plan, Room, Workspace, init};
            use static_cell::{ConstStaticCell, StaticCell};

            use super::{Learner, method};
            use $crate::{BATCH, board};

            const PLAN: Plan<3> = match Plan::new(
                [$inputs, $hidden, $outputs],
                Activation::$activation,
                Likelihood::$likelihood,
            ) {
                Ok(plan) => plan,
                Err(error) => panic!("{}", error.message()),
            };
            const BYTES: usize = Learner::bytes(&PLAN.model(), Room::NONE);
            const LEN: usize = Learner::workspace_len(&PLAN.model(), Room::NONE);

            static PARAMS: ConstStaticCell<[f32; PLAN.params()]> =
                ConstStaticCell::new([0.0; PLAN.params()]);
            static WORKSPACE: ConstStaticCell<Workspace<f32, LEN>> =
                ConstStaticCell::new(Workspace::new());
            static TRAINER: StaticCell<Learner> = StaticCell::new();
            static INPUTS: ConstStaticCell<[[f32; $inputs]; BATCH]> =
                ConstStaticCell::new([[0.0; $inputs]; BATCH]);
            static TARGETS: ConstStaticCell<[[f32; $outputs]; BATCH]> =
                ConstStaticCell::new([[0.0; $outputs]; BATCH]);

            /// Bytes of RAM and of stack as the library states them, stack and ticks as measured; nothing where the board has no room for it.
            pub(super) fn run() -> Option<Result<[u32; 5], Error>> {
                (BYTES + $crate::REST <= board::RAM).then(|| train())
            }

            fn train() -> Result<[u32; 5], Error> {
                let (inputs, targets) = (INPUTS.take(), TARGETS.take());
                $crate::examples(inputs, targets);
                let params = PARAMS.take();
                init::glorot(&PLAN, 1, params)?;
                let learner = Learner::new(&PLAN, params, WORKSPACE.take(), method())?;
                let trainer = TRAINER.init(learner);
                let batch = Batch::new(inputs.as_flattened(), targets.as_flattened());
                let (stack, ticks) = $crate::measure(trainer, batch)?;
                let bound = Learner::stack() as u32;
                Ok([
                    BYTES as u32,
                    bound,
                    stack,
                    (ticks >> 32) as u32,
                    ticks as u32,
                ])
            }
        }
    };
}
