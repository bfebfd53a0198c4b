//! Parsers of `/proc/PID/stat` and `/proc/PID/cgroup`.

use facts::Pid;

/// `USER_HZ`: the unit of times in `/proc/PID/stat` (`include/asm-generic/param.h`; 100 on every
/// architecture that Rust runs on).
const USER_HZ: u64 = 100;

/// How long one clock tick of `/proc` is, in nanoseconds.
pub(super) const TICK_NS: u64 = 1_000_000_000 / USER_HZ;

/// `PF_KTHREAD` (`include/linux/sched.h`): a thread of the kernel itself.
const PF_KTHREAD: u32 = 0x0020_0000;

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The name as it stands there. Some kernels write a newline in it as `\n` and a backslash as
    /// `\\` (`fs/proc/array.c`, `proc_task_name`), others do not, so that a name with a backslash is
    /// known only from `/proc/PID/comm`.
    pub(super) comm: String,
    /// The parent; 0 for none.
    pub(super) parent: Pid,
    /// Whether it is a thread of the kernel.
    pub(super) kernel: bool,
    /// When it started, in nanoseconds since boot, in steps of [`TICK_NS`].
    pub(super) started_ns: u64,
}

/// Parses one line of `/proc/PID/stat`; none if it is not one.
///
/// The name stands in parentheses and may hold any byte but NUL, also parentheses and spaces, so
/// that its end is the last closing one: what follows are numbers.
pub(super) fn stat(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let comm = line.get(open + 1..close)?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    // Field 3 (state) is the first after the name.
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(4 - 3)?.parse().ok()?;
    let flags: u32 = fields.nth(9 - 5)?.parse().ok()?;
    let started: u64 = fields.nth(22 - 10)?.parse().ok()?;
    Some(Stat {
        comm: String::from_utf8_lossy(comm).into_owned(),
        parent: Pid(parent),
        kernel: flags & PF_KTHREAD != 0,
        started_ns: started.saturating_mul(TICK_NS),
    })
}

/// The path of a process's cgroup, from its `/proc/PID/cgroup` (cgroups(7)): that of the unified
/// hierarchy, or where that one is not used (only its root is populated), that of systemd's own
/// hierarchy on cgroup v1, `name=systemd`.
pub(super) fn cgroup_path(bytes: &[u8]) -> Option<String> {
    let mut unified = None;
    let mut systemd = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if id == b"0" && controllers.is_empty() {
            unified = Some(path);
        } else if controllers == b"name=systemd" {
            systemd = Some(path);
        }
    }
    let path = unified.filter(|path| *path != b"/").or(systemd).or(unified)?;
    // A process may outlive its cgroup (kernel/cgroup/cgroup.c, proc_cgroup_show).
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Some(String::from_utf8_lossy(path).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "S 1 2 3 0 -1 4194560 5 0 0 0 1 2 0 0 20 0 1 0 12345 6 7";

    /// Checks a name as it stands in the file.
    fn check_comm(written: &str, expect: &str) {
        let line = format!("77 ({written}) {TAIL}\n");
        let comm = stat(line.as_bytes()).map(|stat| stat.comm);
        assert_eq!(comm.as_deref(), Some(expect), "{line:?}");
    }

    #[test]
    fn names() {
        check_comm("sh", "sh");
        check_comm("", "");
        check_comm("a) S 9 (b", "a) S 9 (b");
        check_comm("))((", "))((");
        check_comm("a\nb", "a\nb");
    }

    #[test]
    fn numbers() {
        let got = stat(format!("77 (x) {TAIL}").as_bytes()).unwrap();
        assert_eq!((got.parent, got.kernel), (Pid(1), false));
        assert_eq!(got.started_ns, 123_450_000_000);
        let kernel = TAIL.replace("4194560", "2129984");
        assert!(stat(format!("2 (kthreadd) {kernel}").as_bytes()).unwrap().kernel);
        for wrong in ["", "77", "77 (x", "77 x) S 1", ")(", "77 (x) S", "77 (x) S a b c", "(\u{0})"]
        {
            assert_eq!(stat(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    /// Checks a `/proc/PID/cgroup`.
    fn check_cgroup(file: &str, expect: Option<&str>) {
        assert_eq!(cgroup_path(file.as_bytes()).as_deref(), expect, "{file:?}");
    }

    #[test]
    fn cgroups() {
        check_cgroup("0::/system.slice/a.service\n", Some("/system.slice/a.service"));
        check_cgroup("0::/a:b\n", Some("/a:b"));
        check_cgroup("0::/\n", Some("/"));
        check_cgroup(
            "5:pids:/p\n1:name=systemd:/system.slice/a.service\n0::/\n",
            Some("/system.slice/a.service"),
        );
        check_cgroup(
            "1:name=systemd:/x\n0::/system.slice/b.service\n",
            Some("/system.slice/b.service"),
        );
        check_cgroup("1:name=systemd:/x\n", Some("/x"));
        check_cgroup("0::/gone (deleted)\n", Some("/gone"));
        check_cgroup("2:cpu:/only\n", None);
        check_cgroup("", None);
    }
}
