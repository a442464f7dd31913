//! The order of calls.

use natgrad::data::{Batch, Metric};
use natgrad::optimizer::{Anchor, L2, Method, Progress};
use natgrad::{Error, Likelihood, Room, ShapeError};

use crate::setup::{
    EXAMPLES, Learner, Natural, World, bits, continuation, for_every_method, to_ready, warmed,
};

fn calls_out_of_order_are_refused<M: Method<f32> + Copy>(method: M) {
    let world = World::new(Likelihood::Categorical);
    let expected = warmed(&world, method, |trainer, world| {
        trainer.step(world.batch(), Metric::Same).expect("a step");
        continuation(trainer, world)
    });
    let found = warmed(&world, method, |trainer, world| {
        assert_eq!(trainer.advance(), Err(Error::Idle));
        assert_eq!(trainer.advance_until(|| false), Err(Error::Idle));
        assert_eq!(trainer.advance_until(|| true), Err(Error::Idle));
        assert_eq!(trainer.finish(), Err(Error::Idle));
        trainer.abandon();
        assert!(!trainer.is_busy());

        trainer.begin(world.batch(), Metric::Same).expect("room");
        let mut early = 0;
        loop {
            assert!(trainer.is_busy());
            let busy = Err(Error::Busy);
            assert_eq!(trainer.begin(world.batch(), Metric::Same), busy);
            assert_eq!(trainer.begin_in_place(world.batch(), Metric::Same), busy);
            assert_eq!(trainer.step(world.batch(), Metric::Same), Err(Error::Busy));
            assert_eq!(trainer.loss(world.batch()), Err(Error::Busy));
            let mut out = [0.0; 2 * EXAMPLES];
            assert_eq!(trainer.predict(world.inputs.as_slice(), &mut out), busy);
            assert_eq!(trainer.regularise(L2::NONE), busy);
            assert_eq!(trainer.method_mut().map(|_| ()), busy);
            if trainer.advance().expect("a slice") == Progress::Ready {
                break;
            }
            if early < 3 {
                assert_eq!(trainer.finish(), Err(Error::Unfinished));
                early += 1;
            }
        }
        assert_eq!(trainer.advance(), Ok(Progress::Ready), "ready stays ready");
        trainer.finish().expect("ready");
        assert_eq!(trainer.finish(), Err(Error::Idle));
        continuation(trainer, world)
    });
    assert_eq!(found, expected);
}

#[test]
fn every_method_keeps_the_order_of_calls() {
    for_every_method!(calls_out_of_order_are_refused);
}

#[test]
fn a_guard_cannot_be_changed_during_a_step() {
    World::gaussian().with(Natural::default(), |trainer, world| {
        trainer.begin(world.batch(), Metric::Same).expect("room");
        assert_eq!(trainer.hold_out(world.batch()), Err(Error::Busy));
        trainer.abandon();
        assert_eq!(trainer.hold_out(world.batch()), Ok(()));
    });
}

#[test]
fn settings_are_checked_at_every_step() {
    World::gaussian().with(Natural::default(), |trainer, world| {
        trainer.method_mut().expect("idle").damping.value = f32::NAN;
        for refused in [
            trainer.step(world.batch(), Metric::Same).map(|_| ()),
            trainer.begin(world.batch(), Metric::Same),
            trainer.begin_in_place(world.batch(), Metric::Same),
        ] {
            assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
        }
        trainer.method_mut().expect("idle").damping.value = 1.0;
        trainer.step(world.batch(), Metric::Same).expect("a step");
        let anchor = vec![0.0; world.params.len()];
        for strength in [-1.0, f32::NAN, f32::INFINITY] {
            let refused = trainer.regularise(L2 {
                strength,
                anchor: Anchor::Zero,
            });
            assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
        }
        let short: &'static [f32] = anchor[1..].to_vec().leak();
        let refused = trainer.regularise(L2 {
            strength: 1.0,
            anchor: Anchor::At(short),
        });
        assert!(matches!(refused, Err(Error::Shape(_))), "{refused:?}");
    });
}

#[test]
fn begin_asks_for_room_and_step_does_not() {
    let world = World::gaussian();
    let model = world.plan.model();
    let other = Batch::unlabelled(&world.inputs[..9]);
    for (metric, room) in [
        (Metric::Same, 0),
        (Metric::Leading(2), 0),
        (Metric::On(other), 3),
    ] {
        let room = Room {
            batch: EXAMPLES,
            metric: room,
        };
        let enough = Learner::<Natural>::workspace_len(&model, room);
        for missing in [0, 1] {
            let mut params = world.params.clone();
            let mut workspace = vec![0.0; enough - missing];
            let mut trainer =
                Learner::new(&world.plan, &mut params, &mut workspace, Natural::default())
                    .expect("a trainer");
            let begun = trainer.begin(world.batch(), metric);
            if missing == 0 {
                assert_eq!(begun, Ok(()));
                to_ready(&mut trainer).expect("a step");
                trainer.finish().expect("ready");
            } else {
                let refused = Error::Shape(ShapeError {
                    what: "the workspace",
                    expected: enough,
                    found: enough - 1,
                });
                assert_eq!(begun, Err(refused));
                assert_eq!(bits(trainer.params()), bits(&world.params));
                trainer.step(world.batch(), metric).expect("no room needed");
            }
        }
    }
}
