//! What an observer sees, and what the report says.

use natgrad::Likelihood;
use natgrad::data::Metric;
use natgrad::krylov::Status;
use natgrad::line_search::LineSearch;
use natgrad::optimizer::{Guarded, Outcome, Progress, Report};

use crate::setup::{
    Descent, Entry, LIKELIHOODS, Learner, Natural, Subject, World, for_every_method, scheduled,
};

/// A step, and all that it has told.
fn observed<M: Subject>(
    trainer: &mut Learner<'_, M>,
    world: &World,
) -> (Report<f32>, Vec<Progress<f32>>) {
    let mut seen = Vec::new();
    let report = trainer.step_with(world.batch(), Metric::Same, &mut |progress| {
        seen.push(*progress);
    });
    (report.expect("an outcome"), seen)
}

/// One attempt of natural gradient, as it has been seen.
struct Attempt {
    /// φ of its iterations.
    phi: Vec<f32>,
    /// λ.
    damping: f32,
    status: Status,
    /// (α, loss, ratio, accepted) of its trials.
    trials: Vec<(f32, f32, f32, bool)>,
}

/// Reads what the observer has seen: the gradient, attempts in their order, ready.
fn attempts(report: &Report<f32>, seen: &[Progress<f32>]) -> Vec<Attempt> {
    let Some((Progress::Gradient { loss, norm }, seen)) = seen.split_first() else {
        panic!("the gradient comes first: {seen:?}");
    };
    assert_eq!((*loss, *norm), (report.loss, report.gradient_norm));
    let Some((Progress::Ready, seen)) = seen.split_last() else {
        panic!("ready comes last: {seen:?}");
    };
    let mut attempts: Vec<Attempt> = Vec::new();
    let (mut phi, mut count, mut strength) = (Vec::new(), 0, None);
    for progress in seen {
        match *progress {
            Progress::Iteration { iteration, damping } => {
                assert_eq!(iteration.count, count + 1, "counts rise by one");
                // At the end by less than its rounding.
                assert!(
                    iteration.phi <= phi.last().copied().unwrap_or(0.0),
                    "φ rises"
                );
                assert!(iteration.phi < 0.0);
                assert!(iteration.residual >= 0.0);
                assert!(strength.is_none_or(|strength| strength == damping));
                phi.push(iteration.phi);
                (count, strength) = (iteration.count, Some(damping));
            }
            Progress::Solved { solve, damping } => {
                assert!(strength.is_none_or(|strength| strength == damping));
                // The last iteration may come without a message of its own.
                assert!(solve.last.count == count || solve.last.count == count + 1);
                attempts.push(Attempt {
                    phi: core::mem::take(&mut phi),
                    damping,
                    status: solve.status,
                    trials: Vec::new(),
                });
                if report.solve.is_some_and(|last| last.damping == damping) {
                    assert_eq!(report.solve.expect("a solve").solve, solve);
                }
                (count, strength) = (0, None);
            }
            Progress::Trial {
                rate,
                loss,
                ratio,
                damping,
                accepted,
            } => {
                let attempt = attempts.last_mut().expect("a solve comes first");
                assert!(phi.is_empty(), "a trial in the middle of a solve");
                assert_eq!(damping, attempt.damping);
                attempt.trials.push((rate, loss, ratio, accepted));
            }
            Progress::Working | Progress::Gradient { .. } | Progress::Ready => {
                panic!("out of order: {seen:?}");
            }
        }
    }
    assert!(phi.is_empty(), "iterations without an end");
    attempts
}

fn the_report_is_what_was_seen<M: Subject>(method: M) {
    for likelihood in LIKELIHOODS {
        World::new(likelihood).with(method, |trainer, world| {
            let (report, seen) = observed(trainer, world);
            let solve = report.solve.expect("a solve");
            let attempts = attempts(&report, &seen);
            let [attempt] = attempts.as_slice() else {
                panic!("not one attempt: {seen:?}");
            };
            assert_eq!(
                (attempt.status, attempt.damping),
                (solve.solve.status, solve.damping)
            );
            assert_eq!(attempt.damping, 1.0);
            assert!(matches!(
                attempt.status,
                Status::Progress | Status::Residual | Status::Limit
            ));
            assert!(attempt.phi.len() > 4 && attempt.phi[4] < attempt.phi[0]);
            let [(rate, loss, ratio, true)] = attempt.trials[..] else {
                panic!("not one trial: {seen:?}");
            };
            assert_eq!((rate, Some(ratio)), (solve.rate, solve.ratio));
            assert_eq!(Some(loss), report.loss_after);
            assert_eq!(trainer.loss(world.batch()), Ok(loss));
            assert_eq!((report.outcome, solve.attempts), (Outcome::Accepted, 1));
        });
    }
}

#[test]
fn the_observer_sees_what_the_report_says() {
    the_report_is_what_was_seen(Natural::default());
    the_report_is_what_was_seen(scheduled());
}

#[test]
fn the_observer_sees_failed_attempts() {
    let mut method = Natural::default();
    (method.rate, method.retries) = (1e30, 3);
    World::gaussian().with(method, |trainer, world| {
        let (report, seen) = observed(trainer, world);
        let attempts = attempts(&report, &seen);
        let dampings: Vec<f32> = attempts.iter().map(|a| a.damping).collect();
        assert_eq!(dampings, [1.0, 4.0, 16.0, 64.0]);
        for attempt in &attempts {
            let [(rate, loss, ratio, false)] = attempt.trials[..] else {
                panic!("not one failed trial: {seen:?}");
            };
            assert!(rate == 1e30 && !loss.is_finite() && !ratio.is_finite());
        }
        let solve = report.solve.expect("a solve");
        assert_eq!((solve.attempts, solve.damping), (4, 64.0));
        assert_eq!(report.outcome, Outcome::Rejected);
        assert_eq!((report.loss_after, solve.ratio), (None, None));
    });
}

#[test]
fn the_observer_sees_every_trial_of_a_line_search() {
    let method = Natural {
        line_search: LineSearch::Backtracking {
            slope: 0.01,
            shrink: 0.5,
            tries: 60,
        },
        rate: 64.0,
        ..Natural::default()
    };
    World::gaussian().with(method, |trainer, world| {
        let (report, seen) = observed(trainer, world);
        let attempts = attempts(&report, &seen);
        let [attempt] = attempts.as_slice() else {
            panic!("not one attempt: {seen:?}");
        };
        let (last, before) = attempt.trials.split_last().expect("trials");
        assert!(before.len() > 1, "{before:?}");
        let mut rate = 64.0;
        for trial in before {
            assert_eq!((trial.0, trial.3), (rate, false));
            rate *= 0.5;
        }
        assert_eq!((last.0, last.3), (rate, true));
        let solve = report.solve.expect("a solve");
        assert_eq!((solve.rate, solve.ratio), (rate, Some(last.2)));
        assert_eq!(report.loss_after, Some(last.1));
    });
}

/// A report of a step that has changed nothing does not speak of a loss after it that never was.
fn the_report_of_a_displeased_guard<M: Subject + Guarded>(method: M) {
    let world = World::gaussian();
    let pleased = world
        .with(method, |trainer, world| world.pleased(trainer))
        .lasting();
    world.with(method, |trainer, world| {
        trainer.hold_out(pleased.batch()).expect("idle");
        let (report, seen) = observed(trainer, world);
        assert_eq!(report.outcome, Outcome::Rejected);
        let attempts = attempts(&report, &seen);
        let solve = report.solve.expect("a solve");
        assert_eq!(attempts.len(), usize::from(solve.attempts));
        let last = attempts.last().expect("an attempt");
        assert_eq!(last.damping, solve.damping);
        if let Some(loss) = report.loss_after {
            assert_eq!(trainer.loss(world.batch()), Ok(loss), "{report:?}");
        }
    });
}

#[test]
fn a_rejected_step_reports_no_loss_after_it() {
    the_report_of_a_displeased_guard(Natural::default());
    the_report_of_a_displeased_guard(scheduled());
}

/// A search in a subspace tells of every trial: by which rate, and what it came to.
#[test]
fn the_observer_sees_every_trial_of_a_search() {
    let mut halved = 0;
    for likelihood in LIKELIHOODS {
        for seed in 0..10 {
            World::seeded(likelihood, seed).with(Descent::default(), |trainer, world| {
                for _ in 0..3 {
                    let (report, seen) = observed(trainer, world);
                    let (gradient, seen) = seen.split_first().expect("a gradient");
                    let (loss, norm) = (report.loss, report.gradient_norm);
                    assert_eq!(*gradient, Progress::Gradient { loss, norm });
                    let (ready, seen) = seen.split_last().expect("an end");
                    assert_eq!(*ready, Progress::Ready);
                    let (mut expected, mut best) = (1.0, report.loss);
                    for progress in seen {
                        let Progress::Trial {
                            rate,
                            loss,
                            ratio,
                            damping,
                            accepted,
                        } = *progress
                        else {
                            panic!("not a trial: {progress:?}");
                        };
                        assert_eq!((rate, damping), (expected, 0.0));
                        if accepted {
                            // By rounding alone it may not have fallen.
                            assert!(loss <= best && ratio >= 0.0);
                            (expected, best) = (1.0, loss);
                        } else {
                            assert!(ratio < 1e-3);
                            expected *= 0.5;
                            halved += 1;
                        }
                    }
                    if report.outcome == Outcome::Accepted {
                        assert_eq!(report.loss_after, Some(best));
                        assert_eq!(trainer.loss(world.batch()), Ok(best));
                    } else {
                        assert_eq!(report.loss_after, None);
                    }
                }
            });
        }
    }
    assert!(halved > 10, "{halved} halvings");
}

/// Slices tell what the observer of a whole step sees.
fn slices_tell_the_same<M: Subject>(method: M) {
    let world = World::new(Likelihood::Categorical);
    let (report, seen) = world.with(method, observed);
    for entry in [Entry::Copied, Entry::InPlace] {
        world.with(method, |trainer, world| {
            entry
                .begin(trainer, world.batch(), Metric::Same)
                .expect("room");
            let mut told = Vec::new();
            loop {
                let progress = trainer.advance().expect("a good step");
                if progress != Progress::Working {
                    told.push(progress);
                }
                if progress == Progress::Ready {
                    break;
                }
            }
            assert_eq!(told, seen);
            let found = trainer.finish().expect("a good step");
            // Copies take the room in which activations stay from product to product.
            let macs = match entry {
                Entry::Copied => report.macs.max(found.macs),
                _ => report.macs,
            };
            assert_eq!(found, Report { macs, ..report });
        });
    }
    let gradient = Progress::Gradient {
        loss: report.loss,
        norm: report.gradient_norm,
    };
    assert_eq!(seen.first(), Some(&gradient));
    assert_eq!(seen.last(), Some(&Progress::Ready));
    if report.solve.is_none() && report.loss_after.is_none() {
        assert_eq!(seen.len(), 2, "a step without trials has no more to tell");
    }
}

#[test]
fn slices_tell_what_the_observer_sees() {
    for_every_method!(slices_tell_the_same);
}
