//! The host itself, and how it was looked at.

use serde::{Deserialize, Serialize};

use crate::{NetnsId, Pid, Uid};

/// The host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `uname -n`.
    pub name: String,
    /// `PRETTY_NAME` of os-release; empty where there is none.
    #[serde(default)]
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    #[serde(default)]
    pub machine: String,
    /// To which backend the command `iptables` speaks; none where it is not there, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables: Option<IptablesBackend>,
    /// The same of `ip6tables`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6tables: Option<IptablesBackend>,
}

/// A backend of iptables(8): what its commands show and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IptablesBackend {
    /// The tables of x_tables.
    Legacy,
    /// Tables of nftables.
    Nft,
}

/// How the snapshot was taken: needed to read it rightly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collector {
    /// The version of whyopen that took it.
    pub version: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub taken_at_ms: u64,
    /// The effective user that took it.
    pub uid: Uid,
    /// whyopen's own process, so that views can leave out its own sockets.
    pub pid: Pid,
    /// The network namespace it ran in.
    pub netns: NetnsId,
    /// Whether only that namespace was asked for.
    #[serde(default)]
    pub this_netns_only: bool,
    /// Whether connected sockets were asked for as well.
    #[serde(default)]
    pub connected: bool,
    /// Whether only sockets and their holders were asked for: then firewall, boot and settings are
    /// unknown because nobody looked.
    #[serde(default)]
    pub sockets_only: bool,
    /// How holders were found.
    #[serde(default)]
    pub holders_by: HolderMethod,
}

/// How the holders of sockets were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderMethod {
    /// Not at all.
    #[default]
    None,
    /// BPF iterators over tasks and their files.
    Bpf,
    /// A walk over `/proc/PID/fd`.
    Proc,
    /// A way this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}
