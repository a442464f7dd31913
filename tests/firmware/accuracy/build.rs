//! Puts the data of the tasks into the flash of a firmware: every set with its inputs in the units that they were
//! measured in, and standardised.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts, and the numbers of f32"
)]

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::{env, fs};

use flate2::read::GzDecoder;

#[path = "../examples/src/bridge.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "of a library, of which the readings are needed"
)]
mod bridge;
#[path = "../examples/src/noise.rs"]
mod noise;
#[path = "../examples/src/pump.rs"]
#[expect(unreachable_pub, reason = "of a library")]
mod pump;

/// The readings of the pressure sensor that are learned from, and those that test.
const READINGS: [usize; 2] = [200, 100];
/// The spectra that come first, which are the training set of their source.
const SPECTRA: usize = 172;
/// Of so many wines the last one tests.
const WINES: usize = 4;
/// The digits that are learned from.
const DIGITS: usize = 1000;
/// The rounds of the pump that are learned from, and those that test.
const ROUNDS: [usize; 2] = [400, 200];
/// Who wears the watch, and the windows of each recording that are labelled.
const WEARER: &str = "8";
const LABELLED: usize = 2;

/// Training examples and test examples.
type Split = [Examples; 2];

/// Rows of inputs, and of targets or of a class.
#[derive(Default)]
struct Examples {
    inputs: Vec<Vec<f64>>,
    targets: Vec<f64>,
}

impl Examples {
    fn push(&mut self, inputs: Vec<f64>, target: f64) {
        self.inputs.push(inputs);
        self.targets.push(target);
    }
}

fn main() {
    let data = Path::new("../../../host/datasets");
    let recordings = Path::new("../examples/data/wearers.csv");
    for source in [data, recordings, Path::new("../examples/src")] {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let mut text = String::new();

    let mut sensor = Split::default();
    let mut readings = bridge::readings();
    for (part, count) in sensor.iter_mut().zip(READINGS) {
        for reading in readings.by_ref().take(count) {
            let share = f64::from(reading.pressure / bridge::FULL_SCALE);
            part.push(reading.counts.map(f64::from).into(), share);
        }
    }
    write_inputs(&mut text, "SENSOR", &sensor);
    write_values(&mut text, "SENSOR_TARGETS", &sensor);

    let mut tecator = Split::default();
    for (index, (inputs, fat)) in rows(&zipped(&data.join("tecator.csv.gz")), 1).enumerate() {
        tecator[usize::from(index >= SPECTRA)].push(inputs, fat);
    }
    let (mean, deviation) = moments(&tecator[0].targets);
    for fat in tecator.iter_mut().flat_map(|part| &mut part.targets) {
        *fat = (*fat - mean) / deviation;
    }
    write_inputs(&mut text, "TECATOR", &tecator);
    write_values(&mut text, "TECATOR_TARGETS", &tecator);

    let mut wine = Split::default();
    let table = fs::read_to_string(data.join("wine.csv")).expect("the wines");
    for (index, (inputs, class)) in rows(&table, 1).enumerate() {
        wine[usize::from(index % WINES == WINES - 1)].push(inputs, class);
    }
    write_inputs(&mut text, "WINE", &wine);
    write_classes(&mut text, "WINE_CLASSES", &wine);

    let mut gesture = Split::default();
    let table = fs::read_to_string(recordings).expect("the recordings");
    for (cells, class) in rows(&table, 1) {
        if cells[0] == WEARER.parse::<f64>().expect("a number") {
            let later = usize::from(cells[1] >= LABELLED as f64);
            gesture[later].push(cells[2..].to_vec(), class);
        }
    }
    write_inputs(&mut text, "GESTURE", &gesture);
    write_classes(&mut text, "GESTURE_CLASSES", &gesture);

    let mut pump = Split::default();
    let mut rounds = pump::rounds();
    for (part, count) in pump.iter_mut().zip(ROUNDS) {
        for values in rounds.by_ref().take(count) {
            part.push(values.map(f64::from).into(), 0.0);
        }
    }
    write_inputs(&mut text, "PUMP", &pump);

    let mut digits = Split::default();
    for (index, (inputs, class)) in rows(&zipped(&data.join("digits.csv.gz")), 0).enumerate() {
        digits[usize::from(index >= DIGITS)].push(inputs, class);
    }
    for pixels in digits.iter_mut().flat_map(|part| &mut part.inputs) {
        for pixel in pixels {
            *pixel /= 16.0;
        }
    }
    let pixels = digits.each_ref().map(|part| part.inputs.concat());
    write_numbers(&mut text, "DIGITS", &pixels);
    write_classes(&mut text, "DIGITS_CLASSES", &digits);

    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("data.rs"), text).expect("the output folder");
}

fn zipped(path: &Path) -> String {
    let file = fs::File::open(path).expect("the data set");
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a table");
    text
}

/// The rows of a table after so many lines: inputs, and what stands in the last column.
fn rows(table: &str, heading: usize) -> impl Iterator<Item = (Vec<f64>, f64)> {
    table.lines().skip(heading).map(|line| {
        let cells = line.split(',').map(|cell| cell.parse().expect("a number"));
        let mut cells: Vec<f64> = cells.collect();
        let last = cells.pop().expect("a target");
        (cells, last)
    })
}

/// Mean and deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, (squares.sum::<f64>() / count).sqrt())
}

/// The inputs as they are, and in deviations of the training examples from their mean.
fn write_inputs(text: &mut String, name: &str, split: &Split) {
    let raw = split.each_ref().map(|part| part.inputs.concat());
    write_numbers(text, &format!("{name}_RAW"), &raw);
    let width = split[0].inputs[0].len();
    let scales: Vec<(f64, f64)> = (0..width)
        .map(|feature| {
            let values = split[0].inputs.iter().map(|inputs| inputs[feature]);
            moments(&values.collect::<Vec<f64>>())
        })
        .collect();
    let standardised = raw.map(|values| {
        let scaled = values.iter().zip(scales.iter().cycle());
        scaled
            .map(|(value, (mean, deviation))| (value - mean) / deviation)
            .collect()
    });
    write_numbers(text, &format!("{name}_STANDARDISED"), &standardised);
}

fn write_values(text: &mut String, name: &str, split: &Split) {
    write_numbers(
        text,
        name,
        &split.each_ref().map(|part| part.targets.clone()),
    );
}

fn write_numbers(text: &mut String, name: &str, parts: &[Vec<f64>; 2]) {
    let parts = parts.each_ref().map(|values| {
        let values = values.iter().map(|&value| format!("{:?}", value as f32));
        values.collect()
    });
    write_static(text, name, "f32", &parts);
}

fn write_classes(text: &mut String, name: &str, split: &Split) {
    let parts = split.each_ref().map(|part| {
        let classes = part.targets.iter().map(|class| format!("{class}"));
        classes.collect()
    });
    write_static(text, name, "u16", &parts);
}

fn write_static(text: &mut String, name: &str, number: &str, parts: &[Vec<String>; 2]) {
    for (part, words) in ["TRAIN", "TEST"].into_iter().zip(parts) {
        let (count, words) = (words.len(), words.join(", "));
        writeln!(
            text,
            "pub(crate) static {name}_{part}: [{number}; {count}] = [{words}];"
        )
        .expect("memory");
    }
}
