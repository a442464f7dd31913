//! A roofline of each network: the rate of a kept product against its arithmetic per byte, below what the machine can do.
//!
//! ```sh
//! cargo bench -p natgrad-host --bench roofline > host/benches/data/roofline.svg
//! ```
//!
//! It draws what `passes` and `peers.py` have written to `data`. The bytes are those that any way to compute the product
//! moves: θ and v are read, and the product is written, once each, and so are the activations of every example, of all
//! layers; seeds and tangents of a tile need not leave the core. The roofs are the peak of separate multiplications and
//! additions, and y += a x from the second-level cache and from memory. A rate above the peak fuses the two.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use natgrad_host::plot::{Plot, Point, Series, panels};
use serde::Deserialize;

/// The auto-encoder of Curves, whose widths are too many for a title.
const CURVES: &str = "784-400-200-100-50-25-6-25-50-100-200-400-784";

/// A row of `passes.csv`.
#[derive(Deserialize)]
struct Timing {
    network: String,
    batch: u32,
    pass: String,
    gflops: f64,
    microseconds: f64,
    peak_gflops: f64,
    cache_gbs: f64,
    memory_gbs: f64,
}

/// A row of `peers.csv`.
#[derive(Deserialize)]
struct Rival {
    network: String,
    batch: u32,
    pass: String,
    peer: String,
    microseconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let passes: Vec<Timing> = read("passes.csv")?;
    let peers: Vec<Rival> = read("peers.csv")?;
    let mut networks: Vec<&str> = passes.iter().map(|row| row.network.as_str()).collect();
    networks.dedup();
    let plots: Vec<Plot> = networks
        .into_iter()
        .map(|network| {
            let rows = passes.iter().filter(|row| row.network == network);
            let kept: Vec<&Timing> = rows.filter(|row| row.pass == "kept product").collect();
            roofline(network, &kept, &peers)
        })
        .collect();
    print!("{}", panels(&plots, 3)?);
    Ok(())
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> Result<Vec<T>, csv::Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/data")
        .join(name);
    csv::Reader::from_path(path)?.into_deserialize().collect()
}

fn roofline(network: &str, kept: &[&Timing], peers: &[Rival]) -> Plot {
    let flops = |row: &Timing| 1e3 * row.gflops * row.microseconds;
    let intensity = |row: &Timing| flops(row) / bytes(network, row.batch);
    let ours = kept.iter().map(|row| (intensity(row), row.gflops).into());
    let mut theirs: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for peer in peers
        .iter()
        .filter(|peer| peer.network == network && peer.pass == "kept product")
    {
        let Some(row) = kept.iter().find(|row| row.batch == peer.batch) else {
            continue;
        };
        let point = (intensity(row), 1e-3 * flops(row) / peer.microseconds);
        theirs.entry(&peer.peer).or_default().push(point.into());
    }
    let mut series = vec![Series {
        name: "natgrad".into(),
        points: ours.collect(),
    }];
    series.extend(theirs.into_iter().map(|(name, points)| Series {
        name: name.into(),
        points,
    }));
    if let Some(row) = kept.first() {
        for (name, bandwidth) in [("cache", row.cache_gbs), ("memory", row.memory_gbs)] {
            series.push(Series {
                name: name.into(),
                points: roof(row.peak_gflops, bandwidth),
            });
        }
    }
    Plot {
        title: if network == CURVES { "Curves" } else { network }.into(),
        x: "FLOP per byte".into(),
        wide_x: true,
        y: "GFLOP/s".into(),
        series,
        thresholds: Vec::new(),
    }
}

/// The bytes of θ, v, the product and all activations.
fn bytes(network: &str, batch: u32) -> f64 {
    let widths: Vec<f64> = network
        .split('-')
        .filter_map(|width| width.parse().ok())
        .collect();
    let params: f64 = widths
        .iter()
        .zip(widths.iter().skip(1))
        .map(|(fan_in, fan_out)| (fan_in + 1.0) * fan_out)
        .sum();
    4.0 * (3.0 * params + f64::from(batch) * widths.iter().sum::<f64>())
}

/// What memory of a bandwidth allows, up to the peak.
fn roof(peak: f64, bandwidth: f64) -> Vec<Point> {
    let ridge = peak / bandwidth;
    let reach = [0.1, ridge, 100.0];
    reach.map(|x| (x, peak.min(bandwidth * x)).into()).into()
}
