//! The TCP sockets of a namespace that have a peer, listed by the kernel's own iterator over its
//! table of connections.
//!
//! sock_diag tells the same, but makes a message of attributes for each socket, which takes most of
//! its time: here a socket is one record of fixed length. What each field means is what sock_diag
//! fills in for it (kernel `net/ipv4/inet_diag.c`, `inet_sk_diag_fill`, `inet_twsk_diag_fill`,
//! `inet_req_diag_fill`, and `net/ipv4/tcp_diag.c`, `tcp_diag_get_info`); a test compares both.

use std::os::fd::OwnedFd;

use super::asm::{
    Assembler, Insn, R1, R2, R3, R6, R7, R8, R9,
    Width::{B, D, H, W},
};
use super::btf::{Answers, Btf, BtfError};
use super::programs::{AF_INET6, Frame, TCP_LISTEN, context};
use super::{BpfError, chunk, each_record, load, long, read_btf, run, word};

/// The name of the program as the kernel lists it.
const NAME: &str = "whyopen_tcp";

/// `TCP_TIME_WAIT` (`include/net/tcp_states.h`): a `struct inet_timewait_sock`.
const TCP_TIME_WAIT: i32 = 6;
/// `TCP_NEW_SYN_RECV`: a `struct request_sock`, for a connection that is not made yet.
const TCP_NEW_SYN_RECV: i32 = 12;

/// One TCP socket that has a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Its state (`include/net/tcp_states.h`).
    pub state: u8,
    /// The local address as it lies in memory; of IPv4 the first four bytes.
    pub local: [u8; 16],
    /// That of the peer.
    pub peer: [u8; 16],
    /// The local port.
    pub local_port: u16,
    /// That of the peer.
    pub peer_port: u16,
    /// The interface it is bound to, 0 for none.
    pub device: u32,
    /// Its inode; 0 if no program has it.
    pub inode: u64,
    /// The user it belongs to; 0 if no program has it.
    pub uid: u32,
    /// Its cgroup; 0 if it has none.
    pub cgroup: u64,
    /// Bytes that were received and not read yet.
    pub unread: u32,
    /// Bytes that were written and not acknowledged yet.
    pub unsent: u32,
}

/// The loaded program.
#[derive(Debug)]
pub struct Connections {
    program: OwnedFd,
}

impl Connections {
    /// Loads it.
    ///
    /// # Errors
    /// [`BpfError`]: also where the kernel is too old for it.
    pub(super) fn load() -> Result<Self, BpfError> {
        let layout = read_btf(Layout::of)?;
        let program = load(NAME, &program(&layout), layout.bpf_iter_tcp)?;
        Ok(Self { program })
    }

    /// Calls `each` with every one in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`BpfError::Run`]; some may have been told before.
    pub fn read(&self, mut each: impl FnMut(&Connection)) -> Result<(), BpfError> {
        run(NAME, &self.program, None, |bytes| {
            each_record(bytes, record::BYTES, |record| each(&parse(record)))
        })
    }
}

/// For the fuzz target of records.
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = std::hint::black_box(each_record(bytes, record::BYTES, |record| {
        std::hint::black_box(parse(record));
    }));
}

/// Reads a record.
fn parse(bytes: &[u8]) -> Connection {
    let [family, state] = chunk(bytes, record::FAMILY);
    let behind = |ahead, behind| word(bytes, ahead).wrapping_sub(word(bytes, behind));
    // The kernel takes sequence numbers that are crossed (a FIN counts as one) for nothing unread.
    let unread = behind(record::RCV_NXT, record::COPIED_SEQ);
    Connection {
        family,
        state,
        local: chunk(bytes, record::LOCAL),
        peer: chunk(bytes, record::PEER),
        local_port: u16::from_ne_bytes(chunk(bytes, record::NUM)),
        peer_port: u16::from_be_bytes(chunk(bytes, record::DPORT)),
        device: word(bytes, record::DEVICE),
        inode: long(bytes, record::INODE),
        uid: word(bytes, record::UID),
        cgroup: long(bytes, record::CGROUP),
        unread: u32::try_from(unread.cast_signed()).unwrap_or_default(),
        unsent: behind(record::WRITE_SEQ, record::SND_UNA),
    }
}

/// The record of a socket.
mod record {
    pub(super) const INODE: usize = 0;
    pub(super) const CGROUP: usize = 8;
    pub(super) const LOCAL: usize = 16;
    pub(super) const PEER: usize = 32;
    pub(super) const FAMILY: usize = 48;
    pub(super) const STATE: usize = 49;
    /// In our byte order.
    pub(super) const NUM: usize = 50;
    /// In network byte order.
    pub(super) const DPORT: usize = 52;
    pub(super) const DEVICE: usize = 56;
    pub(super) const UID: usize = 60;
    pub(super) const RCV_NXT: usize = 64;
    pub(super) const COPIED_SEQ: usize = 68;
    pub(super) const WRITE_SEQ: usize = 72;
    pub(super) const SND_UNA: usize = 76;
    pub(super) const BYTES: usize = 80;
}

/// Offsets in bytes and ids of types, each called as the structure and the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the kernel")]
pub(super) struct Layout {
    common_family: i16,
    common_state: i16,
    common_num: i16,
    common_dport: i16,
    common_daddr: i16,
    common_rcv_saddr: i16,
    common_v6_daddr: i16,
    common_v6_rcv_saddr: i16,
    common_bound_dev_if: i16,
    timewait_substate: i16,
    inode: InodeAt,
    sock_cgroup: i16,
    cgroup_kn: i16,
    kernfs_node_id: i16,
    tcp_rcv_nxt: i16,
    tcp_copied_seq: i16,
    tcp_write_seq: i16,
    tcp_snd_una: i16,
    /// The id of the structure `tcp_sock`, which begins with a `sock` and its `sock_common`.
    tcp_sock: u32,
    /// The id of the function `bpf_iter_tcp`, which stands for the iterator.
    bpf_iter_tcp: u32,
    bpf_rdonly_cast: u32,
}

/// Where the number of a socket's inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InodeAt {
    /// In the `sock` itself (kernel 6.18).
    Sock {
        /// `sk_ino`
        ino: i16,
    },
    /// Behind the `socket`, which stands in one structure with its inode (`struct socket_alloc`).
    Socket {
        /// `sk_socket` of the `sock`.
        socket: i16,
        /// From there to `i_ino`.
        ino: i16,
    },
}

impl Layout {
    /// Looks everything up in the kernel's BTF.
    fn of(btf: Btf<'_>) -> Result<Self, BtfError> {
        const STRUCTS: &[&str] = &[
            "sock",
            "sock_common",
            "sock_cgroup_data",
            "cgroup",
            "kernfs_node",
            "inet_timewait_sock",
            "socket_alloc",
            "inode",
            "tcp_sock",
        ];
        let found = btf.search(STRUCTS, &["bpf_iter_tcp", "bpf_rdonly_cast"]);
        let at = |structure, member| found.offset(structure, member);
        let common = |member| at("sock_common", member);
        Ok(Self {
            common_family: common("skc_family")?,
            common_state: common("skc_state")?,
            common_num: common("skc_num")?,
            common_dport: common("skc_dport")?,
            common_daddr: common("skc_daddr")?,
            common_rcv_saddr: common("skc_rcv_saddr")?,
            common_v6_daddr: common("skc_v6_daddr")?,
            common_v6_rcv_saddr: common("skc_v6_rcv_saddr")?,
            common_bound_dev_if: common("skc_bound_dev_if")?,
            timewait_substate: at("inet_timewait_sock", "tw_substate")?,
            inode: InodeAt::of(&found)?,
            // The member has this name since kernel 5.15; before, other things stood there too.
            sock_cgroup: at("sock", "sk_cgrp_data")?
                .saturating_add(at("sock_cgroup_data", "cgroup")?),
            cgroup_kn: at("cgroup", "kn")?,
            kernfs_node_id: at("kernfs_node", "id")?,
            tcp_rcv_nxt: at("tcp_sock", "rcv_nxt")?,
            tcp_copied_seq: at("tcp_sock", "copied_seq")?,
            tcp_write_seq: at("tcp_sock", "write_seq")?,
            tcp_snd_una: at("tcp_sock", "snd_una")?,
            tcp_sock: found.structure("tcp_sock")?,
            bpf_iter_tcp: found.function("bpf_iter_tcp")?,
            bpf_rdonly_cast: found.function("bpf_rdonly_cast")?,
        })
    }

    /// A made-up layout in which every offset is another.
    const REFERENCE: Self = Self {
        common_family: 0x10,
        common_state: 0x12,
        common_num: 0x0e,
        common_dport: 0x0c,
        common_daddr: 0x00,
        common_rcv_saddr: 0x04,
        common_v6_daddr: 0x38,
        common_v6_rcv_saddr: 0x48,
        common_bound_dev_if: 0x14,
        timewait_substate: 0x8c,
        inode: InodeAt::Sock { ino: 0x260 },
        sock_cgroup: 0x2a0,
        cgroup_kn: 0x78,
        kernfs_node_id: 0x60,
        tcp_rcv_nxt: 0x680,
        tcp_copied_seq: 0x5b8,
        tcp_write_seq: 0x628,
        tcp_snd_una: 0x688,
        tcp_sock: 10,
        bpf_iter_tcp: 11,
        bpf_rdonly_cast: 4,
    };
}

impl InodeAt {
    fn of(found: &Answers<'_>) -> Result<Self, BtfError> {
        let at = |structure, member| found.offset(structure, member);
        if let Ok(ino) = at("sock", "sk_ino") {
            return Ok(Self::Sock { ino });
        }
        let socket = at("socket_alloc", "socket")?;
        let inode = at("socket_alloc", "vfs_inode")?.saturating_add(at("inode", "i_ino")?);
        Ok(Self::Socket { socket: at("sock", "sk_socket")?, ino: inode.saturating_sub(socket) })
    }
}

/// One record for each socket that has a peer. Written for `iter/tcp`.
///
/// What the iterator gives is a full socket, or one of two smaller structures which have only the
/// first part, `sock_common`, in common with it; its state tells which.
fn program(at: &Layout) -> Vec<Insn> {
    /// `sk_common` and `uid` of `struct bpf_iter__tcp`.
    const SK_COMMON: i16 = 8;
    const UID: i16 = 16;
    let frame = Frame { bytes: record::BYTES };
    let mut asm = Assembler::default();
    let (out, common, small, v6, addressed) =
        (asm.label(), asm.label(), asm.label(), asm.label(), asm.label());
    asm.load(D, R6, R1, context::META)
        .load(D, R6, R6, context::META_SEQ)
        .load(W, R8, R1, UID)
        .load(D, R1, R1, SK_COMMON)
        // The last call has no socket: it marks the end.
        .jump_if_equal(R1, 0, out)
        .set(R2, at.tcp_sock.cast_signed())
        .call_by_type(at.bpf_rdonly_cast.cast_signed())
        .copy(R7, super::asm::R0)
        .load(B, R9, R7, at.common_state)
        .jump_if_equal(R9, TCP_LISTEN, out)
        .set(R1, 0);
    for zero in [record::INODE, record::CGROUP, record::RCV_NXT, record::WRITE_SEQ] {
        frame.put(&mut asm, D, zero, R1);
    }
    asm.jump_if_equal(R9, TCP_NEW_SYN_RECV, small);
    let full = asm.label();
    asm.jump_if_not_equal(R9, TCP_TIME_WAIT, full)
        .load(B, R9, R7, at.timewait_substate)
        .here(small)
        .set(R8, 0)
        .jump(common)
        .here(full);
    let no_inode = asm.label();
    match at.inode {
        InodeAt::Sock { ino } => {
            asm.load(D, R1, R7, ino);
        }
        InodeAt::Socket { socket, ino } => {
            asm.load(D, R1, R7, socket).jump_if_equal(R1, 0, no_inode).load(D, R1, R1, ino);
        }
    }
    frame.put(&mut asm, D, record::INODE, R1);
    let no_cgroup = asm.label();
    asm.here(no_inode)
        .load(D, R1, R7, at.sock_cgroup)
        .jump_if_equal(R1, 0, no_cgroup)
        .load(D, R1, R1, at.cgroup_kn)
        .load(D, R1, R1, at.kernfs_node_id);
    frame.put(&mut asm, D, record::CGROUP, R1);
    asm.here(no_cgroup);
    for (field, member) in [
        (record::RCV_NXT, at.tcp_rcv_nxt),
        (record::COPIED_SEQ, at.tcp_copied_seq),
        (record::WRITE_SEQ, at.tcp_write_seq),
        (record::SND_UNA, at.tcp_snd_una),
    ] {
        asm.load(W, R1, R7, member);
        frame.put(&mut asm, W, field, R1);
    }
    asm.here(common);
    frame.put(&mut asm, B, record::STATE, R9);
    frame.put(&mut asm, W, record::UID, R8);
    asm.load(H, R3, R7, at.common_family);
    frame.put(&mut asm, B, record::FAMILY, R3);
    for (width, field, member) in [
        (H, record::NUM, at.common_num),
        // With the padding behind it, so that the whole record is written.
        (H, record::DPORT, at.common_dport),
        (H, record::DPORT + 2, at.common_dport),
        (W, record::DEVICE, at.common_bound_dev_if),
    ] {
        asm.load(width, R1, R7, member);
        frame.put(&mut asm, width, field, R1);
    }
    asm.jump_if_equal(R3, AF_INET6, v6);
    asm.set(R2, 0);
    for (field, member) in [(record::LOCAL, at.common_rcv_saddr), (record::PEER, at.common_daddr)] {
        asm.load(W, R1, R7, member);
        frame.put(&mut asm, D, field, R2);
        frame.put(&mut asm, D, field + 8, R2);
        frame.put(&mut asm, W, field, R1);
    }
    asm.jump(addressed).here(v6);
    for (field, member) in
        [(record::LOCAL, at.common_v6_rcv_saddr), (record::PEER, at.common_v6_daddr)]
    {
        asm.load(D, R1, R7, member).load(D, R2, R7, member.saturating_add(8));
        frame.put(&mut asm, D, field, R1);
        frame.put(&mut asm, D, field + 8, R2);
    }
    asm.here(addressed);
    frame.write(&mut asm, out);
    asm.assemble()
}

/// The programs as text, for both places of the inode.
pub(super) fn listing() -> String {
    let old = Layout { inode: InodeAt::Socket { socket: 0x120, ino: 0xc0 }, ..Layout::REFERENCE };
    [("iter/tcp", Layout::REFERENCE), ("iter/tcp, before kernel 6.18", old)]
        .map(|(title, layout)| format!("{title}:\n{}", super::asm::list(&program(&layout))))
        .join("\n")
}
