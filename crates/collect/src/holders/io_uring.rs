//! Sockets held only as fixed files of an io_uring.
//!
//! A program can register a socket with a ring and close its descriptor (io_uring_register(2),
//! `IORING_REGISTER_FILES`). The socket is then in no table of descriptors; only the ring's
//! `/proc/PID/fdinfo/FD` names it (kernel `io_uring/fdinfo.c`):
//!
//! ```text
//! UserFiles:      2
//!     0: socket:[12345]
//!     1: socket:[12346]
//! ```

use facts::{Gap, Holder, Inode, Pid, Remedy};
use rustix::io::Errno;

use super::details::denied_gap;
use super::inodes::InodeSet;
use super::procfs::{self, Proc};

/// Looks for sockets in these rings (processes and descriptors).
pub(super) fn holders(
    proc: &Proc,
    rings: &[(Pid, u32)],
    wanted: &InodeSet,
) -> (Vec<Holder>, Vec<Gap>) {
    let mut holders = Vec::new();
    let mut denied = 0_usize;
    let mut busy = 0_usize;
    let mut text = Vec::new();
    for &(pid, fd) in rings {
        // The kernel leaves things out while the ring is locked by its program: ask again.
        let mut table = Ok(Table::Busy);
        for _ in 0..3 {
            table = proc.read(pid, &format!("fdinfo/{fd}"), &mut text).map(|()| user_files(&text));
            if !matches!(table, Ok(Table::Busy | Table::Bare)) {
                break;
            }
        }
        match table {
            Ok(Table::Sockets(inodes)) => {
                let held = inodes.into_iter().filter(|inode| wanted.contains(*inode));
                holders.extend(held.map(|inode| Holder { inode, pid, fd, io_uring: true }));
            }
            Ok(Table::Busy) => busy += 1,
            Err(Errno::ACCESS | Errno::PERM) => denied += 1,
            // Locked three times in a row is far less likely than a table kept free for later; and
            // any other error is that of a process which has ended.
            Ok(Table::Bare) | Err(_) => {}
        }
    }
    holders.sort_unstable();
    holders.dedup();
    let mut gaps = denied_gap("sockets in io_uring instances", "read /proc/PID/fdinfo/FD", denied);
    if busy > 0 {
        let why = "read /proc/PID/fdinfo/FD: the instance was busy and its files are left out";
        gaps.push(
            Gap::new(format!("sockets in {busy} io_uring instances"), why)
                .remedied_by(Remedy::Retry),
        );
    }
    (holders, gaps)
}

/// The table of fixed files of a ring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// The sockets in it.
    Sockets(Vec<Inode>),
    /// The table has slots, but none is listed: all are free, or the ring was locked by its program
    /// (kernels before 6.10 or so print the number of slots even then).
    Bare,
    /// There is no table: the ring was locked by its program.
    Busy,
}

/// Parses `/proc/PID/fdinfo/FD` of a ring.
pub(super) fn user_files(text: &[u8]) -> Table {
    let mut lines = text.split(|byte| *byte == b'\n');
    let Some(heading) = lines.find_map(|line| line.strip_prefix(b"UserFiles:")) else {
        return Table::Busy;
    };
    let slots: u64 = procfs::number(heading.trim_ascii()).unwrap_or_default();
    let mut listed = false;
    let mut inodes = Vec::new();
    for line in lines {
        // The next heading, "UserBufs:", starts at the margin; slots are indented.
        let Some((slot, name)) = split_slot(line) else { break };
        listed |= procfs::number::<u64>(slot).is_some();
        inodes.extend(procfs::numbered(name, b"socket:").map(Inode));
    }
    if slots > 0 && !listed { Table::Bare } else { Table::Sockets(inodes) }
}

/// `    0: socket:[1]` as its number and its text. Numbers of five digits have no margin.
fn split_slot(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (slot, name) = line.split_at_checked(colon)?;
    let slot = slot.trim_ascii();
    let is_slot = !slot.is_empty() && slot.iter().all(u8::is_ascii_digit);
    is_slot.then_some((slot, name.strip_prefix(b":")?.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[u64]) {
        let expect = Table::Sockets(expect.iter().copied().map(Inode).collect());
        assert_eq!(user_files(text.as_bytes()), expect, "{text:?}");
    }

    #[test]
    fn tables() {
        check(
            "pos:\t0\nSqMask:\t0x3\nUserFiles:\t2\n    0: socket:[11]\n    1: socket:[12]\nUserBufs:\t0\n",
            &[11, 12],
        );
        check(
            "UserFiles:\t3\n    0: /tmp/a\\040b\n99999: socket:[12]\nUserBufs:\t1\n    0: 0x0/1\n",
            &[12],
        );
        check("UserFiles:\t0\nUserBufs:\t0\n", &[]);
        for (text, expect) in [
            ("", Table::Busy),
            ("pos:\t0\n", Table::Busy),
            ("UserBufs:\t1\n    0: socket:[1]\n", Table::Busy),
            ("UserFiles:\t1\nUserBufs:\t0\n", Table::Bare),
            ("UserFiles:\t1\n", Table::Bare),
        ] {
            assert_eq!(user_files(text.as_bytes()), expect, "{text:?}");
        }
    }
}
