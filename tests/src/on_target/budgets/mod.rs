//! Flash, RAM, stack and instructions: what training costs on every core, held to one file of budgets.
//!
//! The package `costs` has a program for every method. It trains two networks, one after the other, each in
//! statics of its own, and prints what it measured; the rest is read from its ELF file.

mod image;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

pub use table::render;
pub(super) use table::thousands;

use self::image::Image;
use super::{Build, CORES, PROFILES, Verdict};
use crate::margin::Margin;
use crate::root;

/// The methods: their programs in the package `costs` without their `cost-`, and what they are called. Where
/// nothing else is said, a network has ReLU and a Gaussian likelihood.
const METHODS: [(&str, &str); 13] = [
    ("sgd", "`Sgd<Plain>`"),
    ("momentum", "`Sgd<Momentum>`"),
    ("adam", "`Adam`"),
    ("natural", "`NaturalGradient`, by CG"),
    ("gram", "`Gram<16>`, in output space"),
    ("natsgd", "`NatSgd`, by CG"),
    ("natcg", "`NaturalCg<Full>`"),
    ("hessian-free", "`HessianFree`"),
    ("newton", "`Newton`"),
    ("krylov-descent", "`KrylovDescent<3>`"),
    ("tonga", "`Tonga<3, 3>`"),
    ("sgd-tanh", "`Sgd<Plain>`, tanh, categorical"),
    ("adam-tanh", "`Adam`, tanh, categorical"),
];

/// The networks of each: the module of the program that holds it, and its widths.
pub(super) const NETWORKS: [(&str, &str); 2] = [("small", "8-16-4"), ("large", "32-64-10")];

/// The examples that the programs count over: 3 steps of 16.
pub(super) const EXAMPLES: u64 = 48;

/// The instructions of the program `clock`, by which the ticks of a board are known.
const LOOP: u64 = 2_000_000;

/// What one method costs on one core, and by its budget may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The release of the compiler: another one makes other code.
    rustc: String,
    core: String,
    profile: String,
    method: String,
    network: String,
    /// Bytes of code and constants of the program, with its start-up and its measuring.
    flash: u64,
    /// Bytes of parameters, workspace and trainer.
    ram: u64,
    /// Bytes of stack below the caller of a step.
    stack: u64,
    /// Instructions per example of a step over 16 examples, its update included.
    instructions: u64,
}

impl Row {
    fn key(&self) -> [&str; 4] {
        [&self.core, &self.profile, &self.method, &self.network]
    }

    /// What is not within the budget, a sentence for each.
    fn misses(&self, budget: &Self) -> Vec<String> {
        let held = [
            ("bytes of flash", self.flash, budget.flash, Margin::COMPILED),
            ("bytes of RAM", self.ram, budget.ram, Margin::EXACT),
            ("bytes of stack", self.stack, budget.stack, Margin::COMPILED),
            (
                "instructions per example",
                self.instructions,
                budget.instructions,
                Margin::COMPILED,
            ),
        ];
        let misses = held.into_iter().filter_map(|(what, cost, budget, margin)| {
            let miss = margin.miss(cost, what, budget)?;
            Some(format!("{} on {}: {miss}", self.method, self.network))
        });
        misses.collect()
    }
}

fn file() -> PathBuf {
    root().join("tests/budgets.csv")
}

/// The file of budgets.
///
/// # Errors
/// A sentence, when it cannot be read.
pub fn read() -> Result<Vec<Row>, String> {
    let rows = csv::Reader::from_path(file()).and_then(|mut reader| reader.deserialize().collect());
    rows.map_err(|error| format!("tests/budgets.csv: {error}"))
}

/// Builds the programs, runs them on the board, and says that every cost is within its budget.
///
/// # Errors
/// A sentence for each that is not.
pub fn check(build: &Build<'_>) -> Verdict {
    let budgets = read()?;
    let Measured { costs, others } = measure(build)?;
    let mut misses = Vec::new();
    let (mut held, mut foreign) = (0, None);
    for cost in &costs {
        match budgets.iter().find(|budget| budget.key() == cost.key()) {
            Some(budget) if budget.rustc == cost.rustc => {
                held += 1;
                misses.extend(cost.misses(budget));
            }
            Some(budget) => foreign = Some((&budget.rustc, &cost.rustc)),
            None => misses.push(format!("{} on {} has no budget", cost.method, cost.network)),
        }
    }
    let here = |budget: &&Row| {
        budget.core == build.core.first_of_target()
            && budget.profile == build.profile
            && !costs.iter().any(|cost| cost.key() == budget.key())
    };
    for budget in budgets.iter().filter(here) {
        misses.push(format!(
            "{} on {} has a budget and was not measured",
            budget.method, budget.network
        ));
    }
    if misses.is_empty() {
        let others = others.iter().map(|(path, bytes)| format!("{path} {bytes}"));
        let others: Vec<String> = others.collect();
        let budgets = match foreign {
            Some((theirs, ours)) => format!(
                "{held} of {} rows held to their budgets, which are of rustc {theirs}, and this is {ours}",
                costs.len()
            ),
            None => format!("{held} rows within their budgets"),
        };
        Ok(format!(
            "{budgets}; RAM and stack as stated; other statics: {}",
            others.join(", ")
        ))
    } else {
        Err(misses.join("; "))
    }
}

/// Takes what is measured for the budget from now on.
///
/// # Errors
/// A sentence, when it cannot be measured or written.
pub fn record(build: &Build<'_>) -> Verdict {
    /// The file is read and written again.
    static FILE: Mutex<()> = Mutex::new(());

    let Measured { costs, .. } = measure(build)?;
    let _file = FILE.lock().map_err(|error| error.to_string())?;
    let mut rows = if file().exists() { read()? } else { Vec::new() };
    rows.retain(|row| row.core != build.core.first_of_target() || row.profile != build.profile);
    rows.extend(costs.iter().cloned());
    rows.sort_by_key(|row| {
        let place = |names: &[&str], name: &str| names.iter().position(|&known| known == name);
        (
            CORES.iter().position(|core| core.name == row.core),
            place(&PROFILES, &row.profile),
            place(&METHODS.map(|(program, _)| program), &row.method),
            place(&NETWORKS.map(|(_, widths)| widths), &row.network),
        )
    });
    let written = csv::Writer::from_path(file()).and_then(|mut writer| {
        rows.iter().try_for_each(|row| writer.serialize(row))?;
        Ok(writer.flush()?)
    });
    written.map_err(|error| format!("tests/budgets.csv: {error}"))?;
    Ok(format!("{} budgets recorded", costs.len()))
}

/// The hexadecimal words of a line.
fn words(line: &str) -> Option<Vec<u64>> {
    let words = line.split_whitespace();
    words
        .map(|word| u64::from_str_radix(word, 16).ok())
        .collect()
}

/// The lines that a program prints, of `N` words each.
pub(super) fn run<const N: usize>(
    build: &Build<'_>,
    program: &str,
) -> Result<Vec<[u64; N]>, String> {
    lines(program, &build.run_timed(program)?)
}

/// The lines of what it has printed.
pub(super) fn lines<const N: usize>(program: &str, text: &str) -> Result<Vec<[u64; N]>, String> {
    let lines = text.lines().map(|line| words(line)?.try_into().ok());
    let lines: Option<Vec<[u64; N]>> = lines.collect();
    lines.ok_or_else(|| format!("{program} prints something else: {text}"))
}

/// What a program says of each of [`NETWORKS`]: five words, or none where the board has no room for it.
fn networks(text: &str) -> Option<[Option<[u64; 5]>; NETWORKS.len()]> {
    let lines = text.lines().map(|line| match words(line)?.as_slice() {
        [] => Some(None),
        words => Some(Some(words.try_into().ok()?)),
    });
    let lines: Option<Vec<Option<[u64; 5]>>> = lines.collect();
    lines?.try_into().ok()
}

/// Demands that a stack is not deeper than the library says.
fn hold_stack(what: &str, stack: u64, bound: u64) -> Result<(), String> {
    if stack <= bound {
        Ok(())
    } else {
        Err(format!(
            "{what} takes {stack} bytes of stack, {} more than it states",
            stack - bound
        ))
    }
}

/// What was measured for one core and one profile.
struct Measured {
    /// All methods, with those networks for which the board has the RAM.
    costs: Vec<Row>,
    /// The statics of their programs that are not the library's, and their bytes.
    others: BTreeMap<String, u64>,
}

/// The clock of a board, by the ticks of a loop of known length.
pub(super) struct Ticks {
    of_loop: u64,
}

impl Ticks {
    /// Runs the loop, in a program of the package `costs`, which has been built.
    ///
    /// # Errors
    /// A sentence, when the clock stands still.
    pub(super) fn of(build: &Build<'_>) -> Result<Self, String> {
        match *run(build, "clock")? {
            [[ticks]] if ticks > 0 => Ok(Self { of_loop: ticks }),
            _ => Err("the clock stands still".into()),
        }
    }

    /// The instructions of some ticks, for each of so many, rounded up.
    pub(super) fn instructions(&self, ticks: u64, each: u64) -> u64 {
        (ticks * LOOP).div_ceil(self.of_loop * each)
    }

    /// A clock of which a tick takes so many instructions.
    #[cfg(test)]
    pub(super) fn with_rate(instructions: u64) -> Self {
        Self {
            of_loop: LOOP / instructions,
        }
    }
}

fn measure(build: &Build<'_>) -> Result<Measured, String> {
    build.package("costs")?;
    let rustc = build.toolchain.release()?;
    let clock = Ticks::of(build)?;
    let depths = run(build, "depths")?;
    if depths.is_empty() {
        return Err("depths measures nothing".into());
    }
    for [bound, shallow, deep] in depths {
        hold_stack(
            "a method in slices and tiles of four",
            shallow.max(deep),
            bound,
        )?;
    }
    let mut costs = Vec::new();
    let mut others = BTreeMap::new();
    for (method, _) in METHODS {
        let program = format!("cost-{method}");
        let image = Image::read(&build.image(&program))?;
        others.extend(
            image
                .others()
                .map_err(|sentence| format!("{method}: {sentence}"))?,
        );
        let text = build.run_timed(&program)?;
        let measured =
            networks(&text).ok_or_else(|| format!("{program} prints something else: {text}"))?;
        for ((module, widths), words) in NETWORKS.into_iter().zip(measured) {
            let Some([bytes, bound, stack, high, low]) = words else {
                continue;
            };
            let what = format!("{method} on {widths}");
            image
                .hold_stated(module, bytes)
                .map_err(|sentence| format!("{what}: {sentence}"))?;
            hold_stack(&what, stack, bound)?;
            costs.push(Row {
                rustc: rustc.clone(),
                core: build.core.first_of_target().into(),
                profile: build.profile.into(),
                method: method.into(),
                network: widths.into(),
                flash: image.flash,
                ram: bytes,
                stack,
                instructions: clock.instructions(high << 32 | low, EXAMPLES),
            });
        }
    }
    Ok(Measured { costs, others })
}

#[cfg(test)]
mod tests {
    use natgrad::optimizer::{
        Adam, Full, Gram, KrylovDescent, Method, NaturalCg, NaturalGradient, Sgd, Tonga,
    };

    use super::*;

    fn row(flash: u64, ram: u64, stack: u64, instructions: u64) -> Row {
        Row {
            rustc: "1.96".into(),
            core: "M0".into(),
            profile: "small".into(),
            method: "adam".into(),
            network: "8-16-4".into(),
            flash,
            ram,
            stack,
            instructions,
        }
    }

    #[test]
    fn a_cost_outside_its_budget_is_named_with_what_it_is_off_by() {
        let budget = row(10_000, 4000, 500, 1000);
        for within in [
            budget.clone(),
            row(10_200, 4000, 510, 1020),
            row(9000, 4000, 450, 900),
        ] {
            assert_eq!(within.misses(&budget), Vec::<String>::new());
        }
        let above = [
            (
                row(10_201, 4000, 500, 1000),
                "10201 bytes of flash are 201 above the budget of 10000 (at most 2 % are allowed)",
            ),
            (
                row(10_000, 4001, 500, 1000),
                "4001 bytes of RAM are 1 above the budget of 4000 (at most 0 % are allowed)",
            ),
            (
                row(10_000, 3999, 500, 1000),
                "3999 bytes of RAM are 1 below the budget of 4000 (at most 0 % are allowed)",
            ),
            (
                row(10_000, 4000, 511, 1000),
                "511 bytes of stack are 11 above the budget of 500 (at most 2 % are allowed)",
            ),
            (
                row(10_000, 4000, 500, 899),
                "899 instructions per example are 101 below the budget of 1000 (at most 10 % are allowed)",
            ),
        ];
        for (cost, sentence) in above {
            assert_eq!(
                cost.misses(&budget),
                [format!("adam on 8-16-4: {sentence}")]
            );
        }
    }

    #[test]
    fn words_are_hexadecimal() {
        assert_eq!(words("00000010 000000ff "), Some(vec![16, 255]));
        assert_eq!(words("panicked"), None);
    }

    #[test]
    fn a_network_is_measured_or_has_no_room() {
        let one = Some([1, 2, 3, 4, 5]);
        assert_eq!(networks("1 2 3 4 5\n1 2 3 4 5\n"), Some([one, one]));
        assert_eq!(networks("1 2 3 4 5\n\n"), Some([one, None]));
        assert_eq!(networks("\n\n"), Some([None, None]));
        for text in ["", "1 2 3 4 5\n", "1 2 3 4\n\n", "panicked\n\n"] {
            assert_eq!(networks(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_stack_that_is_deeper_than_stated_is_refused() {
        assert_eq!(hold_stack("adam", 100, 100), Ok(()));
        let says = "adam takes 101 bytes of stack, 1 more than it states";
        assert_eq!(hold_stack("adam", 101, 100), Err(says.into()));
    }

    /// A bound of which no core takes a half would say nothing.
    #[test]
    fn stated_stacks_are_near_what_was_measured() {
        let rows = read().unwrap();
        let stated: [(&str, usize); 7] = [
            ("sgd", <Sgd<f32> as Method<f32>>::STACK),
            ("adam", <Adam<f32> as Method<f32>>::STACK),
            ("tonga", <Tonga<f32, 3, 3> as Method<f32>>::STACK),
            (
                "krylov-descent",
                <KrylovDescent<f32, 3> as Method<f32>>::STACK,
            ),
            ("natcg", <NaturalCg<f32, Full> as Method<f32>>::STACK),
            ("natural", <NaturalGradient<f32> as Method<f32>>::STACK),
            ("gram", <Gram<f32, 16> as Method<f32>>::STACK),
        ];
        for (method, stated) in stated {
            let stacks = rows.iter().filter(|row| row.method == method);
            let most = stacks.map(|row| row.stack).max().unwrap();
            assert!(2 * most > stated as u64, "{method}: {most} of {stated}");
        }
    }
}
