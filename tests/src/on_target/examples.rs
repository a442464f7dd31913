//! The examples: each does on every core what it is for, and logs what it is known to log.

use std::fs;
use std::path::PathBuf;

use super::{Build, PROFILES, Verdict, log, output_folder};
use crate::root;

/// The programs of the package `examples` that are to start from.
const EXAMPLES: [&str; 3] = ["calibrate", "gesture", "anomaly"];

/// The one that is refused everything that can be refused.
pub const ERRORS: [&str; 1] = ["errors"];

/// [`check`] for the programs that are to start from. Where floats are emulated they run as built for speed only,
/// since they take half a minute there; that both profiles have the same bits is what [`super::bits`] checks.
///
/// # Errors
/// As [`check`].
pub fn check_examples(build: &Build<'_>) -> Verdict {
    if build.core.emulates_floats() && build.profile != PROFILES[0] {
        let only = PROFILES[0];
        return Ok(format!("not run: floats are emulated, see {only}"));
    }
    check(build, &EXAMPLES)
}

/// Builds the programs, runs them on the board, and holds their logs against the known ones. They log single
/// precision to the last bit, so that a core with other bits is found.
///
/// # Errors
/// A sentence that names the program, and where its log begins to differ.
pub fn check(build: &Build<'_>, programs: &[&str]) -> Verdict {
    build.package("examples")?;
    for program in programs {
        let image = build.image(program);
        let image = fs::read(&image).map_err(|error| format!("{program}: {error}"))?;
        let output = build.emulate(program, &[])?;
        let found =
            log::decode(&image, &output.stdout).map_err(|why| format!("{program}: {why}"))?;
        if !output.status.success() {
            return Err(format!("{program} fails: {}", found.trim_end()));
        }
        compare(program, &found)?;
    }
    Ok(format!("{}: the known logs", programs.join(", ")))
}

/// Where the known log of a program lies.
fn known(program: &str) -> PathBuf {
    let folder = root().join("tests/firmware/examples/golden");
    folder.join(program).with_extension("txt")
}

/// Says that a log is the known one; another is kept for a look at it.
fn compare(program: &str, found: &str) -> Result<(), String> {
    let known = fs::read_to_string(known(program)).unwrap_or_default();
    let Some(line) = first_difference(&known, found) else {
        return Ok(());
    };
    let kept = output_folder().join(program).with_extension("txt");
    fs::write(&kept, found).map_err(|error| format!("{}: {error}", kept.display()))?;
    Err(format!(
        "the log of {program} differs in line {line}; it is now {}",
        kept.display()
    ))
}

/// The first line, from 1, that two texts do not share.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let same = one.lines().zip(other.lines()).take_while(|(a, b)| a == b);
    Some(same.count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_where_it_is() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\nb\n", "a\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
    }
}
