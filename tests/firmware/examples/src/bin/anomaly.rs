//! Watches a machine: an auto-encoder learns online what is normal, and flags what is not.
//!
//! The network has to put eight readings through three numbers, one more than the machine has degrees of
//! freedom; the loss of a reading is its distance from the normal ones. What is flagged is not learned.
#![no_std]
#![no_main]

use board::entry;
use examples::machine::{self, Reading, SENSORS, Score};
use examples::scales::Scales;
use natgrad::damping::Tikhonov;
use natgrad::data::Ring;
use natgrad::krylov::Cg;
use natgrad::optimizer::NaturalGradient;
use natgrad::precondition::Unpreconditioned;
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Plan, Room, Trainer, Workspace, init};
use static_cell::ConstStaticCell;

const PLAN: Plan<3> = match Plan::new(
    [SENSORS, 3, SENSORS],
    Activation::Tanh,
    Likelihood::Gaussian,
) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
type Learner = Trainer<'static, f32, NaturalGradient<f32, Cg, Unpreconditioned, Tikhonov>, 1>;
const LEN: usize = Learner::workspace_len(&PLAN.model(), Room::NONE);
const _: () = assert!(Learner::bytes(&PLAN.model(), Room::NONE) <= 3072);

/// Rounds that give the scales of the sensors, and rounds before anything is flagged.
const SCALES: usize = 64;
const LEARNING: usize = 500;
/// Of so many readings one is learned from, so that the ring remembers for longer.
const KEPT: usize = 4;
/// A step for so many readings.
const EVERY: usize = 8;
/// Flagged is a reading that is so many times as far from normal as is usual.
const FAR: f32 = 10.0;

static PARAMS: ConstStaticCell<[f32; PLAN.params()]> = ConstStaticCell::new([0.0; PLAN.params()]);
static WORKSPACE: ConstStaticCell<Workspace<f32, LEN>> = ConstStaticCell::new(Workspace::new());
static RING: ConstStaticCell<Ring<f32, SENSORS, [f32; SENSORS], 32>> =
    ConstStaticCell::new(Ring::new());

#[entry]
fn main() -> ! {
    examples::end(watch())
}

/// Whether every fault is found, with at most one false alarm in a hundred rounds.
fn watch() -> Result<bool, Error> {
    let mut readings = machine::readings();
    let scales = Scales::of(readings.by_ref().take(SCALES).map(|reading| reading.values));
    let params = PARAMS.take();
    init::glorot(&PLAN, 1, params)?;
    let mut method = NaturalGradient::default();
    // A third of the default: a step that is good enough for now, since the next reading brings another.
    method.stop.iterations = 16;
    let mut trainer = Learner::new(&PLAN, params, WORKSPACE.take(), method)?;
    let ring = RING.take();
    let (mut usual, mut score) = (0.0, Score::default());
    for (round, Reading { values, fault }) in (SCALES..).zip(readings) {
        let scaled = scales.apply(values);
        let loss = trainer.loss(Batch::new(&scaled, &scaled))?;
        let flagged = round >= LEARNING && loss > FAR * usual;
        if round >= LEARNING {
            score.count(fault, flagged);
        }
        if flagged {
            continue;
        }
        usual += (loss - usual) / 32.0;
        if round % KEPT == 0 {
            ring.push(scaled, scaled)?;
        }
        if round % EVERY == 0 {
            let report = trainer.step(ring.batch(), Metric::Same)?;
            if round % 200 == 0 {
                defmt::info!("round {}: {}, usual loss {}", round, report, usual);
            }
        }
    }
    score.log();
    Ok(score.is_good())
}
