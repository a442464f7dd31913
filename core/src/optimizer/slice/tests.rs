//! What every method does in a slice, counted by the numbers themselves, against what it states.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::Slice;
use crate::curvature::Empirical;
use crate::damping::{Marquardt, Structural, Tikhonov};
use crate::data::{Batch, Metric};
use crate::krylov::{Cg, Minres, MinresQlp, Stop};
use crate::optimizer::{
    Adam, Anchor, Centred, Full, Gram, HessianFree, Kronecker, KrylovDescent, L2, Local, Method,
    Momentum, NaturalCg, NaturalGradient, Nesterov, Newton, Outcome, Plain, Progress, Search, Sgd,
    StructuralHessianFree, Tonga, Uncentred, Woodbury,
};
use crate::plan::{Model, Room};
use crate::precondition::{Jacobi, Martens, Unpreconditioned};
use crate::scalar::Scalar;
use crate::scalar::counted::{Count, Counted};
use crate::{Activation, Likelihood, Trainer, init};

/// What a slice may do besides, whatever the network: the course of a solve by Lanczos, the damping.
const NUMBERS: u64 = 128;

/// Examples of no special kind, their targets in the range of every likelihood.
struct Data {
    inputs: Vec<Counted>,
    targets: Vec<Counted>,
    classes: Vec<u16>,
    anchor: Vec<Counted>,
}

impl Data {
    fn new(model: &Model<'_>, examples: usize) -> Self {
        let mut state = 7_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u16::try_from(state >> 16).expect("sixteen bits")
        };
        let mut fractions = |len: usize| -> Vec<Counted> {
            let fraction = |draw: u16| Counted(f32::from(draw) / 65536.0);
            (0..len).map(|_| fraction(draw())).collect()
        };
        Self {
            inputs: fractions(examples * model.dim_in()),
            targets: fractions(examples * model.dim_out()),
            anchor: fractions(model.params()),
            classes: (0..examples)
                .map(|example| u16::try_from(example % model.dim_out()).expect("few classes"))
                .collect(),
        }
    }

    fn batch(&self, model: &Model<'_>) -> Batch<'_, Counted> {
        if model.likelihood() == Likelihood::Categorical {
            Batch::labelled(self.inputs.as_slice(), &self.classes)
        } else {
            Batch::new(self.inputs.as_slice(), self.targets.as_slice())
        }
    }
}

/// The most that any of its slices has done, and that a commit has.
#[derive(Default)]
struct Most {
    macs: u64,
    calls: u64,
    finish: u64,
}

/// Trains slice by slice for some steps with an L2 term toward an anchor, of that strength.
fn drive<M: Method<Counted>, const TILE: usize>(
    method: M,
    model: &Model<'_>,
    strength: f32,
    examples: usize,
    steps: usize,
) -> Most {
    let data = Data::new(model, examples);
    let batch = data.batch(model);
    let room = Room {
        batch: examples,
        ..Room::NONE
    };
    let mut params = vec![Counted::ZERO; model.params()];
    let len = Trainer::<Counted, M, TILE>::workspace_len(model, room);
    let mut workspace = vec![Counted::ZERO; len];
    init::glorot(*model, 1, &mut params).expect("parameters");
    let mut trainer =
        Trainer::<Counted, M, TILE>::new(*model, &mut params, &mut workspace, method).expect("it");
    let l2 = L2 {
        strength: Counted(strength),
        anchor: Anchor::At(&data.anchor),
    };
    trainer.regularise(l2).expect("between two steps");
    let mut most = Most::default();
    let mut accepted = 0;
    for _ in 0..steps {
        trainer.begin(batch, Metric::Same).expect("examples");
        loop {
            Count::take();
            let progress = trainer.advance().expect("a slice");
            let count = Count::take();
            most.macs = most.macs.max(count.macs);
            most.calls = most.calls.max(count.calls);
            if progress == Progress::Ready {
                break;
            }
        }
        let report = trainer.finish().expect("a step");
        most.finish = most.finish.max(Count::take().macs);
        accepted += u32::from(report.outcome == Outcome::Accepted);
    }
    assert!(accepted > 0, "what is not committed is not counted");
    most
}

/// Holds a method to what it states, and what it states to what it does.
fn hold<M: Method<Counted> + Copy, const TILE: usize>(
    method: M,
    model: &Model<'_>,
    strength: f32,
    batches: [usize; 2],
    steps: usize,
) {
    let name = core::any::type_name::<M>();
    let stated = Trainer::<Counted, M, TILE>::slice_macs(model);
    let units = Trainer::<Counted, M, TILE>::slice_units(model);
    let finish = Trainer::<Counted, M, TILE>::finish_macs(model);
    let least = stated - stated / 8;
    let bound = stated + Slice::UNIT_MACS * units + NUMBERS;
    let mut dearest = 0;
    for examples in batches {
        let most = drive::<M, TILE>(method, model, strength, examples, steps);
        let case = std::format!(
            "{name}, {:?}, tile {TILE}, batch {examples}",
            model.widths()
        );
        assert!(most.macs <= bound, "{case}: {} > {bound}", most.macs);
        assert!(
            most.calls <= Slice::UNIT_CALLS * units,
            "{case}: {}",
            most.calls
        );
        assert!(most.finish <= finish + NUMBERS, "{case}: {}", most.finish);
        dearest = most.macs.max(dearest);
    }
    let case = std::format!("{name}, {:?}, tile {TILE}", model.widths());
    assert!(dearest >= least, "{case}: {dearest} < {least}");
}

/// Networks that have many weights per unit, are wide at either end, deep, or too small for the dense work of any
/// method.
fn networks(mut hold: impl FnMut(&Model<'_>)) {
    let networks: [(&[usize], Activation, Likelihood); 8] = [
        (&[24, 24, 24], Activation::Tanh, Likelihood::Gaussian),
        (&[8, 16, 4], Activation::Tanh, Likelihood::Categorical),
        (&[24, 3, 1], Activation::Relu, Likelihood::Gaussian),
        (&[2, 5, 5, 12], Activation::Softplus, Likelihood::Bernoulli),
        (&[2, 3, 2], Activation::Logistic, Likelihood::Categorical),
        (&[6, 5], Activation::Identity, Likelihood::Gaussian),
        (&[1, 12], Activation::Identity, Likelihood::Categorical),
        (&[1, 12, 1], Activation::Softplus, Likelihood::Bernoulli),
    ];
    for (widths, activation, likelihood) in networks {
        hold(&Model::new(widths, activation, likelihood).expect("a network"));
    }
}

/// A tile that is full, and two and one that is not.
fn tiles(tile: usize) -> [usize; 2] {
    [tile, 2 * tile + 1]
}

/// As many examples as the systems below have room for.
fn filled(tile: usize) -> [usize; 2] {
    [tile, ROOM]
}

const ROOM: usize = 17;

macro_rules! methods {
    (for $steps:literal steps, L2 of $strength:literal, $batches:ident: $($test:ident: $method:ty = $value:expr;)*) => {$(
        #[test]
        fn $test() {
            networks(|model| {
                hold::<$method, 1>($value, model, $strength, $batches(1), $steps);
                hold::<$method, 4>($value, model, $strength, $batches(4), $steps);
                hold::<$method, 8>($value, model, $strength, $batches(8), $steps);
            });
        }
    )*};
}

type Natural<P, D, S = Cg> = NaturalGradient<Counted, S, P, D>;

methods! {
    for 7 steps, L2 of 1e-4, tiles:
    sgd: Sgd<Counted, Plain> = Sgd::new(Counted(0.1));
    momentum: Sgd<Counted, Momentum> = Sgd::new(Counted(0.1));
    nesterov: Sgd<Counted, Nesterov> = Sgd::new(Counted(0.1));
    adam: Adam<Counted> = Adam::new(Counted(0.01));
    natural: Natural<Jacobi, Marquardt> = NaturalGradient::default();
    natural_bare: Natural<Unpreconditioned, Tikhonov> = NaturalGradient::default();
    natural_martens: Natural<Martens, Tikhonov> = NaturalGradient::default();
    natural_checkpoints: Natural<Jacobi, Tikhonov, Cg<3>> = NaturalGradient {
        warm_start: Counted(0.95),
        stop: Stop { refresh: 3, ..Stop::default() },
        ..NaturalGradient::default()
    };
    natural_minres: Natural<Unpreconditioned, Tikhonov, Minres> = NaturalGradient::default();
    natural_minres_qlp: Natural<Unpreconditioned, Tikhonov, MinresQlp> = NaturalGradient::default();
    natural_minres_qlp_martens: Natural<Martens, Marquardt, MinresQlp> = NaturalGradient {
        warm_start: Counted(0.5),
        ..NaturalGradient::default()
    };
    empirical: NaturalGradient<Counted, Cg, Unpreconditioned, Tikhonov, Empirical>
        = NaturalGradient::default();
    natural_cg_local: NaturalCg<Counted, Local> = NaturalCg::default();
    natural_cg_full: NaturalCg<Counted, Full> = NaturalCg::default();
    hessian_free: HessianFree<Counted> = HessianFree::hessian_free(Counted(1.0));
    structural: StructuralHessianFree<Counted> = StructuralHessianFree::hessian_free(Counted(1.0));
    newton: Newton<Counted> = Newton::default();
    newton_structural: Newton<Counted, Cg, Unpreconditioned, Structural<Counted>>
        = Newton::default();
    krylov_descent: KrylovDescent<Counted, 3, Jacobi> = KrylovDescent::default();
    krylov_descent_large: KrylovDescent<Counted, 11, Martens> = KrylovDescent {
        search: Search { directions: 5, ..Search::default() },
        ..KrylovDescent::default()
    };
    tonga: Tonga<Counted, 2, 2, Uncentred> = Tonga::new(Counted(0.1));
}

// Enough for a compaction of many rows.
methods! {
    for 22 steps, L2 of 1e-4, tiles:
    tonga_large: Tonga<Counted, 3, 20, Centred> = Tonga::new(Counted(0.1));
}

methods! {
    for 7 steps, L2 of 0.0, filled:
    gram: Gram<Counted, ROOM, Kronecker, Momentum> = Gram::default();
    gram_bare: Gram<Counted, ROOM, Tikhonov, Plain> = Gram::default();
    gram_woodbury: Gram<Counted, ROOM, Kronecker, Momentum, Woodbury> = Gram::default();
}

methods! {
    for 7 steps, L2 of 1e-4, filled:
    gram_regularised: Gram<Counted, ROOM, Tikhonov, Momentum, Woodbury> = Gram::default();
}
