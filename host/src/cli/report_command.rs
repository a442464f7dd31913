//! `natgrad report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::report;
use crate::error::{Error, shown};
use crate::experiment::{ALL, Archive, RUNS_FILE, Store};
use crate::report::Report;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Directories of `natgrad reproduce`
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Where the merged runs and the report go [default: the directory if it is one, else merged]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let out = match (&options.out, options.folders.as_slice()) {
        (Some(out), _) => out.as_path(),
        (None, [folder]) => folder,
        (None, _) => Path::new("merged"),
    };
    let mut merged = Archive::default();
    for folder in &options.folders {
        let name = shown(folder);
        if !folder.join(RUNS_FILE).is_file() {
            return Err(Error::file(name, format!("holds no {RUNS_FILE}")));
        }
        merged.merge(Archive::read(folder, ALL)?, &name, ALL)?;
    }
    if merged.plan().is_none() {
        let folders: Vec<String> = options.folders.iter().map(|folder| shown(folder)).collect();
        return Err(Error::file(
            folders.join(", "),
            format!("no run in {RUNS_FILE}"),
        ));
    }
    if options.folders.iter().any(|folder| folder == out) && options.folders.len() == 1 {
        return conclude(&merged, out);
    }
    let mut store = Store::open(out, ALL)?;
    store.add_all(&merged, ALL)?;
    conclude(store.archive(), out)
}

/// Writes the report on `archive` into `out`, and says what it says.
pub(super) fn conclude(archive: &Archive, out: &Path) -> Result<ExitCode, Error> {
    let report = Report::new(archive, ALL)?;
    report.write(out)?;
    for claim in report.claims() {
        report::result(&format!(
            "{:13}  {}: {}, where {} was claimed",
            claim.verdict.to_string(),
            claim.hypothesis.id,
            claim.effect,
            claim.hypothesis.threshold
        ))?;
    }
    if report.missing() > 0 {
        report::note(&format!(
            "note: {} planned runs are missing",
            report.missing()
        ));
    }
    report::result(&format!("report in {}", shown(&out.join("index.html"))))?;
    Ok(ExitCode::SUCCESS)
}
