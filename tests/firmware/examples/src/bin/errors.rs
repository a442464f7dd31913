//! Everything that can be refused is: each a typed error in the log, with parameters and state as they were, and
//! the next good step works.
#![no_std]
#![no_main]

use board::entry;
use natgrad::data::Ring;
use natgrad::optimizer::{Anchor, L2, NaturalGradient};
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Plan, Room, Trainer, Workspace, init};
use static_cell::ConstStaticCell;

const PLAN: Plan<3> = match Plan::new([2, 4, 3], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
/// A plan that needs more memory than [`PLAN`].
const LARGER: Plan<3> = match Plan::new([2, 5, 3], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 1>;
const ROOM: Room = Room {
    batch: 4,
    ..Room::NONE
};
const LEN: usize = Learner::workspace_len(&PLAN.model(), ROOM);

static PARAMS: ConstStaticCell<[f32; PLAN.params()]> = ConstStaticCell::new([0.0; PLAN.params()]);
static WORKSPACE: ConstStaticCell<Workspace<f32, LEN>> = ConstStaticCell::new(Workspace::new());
static RING: ConstStaticCell<Ring<f32, 2, u16, 4>> = ConstStaticCell::new(Ring::new());

const SAMPLES: [([f32; 2], u16); 4] = [
    ([0.0, 1.0], 0),
    ([1.0, 0.0], 1),
    ([1.0, 1.0], 2),
    ([0.5, 0.5], 0),
];

#[entry]
fn main() -> ! {
    examples::end(refusals())
}

/// Whether everything was refused that has to be, and nothing else.
fn refusals() -> Result<bool, Error> {
    let (params, workspace, ring) = (PARAMS.take(), WORKSPACE.take(), RING.take());
    let mut good = true;

    // Doors of the set-up.
    let nothing = Plan::new([2, 0, 3], Activation::Tanh, Likelihood::Categorical);
    good &= refused("a layer without units", nothing.map_err(Error::from));
    let mut larger = [0.0; LARGER.params()];
    let method = NaturalGradient::default();
    good &= refused(
        "the parameters of another plan",
        Learner::new(&PLAN, &mut larger, workspace, method),
    );
    let short = &mut workspace[..Learner::workspace_len(&PLAN.model(), Room::NONE) - 1];
    good &= refused(
        "the workspace of another plan",
        Learner::new(&PLAN, params, short, method),
    );

    init::glorot(&PLAN, 1, params)?;
    let mut trainer = Learner::new(&PLAN, params, workspace, NaturalGradient::default())?;
    let mut theta = [0.0; PLAN.params()];
    theta.copy_from_slice(trainer.params());
    let state = *trainer.state();

    // Samples.
    good &= refused(
        "a step without a sample",
        trainer.step(ring.batch(), Metric::Same),
    );
    good &= refused("a NaN", ring.push([f32::NAN, 0.0], 1));
    for (inputs, class) in SAMPLES {
        ring.push(inputs, class)?;
    }
    let (inputs, classes) = ([0.0, 1.0, 1.0, f32::INFINITY], [0, 1]);
    let unbounded = Batch::labelled(&inputs, &classes);
    good &= refused("an infinite input", trainer.step(unbounded, Metric::Same));
    let beyond = Batch::labelled(&[0.0, 1.0], &[3]);
    good &= refused("a class of no output", trainer.step(beyond, Metric::Same));
    let two_for_one = Batch::labelled(&[0.0, 1.0], &[0, 1]);
    good &= refused(
        "two classes for one sample",
        trainer.step(two_for_one, Metric::Same),
    );

    // The order of calls, and settings.
    good &= refused("a slice of no step", trainer.advance());
    good &= refused("the end of no step", trainer.finish());
    trainer.begin(ring.batch(), Metric::Same)?;
    good &= refused("a second step", trainer.begin(ring.batch(), Metric::Same));
    good &= refused("a loss in the middle of a step", trainer.loss(ring.batch()));
    good &= refused("the end before its time", trainer.finish());
    trainer.abandon();
    let pull = L2 {
        strength: -1.0,
        anchor: Anchor::Zero,
    };
    good &= refused("a pull away from the anchor", trainer.regularise(pull));

    let bits = theta.iter().map(|x| x.to_bits());
    let same = bits.eq(trainer.params().iter().map(|x| x.to_bits())) && *trainer.state() == state;
    defmt::info!("parameters and state as they were: {}", same);
    let report = trainer.step(ring.batch(), Metric::Same)?;
    defmt::info!("the next good step: {}", report);
    Ok(good && same && trainer.params() != theta)
}

/// Logs how something was refused; whether it was.
fn refused<T>(what: &str, result: Result<T, impl Into<Error>>) -> bool {
    match result {
        Ok(_) => defmt::error!("{} is not refused", what),
        Err(error) => {
            let error: Error = error.into();
            defmt::info!("{}: {}", what, error);
            return true;
        }
    }
    false
}
