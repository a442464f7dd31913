//! The budgets as they stand in the README.

use std::fmt::Write;

use super::{METHODS, NETWORKS, PROFILES, Row};

/// The cores of the columns. The M7 runs the program of the M4F.
const CORES: [&str; 5] = ["M0", "M3", "M4F", "M33", "RV32"];

/// Measurements of other libraries on the emulated M4F, compiled by GCC 12.2: what was trained, the instructions
/// per example at -O2 and at -O3, RAM in all and code.
const OTHERS: [[&str; 5]; 7] = [
    [
        "AIfES 2.2, SGD, tanh and cross-entropy",
        "10,041",
        "10,045",
        "7.8 kB",
        "7.2 kB",
    ],
    [
        "AIfES 2.2, Adam, tanh and cross-entropy",
        "24,757",
        "24,761",
        "9.7 kB",
        "10.8 kB",
    ],
    [
        "CMSIS-DSP dsppp, Adam, ReLU and squares",
        "6,838",
        "5,850",
        "10.4 kB",
        "8.0 / 15.7 kB",
    ],
    [
        "RLtools, Adam, ReLU and squares",
        "4,309",
        "2,650",
        "10.2 kB",
        "6.8 / 15.1 kB",
    ],
    [
        "plain C, Adam, ReLU and squares",
        "2,795",
        "1,820",
        "3.5 kB and the stack",
        "4.4 / 8.8 kB",
    ],
    [
        "the same without fused arithmetic",
        "3,182",
        "2,185",
        "",
        "",
    ],
    [
        "plain Rust, Adam, ReLU and squares, unfused",
        "2,289",
        "2,155",
        "",
        "6.8 / 6.5 kB",
    ],
];

/// A number with its thousands apart.
pub(in crate::on_target) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The tables, in Markdown.
pub fn render(rows: &[Row]) -> String {
    let [fast, small] = PROFILES;
    let cost = |core: &str, profile: &str, method: &str, network: &str, of: fn(&Row) -> u64| {
        let row = rows
            .iter()
            .find(|row| row.key() == [core, profile, method, network]);
        row.map_or_else(|| "–".to_string(), |row| thousands(of(row)))
    };
    let mut text = String::new();
    for (_, network) in NETWORKS {
        let cores = CORES.join(" | ");
        let _ = writeln!(
            text,
            "| {network} | flash | RAM | stack | {cores} |\n|---|--:|--:|--:|{}",
            "--:|".repeat(CORES.len())
        );
        for (method, title) in METHODS {
            let stack = rows
                .iter()
                .filter(|row| row.method == method && row.network == network);
            let stack = stack.map(|row| row.stack).max().unwrap_or_default();
            let _ = write!(
                text,
                "| {title} | {} | {} | {} |",
                cost("M4F", small, method, network, |row| row.flash),
                cost("M4F", small, method, network, |row| row.ram),
                thousands(stack)
            );
            for core in CORES {
                let _ = write!(
                    text,
                    " {} |",
                    cost(core, fast, method, network, |row| row.instructions)
                );
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text += "| 8-16-4 on the M4F | for size | for speed | RAM | flash |\n|---|--:|--:|--:|--:|\n";
    let (_, network) = NETWORKS[0];
    for (method, title) in METHODS {
        let at = |profile, of| cost("M4F", profile, method, network, of);
        let _ = writeln!(
            text,
            "| natgrad: {title} | {} | {} | {} and {} of stack | {} / {} |",
            at(small, |row| row.instructions),
            at(fast, |row| row.instructions),
            at(fast, |row| row.ram),
            at(fast, |row| row.stack),
            at(small, |row| row.flash),
            at(fast, |row| row.flash),
        );
    }
    for others in OTHERS {
        let _ = writeln!(text, "| {} |", others.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
