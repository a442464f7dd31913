//! The files of a command, told apart before it does anything.

use std::path::{Path, PathBuf};

use crate::error::{Error, shown};
use crate::files::{check_writable, destination};

/// A file, and the option that names it.
pub(super) type Named<'a> = (&'static str, &'a Path);

/// Refuses an output that cannot be written, or that is an input or another output, whatever links stand for it.
///
/// Hard links are not told apart from files: an output replaces its name only, and leaves the other one alone.
pub(super) fn check<'a>(
    inputs: impl IntoIterator<Item = Named<'a>>,
    outputs: impl IntoIterator<Item = Named<'a>>,
) -> Result<(), Error> {
    let mut taken: Vec<(&str, Option<PathBuf>)> = inputs
        .into_iter()
        .map(|(option, path)| (option, destination(path)))
        .collect();
    for (option, path) in outputs {
        check_writable(path)?;
        let place = destination(path);
        let same = |(_, other): &&(&str, Option<PathBuf>)| other.is_some() && *other == place;
        if let Some((other, _)) = taken.iter().find(same) {
            let problem = format!("{} is the file that {other} names", shown(path));
            return Err(Error::option(option, problem));
        }
        taken.push((option, place));
    }
    Ok(())
}
