//! The places of a linked program from which a panic can be reached.
//!
//! The linker is told to keep its relocations (`--emit-relocs`): each says that an instruction or a literal of a
//! function refers to another function. From the functions of `core::panicking` backwards, these references lead
//! through other functions of Rust's library to the first line that is not the library's own, and the debug
//! information tells that line and its function even where it is inlined in others.
//!
//! A call through a table of functions has no relocation in a function, and is not followed.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind};
use rustc_demangle::demangle;

use crate::on_target::debug::{Debug, Frame, frames, information, is_library};

/// A line outside of Rust's library that can panic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The function that the line belongs to, demangled.
    pub(super) function: String,
    /// Its file, unless the debug information is silent.
    pub(super) file: PathBuf,
    /// The line, or 0.
    pub(super) line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            file,
            line,
        } = self;
        write!(f, "{function} ({}:{line})", file.display())
    }
}

/// A reference from one function to another.
struct Reference {
    at: u64,
    from: String,
    to: String,
}

/// Every place of a program that can panic, in order.
///
/// # Errors
/// A sentence, when the program cannot be read, or its relocations were not kept.
pub(super) fn places(program: &Path) -> Result<Vec<Place>, String> {
    let unreadable = |error: &dyn fmt::Display| format!("{}: {error}", program.display());
    let bytes = fs::read(program).map_err(|error| unreadable(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| unreadable(&error))?;
    let debug = information(&file).map_err(|error| unreadable(&error))?;
    let references = references(&file);
    if references.is_empty() {
        return Err(unreadable(&"the linker kept no relocation"));
    }

    let names = file.symbols().filter_map(|symbol| symbol.name().ok());
    let mut panicking: Vec<String> = names
        .filter(|name| is_panic(name))
        .map(String::from)
        .collect();
    let mut seen: BTreeSet<String> = panicking.iter().cloned().collect();
    let mut places = BTreeSet::new();
    // What a panic itself calls makes no further panic.
    while let Some(function) = panicking.pop() {
        for reference in references
            .iter()
            .filter(|reference| reference.to == function && !is_panic(&reference.from))
        {
            if let Some(place) = responsible(&debug, reference) {
                places.insert(place);
            } else if seen.insert(reference.from.clone()) {
                panicking.push(reference.from.clone());
            }
        }
    }
    Ok(places.into_iter().collect())
}

/// What `defmt`'s `panic!` and `unwrap!` call, and what that is unless a program has its own. Its linker script keeps
/// the latter in every program, also where nothing calls it.
const DEFMT: [&str; 2] = ["_defmt_panic", "__defmt_default_panic"];

/// Whether a symbol is where panics come together.
fn is_panic(name: &str) -> bool {
    let name = format!("{:#}", demangle(name));
    name.starts_with("core::panicking::")
        || name.ends_with("rust_begin_unwind")
        || DEFMT.contains(&name.as_str())
}

/// What functions refer to, by their names as the linker knows them.
fn references(file: &object::File<'_>) -> Vec<Reference> {
    // The lowest bit of a Thumb function's address is no part of it.
    let thumb = u64::from(file.architecture() == object::Architecture::Arm);
    let functions: Vec<(u64, u64, &str)> = file
        .symbols()
        .filter(|symbol| symbol.is_definition() && symbol.size() > 0)
        .filter_map(|symbol| {
            Some((
                symbol.address() & !thumb,
                symbol.size(),
                symbol.name().ok()?,
            ))
        })
        .collect();
    let mut references = Vec::new();
    let code = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    for (at, relocation) in code.flat_map(|section| section.relocations().collect::<Vec<_>>()) {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let to = file.symbol_by_index(index).and_then(|symbol| symbol.name());
        let from = functions
            .iter()
            .find(|(start, size, _)| (*start..start + size).contains(&at));
        if let (Ok(to), Some((_, _, from))) = (to, from) {
            references.push(Reference {
                at,
                from: (*from).into(),
                to: to.into(),
            });
        }
    }
    references
}

/// The innermost line of a reference that is not of Rust's library; none, when all are.
fn responsible(debug: &Debug<'_>, reference: &Reference) -> Option<Place> {
    let frames = frames(debug, reference.at);
    let known = !frames.is_empty();
    for Frame {
        function,
        file,
        line,
    } in frames
    {
        if !is_library(&file) {
            let function = function.unwrap_or_else(|| format!("{:#}", demangle(&reference.from)));
            return Some(Place {
                function,
                file,
                line,
            });
        }
    }
    let function = format!("{:#}", demangle(&reference.from));
    // Code without debug information is the library's if its name is.
    (!known && !function.starts_with("core::")).then(|| Place {
        function,
        file: PathBuf::new(),
        line: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::is_panic;

    #[test]
    fn panics_are_known_by_their_symbols() {
        assert!(is_panic("_RNvNtCscZrZDmWltiT_4core9panicking9panic_fmt"));
        assert!(is_panic(
            "_ZN4core9panicking18panic_bounds_check17h0123456789abcdefE"
        ));
        assert!(is_panic("rust_begin_unwind"));
        assert!(is_panic("_defmt_panic"));
        assert!(!is_panic("_defmt_acquire"));
        assert!(!is_panic(
            "_RNvNtNtCscZrZDmWltiT_4core3str5count14do_count_chars"
        ));
    }
}
