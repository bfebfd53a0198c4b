//! bpf(2): the call itself; loading a program and running it as an iterator.

use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use super::asm::Insn;

// Commands and types (include/uapi/linux/bpf.h).
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_ITER: u32 = 28;

/// `union bpf_attr` of `BPF_PROG_LOAD`, as far as it is used.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    padding: u32,
}

/// `union bpf_attr` of `BPF_LINK_CREATE`.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    padding: u32,
}

/// `union bpf_iter_link_info`: of one task alone, by its id (kernel 6.1).
#[repr(C)]
struct OfTask {
    tid: u32,
    pid: u32,
    pid_fd: u32,
}

/// `union bpf_attr` of `BPF_MAP_CREATE`, as far as it is used.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// `union bpf_attr` of `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct MapUpdate {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` of `BPF_ITER_CREATE`.
#[repr(C)]
#[derive(Default)]
struct IterCreate {
    link_fd: u32,
    flags: u32,
}

/// Loads a program that is called in place of the function with this BTF id. A log buffer makes the
/// verifier say why it refuses.
pub(super) fn load(
    name: &[u8],
    program: &[Insn],
    license: &CStr,
    attach_btf_id: u32,
    log: &mut [u8],
) -> Result<OwnedFd, Errno> {
    let mut prog_name = [0; 16];
    // The last byte stays NUL.
    for (to, from) in prog_name.iter_mut().zip(name.iter().take(15)) {
        *to = *from;
    }
    let mut attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_TRACING,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        insns: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: u32::try_from(log.len()).map_err(|_| Errno::TOOBIG)?,
        log_buf: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        prog_name,
        expected_attach_type: BPF_TRACE_ITER,
        attach_btf_id,
        ..ProgLoad::default()
    };
    // SAFETY: the kernel reads `insn_cnt` instructions and a C string, and writes at most
    // `log_size` bytes, all of which the three borrows keep alive during the call.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe {
        bpf(BPF_PROG_LOAD, &mut attr)
    }
}

/// Makes a map with one 32-bit number in it, 0.
pub(super) fn make_number() -> Result<OwnedFd, Errno> {
    let size = u32::try_from(size_of::<u32>()).map_err(|_| Errno::TOOBIG)?;
    let mut attr = MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: size,
        value_size: size,
        max_entries: 1,
    };
    // SAFETY: the attribute holds numbers only.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe {
        bpf(BPF_MAP_CREATE, &mut attr)
    }
}

/// Sets the number in such a map.
pub(super) fn set_number(map: &OwnedFd, value: u32) -> Result<(), Errno> {
    let key = 0_u32;
    let mut attr = MapUpdate {
        map_fd: number(map),
        padding: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    // SAFETY: the kernel reads a key and a value of the size that the map was made with, 32 bits;
    // both live until the call returns.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe { call(BPF_MAP_UPDATE_ELEM, &mut attr) }?;
    Ok(())
}

/// Makes an iterator of a loaded program: a descriptor to read its records from. One that goes over
/// tasks may be limited to one.
pub(super) fn iterate(program: &OwnedFd, task: Option<u32>) -> Result<OwnedFd, Errno> {
    let of = OfTask { tid: task.unwrap_or_default(), pid: 0, pid_fd: 0 };
    let mut attr = LinkCreate {
        prog_fd: number(program),
        attach_type: BPF_TRACE_ITER,
        ..LinkCreate::default()
    };
    if task.is_some() {
        attr.iter_info = std::ptr::from_ref(&of) as u64;
        attr.iter_info_len = u32::try_from(size_of::<OfTask>()).map_err(|_| Errno::TOOBIG)?;
    }
    // SAFETY: the attribute holds numbers, and perhaps the address of a structure and its size; it
    // lives until the call returns.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    let link = unsafe { bpf(BPF_LINK_CREATE, &mut attr) }?;
    let mut attr = IterCreate { link_fd: number(&link), flags: 0 };
    // SAFETY: the attribute holds numbers only.
    #[allow(unsafe_code, reason = "rustix has no bpf(2)")]
    unsafe {
        // The iterator keeps the link alive, which is closed here.
        bpf(BPF_ITER_CREATE, &mut attr)
    }
}

/// A descriptor as the kernel's attributes hold it.
fn number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// Calls bpf(2) for one of the commands that return a descriptor. The kernel sets the close-on-exec
/// flag on all of them.
///
/// # Safety
/// Every pointer in the attribute must be good for what the command does with it.
#[allow(unsafe_code, reason = "rustix has no bpf(2)")]
pub(super) unsafe fn bpf<Attr>(command: libc::c_long, attr: &mut Attr) -> Result<OwnedFd, Errno> {
    // SAFETY: the same is asked of our own caller.
    let fd = unsafe { call(command, attr) }?;
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Err(_) => Err(Errno::BADF),
    }
}

/// Calls bpf(2); the kernel may write into the attribute.
///
/// # Safety
/// Every pointer in the attribute must be good for what the command does with it.
#[allow(unsafe_code, reason = "rustix has no bpf(2)")]
pub(super) unsafe fn call<Attr>(command: libc::c_long, attr: &mut Attr) -> Result<u64, Errno> {
    // SAFETY: the attribute is as long as it is said to be and without padding of the compiler's;
    // that its pointers are good is up to the caller.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<Attr>())
    };
    u64::try_from(result).map_err(|_| last_error())
}

/// The error of the system call that has just failed.
fn last_error() -> Errno {
    std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}
