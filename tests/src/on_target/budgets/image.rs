//! What the ELF file of a program says about its memory.

use std::fs;
use std::path::Path;

use object::{File, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use rustc_demangle::demangle;

/// The statics of a network in the package `costs` whose size the library states, and what `static_cell` adds to
/// each: a flag, in the alignment of the content (a trainer counts in `u64`).
const STATED: [(&str, u64); 3] = [("PARAMS", 4), ("WORKSPACE", 4), ("TRAINER", 8)];

/// The largest gap between two statics, for the alignment of the second.
const GAP: u64 = 8;

/// How LLVM names a run of variables that it has put side by side, each of which has a symbol of its own.
const MERGED: &str = ".L_MergedGlobals";

/// The memory of a program.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// Bytes that are flashed: code, constants, and the first values of variables.
    pub(super) flash: u64,
    /// Bytes of all variables.
    ram: u64,
    /// The variables: their paths and bytes.
    statics: Vec<(String, u64)>,
}

impl Image {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let sentence = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = fs::read(path).map_err(|error| sentence(&error))?;
        let file = File::parse(&*bytes).map_err(|error| sentence(&error))?;
        let mut image = Self::default();
        let mut variables = Vec::new();
        for section in file.sections() {
            match section.kind() {
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    image.flash += section.size();
                }
                SectionKind::Data => {
                    image.flash += section.size();
                    variables.push(section);
                }
                // What is left of RAM, as some run-time crates lay it out.
                SectionKind::UninitializedData if section.name() != Ok(".stack") => {
                    variables.push(section);
                }
                _ => {}
            }
        }
        image.ram = variables.iter().map(ObjectSection::size).sum();
        for symbol in file.symbols() {
            let variable = variables
                .iter()
                .any(|section| symbol.section_index() == Some(section.index()));
            let name = symbol.name().map_err(|error| sentence(&error))?;
            if variable && symbol.kind() == SymbolKind::Data && !name.starts_with(MERGED) {
                image
                    .statics
                    .push((format!("{:#}", demangle(name)), symbol.size()));
            }
        }
        Ok(image)
    }

    /// Demands that the statics of a network are as large as the library says.
    pub(super) fn hold_stated(&self, network: &str, stated: u64) -> Result<(), String> {
        let found: Vec<u64> = STATED
            .iter()
            .filter_map(|(name, _)| {
                let end = format!("::{network}::{name}");
                let mut named = self.statics.iter().filter(|(path, _)| path.ends_with(&end));
                named.next().map(|(_, bytes)| *bytes)
            })
            .collect();
        let flags: u64 = STATED.iter().map(|(_, flag)| flag).sum();
        let expected = stated + flags;
        let sum: u64 = found.iter().sum();
        if found.len() == STATED.len() && sum == expected {
            Ok(())
        } else {
            Err(format!(
                "parameters, workspace and trainer are {found:?} bytes, {sum} in all and not {expected}: {stated} and \
                 a flag each"
            ))
        }
    }

    /// The variables beside those: their paths within the program and their bytes.
    ///
    /// # Errors
    /// A sentence, when the symbols do not account for all RAM.
    pub(super) fn others(&self) -> Result<Vec<(String, u64)>, String> {
        let named: u64 = self.statics.iter().map(|(_, bytes)| bytes).sum();
        // Each may be followed by a gap for the alignment of the next.
        let gaps = GAP * self.statics.len() as u64;
        if !(named..=named + gaps).contains(&self.ram) {
            return Err(format!(
                "the statics are {} bytes, the symbols only {named}",
                self.ram
            ));
        }
        let stated = |path: &str| {
            STATED
                .iter()
                .any(|(name, _)| path.ends_with(&format!("::{name}")))
        };
        let others = self.statics.iter().filter(|(path, _)| !stated(path));
        Ok(others
            .map(|(path, bytes)| {
                let inside = path
                    .split_once("::")
                    .map_or(path.as_str(), |(_, inside)| inside);
                (inside.to_string(), *bytes)
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let statics = [
            ("adam::small::PARAMS", 44),
            ("adam::small::WORKSPACE", 84),
            ("adam::small::TRAINER", 24),
            ("adam::small::INPUTS", 16),
            ("TAKEN", 1),
        ];
        Image {
            flash: 0,
            ram: 172,
            statics: statics
                .map(|(path, bytes)| (path.to_string(), bytes))
                .into(),
        }
    }

    #[test]
    fn statics_of_another_size_are_refused() {
        assert_eq!(image().hold_stated("small", 136), Ok(()));
        assert!(image().hold_stated("small", 140).is_err());
        assert!(image().hold_stated("large", 136).is_err());
    }

    #[test]
    fn every_byte_of_ram_has_a_name() {
        let others = [("small::INPUTS".to_string(), 16), ("TAKEN".to_string(), 1)];
        assert_eq!(image().others(), Ok(others.into()));
        let unnamed = Image {
            ram: 1000,
            ..image()
        };
        assert!(unnamed.others().is_err());
    }
}
