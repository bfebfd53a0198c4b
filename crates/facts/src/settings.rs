//! What decides about the kernel's settings beside the kernel itself: files of configuration, what
//! starts at boot, and the state of connection tracking and of the security modules.
//!
//! A line is kept as it was written, with its file and number; what it means is decided in `judge`.
//! Only keys that bear on settings are kept: profiles of a network manager hold secrets too.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The files that configure the kernel's settings, and what starts at boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The files, sorted by path.
    pub files: Vec<ConfigFile>,
    /// Units that others pull in at boot (names in `*.wants` and `*.requires`), sorted.
    #[serde(default)]
    pub enabled: Vec<String>,
    /// Units that run now; none where systemd does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Vec<String>>,
    /// How the host starts.
    #[serde(default)]
    pub init: Init,
    /// The container engine that runs the host, where one does (`/run/systemd/container`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Whether it was read from a folder that stands for another host.
    #[serde(default)]
    pub other_host: bool,
}

/// How a host starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// In a way that is not known here.
    #[default]
    Unknown,
    /// systemd.
    Systemd,
    /// `rc.sysinit` of Red Hat's initscripts.
    RcSysinit,
}

/// A file, as far as it bears on settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its path on the host.
    pub path: String,
    /// What is written in it.
    pub kind: ConfigKind,
    /// Where a symbolic link leads to, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
    /// Whether it is empty: such a file takes the place of others of its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty: bool,
    /// Its lines that bear on settings, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<ConfigEntry>,
    /// Numbers of lines that are not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<u32>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// Its number, from 1.
    pub line: u32,
    /// The section it is in; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// What is set, as it is written.
    pub key: String,
    /// To what; none where the line only names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigKind {
    /// sysctl.d(5), and `/etc/sysctl.conf`.
    Sysctl,
    /// The same for ufw.
    UfwSysctl,
    /// Assignments of shell variables.
    Shell,
    /// A connection of NetworkManager.
    NetworkManagerProfile,
    /// NetworkManager.conf(5).
    NetworkManagerConf,
    /// What NetworkManager does with an interface; the file is named by its index.
    NetworkManagerDevice,
    /// systemd.network(5).
    NetworkdNetwork,
    /// networkd.conf(5).
    NetworkdConf,
    /// What systemd-networkd does with an interface; the file is named by its index.
    NetworkdLink,
    /// netplan(5).
    Netplan,
    /// interfaces(5).
    Ifupdown,
    /// modprobe.d(5).
    Modprobe,
    /// modules-load.d(5).
    ModulesLoad,
    /// The kernel's command line.
    CommandLine,
    /// Rules of udev that set settings anew when something appears.
    Udev,
    /// A script or unit whose commands set settings.
    Commands,
    /// daemon.json of Docker.
    Docker,
    /// The configuration of kube-proxy.
    KubeProxy,
    /// The init script of a firewall.
    FirewallInit,
    /// A program that publishes this host's address under a name.
    DynamicDns,
    /// A kind that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

/// The state of what the settings are about, at the time of the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelState {
    /// Connection tracking of the host's namespace; none where the kernel has none now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    /// The modules that are loaded; none where that is not known. A kernel that has everything
    /// built in has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<Module>>,
    /// Modules of interest that are built into the kernel (`modules.builtin`), sorted.
    #[serde(default)]
    pub builtin: Vec<String>,
    /// Memory in KiB (`MemTotal`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_kib: Option<u64>,
    /// The processors that are online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors: Option<u32>,
    /// The size of a page in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_bytes: Option<u64>,
    /// Which source address the kernel chooses, asked without sending anything.
    #[serde(default)]
    pub sources: Vec<ChosenSource>,
    /// SELinux: `enforcing`, `permissive`; none where the kernel does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux: Option<String>,
    /// Whether AppArmor is on; none where the kernel does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<bool>,
    /// How many of its profiles are enforced, and how many only complain; none where that was not
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profiles: Option<Profiles>,
    /// The logs that were searched for denials: files, and `the kernel's log`. Empty: none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denial_logs: Vec<String>,
    /// Recorded denials that bear on sockets, the last ones, in order.
    #[serde(default)]
    pub denials: Vec<Denial>,
    /// Settings that nobody on this host can write though a file names them, by path; `net` where
    /// all of `/proc/sys/net` is mounted to be read only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// How often the table of neighbours was full (`table_fulls` of `/proc/net/stat/arp_cache`); none
    /// where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arp_table_full: Option<u64>,
    /// The same for IPv6 (`ndisc_cache`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nd_table_full: Option<u64>,
}

/// Profiles of AppArmor by their mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// What is not allowed is denied (`enforce`, `kill`).
    pub enforced: u32,
    /// What is not allowed is recorded (`complain`).
    pub complaining: u32,
}

/// Connection tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conntrack {
    /// How many connections are tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// New connections that were dropped because the table was full (`drop` of
    /// `/proc/net/stat/nf_conntrack`, all processors).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Entries that were removed early to make room (`early_drop`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_dropped: Option<u64>,
    /// Connections that could not be inserted (`insert_failed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert_failed: Option<u64>,
    /// The size of an entry in bytes, with what the allocator adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_bytes: Option<u64>,
}

/// A module of the kernel (`/proc/modules`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// How many references to it there are; none where it cannot be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// The modules that use it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

/// Which source address the kernel chooses for a destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChosenSource {
    /// The destination it was asked about.
    pub destination: IpAddr,
    /// The address; none: no route leads there.
    pub source: Option<IpAddr>,
}

/// A denial of a security module, from the kernel's or the audit daemon's log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// `selinux` or `apparmor`.
    pub module: String,
    /// The program.
    pub program: String,
    /// What was denied: `name_bind`, `bind`, `create` …
    pub operation: String,
    /// The port, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether it was only recorded, not denied (permissive, complain).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_recorded: bool,
}

/// The path below `/proc/sys` of a key as it is written (sysctl.d(5)): where the first separator is
/// a slash, slashes separate; where it is a dot, dots do, and slashes stand for dots in names.
/// (systemd `src/shared/sysctl-util.c`, `sysctl_normalize`.)
pub fn setting_path(key: &str) -> String {
    let key = key.strip_prefix("/proc/sys/").unwrap_or(key);
    let dotted = key.chars().find(|c| matches!(c, '.' | '/')) == Some('.');
    let path = if dotted { setting_key(key) } else { key.to_owned() };
    path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// How people write a path: `net.ipv4.conf.eth0/100.rp_filter`.
pub fn setting_key(path: &str) -> String {
    path.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}
