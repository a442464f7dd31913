//! The tables, in Markdown.

use std::fmt::Write;

use accuracy::{Batches, Measure, Schedule, TASKS, Task};

use super::record::{self, Count, Curve, Entry, Name, Row};
use super::{Choice, Method};

/// All that was measured.
#[derive(Debug)]
pub struct Data {
    entries: Vec<Entry>,
    counts: Vec<Count>,
    curves: Vec<Curve>,
}

/// The run of the median seed of those that arrive: the lower one of two.
pub fn median<'e>(entries: &[&'e Entry]) -> Option<&'e Entry> {
    let arrived = entries.iter().copied().filter(|entry| entry.macs.is_some());
    let mut arrived: Vec<&Entry> = arrived.collect();
    arrived.sort_by_key(|entry| (entry.macs, entry.seed));
    arrived.get(arrived.len().saturating_sub(1) / 2).copied()
}

/// What a row takes to an accuracy.
struct Cost<'d> {
    seeds: usize,
    arrived: usize,
    median: Option<&'d Entry>,
    count: Option<&'d Count>,
}

impl Cost<'_> {
    fn instructions(&self) -> Option<u64> {
        self.count.and_then(|count| count.instructions)
    }

    /// Instructions, or multiply-accumulates where none were counted.
    fn price(&self, of: impl Fn(&Self) -> Option<String>) -> String {
        let text = of(self).unwrap_or_else(|| "–".into());
        if self.arrived == self.seeds || self.arrived == 0 {
            text
        } else {
            format!("{text} ({} %)", 100 * self.arrived / self.seeds)
        }
    }

    /// Instructions, with a mark where a part of the run was counted.
    fn counted(&self) -> Option<String> {
        let count = self.count?;
        let sign = if count.steps.is_some_and(|steps| steps > count.counted) {
            "≈ "
        } else {
            ""
        };
        count
            .instructions
            .map(|instructions| format!("{sign}{}", short(instructions)))
    }

    fn macs(&self) -> Option<u64> {
        self.median.and_then(|entry| entry.macs)
    }
}

/// What the rows are called.
fn title(row: Row) -> &'static str {
    match row {
        Row::Gram => "`Gram<…, Plain>`",
        Row::Spring => "`Gram`",
        Row::SpringSmall => "`Gram`, at most 16 examples",
        Row::Cg => "`NaturalGradient` by CG, batch 64",
        Row::CgBest => "`NaturalGradient` by CG, best batch",
        Row::Adam => "`Adam`, rate 0.001",
        Row::AdamBest => "`Adam`, best of the grid",
        Row::Sgd => "`Sgd`, rate 0.01",
        Row::SgdBest => "`Sgd`, best of the grid",
        Row::Lbfgs => "L-BFGS, all examples, `f64`",
    }
}

impl Data {
    /// The committed data.
    ///
    /// # Errors
    /// A sentence.
    pub fn read() -> Result<Self, String> {
        Ok(Self {
            entries: record::read("runs.csv")?,
            counts: record::read("target.csv")?,
            curves: record::read("curves.csv")?,
        })
    }

    fn cost(&self, task: &Task, row: Row, index: usize) -> Cost<'_> {
        let name = Name::of(task);
        let accuracy = task.accuracies[index];
        let of =
            |entry: &&Entry| entry.row == row && entry.accuracy == accuracy && entry.name() == name;
        let entries: Vec<&Entry> = self.entries.iter().filter(of).collect();
        let arrived = entries.iter().filter(|entry| entry.macs.is_some()).count();
        let count = self
            .counts
            .iter()
            .find(|count| count.row == row && count.accuracy == accuracy && count.name() == name);
        Cost {
            seeds: entries.len(),
            arrived,
            median: median(&entries),
            count,
        }
    }

    /// The first table of the README: instructions to the middle accuracy.
    pub fn headline(&self) -> String {
        let rows = [
            Row::Spring,
            Row::CgBest,
            Row::AdamBest,
            Row::Adam,
            Row::SgdBest,
        ];
        let mut text = String::from("| task | to |");
        for row in rows {
            write(&mut text, format_args!(" {} |", title(row)));
        }
        text.push_str(" `Gram`, MACs | L-BFGS, MACs |\n|---|---|");
        text.push_str(&"---:|".repeat(rows.len() + 2));
        text.push('\n');
        for task in &TASKS {
            write(
                &mut text,
                format_args!("| {} | {} |", named(task), goal(task, 1)),
            );
            let costs = rows.map(|row| self.cost(task, row, 1));
            let least = costs.iter().filter_map(Cost::instructions).min();
            for cost in &costs {
                let price = cost.price(Cost::counted);
                let best = least.is_some() && cost.instructions() == least;
                let bold = if best { "**" } else { "" };
                write(&mut text, format_args!(" {bold}{price}{bold} |"));
            }
            for row in [Row::Spring, Row::Lbfgs] {
                let price = self.cost(task, row, 1).price(|cost| cost.macs().map(short));
                write(&mut text, format_args!(" {price} |"));
            }
            text.push('\n');
        }
        text
    }

    /// The share of seeds that arrive, of every row at every accuracy.
    pub fn shares(&self) -> String {
        let rows = [
            Row::Spring,
            Row::CgBest,
            Row::Adam,
            Row::AdamBest,
            Row::Sgd,
            Row::SgdBest,
        ];
        let mut text = String::from("| task | accuracies |");
        for row in rows {
            write(&mut text, format_args!(" {} |", title(row)));
        }
        text.push_str("\n|---|---|");
        text.push_str(&"---:|".repeat(rows.len()));
        text.push('\n');
        for task in &TASKS {
            let goals = task
                .accuracies
                .map(|accuracy| accuracy.to_string())
                .join(", ");
            let measure = task.measure.name();
            write(
                &mut text,
                format_args!("| {} | {measure} {goals} |", named(task)),
            );
            for row in rows {
                let shares = [0, 1, 2].map(|index| self.cost(task, row, index).arrived.to_string());
                write(&mut text, format_args!(" {} |", shares.join(" · ")));
            }
            text.push('\n');
        }
        text
    }

    /// What was aimed at for the regression tasks, and what was seen.
    pub fn aims(&self) -> String {
        let mut text = String::from(
            "| task | instructions of the best Adam, ÷ those of `Gram` (aim: 10) | MACs of L-BFGS ÷ `Gram` (3) | error of the best \
             Adam ÷ `Gram` at equal instructions (5) | RAM with stack, `Gram` ÷ Adam (at most 2) | at most 16 examples: instructions, RAM |\n|---|---:|---:|---:|---:|---:|\n",
        );
        for task in TASKS
            .iter()
            .filter(|task| matches!(task.measure, Measure::Rmse | Measure::Mse))
        {
            if task.model.dim_out() > 1 {
                continue;
            }
            let rows = [Row::Spring, Row::AdamBest, Row::Lbfgs, Row::SpringSmall];
            let costs = rows.map(|row| self.cost(task, row, 1));
            let [gram, adam, lbfgs, small] = &costs;
            let instructions = ratio(adam.instructions(), gram.instructions());
            let macs = ratio(lbfgs.macs(), gram.macs());
            let ram = |cost: &Cost<'_>| cost.count.map(|count| count.ram);
            let error = self.at_equal_instructions(task).map(|x| format!("{x:.1}"));
            write(
                &mut text,
                format_args!(
                    "| {} | {instructions} | {macs} | {} | {} | {}, {} |\n",
                    named(task),
                    error.unwrap_or_else(|| "–".into()),
                    ratio(ram(gram), ram(adam)),
                    ratio(adam.instructions(), small.instructions()),
                    ratio(ram(small), ram(adam))
                ),
            );
        }
        text
    }

    /// The median error of the best Adam over that of `Gram`, where the one of them that ends first has spent its
    /// budget.
    fn at_equal_instructions(&self, task: &Task) -> Option<f64> {
        let name = Name::of(task);
        let rows = [Row::Spring, Row::AdamBest];
        // Where no run arrives, none was counted: what a MAC takes is that of other inputs to the same network.
        let [gram, adam] = rows.map(|row| {
            let mut alike = TASKS.iter().filter(|other| other.model == task.model);
            let here = std::iter::once(task).chain(alike.by_ref());
            let mut counts = here.flat_map(|task| (0..3).rev().map(move |index| (task, index)));
            counts.find_map(|(task, index)| {
                let cost = self.cost(task, row, index);
                Some(wide(cost.instructions()?) / wide(cost.macs()?))
            })
        });
        let per_mac = [gram?, adam?];
        let most = per_mac.map(|each| each * wide(task.budget()));
        let instructions = most[0].min(most[1]);
        let [gram, adam] = [0, 1].map(|which| {
            let macs = instructions / per_mac[which];
            let mut curve = self.curves.iter().filter(|curve| {
                curve.row == rows[which] && curve.name() == name && wide(curve.macs) <= macs * 1.001
            });
            curve.next_back().map(|point| error(task, point.median))
        });
        Some(adam? / gram?)
    }

    /// The whole of the data as a page.
    pub fn page(&self) -> String {
        let mut text = String::from(PREFACE);
        text.push_str("\n## Where runs arrive\n\nOf 20 seeds, to each of three accuracies:\n\n");
        text.push_str(&self.shares());
        text.push_str("\n## What was aimed at\n\n");
        text.push_str(&self.aims());
        text.push_str(MISSED);
        for task in &TASKS {
            let (measure, examples) = (task.measure.name(), task.examples());
            let budget = short(task.budget());
            write(
                &mut text,
                format_args!(
                    "\n## {}\n\n{}, {examples} examples; a run ends after {budget} MACs. To a training {measure} of\n\n",
                    heading(task),
                    widths(task),
                ),
            );
            text.push_str("| method |");
            for accuracy in task.accuracies {
                write(&mut text, format_args!(" {accuracy} |"));
            }
            text.push_str(
                " held-out loss | RAM and stack | flash |\n|---|---:|---:|---:|---:|---:|---:|\n",
            );
            for row in Row::ALL {
                if self.cost(task, row, 0).seeds > 0 {
                    self.write_row(&mut text, task, row);
                }
            }
        }
        text
    }

    fn write_row(&self, text: &mut String, task: &Task, row: Row) {
        write(text, format_args!("| {} |", title(row)));
        let mut last = None;
        for index in 0..3 {
            let cost = self.cost(task, row, index);
            let cell = cost.price(|cost| {
                let entry = cost.median?;
                let counted = cost.counted().unwrap_or_else(|| "–".into());
                Some(format!(
                    "{counted} · {} · {} · {}",
                    short(entry.macs?),
                    short(entry.examples?),
                    entry.steps?
                ))
            });
            let tuned = matches!(row, Row::CgBest | Row::AdamBest | Row::SgdBest);
            let name = Name::of(task);
            let entry = self.entries.iter().find(|entry| {
                entry.row == row && entry.accuracy == task.accuracies[index] && entry.name() == name
            });
            let setting = entry
                .filter(|_| tuned)
                .map(|entry| describe(entry.choice()));
            let setting = setting.map_or_else(String::new, |setting| format!("<br>{setting}"));
            write(text, format_args!(" {cell}{setting} |"));
            last = cost.count.or(last);
        }
        let name = Name::of(task);
        let mut held: Vec<f32> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.row == row && entry.accuracy == task.accuracies[2] && entry.name() == name
            })
            .map(|entry| entry.held_out)
            .filter(|loss| loss.is_finite())
            .collect();
        held.sort_by(f32::total_cmp);
        let held = held.get(held.len().saturating_sub(1) / 2);
        let held = held.map_or_else(|| "–".into(), |loss| format!("{loss:.2e}"));
        let memory = last.map_or_else(
            || "– | –".into(),
            |count| format!("{} | {}", bytes(count.ram), bytes(count.flash)),
        );
        write(text, format_args!(" {held} | {memory} |\n"));
    }
}

/// Why what was aimed at is missed where it is.
const MISSED: &str = "
What is missed, and why:

- *Adam, sensor with standardised inputs.* Two inputs of one scale are no hard problem for a first-order method, once its
  rate is the best of 78 settings. And a step of `Gram` over 16 examples of this network is 8,000 multiply-accumulates, too few
  for what surrounds them: 24 hyperbolic tangents for each example, and the book-keeping of a step in slices.
- *L-BFGS, Tecator.* Half of the multiply-accumulates of `Gram` are the inner products of up to 64 examples of 100 inputs;
  L-BFGS has none, sees all examples at every step, and works in `f64`.
- *RAM.* The system holds what goes into the layers and the seeds of every example, and the lower half of its matrix.
  At most 16 examples are what keeps that small; on Tecator they are too few for the last accuracy.
";

/// What stands before the tables of the page.
const PREFACE: &str = "\
# Instructions to accuracy

What every method takes until the loss over the whole training set has reached an accuracy. Written by `cargo run
--release -p natgrad-tests --bin accuracy`, from the data beside it.

- A cell is *instructions · MACs · examples · steps* of the run of the median seed (the lower one of two) among those that arrive, of
  20 seeds, and their share where not all do. Instructions are those of the steps on an emulated Cortex-M4F, whose
  run ends with the bits of the host's; ≈ where a part of the run was counted, and the rest is in proportion to MACs.
- All methods have the same start from a seed, the same budget, and batches of which each
  example comes once before any comes again. The loss over all training examples is looked at after every step, and after 3 % more steps later on; that is not counted.
- The best of a grid is chosen for each accuracy on the seeds 101 to 103 (all settings on the first, the five best of it on all): Adam 13 rates, `Sgd` 8 rates with and
  without momentum, each with 3 batches, at a constant rate and at one that falls as 1/(1 + 50x) with the share x of the budget. CG: 4 batches. What is
  reported are the seeds 1 to 20.
- `Gram` is the default for everything: batch 16, growing by 0.2 % a step to 64 (with more than 3 outputs: 16).
- Inputs are standardised, or raw: in the units that they were measured in, with their scales folded into the first layer at the start, for every
  method alike. RAM is parameters, workspace, trainer and stack as the library states it; flash is the program without its examples.
";

/// What the rows of the grid were.
fn describe(choice: Choice) -> String {
    let batch = match choice.setting.batches {
        Batches::Of(len) => len,
        Batches::GrowingTo(most) => most,
    };
    let falls = match choice.setting.schedule {
        Schedule::Constant => "",
        Schedule::Inverse => ", falling",
    };
    let momentum = if choice.method == Method::Momentum {
        ", momentum"
    } else {
        ""
    };
    if choice.method == Method::Cg {
        format!("batch {batch}")
    } else {
        let rate = choice.rate;
        let rate = if rate < 1e-3 {
            format!("{rate:e}")
        } else {
            rate.to_string()
        };
        format!("{rate}, batch {batch}{momentum}{falls}")
    }
}

fn widths(task: &Task) -> String {
    let (inputs, outputs) = (task.model.dim_in(), task.model.dim_out());
    // What a unit of the one hidden layer has: its weights, its bias, and a weight in every output.
    let hidden = (task.model.params() - outputs) / (inputs + 1 + outputs);
    format!("{inputs}-{hidden}-{outputs}")
}

fn named(task: &Task) -> String {
    if task.standardised {
        task.name.into()
    } else {
        format!("{}, raw", task.name)
    }
}

fn heading(task: &Task) -> String {
    let name = named(task);
    let mut letters = name.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn goal(task: &Task, index: usize) -> String {
    format!("{} {}", task.measure.name(), task.accuracies[index])
}

/// What a loss is in the measure of a task.
pub(super) fn error(task: &Task, loss: f32) -> f64 {
    let outputs = f64::from(u16::try_from(task.model.dim_out()).unwrap_or(u16::MAX));
    let loss = f64::from(loss);
    match task.measure {
        Measure::Rmse => (2.0 * loss / outputs).sqrt(),
        Measure::Mse => 2.0 * loss / outputs,
        Measure::Nll => loss,
    }
}

fn ratio(one: Option<u64>, other: Option<u64>) -> String {
    match (one, other) {
        (Some(one), Some(other)) => format!("{:.1}", wide(one) / wide(other.max(1))),
        (None, Some(_)) => "does not arrive".into(),
        _ => "–".into(),
    }
}

/// Two digits or three, and a letter for the thousands.
fn short(number: u64) -> String {
    let mut value = wide(number);
    let mut unit = "";
    for next in [" k", " M", " G"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if value < 10.0 && !unit.is_empty() {
        format!("{value:.1}{unit}")
    } else {
        format!("{value:.0}{unit}")
    }
}

fn bytes(number: u64) -> String {
    format!("{:.1} kB", wide(number) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "a number to be read")]
fn wide(number: u64) -> f64 {
    number as f64
}

fn write(text: &mut String, words: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(words);
    debug_assert!(written.is_ok(), "a string takes everything");
}
