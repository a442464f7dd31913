//! What may not get worse: the held-out batch, the batch itself, the outputs.

use natgrad::data::{Batch, Metric};
use natgrad::line_search::{LineSearch, Trust};
use natgrad::optimizer::{Acceptance, Guarded, Outcome};
use natgrad::{Activation, Likelihood, Plan, Trainer};
use proptest::prelude::*;

use crate::setup::{Descent, Entry, LIKELIHOODS, Natural, Subject, World, scheduled};

/// Trains on batch after batch of one world, with the loss of another held out; the largest rise of that
/// loss in a step, and the number of steps that were accepted.
fn rises<M>(train: &World, held_out: &World, method: M, entry: Entry, guard: bool) -> (f32, usize)
where
    M: Subject + Guarded,
{
    let (train, held_out) = (train.clone().lasting(), held_out.clone().lasting().batch());
    train.with(method, |trainer, _| {
        if guard {
            trainer.hold_out(held_out).expect("idle");
        }
        let (mut rise, mut accepted) = (f32::NEG_INFINITY, 0);
        for examples in [3, 5, 7, 4, 6, 3, 8, 5] {
            let before = trainer.loss(held_out).expect("idle");
            let report = entry.run(trainer, train.leading(examples), Metric::Same);
            let report = report.expect("an outcome");
            accepted += usize::from(report.outcome == Outcome::Accepted);
            rise = rise.max(trainer.loss(held_out).expect("idle") - before);
        }
        (rise, accepted)
    })
}

fn a_guard_has_something_to_do<M: Subject + Guarded>(method: M, least: usize) {
    for likelihood in LIKELIHOODS {
        let (mut free, mut moves) = (0, 0);
        for seed in 0..20 {
            let train = World::seeded(likelihood, seed);
            let held_out = World::seeded(likelihood, seed + 1000);
            let entry = Entry::ALL[seed as usize % 3];
            let (rise, _) = rises(&train, &held_out, method, entry, false);
            free += usize::from(rise > 0.0);
            let (rise, accepted) = rises(&train, &held_out, method, entry, true);
            assert!(rise <= 0.0, "{likelihood:?}, seed {seed}: {rise}");
            moves += accepted;
        }
        assert!(free > 15, "the guard has nothing to do: {free}");
        assert!(moves > least, "the guard lets nothing through: {moves}");
    }
}

#[test]
fn without_the_guard_its_loss_would_rise() {
    a_guard_has_something_to_do(scheduled(), 20);
    // A search fits a few examples so well that hardly a step of its passes.
    a_guard_has_something_to_do(Descent::default(), 5);
}

/// The difference of two losses means nothing below a few units in their last place: four per loss in
/// `Acceptance::Decrease`, and as much again for the subtraction here.
const ROUNDING: f32 = 10.0 * f32::EPSILON;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Neither the held-out loss nor, beyond rounding, the loss of the batch rises.
    #[test]
    fn a_guarded_loss_never_rises(
        (rate, damping) in (0.1..3.0_f32, -3.0..1.0_f32),
        (search, guard) in any::<(bool, bool)>(),
        likelihood in proptest::sample::select(LIKELIHOODS.to_vec()),
        seed in any::<u32>(),
    ) {
        let world = World::seeded(likelihood, seed);
        let other = World::seeded(likelihood, !seed).lasting();
        let held_out = other.batch();
        let mut method = Natural { rate, ..Natural::default() };
        method.damping.initial = 10.0_f32.powf(damping);
        if search {
            method.line_search = LineSearch::backtracking();
        }
        world.with(method, |trainer, world| {
            if guard {
                trainer.hold_out(held_out).unwrap();
            }
            let mut before = trainer.loss(held_out).unwrap();
            for examples in [3, 5, 7, 4, 6, 3, 8, 5] {
                let batch = world.leading(examples);
                let own = trainer.loss(batch).unwrap();
                let report = Entry::Copied.run(trainer, batch, Metric::Same).unwrap();
                let after = trainer.loss(held_out).unwrap();
                prop_assert!(!guard || after <= before, "{after} after {before}");
                let loss = trainer.loss(batch).unwrap();
                prop_assert!(loss <= own + ROUNDING * own.abs(), "{loss} after {own}");
                prop_assert_eq!(report.loss, own);
                if report.outcome == Outcome::Accepted {
                    prop_assert_eq!(report.loss_after, Some(loss));
                }
                before = after;
            }
            Ok(())
        })?;
    }
}

/// Two losses whose sum overflows are still two numbers that can be compared: the second is three per
/// cent more than the first, and no rounding.
#[test]
fn a_loss_near_the_end_of_the_range_may_not_rise() {
    let plan = Plan::new([1, 2], Activation::Tanh, Likelihood::Gaussian).expect("a plan");
    // Targets far apart for the same input: the loss is huge, and the gradient is not. A step of rate 1
    // ends near the minimum, and one of rate 6 far beyond.
    let far = 1.5e19_f32;
    let (inputs, targets) = ([1.0, 1.0], [far, far, -far, -far]);
    for acceptance in [Acceptance::Finite, Acceptance::Decrease] {
        for line_search in [LineSearch::Fixed, LineSearch::backtracking()] {
            let mut method = Natural::default();
            (method.acceptance, method.line_search) = (acceptance, line_search);
            (method.rate, method.retries) = (6.0, 0);
            let (mut params, mut memory) = ([1e18_f32, 1e18, 0.0, 0.0], [0.0; 99]);
            let mut trainer =
                Trainer::<f32, Natural, 1>::new(&plan, &mut params, &mut memory, method)
                    .expect("a trainer");
            let batch = Batch::new(&inputs, &targets);
            let before = trainer.loss(batch).expect("idle");
            let report = trainer.step(batch, Metric::Same).expect("an outcome");
            let after = trainer.loss(batch).expect("idle");
            if acceptance == Acceptance::Finite && line_search == LineSearch::Fixed {
                assert!(after > 1.02 * before && after.is_finite(), "{report:?}");
            } else {
                assert!(after <= 1.0001 * before, "{before} to {after}: {report:?}");
            }
        }
    }
}

#[test]
fn the_trust_region_bounds_the_step() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::Categorical] {
        let world = World::new(likelihood);
        for (kl, logit) in [(1e-3, f32::INFINITY), (f32::INFINITY, 1e-2)] {
            let mut method = Natural {
                trust: Trust { kl, logit },
                ..Natural::default()
            };
            method.damping.initial = 1e-3;
            world.with(method, |trainer, world| {
                let report = trainer.step(world.batch(), Metric::Same).expect("a step");
                let solve = report.solve.expect("a solve");
                assert!(solve.rate < 1.0 && solve.kl <= kl * 1.0001, "{solve:?}");
            });
        }
    }
}
