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
pub(crate) mod inspect;
mod layout;
mod programs;
mod sys;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use facts::{CgroupId, Inode, NetnsId, Pid, Uid};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use asm::Insn;
use btf::Btf;
pub use btf::BtfError;
use layout::{Layout, Tables};
pub use programs::listing;
use programs::{file_record, task_record};

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
    /// The network namespace of the socket.
    pub netns: NetnsId,
}

/// The loaded programs.
#[derive(Debug)]
pub struct Iterators {
    layout: Layout,
    tasks: OwnedFd,
}

/// Names of the programs as the kernel lists them (`bpftool prog`).
const TASKS: &str = "whyopen_tasks";
const FILES: &str = "whyopen_files";

impl Iterators {
    /// Loads the programs.
    ///
    /// # Errors
    /// [`BpfError`], one for each way in which this host does not let us.
    pub fn load() -> Result<Self, BpfError> {
        initial_pid_namespace()?;
        if !may_load() {
            return Err(BpfError::Load { program: TASKS, error: Errno::PERM, log: String::new() });
        }
        let layout = read_layout()?;
        let load_tasks = |cast| load(TASKS, &programs::tasks(&layout, cast), layout.bpf_iter_task);
        let cast = layout.bpf_rdonly_cast;
        let tasks = match load_tasks(cast) {
            // There, but not allowed to programs of this type.
            Err(_) if cast.is_some() => load_tasks(None)?,
            other => other?,
        };
        Ok(Self { layout, tasks })
    }

    /// Calls `each` with every process, in ascending order of pids.
    ///
    /// # Errors
    /// [`BpfError::Run`]; some processes may have been told before.
    pub fn tasks(&self, mut each: impl FnMut(Task)) -> Result<(), BpfError> {
        run(TASKS, &self.tasks, task_record::BYTES, |record| {
            use task_record as at;
            each(Task {
                pid: Pid(word(record, at::TGID)),
                parent: Pid(word(record, at::PARENT)),
                uid: Uid(word(record, at::EUID)),
                netns: Some(word(record, at::NETNS)).filter(|netns| *netns != 0).map(NetnsId),
                started_ns: long(record, at::STARTED),
                cgroup: CgroupId(long(record, at::CGROUP)),
                placement: long(record, at::CSS_SET),
                comm: chunk(record, at::COMM),
                unlinked: word(record, at::UNLINKED) != 0,
            });
        })
    }

    /// Every descriptor that refers to an IP or packet socket; without `connected`, not those of
    /// connected streams. A descriptor may be told twice, if threads outlive the first of their
    /// process.
    ///
    /// # Errors
    /// [`BpfError::Load`] or [`BpfError::Run`].
    pub fn files(&self, connected: bool) -> Result<Vec<SocketFile>, BpfError> {
        if let Some(of) = &self.layout.tables
            && let Some(files) = self.files_of_tables(of, connected)
        {
            return Ok(files);
        }
        let program = programs::files(&self.layout, connected);
        collect_files(&load(FILES, &program, self.layout.bpf_iter_task_file)?)
    }

    /// The same by the quicker program; none where the kernel does not take it, or where a process
    /// has too many.
    fn files_of_tables(&self, of: &Tables, connected: bool) -> Option<Vec<SocketFile>> {
        let program = programs::tables(&self.layout, of, connected);
        let type_id = self.layout.bpf_iter_task;
        let program =
            sys::load(FILES.as_bytes(), &program, programs::LICENSE, type_id, &mut []).ok()?;
        let files = collect_files(&program).ok()?;
        // The mark of a table that was too long.
        let whole = !files.iter().any(|file| file.inode == Inode(0));
        whole.then_some(files)
    }
}

/// Reads the records of a program that tells descriptors.
fn collect_files(program: &OwnedFd) -> Result<Vec<SocketFile>, BpfError> {
    let mut files = Vec::new();
    run(FILES, program, file_record::BYTES, |record| {
        use file_record as at;
        files.push(SocketFile {
            inode: Inode(long(record, at::INODE)),
            pid: Pid(word(record, at::TGID)),
            fd: word(record, at::FD),
            netns: NetnsId(word(record, at::NETNS)),
        });
    })?;
    Ok(files)
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

/// Reads the layout from the kernel's BTF.
fn read_layout() -> Result<Layout, BpfError> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let failed = |operation| move |error| BpfError::File { operation, path: PATH, error };
    let mut file = File::open(PATH).map_err(|e| failed("open")(errno(&e)))?;
    let size = file.metadata().map_err(|e| failed("stat")(errno(&e)))?.len();
    let size = usize::try_from(size).unwrap_or_default();
    if let Some(mapped) = Mapped::new(&file, size) {
        return Ok(Layout::of(Btf::new(mapped.bytes())?)?);
    }
    // Kernels before 6.16 cannot map it.
    let mut bytes = Vec::with_capacity(size.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|e| failed("read")(errno(&e)))?;
    Ok(Layout::of(Btf::new(&bytes)?)?)
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

/// Runs a program over everything, and calls `each` with every record.
fn run(
    name: &'static str,
    program: &OwnedFd,
    record_bytes: usize,
    mut each: impl FnMut(&[u8]),
) -> Result<(), BpfError> {
    let failed = |error| BpfError::Run { program: name, error };
    let records = sys::iterate(program).map_err(failed)?;
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
        let whole = filled - filled % record_bytes;
        for record in buffer.get(..whole).unwrap_or_default().chunks_exact(record_bytes) {
            each(record);
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
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
mod tests {
    use super::*;

    /// The program for kernels before 6.2 tells the same as the one with the cast. The first
    /// processes of a host do not come and go.
    #[test]
    fn both_programs_for_tasks_are_accepted_and_tell_the_same() {
        let layout = read_layout().unwrap();
        let cast = layout.bpf_rdonly_cast;
        assert!(cast.is_some());
        let first = |cast| -> Vec<Task> {
            let program = programs::tasks(&layout, cast);
            let tasks = load(TASKS, &program, layout.bpf_iter_task).unwrap();
            let mut found = Vec::new();
            let iterators = Iterators { layout, tasks };
            iterators.tasks(|task| found.push(task)).unwrap();
            found.truncate(10);
            found
        };
        assert_eq!(first(cast), first(None));
    }

    /// Both programs for descriptors tell the same of every kind of file that is or resembles a
    /// socket; the quicker one is taken by this kernel.
    #[test]
    fn both_programs_for_descriptors_tell_the_same() {
        use std::net::{TcpListener, TcpStream, UdpSocket};
        use std::os::fd::AsRawFd as _;

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let twice = udp.try_clone().unwrap();
        let unix = std::os::unix::net::UnixStream::pair().unwrap();
        let inode = |fd: i32| rustix::fs::stat(format!("/proc/self/fd/{fd}")).unwrap().st_ino;
        // A descriptor of the socket's inode, but of no socket.
        let path = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let by_path = rustix::fs::open(path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty());
        let by_path = by_path.unwrap();

        let iterators = Iterators::load().unwrap();
        let of = iterators.layout.tables.unwrap();
        let me = Pid(std::process::id());
        let fds = [listener.as_raw_fd(), client.as_raw_fd(), udp.as_raw_fd(), twice.as_raw_fd()];
        let inodes = [fds[0], fds[1], fds[2], unix.0.as_raw_fd(), by_path.as_raw_fd()].map(inode);
        let ours = |files: Vec<SocketFile>| -> Vec<(u64, u32, NetnsId)> {
            let ours = files.into_iter().filter(|f| f.pid == me && inodes.contains(&f.inode.0));
            let mut ours: Vec<_> = ours.map(|f| (f.inode.0, f.fd, f.netns)).collect();
            ours.sort_unstable();
            ours
        };
        for (connected, expect) in [(false, 3), (true, 4)] {
            let program = programs::files(&iterators.layout, connected);
            let slow = load(FILES, &program, iterators.layout.bpf_iter_task_file).unwrap();
            let slow = collect_files(&slow).unwrap();
            let Some(quick) = iterators.files_of_tables(&of, connected) else {
                // Only for a process with more sockets than fit into the kernel's buffer.
                let most = slow.chunk_by(|a, b| a.pid == b.pid).map(<[_]>::len).max();
                assert!(most >= Some(32 * 1024 / file_record::BYTES), "refused: {most:?}");
                continue;
            };
            let quick = ours(quick);
            assert_eq!(quick, ours(slow));
            assert_eq!(quick.len(), expect, "{quick:?}");
        }
    }

    /// The verifier's words reach whoever asks why BPF is not used.
    #[test]
    fn a_refused_program_says_why() {
        let layout = Layout { cred_euid: 7, ..read_layout().unwrap() };
        let program = programs::tasks(&layout, None);
        let error = load(TASKS, &program, layout.bpf_iter_task).unwrap_err();
        let BpfError::Load { log, .. } = &error else { panic!("{error}") };
        assert!(log.contains("access beyond") || log.contains("cred"), "{log}");
        assert!(error.to_string().starts_with("load the BPF program whyopen_tasks: "), "{error}");
    }
}
