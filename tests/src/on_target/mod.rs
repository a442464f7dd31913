//! The firmware in `tests/firmware`: the cores it is built for, the compilers that can do it, the emulators
//! that run it, and what is held against what it prints and what it is made of.
//!
//! A check is a file, and says yes or no in a sentence ([`Verdict`]) about one core and one profile.

pub mod bits;
pub mod budgets;
pub mod control;
pub mod cycles;
mod debug;
pub mod examples;
pub mod linked;
mod log;
pub mod panics;
pub mod products;
pub mod slices;
mod toolchain;

use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use toolchain::output_folder;
pub use toolchain::{Toolchain, clean};
use wait_timeout::ChildExt;

/// A processor core, and the board on which it is emulated.
#[derive(Debug, PartialEq, Eq)]
pub struct Core {
    /// What `--core` calls it.
    pub name: &'static str,
    /// The compiler's name of the target.
    pub target: &'static str,
    /// The emulator's name of the board.
    pub board: &'static str,
    /// The compiler's name of the core, where it may make what only this one is good at; else what any core of the
    /// target runs.
    pub cpu: Option<&'static str>,
    emulator: &'static str,
    /// What the emulator has to be told beside the board.
    options: &'static [&'static str],
}

impl Core {
    /// Whether it has no floating-point unit.
    pub fn emulates_floats(&self) -> bool {
        !self.target.ends_with("eabihf")
    }

    /// Where firmware is built for it; apart from that for other cores, when it is named to the compiler.
    fn output_folder(&self) -> PathBuf {
        let folder = output_folder();
        self.cpu
            .map_or_else(|| folder.clone(), |cpu| folder.join(cpu))
    }

    /// The first core of its target: what is known of programs and their instructions goes by its name.
    fn first_of_target(&self) -> &str {
        let first = CORES.iter().find(|first| first.target == self.target);
        first.map_or(self.name, |first| first.name)
    }
}

const fn arm(name: &'static str, target: &'static str, board: &'static str) -> Core {
    Core {
        name,
        target,
        board,
        cpu: None,
        emulator: "qemu-system-arm",
        options: &[],
    }
}

const M4F: Core = arm("M4F", "thumbv7em-none-eabihf", "mps2-an386");

/// All cores.
pub const CORES: &[Core] = &[
    arm("M0", "thumbv6m-none-eabi", "microbit"),
    arm("M3", "thumbv7m-none-eabi", "mps2-an385"),
    M4F,
    arm("M7", "thumbv7em-none-eabihf", "mps2-an500"),
    arm("M33", "thumbv8m.main-none-eabihf", "mps2-an505"),
    Core {
        name: "RV32",
        target: "riscv32imac-unknown-none-elf",
        board: "virt",
        cpu: None,
        emulator: "qemu-system-riscv32",
        options: &["-bios", "none"],
    },
];

/// The profiles of the firmware: `opt-level` 3 and `"s"`.
pub const PROFILES: [&str; 2] = ["release", "small"];

/// What a check found, in a sentence; an error is a miss.
pub type Verdict = Result<String, String>;

/// What firmware is built for, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The core.
    pub core: &'static Core,
    /// One of [`PROFILES`].
    pub profile: &'static str,
    /// The compiler.
    pub toolchain: &'a Toolchain,
}

impl Build<'_> {
    /// Builds all programs of a package of the firmware's workspace.
    ///
    /// # Errors
    /// A sentence, when that fails.
    pub fn package(&self, package: &str) -> Result<(), String> {
        self.toolchain
            .build_firmware(self.core, self.profile, package)
    }

    /// Where the ELF file of a program lies, once it is built.
    pub fn image(&self, program: &str) -> PathBuf {
        self.core
            .output_folder()
            .join(self.core.target)
            .join(self.profile)
            .join(program)
    }

    /// What a program prints on the emulated board.
    ///
    /// # Errors
    /// A sentence, when the emulator is missing or the program fails.
    pub fn run(&self, program: &str) -> Result<String, String> {
        self.printed(program, &[])
    }

    /// The same, with a nanosecond of the board's time for each instruction.
    ///
    /// # Errors
    /// As [`Build::run`].
    pub fn run_timed(&self, program: &str) -> Result<String, String> {
        self.printed(program, &["-icount", "shift=0"])
    }

    /// The same of a program that is told some words.
    ///
    /// # Errors
    /// As [`Build::run`].
    pub fn run_timed_with(&self, program: &str, words: &str) -> Result<String, String> {
        self.printed(program, &["-icount", "shift=0", "-append", words])
    }

    fn printed(&self, program: &str, options: &[&str]) -> Result<String, String> {
        let output = self.emulate(program, options)?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            Ok(printed.into_owned())
        } else {
            Err(format!("{program} fails: {}", printed.trim_end()))
        }
    }

    /// How a program ends on the emulated board, and what it has printed.
    fn emulate(&self, program: &str, options: &[&str]) -> Result<Output, String> {
        let output = output_within(LIMIT, &mut self.emulator(program, options));
        let output =
            output.map_err(|error| format!("{} does not run: {error}", self.core.emulator))?;
        output.ok_or_else(|| format!("{program} has not ended after {LIMIT:?}"))
    }

    /// The emulator, to run a program on the board.
    fn emulator(&self, program: &str, options: &[&str]) -> Command {
        let core = self.core;
        let mut emulator = Command::new(core.emulator);
        emulator
            .args(["-machine", core.board, "-nographic"])
            .args(core.options)
            .args(options)
            .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(self.image(program))
            .stdin(Stdio::null());
        emulator
    }
}

/// How long a program may run: the slowest takes a minute. One whose stack has run into its statics may never end.
const LIMIT: Duration = Duration::from_mins(10);

/// How a command ends, and what it has printed; nothing when it has not ended in time, and was killed.
fn output_within(limit: Duration, command: &mut Command) -> io::Result<Option<Output>> {
    // A file takes whatever is printed; a pipe would have to be emptied meanwhile.
    let mut printed = tempfile::tempfile()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(printed.try_clone()?)
        .spawn()?;
    let Some(status) = child.wait_timeout(limit)? else {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    };
    let mut stdout = Vec::new();
    printed.rewind()?;
    printed.read_to_end(&mut stdout)?;
    Ok(Some(Output {
        status,
        stdout,
        stderr: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_kept_and_what_hangs_is_killed() {
        let ended = output_within(LIMIT, Command::new("echo").arg("bits")).unwrap();
        assert_eq!(ended.map(|output| output.stdout), Some(b"bits\n".to_vec()));
        let hangs = output_within(Duration::from_millis(50), Command::new("sleep").arg("600"));
        assert_eq!(hangs.unwrap(), None);
    }
}
