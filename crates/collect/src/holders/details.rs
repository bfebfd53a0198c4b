//! What is told about a process: from `/proc/PID`, and on request its executable and arguments.

use std::collections::BTreeMap;

use facts::{Executable, Gap, NetnsId, Pid, Process, Remedy, Uid};
use rustix::io::Errno;

use crate::bpf::Task;

use super::procfs::Proc;
use super::stat;

/// The network namespaces of processes, as far as they were read.
pub(super) type Namespaces = BTreeMap<Pid, NetnsId>;

/// Reads one process; none if it has ended. Its namespace is read only if it is not in `known`.
pub(super) fn process(
    proc: &Proc,
    pid: Pid,
    known: &Namespaces,
    text: &mut Vec<u8>,
) -> Option<Process> {
    proc.read_piece(pid, "stat", text).ok()?;
    let mut stat = stat::stat(text)?;
    if stat.comm.contains('\\') {
        proc.read_piece(pid, "comm", text).ok()?;
        let comm = text.strip_suffix(b"\n").unwrap_or(text);
        stat.comm = String::from_utf8_lossy(comm).into_owned();
    }
    // The directory itself always belongs to the effective user, unlike the files in it
    // (fs/proc/base.c, task_dump_owner).
    let uid = Uid(proc.stat(pid, "").ok()?.st_uid);
    Some(Process {
        pid,
        parent: stat.parent,
        comm: stat.comm,
        uid,
        started_ns: stat.started_ns,
        netns: known.get(&pid).copied().or_else(|| proc.netns(pid).ok().flatten()),
        cgroup: None,
        cgroup_path: cgroup_path(proc, pid, text),
        executable: None,
        args: None,
    })
}

/// One process, as BPF told it.
pub(super) fn of_task(task: &Task) -> Process {
    let comm = task.comm.split(|byte| *byte == 0).next().unwrap_or_default();
    Process {
        pid: task.pid,
        parent: task.parent,
        comm: String::from_utf8_lossy(comm).into_owned(),
        uid: task.uid,
        // In the steps of `/proc`, so that a process has one start time whichever way it is read.
        started_ns: task.started_ns - task.started_ns % stat::TICK_NS,
        netns: task.netns,
        cgroup: Some(task.cgroup).filter(|id| id.0 != 0),
        cgroup_path: None,
        executable: None,
        args: None,
    }
}

/// Reads the path of a process's cgroup.
pub(super) fn cgroup_path(proc: &Proc, pid: Pid, text: &mut Vec<u8>) -> Option<String> {
    proc.read_piece(pid, "cgroup", text).ok()?;
    stat::cgroup_path(text)
}

/// These processes and all their ancestors, sorted by pid.
pub(super) fn with_ancestors(
    pids: impl IntoIterator<Item = Pid>,
    mut read: impl FnMut(Pid) -> Option<Process>,
) -> Vec<Process> {
    let mut found: BTreeMap<Pid, Option<Process>> = BTreeMap::new();
    for pid in pids {
        let mut next = pid;
        // Pid 0 is the parent of pid 1, and of processes whose parent is outside of our pid
        // namespace.
        while next != Pid(0) && !found.contains_key(&next) {
            let process = read(next);
            let parent = process.as_ref().map_or(Pid(0), |process| process.parent);
            found.insert(next, process);
            next = parent;
        }
    }
    found.into_values().flatten().collect()
}

/// Fills [`Process::executable`] of these processes. Threads of the kernel have none.
///
/// Returns a gap if there are processes of other users that we may not look into.
pub(super) fn executables(proc: &Proc, processes: &mut [Process], pids: &[Pid]) -> Vec<Gap> {
    let mut denied = 0_usize;
    for process in processes.iter_mut().filter(|process| pids.contains(&process.pid)) {
        match proc.link(process.pid, "exe") {
            Ok(text) => process.executable = Some(executable(proc, process.pid, &text)),
            Err(Errno::ACCESS | Errno::PERM) => denied += 1,
            // It has ended, or is a thread of the kernel.
            Err(_) => {}
        }
    }
    denied_gap("executables", "readlink /proc/PID/exe", denied)
}

/// What the text of `/proc/PID/exe` and the file system say.
fn executable(proc: &Proc, pid: Pid, text: &[u8]) -> Executable {
    // A file may be called "x (deleted)" and be there: only its link count tells.
    let running = proc.stat(pid, "exe");
    let stripped = text.strip_suffix(b" (deleted)");
    let at = |path: &[u8]| {
        let path = [b"root".as_slice(), path].concat();
        let path = std::str::from_utf8(&path).map_err(|_| Errno::ILSEQ)?;
        proc.stat(pid, path)
    };
    // d_path(9) adds the suffix to unlinked files; a name that merely ends so leads to itself.
    let same = |path: &[u8]| match (&running, at(path)) {
        (Ok(running), Ok(now)) => {
            Some(running.st_ino == now.st_ino && running.st_dev == now.st_dev)
        }
        (Ok(_), Err(Errno::NOENT | Errno::NOTDIR)) => Some(false),
        _ => None,
    };
    let (path, deleted) = match stripped {
        Some(path) if same(text) != Some(true) => (path, true),
        _ => (text, false),
    };
    let replaced = match (&running, at(path)) {
        (Ok(_), Ok(_)) => same(path).map(|same| !same),
        // Nothing stands there now.
        (Ok(_), Err(Errno::NOENT | Errno::NOTDIR)) => Some(false),
        _ => None,
    };
    Executable { path: String::from_utf8_lossy(path).into_owned(), deleted, replaced }
}

/// Fills [`Process::args`] of these processes.
pub(super) fn args(proc: &Proc, processes: &mut [Process], pids: &[Pid]) -> Vec<Gap> {
    let mut denied = 0_usize;
    let mut text = Vec::new();
    for process in processes.iter_mut().filter(|process| pids.contains(&process.pid)) {
        match proc.read(process.pid, "cmdline", &mut text) {
            Ok(()) => process.args = Some(split_args(&text)),
            Err(Errno::ACCESS | Errno::PERM) => denied += 1,
            Err(_) => {}
        }
    }
    denied_gap("command lines", "read /proc/PID/cmdline", denied)
}

/// Splits `/proc/PID/cmdline`: every argument ends with a NUL, but for a process that overwrote its
/// arguments the last one may not (proc_pid_cmdline(5)).
pub(super) fn split_args(text: &[u8]) -> Vec<String> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

/// The gap for what is kept from us of processes of other users.
pub(super) fn denied_gap(what: &str, operation: &str, processes: usize) -> Vec<Gap> {
    if processes == 0 {
        return Vec::new();
    }
    let noun = if processes == 1 { "process" } else { "processes" };
    let what = format!("{what} of other users ({processes} {noun})");
    vec![Gap::new(what, format!("{operation}: permission denied")).remedied_by(Remedy::Root)]
}
