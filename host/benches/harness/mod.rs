//! How a pass is timed.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run may panic")]

use std::hint::black_box;
use std::time::Instant;

use natgrad::curvature::{Fisher, Natural, Phased};
use natgrad::operator::LinearOperator;
use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Pass, init};
use natgrad_host::parallel::Parallel;
use natgrad_host::training::tile_for;

/// The number of samples that a median is taken of, and what each of them takes at least.
const SAMPLES: usize = 21;
const SAMPLE_SECONDS: f64 = 0.02;

/// What a pass takes.
pub(crate) struct Row {
    pub(crate) pass: &'static str,
    pub(crate) seconds: f64,
    pub(crate) flops: f64,
}

/// The threads that share a product.
const THREADS: usize = 2;

/// A gradient and Fisher products of a network over a batch, in the tile that the host takes for it.
pub(crate) fn passes(widths: &[usize], batch: usize) -> [Row; 4] {
    match tile_for(batch) {
        1 => passes_in::<1>(widths, batch),
        4 => passes_in::<4>(widths, batch),
        _ => passes_in::<32>(widths, batch),
    }
}

fn passes_in<const TILE: usize>(widths: &[usize], batch: usize) -> [Row; 4] {
    let model = Model::new(widths, Activation::Tanh, Likelihood::Gaussian).unwrap();
    let mut params = vec![0.0; model.params()];
    init::glorot(model, 1, &mut params).unwrap();
    let inputs = values(batch * model.dim_in());
    let targets = values(batch * model.dim_out());
    let examples = Batch::new(inputs.as_slice(), targets.as_slice());
    let direction = values(model.params());
    let mut out = vec![0.0; model.params()];
    let scratch = [Pass::Product, Pass::Gradient].map(|pass| pass.scratch_len(&model, TILE));
    let mut scratch = vec![0.0; scratch.into_iter().max().unwrap()];

    let mut mlp = Mlp::<f32, TILE>::new(model, &params, &mut scratch).unwrap();
    let gradient = median(|| {
        black_box(mlp.gradient(black_box(&examples), &mut out).unwrap());
    });
    let mut fisher = Fisher::<f32, TILE>::new(mlp, examples).unwrap();
    let product = median(|| {
        black_box(fisher.apply(black_box(&direction), &mut out));
    });
    let mut memory = vec![0.0; batch.next_multiple_of(TILE) * model.units()];
    let mut fisher = fisher.keeping(&mut memory);
    // The first one has to find them.
    fisher.apply(&direction, &mut out);
    let kept = median(|| {
        black_box(fisher.apply(black_box(&direction), &mut out));
    });

    let phased = Phased::<f32, Natural, TILE>::new(model, &params, examples).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
    let shared = pool.build().unwrap().install(|| {
        let mut memory = Parallel::memory(&phased).unwrap();
        let mut fisher = Parallel::new(&phased, &mut memory).unwrap();
        fisher.apply(&direction, &mut out);
        median(|| {
            black_box(fisher.apply(black_box(&direction), &mut out));
        })
    });

    let sizes: Vec<usize> = widths
        .windows(2)
        .map(|pair| pair.iter().product())
        .collect();
    let (all, first) = (sizes.iter().sum::<usize>(), sizes.first().unwrap());
    let flops = |per_example: usize| real(batch * per_example);
    [
        Row {
            pass: "gradient",
            seconds: gradient,
            flops: flops(6 * all - 2 * first),
        },
        Row {
            pass: "product",
            seconds: product,
            flops: flops(10 * all - 4 * first),
        },
        Row {
            pass: "kept product",
            seconds: kept,
            flops: flops(8 * all - 4 * first),
        },
        Row {
            pass: "shared product",
            seconds: shared,
            flops: flops(8 * all - 4 * first),
        },
    ]
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

/// The median time of a call, in seconds.
pub(crate) fn median(mut call: impl FnMut()) -> f64 {
    let mut time = |calls: u32| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed().as_secs_f64()
    };
    let mut calls = 1;
    while time(calls) < SAMPLE_SECONDS {
        calls *= 2;
    }
    let mut times: Vec<f64> = (0..SAMPLES).map(|_| time(calls)).collect();
    times.sort_by(f64::total_cmp);
    times.get(SAMPLES / 2).unwrap() / f64::from(calls)
}
