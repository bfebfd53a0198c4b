//! Finding a host's pid 1 among the machine's processes.

use std::fs;

use rustix::process::Pid;

/// A process as /proc/PID/status describes it.
struct Status {
    pid: i32,
    parent: i32,
    /// Its pid in each pid namespace, from this machine's to its innermost (pid_namespaces(7)).
    nested: Vec<i32>,
}

/// The first process of the pid namespace that systemd-nspawn makes, two levels below this one,
/// among the descendants of `supervisor`.
pub(super) fn of(supervisor: u32) -> Option<Pid> {
    let all = processes();
    let supervisor = i32::try_from(supervisor).ok()?;
    let firsts = all.iter().filter(|p| matches!(p.nested.as_slice(), [_, _, 1]));
    firsts.filter(|p| descends(&all, p, supervisor)).find_map(|p| Pid::from_raw(p.pid))
}

/// The only child of a process.
pub(super) fn child_of(parent: u32) -> Option<Pid> {
    let parent = i32::try_from(parent).ok()?;
    let child = processes().into_iter().find(|p| p.parent == parent)?;
    Pid::from_raw(child.pid)
}

fn descends(all: &[Status], process: &Status, ancestor: i32) -> bool {
    let mut parent = process.parent;
    while parent > 1 && parent != ancestor {
        parent = all.iter().find(|p| p.pid == parent).map_or(0, |p| p.parent);
    }
    parent == ancestor
}

/// All processes; one that ends meanwhile is left out.
fn processes() -> Vec<Status> {
    let Ok(directory) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = directory.flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
        let parent = field("PPid:")?.trim().parse().ok()?;
        let nested = field("NSpid:")?.split_whitespace().flat_map(str::parse).collect();
        Some(Status { pid, parent, nested })
    })
    .collect()
}
