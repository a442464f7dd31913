//! Personalises a classifier: it arrives trained on other people, and learns from 28 windows of its wearer.
//!
//! The hidden layer stays as it is, and the output layer is held near the parameters that the device was shipped
//! with.
#![no_std]
#![no_main]

use board::entry;
use examples::watch::model::{self, INPUT_OFFSET, INPUT_SCALE, THETA};
use examples::watch::{FEATURES, WEARERS, Windows};
use natgrad::data::Samples;
use natgrad::optimizer::{Anchor, L2, NaturalGradient};
use natgrad::{Batch, Error, Metric, Plan, Room, Trainer, Workspace};
use static_cell::ConstStaticCell;

/// The network of the model, of which only the output layer learns.
const PLAN: Plan<3> = match model::PLAN.with_trained(1..2) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const CLASSES: usize = PLAN.model().dim_out();
type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 1>;
const LEN: usize = Learner::workspace_len(&PLAN.model(), Room::NONE);
const _: () = assert!(Learner::bytes(&PLAN.model(), Room::NONE) <= 4096);

/// How strongly the parameters are held: beside a mean over 28 windows it is a Gaussian prior about what was
/// shipped, with a deviation of 1/√(28 · 0.01) = 1.9.
const PRIOR: L2<'static, f32> = L2 {
    strength: 0.01,
    anchor: Anchor::At(&THETA),
};
const STEPS: u32 = 10;

static PARAMS: ConstStaticCell<[f32; PLAN.params()]> = ConstStaticCell::new([0.0; PLAN.params()]);
static WORKSPACE: ConstStaticCell<Workspace<f32, LEN>> = ConstStaticCell::new(Workspace::new());

#[entry]
fn main() -> ! {
    examples::end(personalise())
}

/// Whether the classifier is better for everyone than the one that was shipped.
fn personalise() -> Result<bool, Error> {
    let (params, workspace) = (PARAMS.take(), WORKSPACE.take());
    let mut good = true;
    for wearer in WEARERS {
        *params = THETA;
        let mut trainer = Learner::new(&PLAN, params, workspace, NaturalGradient::default())?;
        trainer.regularise(PRIOR)?;
        let before = right(&mut trainer, &wearer.later)?;
        let samples = Samples::new(wearer.labelled.raw, &INPUT_SCALE, &INPUT_OFFSET);
        for _ in 0..STEPS {
            trainer.step(
                Batch::labelled(samples, wearer.labelled.classes),
                Metric::Same,
            )?;
        }
        let after = right(&mut trainer, &wearer.later)?;
        let (labelled, later) = (wearer.labelled.classes.len(), wearer.later.classes.len());
        defmt::info!(
            "wearer {}: {} of {} windows right as shipped, {} after learning from {}",
            wearer.id,
            before,
            later,
            after,
            labelled
        );
        good &= after > before;
    }
    Ok(good)
}

/// How many windows the classifier takes for what they are.
fn right(trainer: &mut Learner<'_>, windows: &Windows) -> Result<usize, Error> {
    let mut right = 0;
    for (raw, &class) in windows
        .raw
        .as_chunks::<FEATURES>()
        .0
        .iter()
        .zip(windows.classes)
    {
        let mut chances = [0.0; CLASSES];
        trainer.predict(Samples::new(raw, &INPUT_SCALE, &INPUT_OFFSET), &mut chances)?;
        let best = chances
            .iter()
            .zip(0_u16..)
            .max_by(|a, b| a.0.total_cmp(b.0));
        right += usize::from(best.is_some_and(|(_, best)| best == class));
    }
    Ok(right)
}
