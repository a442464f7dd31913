//! How the time of a Fisher product grows with the parameters and with the batch.
//!
//! ```sh
//! cargo bench -p natgrad-host --bench growth              # slopes
//! cargo bench -p natgrad-host --bench growth -- --csv     # every point
//! ```
//!
//! A kept product, one thread, `f32`, tanh units, in the tile that the host takes for the batch. The slope is that of a line
//! through the logarithms of both, by least squares: 1 where the time is in proportion.

mod harness;
mod timing;

use harness::{Case, Row, name, passes, real};
use natgrad_host::training::tile_for;
use timing::median;

/// Networks w-w-w of so many units, from some 10² to 10⁶ parameters, and their batch.
const SIDES: [usize; 9] = [7, 12, 22, 40, 70, 126, 224, 398, 707];
const BATCH: usize = 32;

/// The network of which a product has next to nothing to do.
const LEAST: [usize; 3] = [8, 16, 4];

/// Batches of a network of 2,410 parameters.
const WIDTHS: [usize; 3] = [64, 32, 10];
const BATCHES: [usize; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

fn main() {
    let csv = std::env::args().any(|argument| argument == "--csv");
    let by_params = SIDES.map(|side| (2 * side * (side + 1), kept_product(&[side; 3], BATCH)));
    let by_batch = BATCHES.map(|batch| (batch, kept_product(&WIDTHS, batch)));
    if csv {
        println!("against,size,microseconds,gflops");
        for (against, points) in [("parameters", &by_params[..]), ("batch", &by_batch[..])] {
            for (size, row) in points {
                let (time, rate) = (row.measured * 1e6, row.flops / row.measured * 1e-9);
                println!("{against},{size},{time:.4},{rate:.2}");
            }
        }
        return;
    }
    let from_a_tile_on = BATCHES.partition_point(|&batch| batch < tile_for(batch));
    let (_, whole) = by_batch.split_at(from_a_tile_on);
    println!("parameters, batch {BATCH}: slope {:.2}", slope(&by_params));
    let network = name(&WIDTHS);
    println!("batch, {network}: slope {:.2}", slope(&by_batch));
    println!(
        "batch, {network}, from a whole tile on: slope {:.2}",
        slope(whole)
    );
    let least = kept_product(&LEAST, 1);
    println!("{}, batch 1: {:.2} µs", name(&LEAST), least.measured * 1e6);
}

fn kept_product(widths: &[usize], batch: usize) -> Row<f64> {
    let rows = passes(&Case::new(widths, batch), median).into_iter();
    let mut kept = rows.filter(|row| row.pass == "kept product");
    kept.next().expect("it is one of the passes")
}

/// Of the line through the logarithms.
fn slope(points: &[(usize, Row<f64>)]) -> f64 {
    let logarithms: Vec<(f64, f64)> = points
        .iter()
        .map(|(size, row)| (real(*size).ln(), row.measured.ln()))
        .collect();
    let count = real(points.len());
    let mean_x = logarithms.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logarithms.iter().map(|(_, y)| y).sum::<f64>() / count;
    let (mut xy, mut xx) = (0.0, 0.0);
    for (x, y) in logarithms {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
    }
    xy / xx
}
