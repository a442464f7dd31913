//! Steps that are given up, at every slice.

use natgrad::data::{Metric, Ring};
use natgrad::optimizer::Method;
use natgrad::{Activation, Likelihood, Plan, Room, Trainer, init};

use crate::setup::{
    EXAMPLES, Natural, World, bits, continuation, for_every_method, sliced, to_ready, warmed,
};

fn abandoning_changes_nothing<M: Method<f32> + Copy>(method: M) {
    for likelihood in [
        Likelihood::Gaussian,
        Likelihood::Bernoulli,
        Likelihood::Categorical,
    ] {
        let world = World::new(likelihood);
        let expected = warmed(&world, method, continuation);
        let slices = warmed(&world, method, |trainer, world| {
            trainer
                .begin(world.batch(), Metric::Leading(6))
                .expect("room");
            to_ready(trainer).expect("a good step")
        });
        for given_up in 0..=slices + 1 {
            let found = warmed(&world, method, |trainer, world| {
                trainer
                    .begin(world.batch(), Metric::Leading(6))
                    .expect("room");
                for _ in 0..given_up {
                    trainer.advance().expect("a good step");
                }
                trainer.abandon();
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "given up after {given_up} slices");
        }
    }
}

#[test]
fn an_abandoned_step_leaves_no_trace() {
    for_every_method!(abandoning_changes_nothing);
}

/// The one exception: the solver starts cold again.
#[test]
fn an_abandoned_step_costs_the_warm_start_and_nothing_else() {
    let world = World::gaussian();
    let mut warm = Natural::default();
    warm.warm_start = 0.3;
    // Short steps: the last direction is a good start for the next.
    (warm.rate, warm.stop.iterations) = (0.05, 3);
    let undisturbed = warmed(&world, warm, |trainer, world| {
        let report = trainer.step(world.batch(), Metric::Same).expect("a step");
        (report.loss, bits(trainer.params()))
    });
    let abandoned = warmed(&world, warm, |trainer, world| {
        trainer.begin(world.batch(), Metric::Same).expect("room");
        for _ in 0..12 {
            trainer.advance().expect("a good step");
        }
        trainer.abandon();
        let report = trainer.step(world.batch(), Metric::Same).expect("a step");
        (report.loss, bits(trainer.params()))
    });
    // The same without a warm start in that step.
    let cold = warmed(&world, warm, |trainer, world| {
        // A step that is refused at its first example clears the warm start and does nothing else.
        let mut bad = world.inputs.clone();
        bad[0] = f32::NAN;
        let batch = natgrad::Batch::new(bad.as_slice(), world.values.as_slice());
        assert!(trainer.step(batch, Metric::Same).is_err());
        let report = trainer.step(world.batch(), Metric::Same).expect("a step");
        (report.loss, bits(trainer.params()))
    });
    assert_eq!(abandoned, cold);
    assert_eq!(abandoned.0, undisturbed.0, "the loss before the step");
    assert_ne!(abandoned.1, undisturbed.1, "a warm start that did nothing");
}

fn slices_are_the_step<M: Method<f32> + Copy>(method: M) {
    for likelihood in [Likelihood::Gaussian, Likelihood::Categorical] {
        let world = World::new(likelihood);
        for metric in [
            |_: &World| Metric::Same,
            |_: &World| Metric::Leading(3),
            |world: &World| {
                // Leaked: the closure's type has no lifetime to name.
                let inputs: &'static [f32] = world.inputs[9..].to_vec().leak();
                Metric::On(natgrad::Batch::unlabelled(inputs))
            },
        ] {
            let whole = warmed(&world, method, |trainer, world| {
                trainer.step(world.batch(), metric(world)).expect("a step");
                continuation(trainer, world)
            });
            let cut = warmed(&world, method, |trainer, world| {
                sliced(trainer, world.batch(), metric(world)).expect("a step");
                continuation(trainer, world)
            });
            let in_place = warmed(&world, method, |trainer, world| {
                trainer
                    .begin_in_place(world.batch(), metric(world))
                    .expect("idle");
                to_ready(trainer).expect("a good step");
                trainer.finish().expect("ready");
                continuation(trainer, world)
            });
            assert!(cut == whole && in_place == whole);
        }
    }
}

#[test]
fn slices_copied_or_in_place_are_the_step() {
    for_every_method!(slices_are_the_step);
}

#[test]
fn a_deadline_cuts_anywhere() {
    let world = World::new(Likelihood::Categorical);
    let expected = warmed(&world, Natural::default(), |trainer, world| {
        sliced(trainer, world.batch(), Metric::Same).expect("a step");
        bits(trainer.params())
    });
    for budget in 1..9 {
        let found = warmed(&world, Natural::default(), |trainer, world| {
            trainer.begin(world.batch(), Metric::Same).expect("room");
            let mut pauses = 0;
            loop {
                let mut left = budget;
                let progress = trainer
                    .advance_until(|| {
                        left -= 1;
                        left < 0
                    })
                    .expect("a good step");
                if progress == natgrad::optimizer::Progress::Ready {
                    break;
                }
                pauses += 1;
            }
            assert!(pauses > 5, "never paused");
            trainer.finish().expect("ready");
            bits(trainer.params())
        });
        assert_eq!(found, expected, "{budget} slices at a time");
    }
}

/// `begin` has copied the examples: the ring they came from goes on.
#[test]
fn pushing_into_the_ring_between_slices_changes_nothing() {
    fn run<Y: natgrad::data::Target<f32>>(
        likelihood: Likelihood,
        target: impl Fn(u8) -> Y,
        disturbed: bool,
    ) -> Vec<u32> {
        let plan = Plan::new([2, 4, 2], Activation::Tanh, likelihood).expect("a plan");
        let mut params = vec![0.0; plan.params()];
        init::glorot(&plan, 2, &mut params).expect("the length of the plan");
        let room = Room {
            batch: EXAMPLES,
            metric: EXAMPLES,
        };
        let len = Trainer::<f32, Natural, 1>::workspace_len(&plan.model(), room);
        let mut workspace = vec![0.0; len];
        let mut trainer =
            Trainer::<f32, Natural, 1>::new(&plan, &mut params, &mut workspace, Natural::default())
                .expect("a trainer");
        let mut ring: Ring<f32, 2, Y, EXAMPLES> = Ring::new();
        let sample = |i: u8| [f32::from(i % 7) - 3.0, f32::from(i % 5) - 2.0];
        for i in 0..14 {
            ring.push(sample(i), target(i)).expect("finite");
        }
        let kept = ring.clone();
        for metric in [Metric::Same, Metric::Leading(4), Metric::On(kept.batch())] {
            ring = kept.clone();
            trainer.begin(ring.batch(), metric).expect("room");
            let mut i = 14;
            while trainer.advance().expect("a step") != natgrad::optimizer::Progress::Ready {
                if disturbed {
                    ring.push(sample(i), target(i)).expect("finite");
                    i = i.wrapping_add(3);
                }
            }
            trainer.finish().expect("ready");
        }
        bits(trainer.params())
    }
    let values = |i: u8| [f32::from(i % 3) - 1.0, 0.5];
    let class = |i: u8| u16::from(i % 2);
    assert_eq!(
        run(Likelihood::Gaussian, values, false),
        run(Likelihood::Gaussian, values, true)
    );
    assert_eq!(
        run(Likelihood::Categorical, class, false),
        run(Likelihood::Categorical, class, true)
    );
}
