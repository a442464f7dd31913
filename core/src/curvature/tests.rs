//! What a second product in phases does again, counted by the numbers themselves.

#![expect(clippy::expect_used, reason = "a test may panic")]

extern crate std;

use std::vec;
use std::vec::Vec;

use super::{Natural, Phased};
use crate::scalar::counted::{Count, Counted};
use crate::{Activation, Batch, Likelihood, Model, Pass};

const TILE: usize = 2;

fn numbers(len: u8) -> Vec<Counted> {
    (0..len).map(|i| Counted(f32::from(i % 7) * 0.1)).collect()
}

#[test]
fn a_second_product_is_without_its_forward_pass() {
    let model = Model::new(&[3, 4, 2], Activation::Tanh, Likelihood::Gaussian).expect("a network");
    let (params, inputs) = (numbers(26), numbers(6));
    let batch = Batch::unlabelled(inputs.as_slice());
    let phased = Phased::<Counted, Natural, TILE>::new(model, &params, batch).expect("inputs");
    let mut memory = vec![Counted(0.0); phased.tile_len()];
    let mut tile = phased.tile(0, &mut memory).expect("its length");
    let mut memory = vec![Counted(0.0); phased.scratch_len()];
    let mut scratch = phased.scratch(&mut memory).expect("its length");
    let [first, second] = [(); 2].map(|()| {
        Count::take();
        tile.propagate(&params, &mut scratch);
        Count::take()
    });
    let lanes = TILE as u64;
    assert_eq!(first.macs - second.macs, lanes * model.macs(Pass::Outputs));
    // A tanh of every hidden unit.
    assert_eq!((first.calls, second.calls), (4 * lanes, 0));
}
