//! What the debug information of a program says of its instructions.

use std::path::{Path, PathBuf};

use addr2line::Context;
use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};
use rustc_demangle::demangle;

/// The debug information of a program.
pub(super) type Debug<'d> = Context<EndianSlice<'d, LittleEndian>>;

/// A function that an instruction belongs to, and its line in it.
pub(super) struct Frame {
    /// Its name, demangled.
    pub(super) function: Option<String>,
    pub(super) file: PathBuf,
    /// The line, or 0.
    pub(super) line: u32,
}

/// The debug information as it is: the linker has already applied the relocations that it kept.
pub(super) fn information<'d>(file: &object::File<'d>) -> Result<Debug<'d>, gimli::Error> {
    let section = |id: SectionId| -> Result<_, gimli::Error> {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or(&[]), LittleEndian))
    };
    Context::from_dwarf(Dwarf::load(section)?)
}

/// The functions that an instruction belongs to, the innermost of those that were inlined first.
pub(super) fn frames(debug: &Debug<'_>, at: u64) -> Vec<Frame> {
    let mut known = Vec::new();
    let Ok(mut frames) = debug.find_frames(at).skip_all_loads() else {
        return known;
    };
    while let Ok(Some(frame)) = frames.next() {
        let Some(location) = frame.location else {
            continue;
        };
        let Some(file) = location.file else {
            continue;
        };
        let function = frame.function.as_ref();
        let function = function.and_then(|name| name.raw_name().ok());
        known.push(Frame {
            function: function.map(|name| format!("{:#}", demangle(&name))),
            file: file.into(),
            line: location.line.unwrap_or(0),
        });
    }
    known
}

/// Whether a file is part of Rust's library, as it is named in the debug information of any toolchain.
pub(super) fn is_library(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().collect();
    parts.windows(2).any(|pair| {
        pair[0] == "library"
            && ["core", "alloc", "compiler-builtins"]
                .iter()
                .any(|part| pair[1] == *part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_of_any_toolchain_is_known() {
        let ours = "/rustc/59807616/library/core/src/slice/index.rs";
        assert!(is_library(Path::new(ours)));
        assert!(!is_library(Path::new(
            "/home/library/natgrad/core/src/dense.rs"
        )));
    }
}
