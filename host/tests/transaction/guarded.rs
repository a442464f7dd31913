//! Steps that are rejected, guarded and damped.

use natgrad::Likelihood;
use natgrad::damping::{DampingPolicy, Ratio};
use natgrad::data::{Batch, Metric};
use natgrad::krylov::Status;
use natgrad::line_search::{LineSearch, Trust};
use natgrad::optimizer::{Acceptance, Outcome, Progress};
use proptest::prelude::*;

use crate::setup::{
    Backtracking, EXAMPLES, Natural, World, bits, continuation, scheduled, sliced, to_ready, warmed,
};

/// A guard that cannot be pleased: its targets are the outputs at the parameters, so that every step
/// makes it worse.
#[test]
fn a_rejected_step_leaves_no_trace() {
    let world = World::gaussian();
    for retries in [0, 3] {
        let mut method = scheduled();
        method.retries = retries;
        let expected = warmed(&world, method, continuation);

        let mut pleased = world.clone();
        warmed(&world, method, |trainer, world| {
            trainer
                .predict(world.inputs.as_slice(), &mut pleased.values)
                .expect("idle");
        });
        let mut params = world.params.clone();
        let mut workspace = world.workspace::<Backtracking>();
        let mut trainer =
            crate::setup::Learner::new(&world.plan, &mut params, &mut workspace, method)
                .expect("a trainer");
        for examples in [EXAMPLES, 7] {
            trainer
                .step(world.leading(examples), Metric::Same)
                .expect("a good step");
        }
        trainer.hold_out(pleased.batch()).expect("a batch");
        let before = (bits(trainer.params()), trainer.method().damping);
        for cut in [false, true] {
            let report = if cut {
                sliced(&mut trainer, world.batch(), Metric::Same)
            } else {
                trainer.step(world.batch(), Metric::Same)
            };
            let report = report.expect("a step");
            assert_eq!(report.outcome, Outcome::Rejected);
            assert_eq!(report.solve.expect("a solve").attempts, 1 + retries);
            assert_eq!((bits(trainer.params()), trainer.method().damping), before);
        }
        trainer.hold_out(Batch::empty()).expect("none");
        assert_eq!(continuation(&mut trainer, &world), expected);
    }
}

#[test]
fn nowhere_to_go_is_stationary() {
    // Targets that are the outputs: no residual, no gradient.
    let mut world = World::gaussian();
    let mut outputs = vec![0.0; 2 * EXAMPLES];
    world.with(Natural::default(), |trainer, world| {
        trainer
            .predict(world.inputs.as_slice(), &mut outputs)
            .expect("room");
    });
    world.values = outputs;
    world.with(Natural::default(), |trainer, world| {
        let before = (bits(trainer.params()), trainer.method().damping);
        let report = trainer.step(world.batch(), Metric::Same).expect("a step");
        assert_eq!(report.outcome, Outcome::Stationary);
        assert_eq!(report.loss, 0.0);
        assert!(report.solve.is_none() && report.loss_after.is_none());
        assert_eq!((bits(trainer.params()), trainer.method().damping), before);
    });
}

#[test]
fn a_trial_that_overflows_is_a_failed_attempt() {
    let world = World::gaussian();
    let mut method = Natural::default();
    method.rate = 1e30;
    method.retries = 2;
    for acceptance in [Acceptance::Finite, Acceptance::Decrease] {
        method.acceptance = acceptance;
        world.with(method, |trainer, world| {
            let mut trials = Vec::new();
            let report = trainer
                .step_with(world.batch(), Metric::Same, &mut |progress| {
                    if let Progress::Trial {
                        loss,
                        damping,
                        accepted,
                        ..
                    } = progress
                    {
                        trials.push((*loss, *damping, *accepted));
                    }
                })
                .expect("a step");
            assert_eq!(report.outcome, Outcome::Rejected, "{trials:?}, {report:?}");
            let dampings: Vec<f32> = trials.iter().map(|trial| trial.1).collect();
            assert_eq!(dampings, [1.0, 4.0, 16.0]);
            assert!(
                trials.iter().all(|t| !t.0.is_finite() && !t.2),
                "{trials:?}"
            );
            assert_eq!(bits(trainer.params()), bits(&world.params));
        });
    }
}

#[test]
fn the_observer_sees_what_the_report_says() {
    let world = World::new(Likelihood::Categorical);
    world.with(Natural::default(), |trainer, world| {
        let mut seen = Vec::new();
        let report = trainer
            .step_with(world.batch(), Metric::Same, &mut |progress| {
                seen.push(*progress);
            })
            .expect("a step");
        let solve = report.solve.expect("a solve");
        let Some((
            Progress::Gradient { loss, norm },
            [
                iterations @ ..,
                Progress::Solved {
                    solve: end,
                    damping,
                },
                Progress::Trial {
                    rate,
                    loss: after,
                    ratio,
                    accepted: true,
                    ..
                },
                Progress::Ready,
            ],
        )) = seen.split_first()
        else {
            panic!("another order: {seen:?}");
        };
        assert_eq!((*loss, *norm), (report.loss, report.gradient_norm));
        assert_eq!((*end, *damping), (solve.solve, solve.damping));
        assert_eq!((*rate, Some(*ratio)), (solve.rate, solve.ratio));
        assert_eq!(Some(*after), report.loss_after);
        assert!(matches!(
            end.status,
            Status::Progress | Status::Residual | Status::Limit
        ));
        let (mut phi, mut count) = (0.0, 0);
        assert!(!iterations.is_empty());
        for progress in iterations {
            let Progress::Iteration { iteration, damping } = progress else {
                panic!("not an iteration: {progress:?}");
            };
            assert!(
                iteration.phi <= phi && iteration.count == count + 1,
                "{iterations:?}"
            );
            assert_eq!(*damping, solve.damping);
            (phi, count) = (iteration.phi, iteration.count);
        }
    });
}

#[test]
fn damping_follows_its_policy_within_its_limits() {
    let marquardt = |ratio| DampingPolicy::LevenbergMarquardt {
        ratio,
        low: 0.25,
        high: 0.75,
        raise: 1.5,
        lower: 0.5,
    };
    let policies = [
        DampingPolicy::Constant,
        marquardt(Ratio::Quadratic),
        marquardt(Ratio::Linear),
        DampingPolicy::Effort {
            few: 5,
            many: 6,
            raise: 2.0,
            lower: 0.5,
        },
        DampingPolicy::Schedule {
            start: 2,
            every: 3,
            factor: 0.25,
        },
    ];
    for policy in policies {
        let mut method = Natural::default();
        method.damping.policy = policy;
        (method.damping.floor, method.damping.ceiling) = (0.05, 3.0);
        World::new(Likelihood::Bernoulli).with(method, |trainer, world| {
            let mut moves = Vec::new();
            for step in 0..12_u32 {
                let report = trainer.step(world.batch(), Metric::Same).expect("a step");
                let solve = report.solve.expect("a solve");
                let ratio = solve.ratio.unwrap_or(f32::NAN);
                let factor = match policy {
                    DampingPolicy::LevenbergMarquardt { .. } if ratio > 0.75 => 0.5,
                    DampingPolicy::LevenbergMarquardt { .. } if ratio < 0.25 => 1.5,
                    DampingPolicy::Effort { .. } if solve.solve.last.count < 5 => 0.5,
                    DampingPolicy::Effort { .. } if solve.solve.last.count > 6 => 2.0,
                    DampingPolicy::Schedule { .. } if step >= 2 && (step - 2) % 3 == 0 => 0.25,
                    _ => 1.0,
                };
                if report.outcome == Outcome::Accepted {
                    let expected = (solve.damping * factor).clamp(0.05, 3.0);
                    assert_eq!(
                        trainer.method().damping.value,
                        expected,
                        "{policy:?} at {step}"
                    );
                    moves.push(factor != 1.0);
                }
            }
            let moves = moves.contains(&true);
            assert_eq!(moves, policy != DampingPolicy::Constant, "{policy:?}");
        });
    }
}

#[test]
fn the_trust_region_bounds_the_step() {
    let world = World::new(Likelihood::Categorical);
    for (kl, logit) in [(1e-3, f32::INFINITY), (f32::INFINITY, 1e-2)] {
        let mut method = Natural::default();
        method.trust = Trust { kl, logit };
        method.damping.value = 1e-3;
        world.with(method, |trainer, world| {
            let report = trainer.step(world.batch(), Metric::Same).expect("a step");
            let solve = report.solve.expect("a solve");
            assert!(solve.rate < 1.0 && solve.kl <= kl * 1.0001, "{solve:?}");
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Neither the held-out loss nor, beyond rounding, the loss of the batch rises.
    #[test]
    fn a_guarded_loss_never_rises(
        (rate, damping) in (0.1..3.0_f32, -3.0..1.0_f32),
        search in any::<bool>(),
        likelihood in prop_oneof![
            Just(Likelihood::Gaussian), Just(Likelihood::Bernoulli), Just(Likelihood::Categorical)
        ],
    ) {
        let world = World::new(likelihood);
        let held_out = world.batch();
        let mut method = Natural::default();
        method.rate = rate;
        method.damping.value = 10.0_f32.powf(damping);
        if search {
            method.line_search = LineSearch::backtracking();
        }
        let (mut params, mut workspace) = (world.params.clone(), world.workspace::<Natural>());
        let mut trainer =
            crate::setup::Learner::new(&world.plan, &mut params, &mut workspace, method).unwrap();
        trainer.hold_out(held_out).unwrap();
        let mut before = trainer.loss(held_out).unwrap();
        for examples in [3, 5, 7, 4, 6, 3, 8, 5] {
            let batch = world.leading(examples);
            let own = trainer.loss(batch).unwrap();
            trainer.begin(batch, Metric::Same).unwrap();
            to_ready(&mut trainer).unwrap();
            trainer.finish().unwrap();
            let after = trainer.loss(held_out).unwrap();
            prop_assert!(after <= before, "{after} after {before}");
            let slack = 8.0 * f32::EPSILON * own.abs();
            prop_assert!(trainer.loss(batch).unwrap() <= own + slack);
            before = after;
        }
    }
}
