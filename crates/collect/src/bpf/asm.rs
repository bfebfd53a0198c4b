//! Just enough of an assembler for eBPF (`Documentation/bpf/standardization/instruction-set.rst`).
//!
//! Instructions are data, jumps go to labels. A program of thirty instructions needs no compiler,
//! no object file and no relocations: the offsets of kernel structures are numbers that are known
//! when it is assembled, on the host where it runs.

use std::fmt;

/// A register, `r0` to `r10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reg(pub(super) u8);

/// What a function returns.
pub(super) const R0: Reg = Reg(0);
/// The first argument; the context when a program starts. Calls destroy `r1` to `r5`.
pub(super) const R1: Reg = Reg(1);
/// The second argument.
pub(super) const R2: Reg = Reg(2);
/// The third argument.
pub(super) const R3: Reg = Reg(3);
/// The fourth argument.
pub(super) const R4: Reg = Reg(4);
/// Kept over calls.
pub(super) const R6: Reg = Reg(6);
/// Kept over calls.
pub(super) const R7: Reg = Reg(7);
/// Kept over calls.
pub(super) const R8: Reg = Reg(8);
/// Kept over calls.
pub(super) const R9: Reg = Reg(9);
/// The end of the stack frame, which grows down.
pub(super) const R10: Reg = Reg(10);

/// The width of a load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 1 byte.
    B,
    /// 2 bytes.
    H,
    /// 4 bytes.
    W,
    /// 8 bytes.
    D,
}

impl Width {
    /// The size field of the opcode.
    fn bits(self) -> u8 {
        match self {
            Self::W => 0x00,
            Self::H => 0x08,
            Self::B => 0x10,
            Self::D => 0x18,
        }
    }

    /// How it is written.
    fn name(self) -> &'static str {
        match self {
            Self::B => "u8",
            Self::H => "u16",
            Self::W => "u32",
            Self::D => "u64",
        }
    }
}

/// A place in a program to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// One instruction, or the name of a place.
#[derive(Clone, Copy, Debug)]
enum Op {
    Load(Width, Reg, Reg, i16),
    Store(Width, Reg, i16, Reg),
    Move(Reg, Reg),
    Set(Reg, i32),
    Add(Reg, i32),
    AddReg(Reg, Reg),
    And(Reg, i32),
    AndReg(Reg, Reg),
    Xor(Reg, i32),
    ShiftLeft(Reg, i32),
    ShiftRight(Reg, i32),
    ShiftRightSigned(Reg, i32),
    MapValue(Reg, i32),
    MapValueEnd,
    JumpIfAboveReg(Reg, Reg, Label),
    JumpIfEqual(Reg, i32, Label),
    JumpIfNotEqual(Reg, i32, Label),
    JumpIfDiffer(Reg, Reg, Label),
    Jump(Label),
    Call(i32),
    CallByType(i32),
    Exit,
    Here(Label),
}

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    ops: Vec<Op>,
    labels: usize,
}

impl Assembler {
    /// A place that [`Self::here`] will put somewhere.
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Puts a label here.
    pub(super) fn here(&mut self, label: Label) -> &mut Self {
        self.push(Op::Here(label))
    }

    /// `to = *(width *)(base + offset)`
    pub(super) fn load(&mut self, width: Width, to: Reg, base: Reg, offset: i16) -> &mut Self {
        self.push(Op::Load(width, to, base, offset))
    }

    /// `*(width *)(base + offset) = from`
    pub(super) fn store(&mut self, width: Width, base: Reg, offset: i16, from: Reg) -> &mut Self {
        self.push(Op::Store(width, base, offset, from))
    }

    /// `to = from`
    pub(super) fn copy(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(Op::Move(to, from))
    }

    /// `to = value`
    pub(super) fn set(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(Op::Set(to, value))
    }

    /// `to += value`
    pub(super) fn add(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(Op::Add(to, value))
    }

    /// `to += from`
    pub(super) fn add_reg(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(Op::AddReg(to, from))
    }

    /// `to &= value`
    pub(super) fn and(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(Op::And(to, value))
    }

    /// `to &= from`
    pub(super) fn and_reg(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(Op::AndReg(to, from))
    }

    /// `to ^= value`
    pub(super) fn xor(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(Op::Xor(to, value))
    }

    /// `to >>= bits`, filled with zeros
    pub(super) fn shift_right(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(Op::ShiftRight(to, bits))
    }

    /// `to >>= bits`, filled with the sign
    pub(super) fn shift_right_signed(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(Op::ShiftRightSigned(to, bits))
    }

    /// `to = &first value of the map`, which is given by its descriptor here.
    pub(super) fn map_value(&mut self, to: Reg, map: i32) -> &mut Self {
        // One instruction of twice the length.
        self.push(Op::MapValue(to, map)).push(Op::MapValueEnd)
    }

    /// `to <<= bits`
    pub(super) fn shift_left(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(Op::ShiftLeft(to, bits))
    }

    /// `if one > other goto label`, both without signs
    pub(super) fn jump_if_above_reg(&mut self, one: Reg, other: Reg, label: Label) -> &mut Self {
        self.push(Op::JumpIfAboveReg(one, other, label))
    }

    /// `if reg == value goto label`
    pub(super) fn jump_if_equal(&mut self, reg: Reg, value: i32, label: Label) -> &mut Self {
        self.push(Op::JumpIfEqual(reg, value, label))
    }

    /// `if reg != value goto label`
    pub(super) fn jump_if_not_equal(&mut self, reg: Reg, value: i32, label: Label) -> &mut Self {
        self.push(Op::JumpIfNotEqual(reg, value, label))
    }

    /// `if one != other goto label`
    pub(super) fn jump_if_differ(&mut self, one: Reg, other: Reg, label: Label) -> &mut Self {
        self.push(Op::JumpIfDiffer(one, other, label))
    }

    /// `goto label`
    pub(super) fn jump(&mut self, label: Label) -> &mut Self {
        self.push(Op::Jump(label))
    }

    /// `r0 = function(r1, …)`, a helper of the kernel by its number.
    pub(super) fn call(&mut self, helper: i32) -> &mut Self {
        self.push(Op::Call(helper))
    }

    /// `r0 = function(r1, …)`, a function of the kernel by its BTF id.
    pub(super) fn call_by_type(&mut self, id: i32) -> &mut Self {
        self.push(Op::CallByType(id))
    }

    /// `exit`
    pub(super) fn exit(&mut self) -> &mut Self {
        self.push(Op::Exit)
    }

    fn push(&mut self, op: Op) -> &mut Self {
        self.ops.push(op);
        self
    }

    /// The finished program.
    pub(super) fn assemble(&self) -> Vec<Insn> {
        let mut places = vec![0_i32; self.labels];
        let mut next = 0_i32;
        for op in &self.ops {
            match op {
                Op::Here(label) => {
                    if let Some(place) = places.get_mut(label.0) {
                        *place = next;
                    }
                }
                _ => next += 1,
            }
        }
        let mut program: Vec<Insn> = Vec::with_capacity(self.ops.len());
        let mut next = 0_i32;
        for op in &self.ops {
            let distance = |label: Label| {
                let to = places.get(label.0).copied().unwrap_or_default();
                // A program as long as the kernel allows (4096) cannot jump further.
                i16::try_from(to - next - 1).unwrap_or(i16::MAX)
            };
            if let Some(insn) = Insn::of(*op, distance) {
                program.push(insn);
                next += 1;
            }
        }
        program
    }
}

/// `struct bpf_insn` (`include/uapi/linux/bpf.h`), in our byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Insn {
    code: u8,
    /// Destination in one half, source in the other.
    registers: u8,
    off: i16,
    imm: i32,
}

// Classes and their bits (include/uapi/linux/bpf_common.h and bpf.h).
const BPF_LDX_MEM: u8 = 0x61;
const BPF_STX_MEM: u8 = 0x63;
const BPF_ALU64_MOV_X: u8 = 0xbf;
const BPF_ALU64_MOV_K: u8 = 0xb7;
const BPF_ALU64_ADD_K: u8 = 0x07;
const BPF_ALU64_ADD_X: u8 = 0x0f;
const BPF_ALU64_AND_K: u8 = 0x57;
const BPF_ALU64_AND_X: u8 = 0x5f;
const BPF_ALU64_XOR_K: u8 = 0xa7;
const BPF_ALU64_LSH_K: u8 = 0x67;
const BPF_ALU64_RSH_K: u8 = 0x77;
const BPF_ALU64_ARSH_K: u8 = 0xc7;
/// The first half of the only instruction that is twice as long; all bits of the second half but its
/// number are 0.
const BPF_LD_IMM_DW: u8 = 0x18;
const BPF_LD_IMM_DW_END: u8 = 0x00;
/// In its source register: the number is the descriptor of a map, and its value's address is meant
/// (`include/uapi/linux/bpf.h`, kernel 5.2).
const BPF_PSEUDO_MAP_VALUE: u8 = 2;
const BPF_JMP_JGT_X: u8 = 0x2d;
const BPF_JMP_JEQ_K: u8 = 0x15;
const BPF_JMP_JNE_K: u8 = 0x55;
const BPF_JMP_JNE_X: u8 = 0x5d;
const BPF_JMP_JA: u8 = 0x05;
const BPF_JMP_CALL: u8 = 0x85;
/// In the source register of a call: the number is a BTF id.
const BPF_PSEUDO_KFUNC_CALL: u8 = 2;
const BPF_JMP_EXIT: u8 = 0x95;

impl Insn {
    fn new(code: u8, to: Reg, from: Reg, off: i16, imm: i32) -> Self {
        // A bit field in C: the destination is in the low half on little-endian machines.
        let registers =
            if cfg!(target_endian = "little") { to.0 | from.0 << 4 } else { to.0 << 4 | from.0 };
        Self { code, registers, off, imm }
    }

    fn of(op: Op, distance: impl Fn(Label) -> i16) -> Option<Self> {
        Some(match op {
            Op::Load(width, to, base, off) => {
                Self::new(BPF_LDX_MEM | width.bits(), to, base, off, 0)
            }
            Op::Store(width, base, off, from) => {
                Self::new(BPF_STX_MEM | width.bits(), base, from, off, 0)
            }
            Op::Move(to, from) => Self::new(BPF_ALU64_MOV_X, to, from, 0, 0),
            Op::Set(to, value) => Self::new(BPF_ALU64_MOV_K, to, R0, 0, value),
            Op::Add(to, value) => Self::new(BPF_ALU64_ADD_K, to, R0, 0, value),
            Op::AddReg(to, from) => Self::new(BPF_ALU64_ADD_X, to, from, 0, 0),
            Op::And(to, value) => Self::new(BPF_ALU64_AND_K, to, R0, 0, value),
            Op::ShiftLeft(to, bits) => Self::new(BPF_ALU64_LSH_K, to, R0, 0, bits),
            Op::AndReg(to, from) => Self::new(BPF_ALU64_AND_X, to, from, 0, 0),
            Op::Xor(to, value) => Self::new(BPF_ALU64_XOR_K, to, R0, 0, value),
            Op::ShiftRight(to, bits) => Self::new(BPF_ALU64_RSH_K, to, R0, 0, bits),
            Op::ShiftRightSigned(to, bits) => Self::new(BPF_ALU64_ARSH_K, to, R0, 0, bits),
            Op::MapValue(to, map) => {
                Self::new(BPF_LD_IMM_DW, to, Reg(BPF_PSEUDO_MAP_VALUE), 0, map)
            }
            Op::MapValueEnd => Self::new(BPF_LD_IMM_DW_END, R0, R0, 0, 0),
            Op::JumpIfAboveReg(one, other, label) => {
                Self::new(BPF_JMP_JGT_X, one, other, distance(label), 0)
            }
            Op::JumpIfEqual(reg, value, label) => {
                Self::new(BPF_JMP_JEQ_K, reg, R0, distance(label), value)
            }
            Op::JumpIfNotEqual(reg, value, label) => {
                Self::new(BPF_JMP_JNE_K, reg, R0, distance(label), value)
            }
            Op::JumpIfDiffer(one, other, label) => {
                Self::new(BPF_JMP_JNE_X, one, other, distance(label), 0)
            }
            Op::Jump(label) => Self::new(BPF_JMP_JA, R0, R0, distance(label), 0),
            Op::CallByType(id) => Self::new(BPF_JMP_CALL, R0, Reg(BPF_PSEUDO_KFUNC_CALL), 0, id),
            Op::Call(helper) => Self::new(BPF_JMP_CALL, R0, R0, 0, helper),
            Op::Exit => Self::new(BPF_JMP_EXIT, R0, R0, 0, 0),
            Op::Here(_) => return None,
        })
    }

    fn to(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers & 0xf } else { self.registers >> 4 }
    }

    fn from(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers >> 4 } else { self.registers & 0xf }
    }

    /// The eight bytes as they stand on a little-endian machine, so that listings are the same
    /// everywhere.
    fn hex(self) -> String {
        use fmt::Write as _;
        let mut bytes = vec![self.code, self.to() | self.from() << 4];
        bytes.extend(self.off.to_le_bytes());
        bytes.extend(self.imm.to_le_bytes());
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, from, off, imm) = (self.to(), self.from(), self.off, self.imm);
        let width = [Width::B, Width::H, Width::W, Width::D]
            .into_iter()
            .find(|width| width.bits() == self.code & 0x18)
            .map_or("", Width::name);
        match self.code {
            BPF_ALU64_MOV_X => write!(f, "r{to} = r{from}"),
            BPF_ALU64_MOV_K => write!(f, "r{to} = {imm}"),
            BPF_ALU64_ADD_K => write!(f, "r{to} += {imm}"),
            BPF_ALU64_ADD_X => write!(f, "r{to} += r{from}"),
            BPF_ALU64_AND_K => write!(f, "r{to} &= {imm}"),
            BPF_ALU64_AND_X => write!(f, "r{to} &= r{from}"),
            BPF_ALU64_XOR_K => write!(f, "r{to} ^= {imm}"),
            BPF_ALU64_LSH_K => write!(f, "r{to} <<= {imm}"),
            BPF_ALU64_RSH_K => write!(f, "r{to} >>= {imm}"),
            BPF_ALU64_ARSH_K => write!(f, "r{to} s>>= {imm}"),
            BPF_LD_IMM_DW => write!(f, "r{to} = &map {imm}"),
            BPF_LD_IMM_DW_END => write!(f, "(its second half)"),
            BPF_JMP_JGT_X => write!(f, "if r{to} > r{from} goto {off:+}"),
            BPF_JMP_JEQ_K => write!(f, "if r{to} == {imm} goto {off:+}"),
            BPF_JMP_JNE_K => write!(f, "if r{to} != {imm} goto {off:+}"),
            BPF_JMP_JNE_X => write!(f, "if r{to} != r{from} goto {off:+}"),
            BPF_JMP_JA => write!(f, "goto {off:+}"),
            BPF_JMP_CALL if from == BPF_PSEUDO_KFUNC_CALL => write!(f, "call by type {imm}"),
            BPF_JMP_CALL => write!(f, "call {imm}"),
            BPF_JMP_EXIT => write!(f, "exit"),
            code if code & !0x18 == BPF_LDX_MEM => {
                write!(f, "r{to} = *({width} *)(r{from} {off:+})")
            }
            code if code & !0x18 == BPF_STX_MEM => {
                write!(f, "*({width} *)(r{to} {off:+}) = r{from}")
            }
            code => write!(f, "unknown {code:#04x}"),
        }
    }
}

/// A program as text: number, bytes and meaning of every instruction.
pub(super) fn list(program: &[Insn]) -> String {
    use fmt::Write as _;
    program.iter().enumerate().fold(String::new(), |mut text, (number, insn)| {
        let _ = writeln!(text, "{number:4}: {}  {insn}", insn.hex());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one instruction against its bytes, written as the kernel's documentation does
    /// (`Documentation/bpf/standardization/instruction-set.rst`), and its text.
    fn check(make: impl FnOnce(&mut Assembler), hex: &str, text: &str) {
        let mut asm = Assembler::default();
        make(&mut asm);
        assert_eq!(list(&asm.assemble()), format!("   0: {hex}  {text}\n"));
    }

    fn one(op: impl FnOnce(&mut Assembler) -> &mut Assembler) -> impl FnOnce(&mut Assembler) {
        |asm| {
            op(asm);
        }
    }

    #[test]
    fn instructions() {
        check(one(|a| a.load(Width::D, R6, R1, 8)), "7916080000000000", "r6 = *(u64 *)(r1 +8)");
        check(one(|a| a.load(Width::W, R2, R7, 260)), "6172040100000000", "r2 = *(u32 *)(r7 +260)");
        check(one(|a| a.load(Width::H, R2, R1, 2)), "6912020000000000", "r2 = *(u16 *)(r1 +2)");
        check(one(|a| a.load(Width::B, R2, R1, 1)), "7112010000000000", "r2 = *(u8 *)(r1 +1)");
        check(one(|a| a.store(Width::D, R10, -8, R0)), "7b0af8ff00000000", "*(u64 *)(r10 -8) = r0");
        check(one(|a| a.copy(R1, R8)), "bf81000000000000", "r1 = r8");
        check(one(|a| a.set(R3, 20)), "b703000014000000", "r3 = 20");
        check(one(|a| a.add(R2, -24)), "07020000e8ffffff", "r2 += -24");
        check(one(|a| a.add_reg(R1, R2)), "0f21000000000000", "r1 += r2");
        check(one(|a| a.and(R3, 0xf000)), "5703000000f00000", "r3 &= 61440");
        check(one(|a| a.and_reg(R1, R3)), "5f31000000000000", "r1 &= r3");
        check(one(|a| a.xor(R3, 0xc000)), "a703000000c00000", "r3 ^= 49152");
        check(one(|a| a.shift_left(R2, 3)), "6702000003000000", "r2 <<= 3");
        check(one(|a| a.shift_right(R2, 3)), "7702000003000000", "r2 >>= 3");
        check(one(|a| a.shift_right_signed(R3, 63)), "c70300003f000000", "r3 s>>= 63");
        check(one(|a| a.call(127)), "850000007f000000", "call 127");
        check(one(|a| a.call_by_type(4)), "8520000004000000", "call by type 4");
        check(one(Assembler::exit), "9500000000000000", "exit");
    }

    /// A long instruction counts for two in jumps.
    #[test]
    fn addresses_of_maps() {
        let mut asm = Assembler::default();
        let end = asm.label();
        asm.jump(end).map_value(R4, 7).here(end).exit();
        let text = "   0: 0500020000000000  goto +2\n   \
                    1: 1824000007000000  r4 = &map 7\n   \
                    2: 0000000000000000  (its second half)\n   \
                    3: 9500000000000000  exit\n";
        assert_eq!(list(&asm.assemble()), text);
    }

    #[test]
    fn jumps_go_to_their_labels() {
        let mut asm = Assembler::default();
        let (start, end) = (asm.label(), asm.label());
        asm.here(start)
            .jump_if_equal(R1, 7, end)
            .jump_if_differ(R1, R9, end)
            .jump_if_above_reg(R3, R9, end)
            .jump(start)
            .here(end)
            .exit();
        let text = "   0: 1501030007000000  if r1 == 7 goto +3\n   \
                    1: 5d91020000000000  if r1 != r9 goto +2\n   \
                    2: 2d93010000000000  if r3 > r9 goto +1\n   \
                    3: 0500fcff00000000  goto -4\n   \
                    4: 9500000000000000  exit\n";
        assert_eq!(list(&asm.assemble()), text);
    }
}
