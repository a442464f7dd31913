//! The tables as they stand in `BENCHMARKS.md`.

use std::fmt::Write;

use super::{Cost, Measured, Step};
use crate::on_target::budgets::{EXAMPLES, NETWORKS, thousands};
use crate::on_target::products::CASES;

/// Instructions per example of a step of Adam over 16 examples, in plain C without fused arithmetic, compiled by GCC
/// 12.2 at -O3: what was measured on the same emulator for each of [`NETWORKS`]. Its square root is one instruction.
const PLAIN_C: [u64; NETWORKS.len()] = [2_185, 32_667];

/// The tables, in Markdown: of the build for any core of the target, and of that for this one.
pub(super) fn render(any: &Measured, named: &Measured) -> String {
    let builds = [("any", any), ("Cortex-M4", named)];
    let mut text = String::from(
        "| network, tile | core | gradient | cycles | product | cycles | kept product | cycles |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (case, name) in CASES.iter().enumerate() {
        for (core, measured) in builds {
            let _ = write!(text, "| {name} | {core} |");
            for pass in measured.passes.get(case).into_iter().flatten() {
                let instructions = decimal(pass.cost.instructions, pass.macs, 2);
                let cycles = range(&pass.cost, pass.macs, 1);
                let _ = write!(text, " {instructions} | {cycles} |");
            }
            text.push('\n');
        }
    }
    text += "\n| a step, per example | core |";
    for (_, widths) in NETWORKS {
        let _ = write!(text, " {widths} | cycles | `Sgd` |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "--:|--:|--:|".repeat(NETWORKS.len()));
    for (core, measured) in builds {
        let Measured {
            sgd,
            adam,
            natural,
            gram,
            ..
        } = measured;
        let instructions = |counts: &[u64; NETWORKS.len()]| counts.map(|count| (count, None));
        let modelled = |of: fn(&Step) -> Cost, steps: &[Step; NETWORKS.len()]| {
            steps.each_ref().map(of).map(|cost| {
                let Cost { fast, slow, .. } = cost;
                (cost.instructions, Some((fast, slow)))
            })
        };
        let rows = [
            ("`Sgd<Plain>`", modelled(|step| step.cost, sgd)),
            ("`Adam`", modelled(|step| step.cost, adam)),
            ("its square roots", modelled(|step| step.roots, adam)),
            ("`Adam` without them", modelled(Step::without_roots, adam)),
            ("`NaturalGradient`, by CG", instructions(natural)),
            ("`Gram<16>`, in output space", instructions(gram)),
        ];
        for (what, costs) in rows {
            let _ = write!(text, "| {what} | {core} |");
            for ((instructions, cycles), unit) in costs.into_iter().zip(sgd) {
                let each = |count: u64| thousands(rounded(count, EXAMPLES));
                let cycles = cycles.map_or_else(
                    || "–".into(),
                    |(fast, slow)| format!("{}–{}", each(fast), each(slow)),
                );
                let units = decimal(instructions, unit.cost.instructions, 1);
                let _ = write!(text, " {} | {cycles} | {units} |", each(instructions));
            }
            text.push('\n');
        }
    }
    text += "| `Adam` in plain C, unfused | Cortex-M4 |";
    for (count, unit) in PLAIN_C.into_iter().zip(&any.sgd) {
        let units = decimal(count * EXAMPLES, unit.cost.instructions, 1);
        let _ = write!(text, " {} | – | {units} |", thousands(count));
    }
    text.push('\n');
    for (core, measured) in builds {
        let _ = write!(text, "| `Adam` without square roots ÷ plain C | {core} |");
        for (count, step) in PLAIN_C.into_iter().zip(&measured.adam) {
            let ratio = decimal(step.without_roots().instructions, count * EXAMPLES, 2);
            let _ = write!(text, " {ratio} | | |");
        }
        text.push('\n');
    }
    text
}

impl Step {
    fn without_roots(&self) -> Cost {
        Cost {
            instructions: self.cost.instructions - self.roots.instructions,
            fast: self.cost.fast - self.roots.fast,
            slow: self.cost.slow - self.roots.slow,
        }
    }
}

/// A page with the tables in the place of those that it has.
pub(super) fn put(page: &str, tables: &str) -> Option<String> {
    let [open, close] = ["<!-- cycles -->\n", "<!-- /cycles -->"];
    let (before, rest) = page.split_once(open)?;
    let (_, after) = rest.split_once(close)?;
    Some([before, open, tables, close, after].concat())
}

/// The cycles of each of so many.
pub(super) fn range(cost: &Cost, of: u64, places: u32) -> String {
    [cost.fast, cost.slow]
        .map(|cycles| decimal(cycles, of, places))
        .join("–")
}

/// The quotient, rounded.
fn rounded(number: u64, of: u64) -> u64 {
    (number + of / 2) / of
}

/// The quotient with so many places.
fn decimal(number: u64, of: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let quotient = rounded(number * unit, of);
    let width = places as usize;
    format!("{}.{:0width$}", quotient / unit, quotient % unit)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::root;

    #[test]
    fn decimals_are_rounded() {
        assert_eq!(decimal(1, 3, 2), "0.33");
        assert_eq!(decimal(2, 3, 2), "0.67");
        assert_eq!(decimal(1999, 1000, 1), "2.0");
        assert_eq!(decimal(205, 100, 2), "2.05");
    }

    #[test]
    fn the_page_has_a_place_for_the_tables() {
        let page = fs::read_to_string(root().join("BENCHMARKS.md")).unwrap();
        let other = put(&page, "| a table |\n").unwrap();
        assert!(other.contains("\n<!-- cycles -->\n| a table |\n<!-- /cycles -->\n"));
        assert_eq!(put("no place", ""), None);
    }

    #[test]
    fn a_square_root_is_taken_apart() {
        let cost = |instructions| Cost {
            instructions,
            fast: 2 * instructions,
            slow: 3 * instructions,
        };
        let step = Step {
            cost: cost(10),
            roots: cost(4),
        };
        let Cost {
            instructions,
            fast,
            slow,
        } = step.without_roots();
        assert_eq!([instructions, fast, slow], [6, 12, 18]);
    }
}
