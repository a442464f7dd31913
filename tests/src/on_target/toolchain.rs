//! The compilers that can build firmware.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Core;
use crate::root;

/// Debian's package of a compiler that has the source of its library in another.
const PACKAGE: &str = "rustc-web";

/// A compiler that can build for a target.
#[derive(Debug)]
pub enum Toolchain {
    /// The installed one has the target.
    Installed,
    /// This one has the source of its library, and `core` is compiled from that.
    FromSource {
        /// The compiler.
        compiler: PathBuf,
        /// Its linker, where it brings none for the target.
        linker: Option<&'static str>,
    },
}

impl Toolchain {
    /// The compiler for a core: the installed one if it has the target or the source of its library, else
    /// Debian's.
    ///
    /// # Errors
    /// A sentence that says how to get one.
    pub fn find(core: &Core) -> Result<Self, String> {
        let print = |compiler: &Path, what: &[&str]| -> Option<PathBuf> {
            let output = Command::new(compiler).arg("--print").args(what).output();
            let output = output.ok().filter(|output| output.status.success())?;
            Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
        };
        let has_source = |compiler: &Path| {
            print(compiler, &["sysroot"]).is_some_and(|sysroot| {
                let library = sysroot.join("lib/rustlib/src/rust/library/Cargo.toml");
                library.is_file()
            })
        };
        let installed = Path::new("rustc");
        let libraries = ["target-libdir", "--target", core.target];
        if print(installed, &libraries).is_some_and(|folder| folder.is_dir()) {
            return Ok(Self::Installed);
        }
        if has_source(installed) {
            return Ok(Self::FromSource {
                compiler: installed.into(),
                linker: None,
            });
        }
        match debian_compiler().filter(|compiler| has_source(compiler)) {
            Some(compiler) => Ok(Self::FromSource {
                compiler,
                linker: Some("ld.lld"),
            }),
            None => Err(format!(
                "no compiler for {target}: run `rustup target add {target}`, or on Debian `apt-get install {PACKAGE} \
                 rust-web-src lld`",
                target = core.target
            )),
        }
    }

    /// The release of the compiler, without its patches: 1.96.
    ///
    /// # Errors
    /// A sentence, when the compiler does not say.
    pub(crate) fn release(&self) -> Result<String, String> {
        let compiler = match self {
            Self::Installed => Path::new("rustc"),
            Self::FromSource { compiler, .. } => compiler,
        };
        let output = Command::new(compiler).arg("--version").output();
        let output = output.map_err(|error| format!("{}: {error}", compiler.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        let mut numbers = version.split_whitespace().nth(1).unwrap_or("").split('.');
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
            _ => Err(format!("{} does not say its version", compiler.display())),
        }
    }

    /// Cargo, to build for a core from the folder `place`.
    fn cargo(&self, core: &Core, place: &Path, words: &[&str]) -> Command {
        let mut cargo = cargo("build", place, &core.output_folder());
        cargo.args(["--target", core.target]).args(words);
        if let Some(cpu) = core.cpu {
            // Joins the flags of the firmware's own configuration; those of the environment would replace them.
            let flags = format!(r#"["-C", "target-cpu={cpu}"]"#);
            cargo
                .arg("--config")
                .arg(format!(r#"target."{}".rustflags={flags}"#, core.target));
        }
        if let Self::FromSource { compiler, linker } = self {
            // `build-std` is an unstable flag of cargo, and `core` is written in unstable Rust.
            cargo
                .arg("-Zbuild-std=core")
                .env("RUSTC", compiler)
                .env("RUSTC_BOOTSTRAP", "1");
            if let Some(linker) = linker {
                let target = core.target.to_uppercase().replace(['-', '.'], "_");
                cargo.env(format!("CARGO_TARGET_{target}_LINKER"), linker);
            }
        }
        cargo
    }

    /// Builds for a core from the folder `place`.
    fn build(&self, core: &Core, place: &Path, words: &[&str]) -> Result<(), String> {
        match self.cargo(core, place, words).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err("does not build".into()),
            Err(error) => Err(format!("cargo does not run: {error}")),
        }
    }

    /// Builds the library with its logs.
    ///
    /// # Errors
    /// A sentence, when that fails.
    pub fn build_with_defmt(&self, core: &Core) -> Result<(), String> {
        let words = ["--release", "--package", "natgrad", "--features", "defmt"];
        self.build(core, root(), &words)
    }

    pub(super) fn build_firmware(
        &self,
        core: &Core,
        profile: &str,
        package: &str,
    ) -> Result<(), String> {
        let words = ["--profile", profile, "--package", package, "--bins"];
        self.build(core, &firmware(), &words)
    }

    /// What cargo says when it does not build the programs of a package, with or without a feature; none when
    /// it does.
    pub(super) fn refusal(
        &self,
        core: &Core,
        profile: &str,
        package: &str,
        feature: Option<&str>,
    ) -> Result<Option<String>, String> {
        let mut words = vec!["--profile", profile, "--package", package, "--bins"];
        words.extend(
            feature
                .into_iter()
                .flat_map(|feature| ["--features", feature]),
        );
        let output = self.cargo(core, &firmware(), &words).output();
        let output = output.map_err(|error| format!("cargo does not run: {error}"))?;
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((!output.status.success()).then_some(says))
    }
}

/// What an example of a package of the firmware's workspace prints on the host, built by a profile of cargo.
pub(super) fn run_host(profile: &str, package: &str, example: &str) -> Result<String, String> {
    let mut cargo = cargo("run", &firmware(), &output_folder());
    cargo
        .args(["--profile", profile, "--package", package])
        .args(["--example", example]);
    let output = cargo.stderr(Stdio::inherit()).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Err(format!("{example} fails on the host")),
        Err(error) => Err(format!("cargo does not run: {error}")),
    }
}

/// The firmware's workspace.
pub(super) fn firmware() -> PathBuf {
    root().join("tests/firmware")
}

/// Cargo in the folder `place`, to build in `output`.
fn cargo(command: &str, place: &Path, output: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(place)
        .args([command, "--quiet", "--locked"])
        .arg("--target-dir")
        .arg(output)
        // What cargo tells its children is not for the cargo that it is here the parent of.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN")
        .stdin(Stdio::null());
    cargo
}

fn debian_compiler() -> Option<PathBuf> {
    let output = Command::new("dpkg").args(["--listfiles", PACKAGE]).output();
    let files = String::from_utf8(output.ok()?.stdout).ok()?;
    let mut files = files.lines().map(PathBuf::from);
    files.find(|file| file.ends_with("bin/rustc"))
}

/// Deletes what was built for the target of a core by a profile.
///
/// # Errors
/// A sentence, when that fails.
pub fn clean(core: &Core, profile: &str) -> Result<(), String> {
    let folder = core.output_folder().join(core.target).join(profile);
    fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Where firmware is built: apart from what the host builds, whose lock it would wait for.
pub(super) fn output_folder() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    root().join(folder).join("firmware")
}
