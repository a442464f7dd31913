//! A control law and a learner in one thread: while the law holds a plant, a network learns from its ticks how
//! the plant behaves.
//!
//! The timer's interrupt does no more than to say that a tick is due. Between two slices of a step the loop
//! looks whether it has, and a slice is short enough for that. The emulator takes a nanosecond per
//! instruction, so that `PERIOD` stands for 1 kHz on a core with 100 million of them per second, and for
//! 100 Hz on one that has no floating-point unit.
#![no_std]
#![no_main]

mod law;

use board::{Ticks, println, process};
use law::{INPUTS, KEPT, Law};
use natgrad::krylov::Stop;
use natgrad::optimizer::{NaturalGradient, Progress};
use natgrad::{Activation, Error, Likelihood, Metric, Plan, Room, Trainer, init};
use static_cell::ConstStaticCell;

const PLAN: Plan<3> = match Plan::new([INPUTS, 8, 1], Activation::Tanh, Likelihood::Gaussian) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const ROOM: Room = Room {
    batch: KEPT,
    ..Room::NONE
};
type Learner<'a, const TILE: usize> = Trainer<'a, f32, NaturalGradient<f32>, TILE>;

/// Between two ticks, in ns.
const PERIOD: u32 = if cfg!(target_abi = "eabihf") {
    100_000
} else {
    1_000_000
};
/// Ticks for each step of the learner, and its steps.
const TICKS: usize = 96;
const STEPS: usize = 12;

const LEN: usize = Learner::<KEPT>::workspace_len(&PLAN.model(), ROOM);
static PARAMS: ConstStaticCell<[f32; PLAN.params()]> = ConstStaticCell::new([0.0; PLAN.params()]);
static WORKSPACE: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);

/// A hash of all bits.
fn hash(params: &[f32]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    params
        .iter()
        .for_each(|param| hasher.update(&param.to_le_bytes()));
    hasher.finalize()
}

fn learner<'a, const TILE: usize>(
    params: &'a mut [f32],
    workspace: &'a mut [f32],
) -> Result<Learner<'a, TILE>, Error> {
    init::glorot(&PLAN, 1, params)?;
    let stop = Stop {
        iterations: 8,
        ..Stop::default()
    };
    Trainer::new(
        &PLAN,
        params,
        workspace,
        NaturalGradient {
            stop,
            ..NaturalGradient::default()
        },
    )
}

/// Learns between the ticks, and prints what the check of this program looks at.
fn share<const TILE: usize>(mut trainer: Learner<'_, TILE>) -> Result<(), Error> {
    let (mut law, mut ticks) = (Law::default(), Ticks::start(PERIOD));
    for step in 1..=STEPS {
        while law.ticks() < step * TICKS {
            law.poll(&mut ticks)?;
        }
        trainer.begin(law.samples(), Metric::Same)?;
        // With interrupts off: what comes meanwhile waits for the end of the slice, and no longer.
        while critical_section::with(|_| trainer.advance())? != Progress::Ready {
            law.poll(&mut ticks)?;
        }
        trainer.finish()?;
    }
    let (late, lost, model) = (law.latest(), ticks.lost(), PLAN.model());
    let macs = Learner::<TILE>::slice_macs(&model);
    let (units, bits) = (Learner::<TILE>::slice_units(&model), hash(trainer.params()));
    println!("{TILE} {PERIOD} {late} {lost} {macs} {units} {bits:08x}");
    Ok(())
}

/// Learns from the same ticks with nothing in between.
fn alone(mut trainer: Learner<'_, 1>) -> Result<(), Error> {
    let mut law = Law::default();
    for step in 1..=STEPS {
        while law.ticks() < step * TICKS {
            law.tick()?;
        }
        trainer.step(law.samples(), Metric::Same)?;
    }
    println!("alone {:08x}", hash(trainer.params()));
    Ok(())
}

fn all(params: &mut [f32], workspace: &mut [f32]) -> Result<(), Error> {
    alone(learner(params, workspace)?)?;
    share::<1>(learner(params, workspace)?)?;
    // The whole batch in one slice, which is too long: the check wants to see that it notices.
    share::<KEPT>(learner(params, workspace)?)
}

#[board::entry]
fn main() -> ! {
    match all(PARAMS.take(), WORKSPACE.take()) {
        Ok(()) => process::exit(0),
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    }
}

board::print_panics!();
