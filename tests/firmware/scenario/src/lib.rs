//! The training runs that firmware and host have to agree on, bit for bit.
//!
//! Each is 100 steps of one method on wines as they were measured, for every method of the core. What
//! has to agree is the CRC-32 of the parameters, of the method's state and of all reported losses.
#![no_std]

use core::fmt::{self, Write};

use crc32fast::Hasher;
use natgrad::curvature::Empirical;
use natgrad::damping::{Marquardt, Tikhonov};
use natgrad::krylov::{Cg, Minres, MinresQlp};
use natgrad::optimizer::{
    Adam, Centred, Full, Gram, HessianFree, Kronecker, KrylovDescent, Local, Method, Momentum,
    NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Sgd, StructuralHessianFree, Tonga,
    Uncentred, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Plan, Room, Trainer, init};

mod wine {
    use super::FEATURES;

    include!(concat!(env!("OUT_DIR"), "/wine.rs"));
}

const FEATURES: usize = 13;
const CLASSES: usize = 3;

/// Wines of a gradient, of which those in front are the metric's.
const BATCH: usize = 36;
const METRIC: usize = 16;
const STEPS: usize = 100;

/// Wines of a system in output space.
const DUAL: usize = 8;

/// The network of all runs.
pub const PLAN: Plan<3> = match Plan::new(
    [FEATURES, 4, CLASSES],
    Activation::Tanh,
    Likelihood::Categorical,
) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

/// What a run ends with: CRC-32 of little-endian bytes, and of the state as it is printed. These are what
/// `Display` prints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// Of the parameters.
    pub params: u32,
    /// Of what outlives a step beside them.
    pub state: u32,
    /// Of the losses that the steps report.
    pub losses: u32,
    /// The loss over all wines, before the first step and after the last.
    pub loss: [f32; 2],
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            params,
            state,
            losses,
            ..
        } = self;
        write!(f, "{params:08x} {state:08x} {losses:08x}")
    }
}

/// Hashes what is printed.
struct Printed(Hasher);

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// `len` wines, others in every step.
fn batch(step: usize, len: usize) -> Batch<'static, f32> {
    let first = step * 3 % (wine::WINES - len + 1);
    let inputs = &wine::INPUTS[first * FEATURES..(first + len) * FEATURES];
    Batch::labelled(inputs, &wine::LABELS[first..first + len])
}

/// Trains by `method` over batches of `len` wines from fresh parameters, in memory that begins with 0.
///
/// # Errors
/// Those of the trainer. None is expected.
fn train<M: Method<f32>, const TILE: usize>(
    method: M,
    (len, metric): (usize, Metric<'_, f32>),
    params: &mut [f32],
    workspace: &mut [f32],
) -> Result<End, Error> {
    init::glorot(&PLAN, 3, params)?;
    init::fold_scales(&PLAN, &batch(0, wine::WINES), params)?;
    workspace.fill(0.0);
    let mut trainer = Trainer::<f32, M, TILE>::new(&PLAN, params, workspace, method)?;
    let first = trainer.loss(batch(0, wine::WINES))?;
    let mut losses = Hasher::new();
    for step in 0..STEPS {
        let report = trainer.step(batch(step, len), metric)?;
        losses.update(&report.loss.to_le_bytes());
        if let Some(loss) = report.loss_after {
            losses.update(&loss.to_le_bytes());
        }
    }
    let last = trainer.loss(batch(0, wine::WINES))?;
    let mut state = Printed(Hasher::new());
    let printed = write!(state, "{:?}", trainer.state());
    debug_assert!(printed.is_ok(), "a hasher takes everything");
    let mut params = Hasher::new();
    for param in trainer.params() {
        params.update(&param.to_le_bytes());
    }
    Ok(End {
        params: params.finalize(),
        state: state.0.finalize(),
        losses: losses.finalize(),
        loss: [first, last],
    })
}

type Natural<P, D, S = Cg> = NaturalGradient<f32, S, P, D>;

/// The largest of some lengths: what methods need that work in the same memory, one after the other.
pub const fn largest(mut lens: &[usize]) -> usize {
    let mut most = 0;
    while let [len, rest @ ..] = lens {
        if *len > most {
            most = *len;
        }
        lens = rest;
    }
    most
}

/// Every run has its place in the flash of a firmware; the smallest holds a group of them.
macro_rules! runs {
    ($(#[$doc:meta])* mod $group:ident over $examples:expr; { $($name:literal: $method:ty = $value:expr;)* }) => {
        $(#[$doc])*
        pub mod $group {
            use super::*;

            /// The scalars of workspace that the largest run takes.
            pub const fn workspace_len<const TILE: usize>() -> usize {
                largest(&[$(
                    Trainer::<f32, $method, TILE>::workspace_len(&PLAN.model(), Room::NONE)
                ),*])
            }

            /// All runs, one after the other in the same memory; `seen` gets the name of each and how it ended.
            pub fn all<const TILE: usize>(
                params: &mut [f32],
                workspace: &mut [f32],
                mut seen: impl FnMut(&str, Result<End, Error>),
            ) {
                $({
                    let len = Trainer::<f32, $method, TILE>::workspace_len(&PLAN.model(), Room::NONE);
                    seen($name, train::<$method, TILE>($value, $examples, params, &mut workspace[..len]));
                })*
            }
        }
    };
}

runs! {
    /// Natural gradient, by every solver.
    mod natural over (BATCH, Metric::Leading(METRIC)); {
        "natural": Natural<Jacobi, Marquardt> = NaturalGradient::default();
        "natural-martens": Natural<Martens, Tikhonov> = NaturalGradient::default();
        "natural-checkpoints": Natural<Jacobi, Tikhonov, Cg<4>> = NaturalGradient {
            warm_start: 0.95,
            ..NaturalGradient::default()
        };
        "natural-minres": Natural<Unpreconditioned, Tikhonov, Minres> = NaturalGradient::default();
        "natural-minres-qlp": Natural<Unpreconditioned, Tikhonov, MinresQlp>
            = NaturalGradient::default();
        "empirical": NaturalGradient<f32, Cg, Unpreconditioned, Tikhonov, Empirical>
            = NaturalGradient::default();
        "natcg-l": NaturalCg<f32, Local> = NaturalCg::default();
        "natcg-f": NaturalCg<f32, Full> = NaturalCg::default();
    }
}

runs! {
    /// Natural gradient in output space, over as many examples as the smallest board has room for.
    mod dual over (DUAL, Metric::Same); {
        "gram": Gram<f32, DUAL> = Gram::default();
        "gram-bare": Gram<f32, DUAL, Tikhonov, Plain> = Gram::default();
    }
}

runs! {
    /// The same in the metric of other examples than the gradient's.
    mod woodbury over (BATCH, Metric::Leading(DUAL)); {
        "gram-woodbury": Gram<f32, DUAL, Kronecker, Momentum, Woodbury> = Gram::default();
        "gram-woodbury-bare": Gram<f32, DUAL, Tikhonov, Plain, Woodbury> = Gram::default();
    }
}

runs! {
    /// The methods that natural gradient is compared with.
    mod rivals over (BATCH, Metric::Leading(METRIC)); {
        "hessian-free": HessianFree<f32> = HessianFree::hessian_free(1.0);
        "hessian-free-structural": StructuralHessianFree<f32>
            = StructuralHessianFree::hessian_free(1.0);
        "newton": Newton<f32> = Newton::default();
        "krylov-descent": KrylovDescent<f32, 3, Jacobi> = KrylovDescent::default();
        "tonga": Tonga<f32, 3, 3, Uncentred> = Tonga::new(0.25);
        "tonga-centred": Tonga<f32, 2, 4, Centred> = Tonga::new(0.25);
        "sgd": Sgd<f32, Plain> = Sgd::new(0.125);
        "momentum": Sgd<f32, Momentum> = Sgd::new(0.0625);
        "nesterov": Sgd<f32, Nesterov> = Sgd::new(0.0625);
        "adam": Adam<f32> = Adam::new(0.015_625);
    }
}
