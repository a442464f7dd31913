//! What must not change a bit of a step in output space nor of what it reports, where λ is so small that factorisations
//! fail: the tile, and examples of weight 0. Both move the rows of the system, whose pivots are told from rounding.

use core::cell::Cell;

use natgrad::damping::Damping;
use natgrad::damping::Tikhonov;
use natgrad::optimizer::{
    DualMetric, Gram, Inverse, Kronecker, Momentum, Outcome, Progress, PushThrough, Report,
    Woodbury,
};
use natgrad::{Likelihood, Metric, Room, Trainer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use super::gram::EXAMPLES;
use super::strategies::{Case, Draw, Labels, Shape, Tile, activations, config, regimes};
use super::subject::{Subject, with_tile};

/// A case of which about two in five examples have no weight, and a λ that `f32` has no digits for.
fn cases() -> impl Strategy<Value = (Case, f32)> {
    let likelihoods = prop_oneof![Just(Likelihood::Gaussian), Just(Likelihood::Categorical)];
    let shapes = (
        vec(1..=8_usize, 2..=4),
        activations(),
        likelihoods,
        4..=EXAMPLES,
    );
    (shapes, regimes(), any::<u64>(), 5.0..7.0_f32).prop_map(
        |((mut widths, activation, likelihood, batch), regime, seed, digits)| {
            if let (Likelihood::Categorical, Some(last)) = (likelihood, widths.last_mut()) {
                *last = (*last).max(2);
            }
            let mut case = Case::new(Shape {
                widths,
                activation,
                likelihood,
                batch,
                tile: Tile::One,
                regime,
                labels: Labels::Classes,
                weighted: true,
                seed,
            });
            let mut draw = Draw::new(!seed);
            for weight in &mut case.examples.weights {
                let zero = draw.below(5) < 2;
                *weight = if zero { 0.0 } else { 1.6 + draw.number(1.5) };
            }
            case.examples.weights[draw.below(batch)] = 1.0;
            (case, 10_f32.powf(-digits))
        },
    )
}

/// What some steps leave behind.
#[derive(Debug, PartialEq)]
struct Trace {
    params: Vec<u32>,
    /// All of the reports but what was spent, with as many digits as tell a number from its neighbours.
    told: Vec<String>,
}

/// Some steps from the start, and whether a factorisation has failed in one.
fn trace<D: DualMetric, I: Inverse>(case: &Case, damping: f32, tile: Tile) -> (Trace, bool) {
    type Method<D, I> = Gram<f32, EXAMPLES, D, Momentum, I>;
    type Learner<'a, D, I, const TILE: usize> = Trainer<'a, f32, Method<D, I>, TILE>;
    let subject = Subject::<f32>::new(case);
    let defaults = Method::<D, I>::default();
    let method = Gram {
        damping: Damping {
            initial: damping,
            floor: damping,
            ..defaults.damping
        },
        ..defaults
    };
    let mut params = subject.params.clone();
    let (mut told, mut failed) = (Vec::new(), false);
    with_tile!(tile, TILE => {
        let len = Learner::<D, I, TILE>::workspace_len(&subject.model(), Room::NONE);
        let mut workspace = vec![f32::NAN; len];
        let trainer =
            Learner::<D, I, TILE>::new(subject.model(), &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        for _ in 0..3 {
            let mut solves = 0;
            let report = trainer.step_with(subject.batch(), Metric::Same, &mut |progress| {
                solves += u16::from(matches!(progress, Progress::Solved { .. }));
            });
            let report = report.map(|report| Report { macs: 0, ..report });
            if let Ok(Report { outcome, solve: Some(solve), .. }) = &report {
                // An attempt that comes to no d.
                failed |= solves < solve.attempts && *outcome != Outcome::Stationary;
            }
            told.push(format!("{report:?}"));
        }
    });
    let params = params.into_iter().map(f32::to_bits).collect();
    (Trace { params, told }, failed)
}

/// Whether a factorisation has failed.
fn same_bits<D: DualMetric, I: Inverse>(case: &Case, damping: f32) -> Result<bool, TestCaseError> {
    let (first, failed) = trace::<D, I>(case, damping, Tile::One);
    let fewer = case.of_weight();
    for tile in [Tile::One, Tile::Four, Tile::Sixteen] {
        let (found, _) = trace::<D, I>(case, damping, tile);
        prop_assert_eq!(&found, &first, "{:?}", tile);
        let (found, _) = trace::<D, I>(&fewer, damping, tile);
        prop_assert_eq!(&found, &first, "without examples of weight 0, {:?}", tile);
    }
    Ok(failed)
}

#[test]
fn neither_tiles_nor_examples_of_weight_0_change_a_bit_where_factorisations_fail() {
    if cfg!(feature = "fma") {
        // The bits are those of a tile then.
        return;
    }
    let config = config();
    let cases_run = config.cases;
    let failures = Cell::new(0);
    let outcome = TestRunner::new(config).run(&cases(), |(case, damping)| {
        let failed = [
            same_bits::<Kronecker, PushThrough>(&case, damping)?,
            same_bits::<Tikhonov, PushThrough>(&case, damping)?,
            same_bits::<Kronecker, Woodbury>(&case, damping)?,
            same_bits::<Tikhonov, Woodbury>(&case, damping)?,
        ];
        failures.set(failures.get() + u32::from(failed.contains(&true)));
        Ok(())
    });
    if let Err(TestError::Fail(reason, case)) = &outcome {
        panic!("{reason}: {case:?}");
    }
    outcome.expect("cases");
    assert!(
        failures.get() > cases_run / 8,
        "factorisations fail in {} of {cases_run} cases",
        failures.get()
    );
}
