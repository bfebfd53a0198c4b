//! Newtypes for the kernel's numbers, so that a port cannot be passed where a pid is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A transport port, 0 to 65535, in host byte order. Raw and packet sockets have none.
    Port(u16)
}
id! {
    /// A process id (the kernel's thread-group id) as seen from the collector's pid namespace.
    Pid(u32)
}
id! {
    /// A user id as seen from the collector's user namespace.
    Uid(u32)
}
id! {
    /// The inode of a socket in sockfs; unique among all live sockets of the host, whatever their
    /// network namespace. 0: the kernel names none (time-wait, request and some kernel sockets).
    Inode(u64)
}
id! {
    /// The inode of a network namespace in nsfs (`stat -L /proc/PID/ns/net`, `net:[4026531840]`).
    /// 0: whyopen's own, where its inode could not be read.
    NetnsId(u32)
}
id! {
    /// The id of a cgroup of the unified hierarchy: its inode in the cgroup2 file system
    /// (kernel `include/linux/cgroup.h`, `cgroup_id`).
    CgroupId(u64)
}
id! {
    /// An interface index; unique within its network namespace only. 0: none.
    IfIndex(u32)
}
