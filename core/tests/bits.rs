//! The same bits: 100 training steps end in the same parameters and report the same losses, whatever
//! the tile, in one call or in slices, with copied examples or in place, in every build: with `std` in
//! the dependency tree (the whole workspace) and without (this package alone), at every `opt-level`.
//!
//! What is compared is a CRC-32 of little-endian bytes. The data come from integer arithmetic, the
//! initial parameters from `natgrad::init`, and nothing here calls the platform's mathematics. The
//! golden numbers are those of this implementation (x86-64, rustc 1.95), taken when it was first
//! complete: they hold debug and release builds, other machines and later refactorings to it. A change
//! that is meant to change bits has to replace them, and to say so.

// With fused sums the bits are the machine's, and on a host the tile's: there is nothing to hold them to.
#![cfg(not(feature = "fma"))]
#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use crc32fast::Hasher;
use natgrad::curvature::Empirical;
use natgrad::damping::{Damping, DampingPolicy, Marquardt, Ratio, Structural, Tikhonov};
use natgrad::data::{Batch, Inputs, Metric, Samples};
use natgrad::krylov::{Cg, Stop};
use natgrad::line_search::{Decay, LineSearch, Trust};
use natgrad::optimizer::{
    Acceptance, Adam, Anchor, Centred, Full, Gram, HeldOut, KrylovDescent, L2, Local, Method,
    Momentum, NatSgd, NaturalCg, NaturalGradient, Nesterov, Newton, Outcome, Plain, Report, Sgd,
    StructuralHessianFree, Tonga, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{Activation, Likelihood, Plan, Room, Scalar, Trainer, init};

const DIM_IN: usize = 4;
const EXAMPLES: usize = 48;
/// More than one tile of 32, and no multiple of 4.
const BATCH: usize = 37;
const STEPS: usize = 100;

/// Numbers whose bytes are hashed.
trait Bits: Scalar {
    fn hash(self, hasher: &mut Hasher);
}

impl Bits for f32 {
    fn hash(self, hasher: &mut Hasher) {
        hasher.update(&self.to_le_bytes());
    }
}

impl Bits for f64 {
    fn hash(self, hasher: &mut Hasher) {
        hasher.update(&self.to_le_bytes());
    }
}

/// Small integers from a linear congruential generator (Numerical Recipes), in -1024 .. 1024.
fn integers(seed: u32, len: usize) -> Vec<i16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from(state >> 21).expect("eleven bits") - 1024
    };
    (0..len).map(|_| next()).collect()
}

/// A multiple of 2^-10: exact in both types.
fn fraction<T: Scalar>(value: i32) -> T {
    T::of_int(value) * T::of(1.0 / 1024.0)
}

/// A little nonlinear function of integer inputs, in units of 2^-10.
fn signal(x: &[i16], k: usize) -> i32 {
    let x: Vec<i32> = x.iter().map(|&x| i32::from(x)).collect();
    match k {
        0 => (x[0] * x[1]) / 1024 + x[2] / 2,
        1 => x[3] - x[0] / 4 + (x[1] * x[1]) / 2048,
        _ => (x[2] * x[3]) / 512 - x[1] / 2,
    }
}

struct Data<T> {
    plan: Plan<3>,
    raw: Vec<i16>,
    inputs: Vec<T>,
    /// Inputs are read as `i16`, with a scale.
    words: bool,
    scale: Vec<T>,
    offset: Vec<T>,
    values: Vec<T>,
    classes: Vec<u16>,
    weights: Vec<T>,
    anchor: Vec<T>,
}

impl<T: Bits> Data<T> {
    fn new(hidden: usize, activation: Activation, likelihood: Likelihood) -> Self {
        let outputs = match likelihood {
            Likelihood::Gaussian | Likelihood::Bernoulli => 2,
            Likelihood::Categorical => 3,
        };
        let plan = Plan::new([DIM_IN, hidden, outputs], activation, likelihood).expect("a plan");
        let raw = integers(7, EXAMPLES * DIM_IN);
        let signals: Vec<Vec<i32>> = raw
            .chunks(DIM_IN)
            .map(|x| (0..outputs).map(|k| signal(x, k)).collect())
            .collect();
        let target = |s: i32| match likelihood {
            Likelihood::Bernoulli if s > 600 => T::ONE,
            Likelihood::Bernoulli if s > 0 => fraction(768),
            Likelihood::Bernoulli => T::ZERO,
            _ => fraction(s),
        };
        let class = |s: &Vec<i32>| {
            (0..3_u16)
                .max_by_key(|&k| s[usize::from(k)])
                .expect("three")
        };
        let categorical = likelihood == Likelihood::Categorical;
        Self {
            plan,
            inputs: raw.iter().map(|&x| fraction(i32::from(x))).collect(),
            words: false,
            scale: vec![fraction(1); DIM_IN],
            offset: vec![T::ZERO; DIM_IN],
            values: signals.iter().flatten().map(|&s| target(s)).collect(),
            classes: if categorical {
                signals.iter().map(class).collect()
            } else {
                Vec::new()
            },
            weights: Vec::new(),
            anchor: Vec::new(),
            raw,
        }
    }

    /// Weights in quarters, some of them 0.
    fn weighted(mut self) -> Self {
        let draws = integers(11, EXAMPLES);
        self.weights = draws
            .iter()
            .map(|&w| fraction(256 * (i32::from(w) & 3)))
            .collect();
        self
    }

    fn anchored(mut self) -> Self {
        let draws = integers(13, self.plan.params());
        self.anchor = draws.iter().map(|&a| fraction(i32::from(a) / 4)).collect();
        self
    }

    fn in_words(mut self) -> Self {
        self.words = true;
        self
    }

    /// `len` examples from `first` on.
    fn examples(&self, first: usize, len: usize) -> Batch<'_, T> {
        let outputs = self.plan.model().dim_out();
        let range = first * DIM_IN..(first + len) * DIM_IN;
        let inputs: Inputs<'_, T> = if self.words {
            Samples::new(&self.raw[range], &self.scale, &self.offset).into()
        } else {
            self.inputs[range].into()
        };
        let batch = if self.classes.is_empty() {
            Batch::new(
                inputs,
                &self.values[first * outputs..(first + len) * outputs],
            )
        } else {
            Batch::labelled(inputs, &self.classes[first..first + len])
        };
        if self.weights.is_empty() {
            batch
        } else {
            batch.weighted(&self.weights[first..first + len])
        }
    }

    fn batch(&self, step: usize) -> Batch<'_, T> {
        self.examples(step * 7 % (EXAMPLES - BATCH + 1), BATCH)
    }
}

/// One method with its settings, on one set of data.
trait Case {
    type T: Bits;
    type M: Method<Self::T>;
    /// CRC-32 of the parameters, and of all reported losses.
    const GOLDEN: [u32; 2];

    fn data() -> Data<Self::T>;
    fn method() -> Self::M;

    fn metric(_data: &Data<Self::T>) -> Metric<'_, Self::T> {
        Metric::Leading(11)
    }

    fn dress<'a, const TILE: usize>(
        _trainer: &mut Trainer<'a, Self::T, Self::M, TILE>,
        _data: &'a Data<Self::T>,
    ) {
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Step,
    Copied,
    InPlace,
}

fn run<C: Case, const TILE: usize>(way: Way) -> [u32; 2] {
    let data = C::data();
    let model = data.plan.model();
    let mut params = vec![C::T::ZERO; model.params()];
    init::glorot(model, 3, &mut params).expect("the length of the plan");
    let room = Room {
        batch: BATCH,
        metric: BATCH,
        ..Room::NONE
    };
    let len = Trainer::<C::T, C::M, TILE>::workspace_len(&model, room);
    let mut workspace = vec![C::T::ZERO; len];
    let mut trainer =
        Trainer::<C::T, C::M, TILE>::new(model, &mut params, &mut workspace, C::method())
            .expect("a trainer");
    C::dress(&mut trainer, &data);

    let first = trainer.loss(data.examples(0, EXAMPLES)).expect("a loss");
    let mut losses = Hasher::new();
    let mut accepted = 0;
    for step in 0..STEPS {
        let (batch, metric) = (data.batch(step), C::metric(&data));
        let report = match way {
            Way::Step => trainer.step(batch, metric),
            Way::Copied => sliced(&mut trainer, |trainer| trainer.begin(batch, metric)),
            Way::InPlace => sliced(&mut trainer, |trainer| {
                trainer.begin_in_place(batch, metric)
            }),
        };
        let report = report.unwrap_or_else(|error| panic!("step {step}: {error}"));
        accepted += usize::from(report.outcome == Outcome::Accepted);
        report.loss.hash(&mut losses);
        if let Some(loss) = report.loss_after {
            loss.hash(&mut losses);
        }
    }
    let last = trainer.loss(data.examples(0, EXAMPLES)).expect("a loss");
    last.hash(&mut losses);
    assert!(last < first, "the run has to train: {first} to {last}");
    assert!(accepted > 10, "{accepted} of {STEPS} steps were accepted");

    let mut hasher = Hasher::new();
    for &p in trainer.params() {
        p.hash(&mut hasher);
    }
    [hasher.finalize(), losses.finalize()]
}

fn sliced<'a, T: Scalar, M: Method<T>, const TILE: usize>(
    trainer: &mut Trainer<'a, T, M, TILE>,
    begin: impl FnOnce(&mut Trainer<'a, T, M, TILE>) -> Result<(), natgrad::Error>,
) -> Result<Report<T>, natgrad::Error> {
    begin(trainer)?;
    trainer.advance_until(|| false)?;
    trainer.finish()
}

fn check<C: Case>() {
    let found = run::<C, 4>(Way::Step);
    for way in [Way::Step, Way::Copied, Way::InPlace] {
        assert_eq!(
            run::<C, 1>(way),
            found,
            "tile 1, {way:?}, against a step with tile 4"
        );
        assert_eq!(
            run::<C, 32>(way),
            found,
            "tile 32, {way:?}, against a step with tile 4"
        );
    }
    for way in [Way::Copied, Way::InPlace] {
        assert_eq!(
            run::<C, 4>(way),
            found,
            "tile 4, {way:?}, against a step with tile 4"
        );
    }
    assert!(
        found == C::GOLDEN,
        "other bits than the golden ones: found [{:#010x}, {:#010x}], golden [{:#010x}, {:#010x}]",
        found[0],
        found[1],
        C::GOLDEN[0],
        C::GOLDEN[1]
    );
}

macro_rules! case {
    ($name:ident, $t:ty, $m:ty, $golden:expr, $data:expr, $method:expr $(, $more:item)*) => {
        #[test]
        fn $name() {
            struct This;
            impl Case for This {
                type T = $t;
                type M = $m;
                const GOLDEN: [u32; 2] = $golden;
                fn data() -> Data<$t> {
                    $data
                }
                fn method() -> $m {
                    $method
                }
                $($more)*
            }
            check::<This>();
        }
    };
}

/// The default with other settings.
fn with<M: Default>(change: impl FnOnce(&mut M)) -> M {
    let mut method = M::default();
    change(&mut method);
    method
}

type Tik<P, S = Cg> = NaturalGradient<f32, S, P, Tikhonov>;

case!(
    natural_jacobi_marquardt,
    f32,
    NaturalGradient<f32>,
    [0x46c5_c116, 0x7a2d_32ca],
    Data::new(5, Activation::Tanh, Likelihood::Categorical),
    NaturalGradient::default(),
    fn metric(_: &Data<f32>) -> Metric<'_, f32> {
        Metric::Same
    }
);

const JACOBI_MARQUARDT_F64: [u32; 2] = [0xc265_6c55, 0x0229_58f3];

case!(
    natural_in_f64,
    f64,
    NaturalGradient<f64>,
    JACOBI_MARQUARDT_F64,
    Data::new(5, Activation::Tanh, Likelihood::Categorical),
    NaturalGradient::default()
);

// Inputs as 16-bit words that stand for the same values: the same bits.
case!(
    natural_in_f64_from_words,
    f64,
    NaturalGradient<f64>,
    JACOBI_MARQUARDT_F64,
    Data::new(5, Activation::Tanh, Likelihood::Categorical).in_words(),
    NaturalGradient::default()
);

case!(
    natural_martens_tikhonov,
    f32,
    Tik<Martens>,
    [0x56e7_fa1f, 0x629b_a18d],
    Data::new(5, Activation::Logistic, Likelihood::Bernoulli).weighted(),
    with(|it: &mut Self::M| {
        it.rate = 0.5;
    })
);

case!(
    natural_unpreconditioned_effort,
    f32,
    Tik<Unpreconditioned>,
    [0x9c1a_e616, 0xad21_f7da],
    Data::new(4, Activation::Softplus, Likelihood::Gaussian),
    with(|it: &mut Self::M| {
        it.damping = Damping {
            initial: 0.1,
            floor: 1e-3,
            ceiling: 10.0,
            policy: DampingPolicy::Effort {
                few: 5,
                many: 9,
                raise: 1.25,
                lower: 0.75,
            },
            metric: it.damping.metric,
        };
        it.stop = Stop {
            iterations: 12,
            refresh: 5,
            ..Stop::default()
        };
    })
);

case!(
    natural_checkpoints_warm_start,
    f32,
    Tik<Jacobi, Cg<4>>,
    [0xb35d_2f71, 0xe728_fee9],
    Data::new(5, Activation::Relu, Likelihood::Categorical).weighted(),
    with(|it: &mut Self::M| {
        it.warm_start = 0.95;
    })
);

case!(
    natural_line_search_trust_region,
    f32,
    NaturalGradient<f32, Cg, Martens, Marquardt>,
    [0xe880_f67a, 0xcfa3_6d7b],
    Data::new(4, Activation::Tanh, Likelihood::Bernoulli),
    with(|it: &mut Self::M| {
        it.line_search = LineSearch::backtracking();
        it.trust = Trust { kl: 0.05, logit: 2.0 };
        it.damping = Damping {
            initial: 0.01,
            floor: 1e-4,
            ceiling: 10.0,
            policy: DampingPolicy::LevenbergMarquardt {
                ratio: Ratio::Linear,
                low: 0.25,
                high: 0.75,
                raise: 1.5,
                lower: 0.75,
            },
            metric: it.damping.metric,
        };
    })
);

case!(
    natural_anchored,
    f32,
    Tik<Jacobi>,
    [0xe555_1f60, 0x92a8_488e],
    Data::new(5, Activation::Identity, Likelihood::Gaussian).anchored(),
    with(|it: &mut Self::M| {
        it.damping = Damping {
            initial: 0.5,
            floor: 1e-3,
            ceiling: 10.0,
            policy: DampingPolicy::Schedule {
                start: 10,
                every: 20,
                factor: 0.5,
            },
            metric: it.damping.metric,
        };
        it.acceptance = Acceptance::Unchecked;
    }),
    fn metric(_: &Data<f32>) -> Metric<'_, f32> {
        Metric::Same
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Tik<Jacobi>, TILE>,
        data: &'a Data<f32>,
    ) {
        let l2 = L2 {
            strength: 0.01,
            anchor: Anchor::At(&data.anchor),
        };
        trainer.regularise(l2).expect("an anchor");
    }
);

case!(
    natural_other_metric_held_out,
    f32,
    NaturalGradient<f32, Cg, Unpreconditioned, Marquardt>,
    [0xbaff_4b91, 0x794f_d5fc],
    Data::new(4, Activation::Tanh, Likelihood::Gaussian).weighted(),
    with(|it: &mut Self::M| {
        it.rate = 0.75;
        it.warm_start = 0.5;
    }),
    fn metric(data: &Data<f32>) -> Metric<'_, f32> {
        Metric::On(data.examples(29, 13))
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Self::M, TILE>,
        data: &'a Data<f32>,
    ) {
        trainer.hold_out(data.examples(31, 17)).expect("a held-out batch");
    }
);

case!(
    sgd_plain,
    f32,
    Sgd<f32, Plain>,
    [0xc3bf_b939, 0x1402_3b0a],
    Data::new(6, Activation::Softplus, Likelihood::Categorical).weighted(),
    Sgd::new(0.125)
);

case!(
    sgd_momentum,
    f32,
    Sgd<f32, Momentum>,
    [0x92e8_f8ae, 0x1a30_97b7],
    Data::new(6, Activation::Relu, Likelihood::Gaussian),
    Sgd::new(0.0625)
);

case!(
    sgd_nesterov,
    f32,
    Sgd<f32, Nesterov>,
    [0x192e_1acf, 0xa405_ff64],
    Data::new(6, Activation::Logistic, Likelihood::Bernoulli),
    Sgd::new(0.125)
);

case!(
    adam,
    f32,
    Adam<f32>,
    [0x8cd5_018f, 0x1ff2_80fd],
    Data::new(6, Activation::Tanh, Likelihood::Categorical).anchored(),
    Adam::new(0.015_625),
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Adam<f32>, TILE>,
        _: &'a Data<f32>,
    ) {
        let l2 = L2 {
            strength: 0.001,
            anchor: Anchor::Zero,
        };
        trainer.regularise(l2).expect("a strength");
    }
);

case!(
    hessian_free_structural,
    f32,
    StructuralHessianFree<f32>,
    [0xf8d6_06e6, 0x1ce6_de21],
    Data::new(6, Activation::Logistic, Likelihood::Bernoulli),
    StructuralHessianFree::hessian_free(2.0)
);

case!(
    structural_softplus,
    f32,
    NaturalGradient<f32, Cg, Jacobi, Structural<f32>>,
    [0x797c_9ec4, 0x01bc_f1ae],
    Data::new(5, Activation::Softplus, Likelihood::Categorical).weighted(),
    NaturalGradient::default()
);

case!(
    nat_sgd_judged,
    f32,
    NatSgd<f32, Cg>,
    [0xecbe_ea83, 0x759d_00f4],
    Data::new(5, Activation::Logistic, Likelihood::Categorical),
    NatSgd {
        decay: Decay::Harmonic {
            start: 20,
            scale: 10,
        },
        held_out: HeldOut::Judges { every: 3 },
        ..NatSgd::nat_sgd()
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Self::M, TILE>,
        data: &'a Data<f32>,
    ) {
        trainer.hold_out(data.examples(31, 17)).expect("a held-out batch");
    }
);

case!(
    newton,
    f32,
    Newton<f32>,
    [0x4dcf_5b0f, 0x4a47_eacc],
    Data::new(5, Activation::Tanh, Likelihood::Gaussian).weighted(),
    Newton::default(),
    fn metric(data: &Data<f32>) -> Metric<'_, f32> {
        Metric::On(data.examples(29, 13))
    }
);

case!(
    empirical,
    f32,
    NaturalGradient<f32, Cg, Unpreconditioned, Tikhonov, Empirical>,
    [0x2bca_0c9b, 0xc2ca_6727],
    Data::new(5, Activation::Relu, Likelihood::Categorical),
    NaturalGradient {
        decay: Decay::Geometric {
            start: 10,
            every: 20,
            factor: 0.5,
        },
        ..NaturalGradient::default()
    }
);

case!(
    natural_cg_local,
    f32,
    NaturalCg<f32, Local>,
    [0x40ce_d3ec, 0x8d78_0401],
    Data::new(5, Activation::Tanh, Likelihood::Categorical).weighted(),
    with(|it: &mut Self::M| {
        it.restart = 7;
        it.natural.stop.iterations = 3;
    })
);

case!(
    natural_cg_full,
    f32,
    NaturalCg<f32, Full, Cg, Unpreconditioned, Tikhonov>,
    [0xf493_3a49, 0x65e1_79a5],
    Data::new(5, Activation::Logistic, Likelihood::Gaussian).anchored(),
    with(|it: &mut Self::M| it.natural.stop.iterations = 4),
    fn metric(data: &Data<f32>) -> Metric<'_, f32> {
        Metric::On(data.examples(29, 13))
    }
);

case!(
    gram,
    f32,
    Gram<f32, BATCH>,
    [0x6430_9202, 0x0863_0b76],
    Data::new(5, Activation::Tanh, Likelihood::Categorical).weighted(),
    Gram::default(),
    fn metric(_: &Data<f32>) -> Metric<'_, f32> {
        Metric::Same
    }
);

case!(
    gram_bare,
    f64,
    Gram<f64, BATCH, Tikhonov, Plain>,
    [0x018d_beec, 0xf6a8_097c],
    Data::new(5, Activation::Logistic, Likelihood::Bernoulli),
    Gram::default(),
    fn metric(_: &Data<f64>) -> Metric<'_, f64> {
        Metric::Same
    }
);

case!(
    gram_woodbury,
    f32,
    Gram<f32, 13, Tikhonov, Momentum, Woodbury>,
    [0x81e7_8516, 0xe9d5_d558],
    Data::new(5, Activation::Tanh, Likelihood::Gaussian).anchored(),
    Gram::default(),
    fn metric(data: &Data<f32>) -> Metric<'_, f32> {
        Metric::On(data.examples(29, 13))
    }
);

// A compaction every third step.
case!(
    tonga,
    f32,
    Tonga<f32, 3, 3>,
    [0x0d10_a072, 0x1145_ae78],
    Data::new(5, Activation::Tanh, Likelihood::Categorical).weighted(),
    Tonga::new(0.25)
);

case!(
    tonga_centred,
    f32,
    Tonga<f32, 2, 4, Centred>,
    [0x8044_c50e, 0xad1c_6d23],
    Data::new(5, Activation::Logistic, Likelihood::Bernoulli),
    Tonga {
        damping: 0.5,
        forgetting: 0.9375,
        ..Tonga::new(0.125)
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Self::M, TILE>,
        _: &'a Data<f32>,
    ) {
        let l2 = L2 {
            strength: 0.001,
            anchor: Anchor::Zero,
        };
        trainer.regularise(l2).expect("a strength");
    }
);

case!(
    krylov_descent_jacobi,
    f32,
    KrylovDescent<f32, 3>,
    [0x0978_41f7, 0x5669_b837],
    Data::new(5, Activation::Tanh, Likelihood::Categorical).weighted(),
    KrylovDescent::default()
);

case!(
    krylov_descent_other_metric_held_out,
    f32,
    KrylovDescent<f32, 2, Unpreconditioned>,
    [0x2e98_99f8, 0x1798_91a3],
    Data::new(4, Activation::Softplus, Likelihood::Gaussian).weighted(),
    with(|it: &mut Self::M| {
        it.search.directions = 1;
    }),
    fn metric(data: &Data<f32>) -> Metric<'_, f32> {
        Metric::On(data.examples(29, 13))
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f32, Self::M, TILE>,
        data: &'a Data<f32>,
    ) {
        trainer.hold_out(data.examples(0, EXAMPLES)).expect("a held-out batch");
    }
);

case!(
    krylov_descent_anchored_in_f64,
    f64,
    KrylovDescent<f64, 2, Martens>,
    [0x7c26_351e, 0x9c86_ccc1],
    Data::new(5, Activation::Logistic, Likelihood::Bernoulli).anchored(),
    KrylovDescent::default(),
    fn metric(_: &Data<f64>) -> Metric<'_, f64> {
        Metric::Same
    },
    fn dress<'a, const TILE: usize>(
        trainer: &mut Trainer<'a, f64, Self::M, TILE>,
        data: &'a Data<f64>,
    ) {
        let l2 = L2 {
            strength: 0.01,
            anchor: Anchor::At(&data.anchor),
        };
        trainer.regularise(l2).expect("an anchor");
    }
);
