//! The entry of the room: chooses the way, and puts together what it finds.

use std::collections::{BTreeMap, BTreeSet};

use facts::{Cgroup, Gap, Holder, HolderMethod, Inode, NetnsId, Part, Pid, Process, Remedy};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use crate::bpf::{BpfError, Connections, SocketFile, Task};

use super::details::{self, Namespaces, denied_gap};
use super::inodes::InodeSet;
use super::kernel::Kernel;
use super::procfs::Proc;
use super::walk::{self, Walk};
use super::{hidepid, io_uring, privilege};

/// How to find holders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// BPF where this host and our privileges allow it, otherwise `/proc`.
    #[default]
    Fastest,
    /// `/proc` only.
    Proc,
}

/// Finds holders. Opened once for a snapshot; what it has read is kept and not read again.
#[derive(Debug)]
pub struct Finder {
    proc: Result<Proc, Errno>,
    bpf: Option<Kernel>,
    /// Why BPF is not used, if it was tried.
    declined: Option<BpfError>,
    /// What [`Self::namespaces`] read from `/proc`.
    netns: Namespaces,
    /// Namespaces that it found a thread in, but no process.
    threads: BTreeMap<NetnsId, (Pid, u32)>,
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
    ///
    /// With `connected` unset, connected streams are never asked about: passing them over inside
    /// the kernel saves most of the work on a busy server.
    pub fn open(method: Method, connected: bool) -> Self {
        let proc = Proc::open();
        let (bpf, declined) = match method {
            Method::Proc => (None, None),
            Method::Fastest => match Kernel::load(connected) {
                Ok(kernel) => (Some(kernel), None),
                Err(error) => (None, Some(error)),
            },
        };
        let (netns, threads) = (Namespaces::new(), BTreeMap::new());
        Self { proc, bpf, declined, netns, threads }
    }

    /// Why BPF is not used although it was wanted; with the verifier's words, where it refused a
    /// program. No gap, since `/proc` tells the same.
    pub fn declined(&self) -> Option<&BpfError> {
        self.declined.as_ref()
    }

    /// The network namespaces that processes are in, each with the lowest pid in it.
    ///
    /// Of processes of other users an ordinary user does not learn it: a gap.
    pub fn namespaces(&mut self) -> Part<BTreeMap<NetnsId, Pid>> {
        if let Some(tasks) = self.kernel(Kernel::tasks) {
            let mut leaders = BTreeMap::new();
            for (task, netns) in tasks.iter().filter_map(|task| task.netns.map(|n| (task, n))) {
                leaders.entry(netns).or_insert(task.pid);
            }
            return Part::known(leaders);
        }
        match &self.proc {
            Ok(proc) => namespaces_by_proc(proc, &mut self.netns, &mut self.threads),
            Err(error) => Part::unreadable(no_proc(NAMESPACES, *error)),
        }
    }

    /// Network namespaces in which there is no process, but a thread of one, as far as
    /// [`Self::namespaces`] met them: BPF finds those by their sockets.
    pub fn thread_namespaces(&self) -> &BTreeMap<NetnsId, (Pid, u32)> {
        &self.threads
    }

    /// Network namespaces in which there is no process, but a socket that this process holds with
    /// this descriptor (`SIOCGSKNS` on it, `include/uapi/linux/sockios.h`, leads there). Unreadable
    /// without BPF, since `/proc` does not tell the namespace of a socket.
    pub fn socket_namespaces(&mut self) -> Part<BTreeMap<NetnsId, (Pid, u32)>> {
        let mut namespaces = BTreeMap::new();
        let Some(files) = self.kernel(Kernel::files) else {
            return Part::unreadable(self.no_bpf("network namespaces that only sockets are in"));
        };
        for file in files {
            namespaces.entry(file.netns).or_insert((file.pid, file.fd));
        }
        for netns in self.namespaces().value().into_iter().flat_map(BTreeMap::keys) {
            namespaces.remove(netns);
        }
        Part::known(namespaces)
    }

    /// Network namespaces in which a process has a stream socket that neither listens nor is
    /// connected; none without BPF.
    pub fn idle_streams(&mut self) -> Option<BTreeSet<NetnsId>> {
        let files = self.kernel(Kernel::files)?.iter();
        Some(files.filter(|file| file.idle).map(|file| file.netns).collect())
    }

    /// What lists the TCP connections of a namespace quicker than sock_diag, where it is to be had.
    pub fn connections(&self) -> Option<Connections> {
        self.bpf.as_ref()?.connections()
    }

    /// Who holds these sockets, given by their inodes in ascending order.
    pub fn holders(&mut self, wanted: &[Inode]) -> Found {
        let holders = self.kernel(|kernel| {
            // Both records have one size, so that the list is made where the other one stood.
            let files = kernel.take_files()?.into_iter();
            let holder = |file: SocketFile| Holder {
                inode: file.inode,
                pid: file.pid,
                fd: file.fd,
                io_uring: false,
            };
            Ok(files.map(holder).collect::<Vec<_>>())
        });
        if let Some(mut holders) = holders
            && let Some(tasks) = self.kernel(|kernel| kernel.tasks().map(<[_]>::to_vec))
        {
            holders.sort_unstable();
            holders.dedup();
            keep(&mut holders, wanted);
            let processes = self.processes(&tasks, &holders);
            return Found {
                holders: Part::known(holders),
                processes: Part::known(processes),
                method: HolderMethod::Bpf,
            };
        }
        match &self.proc {
            Ok(proc) => by_proc(proc, wanted, &self.netns),
            Err(error) => Found::unreadable(*error),
        }
    }

    /// Asks BPF; none if it is not used or fails, and then whoever asked goes on with `/proc`.
    fn kernel<'a, T: 'a>(
        &'a mut self,
        ask: impl FnOnce(&'a mut Kernel) -> Result<T, BpfError>,
    ) -> Option<T> {
        match ask(self.bpf.as_mut()?) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.declined = Some(error);
                None
            }
        }
    }

    /// The gap of what only BPF tells.
    fn no_bpf(&self, what: &str) -> Gap {
        let why = self
            .declined
            .as_ref()
            .map_or_else(|| "BPF was not wanted".to_owned(), ToString::to_string);
        let gap = Gap::new(what, why).minor();
        if rustix::process::geteuid().is_root() { gap } else { gap.remedied_by(Remedy::Root) }
    }

    /// The processes of these holders and their ancestors, as BPF told them.
    fn processes(&self, tasks: &[Task], holders: &[Holder]) -> Vec<Process> {
        let mut text = Vec::new();
        details::with_ancestors(holders.iter().map(|holder| holder.pid), |pid| {
            match tasks.binary_search_by_key(&pid, |task| task.pid) {
                Ok(at) => tasks.get(at).map(details::of_task),
                // It was started after the tasks were listed.
                Err(_) => details::process(self.proc.as_ref().ok()?, pid, &self.netns, &mut text),
            }
        })
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
        let processes =
            details::with_ancestors(new, |pid| details::process(proc, pid, &self.netns, &mut text));
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

    /// Fills [`Process::cgroup_path`] from `/proc/PID/cgroup` where the id of the cgroup does not
    /// lead to a path of the unified hierarchy: it is not mounted, or systemd keeps its processes
    /// in its own cgroup v1 hierarchy and leaves them in the root of this one. What is `known` must
    /// be sorted by id, as [`crate::cgroups::paths`] gives it.
    pub fn cgroup_paths(&self, processes: &mut [Process], known: &[Cgroup]) {
        let Ok(proc) = &self.proc else { return };
        let mut text = Vec::new();
        // Processes in the same cgroups have the same path: with BPF, it is read once for them all.
        let mut read: BTreeMap<u64, String> = BTreeMap::new();
        for process in processes.iter_mut().filter(|process| process.cgroup_path.is_none()) {
            let path = process.cgroup.and_then(|id| {
                let at = known.binary_search_by_key(&id, |cgroup| cgroup.id).ok()?;
                known.get(at)
            });
            if path.is_some_and(|cgroup| cgroup.path != "/") {
                continue;
            }
            let task = self.bpf.as_ref().and_then(|bpf| bpf.task(process.pid));
            let same = task.and_then(|task| read.get(&task.placement));
            process.cgroup_path =
                same.cloned().or_else(|| details::cgroup_path(proc, process.pid, &mut text));
            if let (Some(task), Some(path)) = (task, &process.cgroup_path) {
                read.entry(task.placement).or_insert_with(|| path.clone());
            }
        }
    }

    /// Which of these processes run a file that was deleted or replaced, as far as it costs next to
    /// nothing to know: BPF tells it; without, the candidates are all processes if they are few.
    pub fn stale(&self, processes: &[Process]) -> Vec<Pid> {
        /// As many as may be looked at: four system calls each.
        const FEW: usize = 64;
        let pids = processes.iter().map(|process| process.pid);
        match &self.bpf {
            Some(bpf) if bpf.has_tasks() => {
                pids.filter(|pid| bpf.task(*pid).is_some_and(|task| task.unlinked)).collect()
            }
            _ if processes.len() <= FEW => pids.collect(),
            _ => Vec::new(),
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

/// Keeps those of the wanted sockets; both lists are sorted.
fn keep(holders: &mut Vec<Holder>, wanted: &[Inode]) {
    let mut wanted = wanted.iter().skip_while(|inode| inode.0 == 0).peekable();
    holders.retain(|holder| {
        while wanted.next_if(|inode| **inode < holder.inode).is_some() {}
        wanted.peek() == Some(&&holder.inode)
    });
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

/// What the namespaces of processes are called in gaps.
const NAMESPACES: &str = "network namespaces of processes";

/// The namespaces that processes are in, from the links in `/proc`.
fn namespaces_by_proc(
    proc: &Proc,
    each: &mut Namespaces,
    threads: &mut BTreeMap<NetnsId, (Pid, u32)>,
) -> Part<BTreeMap<NetnsId, Pid>> {
    let pids = match proc.pids() {
        Ok(pids) => pids,
        Err(error) => return Part::unreadable(no_proc(NAMESPACES, error)),
    };
    let mut leaders = BTreeMap::new();
    let mut denied = Vec::new();
    for pid in pids {
        if proc.refuses(pid) {
            denied.push(pid);
            continue;
        }
        match proc.netns(pid) {
            Ok(Some(netns)) => {
                leaders.entry(netns).or_insert(pid);
                each.insert(pid, netns);
                for tid in proc.other_threads(pid).unwrap_or_default() {
                    if let Ok(Some(its)) = proc.thread_netns(pid, tid)
                        && its != netns
                    {
                        threads.entry(its).or_insert((pid, tid));
                    }
                }
            }
            Err(Errno::ACCESS | Errno::PERM) => denied.push(pid),
            // It has ended.
            Ok(None) | Err(_) => {}
        }
    }
    threads.retain(|netns, _| !leaders.contains_key(netns));
    let denied = users_processes(proc, &denied);
    let mut gaps = denied_gap(NAMESPACES, "readlink /proc/PID/ns/net", denied);
    gaps.extend(hidepid::gap());
    if !proc.shows_whole_host() {
        let gap = Gap::new("network namespaces of processes outside this pid namespace", OUTSIDE);
        // Who could not enter them anyway, as in an ordinary container, looks at its own only.
        gaps.push(if privilege::has(CapabilitySet::SYS_ADMIN) { gap } else { gap.minor() });
    }
    Part::with_gaps(leaders, gaps)
}

/// Why processes outside our pid namespace are missing.
const OUTSIDE: &str = "/proc shows the processes of one pid namespace, not of the whole host";

/// The gap of holders that are outside our pid namespace. Where every socket has a holder inside,
/// as in a container with a network namespace of its own, hardly anything is missing.
fn outside(wanted: &[Inode], holders: &[Holder]) -> Gap {
    let mut held = wanted.iter().map(|inode| {
        inode.0 == 0 || holders.binary_search_by_key(inode, |holder| holder.inode).is_ok()
    });
    if held.all(|held| held) {
        Gap::new("further holders of sockets outside this pid namespace", OUTSIDE).minor()
    } else {
        Gap::new("holders of sockets outside this pid namespace", OUTSIDE)
    }
}

/// Finds holders by walking over `/proc`.
fn by_proc(proc: &Proc, wanted: &[Inode], netns: &Namespaces) -> Found {
    let Walk { holders, denied, not_compared, .. } = match walk::walk(proc, wanted) {
        Ok(walk) => walk,
        Err(error) => return Found::unreadable(error),
    };
    let mut gaps = Vec::new();
    if !wanted.is_empty() {
        let denied = users_processes(proc, &denied);
        gaps = denied_gap("holders of sockets", "read /proc/PID/fd", denied);
        gaps.extend(hidepid::gap());
        if !proc.shows_whole_host() {
            gaps.push(outside(wanted, &holders));
        }
        // For sockets that nobody else holds, these tables were read.
        if !not_compared.is_empty() && !holders.is_empty() {
            let what = "further holders of sockets among threads with descriptors of their own";
            gaps.push(Gap::new(what, "kcmp: not told by the kernel").minor());
        }
    }
    let mut text = Vec::new();
    let pids = holders.iter().map(|holder| holder.pid);
    let processes =
        details::with_ancestors(pids, |pid| details::process(proc, pid, netns, &mut text));
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
    pids.iter().filter(|pid| proc.is_users(**pid, &mut text)).count()
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
