//! No public function of the library can panic.
//!
//! Two proofs, by compiler, profile and core. The programs of the package `panics` call every public function, and
//! link with a panic handler that does not exist. In all other programs, which may panic and say where, the
//! places that can are lines of the firmware itself or of its console: none is the library's, nor of
//! what it depends on. And both are seen to fail, on a program that panics on purpose.

mod paths;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use self::paths::{Place, places};
use super::toolchain::firmware;
use super::{Build, Verdict};

/// The package whose programs call every public function, and the feature that gives it a handler that exists.
const CALLS: &str = "panics";
const HALT: &str = "halt";

/// The program that panics on purpose, and its functions that do; the feature that gives it the handler that does
/// not exist.
const DELIBERATE: &str = "deliberate";
const CULPRITS: [&str; 2] = ["deliberate::called", "deliberate::inlined"];
const NEVER: &str = "never";

/// The package that compares methods on one core: it draws its batches by a generator that may panic, and it has no
/// room elsewhere.
const COMPARES: &str = "arrivals";

/// Builds every program for a core, and looks for the places that can panic.
///
/// # Errors
/// A sentence that names the place, or says what else is wrong.
pub fn check(build: &Build<'_>) -> Verdict {
    is_caught(build)?;
    let mut programs = programs()?;
    programs.retain(|(package, _)| package != COMPARES);
    let (calls, others): (Vec<_>, Vec<_>) =
        programs.iter().partition(|(package, _)| package == CALLS);
    if let Some(says) = build
        .toolchain
        .refusal(build.core, build.profile, CALLS, None)?
    {
        // With a handler they link, and the place has a name.
        let halting = build
            .toolchain
            .refusal(build.core, build.profile, CALLS, Some(HALT))?;
        if let Some(says) = halting {
            return Err(says);
        }
        for (_, program) in calls {
            none(program, &places(&build.image(program))?)?;
        }
        return Err(says);
    }
    for (_, program) in &calls {
        none(program, &places(&build.image(program))?)?;
    }
    let names = programs
        .iter()
        .flat_map(|(package, program)| [package, program]);
    let crates: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    for (package, program) in &others {
        build.package(package)?;
        let places = places(&build.image(program))?;
        none(program, &of_library(&crates, places))?;
    }
    let (free, others) = (calls.len(), others.len());
    Ok(format!(
        "{free} programs with every public function have no panic, {others} others none of the library"
    ))
}

/// Both proofs fail for the program that panics on purpose.
fn is_caught(build: &Build<'_>) -> Result<(), String> {
    let toolchain = build.toolchain;
    match toolchain.refusal(build.core, build.profile, DELIBERATE, Some(NEVER))? {
        None => return Err("a program that panics links without a handler".into()),
        Some(says) if says.contains("at least one panicking branch") => {}
        Some(says) => return Err(says),
    }
    build.package(DELIBERATE)?;
    let found = places(&build.image(DELIBERATE))?;
    match CULPRITS
        .iter()
        .find(|name| found.iter().all(|place| place.function != **name))
    {
        None => Ok(()),
        Some(missed) => Err(format!("{missed} panics, and is not found")),
    }
}

/// The programs of the firmware, each after its package.
fn programs() -> Result<Vec<(String, String)>, String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(firmware())
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut programs = Vec::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            let words = (package["name"].as_str(), target["name"].as_str());
            if let ((Some(package), Some(program)), true) =
                (words, list(&target["kind"]).contains(&"bin".into()))
            {
                programs.push((package.into(), program.into()));
            }
        }
    }
    Ok(programs)
}

/// The crates that firmware stands on beside the library, by the beginnings of their folders.
const AROUND: [&str; 4] = [
    "semihosting-",
    "defmt-semihosting-",
    "static_cell-",
    "crc32fast-",
];

/// The places that are neither the firmware's own, in one of its `crates`, nor of what it stands on [beside the
/// library](AROUND): those of the library and of its dependencies, and any that nobody has thought of.
fn of_library(crates: &[String], mut places: Vec<Place>) -> Vec<Place> {
    places.retain(|place| {
        // Instructions that come from several lines have line 0, and the file of any of them.
        if place.line == 0 {
            return match place.function.split_once("::") {
                Some((of, _)) => crates.iter().all(|own| own != of),
                // What the runtime calls has no crate in its name.
                None => place.function != "main",
            };
        }
        let mut folders = place.file.iter().filter_map(OsStr::to_str);
        let around = folders.any(|folder| AROUND.iter().any(|name| folder.starts_with(name)));
        !around && !is_below(&place.file, &firmware())
    });
    places
}

fn is_below(file: &Path, folder: &Path) -> bool {
    let canonical = file.canonicalize().ok().zip(folder.canonicalize().ok());
    canonical.is_some_and(|(file, folder)| file.starts_with(folder))
}

/// That there is no such place, or which there are.
fn none(program: &str, places: &[Place]) -> Result<(), String> {
    if places.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = places.iter().map(Place::to_string).collect();
    Err(format!("{program} can panic in {}", places.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Place, firmware, none, of_library};

    fn place(file: std::path::PathBuf) -> Place {
        Place {
            function: "f".into(),
            file,
            line: 1,
        }
    }

    #[test]
    fn what_is_not_known_to_stand_around_the_library_is_the_librarys() {
        let own = place(firmware().join("board/src/lib.rs"));
        let console = place("registry/semihosting-0.1.25/src/io.rs".into());
        let log = place("registry/defmt-semihosting-0.4.0/src/lib.rs".into());
        assert_eq!(of_library(&[], vec![own, console, log]), []);
        let library = place(firmware().join("../../core/src/lib.rs"));
        let dependency = place("registry/heapless-0.9.3/src/vec.rs".into());
        let format = place("registry/defmt-1.2.0/src/lib.rs".into());
        let unknown = place("".into());
        let all = vec![library, dependency, format, unknown];
        assert_eq!(of_library(&[], all.clone()), all);
    }

    #[test]
    fn where_no_line_is_known_the_function_tells() {
        let merged = |function: &str| Place {
            function: function.into(),
            line: 0,
            ..place(firmware().join("../../core/src/lib.rs"))
        };
        let crates = ["slices".to_string()];
        let own = vec![merged("slices::batch"), merged("main")];
        assert_eq!(of_library(&crates, own), []);
        let library = vec![merged("natgrad::kernels::dot"), merged("memcpy")];
        assert_eq!(of_library(&crates, library.clone()), library);
    }

    #[test]
    fn a_place_is_named() {
        assert_eq!(none("program", &[]), Ok(()));
        let miss = none("program", &[place("a.rs".into())]);
        assert_eq!(miss, Err("program can panic in f (a.rs:1)".into()));
    }
}
