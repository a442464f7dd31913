//! Shared set-up of the tests that span crates: the binary, and a place to run it in.
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod host_counts;
mod margin;
pub mod on_target;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The examples of the front page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// The binary `natgrad`, built on first use: cargo builds the binaries of a package for its own tests only.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let words = ["build", "--release", "--package", "natgrad-host", "--bin"];
        let binary = built(&[&words[..], &["natgrad"]].concat(), "natgrad");
        binary.unwrap_or_else(|sentence| panic!("{sentence}"))
    })
}

/// Builds by cargo with some words, and returns the path of the program `target`.
///
/// # Errors
/// A sentence, when it cannot be built.
fn built(words: &[&str], target: &str) -> Result<PathBuf, String> {
    let output = Command::new(env!("CARGO"))
        .args(words)
        .args(["--locked", "--message-format", "json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{target} does not build"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let path = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| format!("{target} is not among what was built"))
}

/// The root of the repository.
///
/// # Panics
/// Never: this package has a parent folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the parent of this package")
}

/// A folder of its own, in which the binary runs.
#[derive(Debug)]
pub struct Sandbox(TempDir);

/// What a run has said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Sandbox {
    /// An empty folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a writable folder");
    }

    /// Runs a command line, and interrupts it (SIGINT) as soon as it is `ready`.
    ///
    /// # Panics
    /// When it cannot be run or interrupted, or is not ready within two minutes.
    #[cfg(unix)]
    pub fn interrupted(&self, line: &str, ready: impl Fn(&Self) -> bool) -> Said {
        let child = self
            .command(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let started = Instant::now();
        while !ready(self) {
            assert!(started.elapsed() < Duration::from_mins(2), "{line}");
            sleep(Duration::from_millis(50));
        }
        let id = child.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.expect("kill runs").success());
        child.wait_with_output().expect("it ends").into()
    }

    /// Reads a file.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of all files, in order.
    ///
    /// # Panics
    /// When the folder cannot be read.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .expect("a readable folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into()
            })
            .collect();
        names.sort();
        names
    }

    /// The command `natgrad`, to be run in the folder.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(self.0.path()).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `natgrad` with the words of a line.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, line: &str) -> Said {
        self.command(line.split_whitespace())
            .output()
            .expect("the binary runs")
            .into()
    }

    /// Runs `natgrad` with the words of a line, which must print one JSON object and nothing else.
    ///
    /// # Panics
    /// When it fails or prints something else.
    pub fn json(&self, line: &str) -> Value {
        let said = self.run(line);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        assert_eq!(said.out.lines().count(), 1, "{line}: {said:?}");
        let object: Value = serde_json::from_str(&said.out).expect("JSON");
        assert!(object.is_object(), "{line}: {object}");
        object
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
