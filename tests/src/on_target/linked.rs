//! What is not named is not linked: firmware that only predicts holds no code of training, and firmware that
//! trains by one method none of another.
//!
//! The debug information tells the function of every instruction, also of one that was inlined in another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, SectionKind};

use super::debug::{frames, information, is_library};
use super::{Build, Verdict};

/// The parts of the library that only some programs have a use for: folders and files, and the kernels of a backward
/// pass.
const CHOICES: [&str; 10] = [
    "optimizer/",
    "krylov/",
    "curvature/",
    "damping.rs",
    "dense/",
    "line_search.rs",
    "operator.rs",
    "precondition.rs",
    "kernels::add_outer",
    "kernels::add_transposed",
];

/// What every training step is made of.
const STEP: [&str; 5] = [
    "optimizer/mod.rs",
    "optimizer/objective.rs",
    "optimizer/trainer.rs",
    "kernels::add_outer",
    "kernels::add_transposed",
];

/// What natural gradient by conjugate gradients adds to that.
const NATURAL: [&str; 10] = [
    "optimizer/opening.rs",
    "optimizer/natural_gradient/",
    "krylov/mod.rs",
    "krylov/cg.rs",
    "krylov/history.rs",
    "curvature/",
    "damping.rs",
    "line_search.rs",
    "operator.rs",
    "precondition.rs",
];

/// A program of the package `costs`, and what it may hold of the choices.
struct Program {
    name: &'static str,
    /// What is its own: it has to be there.
    own: &'static [&'static str],
    /// What it shares with others.
    shared: &'static [&'static [&'static str]],
}

const PROGRAMS: [Program; 6] = [
    Program {
        name: "inference",
        own: &["kernels::affine"],
        shared: &[],
    },
    Program {
        name: "cost-sgd",
        own: &["optimizer/sgd.rs", "optimizer/bounds.rs"],
        shared: &[&STEP],
    },
    Program {
        name: "cost-adam",
        own: &["optimizer/adam.rs", "optimizer/bounds.rs"],
        shared: &[&STEP, &["optimizer/sgd.rs"]],
    },
    Program {
        name: "cost-natural",
        own: &["optimizer/natural_gradient/", "krylov/cg.rs"],
        shared: &[&STEP, &NATURAL],
    },
    Program {
        name: "cost-natcg",
        own: &["optimizer/natural_cg.rs", "optimizer/simplex.rs"],
        shared: &[&STEP, &NATURAL],
    },
    Program {
        name: "cost-tonga",
        own: &["optimizer/tonga.rs", "dense/jacobi.rs"],
        shared: &[&STEP, &["dense/"]],
    },
];

/// Says that each program holds what it names and nothing else, and how much code that is.
///
/// # Errors
/// A sentence that names a program, and a part of the library that should have no code in it, or should have.
pub fn check(build: &Build<'_>) -> Verdict {
    build.package("costs")?;
    let mut says = Vec::new();
    for program in PROGRAMS {
        let Code { bytes, parts } = code(&build.image(program.name))?;
        judge(&program, &parts)?;
        says.push(format!("{} {bytes}", program.name));
    }
    Ok(format!("bytes of code: {}", says.join(", ")))
}

fn judge(program: &Program, parts: &BTreeSet<String>) -> Result<(), String> {
    let Program { name, own, shared } = program;
    let is_of = |part: &str, of: &[&str]| of.iter().any(|prefix| part.starts_with(prefix));
    let mut chosen = parts.iter().filter(|part| is_of(part, &CHOICES));
    if let Some(part) =
        chosen.find(|part| !is_of(part, own) && !shared.iter().any(|shared| is_of(part, shared)))
    {
        return Err(format!("{name} holds code of {part}"));
    }
    let missing = |prefix: &&&str| !parts.iter().any(|part| part.starts_with(**prefix));
    match own.iter().find(missing) {
        Some(part) => Err(format!("{name} holds no code of {part}")),
        None => Ok(()),
    }
}

/// The code of a program.
struct Code {
    bytes: u64,
    /// Where its instructions come from in the library: files relative to its `src`, and kernels.
    parts: BTreeSet<String>,
}

fn code(image: &Path) -> Result<Code, String> {
    let sentence = |error: &dyn std::fmt::Display| format!("{}: {error}", image.display());
    let bytes = fs::read(image).map_err(|error| sentence(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| sentence(&error))?;
    let debug = information(&file).map_err(|error| sentence(&error))?;
    let mut code = Code {
        bytes: 0,
        parts: BTreeSet::new(),
    };
    let text = file.sections();
    for section in text.filter(|section| section.kind() == SectionKind::Text) {
        code.bytes += section.size();
        let end = section.address() + section.size();
        // No instruction of these cores is shorter than two bytes.
        for frame in (section.address()..end)
            .step_by(2)
            .flat_map(|at| frames(&debug, at))
        {
            let path = frame.file.to_string_lossy().replace('\\', "/");
            if let Some((_, part)) = path.split_once("core/src/")
                && !is_library(&frame.file)
            {
                code.parts.insert(part.into());
            }
            let kernel = frame
                .function
                .as_deref()
                .and_then(|name| name.strip_prefix("natgrad::"));
            if let Some(kernel) = kernel.filter(|name| name.starts_with("kernels::")) {
                code.parts.insert(kernel.into());
            }
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    fn verdict(name: &str, parts: &[&str]) -> Result<(), String> {
        let program = PROGRAMS.iter().find(|program| program.name == name);
        judge(
            program.unwrap(),
            &parts.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn what_is_looked_for_is_there() {
        let source = root().join("core/src");
        let mut names: Vec<&str> = CHOICES.to_vec();
        for Program { own, shared, .. } in &PROGRAMS {
            names.extend(shared.iter().flat_map(|shared| shared.iter()).chain(*own));
        }
        for name in names {
            let is_kernel = name.starts_with("kernels::");
            assert!(is_kernel || source.join(name).exists(), "{name}");
        }
    }

    #[test]
    fn a_program_holds_its_own() {
        let inference = ["mlp/mod.rs", "kernels.rs", "kernels::affine::<f32, 1>"];
        assert_eq!(verdict("inference", &inference), Ok(()));
        let adam = [
            "optimizer/adam.rs",
            "optimizer/bounds.rs",
            "optimizer/trainer.rs",
        ];
        assert_eq!(verdict("cost-adam", &adam), Ok(()));
    }

    #[test]
    fn a_program_with_code_of_another_is_named() {
        assert_eq!(
            verdict("inference", &["kernels::affine", "optimizer/trainer.rs"]),
            Err("inference holds code of optimizer/trainer.rs".into())
        );
        assert_eq!(
            verdict(
                "inference",
                &["kernels::affine", "kernels::add_outer::<f32, 1>"]
            ),
            Err("inference holds code of kernels::add_outer::<f32, 1>".into())
        );
        assert_eq!(
            verdict("cost-adam", &["optimizer/adam.rs", "krylov/cg.rs"]),
            Err("cost-adam holds code of krylov/cg.rs".into())
        );
        assert_eq!(
            verdict("cost-adam", &["kernels.rs"]),
            Err("cost-adam holds no code of optimizer/adam.rs".into())
        );
    }
}
