//! Processes and their sockets, listed by the kernel itself.
//!
//! Input: the running kernel. Output: [`Task`]s and [`SocketFile`]s, read from BPF iterators.
//! The programs are assembled here, on the host where they run, with the offsets that its BTF tells
//! ([`listing`] shows them); nothing is compiled, and no object file is shipped or loaded.
//!
//! Everything here is an offer: where it fails (no privilege, no BTF, an old kernel, a security
//! module), [`crate::holders`] reads `/proc` instead.

mod asm;
mod btf;
mod connections;
mod descriptors;
pub(crate) mod inspect;
mod layout;
mod programs;
mod sys;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};

use facts::{CgroupId, Inode, NetnsId, Pid, Uid};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use asm::Insn;
use btf::Btf;
pub use btf::BtfError;
pub use connections::{Connection, Connections};
use descriptors::{LONGEST_TABLE, STRETCH, Start};
use layout::{Layout, Tables};
pub use programs::listing;
use programs::{IDLE, file_record, task_record};

/// Why the iterators cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BpfError {
    /// The programs see the pids of the initial namespace, and we are in another.
    #[error("not in the initial pid namespace")]
    PidNamespace,
    /// A file could not be read.
    #[error("{operation} {path}: {error}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: &'static str,
        /// What the kernel said.
        error: Errno,
    },
    /// The kernel's types are not what the programs need.
    #[error("/sys/kernel/btf/vmlinux: {0}")]
    Btf(#[from] BtfError),
    /// A program was refused.
    #[error("load the BPF program {program}: {error}{}", verifier(.log))]
    Load {
        /// Which one.
        program: &'static str,
        /// What the kernel said.
        error: Errno,
        /// What the verifier said, where it was asked.
        log: String,
    },
    /// A loaded program could not be run, or its records not be read.
    #[error("run the BPF program {program}: {error}")]
    Run {
        /// Which one.
        program: &'static str,
        /// What the kernel said.
        error: Errno,
    },
}

/// The end of the verifier's log, for an error message.
fn verifier(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    let tail = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default();
    if tail.is_empty() { String::new() } else { format!(" ({})", tail.join("; ")) }
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub pid: Pid,
    /// Its parent; 0 for none.
    pub parent: Pid,
    /// Its effective user.
    pub uid: Uid,
    /// Its network namespace; none for a zombie.
    pub netns: Option<NetnsId>,
    /// When it started, in nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub started_ns: u64,
    /// Its cgroup in the unified hierarchy, which exists even where it is not mounted.
    pub cgroup: CgroupId,
    /// Which other processes are in the same cgroups as it, in all hierarchies: those with the same
    /// number here (the address of their `css_set`, to be compared and never shown).
    pub placement: u64,
    /// Its name, filled up with NUL.
    pub comm: [u8; 16],
    /// Whether the file that it runs was deleted or replaced.
    pub unlinked: bool,
}

/// A descriptor that refers to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFile {
    /// The socket.
    pub inode: Inode,
    /// The process.
    pub pid: Pid,
    /// The descriptor.
    pub fd: u32,
    /// Whether it is a stream that neither listens nor is connected.
    pub idle: bool,
    /// The network namespace of the socket.
    pub netns: NetnsId,
}

/// What the iterators told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// All processes.
    pub tasks: Vec<Task>,
    /// Every descriptor that refers to an IP or packet socket, perhaps without those of connected
    /// streams. A descriptor may be told twice, if threads outlive the first of their process.
    pub files: Vec<SocketFile>,
}

/// The loaded programs.
#[derive(Debug)]
pub struct Iterators {
    layout: Layout,
    /// Whether connected streams are told.
    connected: bool,
    loaded: Loaded,
}

/// One program that tells processes and descriptors, or one for the processes alone.
#[derive(Debug)]
enum Loaded {
    Together(OwnedFd, Tables),
    Apart(OwnedFd),
}

/// Names of the programs as the kernel lists them (`bpftool prog`).
const TASKS: &str = "whyopen_tasks";
const FILES: &str = "whyopen_files";

impl Iterators {
    /// Loads the programs; with `connected` unset, they do not tell the descriptors of connected
    /// streams.
    ///
    /// # Errors
    /// [`BpfError`], one for each way in which this host does not let us.
    pub fn load(connected: bool) -> Result<Self, BpfError> {
        initial_pid_namespace()?;
        if !may_load() {
            return Err(BpfError::Load { program: TASKS, error: Errno::PERM, log: String::new() });
        }
        let layout = read_btf(Layout::of)?;
        let together = layout
            .tables
            .and_then(|of| Some((walk(&layout, &of, connected, Start::First).ok()?, of)));
        let loaded = match together {
            Some((program, of)) => Loaded::Together(program, of),
            None => Loaded::Apart(load_tasks(&layout)?),
        };
        Ok(Self { layout, connected, loaded })
    }

    /// The program that lists TCP connections; none where this kernel does not take it.
    pub fn connections(&self) -> Option<Connections> {
        Connections::load().ok()
    }

    /// Reads all processes and their descriptors.
    ///
    /// # Errors
    /// [`BpfError::Load`] or [`BpfError::Run`].
    pub fn read(&self) -> Result<Told, BpfError> {
        match &self.loaded {
            Loaded::Together(program, of) => match self.together(program, of) {
                Some(told) => Ok(told),
                None => self.apart(&load_tasks(&self.layout)?),
            },
            Loaded::Apart(tasks) => self.apart(tasks),
        }
    }

    /// By the program that tells both; none where a process has too many descriptors for it, or
    /// where it fails.
    fn together(&self, program: &OwnedFd, of: &Tables) -> Option<Told> {
        let mut told = Told::default();
        run(FILES, program, None, |bytes| told.take(bytes)).ok()?;
        // The mark of a table that is longer than one stretch.
        let long: Vec<SocketFile> =
            told.files.extract_if(.., |file| file.inode == Inode(0)).collect();
        if long.is_empty() {
            return Some(told);
        }
        let number = sys::make_number().ok()?;
        let start = Start::Map(number.as_raw_fd());
        let program = walk(&self.layout, of, self.connected, start).ok()?;
        for table in long {
            let (length, NetnsId(task)) = (table.fd, table.netns);
            if length > LONGEST_TABLE {
                return None;
            }
            let mut first = STRETCH;
            while first < length {
                sys::set_number(&number, first).ok()?;
                run(FILES, &program, Some(task), |bytes| told.take(bytes)).ok()?;
                first += STRETCH;
            }
        }
        Some(told)
    }

    /// By one program for the processes and one for the descriptors.
    fn apart(&self, tasks: &OwnedFd) -> Result<Told, BpfError> {
        let mut told = Told::default();
        run(TASKS, tasks, None, |bytes| told.take(bytes))?;
        let program = programs::files(&self.layout, self.connected);
        let program = load(FILES, &program, self.layout.bpf_iter_task_file)?;
        run(FILES, &program, None, |bytes| told.take(bytes))?;
        Ok(told)
    }
}

impl Told {
    /// Takes all whole records that these bytes begin with, and says how many bytes they are.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Some(mark) = rest.first_chunk()
        {
            if u64::from_ne_bytes(*mark) == u64::MAX {
                let Some(record) = rest.get(..task_record::BYTES) else { break };
                self.tasks.push(task(record));
                at += task_record::BYTES;
            } else {
                let Some(record) = rest.get(..file_record::BYTES) else { break };
                self.files.push(socket_file(record));
                at += file_record::BYTES;
            }
        }
        at
    }
}

/// Reads the record of a process.
fn task(record: &[u8]) -> Task {
    use task_record as at;
    Task {
        pid: Pid(word(record, at::TGID)),
        parent: Pid(word(record, at::PARENT)),
        uid: Uid(word(record, at::EUID)),
        netns: Some(word(record, at::NETNS)).filter(|netns| *netns != 0).map(NetnsId),
        started_ns: long(record, at::STARTED),
        cgroup: CgroupId(long(record, at::CGROUP)),
        placement: long(record, at::CSS_SET),
        comm: chunk(record, at::COMM),
        unlinked: word(record, at::UNLINKED) != 0,
    }
}

/// Reads the record of a descriptor.
fn socket_file(record: &[u8]) -> SocketFile {
    use file_record as at;
    SocketFile {
        inode: Inode(long(record, at::INODE)),
        pid: Pid(word(record, at::TGID)),
        fd: word(record, at::FD) & !IDLE,
        idle: word(record, at::FD) & IDLE != 0,
        netns: NetnsId(word(record, at::NETNS)),
    }
}

/// Loads the program for processes and their descriptors. Where connected streams are told as well,
/// there may be many: then it looks at several abreast, where that costs no faults.
fn walk(layout: &Layout, of: &Tables, connected: bool, start: Start) -> Result<OwnedFd, Errno> {
    let abreast = connected && cfg!(target_arch = "x86_64");
    let program = descriptors::program(layout, of, connected, abreast, start);
    sys::load(FILES.as_bytes(), &program, programs::LICENSE, layout.bpf_iter_task, &mut [])
}

/// Loads the program for processes.
fn load_tasks(layout: &Layout) -> Result<OwnedFd, BpfError> {
    let load = |cast| load(TASKS, &programs::tasks(layout, cast), layout.bpf_iter_task);
    match load(layout.bpf_rdonly_cast) {
        // There, but not allowed to programs of this type.
        Err(_) if layout.bpf_rdonly_cast.is_some() => load(None),
        other => other,
    }
}

/// Whether the kernel may let us load a program (`kernel/bpf/syscall.c`, `bpf_prog_load`): asked
/// before BTF is searched in vain.
fn may_load() -> bool {
    let needed = CapabilitySet::BPF | CapabilitySet::PERFMON;
    rustix::thread::capabilities(None).map_or(true, |sets| {
        sets.effective.contains(needed) || sets.effective.contains(CapabilitySet::SYS_ADMIN)
    })
}

/// Refuses to work in a pid namespace of our own.
fn initial_pid_namespace() -> Result<(), BpfError> {
    /// `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`).
    const PROC_PID_INIT_INO: u64 = 0xefff_fffc;
    const PATH: &str = "/proc/self/ns/pid";
    let stat = rustix::fs::stat(PATH).map_err(|error| BpfError::File {
        operation: "stat",
        path: PATH,
        error,
    })?;
    if stat.st_ino == PROC_PID_INIT_INO { Ok(()) } else { Err(BpfError::PidNamespace) }
}

/// Reads a layout from the kernel's BTF.
fn read_btf<T>(layout: fn(Btf<'_>) -> Result<T, BtfError>) -> Result<T, BpfError> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let failed = |operation| move |error| BpfError::File { operation, path: PATH, error };
    let mut file = File::open(PATH).map_err(|e| failed("open")(errno(&e)))?;
    let size = file.metadata().map_err(|e| failed("stat")(errno(&e)))?.len();
    let size = usize::try_from(size).unwrap_or_default();
    if let Some(mapped) = Mapped::new(&file, size) {
        return Ok(layout(Btf::new(mapped.bytes())?)?);
    }
    // Kernels before 6.16 cannot map it.
    let mut bytes = Vec::with_capacity(size.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|e| failed("read")(errno(&e)))?;
    Ok(layout(Btf::new(&bytes)?)?)
}

/// The number of an error of the standard library.
fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A file mapped into memory.
struct Mapped {
    start: std::ptr::NonNull<u8>,
    size: usize,
}

impl Mapped {
    /// Maps a file of this size; none if that is not possible.
    fn new(file: &File, size: usize) -> Option<Self> {
        use rustix::mm::{MapFlags, ProtFlags};
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        #[allow(unsafe_code, reason = "reading 5 MB costs more than the scan itself")]
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                size,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )
        };
        Some(Self { start: std::ptr::NonNull::new(start.ok()?.cast())?, size })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `size` bytes from `start` are mapped until `self` is dropped. They are a section
        // of the running kernel that is never written or cut (kernel/bpf/sysfs_btf.c).
        #[allow(unsafe_code, reason = "see above")]
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.size)
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nothing borrows from it any more.
        #[allow(unsafe_code, reason = "see above")]
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

/// Loads a program, and again with the verifier's log if it refuses it.
fn load(name: &'static str, program: &[Insn], attach_btf_id: u32) -> Result<OwnedFd, BpfError> {
    let load =
        |log: &mut [u8]| sys::load(name.as_bytes(), program, programs::LICENSE, attach_btf_id, log);
    let error = match load(&mut []) {
        Ok(fd) => return Ok(fd),
        Err(error) => error,
    };
    let mut log = Vec::new();
    // Without privilege the verifier is not reached.
    if error != Errno::PERM {
        log = vec![0; 64 * 1024];
        if let Ok(fd) = load(&mut log) {
            return Ok(fd);
        }
    }
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(log.get(..end).unwrap_or_default()).into_owned();
    Err(BpfError::Load { program: name, error, log })
}

/// Runs a program over everything, or over one task, and gives what it writes to `take`, which says
/// how many bytes of it were whole records.
fn run(
    name: &'static str,
    program: &OwnedFd,
    task: Option<u32>,
    mut take: impl FnMut(&[u8]) -> usize,
) -> Result<(), BpfError> {
    let failed = |error| BpfError::Run { program: name, error };
    let records = sys::iterate(program, task).map_err(failed)?;
    // The kernel's own buffer has 8 pages and is handed out whole (kernel/bpf/bpf_iter.c,
    // bpf_seq_read): a larger one here is never filled.
    let mut buffer = vec![0; 32 * 1024];
    // What is left over of a record whose end did not fit.
    let mut kept = 0;
    loop {
        let space = buffer.get_mut(kept..).unwrap_or_default();
        let read = match rustix::io::read(&records, space) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            // The iterator gave its turn away after a million objects without a record.
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(failed(error)),
        };
        let filled = kept + read;
        let whole = take(buffer.get(..filled).unwrap_or_default()).min(filled);
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}

/// Calls `each` with every whole record of this size, and says how many bytes they are.
fn each_record(bytes: &[u8], size: usize, each: impl FnMut(&[u8])) -> usize {
    bytes.chunks_exact(size).for_each(each);
    bytes.len() - bytes.len() % size
}

/// Entry point for fuzzing: BTF of any bytes must not panic.
#[doc(hidden)]
pub fn fuzz_btf(bytes: &[u8]) {
    if let Ok(btf) = Btf::new(bytes) {
        let _ = Layout::of(btf);
        let found = btf.search(&["outer", "old"], &["wanted"]);
        for member in ["first", "deep", "last", "far", "none"] {
            let _ = (found.offset("outer", member), found.offset("old", member));
        }
    }
}

/// Entry point for fuzzing: records of any bytes must not panic, and end.
#[doc(hidden)]
pub fn fuzz_records(bytes: &[u8]) {
    assert!(Told::default().take(bytes) <= bytes.len());
    connections::fuzz(bytes);
}

/// Some bytes of a record; zeros behind its end, where no field is.
fn chunk<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    record.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// A 32-bit field of a record, in our byte order.
fn word(record: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(chunk(record, at))
}

/// A 64-bit field of a record, in our byte order.
fn long(record: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(chunk(record, at))
}

#[cfg(test)]
mod tests;
