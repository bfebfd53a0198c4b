//! What a killed test leaves behind: empty cgroup directories, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// What all names of test hosts begin with.
const PREFIX: &str = "testbed";

/// A name for a host that no other host on this machine has: it contains the pid of this process and
/// a count, and so tells later whether its maker still runs.
pub(crate) fn unique_name(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}-{}-{count}-{name}", process::id())
}

/// Removes what hosts of processes that no longer run have left behind.
pub(crate) fn remove() {
    for hierarchy in hierarchies() {
        for directory in children(&hierarchy) {
            let maker = directory.file_name().and_then(|name| {
                name.to_str()?.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-').next()
            });
            if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                remove_tree(&directory);
            }
        }
    }
}

/// Removes the cgroups of a host that has ended. Its last processes may still be on their way out,
/// so this tries for a while.
pub(crate) fn remove_cgroups_of(name: &str) {
    for hierarchy in hierarchies() {
        let directory = hierarchy.join(name);
        for _ in 0..100 {
            remove_tree(&directory);
            if !directory.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The mount points of cgroup hierarchies: /sys/fs/cgroup itself, and those below it in the older
/// layouts.
fn hierarchies() -> Vec<PathBuf> {
    let top = PathBuf::from("/sys/fs/cgroup");
    let mut all = children(&top);
    all.push(top);
    all.retain(|directory| directory.join("cgroup.procs").exists());
    all
}

/// Removes a cgroup with its children. A cgroup with a process in it stays.
fn remove_tree(directory: &Path) {
    for child in children(directory) {
        remove_tree(&child);
    }
    // A cgroup that still has processes, or is gone: the caller looks again.
    let _ = fs::remove_dir(directory);
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let directories = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    directories.map(|entry| entry.path()).collect()
}
