//! The programs, and the records they write.
//!
//! All are iterators (`Documentation/bpf/bpf_iterators.rst`): the kernel calls them once for each
//! object, and what they write is read from a descriptor like a file. They follow pointers of the
//! kernel with plain loads, which the verifier checks against BTF and which read 0 from a bad
//! pointer instead of faulting; they change nothing.
//!
//! The kernel function that writes records is open to programs under the GPL only, so these
//! programs are offered under the MIT license or the GPL, version 2.

use super::asm::{
    Assembler, Insn, Label, R0, R1, R2, R3, R6, R7, R8, R9, R10, Reg,
    Width::{B, D, H, W},
};
use super::descriptors::{self, Start};
use super::layout::Layout;

/// The license that the kernel asks for (`include/linux/license.h`).
pub(super) const LICENSE: &std::ffi::CStr = c"Dual MIT/GPL";

/// `BPF_FUNC_seq_write` (`include/uapi/linux/bpf.h`): writes a record.
const BPF_FUNC_SEQ_WRITE: i32 = 127;
/// `BPF_FUNC_sock_from_file` (kernel 5.11): the socket behind a file, or NULL.
const BPF_FUNC_SOCK_FROM_FILE: i32 = 162;

/// `struct bpf_iter__task` and `struct bpf_iter__task_file`: 8 bytes for each member.
pub(super) mod context {
    pub(in super::super) const META: i16 = 0;
    pub(in super::super) const TASK: i16 = 8;
    pub(super) const FD: i16 = 16;
    pub(super) const FILE: i16 = 24;
    /// `seq` of `struct bpf_iter_meta`.
    pub(in super::super) const META_SEQ: i16 = 0;
}

const AF_INET: i32 = 2;
pub(super) const AF_INET6: i32 = 10;
const AF_PACKET: i32 = 17;
const SOCK_STREAM: i32 = 1;
/// `SS_CONNECTED` (`include/uapi/linux/net.h`, `socket_state`).
const SS_CONNECTED: i32 = 3;
/// `TCP_CLOSE` (`include/net/tcp_states.h`), for every protocol: not connected.
const TCP_CLOSE: i32 = 7;
/// `TCP_LISTEN`.
pub(super) const TCP_LISTEN: i32 = 10;

/// What stands in the record of a process where that of a descriptor has its inode: as a 64-bit
/// number, all bits are set.
const MARK: i32 = -1;

/// The record of a process, as [`put_task`] fills it in.
pub(super) mod task_record {
    pub(in super::super) const MARK: usize = 0;
    pub(in super::super) const TGID: usize = 8;
    pub(in super::super) const PARENT: usize = 12;
    pub(in super::super) const EUID: usize = 16;
    pub(in super::super) const NETNS: usize = 20;
    /// Nanoseconds since boot.
    pub(in super::super) const STARTED: usize = 24;
    pub(in super::super) const CGROUP: usize = 32;
    /// `TASK_COMM_LEN` bytes, ending with a NUL.
    pub(in super::super) const COMM: usize = 40;
    /// The address of the process's `css_set`, its place in all cgroup hierarchies.
    pub(in super::super) const CSS_SET: usize = 56;
    /// 1 if the file that the process runs has no name any more, otherwise 0.
    pub(in super::super) const UNLINKED: usize = 64;
    pub(in super::super) const BYTES: usize = 68;
}

/// The record of a descriptor, as the program of [`files`] writes it.
pub(super) mod file_record {
    pub(in super::super) const INODE: usize = 0;
    pub(in super::super) const TGID: usize = 8;
    /// With [`super::IDLE`].
    pub(in super::super) const FD: usize = 12;
    /// The namespace of the socket, not of the process.
    pub(in super::super) const NETNS: usize = 16;
    pub(in super::super) const BYTES: usize = 20;
}

/// The bit of a descriptor's number that says that it is a stream which neither listens nor is
/// connected. No descriptor has so high a number (`fs/file.c`, `sysctl_nr_open_max`).
pub(super) const IDLE: u32 = 1 << 31;

/// Room for a record on the stack, whose slots are 8 bytes wide.
fn frame(bytes: usize) -> i16 {
    i16::try_from(bytes.next_multiple_of(8)).unwrap_or_default()
}

/// One record for each process: its first thread. Written for `iter/task`, which goes over all
/// threads.
///
/// With a `cast`, the task is cast to its own type first. Since kernel 6.2 the verifier searches
/// all types of the kernel several times for each pointer that is followed from a trusted one
/// (`kernel/bpf/btf.c`, `btf_nested_type_is_trusted`): 4 ms for this program. What a cast returns
/// is not trusted, and nothing is lost, as loads alone need no trust.
pub(super) fn tasks(at: &Layout, cast: Option<u32>) -> Vec<Insn> {
    let frame = Frame { bytes: task_record::BYTES };
    let mut asm = Assembler::default();
    let out = asm.label();
    asm.load(D, R6, R1, context::META)
        .load(D, R6, R6, context::META_SEQ)
        .load(D, R7, R1, context::TASK)
        // The last call has no task: it marks the end.
        .jump_if_equal(R7, 0, out)
        .load(W, R1, R7, at.task_pid)
        .load(W, R2, R7, at.task_tgid)
        .jump_if_differ(R1, R2, out);
    if let Some(cast) = cast {
        asm.copy(R1, R7)
            .set(R2, at.task_struct.cast_signed())
            .call_by_type(cast.cast_signed())
            .copy(R7, R0);
    }
    put_task(&mut asm, at, &frame);
    frame.write(&mut asm, out);
    asm.assemble()
}

/// Fills in the record of the process in `r7`.
pub(super) fn put_task(asm: &mut Assembler, at: &Layout, frame: &Frame) {
    use task_record as record;
    asm.set(R1, MARK);
    frame.put(asm, D, record::MARK, R1);
    asm.load(W, R1, R7, at.task_tgid);
    frame.put(asm, W, record::TGID, R1);
    asm.load(D, R1, R7, at.task_real_parent).load(W, R1, R1, at.task_tgid);
    frame.put(asm, W, record::PARENT, R1);
    asm.load(D, R1, R7, at.task_real_cred).load(W, R1, R1, at.cred_euid);
    frame.put(asm, W, record::EUID, R1);
    // A zombie has no nsproxy: the loads give 0.
    asm.load(D, R1, R7, at.task_nsproxy).load(D, R1, R1, at.nsproxy_net_ns).load(
        W,
        R1,
        R1,
        at.net_ns_inum,
    );
    frame.put(asm, W, record::NETNS, R1);
    asm.load(D, R1, R7, at.task_start_boottime);
    frame.put(asm, D, record::STARTED, R1);
    asm.load(D, R1, R7, at.task_cgroups);
    frame.put(asm, D, record::CSS_SET, R1);
    asm.load(D, R1, R1, at.css_set_dfl_cgrp).load(D, R1, R1, at.cgroup_kn).load(
        D,
        R1,
        R1,
        at.kernfs_node_id,
    );
    frame.put(asm, D, record::CGROUP, R1);
    asm.load(D, R1, R7, at.task_comm).load(D, R2, R7, at.task_comm.saturating_add(8));
    frame.put(asm, D, record::COMM, R1);
    frame.put(asm, D, record::COMM + 8, R2);
    // A zombie has no memory, and a thread of the kernel no executable.
    let told = asm.label();
    asm.set(R2, 0)
        .load(D, R1, R7, at.task_mm)
        .jump_if_equal(R1, 0, told)
        .load(D, R1, R1, at.mm_exe_file)
        .jump_if_equal(R1, 0, told)
        .load(D, R1, R1, at.file_f_inode)
        .jump_if_equal(R1, 0, told)
        .load(W, R1, R1, at.inode_i_nlink)
        .jump_if_not_equal(R1, 0, told)
        .set(R2, 1)
        .here(told);
    frame.put(asm, W, record::UNLINKED, R2);
}

/// One record for each descriptor that is an IP or packet socket. Written for `iter/task_file`.
///
/// Without `connected`, streams that are connected (or being connected or closed) are passed over,
/// so that 200,000 of them cost no record. Other sockets are kept even if they have a peer: a
/// connected UDP socket has state `TCP_ESTABLISHED` too, and there are few.
///
/// What this costs is not instructions but memory that is in no cache: the file, its `socket`, the
/// `sock`. A stream that is connected is told by its `socket` alone.
pub(super) fn files(at: &Layout, connected: bool) -> Vec<Insn> {
    use file_record as record;
    let frame = Frame { bytes: record::BYTES };
    let mut asm = Assembler::default();
    let (out, keep) = (asm.label(), asm.label());
    asm.load(D, R8, R1, context::FILE)
        .jump_if_equal(R8, 0, out)
        .load(D, R6, R1, context::META)
        .load(D, R6, R6, context::META_SEQ)
        .load(D, R7, R1, context::TASK)
        .jump_if_equal(R7, 0, out)
        .load(W, R9, R1, context::FD)
        .copy(R1, R8)
        .call(BPF_FUNC_SOCK_FROM_FILE)
        .jump_if_equal(R0, 0, out);
    choose(&mut asm, at, connected, keep, out);
    asm.here(keep);
    put_socket(&mut asm, at, &frame);
    asm.load(D, R2, R8, at.file_f_inode).load(D, R2, R2, at.inode_i_ino);
    frame.put(&mut asm, D, record::INODE, R2);
    asm.load(W, R2, R7, at.task_tgid);
    frame.put(&mut asm, W, record::TGID, R2);
    frame.write(&mut asm, out);
    asm.assemble()
}

/// Chooses which sockets are told: the `socket` in `r0` is kept, with its `sock` in `r1`, or passed
/// over.
pub(super) fn choose(asm: &mut Assembler, at: &Layout, connected: bool, keep: Label, out: Label) {
    let (undecided, ip) = (asm.label(), asm.label());
    if !connected {
        // accept(2) and connect(2) set this state; a socket with it cannot be made to listen.
        asm.load(H, R3, R0, at.socket_type)
            .load(W, R2, R0, at.socket_state)
            .jump_if_not_equal(R2, SS_CONNECTED, undecided)
            .jump_if_equal(R3, SOCK_STREAM, out);
    }
    asm.here(undecided)
        .load(D, R1, R0, at.socket_sk)
        .jump_if_equal(R1, 0, out)
        .load(H, R2, R1, at.sock_family)
        .jump_if_equal(R2, AF_INET, ip)
        .jump_if_equal(R2, AF_INET6, ip)
        .jump_if_equal(R2, AF_PACKET, keep)
        .jump(out)
        .here(ip);
    if !connected {
        // A connect(2) that did not wait leaves the `socket` as it was.
        asm.jump_if_not_equal(R3, SOCK_STREAM, keep)
            .load(B, R2, R1, at.sock_state)
            .jump_if_equal(R2, TCP_LISTEN, keep)
            .jump_if_not_equal(R2, TCP_CLOSE, out);
    }
}

/// Fills in what a record tells of a socket: the `socket` is in `r0`, its `sock` in `r1`, the
/// descriptor's number in `r9`.
pub(super) fn put_socket(asm: &mut Assembler, at: &Layout, frame: &Frame) {
    use file_record as record;
    let busy = asm.label();
    asm.copy(R2, R9)
        .load(H, R3, R0, at.socket_type)
        .jump_if_not_equal(R3, SOCK_STREAM, busy)
        .load(B, R3, R1, at.sock_state)
        .jump_if_not_equal(R3, TCP_CLOSE, busy)
        .add(R2, IDLE.cast_signed())
        .here(busy);
    frame.put(asm, W, record::FD, R2);
    asm.load(D, R2, R1, at.sock_net).load(W, R2, R2, at.net_ns_inum);
    frame.put(asm, W, record::NETNS, R2);
}

/// A record on the stack.
pub(super) struct Frame {
    pub(super) bytes: usize,
}

impl Frame {
    /// Stores one field of the record.
    pub(super) fn put(
        &self,
        asm: &mut Assembler,
        width: super::asm::Width,
        field: usize,
        from: Reg,
    ) {
        asm.store(width, R10, self.place(field), from);
    }

    /// Where a field is, from the end of the stack frame.
    fn place(&self, field: usize) -> i16 {
        let field = i16::try_from(field).unwrap_or_default();
        field - frame(self.bytes)
    }

    /// Writes the record; `r6` holds the `seq_file`.
    pub(super) fn submit(&self, asm: &mut Assembler) {
        asm.copy(R1, R6)
            .copy(R2, R10)
            .add(R2, i32::from(self.place(0)))
            .set(R3, i32::try_from(self.bytes).unwrap_or_default())
            .call(BPF_FUNC_SEQ_WRITE);
    }

    /// Writes the record and ends the program.
    pub(super) fn write(&self, asm: &mut Assembler, out: Label) {
        self.submit(asm);
        asm.here(out)
            // 0: go on. A record that did not fit is written again into the next buffer.
            .set(R0, 0)
            .exit();
    }
}

/// All programs as text, assembled for a made-up layout: what stands beside the source as
/// `programs.lst`, so that a change of one byte is seen in review.
pub fn listing() -> String {
    let at = &Layout::REFERENCE;
    let part = |title: &str, program: &[Insn]| format!("{title}:\n{}", super::asm::list(program));
    let mut parts = vec![
        part("iter/task", &tasks(at, at.bpf_rdonly_cast)),
        part("iter/task, before kernel 6.2", &tasks(at, None)),
    ];
    if let Some(of) = &at.tables {
        let walk =
            |connected, abreast, start| descriptors::program(at, of, connected, abreast, start);
        parts.push(part("iter/task, with descriptors", &walk(false, false, Start::First)));
        let connected = "iter/task, with descriptors of connected sockets too";
        parts.push(part(connected, &walk(true, true, Start::First)));
        parts.push(part("the same, later stretches", &walk(true, true, Start::Map(7))));
    }
    parts.push(part("iter/task_file", &files(at, false)));
    parts.push(part("iter/task_file, connected sockets too", &files(at, true)));
    parts.push(super::connections::listing());
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    /// `cargo xtask bpf` writes the file anew.
    #[test]
    fn the_listing_beside_the_source_is_the_program() {
        assert_eq!(super::listing(), include_str!("programs.lst"));
    }
}
