//! Which instructions a program executes, by a trace of the emulator.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Seek};
use std::process::{Command, Stdio};
use std::time::Instant;

use object::{File, Object, ObjectSymbol};
use rustc_demangle::demangle;

use crate::on_target::{Build, LIMIT};

/// The function of the firmware at whose calls a trace is cut: it reads the clock.
const CUT: &str = "board::clock::counter::read";

/// What the emulator says of an instruction that it has traced, and not executed.
const GIVEN_UP: [&[u8]; 2] = [
    b"cpu_io_recompile: rewound",
    b"Stopped execution of TB chain",
];

/// What is executed from one reading of the clock to the next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// How often an instruction was followed by another one, by their addresses.
    pub(super) steps: HashMap<(u32, u32), u64>,
}

impl Section {
    /// Several of them as one.
    pub(super) fn joined<'s>(sections: impl IntoIterator<Item = &'s Self>) -> Self {
        let mut all = Self::default();
        for (&step, count) in sections.into_iter().flat_map(|section| &section.steps) {
            *all.steps.entry(step).or_default() += count;
        }
        all
    }
}

/// What a program prints, and its sections in their order, the first one from the first reading of the clock.
pub(super) struct Trace {
    pub(super) printed: String,
    pub(super) sections: Vec<Section>,
}

/// Runs a program, which has been built, with a nanosecond of the board's time for each instruction.
///
/// # Errors
/// A sentence, when the emulator is missing or traces nothing, or the program fails.
pub(super) fn trace(build: &Build<'_>, program: &str) -> Result<Trace, String> {
    let cut = address(build, program)?;
    let mut options = vec!["-icount", "shift=0", "-d", "exec,nochain"];
    let because = |error: std::io::Error| format!("{program} is not traced: {error}");
    let version = Command::new(build.core.emulator).arg("--version").output();
    let version = version.map_err(because)?.stdout;
    let one_by_one = one_by_one(&String::from_utf8_lossy(&version));
    options.extend(one_by_one.ok_or("the emulator does not say its version")?);
    let mut printed = tempfile::tempfile().map_err(because)?;
    let mut emulator = build.emulator(program, &options);
    // The trace is larger than what a disk should have to hold.
    emulator
        .stdout(printed.try_clone().map_err(because)?)
        .stderr(Stdio::piped());
    let mut child = emulator.spawn().map_err(because)?;
    let lines = child.stderr.take().map(BufReader::new);
    let lines = lines.ok_or_else(|| format!("{program} has no trace"))?;
    let sections = sections(lines, cut);
    if sections.is_err() {
        child.kill().map_err(because)?;
    }
    let status = child.wait().map_err(because)?;
    let sections = sections.map_err(|why| format!("{program}: {why}"))?;
    let mut text = String::new();
    printed.rewind().map_err(because)?;
    printed.read_to_string(&mut text).map_err(because)?;
    if status.success() {
        Ok(Trace {
            printed: text,
            sections,
        })
    } else {
        Err(format!("{program} fails: {}", text.trim_end()))
    }
}

/// The sections that the lines of a trace tell of.
fn sections(lines: impl BufRead, cut: u32) -> Result<Vec<Section>, String> {
    let start = Instant::now();
    let mut sections: Vec<Section> = Vec::new();
    let (mut before, mut again) = (None, false);
    for line in lines.split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        // The clock of instructions has to be right when a device is read, and when it runs out: an instruction is
        // then traced, given up, and traced once more.
        if GIVEN_UP.iter().any(|words| line.starts_with(words)) {
            again = true;
            continue;
        }
        let here = counter(&line);
        let here = here.ok_or_else(|| format!("no trace: {}", String::from_utf8_lossy(&line)))?;
        if start.elapsed() > LIMIT {
            return Err(format!("has not ended after {LIMIT:?}"));
        }
        if std::mem::take(&mut again) && before == Some(here) {
            continue;
        }
        if let (Some(before), Some(section)) = (before, sections.last_mut()) {
            *section.steps.entry((before, here)).or_default() += 1;
        }
        if here == cut {
            sections.push(Section::default());
        }
        before = Some(here);
    }
    Ok(sections)
}

/// The program counter of a line, `Trace 0: 0x7f4bf0000100 [00800408/00000400/00000110/ff020201] Reset`.
fn counter(line: &[u8]) -> Option<u32> {
    let line = line.strip_prefix(b"Trace ")?;
    let digits = line.split(|&byte| byte == b'/').nth(1)?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// How an emulator of this version traces every instruction, and not a block of them as one.
fn one_by_one(version: &str) -> Option<&'static [&'static str]> {
    let (_, numbers) = version.split_once("version ")?;
    let mut numbers = numbers.split(|other: char| !other.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    Some(match (number()?, number()?) {
        (..8, _) | (8, 0) => &["-singlestep"],
        _ => &["-accel", "tcg,one-insn-per-tb=on"],
    })
}

/// Where the function is at whose calls a trace is cut.
fn address(build: &Build<'_>, program: &str) -> Result<u32, String> {
    let bytes = fs::read(build.image(program)).map_err(|error| format!("{program}: {error}"))?;
    let file = File::parse(&*bytes).map_err(|error| format!("{program}: {error}"))?;
    let mut symbols = file.symbols();
    let cut = symbols.find(|symbol| {
        symbol
            .name()
            .is_ok_and(|name| format!("{:#}", demangle(name)) == CUT)
    });
    let cut = cut.ok_or_else(|| format!("{program} has no {CUT}"))?;
    // The lowest bit of a function's address says that its instructions are Thumb's.
    u32::try_from(cut.address() & !1).map_err(|error| format!("{program}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
Trace 0: 0x7f4bf0000100 [00800408/00000400/00000110/ff020201] Reset
Trace 0: 0x7f4bf0000240 [00800408/00000500/00000110/ff020201] read
Trace 0: 0x7f4bf0000380 [00800408/00000502/00000110/ff020201] read
cpu_io_recompile: rewound execution of TB to 00000502
Trace 0: 0x7f4bf0000480 [00800408/00000502/00000110/ff020201] read
Trace 0: 0x7f4bf0000500 [00800408/00000402/00000110/ff020201] Reset
Stopped execution of TB chain before 0x7f4bf0000500 [00000402] Reset
Trace 0: 0x7f4bf0000500 [00800408/00000402/00000110/ff020201] Reset
Trace 0: 0x7f4bf0000500 [00800408/00000402/00000110/ff020201] Reset
Trace 0: 0x7f4bf0000240 [00800408/00000500/00000110/ff020201] read
";

    #[test]
    fn a_trace_is_cut_and_counts_what_is_executed() {
        let found = sections(TRACE.as_bytes(), 0x500).unwrap();
        let steps = [
            ((0x500, 0x502), 1),
            ((0x502, 0x402), 1),
            ((0x402, 0x402), 1),
            ((0x402, 0x500), 1),
        ];
        let first = Section {
            steps: steps.into_iter().collect(),
        };
        assert_eq!(found, [first, Section::default()]);
        let twice = Section::joined([&found[0], &found[0]]);
        assert_eq!(twice.steps[&(0x502, 0x402)], 2);
    }

    #[test]
    fn what_is_no_trace_is_shown() {
        let says = sections("-singlestep: invalid option\n".as_bytes(), 0).unwrap_err();
        assert_eq!(says, "no trace: -singlestep: invalid option");
    }

    #[test]
    fn each_emulator_is_told_in_its_way() {
        let old = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)";
        assert_eq!(one_by_one(old), Some(&["-singlestep"] as &[_]));
        let new = one_by_one("QEMU emulator version 10.0.2").unwrap();
        assert_eq!(new, ["-accel", "tcg,one-insn-per-tb=on"]);
        assert_eq!(one_by_one("QEMU emulator version 8.1.0"), Some(new));
        assert_eq!(one_by_one("none"), None);
    }
}
