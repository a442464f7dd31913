//! A network that only predicts.
#![no_std]
#![no_main]

use core::hint::black_box;

use costs::{board, print};
use natgrad::{Activation, Error, Likelihood, Mlp, Pass, Plan};
use static_cell::ConstStaticCell;

const PLAN: Plan<3> = match Plan::new([8, 16, 4], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

static PARAMS: [f32; PLAN.params()] = [0.125; PLAN.params()];
static SCRATCH: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);
const LEN: usize = Pass::Outputs.scratch_len(&PLAN.model(), 1);

fn predict(inputs: &[f32], means: &mut [f32]) -> Result<(), Error> {
    let mut network = Mlp::<f32, 1>::new(&PLAN, black_box(&PARAMS), SCRATCH.take())?;
    network.predict(inputs, means)
}

#[board::entry]
fn main() -> ! {
    let mut means = [0.0; 4];
    match predict(&black_box([0.5; 8]), &mut means) {
        Ok(()) => {
            print(&means.map(f32::to_bits));
            board::process::exit(0)
        }
        Err(_) => board::process::exit(2),
    }
}

board::silent_panics!();
