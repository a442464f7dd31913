//! Instructions of the passes on a host, held to one file of budgets.
//!
//! Valgrind's callgrind runs a program of the package `natgrad-host`, which calls every pass in a function of its own, and
//! writes what that function has taken at each of its ends. Instructions, not times: whatever else the machine does, they
//! are the same. Where the stack begins, which the environment moves, changes some 0.1 % of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::margin::Margin;
use crate::on_target::Toolchain;
use crate::{built, root};

/// The program, and the function that it counts in.
const PROGRAM: &str = "counted";
const FUNCTION: &str = "counted::counted";

/// The instruction set of the budgets: the best that valgrind emulates.
const INSTRUCTION_SET: &str = "avx2";

/// From how many bytes on the C library takes string instructions.
const NO_STRING_INSTRUCTIONS: &str =
    "glibc.cpu.x86_rep_stosb_threshold=0x40000000:glibc.cpu.x86_rep_movsb_threshold=0x40000000";

/// What a pass takes, and by its budget may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// The release of the compiler: another one makes other code.
    rustc: String,
    network: String,
    batch: usize,
    tile: usize,
    pass: String,
    instructions: u64,
}

impl Row {
    /// The tile belongs to what is measured: another one is another cost of the same pass.
    fn key(&self) -> (&str, usize, &str) {
        (&self.network, self.batch, &self.pass)
    }

    fn name(&self) -> String {
        format!(
            "{}, batch {}, tile {}, {}",
            self.network, self.batch, self.tile, self.pass
        )
    }
}

/// What was counted.
struct Counted {
    /// That of which the kernels are.
    instruction_set: String,
    rows: Vec<Row>,
    /// The floating-point operations of each row.
    flops: Vec<u64>,
}

/// What is done with the budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgets {
    /// Passes are held to them.
    Hold,
    /// They are written anew.
    Record,
}

/// Counts the instructions of every pass, prints them, and holds them to the budgets or records these; what was done, in a
/// sentence.
///
/// # Errors
/// A sentence for each pass that is not within its budget; one, when nothing can be counted.
pub fn run(budgets: Budgets) -> Result<String, String> {
    let counted = count()?;
    for (row, flops) in counted.rows.iter().zip(&counted.flops) {
        let per_flop = row.instructions * 1000 / flops;
        println!(
            "{:45} {:10} instructions, {}.{:03} per FLOP",
            row.name(),
            row.instructions,
            per_flop / 1000,
            per_flop % 1000
        );
    }
    if counted.instruction_set != INSTRUCTION_SET {
        let says = format!(
            "budgets are those of {INSTRUCTION_SET}, and this is {}",
            counted.instruction_set
        );
        return match budgets {
            Budgets::Hold => Ok(format!("not held: {says}")),
            Budgets::Record => Err(says),
        };
    }
    match budgets {
        Budgets::Hold => judge(&counted.rows, &read()?),
        Budgets::Record => {
            write(&counted.rows)?;
            Ok(format!("{} budgets recorded", counted.rows.len()))
        }
    }
}

/// Runs the program, which says what it calls while callgrind counts.
fn count() -> Result<Counted, String> {
    let words = [
        "build",
        "--release",
        "--package",
        "natgrad-host",
        "--example",
    ];
    let program = built(&[&words[..], &[PROGRAM]].concat(), PROGRAM)?;
    let folder = TempDir::new().map_err(|error| format!("a temporary folder: {error}"))?;
    let parts = folder.path().join("part");
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", parts.display()))
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!("--dump-after={FUNCTION}"))
        .arg(program)
        // Else the C library sets and copies by one instruction of a byte's loop, of which valgrind counts every round.
        .env("GLIBC_TUNABLES", NO_STRING_INSTRUCTIONS)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("valgrind does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{PROGRAM} fails"));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let (instruction_set, lines) = printed.split_once('\n').unwrap_or_default();
    let rustc = Toolchain::Installed.release()?;
    let (mut rows, mut flops) = (Vec::new(), Vec::new());
    // Parts are numbered from 1.
    for (part, line) in (1..).zip(lines.lines()) {
        let (row, flop) = parse(&rustc, line)
            .ok_or_else(|| format!("{PROGRAM} prints something else: {line}"))?;
        let instructions = total(&parts.with_extension(part.to_string()))?;
        rows.push(Row {
            instructions,
            ..row
        });
        flops.push(flop);
    }
    match fs::exists(parts.with_extension((rows.len() + 1).to_string())) {
        Ok(false) if !rows.is_empty() => Ok(Counted {
            instruction_set: instruction_set.into(),
            rows,
            flops,
        }),
        _ => Err(format!(
            "{PROGRAM} says {} passes, which are not those that valgrind counts",
            rows.len()
        )),
    }
}

/// A pass by the program's line, and its FLOPs.
fn parse(rustc: &str, line: &str) -> Option<(Row, u64)> {
    let words: Vec<&str> = line.split(',').collect();
    let [network, batch, tile, pass, flops] = words[..] else {
        return None;
    };
    let row = Row {
        rustc: rustc.into(),
        network: network.into(),
        batch: batch.parse().ok()?,
        tile: tile.parse().ok()?,
        pass: pass.into(),
        instructions: 0,
    };
    let flops = flops.parse().ok().filter(|&flops| flops > 0);
    Some((row, flops?))
}

/// The instructions of a part of what callgrind writes.
fn total(part: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(part)
        .map_err(|error| format!("valgrind has not counted {FUNCTION}: {error}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total
        .filter(|&total| total > 0)
        .ok_or_else(|| format!("valgrind has counted nothing of {FUNCTION}"))
}

/// Says that every pass is within its budget, where the budgets are those of the compiler.
fn judge(rows: &[Row], budgets: &[Row]) -> Result<String, String> {
    let mut misses = Vec::new();
    let (mut held, mut foreign) = (0, None);
    for row in rows {
        match budgets.iter().find(|budget| budget.key() == row.key()) {
            Some(budget) if budget.rustc == row.rustc => {
                held += 1;
                let miss =
                    Margin::COMPILED.miss(row.instructions, "instructions", budget.instructions);
                misses.extend(miss.map(|miss| format!("{}: {miss}", row.name())));
            }
            Some(budget) => foreign = Some((&budget.rustc, &row.rustc)),
            None => misses.push(format!("{} has no budget", row.name())),
        }
    }
    for budget in budgets {
        if !rows.iter().any(|row| row.key() == budget.key()) {
            misses.push(format!(
                "{} has a budget and was not counted",
                budget.name()
            ));
        }
    }
    if !misses.is_empty() {
        return Err(misses.join("\n"));
    }
    Ok(match foreign {
        Some((theirs, ours)) => format!(
            "{held} of {} passes held to their budgets, which are of rustc {theirs}, and this is {ours}",
            rows.len()
        ),
        None => format!("{held} passes within their budgets"),
    })
}

fn file() -> PathBuf {
    root().join("tests/host-counts.csv")
}

fn read() -> Result<Vec<Row>, String> {
    let rows = csv::Reader::from_path(file()).and_then(|mut reader| reader.deserialize().collect());
    rows.map_err(|error| format!("tests/host-counts.csv: {error}"))
}

fn write(rows: &[Row]) -> Result<(), String> {
    let written = csv::Writer::from_path(file()).and_then(|mut writer| {
        rows.iter().try_for_each(|row| writer.serialize(row))?;
        Ok(writer.flush()?)
    });
    written.map_err(|error| format!("tests/host-counts.csv: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(instructions: u64) -> Vec<Row> {
        let row = |pass| {
            let (row, _) = parse("1.95", &format!("8-16-4,16,32,{pass},1000")).unwrap();
            Row {
                instructions,
                ..row
            }
        };
        vec![row("gradient"), row("product")]
    }

    #[test]
    fn a_pass_outside_its_budget_is_named_with_what_it_is_off_by() {
        let says = judge(&rows(1020), &rows(1000));
        assert_eq!(says, Ok("2 passes within their budgets".into()));
        let says = judge(&rows(1021), &rows(1000)).unwrap_err();
        let first = "8-16-4, batch 16, tile 32, gradient: 1021 instructions are 21 above the budget of 1000 (at most 2 % \
                     are allowed)\n";
        assert!(says.starts_with(first), "{says}");
        assert!(judge(&rows(899), &rows(1000)).is_err(), "out of date");
    }

    #[test]
    fn budgets_and_passes_are_the_same() {
        let (all, some) = (rows(1000), &rows(1000)[..1]);
        assert!(judge(&all, some).is_err());
        assert!(judge(some, &all).is_err());
    }

    #[test]
    fn budgets_of_another_compiler_are_not_held_and_said_to_be() {
        let mut others = rows(1000);
        for row in &mut others {
            row.rustc = "1.96".into();
        }
        let says = judge(&rows(5000), &others).unwrap();
        assert!(says.starts_with("0 of 2 passes"), "{says}");
    }

    #[test]
    fn what_was_not_counted_is_refused() {
        let folder = TempDir::new().unwrap();
        let part = folder.path().join("part.1");
        assert!(total(&part).is_err());
        fs::write(&part, "summary: 0\n\ntotals: 0\n").unwrap();
        assert!(total(&part).is_err());
        fs::write(&part, "summary: 7\n\ntotals: 7\n").unwrap();
        assert_eq!(total(&part), Ok(7));
    }

    #[test]
    fn a_line_names_a_pass_and_its_work() {
        assert!(parse("1.95", "8-16-4,16,32,gradient,0").is_none());
        assert!(parse("1.95", "8-16-4,16,gradient,1000").is_none());
    }
}
