//! The instructions of the runs: on the emulated M4F, of the run of the median seed, which has to be the host's, step
//! for step and bit for bit.

use std::fs;
use std::path::Path;

use accuracy::{Batches, CAPACITIES, Point, Schedule, TASKS, Task};
use indicatif::{ProgressBar, ProgressStyle};
use object::{File, Object, ObjectSection, ObjectSymbol, SectionKind};
use rayon::prelude::*;
use rustc_demangle::demangle;

use super::record::{Count, Entry, Name, Row};
use super::{Choice, Method, most_of, start};
use crate::on_target::{Build, CORES, Toolchain};

/// The core of the table.
const CORE: &str = "M4F";

/// The instructions of a tick: its clock has 25 MHz, of a nanosecond each.
const TICK: u64 = 40;

/// A run is counted for so many instructions, and the rest in proportion to its multiply-accumulates.
const LONGEST: u64 = 1_000_000_000;

/// What a program printed.
#[derive(Debug, PartialEq)]
struct Printed {
    ram: u64,
    /// Steps, multiply-accumulates, bits of the loss and instructions where it arrived, and at its end.
    arrivals: [Option<(u32, u64, u32, u64)>; 3],
    end: (u32, u64, u32, u64),
}

fn parse(text: &str) -> Option<Printed> {
    let mut printed = Printed {
        ram: 0,
        arrivals: [None; 3],
        end: (0, 0, 0, 0),
    };
    for line in text.lines() {
        let words = line.split_whitespace();
        let words: Option<Vec<u64>> = words
            .map(|word| u64::from_str_radix(word, 16).ok())
            .collect();
        match *words?.as_slice() {
            [9, bytes, stack] => printed.ram = bytes + stack,
            [what, steps, macs_high, macs, loss, high, low] => {
                let macs = macs_high << 32 | macs;
                let instructions = (high << 32 | low) * TICK;
                let steps = u32::try_from(steps).ok()?;
                let point = (steps, macs, u32::try_from(loss).ok()?, instructions);
                match usize::try_from(what).ok()? {
                    8 => printed.end = point,
                    index => *printed.arrivals.get_mut(index)? = Some(point),
                }
            }
            _ => return None,
        }
    }
    Some(printed)
}

fn program(choice: Choice) -> &'static str {
    let large = most_of(choice) > CAPACITIES[1];
    match choice.method {
        Method::Exact if large => "arrive-gram-64",
        Method::Exact => "arrive-gram-16",
        Method::Spring if large => "arrive-spring-64",
        Method::Spring => "arrive-spring-16",
        Method::Cg => "arrive-cg",
        Method::Adam => "arrive-adam",
        Method::Sgd => "arrive-sgd",
        Method::Momentum | Method::Lbfgs => "arrive-momentum",
    }
}

/// A run on the core, and what it is counted for.
struct Job {
    task: &'static Task,
    place: usize,
    choice: Choice,
    seed: u64,
    /// The last accuracy that it has to reach; none where no seed reaches one, and RAM and flash are all there is.
    last: Option<usize>,
    counts: Vec<(Row, usize, Option<Entry>)>,
}

/// Counts the instructions of some rows.
///
/// # Errors
/// A sentence, when there is no compiler or emulator, or a run is not that of the host.
pub fn count(entries: &[Entry], rows: &[Row]) -> Result<Vec<Count>, String> {
    let core = CORES.iter().find(|core| core.name == CORE);
    let core = core.ok_or("the core is gone")?;
    let toolchain = &Toolchain::find(core)?;
    let build = Build {
        core,
        profile: "release",
        toolchain,
    };
    build.package("arrivals")?;
    let jobs = jobs(entries, rows);
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {elapsed} + {eta}");
    let bar = ProgressBar::new(jobs.len() as u64).with_message("instructions");
    let bar = style.map_or(bar.clone(), |style| bar.with_style(style));
    let counts = jobs.par_iter().with_max_len(1).map(|job| {
        let counts = job.count(&build);
        bar.inc(1);
        counts
    });
    let counts: Result<Vec<Vec<Count>>, String> = counts.collect();
    bar.finish();
    Ok(counts?.concat())
}

/// The run of the median seed for each task, row and accuracy; those that are the same run are one job.
fn jobs(entries: &[Entry], rows: &[Row]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for (place, task) in TASKS.iter().enumerate() {
        let name = Name::of(task);
        for &row in rows.iter().filter(|row| **row != Row::Lbfgs) {
            for (index, &accuracy) in task.accuracies.iter().enumerate() {
                let of_row = entries.iter().filter(|entry| {
                    entry.row == row && entry.accuracy == accuracy && entry.name() == name
                });
                let of_row: Vec<&Entry> = of_row.collect();
                let median = super::table::median(&of_row);
                let Some(entry) = median.or(of_row.first().copied()) else {
                    continue;
                };
                let (choice, seed) = (entry.choice(), entry.seed);
                let last = median.map(|_| index);
                let counted = (row, index, median.cloned());
                let known = jobs
                    .iter_mut()
                    .find(|job| job.place == place && job.choice == choice && job.seed == seed);
                if let Some(job) = known {
                    job.last = job.last.max(last);
                    job.counts.push(counted);
                } else {
                    jobs.push(Job {
                        task,
                        place,
                        choice,
                        seed,
                        last,
                        counts: vec![counted],
                    });
                }
            }
        }
    }
    jobs
}

impl Job {
    fn count(&self, build: &Build<'_>) -> Result<Vec<Count>, String> {
        let Self {
            task, choice, seed, ..
        } = *self;
        let program = program(choice);
        let (batch, grown) = match choice.setting.batches {
            Batches::Of(len) => (len, 0),
            Batches::GrowingTo(most) => (16, most),
        };
        let falls = u8::from(choice.setting.schedule != Schedule::Constant);
        let (rate, place) = (choice.rate.to_bits(), self.place);
        let last = self.last.unwrap_or(0);
        let ticks = self.last.map_or(0, |_| LONGEST / TICK);
        let words = format!("{place} {seed} {rate} {batch} {grown} {falls} {last} {ticks}");
        let what = format!("{program} {words}");
        let text = build.run_timed_with(program, &words)?;
        let printed =
            parse(&text).ok_or_else(|| format!("{what} prints something else: {text}"))?;
        self.hold(&printed)
            .map_err(|sentence| format!("{what}: {sentence}"))?;
        let flash = flash(&build.image(program))?;
        let counts = self.counts.iter().map(|(row, index, entry)| {
            let (steps, macs) = entry
                .as_ref()
                .map_or((None, None), |entry| (entry.steps, entry.macs));
            let point = printed.arrivals[*index].unwrap_or(printed.end);
            let (counted, counted_macs, _, instructions) = point;
            let whole = macs.map(|macs| {
                let share = u128::from(instructions) * u128::from(macs);
                u64::try_from(share / u128::from(counted_macs.max(1))).unwrap_or(u64::MAX)
            });
            let Name { task: name, inputs } = Name::of(task);
            Count {
                task: name,
                inputs,
                row: *row,
                accuracy: task.accuracies[*index],
                seed,
                counted: if steps.is_some() { counted } else { 0 },
                steps,
                instructions: whole,
                ram: printed.ram,
                flash,
            }
        });
        Ok(counts.collect())
    }

    /// Demands that what was printed are points of the host's run.
    fn hold(&self, printed: &Printed) -> Result<(), String> {
        let mut points: Vec<Point> = Vec::new();
        let mut watch = |point: &Point| {
            points.push(*point);
            point.steps < printed.end.0
        };
        start(self.task, self.choice, self.seed, &mut watch);
        let known = |(steps, macs, bits, _): (u32, u64, u32, u64)| {
            let mut points = points.iter();
            points.any(|point| {
                point.steps == steps && point.macs == macs && point.loss.to_bits() == bits
            })
        };
        for point in printed.arrivals.into_iter().flatten().chain([printed.end]) {
            if !known(point) {
                return Err(format!(
                    "after {} steps the bits are not those of the host",
                    point.0
                ));
            }
        }
        for (_, index, entry) in &self.counts {
            let arrived = printed.arrivals[*index].map(|point| point.0);
            let expected = entry.as_ref().and_then(|entry| entry.steps);
            let early = expected.is_none_or(|steps| steps > printed.end.0);
            if arrived != expected && !early {
                return Err(format!(
                    "arrives after {arrived:?} steps, the host after {expected:?}"
                ));
            }
        }
        Ok(())
    }
}

/// The bytes that are flashed, without the examples.
fn flash(path: &Path) -> Result<u64, String> {
    let sentence = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| sentence(&error))?;
    let file = File::parse(&*bytes).map_err(|error| sentence(&error))?;
    let flashed = |kind| {
        matches!(
            kind,
            SectionKind::Text
                | SectionKind::ReadOnlyData
                | SectionKind::ReadOnlyString
                | SectionKind::Data
        )
    };
    let sections = file.sections().filter(|section| flashed(section.kind()));
    let all: u64 = sections.map(|section| section.size()).sum();
    let symbols = file.symbols().filter(|symbol| {
        let name = symbol.name().map(|name| format!("{:#}", demangle(name)));
        name.is_ok_and(|name| name.starts_with("accuracy::data::"))
    });
    let data: u64 = symbols.map(|symbol| symbol.size()).sum();
    if data == 0 || data > all {
        return Err(format!(
            "{}: {data} bytes of examples in {all}",
            path.display()
        ));
    }
    Ok(all - data)
}
