//! The program that walks over the descriptors of each process itself, and tells the process too.
//!
//! It is written for `iter/task`. That spares the kernel a reference and a call for each descriptor,
//! which `iter/task_file` takes, and a second program for the processes.

use super::asm::{
    Assembler, Insn, Label, R0, R1, R2, R3, R4, R6, R7, R8, R9, R10,
    Width::{D, H, W},
};
use super::layout::{Layout, Tables};
use super::programs::{Frame, choose, context, file_record, put_socket, put_task, task_record};

/// How many descriptors of a process are looked at in one go: whatever they are, their records fit
/// with that of the process into the kernel's buffer of 8 pages (`kernel/bpf/bpf_iter.c`,
/// `bpf_seq_read`), or it would answer `E2BIG`.
pub(super) const STRETCH: u32 = 1600;

/// The longest table that is walked over at all: as many descriptors as a process can have unless
/// `fs.nr_open` was raised.
pub(super) const LONGEST_TABLE: u32 = 1 << 20;

/// How many descriptors the program looks at abreast. Tables are a multiple of it long
/// (`fs/file.c`, `alloc_fdtable`).
const ABREAST: i16 = 8;

/// `S_IFMT` and `S_IFSOCK` (`include/uapi/linux/stat.h`): what kind of file an inode is.
const S_IFMT: i32 = 0o170_000;
const S_IFSOCK: i32 = 0o140_000;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the process and its first descriptors.
    First,
    /// With the descriptor whose number the first element of this map holds (by its descriptor
    /// here): the process was told before.
    Map(i32),
}

/// One record for each process, and one for each descriptor of it that is an IP or packet socket,
/// as [`super::programs::files`] chooses them.
///
/// While a program runs, what it reads under RCU stays (`kernel/bpf/bpf_iter.c`,
/// `bpf_iter_run_prog`), but a file may be closed, and its memory be used for the next one that is
/// opened. So the descriptor is read a second time at the end, when all of the file has been read: if
/// it is another one then, nothing is told.
///
/// Where the table is longer than [`STRETCH`], a record with inode 0 says how long it is and whose:
/// the rest must be asked for.
///
/// Nearly all of the time goes by waiting for memory: the file, its inode, the `socket`, the `sock`,
/// each found by the one before. With `abreast`, several descriptors are followed side by side, one
/// step of all of them after the other, so that the processor waits for all at once: half the time
/// where there are many sockets. Then a step may read from address 0, where there is no file or no
/// socket; x86 tells such an address apart before it reads, other machines take a fault.
pub(super) fn program(
    at: &Layout,
    of: &Tables,
    connected: bool,
    abreast: bool,
    start: Start,
) -> Vec<Insn> {
    let width = if abreast { ABREAST } else { 1 };
    let program = Walk { at, of, connected, width };
    let mut asm = Assembler::default();
    let out = asm.label();
    asm.load(D, R6, R1, context::META)
        .load(D, R6, R6, context::META_SEQ)
        .load(D, R1, R1, context::TASK)
        // The last call has no task: it marks the end.
        .jump_if_equal(R1, 0, out)
        .set(R2, at.task_struct.cast_signed())
        .call_by_type(of.bpf_rdonly_cast.cast_signed())
        .copy(R7, R0);
    let (later, walk) = (asm.label(), asm.label());
    asm.load(W, R2, R7, at.task_tgid).load(W, R3, R7, at.task_pid).jump_if_differ(R2, R3, later);
    if start == Start::First {
        let frame = Frame { bytes: task_record::BYTES };
        put_task(&mut asm, at, &frame);
        frame.submit(&mut asm);
    }
    // A zombie has no files.
    asm.load(D, R1, R7, of.task_files)
        .jump_if_equal(R1, 0, out)
        .jump(walk)
        // A thread that shares its files with the first of its process is passed over.
        .here(later)
        .load(D, R1, R7, of.task_files)
        .jump_if_equal(R1, 0, out)
        .load(D, R4, R7, of.task_group_leader)
        .load(D, R4, R4, of.task_files)
        .jump_if_differ(R1, R4, walk)
        .jump(out)
        .here(walk);
    program.table(&mut asm, start);
    asm.here(out).set(R0, 0).exit();
    asm.assemble()
}

/// What the walk over one table is made for.
struct Walk<'l> {
    at: &'l Layout,
    of: &'l Tables,
    connected: bool,
    width: i16,
}

/// What stands on the stack, below the longest record.
mod stack {
    /// `struct bpf_iter_num`.
    pub(super) const LOOP: i16 = -80;
    /// Where the walk ends.
    pub(super) const END: i16 = -88;
    /// The files of the descriptors that are abreast, and then their `socket`s.
    const FILES: i16 = -96;

    /// The place of a file.
    pub(super) fn file(lane: i16) -> i16 {
        FILES - 16 * lane
    }

    /// The place of a `socket`.
    pub(super) fn socket(lane: i16) -> i16 {
        file(lane) - 8
    }
}

impl Walk<'_> {
    const FRAME: Frame = Frame { bytes: file_record::BYTES };

    /// Walks over the table of the files in `r1`, of the task in `r7`.
    fn table(&self, asm: &mut Assembler, start: Start) {
        use file_record as record;
        let (at, of) = (self.at, self.of);
        let (walk, next, done) = (asm.label(), asm.label(), asm.label());
        asm.load(D, R1, R1, of.files_fdt)
            .load(D, R8, R1, of.fdtable_fd)
            .load(W, R9, R1, of.fdtable_max_fds)
            .load(W, R2, R7, at.task_tgid);
        Self::FRAME.put(asm, W, record::TGID, R2);
        let first = R4;
        match start {
            Start::First => {
                asm.set(first, 0);
            }
            Start::Map(map) => {
                asm.map_value(first, map).load(W, first, first, 0);
            }
        }
        // Where it ends, and a record of how much there is if that is not all.
        asm.store(D, R10, stack::END, R9)
            .copy(R1, first)
            .add(R1, i32::try_from(STRETCH).unwrap_or_default())
            .jump_if_above_reg(R1, R9, walk)
            .store(D, R10, stack::END, R1);
        if start == Start::First {
            asm.set(R1, 0);
            Self::FRAME.put(asm, D, record::INODE, R1);
            Self::FRAME.put(asm, W, record::FD, R9);
            asm.load(W, R1, R7, at.task_pid);
            Self::FRAME.put(asm, W, record::NETNS, R1);
            Self::FRAME.submit(asm);
            asm.set(first, 0);
        }
        asm.here(walk);
        let shift = self.width.trailing_zeros().cast_signed();
        asm.copy(R2, first)
            .load(D, R3, R10, stack::END)
            .shift_right(R2, shift)
            .shift_right(R3, shift)
            .copy(R1, R10)
            .add(R1, i32::from(stack::LOOP))
            .call_by_type(of.bpf_iter_num_new.cast_signed())
            .here(next)
            .copy(R1, R10)
            .add(R1, i32::from(stack::LOOP))
            .call_by_type(of.bpf_iter_num_next.cast_signed())
            .jump_if_equal(R0, 0, done)
            .load(W, R9, R0, 0)
            .shift_left(R9, shift);
        for lane in 0..self.width {
            self.file(asm, lane);
            asm.store(D, R10, stack::file(lane), R1);
        }
        if self.width > 1 {
            self.fetch(asm);
        }
        for lane in 0..self.width {
            let over = asm.label();
            self.tell(asm, lane, over);
            asm.here(over).add(R9, 1);
        }
        asm.jump(next)
            .here(done)
            .copy(R1, R10)
            .add(R1, i32::from(stack::LOOP))
            .call_by_type(of.bpf_iter_num_destroy.cast_signed());
    }

    /// Loads the file of a descriptor into `r1`: the one so many after the number in `r9`.
    ///
    /// The table is an array of pointers to files, which the kernel lets us read as any structure
    /// that holds one.
    fn file(&self, asm: &mut Assembler, lane: i16) {
        let place = 8 * i32::from(lane) - i32::from(self.at.mm_exe_file);
        asm.copy(R1, R9)
            .shift_left(R1, 3)
            .add_reg(R1, R8)
            .add(R1, place)
            .set(R2, self.of.mm_struct.cast_signed())
            .call_by_type(self.of.bpf_rdonly_cast.cast_signed())
            .load(D, R1, R0, self.at.mm_exe_file);
    }

    /// Makes the processor fetch what [`Self::tell`] reads: in each step from one place for every
    /// descriptor, and without a jump that it would have to guess.
    fn fetch(&self, asm: &mut Assembler) {
        let (at, of) = (self.at, self.of);
        for lane in 0..self.width {
            asm.load(D, R1, R10, stack::file(lane)).load(D, R2, R1, at.file_f_inode);
        }
        for lane in 0..self.width {
            asm.load(D, R1, R10, stack::file(lane))
                .load(D, R2, R1, at.file_f_inode)
                .load(D, R3, R2, at.inode_i_ino)
                .load(H, R3, R2, of.inode_i_mode)
                // All bits set for a socket, none otherwise: only a socket's private data is one.
                .and(R3, S_IFMT)
                .xor(R3, S_IFSOCK)
                .add(R3, -1)
                .shift_right_signed(R3, 63)
                .load(D, R1, R1, of.file_private_data)
                .and_reg(R1, R3)
                .set(R2, of.socket.cast_signed())
                .call_by_type(of.bpf_rdonly_cast.cast_signed())
                .store(D, R10, stack::socket(lane), R0);
        }
        for lane in 0..self.width {
            asm.load(D, R1, R10, stack::socket(lane)).load(D, R2, R1, at.socket_sk);
        }
        for lane in 0..self.width {
            asm.load(D, R1, R10, stack::socket(lane)).load(D, R2, R1, at.socket_sk).load(
                H,
                R3,
                R2,
                at.sock_family,
            );
        }
    }

    /// Writes the record of the descriptor whose number is in `r9`, or goes on to `over`.
    fn tell(&self, asm: &mut Assembler, lane: i16, over: Label) {
        use file_record as record;
        let (at, of) = (self.at, self.of);
        asm.load(D, R1, R10, stack::file(lane))
            .jump_if_equal(R1, 0, over)
            .load(D, R2, R1, at.file_f_inode)
            .load(H, R3, R2, of.inode_i_mode)
            .and(R3, S_IFMT)
            .jump_if_not_equal(R3, S_IFSOCK, over)
            .load(D, R2, R2, at.inode_i_ino);
        Self::FRAME.put(asm, D, record::INODE, R2);
        asm.load(D, R1, R1, of.file_private_data)
            .set(R2, of.socket.cast_signed())
            .call_by_type(of.bpf_rdonly_cast.cast_signed())
            // A file that was opened by a path (O_PATH) has none.
            .load(D, R1, R0, of.socket_file)
            .load(D, R2, R10, stack::file(lane))
            .jump_if_differ(R1, R2, over);
        let keep = asm.label();
        choose(asm, at, self.connected, keep, over);
        asm.here(keep);
        put_socket(asm, at, &Self::FRAME);
        self.file(asm, 0);
        asm.load(D, R2, R10, stack::file(lane)).jump_if_differ(R1, R2, over);
        Self::FRAME.submit(asm);
    }
}
