//! The passes that are measured, and their set-up.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run may panic")]

use std::hint::black_box;

use natgrad::curvature::Fisher;
use natgrad::operator::LinearOperator;
use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Pass, init};
use natgrad_host::training::tile_for;

/// What was measured of a pass.
pub(crate) struct Row<M> {
    pub(crate) pass: &'static str,
    pub(crate) measured: M,
    pub(crate) flops: f64,
}

/// A network with tanh units and outputs of a Gaussian, a batch for it, and a vector to multiply.
pub(crate) struct Case<'w> {
    pub(crate) widths: &'w [usize],
    pub(crate) batch: usize,
    pub(crate) model: Model<'w>,
    pub(crate) params: Vec<f32>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
    pub(crate) direction: Vec<f32>,
}

impl<'w> Case<'w> {
    pub(crate) fn new(widths: &'w [usize], batch: usize) -> Self {
        let model = Model::new(widths, Activation::Tanh, Likelihood::Gaussian).unwrap();
        let mut params = vec![0.0; model.params()];
        init::glorot(model, 1, &mut params).unwrap();
        Self {
            widths,
            batch,
            model,
            params,
            inputs: values(batch * model.dim_in()),
            targets: values(batch * model.dim_out()),
            direction: values(model.params()),
        }
    }

    pub(crate) fn examples(&self) -> Batch<'_, f32> {
        Batch::new(self.inputs.as_slice(), self.targets.as_slice())
    }

    /// The FLOPs of a pass that has `all` for each weight, less `first` for each weight of the first layer.
    pub(crate) fn flops(&self, all: usize, first: usize) -> f64 {
        let sizes = self.widths.windows(2);
        let sizes: Vec<usize> = sizes.map(|pair| pair.iter().product()).collect();
        let per_example = all * sizes.iter().sum::<usize>() - first * sizes.first().unwrap();
        real(self.batch * per_example)
    }
}

/// A gradient and Fisher products, in the tile that the host takes for the batch. What measures a call may repeat it, and
/// everything has been called once before.
pub(crate) fn passes<M>(case: &Case<'_>, measure: impl Fn(&mut dyn FnMut()) -> M) -> [Row<M>; 3] {
    match tile_for(case.batch) {
        1 => passes_in::<M, 1>(case, measure),
        _ => passes_in::<M, 16>(case, measure),
    }
}

fn passes_in<M, const TILE: usize>(
    case: &Case<'_>,
    measure: impl Fn(&mut dyn FnMut()) -> M,
) -> [Row<M>; 3] {
    let measure = |call: &mut dyn FnMut()| {
        call();
        measure(call)
    };
    let model = case.model;
    let mut out = vec![0.0; model.params()];
    let scratch = [Pass::Product, Pass::Gradient].map(|pass| pass.scratch_len(&model, TILE));
    let mut scratch = vec![0.0; scratch.into_iter().max().unwrap()];

    let mut mlp = Mlp::<f32, TILE>::new(model, &case.params, &mut scratch).unwrap();
    let examples = case.examples();
    let gradient = measure(&mut || {
        black_box(mlp.gradient(black_box(&examples), &mut out).unwrap());
    });
    let mut fisher = Fisher::<f32, TILE>::new(mlp, examples).unwrap();
    let product = measure(&mut || {
        black_box(fisher.apply(black_box(&case.direction), &mut out));
    });
    let mut memory = vec![0.0; case.batch.next_multiple_of(TILE) * model.units()];
    let mut fisher = fisher.keeping(&mut memory);
    // The call before finds what is kept.
    let kept = measure(&mut || {
        black_box(fisher.apply(black_box(&case.direction), &mut out));
    });
    [
        Row {
            pass: "gradient",
            measured: gradient,
            flops: case.flops(6, 2),
        },
        Row {
            pass: "product",
            measured: product,
            flops: case.flops(10, 4),
        },
        Row {
            pass: "kept product",
            measured: kept,
            flops: case.flops(8, 4),
        },
    ]
}

/// What a network is called by its widths.
pub(crate) fn name(widths: &[usize]) -> String {
    let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
    widths.join("-")
}

/// Numbers in (−1, 1) without much of a pattern.
fn values(len: usize) -> Vec<f32> {
    let steps = (0..len).map(|i| u16::try_from(i * 7919 % 2001).unwrap());
    steps.map(|step| f32::from(step) * 0.001 - 1.0).collect()
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}
