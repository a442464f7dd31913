//! Learns on the device to compensate a pressure sensor, from 200 readings beside a reference.
//!
//! The inputs are the converter's counts, read with the middle of its range as zero, the targets are shares of full
//! scale. No learning rate is chosen: natural gradient has its defaults.
#![no_std]
#![no_main]

use board::entry;
use examples::bridge::{self, FULL_SCALE};
use natgrad::data::Samples;
use natgrad::optimizer::NaturalGradient;
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Plan, Room, Trainer, Workspace, init};
use static_cell::ConstStaticCell;

const PLAN: Plan<3> = match Plan::new([2, 16, 1], Activation::Tanh, Likelihood::Gaussian) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
type Learner = Trainer<'static, f32, NaturalGradient<f32>, 1>;
const LEN: usize = Learner::workspace_len(&PLAN.model(), Room::NONE);
const _: () = assert!(Learner::bytes(&PLAN.model(), Room::NONE) <= 4096);

/// x = offset + scale · count is −1 to 1 over the range of the converter, 0 to 32,767. Counts as they are lie far
/// from zero for their spread, and then weights and bias of a unit do nearly the same: from some seeds such a
/// network is not there in as many steps.
const SCALE: [f32; 2] = [1.0 / 16_384.0; 2];
const OFFSET: [f32; 2] = [-1.0; 2];

/// What is learned from, and what tests it afterwards.
const READINGS: usize = 200;
const TESTS: usize = 100;
const STEPS: u32 = 30;

static PARAMS: ConstStaticCell<[f32; PLAN.params()]> = ConstStaticCell::new([0.0; PLAN.params()]);
static WORKSPACE: ConstStaticCell<Workspace<f32, LEN>> = ConstStaticCell::new(Workspace::new());
static COUNTS: ConstStaticCell<[[i16; 2]; READINGS]> = ConstStaticCell::new([[0; 2]; READINGS]);
static PRESSURES: ConstStaticCell<[f32; READINGS]> = ConstStaticCell::new([0.0; READINGS]);

#[entry]
fn main() -> ! {
    examples::end(calibrate())
}

/// Whether the error is below 0.5 % of full scale.
fn calibrate() -> Result<bool, Error> {
    let mut sensor = bridge::readings();
    let (counts, pressures) = (COUNTS.take(), PRESSURES.take());
    for ((counts, pressure), reading) in counts.iter_mut().zip(&mut *pressures).zip(&mut sensor) {
        (*counts, *pressure) = (reading.counts, reading.pressure / FULL_SCALE);
    }
    let inputs = Samples::new(counts.as_flattened(), &SCALE, &OFFSET);
    let batch = Batch::new(inputs, &*pressures);

    let params = PARAMS.take();
    init::glorot(&PLAN, 1, params)?;
    init::fold_scales(&PLAN, &batch, params)?;
    let mut trainer = Learner::new(&PLAN, params, WORKSPACE.take(), NaturalGradient::default())?;
    for step in 1..=STEPS {
        let report = trainer.step(batch, Metric::Same)?;
        if step % 10 == 0 {
            defmt::info!("step {}: {}", step, report);
        }
    }

    let (mut before, mut after) = (0.0, 0.0);
    for reading in sensor.take(TESTS) {
        let mut pressure = [0.0];
        let inputs = Samples::new(&reading.counts, &SCALE, &OFFSET);
        trainer.predict(inputs, &mut pressure)?;
        let square = |error: f32| error * error / TESTS as f32;
        before += square(bridge::by_data_sheet(reading.counts) - reading.pressure);
        after += square(FULL_SCALE * pressure[0] - reading.pressure);
    }
    let percent = |mean_square: f32| 100.0 * libm::sqrtf(mean_square) / FULL_SCALE;
    let (before, after) = (percent(before), percent(after));
    defmt::info!(
        "{} % of full scale by the data sheet, {} % as learned",
        before,
        after
    );
    Ok(after < 0.5)
}
