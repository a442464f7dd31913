//! Every method in slices, with tiles of four, and the stack that it takes with two networks.
#![no_std]
#![no_main]

use costs::{BATCH, board, depth, examples, print};
use natgrad::krylov::Cg;
use natgrad::optimizer::{
    Adam, Full, Gram, HessianFree, Kronecker, KrylovDescent, Momentum, NatSgd, NaturalCg,
    NaturalGradient, Newton, Sgd, Tonga, Woodbury,
};
use natgrad::precondition::Jacobi;
use natgrad::{Activation, Batch, Error, Likelihood, Plan, Room, Trainer};
use static_cell::ConstStaticCell;

const TILE: usize = 4;

const INPUTS: usize = 3;
const OUTPUTS: usize = 2;

const fn plan<const N: usize>(widths: [usize; N]) -> Plan<N> {
    match Plan::new(widths, Activation::Tanh, Likelihood::Categorical) {
        Ok(plan) => plan,
        Err(error) => panic!("{}", error.message()),
    }
}

const SHALLOW: Plan<2> = plan([INPUTS, OUTPUTS]);
const DEEP: Plan<5> = plan([INPUTS, 8, 7, 6, OUTPUTS]);

static PARAMS: ConstStaticCell<[f32; DEEP.params()]> = ConstStaticCell::new([0.0; DEEP.params()]);
static WORKSPACE: ConstStaticCell<[f32; LEN]> = ConstStaticCell::new([0.0; LEN]);

/// Prints the bound of each method's stack, and the stack with both networks.
macro_rules! depths {
    ($($method:ty = $value:expr;)*) => {
        /// As long as the method that needs most needs for the larger network.
        const LEN: usize = {
            let mut most = 0;
            $({
                let model = DEEP.model();
                let len = Trainer::<f32, $method, TILE>::workspace_len(&model, Room::NONE);
                if len > most {
                    most = len;
                }
            })*
            most
        };

        fn depths(
            params: &mut [f32],
            workspace: &mut [f32],
            batch: Batch<'_, f32>,
        ) -> Result<(), Error> {
            $({
                let deep = depth::<$method, TILE>($value, DEEP.model(), params, workspace, batch)?;
                let (params, _) = params.split_at_mut(SHALLOW.params());
                let shallow =
                    depth::<$method, TILE>($value, SHALLOW.model(), params, workspace, batch)?;
                print(&[Trainer::<f32, $method, TILE>::stack() as u32, shallow, deep]);
            })*
            Ok(())
        }
    };
}

depths! {
    Sgd<f32> = Sgd::new(0.01);
    Sgd<f32, Momentum> = Sgd::new(0.01);
    Adam<f32> = Adam::new(0.01);
    NaturalGradient<f32> = NaturalGradient::default();
    Gram<f32, BATCH> = Gram::default();
    Gram<f32, BATCH, Kronecker, Momentum, Woodbury> = Gram::default();
    NatSgd<f32, Cg> = NatSgd::nat_sgd();
    NaturalCg<f32, Full> = NaturalCg::default();
    HessianFree<f32> = HessianFree::hessian_free(1.0);
    Newton<f32> = Newton::default();
    KrylovDescent<f32, 3, Jacobi> = KrylovDescent::default();
    Tonga<f32, 3, 3> = Tonga::new(0.25);
}

#[board::entry]
fn main() -> ! {
    let mut inputs = [[0.0; INPUTS]; BATCH];
    let mut targets = [[0.0; OUTPUTS]; BATCH];
    examples(&mut inputs, &mut targets);
    let batch = Batch::new(inputs.as_flattened(), targets.as_flattened());
    match depths(PARAMS.take(), WORKSPACE.take(), batch) {
        Ok(()) => board::process::exit(0),
        Err(_) => board::process::exit(2),
    }
}

board::silent_panics!();
