//! Puts the recordings of the watch into flash, and the strings of the logs where the host finds them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// The windows of each recording that the wearer labels; what comes after them tests.
const LABELLED: usize = 2;

/// Of one wearer: inputs and classes of the labelled windows, and of those that come later.
type Wearer = [(Vec<String>, Vec<String>); 2];

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    let source = "data/wearers.csv";
    println!("cargo::rerun-if-changed={source}");
    let table = fs::read_to_string(source).expect("the data set");
    let mut wearers: BTreeMap<u16, Wearer> = BTreeMap::new();
    for row in table.lines().skip(1) {
        let mut cells: Vec<&str> = row.split(',').collect();
        let class = cells.pop().expect("a class").to_string();
        let window: usize = cells.remove(1).parse().expect("a window");
        let wearer = cells.remove(0).parse().expect("a wearer");
        let [labelled, later] = wearers.entry(wearer).or_default();
        let part = if window < LABELLED { labelled } else { later };
        part.0.extend(cells.into_iter().map(String::from));
        part.1.push(class);
    }
    let mut text = String::from("pub static WEARERS: &[Wearer] = &[\n");
    let windows = |(inputs, classes): &(Vec<String>, Vec<String>)| {
        let (inputs, classes) = (inputs.join(", "), classes.join(", "));
        format!("Windows {{ raw: &[{inputs}], classes: &[{classes}] }}")
    };
    for (id, [labelled, later]) in &wearers {
        let (labelled, later) = (windows(labelled), windows(later));
        writeln!(
            text,
            "Wearer {{ id: {id}, labelled: {labelled}, later: {later} }},"
        )
        .expect("memory");
    }
    text.push_str("];\n");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("wearers.rs"), text).expect("the output folder");
}
