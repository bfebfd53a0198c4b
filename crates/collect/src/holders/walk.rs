//! The walk over `/proc/PID/fd`: who holds the wanted sockets, without BPF.

use std::os::fd::OwnedFd;

use facts::{Holder, Inode, Pid};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::path::DecInt;

use super::inodes::InodeSet;
use super::procfs::{self, Proc, Target};

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Descriptors of wanted sockets, sorted.
    pub(super) holders: Vec<Holder>,
    /// Descriptors of io_uring instances.
    pub(super) rings: Vec<(Pid, u32)>,
    /// Processes whose descriptors we may not see.
    pub(super) denied: Vec<Pid>,
    /// Threads of which the kernel does not tell whether they have descriptors of their own. Only
    /// sockets that nobody else holds were looked for there.
    pub(super) not_compared: Vec<(Pid, u32)>,
}

/// Walks over all processes.
///
/// # Errors
/// That `/proc` itself cannot be listed. Processes that end while they are read are skipped.
pub(super) fn walk(proc: &Proc, wanted: &[Inode]) -> Result<Walk, Errno> {
    let pids = proc.pids()?;
    let set = InodeSet::new(wanted);
    let (refused, pids): (Vec<Pid>, Vec<Pid>) =
        pids.into_iter().partition(|pid| proc.refuses(*pid));
    let mut walk = Walk { denied: refused, ..Walk::default() };
    for &pid in &pids {
        walk.visit(proc, pid, None, &set);
        if walk.denied.last() != Some(&pid) {
            walk.visit_threads(proc, pid, &set);
        }
    }
    walk.finish();
    // Reading tables that nobody knows to differ is for sockets that have no holder by now.
    let unheld: Vec<Inode> =
        wanted.iter().copied().filter(|inode| inode.0 != 0 && !walk.holds(*inode)).collect();
    if !unheld.is_empty() && !walk.not_compared.is_empty() {
        let set = InodeSet::new(&unheld);
        for (pid, tid) in walk.not_compared.clone() {
            walk.visit(proc, pid, Some(tid), &set);
        }
        walk.finish();
    }
    Ok(walk)
}

impl Walk {
    /// Whether somebody was found who holds a socket.
    fn holds(&self, inode: Inode) -> bool {
        self.holders.binary_search_by_key(&inode, |holder| holder.inode).is_ok()
    }

    /// Reads the descriptors of a process, or of one of its threads.
    fn visit(&mut self, proc: &Proc, pid: Pid, thread: Option<u32>, wanted: &InodeSet) {
        let read = proc
            .descriptors(pid, thread)
            .and_then(|descriptors| self.read(&descriptors, pid, wanted));
        // Any other error is that of a process which has just ended (ENOENT, ESRCH).
        if let Err(Errno::ACCESS | Errno::PERM) = read
            && self.denied.last() != Some(&pid)
        {
            self.denied.push(pid);
        }
    }

    /// Reads an open `/proc/PID/fd`.
    ///
    /// Most tables have few holes, and the kernel tells how many descriptors there are (since 6.2):
    /// then asking for 0, 1, 2 … until that many were found saves the listing, a fifth of the time.
    fn read(&mut self, descriptors: &OwnedFd, pid: Pid, wanted: &InodeSet) -> Result<(), Errno> {
        let count = procfs::count(descriptors)?;
        let (mut asked, mut found) = (0, 0);
        // A question in vain costs twice as much as being told by a listing: few are allowed.
        while found < count && asked - found <= 2 {
            match procfs::target(descriptors, DecInt::new(asked).as_c_str()) {
                Err(Errno::NOENT) => {}
                target => {
                    self.note(target, pid, asked, wanted)?;
                    found += 1;
                }
            }
            asked += 1;
        }
        // The count is asked for again: where one was opened and another one missed, it differs.
        if count > 0 && found == count && procfs::count(descriptors)? == count {
            return Ok(());
        }
        // The listing goes on from here: position 2 is descriptor 0 (fs/proc/fd.c,
        // proc_readfd_common). Should a kernel not do so, it lists all, and some are skipped below.
        if asked > 0 {
            rustix::fs::seek(descriptors, SeekFrom::Start(u64::from(asked) + 2))?;
        }
        let mut result = Ok(());
        procfs::entries(descriptors, |name| {
            // "." and ".." are no numbers.
            let Some(fd) = procfs::number(name.to_bytes()) else { return };
            if fd >= asked && result.is_ok() {
                result = self.note(procfs::target(descriptors, name), pid, fd, wanted);
            }
        })?;
        result
    }

    /// Takes note of what a descriptor refers to.
    ///
    /// # Errors
    /// That we may not know: `CAP_DAC_READ_SEARCH` opens the directory, but only `CAP_SYS_PTRACE`
    /// reads the links.
    fn note(
        &mut self,
        target: Result<Target, Errno>,
        pid: Pid,
        fd: u32,
        wanted: &InodeSet,
    ) -> Result<(), Errno> {
        match target {
            Ok(Target::Socket(inode)) if wanted.contains(inode) => {
                self.holders.push(Holder { inode, pid, fd, io_uring: false });
            }
            Ok(Target::Ring) => self.rings.push((pid, fd)),
            Err(error @ (Errno::ACCESS | Errno::PERM)) => return Err(error),
            // A descriptor that was closed meanwhile holds nothing.
            Ok(_) | Err(_) => {}
        }
        Ok(())
    }

    /// Reads the descriptors of those threads of a process that do not share them with the first:
    /// they have their own (clone without `CLONE_FILES`, unshare(2)), or the first thread has ended
    /// and `/proc/PID/fd` is empty.
    fn visit_threads(&mut self, proc: &Proc, pid: Pid, wanted: &InodeSet) {
        let others = match proc.other_threads(pid) {
            Ok(others) => others,
            Err(Errno::ACCESS | Errno::PERM) => return self.denied.push(pid),
            // It has ended.
            Err(_) => return,
        };
        // The thread whose table was read last. Where the first thread has ended, all others share
        // one with each other.
        let mut last = pid.0;
        for tid in others {
            match shares_descriptors(pid.0, tid).and_then(|with_first| {
                Ok(with_first || last != pid.0 && shares_descriptors(last, tid)?)
            }) {
                // Shared, or one of the two has ended.
                Ok(true) | Err(Errno::SRCH) => {}
                Ok(false) => {
                    self.visit(proc, pid, Some(tid), wanted);
                    last = tid;
                }
                Err(_) => self.not_compared.push((pid, tid)),
            }
        }
    }

    /// Puts everything into its order.
    fn finish(&mut self) {
        self.holders.sort_unstable();
        self.holders.dedup();
        self.rings.sort_unstable();
        self.rings.dedup();
        self.denied.sort_unstable();
        self.denied.dedup();
    }
}

/// Whether two threads have one table of descriptors.
///
/// # Errors
/// Of kcmp(2): a kernel may lack it (`CONFIG_KCMP`), and containers forbid it.
fn shares_descriptors(one: u32, other: u32) -> Result<bool, Errno> {
    /// `KCMP_FILES` (`include/uapi/linux/kcmp.h`).
    const KCMP_FILES: libc::c_long = 2;
    let number = |pid: u32| libc::c_long::from(libc::c_int::try_from(pid).unwrap_or(-1));
    let unused: libc::c_long = 0;
    // SAFETY: kcmp(2) with KCMP_FILES takes five numbers and no pointer.
    #[allow(unsafe_code, reason = "rustix has no kcmp")]
    let order = unsafe {
        libc::syscall(libc::SYS_kcmp, number(one), number(other), KCMP_FILES, unused, unused)
    };
    // Otherwise how they are ordered: 1 and 2, or 3 for "not equal".
    if order < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::NOSYS));
    }
    Ok(order == 0)
}
