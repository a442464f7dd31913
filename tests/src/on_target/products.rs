//! Instructions per multiply-accumulate of what training is made of: a gradient, a Fisher product, and one whose
//! activations are kept.

use super::budgets::{Ticks, run};
use super::{Build, Verdict};

/// The networks and tiles that the program goes over, in its order.
pub(super) const CASES: [&str; 4] = [
    "8-16-4, tile 1",
    "8-16-4, tile 4",
    "64-32-10, tile 1",
    "64-32-10, tile 4",
];

/// The most hundredths of an instruction per multiply-accumulate on a core that has a floating-point unit: of a gradient, a product, and a
/// product with kept activations. As measured at `opt-level` 3 on a Cortex-M4F, rounded up; an emulator of another core
/// runs much the same code.
const MOST: [[u64; 3]; CASES.len()] = [
    [788, 720, 743],
    [369, 320, 328],
    [396, 368, 386],
    [228, 211, 218],
];

/// Builds the program, runs it on the board, and says what its passes take.
///
/// # Errors
/// A sentence that names a pass that takes more than it may.
pub fn check(build: &Build<'_>) -> Verdict {
    build.package("costs")?;
    let lines = run::<6>(build, "products")?;
    if lines.is_empty() {
        return Ok("not run: the board has no room".into());
    }
    let holds = build.profile == "release" && !build.core.emulates_floats();
    judge(&lines, &Ticks::of(build)?, holds)
}

/// Judges multiply-accumulates and ticks of the passes, case after case.
fn judge(lines: &[[u64; 6]], clock: &Ticks, holds: bool) -> Verdict {
    if lines.len() != CASES.len() {
        return Err(format!("{} cases instead of {}", lines.len(), CASES.len()));
    }
    let mut says = Vec::new();
    for ((case, line), most) in CASES.into_iter().zip(lines).zip(MOST) {
        let (pairs, _) = line.as_chunks();
        let mut found = [0; 3];
        for (found, &[macs, ticks]) in found.iter_mut().zip(pairs) {
            if macs == 0 || ticks == 0 {
                return Err(format!("{case}: nothing was done"));
            }
            *found = clock.instructions(100 * ticks, macs);
        }
        let numbers = format!("{case}: {}", hundredths(found));
        if holds && found.iter().zip(most).any(|(found, most)| *found > most) {
            return Err(format!(
                "{numbers} instructions per multiply-accumulate, where at most {} are allowed",
                hundredths(most)
            ));
        }
        says.push(numbers);
    }
    Ok(format!(
        "instructions per multiply-accumulate of a gradient, a product, one with kept activations: {}",
        says.join("; ")
    ))
}

fn hundredths(numbers: [u64; 3]) -> String {
    numbers
        .map(|x| format!("{}.{:02}", x / 100, x % 100))
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes that take so many instructions per multiply-accumulate, of which 40 are a tick.
    fn lines(each: u64) -> [[u64; 6]; CASES.len()] {
        [[400, 10 * each, 400, 10 * each, 400, 10 * each]; CASES.len()]
    }

    #[test]
    fn a_pass_that_takes_more_than_it_may_is_named() {
        let clock = Ticks::with_rate(40);
        assert!(judge(&lines(2), &clock, true).is_ok());
        let says = judge(&lines(3), &clock, true).unwrap_err();
        assert!(says.starts_with("64-32-10, tile 4: 3.00"), "{says}");
        assert!(judge(&lines(3), &clock, false).is_ok(), "not held to it");
    }

    #[test]
    fn a_program_that_does_nothing_is_refused() {
        let clock = Ticks::with_rate(40);
        assert!(judge(&[], &clock, true).is_err());
        assert!(judge(&lines(0), &clock, true).is_err());
    }
}
