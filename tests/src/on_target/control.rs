//! A control law that shares its thread with a learner: no tick is later than the dearest slice allows, none is
//! lost, and the learner ends with the bits that it has alone.
//!
//! The same run in tiles that hold the whole batch has to be seen as one that is too late.

use super::slices::{Price, price};
use super::{Build, Verdict};

/// A run between ticks.
#[derive(Debug, PartialEq)]
struct Run<'a> {
    /// Instructions between two ticks.
    period: f64,
    /// The latest that a tick was handled, in instructions behind the one at which it was due.
    late: f64,
    /// The ticks whose interrupt has not come.
    lost: u32,
    macs: f64,
    units: f64,
    /// A hash of the parameters.
    bits: &'a str,
}

/// Builds the program, runs it on the board, and says how late its ticks were.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check(build: &Build<'_>) -> Verdict {
    build.package("control")?;
    judge(&build.run_timed("control")?, &price(build.core.name)?)
}

/// Judges what the program has printed: `tile period late lost macs units bits` of a run with a tile of 1 and of one
/// with a tile of 32, and before that `alone bits`.
fn judge(printed: &str, price: &Price) -> Verdict {
    let run = |tile: &str| -> Result<Run<'_>, String> {
        let line = printed.lines().find_map(|line| line.strip_prefix(tile));
        let words: Option<Vec<&str>> = line.map(|line| line.split(' ').collect());
        let Some([period, late, lost, macs, units, bits]) = words.as_deref() else {
            return Err(format!("no run with a tile of {tile}"));
        };
        let number = |word: &str| -> Result<f64, String> {
            let number = word.parse();
            number.map_err(|_| format!("{word} is no number"))
        };
        Ok(Run {
            period: number(period)?,
            late: number(late)?,
            lost: lost.parse().map_err(|_| format!("{lost} is no number"))?,
            macs: number(macs)?,
            units: number(units)?,
            bits,
        })
    };
    let (short, long) = (run("1 ")?, run("32 ")?);
    let alone = printed.lines().find_map(|line| line.strip_prefix("alone "));
    let bound = price.bound(short.macs, short.units);
    if alone != Some(short.bits) {
        Err("other bits than without a control law".into())
    } else if bound >= short.period {
        Err(format!("a bound of {bound} instructions is no promise"))
    } else if short.late > bound {
        Err(format!(
            "{} instructions late, where {bound} are the bound",
            short.late
        ))
    } else if short.lost > 0 {
        Err(format!("{} ticks lost", short.lost))
    } else if long.late <= bound {
        Err("an oversized tile is not noticed".into())
    } else {
        Ok(format!(
            "at most {} instructions late, bound {bound}; {} in an oversized tile",
            short.late, long.late
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "alone 0a\n1 9999 900 0 10 5 0a\n32 9999 9000 3 160 80 0a\n";

    fn verdict(from: &str, to: &str) -> Verdict {
        let price = Price {
            mac: 100.0,
            unit: 0.0,
            rest: 0.0,
        };
        assert!(PRINTED.contains(from));
        judge(&PRINTED.replace(from, to), &price)
    }

    #[test]
    fn a_punctual_law_passes() {
        let says = verdict("900", "900").unwrap();
        assert!(
            says.starts_with("at most 900 instructions late, bound 1000"),
            "{says}"
        );
    }

    #[test]
    fn what_is_late_lost_or_other_is_a_miss() {
        for (from, to) in [
            ("9999 900", "9999 1001"),
            ("900 0", "900 1"),
            ("alone 0a", "alone 0b"),
            ("9999 9000", "9999 999"),
            ("900 0 10", "900 0 2000"),
            ("1 9999 900 0 10 5 0a", "Error"),
        ] {
            assert!(verdict(from, to).is_err(), "{from} to {to}");
        }
    }
}
