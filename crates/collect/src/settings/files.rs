//! The files of `/proc/sys/net`: those of no interface, and those of `all` and `default`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::{Errno, read as read_fd};

use super::devconf;

/// The files of each folder below `/proc/sys/net`.
const FILES: &[(&str, &[&str])] = &[
    ("ipv4", IPV4),
    ("ipv4/neigh/default", &["gc_thresh1", "gc_thresh2", "gc_thresh3"]),
    ("ipv6", &["bindv6only", "fwmark_reflect", "ip_nonlocal_bind", "anycast_src_echo_reply"]),
    (
        "ipv6/icmp",
        &["echo_ignore_all", "echo_ignore_anycast", "echo_ignore_multicast", "ratelimit"],
    ),
    ("ipv6/neigh/default", &["gc_thresh1", "gc_thresh2", "gc_thresh3"]),
    ("core", &["somaxconn", "netdev_max_backlog", "devconf_inherit_init_net"]),
    (
        "bridge",
        &[
            "bridge-nf-call-arptables",
            "bridge-nf-call-ip6tables",
            "bridge-nf-call-iptables",
            "bridge-nf-filter-pppoe-tagged",
            "bridge-nf-filter-vlan-tagged",
            "bridge-nf-pass-vlan-input-dev",
        ],
    ),
];

const IPV4: &[&str] = &[
    "fwmark_reflect",
    "icmp_echo_enable_probe",
    "icmp_echo_ignore_all",
    "icmp_echo_ignore_broadcasts",
    "icmp_ignore_bogus_error_responses",
    "icmp_msgs_burst",
    "icmp_msgs_per_sec",
    "icmp_ratelimit",
    "icmp_ratemask",
    "ip_default_ttl",
    "ip_early_demux",
    "ip_forward",
    "ip_local_port_range",
    "ip_local_reserved_ports",
    "ip_nonlocal_bind",
    "ip_unprivileged_port_start",
    "ping_group_range",
    "raw_l3mdev_accept",
    "tcp_abort_on_overflow",
    "tcp_fastopen",
    "tcp_fwmark_accept",
    "tcp_l3mdev_accept",
    "tcp_max_syn_backlog",
    "tcp_rfc1337",
    "tcp_syncookies",
    "tcp_timestamps",
    "udp_l3mdev_accept",
];

/// The folder of the connection tracking's settings: all of it is read.
const NETFILTER: &str = "netfilter";

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Path below the base and value.
    pub(crate) values: Vec<(String, String)>,
    /// What is there and could not be read.
    pub(crate) unread: Vec<(String, Errno)>,
}

/// Reads all below `base`, which is `/proc/sys` or stands for it.
///
/// # Errors
/// That of opening `net` in it.
pub(crate) fn read(base: &Path) -> Result<Read, Errno> {
    let net = open_folder(CWD, &base.join("net"))?;
    let mut read = Read::default();
    for (folder, names) in FILES {
        read.folder(&net, folder, names.iter().copied());
    }
    for which in ["all", "default"] {
        read.folder(&net, &format!("ipv4/conf/{which}"), devconf::names(false));
        read.folder(&net, &format!("ipv6/conf/{which}"), devconf::names(true));
    }
    let tracking = tracking_in(&net);
    read.folder(&net, NETFILTER, tracking.iter().map(String::as_str));
    Ok(read)
}

/// Reads all below `base`, and the files of every interface, as a folder has them that stands for
/// another host's.
///
/// # Errors
/// That of opening `net` in it.
pub(crate) fn read_all(base: &Path) -> Result<Read, Errno> {
    let mut all = read(base)?;
    let net = open_folder(CWD, &base.join("net"))?;
    for ipv6 in [false, true] {
        let folder = if ipv6 { "ipv6/conf" } else { "ipv4/conf" };
        for link in links_in(&net, folder) {
            all.folder(&net, &format!("{folder}/{link}"), devconf::names(ipv6));
        }
    }
    Ok(all)
}

/// The interfaces that have settings below `base`.
pub(crate) fn links(base: &Path) -> Vec<String> {
    let Ok(net) = open_folder(CWD, &base.join("net")) else { return vec![] };
    let mut links = links_in(&net, "ipv4/conf");
    links.extend(links_in(&net, "ipv6/conf"));
    links
}

impl Read {
    /// Reads these files of a folder; it may be absent.
    fn folder<'n>(&mut self, net: &OwnedFd, folder: &str, names: impl Iterator<Item = &'n str>) {
        let fd = match open_folder(net, Path::new(folder)) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return,
            Err(error) => return self.unread.push((format!("net/{folder}"), error)),
        };
        for name in names {
            match value(&fd, name) {
                Ok(value) => self.values.push((format!("net/{folder}/{name}"), value)),
                Err(Errno::NOENT) => {}
                Err(error) => self.unread.push((format!("net/{folder}/{name}"), error)),
            }
        }
    }
}

fn open_folder(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The settings of connection tracking. Folders and what is no setting are left out.
fn tracking_in(net: &OwnedFd) -> Vec<String> {
    let mut names = names_in(net, NETFILTER);
    names.retain(|name| name.starts_with("nf_conntrack_") || name.starts_with("nf_flowtable_"));
    names
}

/// The interfaces that have a folder.
fn links_in(net: &OwnedFd, folder: &str) -> Vec<String> {
    let mut names = names_in(net, folder);
    names.retain(|name| !matches!(name.as_str(), "." | ".." | "all" | "default"));
    names
}

/// The names in a folder, sorted.
fn names_in(net: &OwnedFd, folder: &str) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = openat(net, folder, flags, Mode::empty()).and_then(Dir::new);
    let Ok(entries) = entries else { return vec![] };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

/// A setting without the line's end.
fn value(folder: &OwnedFd, name: &str) -> Result<String, Errno> {
    // Written to, `/proc/sys` acts; read, it only answers.
    let fd = openat(folder, name, FILE, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 1024];
    loop {
        let length = read_fd(&fd, &mut buffer)?;
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        // Nearly all values come with one read and end with the line.
        if length == 0 || bytes.len() > LONGEST || bytes.ends_with(b"\n") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned())
}

/// One setting by its whole path; none where there is none, or it cannot be read.
pub(crate) fn one(path: &Path) -> Option<String> {
    let folder = open_folder(CWD, path.parent()?).ok()?;
    value(&folder, path.file_name()?.to_str()?).ok()
}

/// In a folder that stands for `/proc/sys` there may be anything.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// The most that is kept of one value: all ports, one by one, are shorter.
const LONGEST: usize = 1 << 19;
