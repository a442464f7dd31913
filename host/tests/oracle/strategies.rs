//! Random cases: a network, its parameters, weighted examples, and directions.
//!
//! Shapes are drawn by proptest and shrink; the numbers come from a seed. Every number is an `f32`, so
//! that both precisions of the core and the oracle see the same case.

use core::fmt;

use natgrad::{Activation, Likelihood};
use natgrad_host::reference::{Examples, Reference};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// At least 256 cases, from a fixed seed unless `PROPTEST_RNG_SEED` gives another.
pub(crate) fn config() -> Config {
    let given = Config::default();
    Config {
        cases: given.cases.max(256),
        failure_persistence: None,
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(20_140_114),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        ..given
    }
}

/// How large a case may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) width: usize,
    pub(crate) params: usize,
    pub(crate) batch: usize,
}

/// For directional products.
pub(crate) const LARGE: Limits = Limits {
    width: 24,
    params: usize::MAX,
    batch: 40,
};

/// For dense metrics and dense solves.
pub(crate) const DENSE: Limits = Limits {
    width: 8,
    params: 300,
    batch: 8,
};

/// For dense Hessians, which cost P² passes.
pub(crate) const SMALL: Limits = Limits {
    width: 6,
    params: 60,
    batch: 6,
};

/// The number of examples that the core computes at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tile {
    One,
    Four,
    Sixteen,
}

/// How far the units are from linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// Pre-activations of order 1.
    Moderate,
    /// Pre-activations of order 10: flat units, one-sided predictions.
    Saturated,
}

/// The form of the targets, where the likelihood leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Class indices for a categorical likelihood; otherwise as `Hard`.
    Classes,
    /// One-hot, or 0 and 1.
    Hard,
    /// Distributions, or probabilities.
    Soft,
}

/// What a case is made from, and what is printed of it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) widths: Vec<usize>,
    pub(crate) activation: Activation,
    pub(crate) likelihood: Likelihood,
    pub(crate) batch: usize,
    pub(crate) tile: Tile,
    pub(crate) regime: Regime,
    pub(crate) labels: Labels,
    pub(crate) weighted: bool,
    pub(crate) seed: u64,
}

/// A network and everything that a pass or a product needs.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) network: Reference,
    pub(crate) params: Vec<f64>,
    pub(crate) examples: Examples,
    /// Where the core gets classes instead of distributions.
    pub(crate) classes: Option<Vec<u16>>,
    /// Two directions `[P]`.
    pub(crate) v: Vec<f64>,
    pub(crate) u: Vec<f64>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.fmt(f)
    }
}

/// Random numbers that an `f32` holds.
pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Uniform in (−`reach`, `reach`).
    pub(crate) fn number(&mut self, reach: f32) -> f64 {
        f64::from(self.0.random_range(-reach..reach))
    }

    pub(crate) fn vector(&mut self, len: usize, reach: f32) -> Vec<f64> {
        (0..len).map(|_| self.number(reach)).collect()
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }
}

/// Sixty-fourths: soft targets whose sum is exactly 1 in either precision.
const PARTS: u8 = 64;

impl Case {
    pub(crate) fn new(shape: Shape) -> Self {
        let mut draw = Draw::new(shape.seed);
        let network = Reference {
            widths: shape.widths.clone(),
            activation: shape.activation,
            likelihood: shape.likelihood,
        };
        let gain = match shape.regime {
            Regime::Moderate => 1.7,
            Regime::Saturated => 17.0,
        };
        let mut params = Vec::with_capacity(network.params());
        for layer in network.widths.windows(2) {
            let fan_in = f32::from(u16::try_from(layer[0]).expect("widths are small"));
            params.extend(draw.vector(layer[0] * layer[1], gain / fan_in.sqrt()));
            params.extend(draw.vector(layer[1], 0.5));
        }
        let (inputs, outputs) = (network.widths[0], network.logits());
        let mut examples = Examples::new(Vec::new(), Vec::new());
        let mut classes = Vec::new();
        for _ in 0..shape.batch {
            examples.inputs.push(draw.vector(inputs, 1.5));
            let target = target(&shape, outputs, &mut draw);
            let class = target.iter().position(|&t| t == 1.0).unwrap_or(0);
            classes.push(u16::try_from(class).expect("widths are small"));
            examples.targets.push(target);
        }
        examples.weights = vec![1.0; shape.batch];
        if shape.weighted {
            for weight in &mut examples.weights {
                let zero = draw.below(4) == 0;
                *weight = if zero { 0.0 } else { 1.6 + draw.number(1.5) };
            }
            let kept = draw.below(shape.batch);
            examples.weights[kept] = 1.0;
        }
        let by_class =
            shape.likelihood == Likelihood::Categorical && shape.labels == Labels::Classes;
        Self {
            v: draw.vector(params.len(), 1.0),
            u: draw.vector(params.len(), 1.0),
            classes: by_class.then_some(classes),
            shape,
            network,
            params,
            examples,
        }
    }

    /// Without the examples of weight 0.
    pub(crate) fn of_weight(&self) -> Self {
        fn keep<R: Clone>(weights: &[f64], rows: &[R]) -> Vec<R> {
            let pairs = weights.iter().zip(rows);
            let kept = pairs.filter(|&(&weight, _)| weight > 0.0);
            kept.map(|(_, row)| row.clone()).collect()
        }
        let Examples {
            inputs,
            targets,
            weights,
        } = &self.examples;
        Self {
            examples: Examples {
                inputs: keep(weights, inputs),
                targets: keep(weights, targets),
                weights: keep(weights, weights),
            },
            classes: self.classes.as_ref().map(|classes| keep(weights, classes)),
            ..self.clone()
        }
    }

    /// The smallest |z| of a rectifier against the rounding of `f32`: true when every one is on the same
    /// side of its kink in either precision.
    pub(crate) fn clear_of_kinks(&self) -> bool {
        self.shape.activation != Activation::Relu || {
            let inputs = self.examples.weighted_inputs();
            inputs.map(|(_, x)| self.margin(x)).all(|m| m > 1e-4)
        }
    }

    /// min |z| / (Σ |w a| + |b|) over the hidden units: plain arithmetic, for the rectifier only.
    fn margin(&self, input: &[f64]) -> f64 {
        let mut margin = f64::INFINITY;
        let mut values = input.to_vec();
        let mut rest = self.params.as_slice();
        let layers: Vec<&[usize]> = self.network.widths.windows(2).collect();
        for layer in &layers[..layers.len() - 1] {
            let (weights, tail) = rest.split_at(layer[0] * layer[1]);
            let (biases, tail) = tail.split_at(layer[1]);
            rest = tail;
            let units = weights.chunks(layer[0]).zip(biases).map(|(row, &bias)| {
                let (mut z, mut mass) = (bias, bias.abs());
                for (w, a) in row.iter().zip(&values) {
                    z += w * a;
                    mass += (w * a).abs();
                }
                margin = margin.min(z.abs() / mass);
                z.max(0.0)
            });
            values = units.collect();
        }
        margin
    }
}

fn target(shape: &Shape, outputs: usize, draw: &mut Draw) -> Vec<f64> {
    let soft = shape.labels == Labels::Soft;
    match shape.likelihood {
        Likelihood::Gaussian => draw.vector(outputs, 2.0),
        Likelihood::Bernoulli => {
            let parts = usize::from(PARTS);
            let mut one = |soft: bool| {
                let share = draw.below(if soft { parts + 1 } else { 2 });
                let whole = if soft { f64::from(PARTS) } else { 1.0 };
                f64::from(u8::try_from(share).expect("a small share")) / whole
            };
            (0..outputs).map(|_| one(soft)).collect()
        }
        Likelihood::Categorical => {
            let mut shares = vec![0.0; outputs];
            let draws = if soft { PARTS } else { 1 };
            for _ in 0..draws {
                shares[draw.below(outputs)] += 1.0 / f64::from(draws);
            }
            shares
        }
    }
}

pub(crate) fn likelihoods() -> impl Strategy<Value = Likelihood> {
    prop_oneof![
        Just(Likelihood::Gaussian),
        Just(Likelihood::Bernoulli),
        Just(Likelihood::Categorical)
    ]
}

pub(crate) fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Tanh),
        Just(Activation::Logistic),
        Just(Activation::Relu),
        Just(Activation::Softplus)
    ]
}

fn tiles() -> impl Strategy<Value = Tile> {
    prop_oneof![Just(Tile::One), Just(Tile::Four), Just(Tile::Sixteen)]
}

/// Cases of either regime.
pub(crate) fn cases(limits: Limits) -> impl Strategy<Value = Case> {
    cases_with(limits, 2..=5, regimes())
}

/// Cases with pre-activations of order 1.
pub(crate) fn moderate(limits: Limits) -> impl Strategy<Value = Case> {
    cases_with(limits, 2..=5, Just(Regime::Moderate))
}

/// Cases without a hidden layer: generalised linear models.
pub(crate) fn shallow(
    limits: Limits,
    regimes: impl Strategy<Value = Regime>,
) -> impl Strategy<Value = Case> {
    cases_with(limits, 2..=2, regimes)
}

/// Either regime.
pub(crate) fn regimes() -> impl Strategy<Value = Regime> {
    prop_oneof![2 => Just(Regime::Moderate), 1 => Just(Regime::Saturated)]
}

fn cases_with(
    limits: Limits,
    depths: core::ops::RangeInclusive<usize>,
    regimes: impl Strategy<Value = Regime>,
) -> impl Strategy<Value = Case> {
    let labels = prop_oneof![
        Just(Labels::Classes),
        Just(Labels::Hard),
        Just(Labels::Soft)
    ];
    (
        vec(1..=limits.width, depths),
        activations(),
        likelihoods(),
        1..=limits.batch,
        tiles(),
        regimes,
        (labels, any::<bool>(), any::<u64>()),
    )
        .prop_map(
            |(mut widths, activation, likelihood, batch, tile, regime, rest)| {
                if let (Likelihood::Categorical, Some(last)) = (likelihood, widths.last_mut()) {
                    *last = (*last).max(2);
                }
                let (labels, weighted, seed) = rest;
                Case::new(Shape {
                    widths,
                    activation,
                    likelihood,
                    batch,
                    tile,
                    regime,
                    labels,
                    weighted,
                    seed,
                })
            },
        )
        .prop_filter("more parameters than a dense matrix is for", move |case| {
            case.params.len() <= limits.params
        })
}
