//! Programs that can drop, change or divert packets beside netfilter, and where they are attached.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{CgroupId, IfIndex, Prefix};

/// A program or filter of a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attached {
    /// Where it runs.
    pub point: AttachPoint,
    /// The interface it is attached to; none: the namespace as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfIndex>,
    /// The program's name as its author gave it (up to 15 bytes), or the kind of a filter that is no
    /// program (`u32`, `flower`); empty where the kernel did not tell it. Escape it.
    pub name: String,
    /// The kernel's number of the program, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<u32>,
}

/// Where a program or filter of a network namespace runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachPoint {
    /// XDP, before everything else (`IFLA_XDP`).
    Xdp,
    /// tcx on ingress (`BPF_TCX_INGRESS`).
    TcxIngress,
    /// tcx on egress (`BPF_TCX_EGRESS`).
    TcxEgress,
    /// A filter of the traffic control on ingress (tc(8), `ingress` or `clsact`).
    TcIngress,
    /// The same on egress (`clsact`).
    TcEgress,
    /// On a netkit pair (`BPF_NETKIT_PRIMARY`, `BPF_NETKIT_PEER`).
    Netkit,
    /// Chooses the socket of a packet (`BPF_SK_LOOKUP`).
    SocketLookup,
    /// A point of a newer version.
    #[serde(other)]
    Other,
}

/// The programs of one cgroup that decide about packets and binds of the sockets in it and below.
/// Sorted by cgroup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CgroupPrograms {
    /// The cgroup they are attached to.
    pub cgroup: CgroupId,
    /// Its own and those of the cgroups above: a packet must pass all.
    pub programs: Vec<CgroupProgram>,
}

/// One program of a cgroup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CgroupProgram {
    /// Where it runs.
    pub point: CgroupPoint,
    /// The kernel's number of it.
    pub program: u32,
    /// Its name; escape it.
    pub name: String,
    /// What it is known to do; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does: Option<AddressFilter>,
}

/// Where a program of a cgroup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupPoint {
    /// For each packet to a socket (`BPF_CGROUP_INET_INGRESS`).
    Ingress,
    /// For each packet of a socket (`BPF_CGROUP_INET_EGRESS`).
    Egress,
    /// A point of a newer version.
    #[serde(other)]
    Other,
}

/// A filter of addresses as systemd's `IPAddressAllow=` and `IPAddressDeny=` make it
/// (systemd.resource-control(5)): a packet from an address that is in `allow` passes, else one in
/// `deny` is dropped, else it passes. The longest prefix does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressFilter {
    /// Passes. Sorted.
    #[serde(default)]
    pub allow: Vec<Prefix>,
    /// Is dropped unless allowed. Sorted.
    #[serde(default)]
    pub deny: Vec<Prefix>,
}

impl AddressFilter {
    /// Whether packets from (or to) this address pass.
    #[must_use]
    pub fn passes(&self, address: IpAddr) -> bool {
        let listed = |list: &[Prefix]| list.iter().any(|prefix| prefix.contains(address));
        listed(&self.allow) || !listed(&self.deny)
    }
}
