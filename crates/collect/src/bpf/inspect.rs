//! Looking at the programs of others: which are attached, what they are called, what is in their
//! maps. Nothing is loaded or run.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::sys::{bpf, call};

// Commands (include/uapi/linux/bpf.h).
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_MAP_GET_FD_BY_ID: libc::c_long = 14;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_PROG_QUERY: libc::c_long = 16;
/// In `query_flags`: with what is attached above.
const BPF_F_QUERY_EFFECTIVE: u32 = 1;
/// In `open_flags`: not for writing.
const BPF_F_RDONLY: u32 = 8;

/// Where programs are attached (`enum bpf_attach_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum AttachType {
    /// `BPF_CGROUP_INET_INGRESS`.
    CgroupIngress = 0,
    /// `BPF_CGROUP_INET_EGRESS`.
    CgroupEgress = 1,
    /// `BPF_SK_LOOKUP`.
    SocketLookup = 36,
    /// `BPF_TCX_INGRESS`.
    TcxIngress = 46,
    /// `BPF_TCX_EGRESS`.
    TcxEgress = 47,
    /// `BPF_NETKIT_PRIMARY`.
    NetkitPrimary = 54,
    /// `BPF_NETKIT_PEER`.
    NetkitPeer = 55,
}

/// What programs are attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'fd> {
    /// A cgroup's directory; with the programs of those above it.
    Cgroup(BorrowedFd<'fd>),
    /// A network namespace.
    Netns(BorrowedFd<'fd>),
    /// An interface.
    Link(u32),
}

/// `union bpf_attr` of `BPF_PROG_QUERY`, to its end: since Linux 6.6 the kernel writes the revision
/// without asking how long the structure is (kernel/bpf/mprog.c, bpf_mprog_query).
#[repr(C)]
#[derive(Default)]
struct ProgQuery {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// `union bpf_attr` of `BPF_PROG_GET_FD_BY_ID` and `BPF_MAP_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct GetFd {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// `union bpf_attr` of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Default)]
struct GetInfo {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `union bpf_attr` of the commands about one element of a map.
#[repr(C)]
#[derive(Default)]
struct Element {
    map_fd: u32,
    padding: u32,
    key: u64,
    value_or_next_key: u64,
    flags: u64,
}

/// The first fields of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct ProgInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
    load_time: u64,
    created_by_uid: u32,
    nr_map_ids: u32,
    map_ids: u64,
    name: [u8; 16],
}

/// The first fields of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct RawMapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

/// The shape of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapShape {
    /// `enum bpf_map_type`.
    pub(crate) kind: u32,
    /// Length of a key in bytes.
    pub(crate) key_size: u32,
    /// Length of a value in bytes.
    pub(crate) value_size: u32,
}

/// An open program.
#[derive(Debug)]
pub(crate) struct Program {
    fd: OwnedFd,
    /// Its name, up to 15 bytes.
    pub(crate) name: String,
}

/// More programs than this are never attached to one place (`BPF_CGROUP_MAX_PROGS`, and
/// `BPF_MPROG_MAX` in include/linux/bpf_mprog.h, are 64).
const MOST_PROGRAMS: u32 = 64;

/// The longest program that is looked at, in bytes: 8 for each instruction.
const LONGEST_PROGRAM: u32 = 1 << 20;

/// The numbers of the programs that are attached there.
///
/// A kernel that knows no such place says `EINVAL`: then none is there.
pub(crate) fn attached(target: Target<'_>, kind: AttachType) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![0_u32; MOST_PROGRAMS as usize];
    let (number, query_flags) = match target {
        Target::Cgroup(fd) => (fd.as_raw_fd().cast_unsigned(), BPF_F_QUERY_EFFECTIVE),
        Target::Netns(fd) => (fd.as_raw_fd().cast_unsigned(), 0),
        Target::Link(index) => (index, 0),
    };
    let mut attr = ProgQuery {
        target: number,
        attach_type: kind as u32,
        query_flags,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MOST_PROGRAMS,
        ..ProgQuery::default()
    };
    // SAFETY: the kernel writes at most `prog_cnt` numbers to `ids`, which lives as long as the call.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    match unsafe { call(BPF_PROG_QUERY, &mut attr) } {
        Ok(_) => {}
        Err(Errno::INVAL) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    ids.truncate(attr.prog_cnt as usize);
    Ok(ids)
}

/// `BPF_PROG_GET_NEXT_ID`.
const BPF_PROG_GET_NEXT_ID: libc::c_long = 11;
/// The most programs that are looked through.
const MOST_LOADED: usize = 10_000;

/// Whether a program of this type (`enum bpf_prog_type`) is loaded at all.
pub(crate) fn is_any_loaded(kind: u32) -> Result<bool, Errno> {
    let mut id = 0;
    for _ in 0..MOST_LOADED {
        let mut attr = GetFd { id, ..GetFd::default() };
        // SAFETY: the attribute holds numbers only.
        #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
        match unsafe { call(BPF_PROG_GET_NEXT_ID, &mut attr) } {
            Ok(_) => id = attr.next_id,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error),
        }
        let info = by_id(BPF_PROG_GET_FD_BY_ID, id, 0).and_then(|fd| {
            let mut info = ProgInfo::default();
            info_of(fd.as_fd(), &mut info).map(|()| info)
        });
        match info {
            Ok(info) if info.kind == kind => return Ok(true),
            // Unloaded since it was told.
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Program {
    /// Opens a program by its number.
    pub(crate) fn open(id: u32) -> Result<Self, Errno> {
        let fd = by_id(BPF_PROG_GET_FD_BY_ID, id, 0)?;
        let mut program = Self { fd, name: String::new() };
        let info = program.info(ProgInfo::default())?;
        let name = info.name.split(|byte| *byte == 0).next().unwrap_or_default();
        program.name = String::from_utf8_lossy(name).into_owned();
        Ok(program)
    }

    /// Its instructions as the kernel runs them, with the numbers of its maps in them. Empty where
    /// the kernel does not show them.
    pub(crate) fn instructions(&self) -> Result<Vec<u8>, Errno> {
        let length = self.info(ProgInfo::default())?.xlated_prog_len.min(LONGEST_PROGRAM);
        let mut bytes = vec![0_u8; length as usize];
        let asked = ProgInfo {
            xlated_prog_len: length,
            xlated_prog_insns: bytes.as_mut_ptr() as u64,
            ..ProgInfo::default()
        };
        let told = self.info(asked)?;
        if told.xlated_prog_insns == 0 {
            bytes.clear();
        }
        bytes.truncate(told.xlated_prog_len as usize);
        Ok(bytes)
    }

    /// Asks for its description. What the question points to outlives the call in both callers.
    fn info(&self, mut info: ProgInfo) -> Result<ProgInfo, Errno> {
        info_of(self.fd.as_fd(), &mut info)?;
        Ok(info)
    }
}

/// Opens a map by its number, and says what shape it has.
pub(crate) fn open_map(id: u32) -> Result<(OwnedFd, MapShape), Errno> {
    let fd = by_id(BPF_MAP_GET_FD_BY_ID, id, BPF_F_RDONLY)?;
    let mut info = RawMapInfo::default();
    info_of(fd.as_fd(), &mut info)?;
    let RawMapInfo { kind, key_size, value_size, .. } = info;
    Ok((fd, MapShape { kind, key_size, value_size }))
}

/// The key and the value of an element of a map.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// The keys and values of a map, at most this many; `TOOBIG` if there are more. For maps whose
/// values are not per processor.
pub(crate) fn entries(map: &OwnedFd, shape: MapShape, most: usize) -> Result<Vec<Entry>, Errno> {
    let mut found = Vec::new();
    let mut key = vec![0_u8; shape.key_size as usize];
    let mut next = vec![0_u8; shape.key_size as usize];
    let mut first = true;
    loop {
        let from = if first { 0 } else { key.as_ptr() as u64 };
        match element(BPF_MAP_GET_NEXT_KEY, map, from, &mut next) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(found),
            Err(error) => return Err(error),
        }
        first = false;
        std::mem::swap(&mut key, &mut next);
        let mut value = vec![0_u8; shape.value_size as usize];
        match element(BPF_MAP_LOOKUP_ELEM, map, key.as_ptr() as u64, &mut value) {
            Ok(()) => found.push((key.clone(), value)),
            // Removed since its key was told.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        // A map that changes while it is read may begin anew for ever.
        if found.len() > most {
            return Err(Errno::TOOBIG);
        }
    }
}

/// One question about an element; `key` is the address of a key of the map's size, or 0 where the
/// command allows it, and `answer` has the size of what the command writes.
fn element(command: libc::c_long, map: &OwnedFd, key: u64, answer: &mut [u8]) -> Result<(), Errno> {
    let mut attr = Element {
        map_fd: map.as_raw_fd().cast_unsigned(),
        key,
        value_or_next_key: answer.as_mut_ptr() as u64,
        ..Element::default()
    };
    // SAFETY: both buffers have the sizes that the kernel said the map has, and outlive the call.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe { call(command, &mut attr) }.map(|_| ())
}

/// Opens an object by its number.
fn by_id(command: libc::c_long, id: u32, open_flags: u32) -> Result<OwnedFd, Errno> {
    let mut attr = GetFd { id, open_flags, ..GetFd::default() };
    // SAFETY: the attribute holds numbers only.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe {
        bpf(command, &mut attr)
    }
}

/// Asks what an open object is. Pointers within `info` must be good.
fn info_of<Info>(object: BorrowedFd<'_>, info: &mut Info) -> Result<(), Errno> {
    let mut attr = GetInfo {
        bpf_fd: object.as_raw_fd().cast_unsigned(),
        info_len: u32::try_from(size_of::<Info>()).map_err(|_| Errno::TOOBIG)?,
        info: std::ptr::from_mut(info) as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, a structure of numbers; and to
    // the buffer that its only pointer names at most as many as `info` says.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe { call(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.map(|_| ())
}
