//! How a network namespace routes: its tables of routes, and the rules that choose among them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::IfIndex;

/// The addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The first of them.
    pub address: IpAddr,
    /// How many bits they share; 0: every address of the family.
    pub len: u8,
}

impl Prefix {
    /// Whether an address has these first bits; never one of the other family.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (128, v6.to_bits()),
        };
        let ((width, own), (other, asked)) = (bits(self.address), bits(address));
        let host_bits = u32::saturating_sub(width, self.len.into());
        // A shift by all 128 bits leaves nothing to compare.
        let network = |bits: u128| bits.checked_shr(host_bits).unwrap_or(0);
        width == other && network(own) == network(asked)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// A route (rtnetlink `RTM_NEWROUTE`). Sorted; of two routes to one prefix in a table, the one with
/// the lower priority number counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The routing table (`RTA_TABLE`): 254 main, 255 local, 253 default.
    pub table: u32,
    /// Where it leads to.
    pub destination: Prefix,
    /// The metric (`RTA_PRIORITY`).
    #[serde(default)]
    pub priority: u32,
    /// What happens to the packet.
    pub kind: RouteKind,
    /// Only for packets from here (`RTA_SRC`, IPv6 with subtrees); none: from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Prefix>,
    /// Only for packets with this type of service or traffic class (`rtm_tos`); 0: any.
    #[serde(default)]
    pub tos: u8,
    /// `rtm_scope`: 0 global, 253 link, 254 host.
    #[serde(default)]
    pub scope: u8,
    /// Who made it (`rtm_protocol`, `RTPROT_*`).
    #[serde(default)]
    pub protocol: u8,
    /// `rtm_flags` (`RTNH_F_*`), all bits as the kernel gave them: 1 dead, 16 link down.
    #[serde(default)]
    pub flags: u32,
    /// Its ways out; several for multipath, none for `unreachable` and its like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<NextHop>,
    /// The address that packets of this host take as their source (`RTA_PREFSRC`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_source: Option<IpAddr>,
}

/// One way out of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfIndex>,
    /// The next router, which may be of the other family (`RTA_VIA`); none: on-link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// `RTNH_F_*`: 1 dead, 16 link down.
    #[serde(default)]
    pub flags: u8,
}

/// The type of a route (`RTN_*` of `include/uapi/linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// To somebody else.
    Unicast,
    /// To this host.
    Local,
    /// To all on the link.
    Broadcast,
    /// To this host as one of several.
    Anycast,
    /// To a group.
    Multicast,
    /// Dropped without a word.
    Blackhole,
    /// Refused: host unreachable.
    Unreachable,
    /// Refused: administratively prohibited.
    Prohibit,
    /// As if the table had no route.
    Throw,
    /// Another type, by its number.
    Other(u8),
}

/// A neighbour on a link whose link-layer address the kernel knows (rtnetlink `RTM_NEWNEIGH`): it can
/// be sent to without being asked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neighbour {
    /// The interface.
    pub link: IfIndex,
    /// Its address.
    pub address: IpAddr,
    /// `NUD_*` of `include/uapi/linux/neighbour.h`, all bits as the kernel gave them: 0x80 permanent.
    pub state: u16,
}

/// A rule of the routing policy (rtnetlink `RTM_NEWRULE`, ip-rule(8)). Sorted by family and
/// priority; rules of one priority keep the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// Whether it is for IPv6.
    pub ipv6: bool,
    /// Lower numbers are asked first.
    pub priority: u32,
    /// What it does with packets that match.
    pub action: RuleAction,
    /// `FIB_RULE_INVERT`: for packets that do not match.
    #[serde(default)]
    pub invert: bool,
    /// From here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Prefix>,
    /// To there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Prefix>,
    /// Arriving on the interface of this name; `lo` for packets of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Of a socket that is bound to the interface of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// With these bits in the mark: value, mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<(u32, u32)>,
    /// With this type of service or traffic class; 0: any.
    #[serde(default)]
    pub tos: u8,
    /// Of this IP protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// From these ports: first, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<(u16, u16)>,
    /// To these ports: first, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<(u16, u16)>,
    /// Of sockets of these users: first, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<(u32, u32)>,
    /// Whether it is for interfaces of a VRF (`FRA_L3MDEV`).
    #[serde(default)]
    pub l3mdev: bool,
    /// Routes with prefixes of at most this length do not count (`FRA_SUPPRESS_PREFIXLEN`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_len: Option<u32>,
    /// Attributes that are not understood (`FRA_*` numbers) and may narrow it further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<u16>,
}

/// What a rule does (`FR_ACT_*` of `include/uapi/linux/fib_rules.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Looks in this table.
    Table(u32),
    /// Goes on at the rule with this priority.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Drops without a word.
    Blackhole,
    /// Refuses: network unreachable.
    Unreachable,
    /// Refuses: administratively prohibited.
    Prohibit,
    /// Another action, by its number.
    Other(u8),
}
