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
    /// Recorded denials that bear on sockets, the last ones, in order.
    #[serde(default)]
    pub denials: Vec<Denial>,
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
