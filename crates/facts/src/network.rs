//! Network namespaces, their interfaces and addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Attached, IfIndex, Neighbour, NetnsId, Part, Pid, Route, RoutingRule, RulesetDump};

/// A network namespace that was found on the host. Sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetNamespace {
    /// Its inode.
    pub id: NetnsId,
    /// Its names: files below `/run/netns` (and engines' own folders) that are bound to it. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether it is the host's: the one of pid 1.
    #[serde(default)]
    pub host: bool,
    /// Whether it is the one whyopen ran in.
    #[serde(default)]
    pub own: bool,
    /// The process with the lowest pid in it, if one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Pid>,
    /// Its interfaces, sorted by index.
    #[serde(default)]
    pub links: Part<Vec<Link>>,
    /// Its addresses, sorted by interface and address.
    #[serde(default)]
    pub addresses: Part<Vec<Address>>,
    /// Its routes, of both families, sorted.
    #[serde(default)]
    pub routes: Part<Vec<Route>>,
    /// The IPv6 neighbours that it can send to without asking for them first, sorted. Others are
    /// found by neighbour discovery, as far as the packet filter lets that through.
    #[serde(default)]
    pub neighbours: Part<Vec<Neighbour>>,
    /// The rules that choose among its routing tables.
    #[serde(default)]
    pub rules: Part<Vec<RoutingRule>>,
    /// Its kernel settings: the path below `/proc/sys` (`net/ipv4/conf/eth0/rp_filter`; a name of an
    /// interface may hold dots, so it is no dotted key) and the value without the line's end.
    #[serde(default)]
    pub settings: Part<BTreeMap<String, String>>,
    /// Its packet filter.
    #[serde(default)]
    pub ruleset: Part<RulesetDump>,
    /// Programs and filters beside it that can drop, change or divert packets. Sorted.
    #[serde(default)]
    pub attached: Part<Vec<Attached>>,
    /// Whether all its sockets are in the snapshot: `Known(())`, or what is missing.
    #[serde(default)]
    pub sockets: Part<()>,
}

/// A network interface (rtnetlink `RTM_NEWLINK`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Its index.
    pub index: IfIndex,
    /// Its name, up to 15 bytes; escape it.
    pub name: String,
    /// Its kind (`IFLA_INFO_KIND`: `veth`, `bridge`, `vxlan` …); empty for physical and loopback.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFF_LOOPBACK`.
    #[serde(default)]
    pub loopback: bool,
    /// `IFF_LOWER_UP`: whether anything is connected to it, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<bool>,
    /// `IFF_NOARP`: no neighbour is asked for its link-layer address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_arp: bool,
    /// `IFF_POINTOPOINT`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub point_to_point: bool,
    /// The bridge, bond, team or VRF it is a port of (`IFLA_MASTER`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfIndex>,
    /// The interface that it stands on, or its other end for a veth (`IFLA_LINK`), in the namespace
    /// that `lower_netns` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<IfIndex>,
    /// The namespace of `lower`, where it is another one (`IFLA_LINK_NETNSID`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_netns: Option<OtherNetns>,
    /// The routing table of a VRF (`IFLA_VRF_TABLE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf_table: Option<u32>,
}

/// Another network namespace than the one that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherNetns {
    /// This one.
    Found(NetnsId),
    /// One that was not found; the number is the kernel's name for it in this namespace.
    NotFound(i32),
}

/// An address of an interface (rtnetlink `RTM_NEWADDR`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// The interface.
    pub link: IfIndex,
    /// The local address (`IFA_LOCAL`, or `IFA_ADDRESS` where there is none).
    pub address: IpAddr,
    /// The prefix length in bits.
    pub prefix_len: u8,
    /// `rtm_scope`: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_FLAGS` (`include/uapi/linux/if_addr.h`), all bits as the kernel gave them.
    pub flags: u32,
    /// Seconds it stays preferred; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_s: Option<u32>,
    /// Seconds it stays valid; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_s: Option<u32>,
}

impl Address {
    /// `IFA_F_TEMPORARY`: a privacy address of RFC 8981 (IPv6 only; the bit means "secondary" in
    /// IPv4).
    pub fn is_temporary(&self) -> bool {
        self.address.is_ipv6() && self.flags & 0x01 != 0
    }

    /// `IFA_F_DEPRECATED`: no longer chosen as a source, still answering.
    pub fn is_deprecated(&self) -> bool {
        self.flags & 0x20 != 0
    }
}
