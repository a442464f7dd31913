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

use harness::{passes, real};

/// Networks w-w-w of so many units, from some 10² to 10⁶ parameters, and their batch.
const SIDES: [usize; 9] = [7, 12, 22, 40, 70, 126, 224, 398, 707];
const BATCH: usize = 32;

/// Batches of a network of 2,410 parameters.
const WIDTHS: [usize; 3] = [64, 32, 10];
const BATCHES: [usize; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

fn main() {
    let csv = std::env::args().any(|argument| argument == "--csv");
    let by_params = SIDES.map(|side| (2 * side * (side + 1), microseconds(&[side; 3], BATCH)));
    let by_batch = BATCHES.map(|batch| (batch, microseconds(&WIDTHS, batch)));
    if csv {
        println!("against,size,microseconds");
        for (against, points) in [("parameters", &by_params[..]), ("batch", &by_batch[..])] {
            for (size, time) in points {
                println!("{against},{size},{time:.4}");
            }
        }
        return;
    }
    let whole: Vec<_> = by_batch
        .into_iter()
        .filter(|(batch, _)| *batch >= 32)
        .collect();
    println!("parameters, batch {BATCH}: slope {:.2}", slope(&by_params));
    println!("batch, 64-32-10: slope {:.2}", slope(&by_batch));
    println!(
        "batch, 64-32-10, from a whole tile on: slope {:.2}",
        slope(&whole)
    );
    println!("8-16-4, batch 1: {:.2} µs", microseconds(&[8, 16, 4], 1));
}

fn microseconds(widths: &[usize], batch: usize) -> f64 {
    let [.., kept] = passes(widths, batch);
    kept.seconds * 1e6
}

/// Of the line through the logarithms.
fn slope(points: &[(usize, f64)]) -> f64 {
    let logarithms: Vec<(f64, f64)> = points
        .iter()
        .map(|&(size, time)| (real(size).ln(), time.ln()))
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
