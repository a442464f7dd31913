//! Makes the comparison of the README: what every method takes to a given accuracy.
#![forbid(unsafe_code)]

use std::fs;
use std::process::ExitCode;

use clap::Parser;
use natgrad_tests::accuracy::record::{self, Count, Curve, Entry, Row, Trial};
use natgrad_tests::accuracy::table::Data;
use natgrad_tests::accuracy::{plot, target, work};

/// Compares what methods take to a given accuracy: the grid, the seeds, and the instructions on an emulated core.
#[derive(Parser)]
#[command(name = "accuracy")]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Options {
    /// The seeds that are reported: from 1 to this.
    #[arg(long, default_value_t = 20)]
    seeds: u64,

    /// Print the tables and draw the plot from the data that are committed, and run nothing.
    #[arg(long)]
    table: bool,

    /// Take the trials of the grid that are committed, and run those that are missing.
    #[arg(long)]
    keep_grid: bool,

    /// Only these rows; those of the others stay as they are committed.
    #[arg(long = "row", value_name = "ROW")]
    rows: Vec<Row>,

    /// Count the instructions of the runs that are committed, and make no runs.
    #[arg(long, conflicts_with = "host_only")]
    target_only: bool,

    /// Count no instructions.
    #[arg(long)]
    host_only: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("accuracy: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let all = options.rows.is_empty();
    let rows = if all { &Row::ALL[..] } else { &options.rows };
    if options.table {
        return present();
    }
    if !options.target_only {
        on_host(options, rows)?;
    }
    if !options.host_only {
        on_target(rows)?;
    }
    present()
}

/// Writes plot and page, and prints what stands in the README.
fn present() -> Result<(), String> {
    let data = Data::read()?;
    let place = record::folder();
    let drawing = plot::draw(&record::read::<Curve>("curves.csv")?);
    let drawing = drawing.map_err(|error| error.to_string())?;
    let write = |name: &str, text: String| {
        let path = place.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write("accuracy.svg", drawing)?;
    write("README.md", data.page())?;
    print!("{}", data.headline());
    Ok(())
}

fn on_host(options: &Options, rows: &[Row]) -> Result<(), String> {
    let known: Vec<Trial> = if options.keep_grid {
        record::read("grid.csv")?
    } else {
        Vec::new()
    };
    let trials = work::trials(&known);
    record::write("grid.csv", &trials)?;
    let (mut entries, mut curves) = work::entries(&trials, rows, options.seeds);
    let kept = |row: &Row| !rows.contains(row);
    if !options.rows.is_empty() {
        // Those of the other rows are what they were.
        let others = record::read::<Entry>("runs.csv")?.into_iter();
        entries.extend(others.filter(|entry| kept(&entry.row)));
        let others = record::read::<Curve>("curves.csv")?.into_iter();
        curves.extend(others.filter(|curve| kept(&curve.row)));
    }
    entries.sort_by_key(Entry::order);
    curves.sort_by_key(Curve::order);
    record::write("runs.csv", &entries)?;
    record::write("curves.csv", &curves)
}

fn on_target(rows: &[Row]) -> Result<(), String> {
    let entries: Vec<Entry> = record::read("runs.csv")?;
    let mut counts = target::count(&entries, rows)?;
    if rows.len() < Row::ALL.len() {
        let others = record::read::<Count>("target.csv")?.into_iter();
        counts.extend(others.filter(|count| !rows.contains(&count.row)));
    }
    counts.sort_by(|one, other| {
        let key = |count: &Count| (count.order(), std::cmp::Reverse(count.accuracy.to_bits()));
        key(one).cmp(&key(other))
    });
    record::write("target.csv", &counts)
}
