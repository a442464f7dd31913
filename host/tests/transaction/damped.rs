//! λ: how each policy moves it, and its limits.

use natgrad::damping::{DampingPolicy, Ratio};
use natgrad::data::{Batch, Metric};
use natgrad::krylov::Cg;
use natgrad::line_search::{Decay, Trust};
use natgrad::optimizer::{Anchor, HeldOut, L2, NatSgd, NaturalGradient, Outcome, SolveReport};
use natgrad::{Activation, Likelihood, Mlp, Plan, Trainer};
use proptest::prelude::*;

use crate::setup::{Backtracking, LIKELIHOODS, Natural, TILE, World, scheduled};

const RAISE: f32 = 1.5;
const LOWER: f32 = 0.5;

fn marquardt(ratio: Ratio, low: f32, high: f32) -> DampingPolicy<f32> {
    DampingPolicy::LevenbergMarquardt {
        ratio,
        low,
        high,
        raise: RAISE,
        lower: LOWER,
    }
}

/// One step with a policy, and with what else `set` sets: its report, and the factor on λ.
macro_rules! factor {
    ($world:expr, $method:expr, $policy:expr) => {{
        let mut method = $method;
        method.damping.policy = $policy;
        $world.with(method, |trainer, world| {
            let report = trainer.step(world.batch(), Metric::Same).expect("a step");
            assert_eq!(report.outcome, Outcome::Accepted);
            let solve: SolveReport<f32> = report.solve.expect("a solve");
            (solve, trainer.state().damping / solve.damping)
        })
    }};
}

/// With the ratio of the step itself as a threshold: above, at and below it.
#[test]
fn levenberg_marquardt_follows_the_ratio() {
    macro_rules! check {
        ($method:expr) => {
            for world in LIKELIHOODS.map(World::new) {
                for ratio in [Ratio::Quadratic, Ratio::Linear] {
                    let policy = |low, high| marquardt(ratio, low, high);
                    let (solve, _) = factor!(world, $method, policy(0.0, 1.0));
                    let found = solve.ratio.expect("a ratio");
                    let (below, above) = (found.next_down(), found.next_up());
                    for (low, high, expected) in [
                        (below - 1.0, below, LOWER),
                        (below, below, LOWER),
                        (found, found, 1.0),
                        (below, above, 1.0),
                        (below, found, 1.0),
                        (found, above, 1.0),
                        (above, above, RAISE),
                        (above, above + 1.0, RAISE),
                    ] {
                        let (_, factor) = factor!(world, $method, policy(low, high));
                        assert_eq!(factor, expected, "{ratio:?} {found}: {low}, {high}");
                    }
                }
            }
        };
    }
    check!(Natural::default());
    check!(scheduled());
}

/// The slope and the length of a step of some tens of parameters in `f32`, from parameters that have been
/// rounded: a few hundred roundings of 6e-8, and the loss differences lose two digits.
const RATIO_TOLERANCE: f64 = 1e-3;

/// (L(θ + αd) − L(θ)) / (α g·d [+ ½ α² dᵀFd]), from the parameters before and after the step.
#[test]
fn the_ratio_is_the_actual_over_the_predicted_change() {
    for world in LIKELIHOODS.map(World::new) {
        let mut ratios = Vec::new();
        for kind in [Ratio::Quadratic, Ratio::Linear] {
            let mut method = Natural::default();
            method.damping.policy = marquardt(kind, 0.25, 0.75);
            method.rate = 0.7;
            world.with(method, |trainer, world| {
                let report = trainer.step(world.batch(), Metric::Same).expect("a step");
                let solve = report.solve.expect("a solve");
                let mut scratch = [0.0_f32; 999];
                let mut gradient = vec![0.0; world.params.len()];
                Mlp::<f32, TILE>::new(&world.plan, &world.params, &mut scratch)
                    .expect("room")
                    .gradient(&world.batch(), &mut gradient)
                    .expect("a gradient");
                let slope: f64 = trainer
                    .params()
                    .iter()
                    .zip(&world.params)
                    .zip(&gradient)
                    .map(|((&after, &before), &g)| {
                        (f64::from(after) - f64::from(before)) * f64::from(g)
                    })
                    .sum();
                let predicted = match kind {
                    Ratio::Linear => slope,
                    Ratio::Quadratic => slope + f64::from(solve.kl),
                };
                let after = report.loss_after.expect("a loss");
                let expected = (f64::from(after) - f64::from(report.loss)) / predicted;
                let found = f64::from(solve.ratio.expect("a ratio"));
                let error = (found - expected).abs();
                assert!(
                    error < RATIO_TOLERANCE * expected.abs(),
                    "{found}, not {expected}"
                );
                ratios.push(found);
            });
        }
        assert!(ratios[0] > 1.05 * ratios[1], "two definitions: {ratios:?}");
    }
}

/// A change below the rounding of the loss says nothing about λ.
#[test]
fn a_ratio_of_roundings_moves_nothing() {
    let world = World::gaussian();
    // No ratio is that good.
    for ratio in [Ratio::Quadratic, Ratio::Linear] {
        let policy = marquardt(ratio, 1e9, 1e9);
        let mut method = Natural::default();
        let (_, factor) = factor!(world, method, policy);
        assert_eq!(factor, RAISE);
        method.rate = 1e-9;
        let (_, factor) = factor!(world, method, policy);
        assert_eq!(factor, 1.0);
    }
}

#[test]
fn effort_follows_the_iterations() {
    let effort = |few, many| DampingPolicy::Effort {
        few,
        many,
        raise: RAISE,
        lower: LOWER,
    };
    for world in LIKELIHOODS.map(World::new) {
        let (solve, _) = factor!(world, Natural::default(), effort(1, 2));
        let count = solve.solve.last.count;
        assert!(count > 3);
        for (few, many, expected) in [
            (count + 1, count + 2, LOWER),
            (count, count, 1.0),
            (count - 1, count + 1, 1.0),
            (count - 1, count, 1.0),
            (count - 2, count - 1, RAISE),
        ] {
            let (_, factor) = factor!(world, Natural::default(), effort(few, many));
            assert_eq!(factor, expected, "{count} iterations: {few}, {many}");
        }
    }
}

/// Steps that are not taken do not count.
#[test]
fn a_schedule_counts_accepted_steps() {
    let mut method = Natural::default();
    method.damping.policy = DampingPolicy::Schedule {
        start: 2,
        every: 3,
        factor: 0.5,
    };
    World::new(Likelihood::Bernoulli).with(method, |trainer, world| {
        let mut expected = 1.0;
        for step in 0..12 {
            trainer.method_mut().expect("idle").rate = 1e30;
            let (trust, retries) = {
                let method = trainer.method_mut().expect("idle");
                let kept = (method.trust, method.retries);
                method.trust.logit = f32::INFINITY;
                method.retries = 0;
                kept
            };
            let report = trainer
                .step(world.batch(), Metric::Same)
                .expect("an outcome");
            assert_eq!(report.outcome, Outcome::Rejected);
            let method = trainer.method_mut().expect("idle");
            (method.rate, method.trust, method.retries) = (1.0, trust, retries);

            let report = trainer.step(world.batch(), Metric::Same).expect("a step");
            assert_eq!(report.outcome, Outcome::Accepted);
            let solve = report.solve.expect("a solve");
            assert_eq!(
                (solve.attempts, solve.damping),
                (1, expected),
                "step {step}"
            );
            if step >= 2 && (step - 2) % 3 == 0 {
                expected *= 0.5;
            }
            assert_eq!(trainer.state().damping, expected, "step {step}");
        }
    });
}

#[test]
fn a_constant_stays() {
    let mut method: Natural = NaturalGradient::default();
    method.damping.policy = DampingPolicy::Constant;
    method.damping.initial = 0.3;
    World::gaussian().with(method, |trainer, world| {
        for _ in 0..10 {
            trainer.step(world.batch(), Metric::Same).expect("a step");
            assert_eq!(trainer.state().damping, 0.3);
        }
    });
}

/// The authors' second way: λ follows the loss of another batch, every so many steps, and only there. The
/// ratio is that of the losses that the network itself has on it, over the step's own prediction.
#[test]
fn a_held_out_batch_judges_every_so_many_steps() {
    let mut method = crate::setup::nat_sgd();
    method.held_out = HeldOut::Judges { every: 3 };
    method.damping.initial = 1.0;
    let (mut raised, mut lowered, mut rose) = (0, 0, 0);
    // Another law, and the batch itself.
    for held_out in [
        World::seeded(Likelihood::Categorical, 77).lasting(),
        World::new(Likelihood::Categorical).lasting(),
    ] {
        World::new(Likelihood::Categorical).with(method, |trainer, world| {
            trainer.hold_out(held_out.batch()).expect("idle");
            for step in 0..30 {
                let damping = trainer.state().damping;
                let before = trainer.loss(held_out.batch()).expect("idle");
                let report = trainer.step(world.batch(), Metric::Same).expect("a step");
                assert_eq!(report.outcome, Outcome::Accepted);
                let factor = trainer.state().damping / damping;
                let solve = report.solve.expect("a solve");
                if step % 3 != 0 {
                    assert_eq!(factor, 1.0, "step {step}");
                    continue;
                }
                let after = trainer.loss(held_out.batch()).expect("idle");
                let ratio = solve.ratio.expect("a ratio");
                // The prediction is negative: a loss that rises is a negative ratio.
                assert_eq!(ratio < 0.0, after > before, "step {step}: {ratio}");
                let expected = if ratio > 0.75 {
                    2.0 / 3.0
                } else if ratio >= 0.25 {
                    1.0
                } else {
                    1.5
                };
                assert!(
                    (factor - expected).abs() < 1e-6,
                    "step {step}: {ratio}, {factor}"
                );
                raised += usize::from(expected > 1.0);
                lowered += usize::from(expected < 1.0);
                rose += usize::from(after > before);
            }
        });
    }
    assert!(
        raised > 0 && lowered > 0,
        "{raised} raised, {lowered} lowered"
    );
    assert!(
        rose > 0,
        "a batch that judges does not guard: its loss may rise"
    );
}

/// Where the model is exact, of a linear network with a Gaussian likelihood on the batch of the gradient itself, the ratio
/// is 1 with any L2 term: λ falls.
#[test]
fn a_held_out_batch_judges_with_the_l2_term_of_the_model() {
    let plan = Plan::new([3, 2], Activation::Tanh, Likelihood::Gaussian).expect("a plan");
    let world = World::gaussian();
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().copied().map(f64::from).collect() };
    let (inputs, targets) = (wide(&world.inputs), wide(&world.values));
    let batch = Batch::new(&*inputs, &*targets);
    for strength in [0.0, 0.1, 1.0, 10.0] {
        for anchor in [Anchor::Zero, Anchor::At(&[0.3; 8])] {
            let mut method = NatSgd::<f64, Cg>::nat_sgd();
            method.held_out = HeldOut::Judges { every: 1 };
            method.damping.initial = 1.0;
            method.damping.policy = DampingPolicy::LevenbergMarquardt {
                ratio: Ratio::Quadratic,
                low: 0.25,
                high: 0.75,
                raise: 1.5,
                lower: 2.0 / 3.0,
            };
            let (mut params, mut memory) = (
                [0.5_f64, -0.25, 1.0, 0.75, -1.0, 0.5, 0.25, -0.5],
                [0.0; 999],
            );
            let trainer =
                Trainer::<f64, NatSgd<f64, Cg>, 4>::new(&plan, &mut params, &mut memory, method);
            let mut trainer = trainer.expect("a trainer");
            trainer.regularise(L2 { strength, anchor }).expect("idle");
            trainer.hold_out(batch).expect("idle");
            for step in 0..3 {
                let damping = trainer.state().damping;
                let report = trainer.step(batch, Metric::Same).expect("a step");
                let ratio = report.solve.expect("a solve").ratio.expect("a ratio");
                assert!(
                    (ratio - 1.0).abs() < 1e-6,
                    "l2 = {strength}, step {step}: {ratio}"
                );
                let factor = trainer.state().damping / damping;
                assert!(
                    (factor - 2.0 / 3.0).abs() < 1e-9,
                    "l2 = {strength}: {factor}"
                );
            }
        }
    }
}

/// α step by step, as a power and as a quotient that are written down here.
#[test]
fn the_rate_decays() {
    let geometric = Decay::Geometric {
        start: 3,
        every: 4,
        factor: 0.5,
    };
    let harmonic = Decay::Harmonic { start: 3, scale: 4 };
    for (decay, expected) in [
        (Decay::Constant, [1.0; 12]),
        (
            geometric,
            [
                1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125,
            ],
        ),
        (
            harmonic,
            [
                1.0,
                1.0,
                1.0,
                1.0,
                4.0 / 5.0,
                4.0 / 6.0,
                4.0 / 7.0,
                4.0 / 8.0,
                4.0 / 9.0,
                4.0 / 10.0,
                4.0 / 11.0,
                4.0 / 12.0,
            ],
        ),
    ] {
        let mut method = crate::setup::nat_sgd();
        (method.rate, method.decay) = (0.25, decay);
        World::gaussian().with(method, |trainer, world| {
            for (step, expected) in expected.into_iter().enumerate() {
                let report = trainer.step(world.batch(), Metric::Same).expect("a step");
                let rate = report.solve.expect("a solve").rate;
                assert_eq!(rate, 0.25 * expected, "step {step} of {decay:?}");
            }
        });
    }
}

/// Where the outputs are saturated F is 0, and ½ α² dᵀFd is ∞ · 0 for a rate whose square overflows. The
/// loss falls, so the step is taken; the ratio is NaN, and counts as the worst.
#[test]
fn a_ratio_that_is_no_number_raises() {
    let plan = Plan::new([1, 1], Activation::Tanh, Likelihood::Bernoulli).expect("a plan");
    let mut method = scheduled();
    method.damping.policy = marquardt(Ratio::Quadratic, 0.25, 0.75);
    method.trust = Trust::unbounded();
    method.rate = 1e20;
    let (mut params, mut memory) = ([0.0_f32, -200.0], [0.0; 99]);
    let mut trainer = Trainer::<f32, Backtracking, 1>::new(&plan, &mut params, &mut memory, method)
        .expect("a trainer");
    let batch = Batch::new(&[1.0], &[1.0]);
    let report = trainer.step(batch, Metric::Same).expect("an outcome");
    assert_eq!(report.outcome, Outcome::Accepted, "{report:?}");
    let ratio = report.solve.expect("a solve").ratio.expect("a ratio");
    assert!(ratio.is_nan(), "{report:?}");
    assert_eq!(trainer.state().damping, RAISE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Under any policy λ keeps its limits, in a step and between two steps; the value that it is given
    /// may lie outside.
    #[test]
    fn damping_keeps_its_limits(
        (value, floor, span) in (-6.0..6.0_f32, -4.0..2.0_f32, 0.0..3.0_f32),
        policy in proptest::sample::select(vec![
            DampingPolicy::Constant,
            marquardt(Ratio::Quadratic, 0.25, 0.75),
            marquardt(Ratio::Linear, 0.25, 0.75),
            marquardt(Ratio::Linear, 1e9, 1e9),
            marquardt(Ratio::Quadratic, -1e9, -1e9),
            DampingPolicy::Effort { few: 5, many: 6, raise: 100.0, lower: 0.01 },
            DampingPolicy::Schedule { start: 1, every: 1, factor: 10.0 },
            DampingPolicy::Schedule { start: 0, every: 2, factor: 0.1 },
        ]),
        rate in 0.5..5.0_f32,
        seed in any::<u32>(),
    ) {
        let mut method = Natural::default();
        let (floor, ceiling) = (10.0_f32.powf(floor), 10.0_f32.powf(floor + span));
        (method.damping.floor, method.damping.ceiling) = (floor, ceiling);
        method.damping.initial = 10.0_f32.powf(value);
        method.damping.policy = policy;
        method.rate = rate;
        World::seeded(Likelihood::Bernoulli, seed).with(method, |trainer, world| {
            for _ in 0..12 {
                let given = trainer.state().damping;
                let report = trainer.step(world.batch(), Metric::Same).unwrap();
                let solve = report.solve.unwrap();
                prop_assert!(floor <= solve.damping && solve.damping <= ceiling, "{solve:?}");
                let first = given.clamp(floor, ceiling);
                prop_assert!(solve.damping >= first, "attempts make it stronger");
                prop_assert!(solve.attempts > 1 || solve.damping == first);
                let next = trainer.state().damping;
                if report.outcome == Outcome::Accepted {
                    prop_assert!(floor <= next && next <= ceiling, "{next}");
                } else {
                    prop_assert_eq!(next, given);
                }
            }
            Ok(())
        })?;
    }
}
