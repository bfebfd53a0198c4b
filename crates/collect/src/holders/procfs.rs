//! `/proc` as a directory of processes, read with as few system calls as it allows.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

use facts::{Inode, NetnsId, Pid};
use rustix::ffi::CStr;
use rustix::fs::{AtFlags, Mode, OFlags, PROC_SUPER_MAGIC, RawDir, Stat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::{privilege, stat};

/// Room for directory entries: 24 bytes and a short name each, so about 500 of them in one call.
const DIRECTORY_BYTES: usize = 16 * 1024;

/// More than any file that is read whole may have; `fdinfo` of an io_uring lists each request.
const FILE_BYTES: usize = 16 * 1024 * 1024;

/// An open `/proc`.
#[derive(Debug)]
pub(super) struct Proc {
    dir: OwnedFd,
    /// Whether the files of processes of other users are refused to us.
    own_only: bool,
}

impl Proc {
    /// Opens `/proc`.
    pub(super) fn open() -> Result<Self, Errno> {
        let dir = rustix::fs::open("/proc", directory(), Mode::empty())?;
        // Where nothing is mounted there is an empty directory, which must not read as a host
        // without processes.
        if rustix::fs::fstatfs(&dir)?.f_type != PROC_SUPER_MAGIC {
            return Err(Errno::NODEV);
        }
        let may_trace = rustix::thread::capabilities(None)
            .map_or(true, |sets| sets.effective.contains(CapabilitySet::SYS_PTRACE));
        Ok(Self { dir, own_only: !may_trace })
    }

    /// Whether the descriptors and namespaces of a process are known to be refused to us. One
    /// cheap call instead of several in vain for each process of other users.
    ///
    /// kill(2) is refused if neither our real nor our effective user is the real or saved one of
    /// the process, and we have no `CAP_KILL` over it (`kernel/signal.c`, `kill_ok_by_cred`). What
    /// is asked here needs our user to be all three of its users, or `CAP_SYS_PTRACE`
    /// (`kernel/ptrace.c`, `__ptrace_may_access`). In a user namespace that is ours we have both.
    pub(super) fn refuses(&self, pid: Pid) -> bool {
        self.own_only
            && number_of(pid)
                .is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(Errno::PERM))
    }

    /// Whether these are the processes of the whole host: those of the initial pid namespace.
    ///
    /// What `/proc` shows are the processes of the pid namespace that it was mounted in, where pid 1
    /// always is itself. Whoever may not ask about that one is taken to be in the same.
    pub(super) fn shows_whole_host(&self) -> bool {
        let inode = |path: &str| {
            let text = rustix::fs::readlinkat(&self.dir, path, Vec::new()).ok()?;
            numbered(text.as_bytes(), b"pid:")
        };
        let namespace = inode("1/ns/pid").or_else(|| inode("thread-self/ns/pid"));
        // Without any there is only one: the kernel has none (CONFIG_PID_NS is not set).
        namespace.is_none_or(|inode| inode == privilege::PROC_PID_INIT_INO)
    }

    /// Whether a process is there and no thread of the kernel.
    pub(super) fn is_users(&self, pid: Pid, text: &mut Vec<u8>) -> bool {
        // Threads of the kernel are in process group 0; so is, seen from inside a pid namespace, a
        // process whose group is outside of it.
        // SAFETY: getpgid(2) takes a number and no pointer.
        #[allow(unsafe_code, reason = "rustix takes 0 for impossible")]
        let group = unsafe { libc::getpgid(libc::pid_t::try_from(pid.0).unwrap_or(-1)) };
        group > 0
            || self.read_piece(pid, "stat", text).is_ok()
                && stat::stat(text).is_none_or(|stat| !stat.kernel)
    }

    /// The ids of all processes that we may see, in ascending order.
    pub(super) fn pids(&self) -> Result<Vec<Pid>, Errno> {
        // A directory of its own, so that its position is at the start.
        let dir = rustix::fs::openat(&self.dir, ".", directory(), Mode::empty())?;
        let mut pids = Vec::new();
        entries(&dir, |name| pids.extend(number(name.to_bytes()).map(Pid)))?;
        pids.sort_unstable();
        Ok(pids)
    }

    /// The descriptors of a process as an open directory, `/proc/PID/fd`; or of one of its
    /// threads, `/proc/PID/task/TID/fd`.
    pub(super) fn descriptors(&self, pid: Pid, thread: Option<u32>) -> Result<OwnedFd, Errno> {
        let path = match thread {
            None => format!("{pid}/fd"),
            Some(tid) => format!("{pid}/task/{tid}/fd"),
        };
        rustix::fs::openat(&self.dir, path, directory(), Mode::empty())
    }

    /// The ids of the threads of a process beside its first; empty if there is only that one.
    pub(super) fn other_threads(&self, pid: Pid) -> Result<Vec<u32>, Errno> {
        // The link count of the directory is 2 and one for each thread (fs/proc/base.c,
        // proc_task_getattr): one call tells whether there is more than one.
        if self.stat(pid, "task")?.st_nlink <= 3 {
            return Ok(Vec::new());
        }
        let mut threads = self.threads(pid)?;
        threads.retain(|tid| *tid != pid.0);
        Ok(threads)
    }

    /// The ids of the threads of a process.
    fn threads(&self, pid: Pid) -> Result<Vec<u32>, Errno> {
        let dir = rustix::fs::openat(&self.dir, format!("{pid}/task"), directory(), Mode::empty())?;
        let mut tids = Vec::new();
        entries(&dir, |name| tids.extend(number::<u32>(name.to_bytes())))?;
        Ok(tids)
    }

    /// Reads a file of a process from start to end into `into`, which is emptied first.
    pub(super) fn read(&self, pid: Pid, name: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.read_while(pid, name, into, |_| true)
    }

    /// Like [`Self::read`], for files that the kernel makes in one piece (`fs/seq_file.c`,
    /// `single_open`) and that nearly always fit: there is nothing after a read that was not
    /// filled, and not asking again saves a system call for each of thousands of processes.
    pub(super) fn read_piece(&self, pid: Pid, name: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.read_while(pid, name, into, |space| space == 0)
    }

    /// Reads while there is more: `more` is told how much space the last read left.
    fn read_while(
        &self,
        pid: Pid,
        name: &str,
        into: &mut Vec<u8>,
        more: impl Fn(usize) -> bool,
    ) -> Result<(), Errno> {
        let path = format!("{pid}/{name}");
        let file =
            rustix::fs::openat(&self.dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        into.clear();
        while into.len() < FILE_BYTES {
            into.reserve(4096);
            match rustix::io::read(&file, rustix::buffer::spare_capacity(into)) {
                Ok(0) => break,
                Ok(_) if !more(into.capacity().saturating_sub(into.len())) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads a link of a process.
    pub(super) fn link(&self, pid: Pid, name: &str) -> Result<Vec<u8>, Errno> {
        let text = rustix::fs::readlinkat(&self.dir, format!("{pid}/{name}"), Vec::new())?;
        Ok(text.into_bytes())
    }

    /// What a path below `/proc/PID` leads to.
    pub(super) fn stat(&self, pid: Pid, name: &str) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.dir, format!("{pid}/{name}"), AtFlags::empty())
    }

    /// The network namespace that a process is in; none for a zombie, which is in none.
    pub(super) fn netns(&self, pid: Pid) -> Result<Option<NetnsId>, Errno> {
        self.link(pid, "ns/net").map(|text| netns(&text))
    }

    /// The network namespace that one thread of a process is in.
    pub(super) fn thread_netns(&self, pid: Pid, tid: u32) -> Result<Option<NetnsId>, Errno> {
        self.link(pid, &format!("task/{tid}/ns/net")).map(|text| netns(&text))
    }
}

/// The inode in the text of a link `ns/net`.
fn netns(text: &[u8]) -> Option<NetnsId> {
    numbered(text, b"net:").and_then(|number| number.try_into().ok()).map(NetnsId)
}

/// A pid as system calls take it.
fn number_of(pid: Pid) -> Option<rustix::process::Pid> {
    i32::try_from(pid.0).ok().and_then(rustix::process::Pid::from_raw)
}

/// How every directory here is opened.
fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Calls `each` with the name of every entry of an open directory.
pub(super) fn entries(dir: &OwnedFd, mut each: impl FnMut(&CStr)) -> Result<(), Errno> {
    let mut buffer = [MaybeUninit::uninit(); DIRECTORY_BYTES];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        each(entry?.file_name());
    }
    Ok(())
}

/// How many descriptors an open `/proc/PID/fd` has; 0 if the kernel does not tell (before 6.2;
/// `fs/proc/fd.c`, `proc_fd_getattr`).
pub(super) fn count(descriptors: &OwnedFd) -> Result<u32, Errno> {
    let size = rustix::fs::fstat(descriptors)?.st_size;
    Ok(u32::try_from(size).unwrap_or_default())
}

/// What a descriptor refers to, as far as it concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A socket.
    Socket(Inode),
    /// An io_uring instance.
    Ring,
    /// Anything else.
    Other,
}

/// Reads what an entry of an open `/proc/PID/fd` refers to.
pub(super) fn target(descriptors: &OwnedFd, name: &CStr) -> Result<Target, Errno> {
    // A longer text is cut off by the kernel, and no socket.
    let mut buffer = [MaybeUninit::<u8>::uninit(); 40];
    let (text, _) = rustix::fs::readlinkat_raw(descriptors.as_fd(), name, &mut buffer)?;
    Ok(link_target(text))
}

/// Parses the text of a link in `/proc/PID/fd`.
pub(super) fn link_target(text: &[u8]) -> Target {
    match numbered(text, b"socket:") {
        Some(inode) => Target::Socket(Inode(inode)),
        None if text == b"anon_inode:[io_uring]" => Target::Ring,
        None => Target::Other,
    }
}

/// The number in `PREFIX[NUMBER]`.
pub(super) fn numbered(text: &[u8], prefix: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(prefix)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
    number(digits)
}

/// A decimal number without sign or anything around it.
pub(super) fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let plain = digits.first().is_some_and(u8::is_ascii_digit);
    plain.then_some(digits).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| d.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Target) {
        assert_eq!(link_target(text.as_bytes()), expect, "{text:?}");
    }

    #[test]
    fn links() {
        check("socket:[1]", Target::Socket(Inode(1)));
        check("socket:[18446744073709551615]", Target::Socket(Inode(u64::MAX)));
        check("socket:[18446744073709551616]", Target::Other);
        check("socket:[-1]", Target::Other);
        check("socket:[+1]", Target::Other);
        check("socket:[]", Target::Other);
        check("socket:[1", Target::Other);
        check("/tmp/socket:[1]", Target::Other);
        check("anon_inode:[io_uring]", Target::Ring);
        check("anon_inode:[io_uring] ", Target::Other);
        check("", Target::Other);
        assert_eq!(numbered(b"net:[4026531840]", b"net:"), Some(4_026_531_840));
    }

    #[test]
    fn own_process() {
        let proc = Proc::open().unwrap();
        let me = Pid(std::process::id());
        assert!(proc.pids().unwrap().contains(&me));
        assert!(proc.netns(me).unwrap().is_some());
        assert!(!proc.threads(me).unwrap().is_empty());
        let mut text = Vec::new();
        proc.read(me, "comm", &mut text).unwrap();
        assert!(text.ends_with(b"\n"));
        let gone = Pid(u32::MAX >> 1);
        assert_eq!(proc.read(gone, "comm", &mut text), Err(Errno::NOENT));
    }
}
