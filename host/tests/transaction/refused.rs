//! Steps over data that cannot be used.

use natgrad::data::{Batch, DataError, Metric, Samples, Targets};
use natgrad::optimizer::Guarded;
use natgrad::{Error, Likelihood, ShapeError};

use crate::setup::{
    Descent, EXAMPLES, Entry, LIKELIHOODS, Natural, OnAnyMetric, OnAnyMetricInIdentity, Subject,
    World, continuation, for_every_method, scheduled, snapshot, warmed,
};

/// Examples that cannot be used, and what is said of them as a batch, as a metric and as a guard.
struct Defect {
    batch: Batch<'static, f32>,
    as_batch: DataError,
    /// `None` where it does not matter.
    as_metric: Option<DataError>,
    as_guard: Option<DataError>,
}

fn everywhere(batch: Batch<'static, f32>, error: DataError) -> Defect {
    Defect {
        batch,
        as_batch: error,
        as_metric: Some(error),
        as_guard: Some(error),
    }
}

/// The metric looks at no target.
fn of_targets(batch: Batch<'static, f32>, error: DataError) -> Defect {
    Defect {
        batch,
        as_batch: error,
        as_metric: None,
        as_guard: Some(error),
    }
}

fn defects(likelihood: Likelihood) -> Vec<Defect> {
    let good = World::new(likelihood).lasting();
    let inputs = good.inputs.as_slice();
    let mut defects = Vec::new();

    let input = DataError::Input {
        example: 6,
        feature: 1,
    };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut world = good.clone();
        // The first one is named.
        for place in [3 * 6 + 1, 3 * 6 + 2, 3 * 8] {
            world.inputs[place] = bad;
        }
        defects.push(everywhere(world.lasting().batch(), input));
    }

    for bad in [-1.0, -1e-30, f32::NAN, f32::INFINITY] {
        let mut weights = [1.0; EXAMPLES];
        (weights[3], weights[5]) = (bad, bad);
        let weights: &'static [f32; EXAMPLES] = Box::leak(Box::new(weights));
        let error = DataError::Weight { example: 3 };
        defects.push(everywhere(good.batch().weighted(weights), error));
    }
    let unweighted = good.batch().weighted(&[0.0; EXAMPLES]);
    defects.push(everywhere(unweighted, DataError::Empty));
    defects.push(Defect {
        batch: good.leading(0),
        as_batch: DataError::Empty,
        as_metric: Some(DataError::Empty),
        // No guard.
        as_guard: None,
    });
    let unlabelled = Batch::unlabelled(inputs);
    defects.push(of_targets(unlabelled, DataError::Unlabelled));

    let target = DataError::Target { example: 4 };
    let mut values = |first: f32, second: f32| {
        let mut values = match likelihood {
            Likelihood::Categorical => [0.25, 0.75].repeat(EXAMPLES),
            _ => good.values.clone(),
        };
        (values[8], values[9]) = (first, second);
        let batch = Batch::new(inputs, &*values.leak());
        defects.push(of_targets(batch, target));
    };
    values(f32::NAN, 0.5);
    values(0.5, f32::NAN);
    values(f32::INFINITY, 0.5);
    if likelihood != Likelihood::Gaussian {
        values(2.0, 0.0);
        values(0.5, 2.0);
        values(-0.1, 1.0);
    }
    if likelihood == Likelihood::Categorical {
        values(0.5, 0.6);
        values(0.5, 0.4);
        values(1.5, -0.5);
        for class in [2, u16::MAX] {
            let mut world = good.clone();
            (world.classes[4], world.classes[7]) = (class, class);
            defects.push(of_targets(world.lasting().batch(), target));
        }
    } else {
        let labelled = Batch::labelled(inputs, &good.classes);
        defects.push(of_targets(labelled, DataError::ClassesWithoutCategories));
    }
    defects
}

fn a_bad_batch_changes_nothing<M: Subject>(method: M) {
    for likelihood in LIKELIHOODS {
        let good = World::new(likelihood);
        let expected = warmed(&good, method, continuation);
        for defect in defects(likelihood) {
            for entry in Entry::ALL {
                let found = warmed(&good, method, |trainer, good| {
                    let before = snapshot(trainer);
                    let refused = entry.run(trainer, defect.batch, Metric::Same);
                    assert_eq!(refused, Err(Error::Data(defect.as_batch)), "{entry:?}");
                    assert!(!trainer.is_busy());
                    assert_eq!(trainer.advance(), Err(Error::Idle), "the step is over");
                    assert_eq!(snapshot(trainer), before);
                    continuation(trainer, good)
                });
                assert_eq!(found, expected, "{entry:?}, {}", defect.as_batch);
            }
        }
    }
}

#[test]
fn a_step_over_a_bad_batch_leaves_no_trace() {
    for_every_method!(a_bad_batch_changes_nothing);
}

fn a_bad_metric_changes_nothing<M: Subject>(method: M) {
    for likelihood in LIKELIHOODS {
        let good = World::new(likelihood);
        let untouched = warmed(&good, method, continuation);
        let stepped = warmed(&good, method, |trainer, good| {
            let metric = Metric::On(good.batch());
            trainer.step(good.batch(), metric).expect("a good step");
            continuation(trainer, good)
        });
        for defect in defects(likelihood) {
            for entry in Entry::ALL {
                let found = warmed(&good, method, |trainer, good| {
                    let result = entry.run(trainer, good.batch(), Metric::On(defect.batch));
                    match defect.as_metric {
                        Some(error) => assert_eq!(result, Err(Error::Data(error)), "{entry:?}"),
                        None => assert!(result.is_ok(), "it looks at targets: {result:?}"),
                    }
                    assert!(!trainer.is_busy());
                    continuation(trainer, good)
                });
                let expected = match defect.as_metric {
                    Some(_) => &untouched,
                    None => &stepped,
                };
                assert_eq!(&found, expected, "{entry:?}, {}", defect.as_batch);
            }
        }
        let found = warmed(&good, method, |trainer, good| {
            let refused = trainer.step(good.batch(), Metric::Leading(0));
            assert_eq!(refused, Err(Error::Data(DataError::Empty)));
            continuation(trainer, good)
        });
        assert_eq!(found, untouched);
    }
}

fn a_bad_guard_changes_nothing<M: Subject + Guarded>(method: M) {
    for likelihood in LIKELIHOODS {
        let good = World::new(likelihood);
        let untouched = warmed(&good, method, continuation);
        for defect in defects(likelihood) {
            let Some(error) = defect.as_guard else {
                continue;
            };
            for entry in Entry::ALL {
                let found = warmed(&good, method, |trainer, good| {
                    trainer.hold_out(defect.batch).expect("the right shape");
                    let refused = entry.run(trainer, good.batch(), Metric::Same);
                    assert_eq!(refused, Err(Error::Data(error)), "{entry:?}");
                    assert!(!trainer.is_busy());
                    trainer.hold_out(Batch::empty()).expect("idle");
                    continuation(trainer, good)
                });
                assert_eq!(found, untouched, "{entry:?}, {error}");
            }
        }
    }
}

#[test]
fn a_step_over_a_bad_metric_leaves_no_trace() {
    a_bad_metric_changes_nothing(Natural::default());
    a_bad_metric_changes_nothing(scheduled());
    a_bad_metric_changes_nothing(Descent::default());
    a_bad_metric_changes_nothing(OnAnyMetric::default());
    a_bad_metric_changes_nothing(OnAnyMetricInIdentity::default());
}

#[test]
fn a_step_under_a_bad_guard_leaves_no_trace() {
    a_bad_guard_changes_nothing(Natural::default());
    a_bad_guard_changes_nothing(scheduled());
    a_bad_guard_changes_nothing(Descent::default());
}

fn no_examples_at_all<M: Subject>(method: M) {
    let world = World::gaussian();
    let expected = warmed(&world, method, continuation);
    for entry in Entry::ALL {
        let found = warmed(&world, method, |trainer, world| {
            let refused = entry.run(trainer, Batch::empty(), Metric::Same);
            // It has no targets either.
            assert!(
                matches!(
                    refused,
                    Err(Error::Data(DataError::Empty | DataError::Unlabelled))
                ),
                "{refused:?}"
            );
            continuation(trainer, world)
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_step_over_nothing_is_refused() {
    for_every_method!(no_examples_at_all);
}

/// The slice that does not fit is named, with the length that would.
#[test]
fn shapes_are_checked_at_the_door() {
    let world = World::new(Likelihood::Categorical).lasting();
    let inputs = world.inputs.as_slice();
    let raw: &'static [u8] = &[1; 3 * EXAMPLES];
    let cases = [
        (
            Batch::labelled(&inputs[1..], &world.classes),
            ("the inputs, as many for each example", 27, 29),
        ),
        (
            Batch::labelled(inputs, &world.classes[1..]),
            ("the classes", 10, 9),
        ),
        (
            Batch::new(inputs, &world.values[3..]),
            ("the targets", 20, 17),
        ),
        (
            world.batch().weighted(&[1.0; EXAMPLES + 1]),
            ("the weights", 10, 11),
        ),
        (
            Batch::new(
                Samples::new(raw, &[1.0; 2], &[0.0; 2]),
                Targets::Classes(&world.classes),
            ),
            ("the scale and offset of the samples", 3, 2),
        ),
    ];
    let expected = warmed(world, Natural::default(), continuation);
    for (batch, (what, expects, found)) in cases {
        let refused = Error::Shape(ShapeError {
            what,
            expected: expects,
            found,
        });
        let trace = warmed(world, Natural::default(), |trainer, good| {
            for entry in Entry::ALL {
                let result = entry.run(trainer, batch, Metric::Same);
                assert_eq!(result, Err(refused), "{entry:?}");
                let result = entry.run(trainer, good.batch(), Metric::On(batch));
                assert_eq!(result, Err(refused), "{entry:?}");
            }
            assert_eq!(trainer.hold_out(batch), Err(refused));
            continuation(trainer, good)
        });
        assert_eq!(trace, expected);
    }
}
