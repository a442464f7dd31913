//! Steps that are given up, at every slice; steps that are cut into slices.

use natgrad::data::{Metric, Ring, Target};
use natgrad::optimizer::{Outcome, Progress, Report};
use natgrad::{Activation, Likelihood, Plan, Room, Trainer, init};

use crate::setup::{
    Descent, EXAMPLES, Entry, LIKELIHOODS, Learner, Natural, Subject, Trace, World, bits, centred,
    continuation, for_every_method, scheduled, snapshot, to_ready, tonga, warmed,
};

/// Begins a step, takes so many slices, and gives it up.
fn given_up<'a, M: Subject>(
    trainer: &mut Learner<'a, M>,
    world: &'a World,
    entry: Entry,
    metric: Metric<'a, f32>,
    slices: usize,
) {
    entry.begin(trainer, world.batch(), metric).expect("room");
    for _ in 0..slices {
        trainer.advance().expect("a good step");
    }
    trainer.abandon();
    assert!(!trainer.is_busy());
}

fn abandoning_changes_nothing<M: Subject>(method: M) {
    let worlds = LIKELIHOODS.map(World::new);
    for world in worlds.into_iter().chain([World::gaussian().pulled()]) {
        if !world.admits(method, Metric::Same) {
            continue;
        }
        let metric = world.metric(method, Metric::Leading(6));
        let expected = warmed(&world, method, continuation);
        for entry in [Entry::Copied, Entry::InPlace] {
            let slices = warmed(&world, method, |trainer, world| {
                entry.begin(trainer, world.batch(), metric).expect("room");
                to_ready(trainer).expect("a good step")
            });
            for slices in 0..=slices + 1 {
                let found = warmed(&world, method, |trainer, world| {
                    let before = snapshot(trainer);
                    given_up(trainer, world, entry, metric, slices);
                    assert_eq!(snapshot(trainer), before);
                    continuation(trainer, world)
                });
                assert_eq!(found, expected, "{entry:?} given up after {slices} slices");
            }
        }
    }
}

#[test]
fn an_abandoned_step_leaves_no_trace() {
    for_every_method!(abandoning_changes_nothing);
}

fn abandoning_a_guarded_step_changes_nothing<M: Subject + natgrad::optimizer::Guarded>(method: M) {
    let world = World::new(Likelihood::Bernoulli);
    let expected = warmed(&world, method, |trainer, world| {
        trainer.hold_out(world.leading(5)).expect("idle");
        continuation(trainer, world)
    });
    for slices in 0.. {
        let (found, ready) = warmed(&world, method, |trainer, world| {
            trainer.hold_out(world.leading(5)).expect("idle");
            let metric = Metric::On(world.others::<M>());
            Entry::Copied
                .begin(trainer, world.batch(), metric)
                .expect("room");
            let mut last = Progress::Working;
            for _ in 0..slices {
                last = trainer.advance().expect("a good step");
            }
            trainer.abandon();
            (continuation(trainer, world), last == Progress::Ready)
        });
        assert_eq!(found, expected, "given up after {slices} slices");
        if ready {
            assert!(slices > 20, "a step has more slices");
            break;
        }
    }
}

#[test]
fn an_abandoned_step_under_a_guard_leaves_no_trace() {
    abandoning_a_guarded_step_changes_nothing(Natural::default());
    abandoning_a_guarded_step_changes_nothing(scheduled());
    abandoning_a_guarded_step_changes_nothing(Descent::default());
}

/// Rows that are being compacted stay half so when a step is given up, and the next step goes on with them:
/// step after step is given up, each at the same slice, until one may come to its end.
fn a_compaction_is_carried_on<M: Subject>(method: M) {
    fn grown<M: Subject>(trainer: &mut Learner<'_, M>, world: &World) {
        for examples in [4, 9] {
            trainer
                .step(world.leading(examples), Metric::Same)
                .expect("a good step");
        }
    }
    let world = World::new(Likelihood::Bernoulli);
    let expected = warmed(&world, method, |trainer, world| {
        grown(trainer, world);
        continuation(trainer, world)
    });
    let slices = warmed(&world, method, |trainer, world| {
        grown(trainer, world);
        trainer.begin(world.batch(), Metric::Same).expect("room");
        to_ready(trainer).expect("a good step")
    });
    for slices in 0..=slices {
        for times in [1, 2, 3, 20] {
            let found = warmed(&world, method, |trainer, world| {
                grown(trainer, world);
                let before = (snapshot(trainer), *trainer.state());
                for _ in 0..times {
                    trainer.begin(world.leading(5), Metric::Same).expect("room");
                    for _ in 0..slices {
                        trainer.advance().expect("a good step");
                    }
                    trainer.abandon();
                    assert!((snapshot(trainer), *trainer.state()) == before);
                }
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "{times} times after {slices} slices");
        }
    }
}

#[test]
fn a_compaction_outlives_the_steps_that_began_it() {
    a_compaction_is_carried_on(tonga());
    a_compaction_is_carried_on(centred());
}

/// Natural gradient to which the last direction is a good start for the next: the steps are short, and
/// so are the solves.
fn warm() -> Natural {
    let mut method = Natural {
        warm_start: 0.5,
        rate: 0.05,
        ..Natural::default()
    };
    method.stop.iterations = 3;
    method
}

/// The same without a look at the flag that a step has left a result to start from.
fn but_for_the_warm_start(mut trace: Trace) -> Trace {
    trace.shown = trace.shown.replace("warm: true", "warm: false");
    trace
}

/// How a run goes on after a cold start: in fresh memory, from the same parameters and the same λ.
fn cold(world: &World, method: Natural) -> Trace {
    let (damping, params, shown) = warmed(world, method, |trainer, _| {
        let params = trainer.params().to_vec();
        (trainer.state().damping, params, snapshot(trainer).1)
    });
    let world = World {
        params,
        ..world.clone()
    };
    let mut fresh = method;
    fresh.damping.initial = damping;
    let numbers = world.with(fresh, continuation).numbers;
    but_for_the_warm_start(Trace { shown, numbers })
}

/// The one exception.
#[test]
fn an_abandoned_step_costs_the_warm_start_and_nothing_else() {
    for world in LIKELIHOODS.map(World::new) {
        let untouched = warmed(&world, warm(), continuation);
        let cold = cold(&world, warm());
        assert_ne!(
            untouched.numbers, cold.numbers,
            "a warm start that does nothing"
        );
        let slices = warmed(&world, warm(), |trainer, world| {
            trainer.begin(world.batch(), Metric::Same).expect("room");
            to_ready(trainer).expect("a good step")
        });
        for slices in 0..=slices + 1 {
            let found = warmed(&world, warm(), |trainer, world| {
                given_up(trainer, world, Entry::Copied, Metric::Same, slices);
                continuation(trainer, world)
            });
            // A step that has not come to its solve may keep its warm start.
            let kept = found == untouched;
            let lost = but_for_the_warm_start(found) == cold;
            assert!(kept || lost, "given up after {slices} slices");
        }
    }
}

/// The next solve starts at a multiple of the last result, not at the result.
#[test]
fn a_warm_start_has_a_strength() {
    let world = World::gaussian();
    let [half, all] = [0.5, 1.0].map(|strength| {
        let mut method = warm();
        method.warm_start = strength;
        warmed(&world, method, continuation).numbers
    });
    assert_ne!(half, all);
}

/// A step that is stationary, rejected or refused may have overwritten the last result, too.
#[test]
fn no_other_end_of_a_step_costs_more_than_the_warm_start() {
    let world = World::gaussian();
    let untouched = warmed(&world, warm(), continuation);
    let cold = cold(&world, warm());
    let mut bad = world.clone();
    bad.inputs[25] = f32::NAN;
    let stationary = warmed(&world, warm(), |trainer, world| {
        let pleased = world.pleased(trainer);
        let report = trainer.step(pleased.batch(), Metric::Same).expect("a step");
        assert_eq!(report.outcome, Outcome::Stationary);
        continuation(trainer, world)
    });
    let rejected = warmed(&world, warm(), |trainer, world| {
        trainer.method_mut().expect("idle").rate = 1e30;
        let report = trainer.step(world.batch(), Metric::Same).expect("a step");
        assert_eq!(report.outcome, Outcome::Rejected);
        trainer.method_mut().expect("idle").rate = warm().rate;
        continuation(trainer, world)
    });
    let refused = warmed(&world, warm(), |trainer, world| {
        trainer
            .step(world.batch(), Metric::On(bad.batch()))
            .expect_err("a metric that is not finite");
        continuation(trainer, world)
    });
    for (end, found) in [
        ("stationary", stationary),
        ("rejected", rejected),
        ("refused", refused),
    ] {
        let kept = found == untouched;
        assert!(kept || but_for_the_warm_start(found) == cold, "{end}");
    }
}

/// Inference and losses between two steps use the scratch memory only.
#[test]
fn looking_at_the_network_leaves_no_trace() {
    fn check<M: Subject>(method: M) {
        let world = World::gaussian();
        let expected = warmed(&world, method, continuation);
        let found = warmed(&world, method, |trainer, world| {
            let mut out = [0.0; 2 * EXAMPLES];
            trainer.loss(world.batch()).expect("idle");
            trainer
                .predict(world.inputs.as_slice(), &mut out)
                .expect("idle");
            continuation(trainer, world)
        });
        assert_eq!(found, expected);
    }
    for_every_method!(check);
    check(warm());
}

fn slices_are_the_step<M: Subject>(method: M) {
    for world in LIKELIHOODS.map(World::new) {
        let metrics: [for<'a> fn(&'a World) -> Metric<'a, f32>; 4] = [
            |_| Metric::Same,
            |_| Metric::Leading(3),
            |world| Metric::On(world.others::<M>()),
            |world| Metric::On(world.batch()),
        ];
        for metric in metrics {
            if !world.admits(method, metric(&world)) {
                continue;
            }
            let [whole, copied, in_place] = Entry::ALL.map(|entry| {
                warmed(&world, method, |trainer, world| {
                    let report = entry.run(trainer, world.batch(), metric(world));
                    (report.expect("a step"), continuation(trainer, world))
                })
            });
            assert!(in_place == whole);
            // Copies take the room in which activations stay from product to product: of the numbers only those of the
            // multiplications are others.
            let macs = whole.0.macs;
            assert!(copied.0.macs >= macs);
            assert!((Report { macs, ..copied.0 }, copied.1) == whole);
        }
    }
}

#[test]
fn slices_copied_or_in_place_are_the_step() {
    for_every_method!(slices_are_the_step);
}

fn a_deadline_may_cut_anywhere<M: Subject>(method: M) {
    let world = World::new(Likelihood::Categorical);
    let expected = warmed(&world, method, |trainer, world| {
        trainer.step(world.batch(), Metric::Same).expect("a step");
        continuation(trainer, world)
    });
    let slices = warmed(&world, method, |trainer, world| {
        trainer.begin(world.batch(), Metric::Same).expect("room");
        to_ready(trainer).expect("a good step")
    });
    for budget in 1..9 {
        let found = warmed(&world, method, |trainer, world| {
            trainer.begin(world.batch(), Metric::Same).expect("room");
            assert_eq!(trainer.advance_until(|| true), Ok(Progress::Working));
            let mut pauses = 0;
            let mut asked = 0;
            loop {
                let mut left = budget;
                let progress = trainer.advance_until(|| {
                    asked += 1;
                    left -= 1;
                    left < 0
                });
                if progress.expect("a good step") == Progress::Ready {
                    break;
                }
                pauses += 1;
            }
            // As often as before each slice, the last one included, and once more at each pause.
            assert_eq!(asked, slices + 1 + pauses);
            trainer.finish().expect("ready");
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{budget} slices at a time");
    }
}

#[test]
fn a_deadline_cuts_anywhere() {
    for_every_method!(a_deadline_may_cut_anywhere);
}

/// Trains from two rings, one for the gradient and one for the metric, which go on between the slices if
/// `disturbed`.
fn from_rings<Y: Target<f32>>(
    likelihood: Likelihood,
    target: impl Fn(u8) -> Y,
    disturbed: bool,
) -> Vec<u32> {
    type Streaming<'a> = Trainer<'a, f32, Natural, 1>;
    let plan = Plan::new([2, 4, 2], Activation::Tanh, likelihood).expect("a plan");
    let mut params = vec![0.0; plan.params()];
    init::glorot(&plan, 2, &mut params).expect("the length of the plan");
    let room = Room {
        batch: EXAMPLES,
        metric: EXAMPLES,
        ..Room::NONE
    };
    let mut workspace = vec![0.0; Streaming::workspace_len(&plan.model(), room)];
    let mut trainer =
        Streaming::new(&plan, &mut params, &mut workspace, Natural::default()).expect("a trainer");
    let sample = |i: u8| [f32::from(i % 7) - 3.0, f32::from(i % 5) - 2.0];
    let mut full: Ring<f32, 2, Y, EXAMPLES> = Ring::new();
    for i in 0..14 {
        full.push(sample(i), target(i)).expect("finite");
    }
    let mut seen = Vec::new();
    for kind in 0..3 {
        let (mut ring, mut other) = (full.clone(), full.clone());
        other.push(sample(4), target(4)).expect("finite");
        let metric = match kind {
            0 => Metric::Same,
            1 => Metric::Leading(4),
            _ => Metric::On(other.batch()),
        };
        trainer.begin(ring.batch(), metric).expect("room");
        let mut i = 14_u8;
        loop {
            if disturbed {
                ring.push(sample(i), target(i)).expect("finite");
                other.push(sample(i / 2), target(i / 2)).expect("finite");
                i = i.wrapping_add(3);
            }
            if trainer.advance().expect("a step") == Progress::Ready {
                break;
            }
        }
        trainer.finish().expect("ready");
        seen.extend(bits(trainer.params()));
    }
    seen
}

/// `begin` has copied the examples: the rings they came from go on.
#[test]
fn pushing_into_the_ring_between_slices_changes_nothing() {
    let values = |i: u8| [f32::from(i % 3) - 1.0, 0.5];
    let class = |i: u8| u16::from(i % 2);
    assert_eq!(
        from_rings(Likelihood::Gaussian, values, false),
        from_rings(Likelihood::Gaussian, values, true)
    );
    assert_eq!(
        from_rings(Likelihood::Categorical, class, false),
        from_rings(Likelihood::Categorical, class, true)
    );
}
