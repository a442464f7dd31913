//! Cycles of a Cortex-M4 with its floating-point unit, instruction after instruction, as its technical reference
//! manual gives them (revision r0p1: ARM DDI 0439, since 2015 ARM 100166): the summary of the instruction set and
//! the load/store timings of its section 3.3, and the instruction set of the floating-point unit of its section 7.2.
//!
//! ```text
//! cycles = Σ cycles of an instruction
//!        + P      at a branch that is taken, for the refill of the pipeline
//!        − 1      at a load that follows a load, whose address phase overlaps with the data phase of that
//!        + 1      at an access whose address the instruction before has just computed
//!        + 1      at an instruction that consumes the result of floating-point arithmetic right before it
//! ```
//!
//! Memory answers at once: no wait states of a flash, no other master on the bus, and a write buffer that is never
//! full. No interrupt comes. What else the manual leaves open is decided by a [`Reading`]. Beyond it,
//!
//! - an instruction whose condition does not hold takes what it takes otherwise;
//! - IT and NOP take a cycle each, where a core may fold them into the instruction before;
//! - a division or a square root of floats takes its 14 cycles, also where integer instructions could run meanwhile;
//! - where an instruction of 32 bits lies has no influence but through P.
//!
//! An instruction that is not in the table is an error. TI reproduces the numbers in tables 3-25 and 3-27 of its
//! SWCU192; GCC's description of the core (`cortex-m4.md`, `cortex-m4-fpu.md`) has the same waits for a result.

use capstone::RegId;
use capstone::arch::arm::{ArchExtraMode, ArchMode, ArmInsn, ArmOperandType, ArmReg};
use capstone::prelude::*;

/// How what the manual leaves open is read, throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A refill takes one cycle, an integer division two. Single loads and stores of floats overlap as those of
    /// integers do, as GCC models this core (`cortex-m4-fpu.md`).
    Fast,
    /// A refill takes three cycles, an integer division twelve. Loads and stores of floats take what the table of the
    /// floating-point unit says, and a load relative to the program counter waits for the fetch unit.
    Slow,
}

/// A refill of the pipeline after an address that is read from memory.
const RELOAD: u64 = 3;

/// Core registers and single-precision registers, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Registers(u64);

impl Registers {
    const CORE: Self = Self(0xFFFF);
    const COUNTER: Self = Self(1 << 15);
    const STACK: Self = Self(1 << 13);

    /// A register by the number that the disassembler gives it; none where it is of no other kind.
    fn of(register: RegId) -> Self {
        let number = u32::from(register.0);
        Self(match number {
            ArmReg::ARM_REG_R0..=ArmReg::ARM_REG_R12 => 1 << (number - ArmReg::ARM_REG_R0),
            ArmReg::ARM_REG_SP => Self::STACK.0,
            ArmReg::ARM_REG_LR => 1 << 14,
            ArmReg::ARM_REG_PC => Self::COUNTER.0,
            ArmReg::ARM_REG_S0..=ArmReg::ARM_REG_S31 => 1 << (16 + number - ArmReg::ARM_REG_S0),
            ArmReg::ARM_REG_D0..=ArmReg::ARM_REG_D15 => {
                0b11 << (16 + 2 * (number - ArmReg::ARM_REG_D0))
            }
            _ => 0,
        })
    }

    fn all(registers: &[RegId]) -> Self {
        let each = registers.iter().map(|&register| Self::of(register));
        each.fold(Self::default(), Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The words that they hold.
    fn words(self) -> u64 {
        u64::from(self.0.count_ones())
    }
}

/// The kinds of instructions, by what their cycles depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of integers: a cycle.
    Data,
    /// An integer division, which ends the sooner the more leading bits its operands have in common.
    Divide,
    /// To an address, which may be in a register.
    Branch,
    /// To an address of a table.
    Table,
    /// Of one integer.
    Load,
    /// Of one integer, at an offset from a register: constant, or in another register.
    Store { constant: bool },
    /// Of so many words, in one instruction.
    Several { words: u64 },
    /// Of one float.
    LoadFloat,
    /// Of one float, at a constant offset.
    StoreFloat,
    /// Arithmetic of floats, whose result is there a cycle later than the next instruction wants it.
    Arithmetic { cycles: u64 },
    /// A product that is added to what the destination holds, which it wants a cycle later than the factors.
    Accumulate,
    /// A copy, a comparison or a sign of floats: so many cycles.
    Float { cycles: u64 },
}

/// An instruction of a program.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    at: u32,
    end: u32,
    kind: Kind,
    /// What has to be there for it to begin.
    reads: Registers,
    writes: Registers,
    /// What the address of an access is computed from.
    address: Registers,
}

impl Instruction {
    /// The cycles that it takes by itself before the instruction at `next`.
    ///
    /// # Errors
    /// A sentence, when it leads there in no way.
    pub(super) fn cycles(&self, next: u32, reading: Reading) -> Result<u64, String> {
        let jumps = next != self.end;
        let from_memory = self.writes.has(Registers::COUNTER);
        let refill = match (self.kind, reading) {
            _ if !jumps => 0,
            (Kind::Branch, Reading::Fast) => 1,
            (Kind::Branch, Reading::Slow) => 3,
            (Kind::Table, _) => RELOAD,
            (Kind::Load | Kind::Several { .. }, _) if from_memory => RELOAD,
            _ => {
                return Err(format!("no branch leads from {:#x} to {next:#x}", self.at));
            }
        };
        let alone = match (self.kind, reading) {
            (Kind::Data | Kind::Branch | Kind::Store { constant: true }, _)
            | (Kind::StoreFloat, Reading::Fast) => 1,
            (Kind::Divide, Reading::Fast)
            | (Kind::Load | Kind::Store { constant: false } | Kind::LoadFloat, _)
            | (Kind::StoreFloat, Reading::Slow) => 2,
            (Kind::Accumulate | Kind::Table, _) => 3,
            (Kind::Divide, Reading::Slow) => 12,
            (Kind::Several { words }, _) => 1 + words,
            (Kind::Arithmetic { cycles } | Kind::Float { cycles }, _) => cycles,
        };
        let fetch = reading == Reading::Slow
            && self.kind == Kind::Load
            && self.address.has(Registers::COUNTER);
        Ok(alone + u64::from(fetch) + refill)
    }

    /// The cycles by which it takes longer after another instruction; negative where it takes less.
    pub(super) fn after(&self, before: &Self, reading: Reading) -> i64 {
        let waits_for_address = match before.kind {
            Kind::Data | Kind::Divide => self.address.has(before.writes),
            _ => false,
        };
        let waits_for_result = match before.kind {
            Kind::Arithmetic { .. } | Kind::Accumulate => self.reads.has(before.writes),
            _ => false,
        };
        i64::from(waits_for_address) + i64::from(waits_for_result)
            - i64::from(self.overlaps(before, reading))
    }

    /// Whether its address phase falls in the data phase of the load before.
    fn overlaps(&self, before: &Self, reading: Reading) -> bool {
        let loads = match before.kind {
            Kind::Load => !before.writes.has(Registers::COUNTER),
            Kind::LoadFloat => reading == Reading::Fast,
            _ => false,
        };
        // A store at a constant offset takes only one cycle anyway.
        let shortens = match self.kind {
            Kind::Load | Kind::Store { constant: false } => true,
            Kind::LoadFloat => reading == Reading::Fast,
            _ => false,
        };
        loads && shortens && !self.address.has(before.writes)
    }
}

/// A disassembler of the core's instructions.
pub(super) struct Decoder(Capstone);

impl Decoder {
    /// # Errors
    /// A sentence, when the disassembler cannot be had.
    pub(super) fn new() -> Result<Self, String> {
        let decoder = Capstone::new()
            .arm()
            .mode(ArchMode::Thumb)
            .extra_mode([ArchExtraMode::MClass].into_iter())
            .detail(true)
            .build();
        decoder.map(Self).map_err(|error| error.to_string())
    }

    /// The instruction that begins some code, which lies at an address.
    ///
    /// # Errors
    /// A sentence that names it, when it is none, or the table does not know it.
    pub(super) fn instruction(&self, code: &[u8], at: u32) -> Result<Instruction, String> {
        let because = |why: &dyn ToString| format!("{} at {at:#x}", why.to_string());
        let found = self.0.disasm_count(code, u64::from(at), 1);
        let found = found.map_err(|error| because(&error))?;
        let insn = found.first().ok_or_else(|| because(&"no instruction"))?;
        let detail = self.0.insn_detail(insn);
        let detail = detail.map_err(|error| because(&error))?;
        let arch = detail.arch_detail();
        let arm = arch.arm().ok_or_else(|| because(&"another core"))?;

        let operands = Operands::of(arm.operands().map(|operand| operand.op_type));
        let name = ArmInsn::from(insn.id().0);
        let text = insn.mnemonic().unwrap_or("?");
        let kind = operands.kind(name, text).ok_or_else(|| {
            let operands = insn.op_str().unwrap_or("");
            because(&format!("the cycles of `{text} {operands}` are not known"))
        })?;
        let mut reads = Registers::all(detail.regs_read());
        let mut writes = Registers::all(detail.regs_write());
        match name {
            // Of a list of floats the disassembler does not say which way they go.
            ArmInsn::ARM_INS_VSTMIA | ArmInsn::ARM_INS_VSTMDB => {
                reads = reads.and(operands.from(1));
            }
            ArmInsn::ARM_INS_VLDMIA | ArmInsn::ARM_INS_VLDMDB => {
                writes = writes.and(operands.from(1));
            }
            _ if kind == Kind::Accumulate => reads = operands.from(1),
            _ => {}
        }
        let length = u32::try_from(insn.len()).map_err(|error| because(&error))?;
        Ok(Instruction {
            at,
            end: at + length,
            kind,
            reads,
            writes,
            address: operands.address(kind, name),
        })
    }
}

/// What an instruction names.
struct Operands {
    registers: Vec<RegId>,
    /// The base and the index of an access.
    memory: Option<[RegId; 2]>,
}

impl Operands {
    fn of(operands: impl Iterator<Item = ArmOperandType>) -> Self {
        let (mut registers, mut memory) = (Vec::new(), None);
        for operand in operands {
            match operand {
                ArmOperandType::Reg(register) => registers.push(register),
                ArmOperandType::Mem(place) => memory = Some([place.base(), place.index()]),
                _ => {}
            }
        }
        Self { registers, memory }
    }

    /// Those registers that are named, without the first few.
    fn from(&self, first: usize) -> Registers {
        Registers::all(self.registers.get(first..).unwrap_or_default())
    }

    /// The registers that an address is computed from.
    fn address(&self, kind: Kind, name: ArmInsn) -> Registers {
        let on_stack = [
            ArmInsn::ARM_INS_PUSH,
            ArmInsn::ARM_INS_POP,
            ArmInsn::ARM_INS_VPUSH,
            ArmInsn::ARM_INS_VPOP,
        ];
        match (&self.memory, kind) {
            (Some(memory), _) => Registers::all(memory),
            (None, Kind::Several { .. }) if on_stack.contains(&name) => Registers::STACK,
            (None, Kind::Several { .. }) => {
                Registers::all(self.registers.first_chunk::<1>().map_or(&[], |base| base))
            }
            _ => Registers::default(),
        }
    }

    /// The table: what is of integers, or else of floats.
    fn kind(&self, name: ArmInsn, text: &str) -> Option<Kind> {
        use ArmInsn as I;
        let offset = self.memory.map(|[_, index]| Registers::of(index));
        let constant = offset.unwrap_or_default() == Registers::default();
        Some(match name {
            name if DATA.contains(&name) => Kind::Data,
            // All hints have one name, those that wait included.
            I::ARM_INS_HINT if text == "nop" => Kind::Data,
            I::ARM_INS_SDIV | I::ARM_INS_UDIV => Kind::Divide,
            I::ARM_INS_B
            | I::ARM_INS_BL
            | I::ARM_INS_BLX
            | I::ARM_INS_BX
            | I::ARM_INS_CBNZ
            | I::ARM_INS_CBZ => Kind::Branch,
            I::ARM_INS_TBB | I::ARM_INS_TBH => Kind::Table,
            I::ARM_INS_LDR
            | I::ARM_INS_LDRB
            | I::ARM_INS_LDRH
            | I::ARM_INS_LDRSB
            | I::ARM_INS_LDRSH => Kind::Load,
            I::ARM_INS_STR | I::ARM_INS_STRB | I::ARM_INS_STRH => Kind::Store { constant },
            I::ARM_INS_LDRD | I::ARM_INS_STRD => Kind::Several { words: 2 },
            I::ARM_INS_LDM | I::ARM_INS_LDMDB | I::ARM_INS_STM | I::ARM_INS_STMDB => {
                Kind::Several {
                    words: self.from(1).words(),
                }
            }
            I::ARM_INS_POP | I::ARM_INS_PUSH => Kind::Several {
                words: self.from(0).words(),
            },
            _ => return self.kind_of_floats(name),
        })
    }

    fn kind_of_floats(&self, name: ArmInsn) -> Option<Kind> {
        use ArmInsn as I;
        let words = self.from(0).words();
        Some(match name {
            I::ARM_INS_VLDR if words == 1 => Kind::LoadFloat,
            I::ARM_INS_VSTR if words == 1 => Kind::StoreFloat,
            I::ARM_INS_VLDR | I::ARM_INS_VPOP | I::ARM_INS_VPUSH | I::ARM_INS_VSTR => {
                Kind::Several { words }
            }
            I::ARM_INS_VLDMDB | I::ARM_INS_VLDMIA | I::ARM_INS_VSTMDB | I::ARM_INS_VSTMIA => {
                Kind::Several {
                    words: self.from(1).words(),
                }
            }
            I::ARM_INS_VADD
            | I::ARM_INS_VCVT
            | I::ARM_INS_VCVTR
            | I::ARM_INS_VMUL
            | I::ARM_INS_VNMUL
            | I::ARM_INS_VSUB => Kind::Arithmetic { cycles: 1 },
            I::ARM_INS_VDIV | I::ARM_INS_VSQRT => Kind::Arithmetic { cycles: 14 },
            I::ARM_INS_VFMA
            | I::ARM_INS_VFMS
            | I::ARM_INS_VFNMA
            | I::ARM_INS_VFNMS
            | I::ARM_INS_VMLA
            | I::ARM_INS_VMLS
            | I::ARM_INS_VNMLA
            | I::ARM_INS_VNMLS => Kind::Accumulate,
            I::ARM_INS_VMOV if self.from(0).has(Registers::CORE) => Kind::Float { cycles: 2 },
            I::ARM_INS_FCONSTS
            | I::ARM_INS_FMSTAT
            | I::ARM_INS_VABS
            | I::ARM_INS_VCMP
            | I::ARM_INS_VCMPE
            | I::ARM_INS_VMOV
            | I::ARM_INS_VMRS
            | I::ARM_INS_VMSR
            | I::ARM_INS_VNEG => Kind::Float { cycles: 1 },
            _ => return None,
        })
    }
}

/// The data processing of integers that takes a cycle.
const DATA: [ArmInsn; 53] = {
    use ArmInsn as I;
    [
        I::ARM_INS_ADC,
        I::ARM_INS_ADD,
        I::ARM_INS_ADDW,
        I::ARM_INS_ADR,
        I::ARM_INS_AND,
        I::ARM_INS_ASR,
        I::ARM_INS_BFC,
        I::ARM_INS_BFI,
        I::ARM_INS_BIC,
        I::ARM_INS_CLZ,
        I::ARM_INS_CMN,
        I::ARM_INS_CMP,
        I::ARM_INS_EOR,
        I::ARM_INS_IT,
        I::ARM_INS_LSL,
        I::ARM_INS_LSR,
        I::ARM_INS_MLA,
        I::ARM_INS_MLS,
        I::ARM_INS_MOV,
        I::ARM_INS_MOVS,
        I::ARM_INS_MOVT,
        I::ARM_INS_MOVW,
        I::ARM_INS_MUL,
        I::ARM_INS_MVN,
        I::ARM_INS_ORN,
        I::ARM_INS_ORR,
        I::ARM_INS_RBIT,
        I::ARM_INS_REV,
        I::ARM_INS_REV16,
        I::ARM_INS_REVSH,
        I::ARM_INS_ROR,
        I::ARM_INS_RRX,
        I::ARM_INS_RSB,
        I::ARM_INS_SBC,
        I::ARM_INS_SBFX,
        I::ARM_INS_SMLAL,
        I::ARM_INS_SMULL,
        I::ARM_INS_SSAT,
        I::ARM_INS_SUB,
        I::ARM_INS_SUBS,
        I::ARM_INS_SUBW,
        I::ARM_INS_SXTB,
        I::ARM_INS_SXTH,
        I::ARM_INS_TEQ,
        I::ARM_INS_TST,
        I::ARM_INS_UBFX,
        I::ARM_INS_UMAAL,
        I::ARM_INS_UMLAL,
        I::ARM_INS_UMULL,
        I::ARM_INS_USAT,
        I::ARM_INS_UXTB,
        I::ARM_INS_UXTH,
        I::ARM_INS_NEG,
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &[u16] = &[0xEB01, 0x0002]; // add.w r0, r1, r2
    const DIVIDE: &[u16] = &[0xFBB1, 0xF0F2]; // udiv r0, r1, r2
    const LOAD: &[u16] = &[0x681A]; // ldr r2, [r3]
    const LOAD_INDEXED: &[u16] = &[0xF850, 0x1022]; // ldr.w r1, [r0, r2, lsl #2]
    const LOAD_AT_1: &[u16] = &[0x680A]; // ldr r2, [r1]
    const LOAD_CONSTANT: &[u16] = &[0x4801]; // ldr r0, [pc, #4]
    const LOAD_PAIR: &[u16] = &[0xE9D2, 0x0100]; // ldrd r0, r1, [r2]
    const STORE: &[u16] = &[0x6041]; // str r1, [r0, #4]
    const STORE_INDEXED: &[u16] = &[0x5081]; // str r1, [r0, r2]
    const POP: &[u16] = &[0xBD10]; // pop {r4, pc}
    const RETURN: &[u16] = &[0x4770]; // bx lr
    const TABLE: &[u16] = &[0xE8DF, 0xF000]; // tbb [pc, r0]
    const MULTIPLY: &[u16] = &[0xEE62, 0x1A22]; // vmul.f32 s3, s4, s5
    const ADD_FLOAT: &[u16] = &[0xEE30, 0x0A21]; // vadd.f32 s0, s0, s3
    const ADD_OTHERS: &[u16] = &[0xEE33, 0x3A84]; // vadd.f32 s6, s7, s8
    const ACCUMULATE: &[u16] = &[0xEE00, 0x0A81]; // vmla.f32 s0, s1, s2
    const ACCUMULATE_IN_3: &[u16] = &[0xEE40, 0x1A81]; // vmla.f32 s3, s1, s2
    const ACCUMULATE_OF_3: &[u16] = &[0xEE01, 0x0A81]; // vmla.f32 s0, s3, s2
    const DIVIDE_FLOAT: &[u16] = &[0xEE80, 0x0A81]; // vdiv.f32 s0, s1, s2
    const ROOT: &[u16] = &[0xEEB1, 0x0AE0]; // vsqrt.f32 s0, s1
    const CONVERT: &[u16] = &[0xEEB8, 0x0A40]; // vcvt.f32.u32 s0, s0
    const NEGATE: &[u16] = &[0xEEB1, 0x0A60]; // vneg.f32 s0, s1
    const COMPARE: &[u16] = &[0xEEB5, 0x0A40]; // vcmp.f32 s0, #0
    const FLAGS: &[u16] = &[0xEEF1, 0xFA10]; // vmrs APSR_nzcv, fpscr
    const COPY: &[u16] = &[0xEEB0, 0x0A60]; // vmov.f32 s0, s1
    const ONE: &[u16] = &[0xEEB7, 0x0A00]; // vmov.f32 s0, #1.0
    const TO_CORE: &[u16] = &[0xEE10, 0x0A90]; // vmov r0, s1
    const LOAD_FLOAT: &[u16] = &[0xEDD0, 0x0A01]; // vldr s1, [r0, #4]
    const LOAD_FLOAT_AT_1: &[u16] = &[0xED91, 0x1A01]; // vldr s2, [r1, #4]
    const LOAD_FLOATS: &[u16] = &[0xECF0, 0x0A04]; // vldmia r0!, {s1, s2, s3, s4}
    const LOAD_DOUBLE: &[u16] = &[0xED90, 0x1B00]; // vldr d1, [r0]
    const STORE_FLOAT: &[u16] = &[0xEDC0, 0x1A01]; // vstr s3, [r0, #4]
    const STORE_FLOATS: &[u16] = &[0xECE0, 0x1A02]; // vstmia r0!, {s3, s4}
    const PUSH_FLOATS: &[u16] = &[0xED2D, 0x8B04]; // vpush {d8, d9}
    const NOTHING: &[u16] = &[0xBF00]; // nop

    fn decoded(code: &[&[u16]]) -> Result<Vec<Instruction>, String> {
        let decoder = Decoder::new()?;
        let mut at = 0x400;
        let decoded = code.iter().map(|words| {
            let bytes: Vec<u8> = words.iter().copied().flat_map(u16::to_le_bytes).collect();
            let instruction = decoder.instruction(&bytes, at)?;
            at = instruction.end;
            Ok(instruction)
        });
        decoded.collect()
    }

    /// The cycles of instructions one after the other.
    fn cycles(code: &[&[u16]]) -> [i64; 2] {
        let code = decoded(code).unwrap();
        [Reading::Fast, Reading::Slow].map(|reading| {
            let alone = code
                .iter()
                .map(|one| one.cycles(one.end, reading).unwrap().cast_signed());
            let pairs = code.iter().zip(code.iter().skip(1));
            let together = pairs.map(|(before, one)| one.after(before, reading));
            alone.chain(together).sum()
        })
    }

    /// The cycles of one that leads elsewhere.
    fn jump(code: &[u16]) -> [Result<u64, String>; 2] {
        let code = decoded(&[code]).unwrap();
        [Reading::Fast, Reading::Slow].map(|reading| code[0].cycles(0x1000, reading))
    }

    #[test]
    fn each_takes_what_the_manual_says() {
        for (code, expected) in [
            (ADD, [1, 1]),
            (NOTHING, [1, 1]),
            (DIVIDE, [2, 12]),
            (LOAD, [2, 2]),
            (LOAD_INDEXED, [2, 2]),
            (LOAD_CONSTANT, [2, 3]),
            (LOAD_PAIR, [3, 3]),
            (STORE, [1, 1]),
            (STORE_INDEXED, [2, 2]),
            (MULTIPLY, [1, 1]),
            (ADD_FLOAT, [1, 1]),
            (CONVERT, [1, 1]),
            (ACCUMULATE, [3, 3]),
            (DIVIDE_FLOAT, [14, 14]),
            (ROOT, [14, 14]),
            (NEGATE, [1, 1]),
            (COMPARE, [1, 1]),
            (FLAGS, [1, 1]),
            (COPY, [1, 1]),
            (ONE, [1, 1]),
            (TO_CORE, [2, 2]),
            (LOAD_FLOAT, [2, 2]),
            (LOAD_DOUBLE, [3, 3]),
            (LOAD_FLOATS, [5, 5]),
            (STORE_FLOAT, [1, 2]),
            (STORE_FLOATS, [3, 3]),
            (PUSH_FLOATS, [5, 5]),
        ] {
            assert_eq!(cycles(&[code]), expected, "{code:x?}");
        }
    }

    #[test]
    fn a_taken_branch_refills_the_pipeline() {
        assert_eq!(cycles(&[RETURN]), [1, 1], "not taken");
        assert_eq!(jump(RETURN), [Ok(2), Ok(4)]);
        assert_eq!(jump(TABLE), [Ok(6), Ok(6)]);
        assert_eq!(jump(POP), [Ok(6), Ok(6)]);
        let says = jump(ADD)[0].clone().unwrap_err();
        assert_eq!(says, "no branch leads from 0x400 to 0x1000");
        assert!(jump(LOAD)[0].is_err());
    }

    #[test]
    fn loads_overlap_unless_one_needs_the_other() {
        assert_eq!(cycles(&[LOAD_INDEXED, LOAD]), [3, 3]);
        assert_eq!(cycles(&[LOAD_INDEXED, LOAD_AT_1]), [4, 4], "its address");
        assert_eq!(cycles(&[LOAD_AT_1, STORE_INDEXED]), [4, 4], "its address");
        assert_eq!(cycles(&[LOAD_INDEXED, STORE]), [3, 3]);
        assert_eq!(cycles(&[STORE, LOAD]), [3, 3], "after a store");
        assert_eq!(cycles(&[LOAD_PAIR, LOAD]), [5, 5], "a pair");
        assert_eq!(cycles(&[LOAD_FLOAT, LOAD_FLOAT_AT_1]), [3, 4]);
        assert_eq!(cycles(&[LOAD_FLOAT, STORE_FLOAT]), [3, 4]);
        assert_eq!(cycles(&[LOAD, LOAD_FLOAT]), [3, 4]);
    }

    #[test]
    fn an_address_that_was_just_computed_costs_a_cycle() {
        assert_eq!(cycles(&[ADD, LOAD]), [3, 3]);
        assert_eq!(cycles(&[ADD, LOAD_INDEXED]), [4, 4]);
        assert_eq!(cycles(&[ADD, LOAD_FLOAT]), [4, 4]);
        assert_eq!(cycles(&[ADD, STORE_FLOATS]), [5, 5]);
        assert_eq!(cycles(&[ADD, PUSH_FLOATS]), [6, 6], "the stack's");
    }

    #[test]
    fn a_result_that_is_consumed_at_once_costs_a_cycle() {
        assert_eq!(cycles(&[MULTIPLY, ADD_OTHERS]), [2, 2]);
        assert_eq!(cycles(&[MULTIPLY, ADD_FLOAT]), [3, 3]);
        assert_eq!(cycles(&[MULTIPLY, ADD_OTHERS, ADD_FLOAT]), [3, 3]);
        assert_eq!(cycles(&[MULTIPLY, STORE_FLOAT]), [3, 4]);
        assert_eq!(cycles(&[MULTIPLY, STORE_FLOATS]), [5, 5]);
        assert_eq!(cycles(&[MULTIPLY, ACCUMULATE_OF_3]), [5, 5], "a factor");
        assert_eq!(cycles(&[MULTIPLY, ACCUMULATE_IN_3]), [4, 4], "a sum");
        assert_eq!(cycles(&[ACCUMULATE_IN_3, ACCUMULATE_IN_3]), [6, 6]);
        assert_eq!(cycles(&[ACCUMULATE_IN_3, ADD_FLOAT]), [5, 5]);
        assert_eq!(cycles(&[COPY, ADD_FLOAT]), [2, 2], "no arithmetic");
    }

    #[test]
    fn what_the_table_does_not_know_is_named() {
        for (code, says) in [
            (&[0xF3BF, 0x8F5F][..], "`dmb sy`"),
            (&[0xBF30][..], "`wfi `"),
            (&[0xDF01][..], "`svc #1`"),
        ] {
            let error = decoded(&[code]).unwrap_err();
            assert_eq!(
                error,
                format!("the cycles of {says} are not known at 0x400")
            );
        }
        assert_eq!(
            decoded(&[&[0xFFFF, 0xFFFF]]).unwrap_err(),
            "no instruction at 0x400"
        );
    }
}
