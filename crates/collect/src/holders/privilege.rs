//! Which namespaces we are in, and what we may do there: root of a container is not the host's.

use rustix::fs::AtFlags;
use rustix::thread::CapabilitySet;

/// `PROC_USER_INIT_INO` (`include/linux/proc_ns.h`): the inode of the initial user namespace.
const PROC_USER_INIT_INO: u64 = 0xEFFF_FFFD;

/// `PROC_PID_INIT_INO`: that of the initial pid namespace.
pub(super) const PROC_PID_INIT_INO: u64 = 0xEFFF_FFFC;

/// Whether we have these capabilities over everything on the host: capabilities in another user
/// namespace than the initial one are good for what belongs to that namespace only.
pub(super) fn has(capabilities: CapabilitySet) -> bool {
    let effective = rustix::thread::capabilities(None).map(|sets| sets.effective);
    effective.is_ok_and(|effective| effective.contains(capabilities)) && in_initial_user_namespace()
}

/// Whether we are in the initial user namespace. A kernel without them has no such file.
fn in_initial_user_namespace() -> bool {
    let path = "/proc/thread-self/ns/user";
    match rustix::fs::statat(rustix::fs::CWD, path, AtFlags::empty()) {
        Ok(stat) => stat.st_ino == PROC_USER_INIT_INO,
        Err(_) => rustix::fs::stat("/proc/thread-self/ns").is_ok(),
    }
}
