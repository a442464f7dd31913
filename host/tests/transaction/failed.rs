//! Steps that fail on numbers: losses and updates that overflow, memory full of garbage.

use natgrad::damping::DampingPolicy;
use natgrad::data::{Batch, Metric};
use natgrad::line_search::{LineSearch, Trust};
use natgrad::optimizer::{Acceptance, Adam, Moment, Outcome, Tonga};
use natgrad::{Activation, Error, Likelihood, Plan};
use proptest::prelude::*;

use crate::setup::{
    Backtracking, Descent, EXAMPLES, Entry, Exact, ExactInIdentity, LIKELIHOODS, Learner, Natural,
    OnAnyMetric, OnAnyMetricInIdentity, Subject, World, bits, centred, continuation,
    for_every_method, momentum, nesterov, plain, scheduled, snapshot, to_ready, tonga, warmed,
};

#[test]
fn a_loss_that_overflows_is_no_step() {
    fn check<M: Subject>(method: M) {
        let world = World::gaussian();
        let huge = &*vec![3e38_f32; 2 * EXAMPLES].leak();
        let expected = warmed(&world, method, continuation);
        for entry in Entry::ALL {
            let found = warmed(&world, method, |trainer, world| {
                let batch = Batch::new(world.inputs.as_slice(), huge);
                let before = snapshot(trainer);
                let refused = entry.run(trainer, batch, Metric::Same);
                assert_eq!(refused, Err(Error::NonFinite));
                assert_eq!(trainer.finish(), Err(Error::Idle), "the step is over");
                assert_eq!(snapshot(trainer), before);
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "{entry:?}");
        }
    }
    for_every_method!(check);
}

/// A metric that overflows gives no direction, however strong the damping.
#[test]
fn a_metric_that_overflows_lets_nothing_through() {
    let mut world = World::gaussian();
    // No unit that saturates and would hide the overflow.
    world.plan = Plan::new([3, 5, 2], Activation::Identity, Likelihood::Gaussian).expect("a plan");
    let huge = &*vec![1e30_f32; 3 * EXAMPLES].leak();
    let expected = warmed(&world, Natural::default(), continuation);
    for entry in Entry::ALL {
        let found = warmed(&world, Natural::default(), |trainer, world| {
            let metric = Metric::On(Batch::unlabelled(huge));
            let report = entry.run(trainer, world.batch(), metric);
            let report = report.expect("an outcome");
            assert_eq!(report.outcome, Outcome::Rejected);
            let solve = report.solve.expect("a solve").solve;
            assert_eq!((solve.last.count, solve.last.phi), (0, 0.0), "{solve:?}");
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{entry:?}");
    }
}

/// Nor does a Gram matrix that overflows, of another metric or of the batch itself.
#[test]
fn a_gram_matrix_that_overflows_lets_nothing_through() {
    fn check<M: Subject>(method: M) {
        let mut world = World::new(Likelihood::Bernoulli);
        let activation = Activation::Identity;
        world.plan = Plan::new([3, 5, 2], activation, Likelihood::Bernoulli).expect("a plan");
        let huge = &*vec![1e25_f32; 3 * EXAMPLES].leak();
        let expected = warmed(&world, method, continuation);
        for entry in Entry::ALL {
            let found = warmed(&world, method, |trainer, world| {
                let metric = world.metric(method, Metric::On(Batch::unlabelled(huge)));
                let batch = match metric {
                    Metric::Same => Batch::new(huge, &*world.values.clone().leak()),
                    _ => world.batch(),
                };
                let report = entry.run(trainer, batch, metric).expect("an outcome");
                assert_eq!(report.outcome, Outcome::Rejected);
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "{entry:?}");
        }
    }
    check(Exact::default());
    check(ExactInIdentity::default());
    check(OnAnyMetric::default());
    check(OnAnyMetricInIdentity::default());
}

/// Nor does it give a subspace.
#[test]
fn a_metric_that_overflows_spans_nothing() {
    let mut world = World::gaussian();
    world.plan = Plan::new([3, 5, 2], Activation::Identity, Likelihood::Gaussian).expect("a plan");
    let expected = warmed(&world, Descent::default(), continuation);
    for size in [1e18, 1e30] {
        let huge = &*vec![size; 3 * EXAMPLES].leak();
        for entry in Entry::ALL {
            let found = warmed(&world, Descent::default(), |trainer, world| {
                let metric = Metric::On(Batch::unlabelled(huge));
                let report = entry.run(trainer, world.batch(), metric);
                assert_eq!(report.expect("an outcome").outcome, Outcome::Rejected);
                continuation(trainer, world)
            });
            assert_eq!(found, expected, "{entry:?}");
        }
    }
}

/// A guard whose loss is infinite before and after a step cannot vouch for it.
#[test]
fn a_guard_that_overflows_lets_nothing_through() {
    let world = World::gaussian();
    let far = &*vec![3e38_f32; 2 * EXAMPLES].leak();
    let expected = warmed(&world, Natural::default(), continuation);
    for entry in Entry::ALL {
        let found = warmed(&world, Natural::default(), |trainer, world| {
            let held_out = Batch::new(world.inputs.as_slice(), far);
            trainer.hold_out(held_out).expect("idle");
            let result = entry.run(trainer, world.batch(), Metric::Same);
            let accepted = result.map(|report| report.outcome) == Ok(Outcome::Accepted);
            assert!(!accepted, "{entry:?}: {result:?}");
            trainer.hold_out(Batch::empty()).expect("idle");
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{entry:?}");
    }
}

/// A method, how it is made to overflow, and how that is undone.
fn an_overflowing_update_changes_nothing<M: Subject>(
    method: M,
    spoil: fn(&mut M),
    repair: fn(&mut M),
) {
    let mut world = World::gaussian();
    // The last output depends on its bias alone, and only its target is far away: of the parameters, its
    // five weights and its bias overflow, which are the last but one.
    for weight in &mut world.params[25..30] {
        *weight = 0.0;
    }
    let mut far = world.values.clone();
    far.iter_mut().skip(1).step_by(2).for_each(|t| *t = 1e6);
    let far = &*far.leak();
    for young in [true, false] {
        let run = |body: &dyn Fn(&mut Learner<'_, M>, &World)| {
            let mut world = world.clone();
            if !young {
                // Steps that leave moments, and the last output where it is.
                world
                    .values
                    .iter_mut()
                    .skip(1)
                    .step_by(2)
                    .for_each(|t| *t = 0.0);
            }
            world.with(method, |trainer, world| {
                if !young {
                    for _ in 0..2 {
                        trainer.step(world.batch(), Metric::Same).expect("a step");
                    }
                }
                body(trainer, world);
                continuation(trainer, world)
            })
        };
        let expected = run(&|_, _| {});
        let found = run(&|trainer, world| {
            spoil(trainer.method_mut().expect("idle"));
            let before = snapshot(trainer);
            let batch = Batch::new(world.inputs.as_slice(), far);
            let refused = trainer.step(batch, Metric::Same);
            assert_eq!(refused, Err(Error::NonFiniteUpdate));
            trainer.begin(batch, Metric::Same).expect("room");
            to_ready(trainer).expect("a finite gradient");
            assert_eq!(trainer.finish(), Err(Error::NonFiniteUpdate));
            assert_eq!(trainer.finish(), Err(Error::Idle), "the step is over");
            assert_eq!(snapshot(trainer), before);
            repair(trainer.method_mut().expect("idle"));
        });
        assert_eq!(found, expected, "young: {young}");
    }
}

#[test]
fn an_update_that_overflows_in_its_last_numbers_is_not_committed() {
    an_overflowing_update_changes_nothing(plain(), |m| m.rate = 1e33, |m| m.rate = 0.1);
    an_overflowing_update_changes_nothing(momentum(), |m| m.rate = 1e33, |m| m.rate = 0.05);
    an_overflowing_update_changes_nothing(nesterov(), |m| m.rate = 1e33, |m| m.rate = 0.05);
    an_overflowing_update_changes_nothing(
        {
            let mut adam = Adam::new(0.01);
            adam.epsilon = 1.0;
            adam
        },
        |m| m.rate = 3e37,
        |m| m.rate = 0.01,
    );
    // A λ that any commit changes.
    let policy = DampingPolicy::Schedule {
        start: 0,
        every: 1,
        factor: 0.9,
    };
    let mut unchecked = Natural::default();
    unchecked.damping.policy = policy;
    unchecked.acceptance = Acceptance::Unchecked;
    an_overflowing_update_changes_nothing(unchecked, |m| m.rate = 1e34, |m| m.rate = 1.0);
    let mut unchecked = Backtracking::default();
    unchecked.damping.policy = policy;
    unchecked.acceptance = Acceptance::Unchecked;
    an_overflowing_update_changes_nothing(unchecked, |m| m.rate = 1e34, |m| m.rate = 1.0);
}

/// A trainer that has carried its bounds along from step to step says what one says that looks at every parameter, since it
/// has just begun.
#[test]
fn carried_bounds_refuse_what_a_look_refuses() {
    let mut world = World::gaussian();
    for value in &mut world.values {
        *value *= 1e4;
    }
    let mut refused = 0;
    for exponent in -3..=38 {
        world.with(plain(), |trainer, world| {
            trainer.step(world.batch(), Metric::Same).expect("a step");
            for _ in 0..3 {
                let mut young = world.clone();
                young.params = trainer.params().to_vec();
                trainer.method_mut().expect("idle").rate = 10_f32.powi(exponent);
                let method = *trainer.method();
                let expected = young.with(method, |trainer, world| {
                    let end = trainer.step(world.batch(), Metric::Same);
                    (end, bits(trainer.params()))
                });
                let end = trainer.step(world.batch(), Metric::Same);
                refused += usize::from(end == Err(Error::NonFiniteUpdate));
                assert_eq!((end, bits(trainer.params())), expected, "10^{exponent}");
            }
        });
    }
    assert!(refused > 0, "no rate was too large");
}

#[test]
fn adam_at_an_absurd_rate_keeps_its_powers() {
    let world = World::gaussian();
    let expected = world.with(Adam::new(0.01), continuation);
    let found = world.with(Adam::new(0.01), |trainer, world| {
        trainer.method_mut().expect("idle").rate = 1e30;
        let refused = trainer.step(world.batch(), Metric::Same);
        assert_eq!(refused, Err(Error::NonFiniteUpdate));
        trainer.method_mut().expect("idle").rate = 0.01;
        continuation(trainer, world)
    });
    assert_eq!(found, expected);
}

type LowRank<'a, V, const K: usize, const B: usize> = Learner<'a, Tonga<f32, K, B, V>>;

/// Nor its rows and their weights, whether they are full or not.
#[test]
fn tonga_at_an_absurd_rate_keeps_its_state() {
    fn check<V: Moment + core::fmt::Debug, const K: usize, const B: usize>(
        method: Tonga<f32, K, B, V>,
    ) {
        let world = World::gaussian();
        for steps in 0..4 {
            let run = |body: &dyn Fn(&mut LowRank<'_, V, K, B>)| {
                world.with(method, |trainer, world| {
                    for _ in 0..steps {
                        trainer.step(world.batch(), Metric::Same).expect("a step");
                    }
                    body(trainer);
                    continuation(trainer, world)
                })
            };
            let expected = run(&|_| {});
            let found = run(&|trainer| {
                // A direction is longest where the gradient is as short as √λ.
                let mut near = world.pleased(trainer);
                for (target, value) in near.values.iter_mut().zip(&world.values) {
                    *target += 0.03 * value;
                }
                let absurd = trainer.method_mut().expect("idle");
                (absurd.rate, absurd.damping) = (f32::MAX, 1e-3);
                let refused = trainer.step(near.batch(), Metric::Same);
                assert_eq!(refused, Err(Error::NonFiniteUpdate), "after {steps} steps");
                *trainer.method_mut().expect("idle") = method;
            });
            assert_eq!(found, expected, "after {steps} steps");
        }
    }
    check(tonga());
    check(centred());
}

#[test]
fn parameters_that_are_not_finite_are_refused() {
    fn check<M: Subject>(method: M) {
        let world = World::gaussian();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 7, world.params.len() - 1] {
                let (mut params, mut workspace) = (world.params.clone(), world.workspace::<M>());
                params[place] = bad;
                let trainer = Learner::new(&world.plan, &mut params, &mut workspace, method);
                assert_eq!(trainer.map(|_| ()), Err(Error::NonFinite));
            }
        }
    }
    for_every_method!(check);
}

#[test]
fn garbage_in_the_workspace_changes_nothing() {
    fn check<M: Subject>(method: M) {
        let world = World::new(Likelihood::Categorical);
        let expected = world.with(method, continuation);
        for garbage in [f32::NAN, f32::INFINITY, 7.5] {
            for entry in Entry::ALL {
                let mut params = world.params.clone();
                let mut workspace = world.workspace::<M>();
                workspace.extend([0.0; 100]);
                workspace.fill(garbage);
                let mut trainer = Learner::new(&world.plan, &mut params, &mut workspace, method)
                    .expect("a trainer");
                if !matches!(entry, Entry::Whole) {
                    let metric = world.metric(method, Metric::On(world.others::<M>()));
                    let begun = entry.begin(&mut trainer, world.batch(), metric);
                    begun.expect("room");
                    to_ready(&mut trainer).expect("a step");
                    trainer.abandon();
                }
                assert_eq!(continuation(&mut trainer, &world), expected);
            }
        }
    }
    for_every_method!(check);
}

/// Numbers that an absurd step has left in the workspace are not read by the next.
#[test]
fn garbage_of_a_failed_step_changes_nothing() {
    fn check<M: Subject>(method: M) {
        let world = World::gaussian();
        let expected = warmed(&world, method, continuation);
        let found = warmed(&world, method, |trainer, world| {
            let huge = [3e38; 3 * EXAMPLES];
            let far = [1e19; 2 * EXAMPLES];
            let batch = Batch::new(&huge, &far);
            for _ in 0..2 {
                // Whatever comes of it: gradients, images and rows are infinite or NaN.
                let result = trainer.step(batch, Metric::Same);
                let rejected = result.map(|report| report.outcome) == Ok(Outcome::Rejected);
                assert!(rejected || result.is_err(), "{result:?}");
            }
            trainer.loss(batch).expect("idle");
            continuation(trainer, world)
        });
        assert_eq!(found, expected);
    }
    for_every_method!(check);
}

/// Drops the examples that `spoilt` holds garbage in.
fn without<T: Copy>(rows: &[T], width: usize, places: &[usize]) -> Vec<T> {
    rows.chunks(width)
        .enumerate()
        .filter(|(example, _)| !places.contains(example))
        .flat_map(|(_, row)| row.iter().copied())
        .collect()
}

/// At the front, in the middle, at the end of the batch, and a whole tile of them.
#[test]
fn examples_of_weight_zero_may_hold_anything() {
    fn check<M: Subject>(method: M) {
        for (likelihood, places) in LIKELIHOODS
            .into_iter()
            .flat_map(|l| [(l, vec![0, 5, 9]), (l, vec![4, 5, 6, 7])])
        {
            let good = World::new(likelihood);
            let mut spoilt = good.clone();
            let mut weights = [1.0; EXAMPLES];
            for &example in &places {
                spoilt.inputs[3 * example] = f32::NAN;
                spoilt.inputs[3 * example + 1] = f32::INFINITY;
                spoilt.values[2 * example] = f32::NAN;
                spoilt.values[2 * example + 1] = f32::NEG_INFINITY;
                spoilt.classes[example] = 77;
                weights[example] = 0.0;
            }
            let reduced = World {
                inputs: without(&good.inputs, 3, &places),
                values: without(&good.values, 2, &places),
                classes: without(&good.classes, 1, &places),
                ..good.clone()
            };
            let (spoilt, reduced) = (spoilt.lasting(), reduced.lasting());
            let weights: &'static [f32] = weights.to_vec().leak();
            let run = |entry: Entry, batch: Batch<'static, f32>, other: bool| {
                good.with(method, |trainer, _| {
                    for _ in 0..3 {
                        let on = good.metric(method, Metric::On(batch));
                        let metric = if other { on } else { Metric::Same };
                        entry.run(trainer, batch, metric).expect("a good step");
                    }
                    bits(trainer.params())
                })
            };
            for entry in Entry::ALL {
                for other in [false, true] {
                    let found = run(entry, spoilt.batch().weighted(weights), other);
                    assert_eq!(found, run(entry, reduced.batch(), other), "{entry:?}");
                }
            }
        }
    }
    for_every_method!(check);
}

#[test]
fn held_out_examples_of_weight_zero_may_hold_anything() {
    let good = World::gaussian();
    let mut spoilt = good.clone();
    (spoilt.inputs[12], spoilt.values[8]) = (f32::NAN, f32::NAN);
    let mut weights = [0.0; EXAMPLES];
    weights[..3].fill(1.0);
    let (spoilt, weights) = (spoilt.lasting(), &*weights.to_vec().leak());
    let run = |held_out: Batch<'static, f32>| {
        good.with(scheduled(), |trainer, world| {
            trainer.hold_out(held_out).expect("idle");
            continuation(trainer, world)
        })
    };
    let expected = run(World::gaussian().lasting().leading(3));
    assert_eq!(run(spoilt.batch().weighted(weights)), expected);
}

/// Fifty steps over data of any scale: no NaN in the weights, and none moved but by a step.
fn stays_finite<M: Subject>(world: &World, method: M) -> Result<(), TestCaseError> {
    world.with(method, |trainer, world| {
        let mut before = bits(trainer.params());
        for _ in 0..50 {
            let result = trainer.step(world.batch(), Metric::Same);
            let after = bits(trainer.params());
            prop_assert!(trainer.params().iter().all(|p| p.is_finite()), "{result:?}");
            let moved = matches!(result, Ok(report) if report.outcome == Outcome::Accepted);
            prop_assert!(moved || before == after, "moved by {result:?}");
            before = after;
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the settings and the scale of the data.
    #[test]
    fn parameters_stay_finite(
        (input, target) in (-30.0..30.0_f32, -30.0..30.0_f32),
        (rate, damping) in (-10.0..38.0_f32, -10.0..3.0_f32),
        likelihood in proptest::sample::select(LIKELIHOODS.to_vec()),
        acceptance in proptest::sample::select(
            vec![Acceptance::Unchecked, Acceptance::Finite, Acceptance::Decrease]
        ),
        (constant, search) in any::<(bool, bool)>(),
        kind in 0..10,
    ) {
        let mut world = World::new(likelihood);
        let (input, target) = (10.0_f32.powf(input), 10.0_f32.powf(target));
        world.inputs.iter_mut().for_each(|x| *x *= input);
        if likelihood == Likelihood::Gaussian {
            world.values.iter_mut().for_each(|t| *t *= target);
        }
        let rate = 10.0_f32.powf(rate);
        let mut natural = Natural::default();
        let mut backtracking = Backtracking::default();
        macro_rules! spoil {
            ($method:ident) => {
                $method.rate = rate;
                $method.acceptance = acceptance;
                $method.damping.floor = 1e-10;
                $method.damping.initial = 10.0_f32.powf(damping);
                if constant {
                    $method.damping.policy = DampingPolicy::Constant;
                }
                if search {
                    $method.line_search = LineSearch::backtracking();
                }
            };
        }
        spoil!(natural);
        spoil!(backtracking);
        backtracking.warm_start = 0.95;
        let (mut heavy, mut ahead) = (momentum(), nesterov());
        (heavy.rate, ahead.rate) = (rate, rate);
        let (mut low_rank, mut about_the_mean) = (tonga(), centred());
        (low_rank.rate, about_the_mean.rate) = (rate, rate);
        low_rank.damping = 10.0_f32.powf(damping);
        about_the_mean.damping = low_rank.damping;
        let mut descent = Descent::default();
        descent.search.slope = if search { 1e-4 } else { 0.0 };
        let (mut exact, mut on_any) = (Exact::default(), OnAnyMetricInIdentity::default());
        macro_rules! spoil_dual {
            ($method:ident) => {
                $method.damping.floor = 1e-10;
                $method.damping.initial = 10.0_f32.powf(damping);
                if constant {
                    $method.damping.policy = DampingPolicy::Constant;
                }
                if search {
                    $method.trust = Trust {
                        kl: f32::INFINITY,
                        logit: f32::INFINITY,
                    };
                }
            };
        }
        spoil_dual!(exact);
        spoil_dual!(on_any);
        match kind {
            0 => stays_finite(&world, natural)?,
            1 => stays_finite(&world, backtracking)?,
            2 => stays_finite(&world, heavy)?,
            3 => stays_finite(&world, ahead)?,
            4 => stays_finite(&world, low_rank)?,
            5 => stays_finite(&world, about_the_mean)?,
            6 => stays_finite(&world, descent)?,
            7 => stays_finite(&world, exact)?,
            8 => stays_finite(&world, on_any)?,
            _ => stays_finite(&world, Adam::new(rate.min(1e30)))?,
        }
    }
}
