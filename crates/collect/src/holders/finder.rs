//! The entry of the room: chooses the way, and puts together what it finds.

use std::collections::BTreeMap;

use facts::{Gap, Holder, HolderMethod, Inode, NetnsId, Part, Pid, Process, Remedy};
use rustix::io::Errno;

use super::details::{self, denied_gap};
use super::inodes::InodeSet;
use super::procfs::Proc;
use super::walk::{self, Walk};
use super::{hidepid, io_uring, stat};

/// How to find holders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// BPF where this host and our privileges allow it, otherwise `/proc`.
    #[default]
    Fastest,
    /// `/proc` only.
    Proc,
}

/// Finds holders. Opened once for a snapshot.
#[derive(Debug)]
pub struct Finder {
    proc: Result<Proc, Errno>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Descriptors that refer to the wanted sockets, sorted by inode, pid, fd.
    pub holders: Part<Vec<Holder>>,
    /// The processes that have them, and all their ancestors, sorted by pid.
    pub processes: Part<Vec<Process>>,
    /// How.
    pub method: HolderMethod,
}

impl Finder {
    /// Gets ready. Cannot fail: what is missing is told as gaps of what is asked later.
    pub fn open(_method: Method) -> Self {
        Self { proc: Proc::open() }
    }

    /// The network namespaces that processes are in, each with the lowest pid in it.
    ///
    /// Of processes of other users an ordinary user does not learn it: a gap.
    pub fn namespaces(&mut self) -> Part<BTreeMap<NetnsId, Pid>> {
        const WHAT: &str = "network namespaces of processes";
        let proc = match &self.proc {
            Ok(proc) => proc,
            Err(error) => return Part::unreadable(no_proc(WHAT, *error)),
        };
        let pids = match proc.pids() {
            Ok(pids) => pids,
            Err(error) => return Part::unreadable(no_proc(WHAT, error)),
        };
        let mut leaders = BTreeMap::new();
        let mut denied = Vec::new();
        for pid in pids {
            match proc.netns(pid) {
                Ok(Some(netns)) => {
                    leaders.entry(netns).or_insert(pid);
                }
                Err(Errno::ACCESS | Errno::PERM) => denied.push(pid),
                // It has ended.
                Ok(None) | Err(_) => {}
            }
        }
        let denied = users_processes(proc, &denied);
        let mut gaps = denied_gap(WHAT, "readlink /proc/PID/ns/net", denied);
        gaps.extend(hidepid::gap());
        Part::with_gaps(leaders, gaps)
    }

    /// Who holds these sockets.
    ///
    /// With `connected` unset, connected streams among them may be left out: it says that none of
    /// them is wanted, which saves most of the work on a busy server.
    pub fn holders(&mut self, wanted: &[Inode], _connected: bool) -> Found {
        match &self.proc {
            Ok(proc) => by_proc(proc, wanted),
            Err(error) => Found::unreadable(*error),
        }
    }

    /// Looks for holders of sockets that nobody seems to hold in the tables of fixed files of all
    /// io_uring instances, and adds what it finds.
    pub fn add_io_uring(&mut self, unheld: &[Inode], found: &mut Found) {
        if unheld.is_empty() {
            return;
        }
        let Ok(proc) = &self.proc else { return };
        let Ok(walk) = walk::walk(proc, &[]) else { return };
        let (holders, gaps) = io_uring::holders(proc, &walk.rings, &InodeSet::new(unheld));
        let known: Vec<Pid> = found.processes.items().iter().map(|process| process.pid).collect();
        let new = holders.iter().map(|holder| holder.pid).filter(|pid| !known.contains(pid));
        let mut text = Vec::new();
        let processes = details::with_ancestors(new, |pid| details::process(proc, pid, &mut text));
        extend(&mut found.holders, holders, gaps);
        extend(&mut found.processes, processes, Vec::new());
        if let Part::Known { value } | Part::Partial { value, .. } = &mut found.processes {
            value.sort_unstable_by_key(|process| process.pid);
            value.dedup_by_key(|process| process.pid);
        }
        if let Part::Known { value } | Part::Partial { value, .. } = &mut found.holders {
            value.sort_unstable();
            value.dedup();
        }
    }

    /// Fills [`Process::executable`] of these processes.
    pub fn executables(&self, processes: &mut [Process], pids: &[Pid]) -> Vec<Gap> {
        match &self.proc {
            Ok(proc) => details::executables(proc, processes, pids),
            Err(error) => vec![no_proc("executables", *error)],
        }
    }

    /// Fills [`Process::args`] of these processes. Only on request: command lines hold secrets.
    pub fn args(&self, processes: &mut [Process], pids: &[Pid]) -> Vec<Gap> {
        match &self.proc {
            Ok(proc) => details::args(proc, processes, pids),
            Err(error) => vec![no_proc("command lines", *error)],
        }
    }
}

impl Found {
    /// Nothing, since `/proc` is not there.
    fn unreadable(error: Errno) -> Self {
        Self {
            holders: Part::unreadable(no_proc("holders of sockets", error)),
            processes: Part::unreadable(no_proc("processes", error)),
            method: HolderMethod::None,
        }
    }
}

/// Finds holders by walking over `/proc`.
fn by_proc(proc: &Proc, wanted: &[Inode]) -> Found {
    let Walk { holders, denied, .. } = match walk::walk(proc, wanted) {
        Ok(walk) => walk,
        Err(error) => return Found::unreadable(error),
    };
    let mut gaps = Vec::new();
    if !wanted.is_empty() {
        let denied = users_processes(proc, &denied);
        gaps = denied_gap("holders of sockets", "read /proc/PID/fd", denied);
        gaps.extend(hidepid::gap());
    }
    let mut text = Vec::new();
    let pids = holders.iter().map(|holder| holder.pid);
    let processes = details::with_ancestors(pids, |pid| details::process(proc, pid, &mut text));
    Found {
        holders: Part::with_gaps(holders, gaps),
        processes: Part::known(processes),
        method: HolderMethod::Proc,
    }
}

/// How many of these are processes of users. Threads of the kernel hold no sockets, and their being
/// closed to us is no gap.
fn users_processes(proc: &Proc, pids: &[Pid]) -> usize {
    let mut text = Vec::new();
    let is_users = |pid: &Pid| {
        proc.read(*pid, "stat", &mut text).is_ok()
            && stat::stat(&text).is_none_or(|stat| !stat.kernel)
    };
    pids.iter().copied().filter(is_users).count()
}

/// The gap of everything that needs `/proc`.
fn no_proc(what: &str, error: Errno) -> Gap {
    let gap = Gap::new(what, format!("open /proc: {error}"));
    if matches!(error, Errno::ACCESS | Errno::PERM) { gap.remedied_by(Remedy::Root) } else { gap }
}

/// Adds to a part.
fn extend<T>(part: &mut Part<Vec<T>>, more: Vec<T>, more_gaps: Vec<Gap>) {
    let (mut value, mut gaps) = match std::mem::take(part) {
        Part::Known { value } => (value, Vec::new()),
        Part::Partial { value, gaps } => (value, gaps),
        Part::Unreadable { gap } => (Vec::new(), vec![gap]),
        Part::NotAsked => (Vec::new(), Vec::new()),
    };
    value.extend(more);
    gaps.extend(more_gaps);
    *part = Part::with_gaps(value, gaps);
}
