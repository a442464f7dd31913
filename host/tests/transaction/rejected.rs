//! Steps that end without a change: rejected, or with nowhere to go.

use natgrad::damping::DampingPolicy;
use natgrad::data::{Batch, Metric};
use natgrad::line_search::LineSearch;
use natgrad::optimizer::{Acceptance, Guarded, Moment, Outcome, Progress, Report, Tonga};

use crate::setup::{
    Descent, Entry, Exact, ExactInIdentity, LIKELIHOODS, Learner, Natural, OnAnyMetric,
    OnAnyMetricInIdentity, Subject, World, centred, continuation, scheduled, snapshot, tonga,
    warmed,
};

/// Two steps of every kind after `prepare`, which has made them end as rejected: once `restore` has undone
/// that, the run goes on as if they had not been. The report of the last one.
fn leaves_no_trace<M: Subject>(
    world: &World,
    method: M,
    prepare: impl Fn(&mut Learner<'_, M>, &World),
    restore: impl Fn(&mut Learner<'_, M>),
) -> Report<f32> {
    let expected = warmed(world, method, continuation);
    let mut last = None;
    for entry in Entry::ALL {
        let found = warmed(world, method, |trainer, world| {
            prepare(trainer, world);
            let before = snapshot(trainer);
            for _ in 0..2 {
                let report = entry
                    .run(trainer, world.batch(), Metric::Same)
                    .expect("an outcome");
                assert_eq!(report.outcome, Outcome::Rejected, "{entry:?}");
                assert!(!trainer.is_busy());
                assert_eq!(snapshot(trainer), before);
                last = Some(report);
            }
            restore(trainer);
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{entry:?}");
    }
    last.expect("a report")
}

/// A guard that cannot be pleased: its targets are the outputs at the parameters, so that every step
/// makes it worse.
fn displeased<M: Subject + Guarded>(method: M, retries: u16) {
    let world = World::gaussian();
    // After the same steps the outputs are the same.
    let pleased = warmed(&world, method, |trainer, world| world.pleased(trainer)).lasting();
    let report = leaves_no_trace(
        &world,
        method,
        |trainer, _| trainer.hold_out(pleased.batch()).expect("idle"),
        |trainer| trainer.hold_out(Batch::empty()).expect("idle"),
    );
    let solve = report.solve.expect("a solve");
    assert_eq!(solve.attempts, 1 + retries);
}

#[test]
fn a_step_that_makes_the_guard_worse_leaves_no_trace() {
    for retries in [0, 3] {
        let (mut natural, mut backtracking) = (Natural::default(), scheduled());
        (natural.retries, backtracking.retries) = (retries, retries);
        displeased(natural, retries);
        displeased(backtracking, retries);
    }
}

/// A search in a subspace has no other attempt.
#[test]
fn a_search_that_makes_the_guard_worse_leaves_no_trace() {
    let world = World::gaussian();
    let method = Descent::default();
    let pleased = warmed(&world, method, |trainer, world| world.pleased(trainer)).lasting();
    let report = leaves_no_trace(
        &world,
        method,
        |trainer, _| trainer.hold_out(pleased.batch()).expect("idle"),
        |trainer| trainer.hold_out(Batch::empty()).expect("idle"),
    );
    assert_eq!((report.solve, report.loss_after), (None, None));
}

/// A basis that the metric makes overflow, and a search that ends before its first good point.
#[test]
fn a_subspace_without_a_better_point_leaves_no_trace() {
    let world = World::gaussian();
    // All but the whole of what a straight line promises, which no loss that bends upwards keeps.
    let report = leaves_no_trace(
        &world,
        Descent::default(),
        |trainer, _| {
            let search = &mut trainer.method_mut().expect("idle").search;
            (search.slope, search.halvings) = (0.999, 2);
        },
        |trainer| trainer.method_mut().expect("idle").search = Descent::default().search,
    );
    assert_eq!(report.loss_after, None);
}

/// Gradients that depend on one another, those of two batches at one θ, and a λ below their rounding.
#[test]
fn a_damping_below_rounding_leaves_no_trace() {
    fn check<V: Moment + core::fmt::Debug, const K: usize, const B: usize>(
        method: Tonga<f32, K, B, V>,
    ) {
        let world = World::gaussian();
        let mut method = method;
        method.rate = 1e-30;
        let report = leaves_no_trace(
            &world,
            method,
            |trainer, _| trainer.method_mut().expect("idle").damping = 1e-12,
            |trainer| trainer.method_mut().expect("idle").damping = 1.0,
        );
        assert_eq!((report.solve, report.loss_after), (None, None));
    }
    check(tonga());
    check(centred());
}

/// Steps so long that the loss overflows, however strong the damping.
#[test]
fn a_step_without_a_finite_trial_leaves_no_trace() {
    let world = World::gaussian();
    let acceptances = [
        Acceptance::Unchecked,
        Acceptance::Finite,
        Acceptance::Decrease,
    ];
    for acceptance in acceptances {
        for retries in [0, 2] {
            let mut method = Natural::default();
            (method.acceptance, method.retries) = (acceptance, retries);
            // λ may have fallen to two thirds, and to four ninths.
            let start = warmed(&world, method, |trainer, _| trainer.state().damping);
            let far = |trainer: &mut Learner<'_, Natural>, rate| {
                trainer.method_mut().expect("idle").rate = rate;
            };
            let report = leaves_no_trace(&world, method, |t, _| far(t, 1e30), |t| far(t, 1.0));
            let solve = report.solve.expect("a solve");
            assert_eq!(solve.attempts, 1 + retries);
            let raised = if retries == 0 { 1.0 } else { 16.0 };
            assert_eq!(solve.damping, start * raised, "of the last attempt");
        }
    }
    let search = |trainer: &mut Learner<'_, _>, rate, line_search| {
        let method: &mut crate::setup::Backtracking = trainer.method_mut().expect("idle");
        (method.rate, method.line_search) = (rate, line_search);
    };
    leaves_no_trace(
        &world,
        scheduled(),
        |t, _| search(t, 1e30, LineSearch::backtracking()),
        |t| search(t, 1.0, LineSearch::Fixed),
    );
}

/// At the ceiling there is no stronger λ: the first failure is the last.
#[test]
fn the_ceiling_ends_the_attempts() {
    let world = World::gaussian();
    let mut method = Natural::default();
    method.damping.ceiling = 5.0;
    method.damping.policy = DampingPolicy::Constant;
    method.rate = 1e30;
    world.with(method, |trainer, world| {
        let report = trainer
            .step(world.batch(), Metric::Same)
            .expect("an outcome");
        let solve = report.solve.expect("a solve");
        assert_eq!(report.outcome, Outcome::Rejected);
        assert_eq!((solve.attempts, solve.damping), (3, 5.0), "1, 4, 5");
    });
}

/// Failed attempts make λ stronger within the step, and what is committed follows from the last one.
#[test]
fn a_step_may_need_more_than_one_attempt() {
    let mut several = 0;
    for likelihood in LIKELIHOODS {
        for rate in [1.0, 3.0, 10.0, 30.0, 100.0] {
            let mut method = Natural {
                rate,
                ..Natural::default()
            };
            method.trust.logit = f32::INFINITY;
            method.damping.policy = DampingPolicy::LevenbergMarquardt {
                ratio: natgrad::damping::Ratio::Quadratic,
                low: -1e30,
                high: 1e30,
                raise: 1.5,
                lower: 0.5,
            };
            method.damping.initial = 0.01;
            World::new(likelihood).with(method, |trainer, world| {
                let mut trials = Vec::new();
                let report = trainer
                    .step_with(world.batch(), Metric::Same, &mut |progress| {
                        if let Progress::Trial {
                            damping, accepted, ..
                        } = *progress
                        {
                            trials.push((damping, accepted));
                        }
                    })
                    .expect("an outcome");
                let solve = report.solve.expect("a solve");
                let mut strength = 0.01;
                for (attempt, trial) in (1..).zip(&trials) {
                    let last = attempt == solve.attempts;
                    let accepted = last && report.outcome == Outcome::Accepted;
                    assert_eq!(*trial, (strength, accepted), "{trials:?}");
                    strength *= 4.0;
                }
                assert_eq!(trials.len(), usize::from(solve.attempts));
                if report.outcome == Outcome::Accepted {
                    assert_eq!(trainer.state().damping, solve.damping);
                    several += usize::from(solve.attempts > 1);
                } else {
                    assert_eq!(trainer.state().damping, 0.01);
                }
            });
        }
    }
    assert!(several > 2, "{several} steps in several attempts");
}

fn nowhere_to_go<M: Subject>(method: M) {
    // Targets that are the outputs: no residual, no gradient.
    let world = World::gaussian();
    let expected = warmed(&world, method, continuation);
    let pleased = warmed(&world, method, |trainer, world| world.pleased(trainer)).lasting();
    for entry in Entry::ALL {
        let found = warmed(&world, method, |trainer, world| {
            let before = snapshot(trainer);
            let report = entry
                .run(trainer, pleased.batch(), Metric::Same)
                .expect("an outcome");
            assert_eq!(report.outcome, Outcome::Stationary);
            assert_eq!((report.loss, report.gradient_norm), (0.0, 0.0));
            assert!(report.solve.is_none() && report.loss_after.is_none());
            assert_eq!(snapshot(trainer), before);
            continuation(trainer, world)
        });
        assert_eq!(found, expected, "{entry:?}");
    }
}

#[test]
fn nowhere_to_go_is_stationary() {
    nowhere_to_go(Natural::default());
    nowhere_to_go(scheduled());
    nowhere_to_go(Descent::default());
    nowhere_to_go(Exact::default());
    nowhere_to_go(ExactInIdentity::default());
    nowhere_to_go(OnAnyMetric::default());
    nowhere_to_go(OnAnyMetricInIdentity::default());
}
