//! Times of a gradient and of a Fisher product, against the peak of the machine.
//!
//! ```sh
//! cargo bench -p natgrad-host --bench passes              # a table
//! cargo bench -p natgrad-host --bench passes -- --csv     # the same as CSV
//! ```
//!
//! One thread, `f32`, the tile that the host takes for the batch, tanh units, outputs of a Gaussian. Times are
//! medians of [`SAMPLES`] samples. A product is all that [`LinearOperator::apply`] does: the forward pass, the
//! R-operator and the backward pass; a kept product is one whose activations are there from the one before, as in a
//! solver. A harness of its own, since the rate and its share of the peak are what is asked for.
//!
//! Convention of FLOPs: a multiplication and an addition are two, and only products with weights count. With W
//! weights, W₁ of them in the first layer, a gradient takes 6 W − 2 W₁ per example, a product 10 W − 4 W₁ and a kept
//! one 8 W − 4 W₁: the first layer has no tangent to multiply, and passes no seeds on. The peak is that of separate
//! multiplications and additions in registers, since the library fuses none. What others take: `peers.py` beside this file.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run may panic")]

use std::hint::black_box;
use std::time::Instant;

use multiversion::multiversion;
use natgrad::curvature::Fisher;
use natgrad::operator::LinearOperator;
use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Pass, init};
use natgrad_host::training::tile_for;

/// The number of samples that a median is taken of, and what each of them takes at least.
const SAMPLES: usize = 21;
const SAMPLE_SECONDS: f64 = 0.02;

/// Widths, and batches.
const NETWORKS: [(&[usize], [usize; 3]); 5] = [
    (&[8, 16, 4], [1, 16, 256]),
    (&[64, 32, 10], [1, 16, 256]),
    (&[64, 64, 32, 16, 32, 64, 64], [1, 16, 256]),
    (&[784, 100, 10], [1, 16, 1000]),
    (
        &[784, 400, 200, 100, 50, 25, 6, 25, 50, 100, 200, 400, 784],
        [1, 16, 256],
    ),
];

fn main() {
    let csv = std::env::args().any(|argument| argument == "--csv");
    let peak = peak();
    if csv {
        println!("network,batch,tile,pass,microseconds,gflops,peak_gflops");
    } else {
        println!("peak of separate multiplications and additions: {peak:.0} GFLOP/s\n");
    }
    for (widths, batches) in NETWORKS {
        for batch in batches {
            let tile = tile_for(batch);
            let rows = match tile {
                1 => passes::<1>(widths, batch),
                4 => passes::<4>(widths, batch),
                _ => passes::<32>(widths, batch),
            };
            let network = widths
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join("-");
            for Row {
                pass,
                seconds,
                flops,
            } in rows
            {
                let (time, rate) = (seconds * 1e6, flops / seconds * 1e-9);
                if csv {
                    println!("{network},{batch},{tile},{pass},{time:.4},{rate:.2},{peak:.1}");
                } else {
                    let share = 100.0 * rate / peak;
                    println!(
                        "{network:54} batch {batch:4} tile {tile:2} {pass:12} {time:10.2} µs {rate:6.1} GFLOP/s {share:3.0} %"
                    );
                }
            }
        }
    }
}

struct Row {
    pass: &'static str,
    seconds: f64,
    flops: f64,
}

/// A gradient and Fisher products of a network over a batch.
fn passes<const TILE: usize>(widths: &[usize], batch: usize) -> [Row; 3] {
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
    ]
}

/// Numbers in (−1, 1) without much of a pattern.
fn values(len: usize) -> Vec<f32> {
    let steps = (0..len).map(|i| u16::try_from(i * 7919 % 2001).unwrap());
    steps.map(|step| f32::from(step) * 0.001 - 1.0).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn real(count: usize) -> f64 {
    count as f64
}

/// The median time of a call, in seconds.
fn median(mut call: impl FnMut()) -> f64 {
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

/// The rate of independent multiplications and additions, in GFLOP/s: that of the number of chains that suits the
/// machine's registers.
fn peak() -> f64 {
    [rate::<2>(), rate::<3>(), rate::<4>(), rate::<6>()]
        .into_iter()
        .fold(0.0, f64::max)
}

fn rate<const CHAINS: usize>() -> f64 {
    const STEPS: usize = 10_000;
    let seconds = median(|| {
        black_box(chains::<CHAINS>(STEPS, black_box(1.0), black_box(1e-9)));
    });
    real(STEPS * CHAINS * 16 * 2) / seconds * 1e-9
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2",
    "x86_64+avx2+bmi1+bmi2"
))]
fn chains<const CHAINS: usize>(steps: usize, factor: f32, term: f32) -> f32 {
    let mut sums = [[1.0; 16]; CHAINS];
    let mut products = [[1.0; 16]; CHAINS];
    for _ in 0..steps {
        for (sums, products) in sums.iter_mut().zip(&mut products) {
            for (sum, product) in sums.iter_mut().zip(products) {
                *sum += term;
                *product *= factor;
            }
        }
    }
    let all = sums.iter().chain(&products).flatten();
    all.sum()
}
