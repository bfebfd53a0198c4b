//! Processes, and which sockets they hold.

use serde::{Deserialize, Serialize};

use crate::{CgroupId, Inode, NetnsId, Pid, Uid};

/// One descriptor of one process that refers to a socket. Sorted by inode, pid, fd; holders that
/// share a descriptor table (threads) are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The socket.
    pub inode: Inode,
    /// The process.
    pub pid: Pid,
    /// Its descriptor. For an io_uring fixed file, the descriptor of the ring.
    pub fd: u32,
    /// Whether the socket is held as an io_uring fixed file of the ring `fd`, and so in no
    /// descriptor table (kernel `io_uring/fdinfo.c`, `UserFiles`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub io_uring: bool,
}

/// A process that holds a socket, or an ancestor of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its id; the list is sorted by it.
    pub pid: Pid,
    /// Its parent; 0 for none.
    pub parent: Pid,
    /// Its name (`/proc/PID/comm`), up to 15 bytes chosen by the process itself: escape it.
    pub comm: String,
    /// Its effective user.
    pub uid: Uid,
    /// When it started, in nanoseconds since the boot of the host (`CLOCK_BOOTTIME`).
    pub started_ns: u64,
    /// The network namespace it is in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetnsId>,
    /// Its cgroup in the unified hierarchy, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupId>,
    /// Its cgroup as a path, where it was read from `/proc/PID/cgroup` (systemd's own hierarchy on
    /// cgroup v1 hosts). Ask [`crate::Snapshot::cgroup_path_of`], which knows both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_path: Option<String>,
    /// Its executable; none if it was not asked for or could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<Executable>,
    /// Its command line; none unless asked for, since command lines hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
}

/// The program a process runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Executable {
    /// Its path when it was started, without the kernel's " (deleted)".
    pub path: String,
    /// Whether that file is no longer there (`/proc/PID/exe` reads " (deleted)"): the process runs
    /// code that was removed, or replaced by an upgrade.
    #[serde(default)]
    pub deleted: bool,
    /// Whether another file stands at that path now, so that a restart would run other code; none
    /// if that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<bool>,
}
