//! The passes that training is made of: a line of hexadecimal words for each network and tile, the multiply-accumulates of
//! a gradient, of a Fisher product, and of one whose activations are kept, each followed by its ticks.
#![no_std]
#![no_main]

use core::hint::black_box;

use costs::board::{self, Clock};
use costs::print;
use natgrad::curvature::Fisher;
use natgrad::operator::LinearOperator;
use natgrad::{Activation, Batch, Error, Likelihood, Mlp, Model, Pass, Plan, init};
use static_cell::ConstStaticCell;

/// The examples of a pass.
const EXAMPLES: usize = 8;

/// The network of most parameters, for which there is memory.
const LARGE: Plan<3> = plan([64, 32, 10]);
const SMALL: Plan<3> = plan([8, 16, 4]);

const P: usize = LARGE.params();
const UNITS: usize = LARGE.model().units();

const fn plan(widths: [usize; 3]) -> Plan<3> {
    match Plan::new(widths, Activation::Relu, Likelihood::Gaussian) {
        Ok(plan) => plan,
        Err(error) => panic!("{}", error.message()),
    }
}

/// The memory of all passes.
struct Memory {
    params: [f32; P],
    vector: [f32; P],
    out: [f32; P],
    scratch: [f32; Pass::Product.scratch_len(&LARGE.model(), 4)],
    kept: [f32; EXAMPLES * UNITS],
    inputs: [[f32; 64]; EXAMPLES],
    targets: [[f32; 10]; EXAMPLES],
}

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory {
    params: [0.0; P],
    vector: [0.0; P],
    out: [0.0; P],
    scratch: [0.0; Pass::Product.scratch_len(&LARGE.model(), 4)],
    kept: [0.0; EXAMPLES * UNITS],
    inputs: [[0.0; 64]; EXAMPLES],
    targets: [[0.0; 10]; EXAMPLES],
});

/// The six words of a network and a tile.
fn passes<const TILE: usize>(
    model: Model<'_>,
    memory: &mut Memory,
    clock: &mut Clock,
) -> Result<[u32; 6], Error> {
    let n = model.params();
    costs::examples(&mut memory.inputs, &mut memory.targets);
    let Memory {
        params,
        vector,
        out,
        scratch,
        kept,
        inputs,
        targets,
    } = memory;
    let (params, vector, out) = (&mut params[..n], &mut vector[..n], &mut out[..n]);
    init::glorot(model, 1, params)?;
    init::glorot(model, 2, vector)?;
    let batch = Batch::new(
        &inputs.as_flattened()[..EXAMPLES * model.dim_in()],
        &targets.as_flattened()[..EXAMPLES * model.dim_out()],
    );
    let macs = |pass| (model.macs(pass) * EXAMPLES as u64) as u32;

    let mut mlp = Mlp::<f32, TILE>::new(model, params, scratch)?;
    let mut loss = Ok(0.0);
    let gradient = clock.ticks(|| loss = mlp.gradient(black_box(&batch), out));
    loss?;

    let mut fisher = Fisher::new(mlp, batch)?;
    let product = clock.ticks(|| {
        fisher.apply(black_box(vector), out);
    });
    let mut fisher = fisher.keeping(kept);
    fisher.apply(black_box(vector), out);
    let again = clock.ticks(|| {
        fisher.apply(black_box(vector), out);
    });

    let [of_product, forward] = [macs(Pass::Product), macs(Pass::Outputs)];
    Ok([
        macs(Pass::Gradient),
        gradient,
        of_product,
        product,
        of_product - forward,
        again,
    ])
}

/// Nothing is printed where the board has no room.
fn run() -> Result<(), Error> {
    if size_of::<Memory>() + costs::REST > board::RAM {
        return Ok(());
    }
    let memory = MEMORY.take();
    let mut clock = Clock::start();
    for model in [SMALL.model(), LARGE.model()] {
        print(&passes::<1>(model, memory, &mut clock)?);
        print(&passes::<4>(model, memory, &mut clock)?);
    }
    Ok(())
}

#[board::entry]
fn main() -> ! {
    board::process::exit(i32::from(run().is_err()))
}

board::silent_panics!();
