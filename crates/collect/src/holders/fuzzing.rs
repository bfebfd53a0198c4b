//! Entry points for fuzzing: every parser of this room that reads what a host supplies. None of them
//! may panic, whatever the bytes.

use facts::Uid;

use super::{details, io_uring, procfs, stat};

/// `/proc/PID/stat`.
pub fn proc_stat(bytes: &[u8]) {
    let _ = stat::stat(bytes);
}

/// `/proc/PID/cgroup`.
pub fn proc_cgroup(bytes: &[u8]) {
    let _ = stat::cgroup_path(bytes);
}

/// `/proc/PID/cmdline`.
pub fn proc_cmdline(bytes: &[u8]) {
    let _ = details::split_args(bytes);
}

/// The text of a link in `/proc/PID/fd`.
pub fn proc_link(bytes: &[u8]) {
    let _ = procfs::link_target(bytes);
}

/// `/proc/PID/fdinfo/FD` of an io_uring.
pub fn ring_fdinfo(bytes: &[u8]) {
    let _ = io_uring::user_files(bytes);
}

/// `/proc/thread-self/mountinfo`.
pub fn mountinfo(bytes: &[u8]) {
    let _ = crate::mountinfo::parse(bytes);
}

/// `/etc/passwd`.
pub fn passwd(bytes: &[u8]) {
    let _ = crate::users::parse(bytes, &[Uid(0), Uid(u32::MAX)]);
}

/// `/sys/kernel/btf/vmlinux`.
pub fn btf(bytes: &[u8]) {
    crate::bpf::fuzz_btf(bytes);
}

/// What the BPF programs write.
pub fn bpf_records(bytes: &[u8]) {
    crate::bpf::fuzz_records(bytes);
}

/// All of them.
pub const ALL: &[fn(&[u8])] = &[
    proc_stat,
    proc_cgroup,
    proc_cmdline,
    proc_link,
    ring_fdinfo,
    mountinfo,
    passwd,
    btf,
    bpf_records,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for parser in super::ALL {
                parser(&bytes);
            }
        }
    }
}
