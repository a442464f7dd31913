//! Products in two phases against products in one: the same bits, however the rows are cut, and with frozen layers.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use natgrad::curvature::{CurvatureOperator, Factored, Natural, Phased};
use natgrad::operator::LinearOperator;
use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Pass, Plan, init};

const PLAN: Plan<5> = match Plan::new([3, 5, 4, 6, 2], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const EXAMPLES: usize = 7;
const TILE: usize = 4;

fn numbers(len: usize, rate: f32) -> Vec<f32> {
    let steps = (0..len).map(|i| f32::from(u16::try_from(i).expect("few")));
    steps.map(|i| (rate * i + 1.0).sin()).collect()
}

/// A product whose layers are cut at row `cut`, its lower rows first, and the share of each tile in its form.
fn phased<C: Factored<f32>>(
    phased: &Phased<'_, f32, C, TILE>,
    v: &[f32],
    cut: usize,
) -> (Vec<f32>, f32) {
    let mut memory = vec![f32::NAN; phased.tiles() * phased.tile_len()];
    let mut tiles: Vec<_> = memory
        .chunks_exact_mut(phased.tile_len())
        .enumerate()
        .map(|(index, memory)| phased.tile(index, memory).expect("its length"))
        .collect();
    let mut memory = vec![f32::NAN; phased.scratch_len()];
    let mut scratch = phased.scratch(&mut memory).expect("its length");
    // What one takes first is up to those who share.
    for tile in tiles.iter_mut().rev() {
        tile.propagate(v, &mut scratch);
    }
    let mut out = vec![0.0; phased.dim()];
    for layer in phased.layers(&mut out) {
        let (rows, macs) = (layer.rows(), layer.macs());
        let (mut upper, mut lower) = layer.split_at(cut);
        assert_eq!(upper.rows(), cut.min(rows));
        assert_eq!(upper.macs() + lower.macs(), macs);
        lower.deposit(&tiles);
        upper.deposit(&tiles);
    }
    let mut quad = 0.0;
    for tile in &tiles {
        tile.add_form(&mut quad);
    }
    (out, quad)
}

#[test]
fn rows_may_be_cut_anywhere_and_layers_frozen() {
    let inputs = numbers(EXAMPLES * PLAN.model().dim_in(), 0.7);
    let mut params = vec![0.0; PLAN.params()];
    init::glorot(PLAN.model(), 3, &mut params).expect("the length of the model");
    let batch = Batch::unlabelled(inputs.as_slice());
    for trained in [0..4, 0..2, 1..3, 2..4, 3..4] {
        let plan = PLAN.with_trained(trained).expect("layers");
        let model: Model<'_> = plan.model();
        let v = numbers(model.trained_params(), 0.3);
        let mut scratch = vec![f32::NAN; Pass::Product.scratch_len(&model, TILE)];
        let mlp = Mlp::<f32, TILE>::new(model, &params, &mut scratch).expect("a network");
        let mut whole = CurvatureOperator::<f32, Natural, TILE>::new(mlp, batch).expect("inputs");
        let mut out = vec![0.0; model.trained_params()];
        let quad = whole.apply(&v, &mut out);
        for cut in [0, 1, 3, 5, 100] {
            let cut = phased(
                &Phased::<f32, Natural, TILE>::new(model, &params, batch).expect("inputs"),
                &v,
                cut,
            );
            assert_eq!(cut, (out.clone(), quad));
        }
    }
}

#[test]
fn memory_that_is_short_is_refused() {
    let inputs = numbers(EXAMPLES * PLAN.model().dim_in(), 0.7);
    let (params, batch) = (vec![0.0; PLAN.params()], Batch::unlabelled(&inputs[..]));
    let phased = Phased::<f32, Natural, TILE>::new(&PLAN, &params, batch).expect("inputs");
    let mut memory = vec![0.0; phased.tile_len() - 1];
    assert!(phased.tile(0, &mut memory).is_err());
    let mut memory = vec![0.0; phased.scratch_len() - 1];
    assert!(phased.scratch(&mut memory).is_err());
    assert!(Phased::<f32, Natural, TILE>::new(&PLAN, &params[1..], batch).is_err());
}
