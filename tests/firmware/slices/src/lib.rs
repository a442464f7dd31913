//! Drives every method slice by slice, and prints what the dearest one took.
#![no_std]

use board::Clock;
use natgrad::curvature::Empirical;
use natgrad::damping::{Marquardt, Tikhonov};
use natgrad::krylov::{Cg, Minres, MinresQlp, Stop};
use natgrad::optimizer::{
    Adam, Centred, Full, Gram, HessianFree, Kronecker, KrylovDescent, Local, Method, Momentum,
    NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Progress, Search, Sgd,
    StructuralHessianFree, Tonga, Uncentred, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Model, Plan, Room, Trainer, init};
use scenario::largest;

#[doc(hidden)]
pub use board;

const INPUTS: usize = 8;
const OUTPUTS: usize = 4;

/// The network of most parameters, for which there is memory.
pub const PLAN: Plan<3> = match Plan::new(
    [INPUTS, 16, OUTPUTS],
    Activation::Tanh,
    Likelihood::Categorical,
) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

/// A deeper one, whose activation costs more.
const DEEP: Plan<4> = match Plan::new([3, 5, 4, 2], Activation::Softplus, Likelihood::Bernoulli) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

/// The examples of the gradient and of the metric.
const BATCHES: [usize; 2] = [2, 9];
const EXAMPLES: usize = 9;

/// Enough for a compaction of the methods that have one, and for a warm start.
const STEPS: usize = 5;

/// Numbers in [0, 1), of no special kind.
static NUMBERS: [f32; EXAMPLES * INPUTS] = {
    let mut numbers = [0.0; EXAMPLES * INPUTS];
    let (mut place, mut state) = (0, 1_u32);
    while place < numbers.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        numbers[place] = (state >> 8) as f32 / 16_777_216.0;
        place += 1;
    }
    numbers
};

static CLASSES: [u16; EXAMPLES] = [0, 1, 2, 3, 0, 1, 2, 3, 0];

// Total, as the library is: where the compiler merges the paths to a panic with those of an inlined `advance`, nothing
// tells whose the panic is. What is missing is an error at the library's doors.
fn batch(model: &Model<'_>, examples: usize) -> Batch<'static, f32> {
    let numbers = |width: usize| NUMBERS.get(..examples * width).unwrap_or(&[]);
    let inputs = numbers(model.dim_in());
    if model.likelihood() == Likelihood::Categorical {
        Batch::labelled(inputs, CLASSES.get(..examples).unwrap_or(&[]))
    } else {
        Batch::new(inputs, numbers(model.dim_out()))
    }
}

/// The ticks of the dearest slice of a few steps, and of the dearest commit.
// Not inlined: amid an inlined `advance` the literals of what is printed would lie, and the panics of the printing seem to be
// those of the library.
#[inline(never)]
fn train<M: Method<f32>, const TILE: usize>(
    method: M,
    model: Model<'_>,
    examples: usize,
    params: &mut [f32],
    workspace: &mut [f32],
    clock: &mut Clock,
) -> Result<[u32; 2], Error> {
    let params = params.get_mut(..model.params()).unwrap_or(&mut []);
    init::glorot(model, 1, params)?;
    let mut trainer = Trainer::<f32, M, TILE>::new(model, params, workspace, method)?;
    let mut most = [0; 2];
    for _ in 0..STEPS {
        trainer.begin_in_place(batch(&model, examples), Metric::Same)?;
        let mut progress = Ok(Progress::Working);
        while progress? != Progress::Ready {
            most[0] = clock.ticks(|| progress = trainer.advance()).max(most[0]);
        }
        let mut end = Ok(());
        let ticks = clock.ticks(|| end = trainer.finish().map(|_| ()));
        end?;
        most[1] = ticks.max(most[1]);
    }
    Ok(most)
}

/// Prints `name tile network batch macs units finish-macs ticks finish-ticks` for each network and batch.
// Not inlined: the trainers of all methods in one frame are more stack than the smallest board has.
#[inline(never)]
pub fn measure<M: Method<f32> + Copy, const TILE: usize>(
    name: &str,
    method: M,
    params: &mut [f32],
    workspace: &mut [f32],
    clock: &mut Clock,
) {
    for (network, model) in [("8-16-4", PLAN.model()), ("3-5-4-2", DEEP.model())] {
        let macs = Trainer::<f32, M, TILE>::slice_macs(&model);
        let units = Trainer::<f32, M, TILE>::slice_units(&model);
        let finish = Trainer::<f32, M, TILE>::finish_macs(&model);
        for examples in BATCHES {
            match train::<M, TILE>(method, model, examples, params, workspace, clock) {
                Ok([ticks, end]) => board::println!(
                    "{name} {TILE} {network} {examples} {macs} {units} {finish} {ticks} {end}"
                ),
                Err(error) => board::println!("{name} {error}"),
            }
        }
    }
}

type Natural<P, D, S = Cg> = NaturalGradient<f32, S, P, D>;

fn natural<T: Default>(change: impl FnOnce(&mut T)) -> T {
    let mut method = T::default();
    change(&mut method);
    method
}

/// A few iterations show all that a slice can be.
fn short() -> Stop<f32> {
    Stop {
        iterations: 4,
        refresh: 2,
        ..Stop::default()
    }
}

macro_rules! methods {
    ($(#[$doc:meta])* mod $group:ident { $($name:literal: $method:ty = $value:expr;)* }) => {
        $(#[$doc])*
        pub mod $group {
            use super::*;

            /// The scalars of workspace that the dearest method takes.
            pub const fn workspace_len<const TILE: usize>() -> usize {
                largest(&[$(
                    Trainer::<f32, $method, TILE>::workspace_len(&PLAN.model(), Room::NONE)
                ),*])
            }

            /// Measures all of them, one after the other.
            pub fn all<const TILE: usize>(
                params: &mut [f32],
                workspace: &mut [f32],
                clock: &mut Clock,
            ) {
                $(measure::<$method, TILE>($name, $value, params, workspace, clock);)*
            }
        }
    };
}

methods! {
    /// Natural gradient, by every solver.
    mod naturals {
        "natural": Natural<Jacobi, Marquardt> = natural(|m: &mut Natural<_, _>| m.stop = short());
        "natural-martens": Natural<Martens, Tikhonov>
            = natural(|m: &mut Natural<_, _>| m.stop = short());
        "natural-checkpoints": Natural<Jacobi, Tikhonov, Cg<2>>
            = natural(|m: &mut Natural<_, _, _>| {
                m.stop.iterations = 6;
                m.warm_start = 0.95;
            });
        "natural-minres": Natural<Unpreconditioned, Tikhonov, Minres>
            = natural(|m: &mut Natural<_, _, _>| m.stop = short());
        "natural-minres-qlp": Natural<Unpreconditioned, Tikhonov, MinresQlp>
            = natural(|m: &mut Natural<_, _, _>| m.stop = short());
        "empirical": NaturalGradient<f32, Cg, Unpreconditioned, Tikhonov, Empirical>
            = natural(|m: &mut NaturalGradient<_, _, _, _, _>| m.stop = short());
        "natcg-l": NaturalCg<f32, Local>
            = natural(|m: &mut NaturalCg<_, _>| m.natural.stop = short());
        "natcg-f": NaturalCg<f32, Full> = natural(|m: &mut NaturalCg<_, Full>| {
            m.natural.stop = short();
            m.conjugation.evaluations = 4;
        });
    }
}

methods! {
    /// Natural gradient in output space.
    mod duals {
        "gram": Gram<f32, EXAMPLES> = Gram::default();
        "gram-bare": Gram<f32, EXAMPLES, Tikhonov, Plain> = Gram::default();
        "gram-woodbury": Gram<f32, EXAMPLES, Kronecker, Momentum, Woodbury> = Gram::default();
    }
}

methods! {
    /// The methods that natural gradient is compared with.
    mod rivals {
        "hessian-free": HessianFree<f32> = {
            let mut method = HessianFree::hessian_free(1.0);
            method.stop.iterations = 6;
            method
        };
        "hessian-free-structural": StructuralHessianFree<f32> = {
            let mut method = StructuralHessianFree::hessian_free(1.0);
            method.stop.iterations = 6;
            method
        };
        "newton": Newton<f32> = natural(|m: &mut Newton<_>| m.stop = short());
        "krylov-descent": KrylovDescent<f32, 3, Jacobi> = KrylovDescent {
            search: Search {
                directions: 3,
                ..Search::default()
            },
            ..KrylovDescent::default()
        };
        "tonga": Tonga<f32, 3, 3, Uncentred> = Tonga::new(0.25);
        "tonga-centred": Tonga<f32, 2, 3, Centred> = Tonga::new(0.25);
        "sgd": Sgd<f32, Plain> = Sgd::new(0.125);
        "momentum": Sgd<f32, Momentum> = Sgd::new(0.0625);
        "nesterov": Sgd<f32, Nesterov> = Sgd::new(0.0625);
        "adam": Adam<f32> = Adam::new(0.015_625);
    }
}

/// A program that measures a group of methods with one tile.
#[macro_export]
macro_rules! program {
    ($group:ident, $tile:literal) => {
        use slices::{PLAN, $group};
        use static_cell::ConstStaticCell;

        const LEN: usize = $group::workspace_len::<$tile>();

        static PARAMS: ConstStaticCell<[f32; PLAN.params()]> =
            ConstStaticCell::new([0.0; PLAN.params()]);
        static WORKSPACE: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);

        #[$crate::board::entry]
        fn main() -> ! {
            let mut clock = $crate::board::Clock::start();
            $group::all::<$tile>(PARAMS.take(), WORKSPACE.take(), &mut clock);
            $crate::board::process::exit(0)
        }

        $crate::board::print_panics!();
    };
}
