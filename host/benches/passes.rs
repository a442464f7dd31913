//! Times of a gradient and of a Fisher product, against the peak of the machine.
//!
//! ```sh
//! cargo bench -p natgrad-host --bench passes              # a table
//! cargo bench -p natgrad-host --bench passes -- --csv     # the same as CSV
//! ```
//!
//! One thread, but for the shared product, which two have; `f32`, the tile that the host takes for the batch, tanh units,
//! outputs of a Gaussian. Times are medians of 21 samples. A product is all that `LinearOperator::apply` does: the forward
//! pass, the R-operator and the backward pass; a kept product is one whose activations are there from the one before, as
//! in a solver, and a shared one is a kept one of `natgrad_host::parallel`. A harness of its own, since the rate and its
//! share of the peak are what is asked for.
//!
//! Convention of FLOPs: a multiplication and an addition are two, and only products with weights count. With W
//! weights, W₁ of them in the first layer, a gradient takes 6 W − 2 W₁ per example, a product 10 W − 4 W₁ and a kept
//! one 8 W − 4 W₁: the first layer has no tangent to multiply, and passes no seeds on. The peak is that of separate
//! multiplications and additions in registers, since the library fuses none. What others take: `peers.py` beside this file.

mod harness;
mod timing;

use std::hint::black_box;

use harness::{Case, Row, name, passes, real};
use multiversion::multiversion;
use natgrad::curvature::{Natural, Phased};
use natgrad::operator::LinearOperator;
use natgrad_host::parallel::Parallel;
use natgrad_host::training::tile_for;
use timing::median;

/// The threads that share a product.
const THREADS: usize = 2;

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
    let [cache, memory] = [32 << 10, 64 << 20].map(bandwidth);
    if csv {
        println!("network,batch,tile,pass,microseconds,gflops,peak_gflops,cache_gbs,memory_gbs");
    } else {
        println!("peak of separate multiplications and additions: {peak:.0} GFLOP/s");
        println!("y += a x: {cache:.0} GB/s from the cache, {memory:.0} GB/s from memory\n");
    }
    for (widths, batches) in NETWORKS {
        for batch in batches {
            let tile = tile_for(batch);
            let case = Case::new(widths, batch);
            let rows = passes(&case, median).into_iter().chain([shared(&case)]);
            let network = name(widths);
            for Row {
                pass,
                measured: seconds,
                flops,
            } in rows
            {
                let (time, rate) = (seconds * 1e6, flops / seconds * 1e-9);
                if csv {
                    println!(
                        "{network},{batch},{tile},{pass},{time:.4},{rate:.2},{peak:.1},{cache:.1},{memory:.1}"
                    );
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

/// A kept product that two threads share.
fn shared(case: &Case<'_>) -> Row<f64> {
    let measured = match tile_for(case.batch) {
        1 => shared_in::<1>(case),
        _ => shared_in::<16>(case),
    };
    Row {
        pass: "shared product",
        measured,
        flops: case.flops(8, 4),
    }
}

fn shared_in<const TILE: usize>(case: &Case<'_>) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
    let phased = Phased::<f32, Natural, TILE>::new(case.model, &case.params, case.examples());
    let phased = phased.expect("a case is consistent");
    let pool = pool.build().expect("there are threads");
    pool.install(|| {
        let mut memory = Parallel::memory(&phased).expect("there is memory");
        let mut fisher = Parallel::new(&phased, &mut memory).expect("its own memory suits it");
        let mut out = vec![0.0; case.model.params()];
        fisher.apply(&case.direction, &mut out);
        median(&mut || {
            black_box(fisher.apply(black_box(&case.direction), &mut out));
        })
    })
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
    let seconds = median(&mut || {
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

/// The rate at which y += a x on vectors of so many numbers reads both and writes one, in GB/s.
fn bandwidth(len: usize) -> f64 {
    let (x, mut y) = (vec![1.0; len], vec![0.0; len]);
    let seconds = median(&mut || add_multiple(black_box(1e-9), &x, black_box(&mut y)));
    real(3 * size_of::<f32>() * len) / seconds * 1e-9
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2",
    "x86_64+avx2+bmi1+bmi2"
))]
fn add_multiple(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}
