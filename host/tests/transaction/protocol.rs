//! The order of calls, the settings, the room.

use core::fmt::Debug;

use natgrad::damping::{DampingPolicy, Ratio, Tikhonov};
use natgrad::data::{Labels, Metric};
use natgrad::line_search::LineSearch;
use natgrad::optimizer::{
    Adam, Anchor, DualMetric, Gram, Inverse, L2, Moment, Plain, Progress, Sgd, Tonga, Velocity,
    Woodbury,
};
use natgrad::{Error, Likelihood, Room, ShapeError};

use crate::setup::{
    Descent, EXAMPLES, Entry, Exact, ExactInIdentity, Learner, Natural, OnAnyMetric,
    OnAnyMetricInIdentity, Subject, World, bits, centred, continuation, for_every_method, momentum,
    nesterov, plain, snapshot, to_ready, tonga, warmed,
};

fn calls_out_of_order_are_refused<M: Subject>(method: M) {
    let world = World::new(Likelihood::Categorical);
    let expected = warmed(&world, method, |trainer, world| {
        trainer.step(world.batch(), Metric::Same).expect("a step");
        continuation(trainer, world)
    });
    for entry in [Entry::Copied, Entry::InPlace] {
        let slices = warmed(&world, method, |trainer, world| {
            entry
                .begin(trainer, world.batch(), Metric::Same)
                .expect("room");
            to_ready(trainer).expect("a good step")
        });
        let found = warmed(&world, method, |trainer, world| {
            let before = snapshot(trainer);
            assert_eq!(trainer.advance(), Err(Error::Idle));
            assert_eq!(trainer.advance_until(|| false), Err(Error::Idle));
            assert_eq!(trainer.advance_until(|| true), Err(Error::Idle));
            assert_eq!(trainer.finish(), Err(Error::Idle));
            trainer.abandon();
            assert!(!trainer.is_busy());
            assert_eq!(snapshot(trainer), before);

            entry
                .begin(trainer, world.batch(), Metric::Same)
                .expect("room");
            for slice in 0.. {
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
                assert_eq!(bits(trainer.params()), before.0, "before it is finished");
                if slice < slices {
                    assert_eq!(trainer.finish(), Err(Error::Unfinished), "slice {slice}");
                }
                if trainer.advance().expect("a slice") == Progress::Ready {
                    assert_eq!(slice, slices);
                    break;
                }
            }
            assert_eq!(trainer.advance(), Ok(Progress::Ready), "ready stays ready");
            assert_eq!(trainer.advance_until(|| false), Ok(Progress::Ready));
            trainer.finish().expect("ready");
            assert!(!trainer.is_busy());
            assert_eq!(trainer.finish(), Err(Error::Idle));
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{entry:?}");
    }
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

/// A setting out of range is refused at every door, and at no other moment; put right, it is forgotten.
fn out_of_range<M: Subject>(method: M, spoils: &[fn(&mut M)]) {
    let world = World::gaussian();
    let expected = warmed(&world, method, continuation);
    for (number, spoil) in spoils.iter().enumerate() {
        let found = warmed(&world, method, |trainer, world| {
            let good = *trainer.method();
            spoil(trainer.method_mut().expect("idle"));
            for entry in Entry::ALL {
                let refused = entry.run(trainer, world.batch(), Metric::Same);
                assert!(
                    matches!(refused, Err(Error::Setting(_))),
                    "{number}, {entry:?}: {refused:?}"
                );
                assert!(!trainer.is_busy());
            }
            *trainer.method_mut().expect("idle") = good;
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{number}");

        let mut spoilt = method;
        spoil(&mut spoilt);
        let (mut params, mut workspace) = (world.params.clone(), world.workspace::<M>());
        let refused = Learner::new(&world.plan, &mut params, &mut workspace, spoilt);
        assert!(
            matches!(refused.map(|_| ()), Err(Error::Setting(_))),
            "{number}"
        );
    }
}

fn policy(m: &mut Natural, low: f32, high: f32, raise: f32, lower: f32) {
    m.damping.policy = DampingPolicy::LevenbergMarquardt {
        ratio: Ratio::Linear,
        low,
        high,
        raise,
        lower,
    };
}

fn effort(m: &mut Natural, few: u16, many: u16, raise: f32, lower: f32) {
    m.damping.policy = DampingPolicy::Effort {
        few,
        many,
        raise,
        lower,
    };
}

fn schedule(m: &mut Natural, every: u32, factor: f32) {
    m.damping.policy = DampingPolicy::Schedule {
        start: 0,
        every,
        factor,
    };
}

fn search(m: &mut Natural, slope: f32, shrink: f32) {
    m.line_search = LineSearch::Backtracking {
        slope,
        shrink,
        tries: 3,
    };
}

#[test]
fn settings_of_natural_gradient_are_checked_at_every_step() {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let spoils: &[fn(&mut Natural)] = &[
        |m| m.rate = 0.0,
        |m| m.rate = -1.0,
        |m| m.rate = NAN,
        |m| m.rate = INF,
        |m| m.warm_start = -0.1,
        |m| m.warm_start = 1.1,
        |m| m.warm_start = NAN,
        |m| m.retry_raise = 1.0,
        |m| m.retry_raise = NAN,
        |m| m.retry_raise = INF,
        |m| m.stop.iterations = 0,
        |m| m.stop.residual = -1e-9,
        |m| m.stop.residual = NAN,
        |m| m.stop.progress = -1e-9,
        |m| m.stop.progress = NAN,
        |m| m.damping.initial = 0.0,
        |m| m.damping.initial = -1.0,
        |m| m.damping.initial = NAN,
        |m| m.damping.initial = INF,
        |m| m.damping.floor = 0.0,
        |m| m.damping.floor = NAN,
        |m| m.damping.floor = 2e4,
        |m| m.damping.ceiling = 1e-4,
        |m| m.damping.ceiling = NAN,
        |m| m.damping.ceiling = INF,
        |m| policy(m, 0.8, 0.7, 2.0, 0.5),
        |m| policy(m, NAN, 0.7, 2.0, 0.5),
        |m| policy(m, 0.2, NAN, 2.0, 0.5),
        |m| policy(m, 0.2, 0.7, 0.9, 0.5),
        |m| policy(m, 0.2, 0.7, NAN, 0.5),
        |m| policy(m, 0.2, 0.7, INF, 0.5),
        |m| policy(m, 0.2, 0.7, 2.0, 0.0),
        |m| policy(m, 0.2, 0.7, 2.0, 1.1),
        |m| policy(m, 0.2, 0.7, 2.0, NAN),
        |m| effort(m, 5, 4, 2.0, 0.5),
        |m| effort(m, 4, 5, 0.5, 0.5),
        |m| effort(m, 4, 5, 2.0, 2.0),
        |m| effort(m, 4, 5, NAN, 0.5),
        |m| schedule(m, 0, 0.5),
        |m| schedule(m, 1, 0.0),
        |m| schedule(m, 1, NAN),
        |m| schedule(m, 1, INF),
        |m| search(m, -0.1, 0.5),
        |m| search(m, 1.0, 0.5),
        |m| search(m, NAN, 0.5),
        |m| search(m, 0.1, 0.0),
        |m| search(m, 0.1, 1.0),
        |m| search(m, 0.1, NAN),
        |m| m.trust.kl = 0.0,
        |m| m.trust.kl = NAN,
        |m| m.trust.logit = -1.0,
        |m| m.trust.logit = NAN,
    ];
    out_of_range(Natural::default(), spoils);
}

#[test]
fn settings_of_first_order_methods_are_checked_at_every_step() {
    fn sgd<V: natgrad::optimizer::Velocity + Copy + core::fmt::Debug>(method: Sgd<f32, V>) {
        let spoils: &[fn(&mut Sgd<f32, V>)] = &[
            |m| m.rate = 0.0,
            |m| m.rate = -1.0,
            |m| m.rate = f32::NAN,
            |m| m.rate = f32::INFINITY,
            |m| m.momentum = 1.0,
            |m| m.momentum = -0.1,
            |m| m.momentum = f32::NAN,
        ];
        out_of_range(method, spoils);
    }
    sgd(plain());
    sgd(momentum());
    sgd(nesterov());
    let spoils: &[fn(&mut Adam<f32>)] = &[
        |m| m.rate = 0.0,
        |m| m.rate = f32::NAN,
        |m| m.rate = f32::INFINITY,
        |m| m.beta1 = 1.0,
        |m| m.beta1 = -0.1,
        |m| m.beta1 = f32::NAN,
        |m| m.beta2 = 1.0,
        |m| m.beta2 = f32::NAN,
        |m| m.epsilon = 0.0,
        |m| m.epsilon = f32::NAN,
        |m| m.epsilon = f32::INFINITY,
    ];
    out_of_range(Adam::new(0.01), spoils);
}

#[test]
fn settings_of_tonga_are_checked_at_every_step() {
    fn kind<V: Moment + core::fmt::Debug, const K: usize, const B: usize>(
        method: Tonga<f32, K, B, V>,
    ) {
        let spoils: &[fn(&mut Tonga<f32, K, B, V>)] = &[
            |m| m.rate = 0.0,
            |m| m.rate = f32::NAN,
            |m| m.rate = f32::INFINITY,
            |m| m.damping = 0.0,
            |m| m.damping = -1.0,
            |m| m.damping = f32::NAN,
            |m| m.damping = f32::INFINITY,
            |m| m.forgetting = 0.0,
            |m| m.forgetting = 1.1,
            |m| m.forgetting = f32::NAN,
        ];
        out_of_range(method, spoils);
    }
    kind(tonga());
    kind(centred());
}

#[test]
fn settings_of_krylov_descent_are_checked_at_every_step() {
    let spoils: &[fn(&mut Descent)] = &[
        |m| m.floor = 0.0,
        |m| m.floor = 1.1,
        |m| m.floor = f32::NAN,
        |m| m.search.directions = 0,
        |m| m.search.slope = -0.1,
        |m| m.search.slope = 1.0,
        |m| m.search.slope = f32::NAN,
    ];
    out_of_range(Descent::default(), spoils);
}

type Spoil<M> = fn(&mut M);

#[test]
fn settings_of_gram_are_checked_at_every_step() {
    fn kind<D: DualMetric + Debug, V: Velocity + Debug, I: Inverse + Debug>(
        method: Gram<f32, EXAMPLES, D, V, I>,
    ) {
        let spoils: &[Spoil<Gram<f32, EXAMPLES, D, V, I>>] = &[
            |m| m.damping.initial = 0.0,
            |m| m.damping.initial = f32::NAN,
            |m| m.damping.floor = 0.0,
            |m| m.damping.floor = 2e4,
            |m| m.damping.ceiling = f32::INFINITY,
            |m| {
                m.damping.policy = DampingPolicy::Effort {
                    few: 4,
                    many: 5,
                    raise: 2.0,
                    lower: 0.5,
                };
            },
            |m| m.momentum = 1.0,
            |m| m.momentum = -0.1,
            |m| m.momentum = f32::NAN,
            |m| m.smoothing = 1.0,
            |m| m.smoothing = -0.1,
            |m| m.smoothing = f32::NAN,
            |m| m.trust.kl = 0.0,
            |m| m.trust.kl = f32::NAN,
            |m| m.trust.logit = -1.0,
            |m| m.trust.logit = f32::NAN,
            |m| m.retry_raise = 1.0,
            |m| m.retry_raise = f32::NAN,
            |m| m.retry_raise = f32::INFINITY,
        ];
        out_of_range(method, spoils);
    }
    kind(Exact::default());
    kind(ExactInIdentity::default());
    kind(OnAnyMetric::default());
    kind(OnAnyMetricInIdentity::default());
}

#[test]
fn a_pull_is_checked_when_it_is_given() {
    let world = World::gaussian().pulled();
    let expected = warmed(&world, Natural::default(), continuation);
    let found = warmed(&world, Natural::default(), |trainer, world| {
        let finite = vec![0.0; world.params.len()].leak();
        for strength in [-1.0, f32::NAN, f32::INFINITY] {
            let refused = trainer.regularise(L2 {
                strength,
                anchor: Anchor::At(finite),
            });
            assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
        }
        let refused = trainer.regularise(L2 {
            strength: 1.0,
            anchor: Anchor::At(&finite[1..]),
        });
        let short = ShapeError {
            what: "the anchor",
            expected: finite.len(),
            found: finite.len() - 1,
        };
        assert_eq!(refused, Err(Error::Shape(short)));
        let broken = vec![f32::NAN; world.params.len()].leak();
        let refused = trainer.regularise(L2 {
            strength: 1.0,
            anchor: Anchor::At(broken),
        });
        assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
        continuation(trainer, world)
    });
    assert_eq!(found, expected);
}

/// By the push-through identity there is no metric but that of the batch, and no pull; with factors no pull either.
fn what_cannot_be_solved_is_refused<M: Subject>(method: M, any_metric: bool, pull: bool) {
    let world = World::gaussian();
    let others = World::gaussian().lasting();
    let expected = warmed(&world, method, continuation);
    for metric in [Metric::Leading(6), Metric::On(others.others::<M>())] {
        assert_eq!(world.admits(method, metric), any_metric);
        for entry in Entry::ALL.into_iter().filter(|_| !any_metric) {
            let found = warmed(&world, method, |trainer, world| {
                let refused = entry.run(trainer, world.batch(), metric);
                assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
                assert!(!trainer.is_busy());
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "{entry:?}");
        }
    }
    let pulled = World::gaussian().pulled();
    assert_eq!(pulled.admits(method, Metric::Same), pull);
    pulled.with(method, |trainer, world| {
        for entry in Entry::ALL {
            let result = entry.run(trainer, world.batch(), Metric::Same);
            let refused = matches!(result, Err(Error::Setting(_)));
            assert_eq!(refused, !pull, "{entry:?}: {result:?}");
        }
    });
}

#[test]
fn a_metric_or_a_pull_that_cannot_be_solved_with_is_refused() {
    what_cannot_be_solved_is_refused(Exact::default(), false, false);
    what_cannot_be_solved_is_refused(ExactInIdentity::default(), false, false);
    what_cannot_be_solved_is_refused(OnAnyMetric::default(), true, false);
    what_cannot_be_solved_is_refused(OnAnyMetricInIdentity::default(), true, true);
    what_cannot_be_solved_is_refused(Natural::default(), true, true);
    what_cannot_be_solved_is_refused(plain(), true, true);
}

/// A system of more examples than there is memory for.
#[test]
fn a_batch_above_the_capacity_is_refused() {
    fn check<M: Subject>(method: M, metric: Metric<'static, f32>, what: &'static str) {
        let world = World::gaussian();
        let refused = Error::Shape(ShapeError {
            what,
            expected: 4,
            found: 5,
        });
        for entry in Entry::ALL {
            world.with(method, |trainer, world| {
                let before = snapshot(trainer);
                let result = entry.run(trainer, world.leading(5), metric);
                assert_eq!(result, Err(refused), "{entry:?}");
                assert!(!trainer.is_busy());
                assert_eq!(snapshot(trainer), before);
                let four = entry.run(trainer, world.leading(4), Metric::Same);
                assert!(four.is_ok(), "{four:?}");
            });
        }
    }
    let what = "the examples of a system in output space, at most B";
    check(Gram::<f32, 4>::default(), Metric::Same, what);
    let any = Gram::<f32, 4, Tikhonov, Plain, Woodbury>::default();
    check(any, Metric::Leading(5), what);
    World::gaussian().with(any, |trainer, world| {
        let metric = Metric::Leading(4);
        let all = trainer.step(world.batch(), metric);
        assert!(all.is_ok(), "the gradient may be over any batch: {all:?}");
    });
}

#[test]
fn begin_asks_for_room_and_step_does_not() {
    fn check<M: Subject>(method: M) {
        let world = World::new(Likelihood::Categorical);
        let model = world.plan.model();
        let other = world.others::<M>().leading(&model, 3);
        for (metric, room) in [
            (Metric::Same, 0),
            (Metric::Leading(2), 0),
            (Metric::On(other), 3),
        ] {
            if !world.admits(method, metric) {
                continue;
            }
            let room = Room {
                batch: EXAMPLES,
                metric: room,
                ..Room::NONE
            };
            let enough = Learner::<M>::workspace_len(&model, room);
            // Inputs, one value per output, a weight.
            let none = Learner::<M>::workspace_len(&model, Room::NONE);
            let metric_example = match M::METRIC_LABELS {
                Labels::Unused => 4,
                Labels::Needed => 6,
            };
            assert_eq!(enough - none, 6 * EXAMPLES + metric_example * room.metric);
            let mut results = Vec::new();
            for length in [enough, enough + 1, enough + 1000, enough - 1, none] {
                let mut params = world.params.clone();
                let mut workspace = vec![0.0; length];
                let mut trainer = Learner::new(&world.plan, &mut params, &mut workspace, method)
                    .expect("a trainer");
                let begun = trainer.begin(world.batch(), metric);
                if length < enough {
                    let refused = Error::Shape(ShapeError {
                        what: "the workspace with room for the examples of a step",
                        expected: enough,
                        found: length,
                    });
                    assert_eq!(begun, Err(refused));
                    assert!(!trainer.is_busy());
                    assert_eq!(bits(trainer.params()), bits(&world.params));
                    trainer.step(world.batch(), metric).expect("no room needed");
                } else {
                    assert_eq!(begun, Ok(()));
                    to_ready(&mut trainer).expect("a step");
                    trainer.finish().expect("ready");
                }
                results.push(continuation(&mut trainer, &world));
            }
            assert!(results.iter().all(|trace| *trace == results[0]));
        }
    }
    for_every_method!(check);
}

#[test]
fn a_trainer_asks_for_its_memory() {
    fn check<M: Subject>(method: M) {
        let world = World::gaussian();
        let (n, least) = (
            world.params.len(),
            Learner::<M>::workspace_len(&world.plan.model(), Room::NONE),
        );
        let new = |params: usize, length: usize| {
            let (mut params, mut workspace) = (vec![0.0; params], vec![0.0; length]);
            Learner::new(&world.plan, &mut params, &mut workspace, method).map(|_| ())
        };
        let refused = |what, expected, found| {
            Err(Error::Shape(ShapeError {
                what,
                expected,
                found,
            }))
        };
        assert_eq!(new(n, least), Ok(()));
        assert_eq!(new(n, least + 7), Ok(()));
        let short = refused("the workspace", least, least - 1);
        assert_eq!(new(n, least - 1), short);
        for other in [n - 1, n + 1] {
            let refused = refused("the parameter vector", n, other);
            assert_eq!(new(other, least), refused);
        }
    }
    for_every_method!(check);
}
