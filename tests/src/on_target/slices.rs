//! Bounded slices: no slice of any method takes more instructions than what it states is worth on a core.
//!
//! ```text
//! instructions ≤ mac · slice_macs + unit · slice_units + rest
//! ```

use super::{Build, Verdict};

/// The programs of the package `slices`: a group of methods with one tile each.
const PROGRAMS: [&str; 9] = [
    "naturals-1",
    "naturals-4",
    "naturals-8",
    "duals-1",
    "duals-4",
    "duals-8",
    "rivals-1",
    "rivals-4",
    "rivals-8",
];

/// The program that an M0 of 16 kB has no room for: what it takes and the stack that its methods state are more.
const TOO_LARGE_FOR_M0: &str = "duals-8";

/// 21 methods with two networks and two batches each, in tiles of three sizes; of the program that is too large, 3 methods.
fn cases(core: &str) -> usize {
    let methods = if core == "M0" { 3 * 21 - 3 } else { 3 * 21 };
    methods * 2 * 2
}

/// A bound of which the dearest case takes a smaller part says nothing.
const TIGHT: f64 = 0.5;

/// What a core takes at most for what a slice states.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// Instructions per multiply-accumulate.
    pub mac: f64,
    /// Instructions per unit and example of a tile.
    pub unit: f64,
    /// Instructions of a slice that does nothing.
    pub rest: f64,
}

impl Price {
    /// The most instructions of a slice that states so many multiply-accumulates and units.
    pub fn bound(&self, macs: f64, units: f64) -> f64 {
        self.mac * macs + self.unit * units + self.rest
    }
}

/// The prices of a core: those that a fit to all cases of both profiles gives, and a tenth more, for other
/// compilers. Where there is no floating-point unit, a multiply-accumulate is two calls of the library, and a
/// unit's hyperbolic tangent some fifty of them.
///
/// # Errors
/// A sentence, when there are none.
pub fn price(core: &str) -> Result<Price, String> {
    let [mac, unit, rest] = match core {
        "M4F" | "M7" | "M33" => [10.0, 750.0, 1000.0],
        "M0" => [260.0, 12_500.0, 2000.0],
        "M3" => [152.0, 7200.0, 1200.0],
        "RV32" => [146.0, 7300.0, 1000.0],
        _ => return Err(format!("nobody has said what a slice costs on {core}")),
    };
    Ok(Price { mac, unit, rest })
}

/// Instructions per tick of the clock that the program reads before and after a slice: the emulator takes one for a
/// nanosecond.
fn tick(core: &str) -> f64 {
    match core {
        "M0" => 1000.0 / 16.0,
        "RV32" => 1.0,
        "M33" => 1000.0 / 20.0,
        _ => 1000.0 / 25.0,
    }
}

/// Builds the programs, runs them on the board, and says how near the dearest slice comes to its bound.
///
/// # Errors
/// A sentence that names the slice that goes beyond it, or says what else is wrong.
pub fn check(build: &Build<'_>) -> Verdict {
    build.package("slices")?;
    let mut printed = String::new();
    let core = build.core.name;
    let room = |program: &&str| core != "M0" || *program != TOO_LARGE_FOR_M0;
    for program in PROGRAMS.into_iter().filter(room) {
        printed += &build.run_timed(program)?;
    }
    judge(&printed, &price(core)?, tick(core), cases(core))
}

/// Judges what the programs have printed: `name tile network batch macs units finish-macs ticks finish-ticks`.
fn judge(printed: &str, price: &Price, tick: f64, cases: usize) -> Verdict {
    let mut dearest = (0.0, String::new());
    let mut seen = 0;
    for line in printed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, tile, network, batch, numbers @ ..] = words.as_slice() else {
            return Err(format!("no measurement: {line}"));
        };
        let numbers: Option<Vec<f64>> = numbers.iter().map(|word| word.parse().ok()).collect();
        let Some([macs, units, finish, slice_ticks, finish_ticks]) = numbers.as_deref() else {
            return Err(format!("no measurement: {line}"));
        };
        let parts = [
            ("a slice", tick * slice_ticks, price.bound(*macs, *units)),
            ("a commit", tick * finish_ticks, price.bound(*finish, 0.0)),
        ];
        for (part, instructions, bound) in parts {
            let case = format!("{part} of {name}, {network}, tile {tile}, batch {batch}");
            if instructions > bound {
                return Err(format!(
                    "{case}: {instructions} instructions, bound {bound}"
                ));
            }
            if instructions / bound > dearest.0 {
                dearest = (instructions / bound, case);
            }
        }
        seen += 1;
    }
    let (share, case) = dearest;
    let says = format!("at most {:.0} % of the bound: {case}", 100.0 * share);
    if seen != cases {
        Err(format!("{seen} cases instead of {cases}"))
    } else if share < TIGHT {
        Err(format!("the bound says nothing: {says}"))
    } else {
        Ok(says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(slice: u32, finish: u32, cases: usize) -> Verdict {
        let price = Price {
            mac: 10.0,
            unit: 100.0,
            rest: 50.0,
        };
        let cheap = "sgd 1 8-16-4 9 100 2 10 1 1\n".repeat(cases - 1);
        let printed = format!("{cheap}adam 1 8-16-4 9 100 2 10 {slice} {finish}\n");
        judge(&printed, &price, 2.0, 10)
    }

    #[test]
    fn what_is_within_its_bound_passes_and_is_named() {
        let says = verdict(625, 1, 10).unwrap();
        assert_eq!(
            says,
            "at most 100 % of the bound: a slice of adam, 8-16-4, tile 1, batch 9"
        );
    }

    #[test]
    fn what_is_beyond_or_says_nothing_is_a_miss() {
        for (slice, finish, cases) in [(626, 1, 10), (400, 76, 10), (150, 1, 10), (400, 1, 9)] {
            assert!(
                verdict(slice, finish, cases).is_err(),
                "{slice} {finish} {cases}"
            );
        }
        let price = Price {
            mac: 1.0,
            unit: 1.0,
            rest: 1.0,
        };
        assert!(judge("sgd the gradient overflows\n", &price, 1.0, 1).is_err());
    }

    #[test]
    fn every_core_has_its_prices() {
        for core in super::super::CORES {
            assert!(price(core.name).is_ok(), "{}", core.name);
        }
    }
}
