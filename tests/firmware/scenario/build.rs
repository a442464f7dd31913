//! Puts some of the wines of the host's data set into the flash of a firmware.

use std::{env, fmt::Write, fs, path::Path};

/// How many wines, and how far apart they are in the file, which has them class by class.
const WINES: usize = 45;
const STRIDE: usize = 67;

fn main() {
    let source = "../../../host/datasets/wine.csv";
    println!("cargo::rerun-if-changed={source}");
    let text = fs::read_to_string(source).expect("the data set");
    let mut inputs = String::new();
    let mut labels = String::new();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    for wine in 0..WINES {
        let row = rows[wine * STRIDE % rows.len()];
        let (features, class) = row.rsplit_once(',').expect("features, and a class");
        for feature in features.split(',') {
            let value: f32 = feature.parse().expect("a number");
            write!(inputs, "{value:?}, ").expect("memory");
        }
        write!(labels, "{class}, ").expect("memory");
    }
    let constants = format!(
        "pub(crate) const WINES: usize = {WINES};\n\
         pub(crate) static INPUTS: [f32; WINES * FEATURES] = [{inputs}];\n\
         pub(crate) static LABELS: [u16; WINES] = [{labels}];\n"
    );
    let out = env::var_os("OUT_DIR").expect("a build script has it");
    fs::write(Path::new(&out).join("wine.rs"), constants).expect("the output folder");
}
