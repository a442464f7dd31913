//! Steps that fail: on data that cannot be used, on numbers that overflow.

use natgrad::data::{Batch, DataError, Metric, Targets};
use natgrad::optimizer::{Adam, Method, NaturalGradient, Outcome};
use natgrad::{Error, Likelihood, Trainer};
use proptest::prelude::*;

use crate::setup::{
    EXAMPLES, Learner, Natural, World, bits, continuation, for_every_method, plain, sliced,
    to_ready, warmed,
};

/// A spoilt world: what is wrong with it, and the error that says so.
fn spoilt(likelihood: Likelihood) -> Vec<(World, DataError)> {
    let good = World::new(likelihood);
    let mut cases = Vec::new();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut world = good.clone();
        world.inputs[3 * 6 + 2] = bad;
        let error = DataError::Input {
            example: 6,
            feature: 2,
        };
        cases.push((world, error));
    }
    let mut target = |spoil: &dyn Fn(&mut World)| {
        let mut world = good.clone();
        spoil(&mut world);
        cases.push((world, DataError::Target { example: 4 }));
    };
    match likelihood {
        Likelihood::Gaussian => {
            target(&|world| world.values[9] = f32::NAN);
            target(&|world| world.values[8] = f32::INFINITY);
        }
        Likelihood::Bernoulli => {
            target(&|world| world.values[9] = 2.0);
            target(&|world| world.values[8] = -0.1);
            target(&|world| world.values[8] = f32::NAN);
        }
        Likelihood::Categorical => {
            target(&|world| world.classes[4] = 2);
            target(&|world| world.classes[4] = u16::MAX);
        }
    }
    cases
}

const LIKELIHOODS: [Likelihood; 3] = [
    Likelihood::Gaussian,
    Likelihood::Bernoulli,
    Likelihood::Categorical,
];

fn a_bad_example_changes_nothing<M: Method<f32> + Copy>(method: M) {
    for likelihood in LIKELIHOODS {
        let good = World::new(likelihood);
        let expected = warmed(&good, method, continuation);
        for (bad, error) in spoilt(likelihood) {
            let error = Error::Data(error);
            let found = warmed(&good, method, |trainer, good| {
                let refused = trainer.step(bad.batch(), Metric::Same);
                assert_eq!(refused, Err(error));
                let refused = sliced(trainer, bad.batch(), Metric::Same);
                assert_eq!(refused, Err(error));
                assert_eq!(trainer.advance(), Err(Error::Idle), "the step is over");
                continuation(trainer, good)
            });
            assert_eq!(found, expected, "{error}");
        }
    }
}

#[test]
fn a_step_over_a_bad_example_leaves_no_trace() {
    for_every_method!(a_bad_example_changes_nothing);
}

#[test]
fn a_metric_or_a_guard_with_a_bad_example_is_refused() {
    for likelihood in LIKELIHOODS {
        let good = World::new(likelihood);
        let expected = warmed(&good, Natural::default(), continuation);
        for (bad, error) in spoilt(likelihood) {
            let found = warmed(&good, Natural::default(), |trainer, good| {
                let metric = trainer.step(good.batch(), Metric::On(bad.batch()));
                if matches!(error, DataError::Input { .. }) {
                    assert_eq!(metric, Err(Error::Data(error)));
                    let cut = sliced(trainer, good.batch(), Metric::On(bad.batch()));
                    assert_eq!(cut, Err(Error::Data(error)));
                    continuation(trainer, good)
                } else {
                    assert!(metric.is_ok(), "the metric does not look at targets");
                    expected.clone()
                }
            });
            assert_eq!(found, expected, "{error}");

            // The guard needs its targets.
            let (mut params, mut workspace) = (good.params.clone(), good.workspace::<Natural>());
            let mut trainer =
                Learner::new(&good.plan, &mut params, &mut workspace, Natural::default())
                    .expect("a trainer");
            trainer.hold_out(bad.batch()).expect("the shape is right");
            let refused = trainer.step(good.batch(), Metric::Same);
            assert_eq!(refused, Err(Error::Data(error)));
            assert_eq!(bits(trainer.params()), bits(&good.params));
        }
    }
}

#[test]
fn batches_that_are_none_are_refused() {
    let world = World::new(Likelihood::Categorical);
    let gaussian = World::gaussian();
    let inputs = world.inputs.as_slice();
    let zeros = [0.0_f32; EXAMPLES];
    let mut negative = [1.0_f32; EXAMPLES];
    negative[3] = -1.0;
    let mut broken = [1.0_f32; EXAMPLES];
    broken[3] = f32::NAN;
    let uneven = [0.4_f32; 2 * EXAMPLES];
    let cases = [
        (&world, Batch::unlabelled(inputs), DataError::Unlabelled),
        (&world, Batch::empty(), DataError::Unlabelled),
        (
            &gaussian,
            Batch::labelled(inputs, &world.classes),
            DataError::ClassesWithoutCategories,
        ),
        (&world, world.batch().weighted(&zeros), DataError::Empty),
        (
            &world,
            world.batch().weighted(&negative),
            DataError::Weight { example: 3 },
        ),
        (
            &world,
            world.batch().weighted(&broken),
            DataError::Weight { example: 3 },
        ),
        (
            &world,
            Batch::new(inputs, uneven.as_slice()),
            DataError::Target { example: 0 },
        ),
        (
            &world,
            Batch::new(&inputs[..0], Targets::Classes(&[])),
            DataError::Empty,
        ),
    ];
    for (world, batch, error) in cases {
        world.with(Natural::default(), |trainer, world| {
            let found = [
                trainer.step(batch, Metric::Same),
                sliced(trainer, batch, Metric::Same),
            ];
            for found in found {
                // An empty batch has no targets to miss.
                let empty = found == Err(Error::Data(DataError::Empty)) && batch.is_empty();
                assert!(
                    found == Err(Error::Data(error)) || empty,
                    "{found:?}, not {error}"
                );
            }
            assert_eq!(bits(trainer.params()), bits(&world.params));
        });
    }
}

#[test]
fn examples_of_weight_zero_may_hold_anything() {
    for likelihood in LIKELIHOODS {
        let world = World::new(likelihood);
        let mut spoilt = world.clone();
        spoilt.inputs[3 * 8] = f32::NAN;
        spoilt.inputs[3 * 9 + 1] = f32::INFINITY;
        spoilt.values[2 * 8] = f32::NAN;
        spoilt.classes[9] = 77;
        let mut weights = [1.0; EXAMPLES];
        (weights[8], weights[9]) = (0.0, 0.0);
        let run = |batch: Batch<'_, f32>| {
            world.with(Natural::default(), |trainer, _| {
                for _ in 0..4 {
                    trainer.step(batch, Metric::Same).expect("a good step");
                    sliced(trainer, batch, Metric::Same).expect("a good step");
                }
                bits(trainer.params())
            })
        };
        assert_eq!(
            run(spoilt.batch().weighted(&weights)),
            run(world.leading(8))
        );
    }
}

#[test]
fn a_loss_that_overflows_is_no_step() {
    fn check<M: Method<f32> + Copy>(method: M) {
        let world = World::gaussian();
        let huge = [3e38_f32; 2 * EXAMPLES];
        let expected = warmed(&world, method, continuation);
        let found = warmed(&world, method, |trainer, world| {
            let batch = Batch::new(world.inputs.as_slice(), huge.as_slice());
            assert_eq!(trainer.step(batch, Metric::Same), Err(Error::NonFinite));
            assert_eq!(sliced(trainer, batch, Metric::Same), Err(Error::NonFinite));
            continuation(trainer, world)
        });
        assert_eq!(found, expected);
    }
    for_every_method!(check);
}

#[test]
fn an_update_that_overflows_is_not_committed() {
    let world = World::gaussian();
    let mut sgd = plain();
    sgd.rate = f32::MAX;
    world.with(sgd, |trainer, world| {
        let big: Vec<f32> = world.values.iter().map(|v| v * 1e6).collect();
        let batch = Batch::new(world.inputs.as_slice(), big.as_slice());
        let refused = trainer.step(batch, Metric::Same);
        assert_eq!(refused, Err(Error::NonFiniteUpdate));
        assert_eq!(
            sliced(trainer, batch, Metric::Same),
            Err(Error::NonFiniteUpdate)
        );
        assert_eq!(bits(trainer.params()), bits(&world.params));
        trainer.method_mut().expect("idle").rate = 0.1;
        trainer.step(world.batch(), Metric::Same).expect("a step");
    });
    let expected = world.with(Adam::new(0.01), continuation);
    let found = world.with(Adam::new(f32::MAX), |trainer, world| {
        let refused = trainer.step(world.batch(), Metric::Same);
        assert_eq!(refused, Err(Error::NonFiniteUpdate));
        trainer.method_mut().expect("idle").rate = 0.01;
        continuation(trainer, world)
    });
    assert_eq!(found, expected, "Adam's powers or moments have moved");
}

#[test]
fn parameters_that_are_not_finite_are_refused() {
    let world = World::gaussian();
    for bad in [f32::NAN, f32::INFINITY] {
        let (mut params, mut workspace) = (world.params.clone(), world.workspace::<Natural>());
        params[3] = bad;
        let trainer = Trainer::<f32, Natural, 4>::new(
            &world.plan,
            &mut params,
            &mut workspace,
            Natural::default(),
        );
        assert_eq!(trainer.map(|_| ()), Err(Error::NonFinite));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the settings and the scale of the data: no NaN in the weights.
    #[test]
    fn parameters_stay_finite(
        (input, target) in (-20.0..20.0_f32, -20.0..20.0_f32),
        (rate, damping) in (-10.0..20.0_f32, -10.0..3.0_f32),
        (finite, categorical, adam) in any::<(bool, bool, bool)>(),
    ) {
        fn run<M: Method<f32>>(world: &World, method: M) -> Result<(), TestCaseError> {
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
        let likelihood = if categorical { Likelihood::Categorical } else { Likelihood::Gaussian };
        let mut world = World::new(likelihood);
        let (input, target) = (10.0_f32.powf(input), 10.0_f32.powf(target));
        world.inputs.iter_mut().for_each(|x| *x *= input);
        if !categorical {
            world.values.iter_mut().for_each(|t| *t *= target);
        }
        if adam {
            run(&world, Adam::new(10.0_f32.powf(rate)))?;
        } else {
            let mut method: Natural = NaturalGradient::default();
            method.rate = 10.0_f32.powf(rate);
            method.damping.floor = 1e-10;
            method.damping.value = 10.0_f32.powf(damping);
            if finite {
                method.acceptance = natgrad::optimizer::Acceptance::Finite;
            }
            run(&world, method)?;
        }
    }
}

#[test]
fn garbage_in_the_workspace_changes_nothing() {
    fn check<M: Method<f32> + Copy>(method: M) {
        let world = World::new(Likelihood::Categorical);
        let expected = world.with(method, continuation);
        for garbage in [f32::NAN, 7.5] {
            let mut params = world.params.clone();
            let mut workspace = world.workspace::<M>();
            workspace.extend([0.0; 100]);
            workspace.fill(garbage);
            let mut trainer =
                Learner::new(&world.plan, &mut params, &mut workspace, method).expect("a trainer");
            trainer.begin(world.batch(), Metric::Same).expect("room");
            to_ready(&mut trainer).expect("a step");
            trainer.abandon();
            assert_eq!(continuation(&mut trainer, &world), expected);
        }
    }
    for_every_method!(check);
}
