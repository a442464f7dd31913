//! Modelled cycles of a Cortex-M4: every instruction that the emulator executes, times what the core's manual says of
//! it (`cortex_m4`).
//!
//! The programs are those whose instructions [`products`](super::products) and [`budgets`](super::budgets) count,
//! built twice: for any core of the target, and for this one. For this one the compiler parts a multiply-accumulate,
//! VMLA, into VMUL and VADD. Neither is fused: both round twice, and the bits are the same.

mod cortex_m4;
mod table;
mod trace;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;

use object::{File, Object, ObjectSection, SectionKind};

use self::cortex_m4::{Decoder, Instruction, Reading};
use self::trace::{Section, Trace, trace};
use super::budgets::{NETWORKS, Ticks, lines, run};
use super::debug::{Debug, frames, information};
use super::products::CASES;
use super::{Build, Core, M4F, PROFILES, Toolchain, Verdict, bits};
use crate::root;

/// The core when it is named to the compiler.
const NAMED: Core = Core {
    cpu: Some("cortex-m4"),
    ..M4F
};

/// The steps of a program of the package `costs`: those that are counted, and one before.
const STEPS: usize = 1 + 3;

/// What is executed, and what it takes.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    instructions: u64,
    /// Cycles in the readings of the manual.
    fast: u64,
    slow: u64,
}

/// A pass over some examples.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    macs: u64,
    cost: Cost,
}

/// A step over some examples.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    cost: Cost,
    /// The part of its square roots.
    roots: Cost,
}

/// What is measured of one build.
struct Measured {
    /// A gradient, a product, and one whose activations are kept, of each of [`CASES`].
    passes: Vec<[Pass; 3]>,
    /// With each of [`NETWORKS`].
    sgd: [Step; NETWORKS.len()],
    adam: [Step; NETWORKS.len()],
    /// The instructions of the counted steps by conjugate gradients and in output space.
    natural: [u64; NETWORKS.len()],
    gram: [u64; NETWORKS.len()],
}

impl Measured {
    fn of(build: &Build<'_>) -> Result<Self, String> {
        build.package("costs")?;
        let clock = Ticks::of(build)?;
        Ok(Self {
            passes: passes(build, &clock)?,
            sgd: steps(build, "cost-sgd", &clock)?,
            adam: steps(build, "cost-adam", &clock)?,
            natural: instructions(build, "cost-natural", &clock)?,
            gram: instructions(build, "cost-gram", &clock)?,
        })
    }
}

/// The most tenths of a cycle per multiply-accumulate in the slow reading, of the passes of [`CASES`] as they are built
/// for any core: as measured, rounded up.
const MOST: [[u64; 3]; CASES.len()] = [[153, 142, 144], [77, 68, 70], [86, 80, 84], [55, 51, 53]];

/// Builds the program `products`, and says what its passes take.
///
/// # Errors
/// A sentence that names a pass that takes more than it may.
pub fn check(build: &Build<'_>) -> Verdict {
    if *build.core != M4F || build.profile != PROFILES[0] {
        return Ok(format!("not run: modelled is the {}, for speed", M4F.name));
    }
    build.package("costs")?;
    judge(&passes(build, &Ticks::of(build)?)?)
}

fn judge(passes: &[[Pass; 3]]) -> Verdict {
    let mut says = Vec::new();
    for ((case, passes), most) in CASES.into_iter().zip(passes).zip(MOST) {
        let numbers = passes.map(|Pass { macs, cost }| table::range(&cost, macs, 1));
        let numbers = format!("{case}: {}", numbers.join(", "));
        let within = |(pass, most): (&Pass, u64)| 10 * pass.cost.slow <= most * pass.macs;
        if !passes.iter().zip(most).all(within) {
            let most = most.map(|most| format!("{}.{}", most / 10, most % 10));
            let most = most.join(", ");
            return Err(format!(
                "{numbers} cycles per multiply-accumulate, where at most {most} are allowed"
            ));
        }
        says.push(numbers);
    }
    Ok(format!(
        "cycles per multiply-accumulate of a gradient, a product, one with kept activations: {}",
        says.join("; ")
    ))
}

/// Measures both builds, and writes the tables into `BENCHMARKS.md`; the host's runs are those of
/// [`bits::host_runs`].
///
/// # Errors
/// A sentence, when there is no compiler or emulator, an instruction has no cycles, or the two builds do not end with
/// the same bits.
pub fn write(host: &[bits::Run]) -> Result<(), String> {
    let [any, named] = [&M4F, &NAMED].map(|core| {
        let toolchain = &Toolchain::find(core)?;
        let build = Build {
            core,
            profile: PROFILES[0],
            toolchain,
        };
        bits::check(&build, host)?;
        Measured::of(&build)
    });
    let tables = table::render(&any?, &named?);
    let file = root().join("BENCHMARKS.md");
    let page = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let page = table::put(&page, &tables).ok_or("BENCHMARKS.md has no place for the tables")?;
    fs::write(&file, page).map_err(|error| error.to_string())
}

/// The passes of the program `products`.
fn passes(build: &Build<'_>, clock: &Ticks) -> Result<Vec<[Pass; 3]>, String> {
    let program = "products";
    let Trace { printed, sections } = trace(build, program)?;
    let words: Vec<[u64; 6]> = lines(program, &printed)?;
    // The clock is read when it starts, then before and after each pass.
    if words.len() != CASES.len() || sections.len() != 1 + 6 * CASES.len() {
        return Err(format!(
            "{program} reads the clock {} times",
            sections.len()
        ));
    }
    let timed: Vec<&Section> = sections.iter().skip(1).step_by(2).collect();
    let code = Code::of(build, program, &timed)?;
    let mut passes = Vec::new();
    for (words, timed) in words.iter().zip(timed.chunks(3)) {
        let mut case = [Pass::default(); 3];
        let (pairs, _) = words.as_chunks();
        for ((pass, &[macs, ticks]), section) in case.iter_mut().zip(pairs).zip(timed) {
            let cost = code.cost(section, |_| true)?;
            agree(program, &cost, ticks, clock)?;
            *pass = Pass { macs, cost };
        }
        passes.push(case);
    }
    Ok(passes)
}

/// The counted steps of a program of the package `costs` whose steps are of equally many slices.
fn steps(
    build: &Build<'_>,
    program: &str,
    clock: &Ticks,
) -> Result<[Step; NETWORKS.len()], String> {
    let Trace { printed, sections } = trace(build, program)?;
    let words: Vec<[u64; 5]> = lines(program, &printed)?;
    // The clock is read when it starts, and after each slice.
    let each = sections.len() / NETWORKS.len();
    let slices = each.saturating_sub(1) / STEPS;
    if words.len() != NETWORKS.len() || sections.len() != NETWORKS.len() * (1 + STEPS * slices) {
        return Err(format!(
            "{program} reads the clock {} times",
            sections.len()
        ));
    }
    let mut steps = [Step::default(); NETWORKS.len()];
    for ((step, words), sections) in steps.iter_mut().zip(&words).zip(sections.chunks(each)) {
        // The last section is that of what is printed, and whatever else there is to the end.
        let counted = sections.iter().skip(slices).take(slices * (STEPS - 1));
        let counted = Section::joined(counted);
        let code = Code::of(build, program, &[&counted])?;
        let cost = code.cost(&counted, |_| true)?;
        let [.., high, low] = words;
        agree(program, &cost, high << 32 | low, clock)?;
        *step = Step {
            cost,
            roots: code.cost(&counted, |at| code.roots.contains(&at))?,
        };
    }
    Ok(steps)
}

/// The instructions of the counted steps.
fn instructions(
    build: &Build<'_>,
    program: &str,
    clock: &Ticks,
) -> Result<[u64; NETWORKS.len()], String> {
    let words = run::<5>(build, program)?;
    let counts = words
        .iter()
        .map(|[.., high, low]| clock.instructions(high << 32 | low, 1));
    let counts: Vec<u64> = counts.collect();
    counts
        .try_into()
        .map_err(|_| format!("{program} has no room"))
}

/// Demands that the trace has as many instructions as the board's clock counts.
fn agree(program: &str, cost: &Cost, ticks: u64, clock: &Ticks) -> Result<(), String> {
    let least = clock.instructions(ticks.saturating_sub(1), 1);
    let most = clock.instructions(ticks + 1, 1);
    if (least..=most).contains(&cost.instructions) {
        Ok(())
    } else {
        Err(format!(
            "{program}: the trace has {} instructions, where the clock has from {least} to {most}",
            cost.instructions
        ))
    }
}

/// The instructions of a program that are executed.
struct Code {
    instructions: HashMap<u32, Instruction>,
    /// Those that square roots are made of.
    roots: HashSet<u32>,
}

impl Code {
    fn of(build: &Build<'_>, program: &str, sections: &[&Section]) -> Result<Self, String> {
        let sentence = |error: &dyn std::fmt::Display| format!("{program}: {error}");
        let bytes = fs::read(build.image(program)).map_err(|error| sentence(&error))?;
        let file = File::parse(&*bytes).map_err(|error| sentence(&error))?;
        let debug = information(&file).map_err(|error| sentence(&error))?;
        let decoder = Decoder::new()?;
        let mut code = Self {
            instructions: HashMap::new(),
            roots: HashSet::new(),
        };
        let steps = sections.iter().flat_map(|section| section.steps.keys());
        let executed: BTreeSet<u32> = steps.flat_map(|&(here, next)| [here, next]).collect();
        for at in executed {
            let text = text(&file, at).ok_or_else(|| sentence(&format!("no code at {at:#x}")))?;
            let instruction = decoder
                .instruction(text, at)
                .map_err(|error| sentence(&error))?;
            code.instructions.insert(at, instruction);
            if is_root(&debug, at) {
                code.roots.insert(at);
            }
        }
        Ok(code)
    }

    /// What a section takes, or a part of its instructions.
    fn cost(&self, section: &Section, of: impl Fn(u32) -> bool) -> Result<Cost, String> {
        let mut cost = Cost::default();
        for (&(here, next), &count) in section.steps.iter().filter(|((here, _), _)| of(*here)) {
            let known = self
                .instructions
                .get(&here)
                .zip(self.instructions.get(&next));
            let (instruction, following) = known.ok_or("a section of another program")?;
            cost.instructions += count;
            for (cycles, reading) in [
                (&mut cost.fast, Reading::Fast),
                (&mut cost.slow, Reading::Slow),
            ] {
                let alone = instruction.cycles(next, reading)?;
                let together = alone.checked_add_signed(following.after(instruction, reading));
                *cycles += count * together.ok_or("cycles below 0")?;
            }
        }
        Ok(cost)
    }
}

/// The code from an address on.
fn text<'f>(file: &File<'f>, at: u32) -> Option<&'f [u8]> {
    file.sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .find_map(|section| {
            let from = u64::from(at).checked_sub(section.address())?;
            section.data().ok()?.get(usize::try_from(from).ok()?..)
        })
}

/// Whether an instruction is part of the library's square root.
fn is_root(debug: &Debug<'_>, at: u32) -> bool {
    let frames = frames(debug, u64::from(at));
    let mut functions = frames.iter().filter_map(|frame| frame.function.as_deref());
    functions.any(|function| function.starts_with("libm::") && function.contains("sqrt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_takes_more_cycles_than_it_may_is_named() {
        let pass = |slow| Pass {
            macs: 100,
            cost: Cost {
                instructions: 100,
                fast: 300,
                slow,
            },
        };
        let passes = |slow| vec![[pass(slow); 3]; CASES.len()];
        // The last case may take the least, and of its passes the product.
        let [.., [_, least, _]] = MOST;
        let tenths = format!("{}.{}", least / 10, least % 10);
        let says = judge(&passes(10 * least)).unwrap();
        let range = format!("3.0–{tenths}");
        let last = format!("64-32-10, tile 4: {range}, {range}, {range}");
        assert!(says.ends_with(&last), "{says}");
        let says = judge(&passes(10 * least + 1)).unwrap_err();
        assert!(says.starts_with("64-32-10, tile 4: 3.0–"), "{says}");
        assert!(says.contains(&format!(", {tenths}, ")), "{says}");
    }

    #[test]
    fn a_trace_that_is_not_what_the_clock_saw_is_refused() {
        let clock = Ticks::with_rate(40);
        let cost = |instructions| Cost {
            instructions,
            ..Cost::default()
        };
        assert_eq!(agree("products", &cost(400), 10, &clock), Ok(()));
        assert_eq!(agree("products", &cost(360), 10, &clock), Ok(()));
        let says = "products: the trace has 441 instructions, where the clock has from 360 to 440";
        assert_eq!(agree("products", &cost(441), 10, &clock), Err(says.into()));
        assert!(agree("products", &cost(359), 10, &clock).is_err());
    }
}
