//! The tables of iptables-legacy and ip6tables-legacy, from the kernel.
//!
//! Input: the network namespace of the calling thread. Output: the tables' own entries, which
//! `netfilter` reads. The rules:
//!
//! * **Looking changes nothing.** To ask for a table makes the kernel load its module and register
//!   it, empty, with all its hooks (net/netfilter/x_tables.c, xt_request_find_table_lock). So only
//!   those are asked for that it lists in `/proc/net/ip_tables_names`: they are there already.
//! * **No list is no tables**: a kernel without ip_tables has no such file. A list that may not be
//!   read is unreadable.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use facts::{Blob, Gap, LegacyTable, Part, Remedy};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::sockopt;

/// What differs between the families: everything but the shape of the answers.
struct Family {
    ipv6: bool,
    tool: &'static str,
    names: &'static str,
    socket: AddressFamily,
    /// `SOL_IP` or `SOL_IPV6`.
    level: i32,
    before_defrag: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        ipv6: false,
        tool: "iptables-legacy",
        names: "/proc/thread-self/net/ip_tables_names",
        socket: AddressFamily::INET,
        level: libc::SOL_IP,
        before_defrag: "/sys/module/iptable_raw/parameters/raw_before_defrag",
    },
    Family {
        ipv6: true,
        tool: "ip6tables-legacy",
        names: "/proc/thread-self/net/ip6_tables_names",
        socket: AddressFamily::INET6,
        level: libc::SOL_IPV6,
        before_defrag: "/sys/module/ip6table_raw/parameters/raw_before_defrag",
    },
];

/// `IPT_SO_GET_INFO` and `IP6T_SO_GET_INFO` (linux/netfilter_ipv4/ip_tables.h and
/// linux/netfilter_ipv6/ip6_tables.h).
const SO_GET_INFO: i32 = 64;
/// `IPT_SO_GET_ENTRIES` and `IP6T_SO_GET_ENTRIES`.
const SO_GET_ENTRIES: i32 = 65;
/// `XT_TABLE_MAXNAMELEN`.
const NAME: usize = 32;
/// The size of `struct ipt_getinfo` without the name, and of `struct ip6t_getinfo`.
const INFO: usize = 52;
/// Where `struct ipt_get_entries` has the entries: after name and size, at a multiple of eight.
const ENTRIES: usize = 40;

/// How often a table is read when it keeps changing.
const TRIES: u32 = 5;

/// The largest table that is read: 512 MiB is the kernel's own limit (`XT_MAX_TABLE_SIZE`).
const MOST_BYTES: usize = 512 << 20;

/// Reads the tables of the network namespace that the calling thread is in; `label` names it in
/// gaps.
pub fn read(label: &str) -> Part<Vec<LegacyTable>> {
    let mut found = Part::known(Vec::new());
    let mut unread = Vec::new();
    for family in &FAMILIES {
        match family.tables(label) {
            Ok(tables) => found.add(tables),
            Err(gap) => unread.push(gap),
        }
    }
    match <[Gap; 2]>::try_from(unread) {
        // For the same reason, mostly.
        Ok([gap, _]) => Part::unreadable(gap),
        Err(one) => {
            found.add(Part::with_gaps(Vec::new(), one));
            found
        }
    }
}

impl Family {
    /// The tables of this family; the gap if none of them can be read.
    fn tables(&self, label: &str) -> Result<Part<Vec<LegacyTable>>, Gap> {
        let gap = |what: String, why: String, denied: bool| {
            let gap = Gap::new(format!("{what} of {} in {label}", self.tool), why);
            if denied { gap.remedied_by(Remedy::Root) } else { gap }
        };
        let all = || "the tables".to_owned();
        let names = match fs::read_to_string(self.names) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound && has_network_files() => {
                return Ok(Part::known(Vec::new()));
            }
            Err(error) => {
                let denied = error.kind() == ErrorKind::PermissionDenied;
                return Err(gap(all(), format!("read {}: {error}", self.names), denied));
            }
        };
        let mut names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        if names.is_empty() {
            return Ok(Part::known(Vec::new()));
        }
        // Any socket of the family will do: the option is netfilter's (net/netfilter/nf_sockopt.c).
        let socket = socket_with(self.socket, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| gap(all(), format!("open a socket: {errno}"), false))?;
        let mut tables = Vec::new();
        let mut gaps = Vec::new();
        for name in names {
            match self.table(&socket, name) {
                Ok(Some(table)) => tables.push(table),
                // It was removed since the list was read.
                Ok(None) => {}
                Err((operation, errno)) => {
                    let denied = matches!(errno, Errno::PERM | Errno::ACCESS);
                    let gap = gap(format!("table {name}"), format!("{operation}: {errno}"), denied);
                    gaps.push(match errno {
                        Errno::AGAIN => gap.remedied_by(Remedy::Retry),
                        _ => gap,
                    });
                }
            }
        }
        Ok(Part::with_gaps(tables, gaps))
    }

    /// One table, in one piece.
    fn table(
        &self,
        socket: &OwnedFd,
        name: &str,
    ) -> Result<Option<LegacyTable>, (&'static str, Errno)> {
        for _ in 0..TRIES {
            let mut info = question(name, INFO);
            match sockopt::get(socket.as_fd(), self.level, SO_GET_INFO, &mut info) {
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(("getsockopt IPT_SO_GET_INFO", errno)),
            }
            let info = info.split_off(NAME);
            let size = info.last_chunk().map_or(0, |size| u32::from_ne_bytes(*size));
            let bytes = usize::try_from(size).unwrap_or(usize::MAX);
            if bytes > MOST_BYTES {
                return Err(("getsockopt IPT_SO_GET_INFO", Errno::TOOBIG));
            }
            let mut entries = question(name, ENTRIES - NAME + bytes);
            if let Some(field) = entries.get_mut(NAME..NAME + 4) {
                field.copy_from_slice(&size.to_ne_bytes());
            }
            match sockopt::get(socket.as_fd(), self.level, SO_GET_ENTRIES, &mut entries) {
                Ok(_) => {
                    return Ok(Some(LegacyTable {
                        ipv6: self.ipv6,
                        name: name.to_owned(),
                        before_defrag: name == "raw" && is_set(self.before_defrag),
                        info: Blob(info),
                        entries: Blob(entries.split_off(ENTRIES)),
                    }));
                }
                // It has another size by now.
                Err(Errno::AGAIN) => {}
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(("getsockopt IPT_SO_GET_ENTRIES", errno)),
            }
        }
        Err(("getsockopt IPT_SO_GET_ENTRIES", Errno::AGAIN))
    }
}

/// A buffer that begins with a table's name and has so many bytes after it.
fn question(name: &str, rest: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.bytes().take(NAME - 1).collect();
    bytes.resize(NAME + rest, 0);
    bytes
}

/// Whether the files of the thread's network namespace are there at all.
fn has_network_files() -> bool {
    fs::exists("/proc/thread-self/net/dev").unwrap_or(false)
}

/// A parameter of a module; one that is not loaded has none.
fn is_set(path: &str) -> bool {
    let read: io::Result<String> = fs::read_to_string(path);
    read.is_ok_and(|value| matches!(value.trim(), "Y" | "1"))
}

#[cfg(test)]
mod tests;
