//! The firmware in `tests/firmware`: the cores it is built for, the compilers that can do it, the emulators
//! that run it, and what it has to print.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scenario::{End, PLAN, natural, rivals};

use crate::root;

/// A processor core, and the board on which it is emulated.
#[derive(Debug, PartialEq, Eq)]
pub struct Core {
    /// What `--core` calls it.
    pub name: &'static str,
    /// The compiler's name of the target.
    pub target: &'static str,
    /// The emulator's name of the board.
    pub board: &'static str,
    emulator: &'static str,
    /// What the emulator has to be told beside the board.
    options: &'static [&'static str],
}

const fn arm(name: &'static str, target: &'static str, board: &'static str) -> Core {
    Core {
        name,
        target,
        board,
        emulator: "qemu-system-arm",
        options: &[],
    }
}

/// All cores.
pub const CORES: &[Core] = &[
    arm("M0", "thumbv6m-none-eabi", "microbit"),
    arm("M3", "thumbv7m-none-eabi", "mps2-an385"),
    arm("M4F", "thumbv7em-none-eabihf", "mps2-an386"),
    arm("M7", "thumbv7em-none-eabihf", "mps2-an500"),
    arm("M33", "thumbv8m.main-none-eabihf", "mps2-an505"),
    Core {
        name: "RV32",
        target: "riscv32imac-unknown-none-elf",
        board: "virt",
        emulator: "qemu-system-riscv32",
        options: &["-bios", "none"],
    },
];

/// The profiles of the firmware: `opt-level` 3 and `"s"`.
pub const PROFILES: [&str; 2] = ["release", "small"];

/// The programs of the firmware, a group of runs each.
const PROGRAMS: [&str; 2] = ["natural", "rivals"];

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

    /// Cargo, building for a core from the folder `place`.
    fn build(&self, core: &Core, place: &Path, words: &[&str]) -> Result<(), String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(place)
            .args(["build", "--quiet", "--locked", "--target", core.target])
            .arg("--target-dir")
            .arg(output_folder())
            .args(words)
            // What cargo tells its children is not for the cargo that it is here the parent of.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTUP_TOOLCHAIN");
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
        let status = cargo.stdin(Stdio::null()).status();
        match status {
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

    /// Builds all programs.
    ///
    /// # Errors
    /// A sentence, when that fails.
    pub fn build_firmware(&self, core: &Core, profile: &str) -> Result<(), String> {
        let words = ["--profile", profile, "--package", "bits", "--bins"];
        self.build(core, &root().join("tests/firmware"), &words)
    }
}

fn debian_compiler() -> Option<PathBuf> {
    let output = Command::new("dpkg").args(["--listfiles", PACKAGE]).output();
    let files = String::from_utf8(output.ok()?.stdout).ok()?;
    let mut files = files.lines().map(PathBuf::from);
    files.find(|file| file.ends_with("bin/rustc"))
}

/// Where firmware is built: apart from what the host builds, whose lock it would wait for.
fn output_folder() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    root().join(folder).join("firmware")
}

/// A training run: its name, and what it ended with.
pub type Run = (String, String);

/// What the programs print on a board.
///
/// # Errors
/// A sentence, when the emulator is missing or a program fails.
pub fn runs(core: &Core, profile: &str) -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    for program in PROGRAMS {
        let image = output_folder()
            .join(core.target)
            .join(profile)
            .join(program);
        let output = Command::new(core.emulator)
            .args(["-machine", core.board, "-nographic"])
            .args(core.options)
            .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(image)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} does not run: {error}", core.emulator))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("{program} fails: {}", printed.trim_end()));
        }
        let lines = printed.lines().filter_map(|line| line.split_once(' '));
        runs.extend(lines.map(|(name, end)| (name.to_string(), end.to_string())));
    }
    Ok(runs)
}

/// The same runs on the host.
///
/// # Errors
/// A sentence, when the tiles do not agree, or a run does not train.
pub fn host_runs() -> Result<Vec<Run>, String> {
    let [one, four, many] = [tiled::<1>()?, tiled::<4>()?, tiled::<32>()?];
    if one == four && four == many {
        Ok(one)
    } else {
        Err("the tiles of the host do not agree".into())
    }
}

fn tiled<const TILE: usize>() -> Result<Vec<Run>, String> {
    let mut params = [0.0; PLAN.params()];
    let len = natural::workspace_len::<TILE>().max(rivals::workspace_len::<TILE>());
    let mut workspace = vec![0.0; len];
    let mut runs = Vec::new();
    let mut seen = |name: &str, end: Result<End, natgrad::Error>| {
        runs.push(match end {
            // Firmware that does nothing would agree with a host that does nothing.
            Ok(end) if end.loss[1] < end.loss[0] => Ok((name.to_string(), end.to_string())),
            Ok(end) => Err(format!("{name} does not train on the host: {:?}", end.loss)),
            Err(error) => Err(format!("{name} fails on the host: {error}")),
        });
    };
    natural::all::<TILE>(&mut params, &mut workspace, &mut seen);
    rivals::all::<TILE>(&mut params, &mut workspace, &mut seen);
    runs.into_iter().collect()
}

/// Says that the runs of a board are those of the host.
///
/// # Errors
/// A sentence with those that are not.
pub fn compare(runs: &[Run], host: &[Run]) -> Result<String, String> {
    if runs.len() != host.len() {
        return Err(format!("{} runs instead of {}", runs.len(), host.len()));
    }
    let other = runs.iter().zip(host).filter(|(run, host)| run != host);
    let other: Vec<&str> = other.map(|(_, host)| host.0.as_str()).collect();
    if other.is_empty() {
        Ok(format!("{} methods, the bits of the host", runs.len()))
    } else {
        Err(format!("other bits of {}", other.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiles_of_the_host_agree() {
        let runs = host_runs().unwrap();
        assert_eq!(runs.len(), 18);
    }

    #[test]
    fn a_run_that_ends_otherwise_is_named() {
        let run = |name: &str, end: &str| (name.to_string(), end.to_string());
        let host = [run("adam", "01 02 03"), run("sgd", "04 05 06")];
        assert_eq!(
            compare(&host, &host).as_deref(),
            Ok("2 methods, the bits of the host")
        );
        let other = [run("adam", "01 02 03"), run("sgd", "04 05 07")];
        assert_eq!(compare(&other, &host), Err("other bits of sgd".into()));
        assert_eq!(
            compare(&host[..1], &host),
            Err("1 runs instead of 2".into())
        );
    }

    #[test]
    #[ignore = "needs emulators and a compiler for their cores: `cargo run -p natgrad-tests --bin on-target`"]
    fn firmware_ends_with_the_bits_of_the_host() {
        let host = host_runs().unwrap();
        for core in CORES {
            let toolchain = Toolchain::find(core).unwrap();
            for profile in PROFILES {
                toolchain.build_firmware(core, profile).unwrap();
                let runs = runs(core, profile).unwrap();
                compare(&runs, &host).unwrap();
            }
        }
    }
}
