//! Whether `/proc` hides processes from us (proc(5), mount option `hidepid`).

use facts::{Gap, Remedy};
use rustix::thread::CapabilitySet;

use super::privilege;
use crate::mountinfo::{self, Mount};

/// A gap, if the processes that we see may be fewer than there are.
///
/// Shown is what we may trace (`fs/proc/base.c`, `has_pid_permissions`), so that it is not root to
/// whom nothing is hidden, but `CAP_SYS_PTRACE` over every process.
pub(super) fn gap() -> Option<Gap> {
    if privilege::has(CapabilitySet::SYS_PTRACE) {
        return None;
    }
    // Unreadable only where /proc is not there, which is told elsewhere.
    let mounts = mountinfo::read().ok()?;
    let mount = mountinfo::at(&mounts, "/proc")?;
    let groups = rustix::process::getgroups().unwrap_or_default();
    let own = rustix::process::getegid();
    let groups: Vec<u32> =
        groups.into_iter().chain([own]).map(rustix::process::Gid::as_raw).collect();
    let value = hides(mount, &groups)?;
    Some(
        Gap::new("processes of other users", format!("/proc is mounted with hidepid={value}"))
            .remedied_by(Remedy::Root),
    )
}

/// The value of `hidepid`, if it hides processes from a member of these groups. With 1 (`noaccess`)
/// they are seen, and what may not be read of them is counted where it is read.
fn hides<'a>(mount: &'a Mount, groups: &[u32]) -> Option<&'a str> {
    let value = mount.option("hidepid")?;
    // fs/proc/base.c, has_pid_permissions: the group does not help against `ptraceable`.
    let exempt = mount
        .option("gid")
        .and_then(|gid| gid.parse().ok())
        .is_some_and(|gid| groups.contains(&gid));
    match value {
        "2" | "invisible" if !exempt => Some(value),
        "4" | "ptraceable" => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &str, expect: Option<&str>) {
        let line = format!("22 27 0:21 / /proc rw - proc proc {options}\n");
        let mounts = mountinfo::parse(line.as_bytes());
        assert_eq!(hides(&mounts[0], &[5, 7]), expect, "{options}");
    }

    #[test]
    fn options() {
        check("rw", None);
        check("rw,hidepid=off", None);
        check("rw,hidepid=noaccess", None);
        check("rw,hidepid=1", None);
        check("rw,hidepid=invisible", Some("invisible"));
        check("rw,gid=9,hidepid=2", Some("2"));
        check("rw,gid=7,hidepid=2", None);
        check("rw,gid=7,hidepid=ptraceable", Some("ptraceable"));
        check("rw,hidepid=4", Some("4"));
    }
}
