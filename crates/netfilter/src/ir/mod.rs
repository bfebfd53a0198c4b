//! One form for every ruleset, whatever wrote it: tables of chains of rules of steps.
//!
//! The parsers lower to it, both evaluators read it. What a parser does not understand stays in
//! the rule as [`Cond::Unknown`], [`Verdict::Unknown`] or [`Assign::Unknown`], with its text.

mod cond;
mod fib;
mod step;

pub use cond::{Cond, Doubt, Pattern, Side};
pub use fib::{Fib, FibAsk};
pub use step::{Assign, Nat, NatKind, OWN_ADDRESS, Reject, Step, Verdict};

use std::fmt;
use std::sync::Arc;

/// Values of [`packet_set::Field::CT_STATE`].
pub mod ct_state {
    /// No connection, and not exempt: also before connection tracking has looked.
    pub const INVALID: u128 = 0;
    /// The first packet of a connection.
    pub const NEW: u128 = 1;
    /// A packet of a known connection.
    pub const ESTABLISHED: u128 = 2;
    /// The first packet of an expected connection.
    pub const RELATED: u128 = 3;
    /// Exempt from tracking (`notrack`).
    pub const UNTRACKED: u128 = 4;

    /// What tracking makes of first packets of ICMP, by their types, first and last; none for other
    /// protocols, whose first packets are [`NEW`]. Types that are not here are [`INVALID`].
    ///
    /// Source: net/netfilter/nf_conntrack_proto_icmp.c, `valid_new` of nf_conntrack_icmp_packet;
    /// nf_conntrack_proto_icmpv6.c, `valid_new` and `noct_valid_new`, by which multicast listener and
    /// neighbour discovery are never tracked.
    #[must_use]
    pub const fn of_icmp_types(
        family: super::Family,
        protocol: u8,
    ) -> Option<&'static [(u8, u8, u128)]> {
        match (family, protocol) {
            (super::Family::Ipv4, 1) => {
                Some(&[(8, 8, NEW), (13, 13, NEW), (15, 15, NEW), (17, 17, NEW)])
            }
            (super::Family::Ipv6, 58) => Some(&[
                (128, 128, NEW),
                (130, 136, UNTRACKED),
                (139, 139, NEW),
                (143, 143, UNTRACKED),
            ]),
            _ => None,
        }
    }
}

/// Bits of [`packet_set::Field::CT_STATUS`]: IPS_* of linux/netfilter/nf_conntrack_common.h.
pub mod ct_status {
    /// IPS_EXPECTED.
    pub const EXPECTED: u128 = 1;
    /// IPS_SEEN_REPLY.
    pub const SEEN_REPLY: u128 = 1 << 1;
    /// IPS_ASSURED.
    pub const ASSURED: u128 = 1 << 2;
    /// IPS_CONFIRMED.
    pub const CONFIRMED: u128 = 1 << 3;
    /// IPS_SRC_NAT.
    pub const SNAT: u128 = 1 << 4;
    /// IPS_DST_NAT.
    pub const DNAT: u128 = 1 << 5;
    /// IPS_SRC_NAT_DONE and IPS_DST_NAT_DONE.
    pub const NAT_DONE: u128 = 3 << 7;
    /// IPS_DYING.
    pub const DYING: u128 = 1 << 9;
}

/// An address family of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Number of bits of an address.
    #[must_use]
    pub const fn width(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }

    /// The largest address, as a number.
    #[must_use]
    pub const fn max_address(self) -> u128 {
        match self {
            Self::Ipv4 => 0xffff_ffff,
            Self::Ipv6 => u128::MAX,
        }
    }

    /// The value of [`packet_set::Field::FAMILY`].
    #[must_use]
    pub const fn value(self) -> u128 {
        match self {
            Self::Ipv4 => 0,
            Self::Ipv6 => 1,
        }
    }

    /// The addresses that belong to the loopback interface by definition: 127.0.0.0/8 (RFC 1122,
    /// 3.2.1.3) or ::1 (RFC 4291, 2.5.3), as first and last.
    #[must_use]
    pub const fn loopback(self) -> (u128, u128) {
        match self {
            Self::Ipv4 => (0x7f00_0000, 0x7fff_ffff),
            Self::Ipv6 => (1, 1),
        }
    }
}

/// What wrote a table, which decides how its chains are hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `iptables-save` or `ip6tables-save`.
    Iptables,
    /// `nft list ruleset`, as text or JSON.
    Nftables,
}

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// Address resolution; never on the path of an IP packet.
    Arp,
    /// Bridged frames.
    Bridge,
    /// One device, before everything else.
    Netdev,
}

impl TableFamily {
    /// Whether packets of the family pass this table's prerouting, input, forward ... chains.
    #[must_use]
    pub const fn sees(self, family: Family) -> bool {
        matches!(
            (self, family),
            (Self::Ip, Family::Ipv4) | (Self::Ip6, Family::Ipv6) | (Self::Inet, _)
        )
    }

    /// The family by its name in nft.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "ip" => Self::Ip,
            "ip6" => Self::Ip6,
            "inet" => Self::Inet,
            "arp" => Self::Arp,
            "bridge" => Self::Bridge,
            "netdev" => Self::Netdev,
            _ => return None,
        })
    }

    /// Its name in nft.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// A place on a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Per device, before prerouting.
    Ingress,
    /// Before the routing decision.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// Before leaving.
    Postrouting,
    /// Per device, after everything.
    Egress,
}

impl Hook {
    /// The hook by its name in nft.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "ingress" => Self::Ingress,
            "prerouting" => Self::Prerouting,
            "input" => Self::Input,
            "forward" => Self::Forward,
            "output" => Self::Output,
            "postrouting" => Self::Postrouting,
            "egress" => Self::Egress,
            _ => return None,
        })
    }
}

/// What a base chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainKind {
    /// Decides.
    Filter,
    /// Translates; sees the first packet of a connection only.
    Nat,
    /// Decides, and makes the packet be routed again.
    Route,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Where it is called.
    pub hook: Hook,
    /// Type of the chain.
    pub kind: ChainKind,
    /// Order within the hook, lowest first.
    pub priority: i32,
    /// Whether a packet that reaches the end is dropped.
    pub drops: bool,
    /// The devices of an ingress or egress chain.
    pub devices: Vec<String>,
}

impl Base {
    /// Its place among the base chains of its hook, lowest first. Those that translate all run where
    /// the first of them put the kernel's own function, in the order of their priorities (nf_nat_core.c,
    /// nf_nat_register_fn; nf_nat_proto.c, nf_nat_ipv4_ops). Of those with one place, the one that was
    /// registered last runs first (net/netfilter/core.c, nf_hook_entries_grow).
    #[must_use]
    pub const fn order(&self) -> (i32, i32) {
        match (self.kind, self.hook) {
            (ChainKind::Nat, Hook::Prerouting | Hook::Output) => (-100, self.priority),
            (ChainKind::Nat, _) => (100, self.priority),
            _ => (self.priority, 0),
        }
    }
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the form has no lines (JSON).
    pub line: u32,
    /// The kernel's handle of the rule, where it was printed.
    pub handle: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.handle) {
            (0, Some(handle)) => write!(f, "{} handle {handle}", self.file),
            (0, None) => write!(f, "{}", self.file),
            (line, _) => write!(f, "{}:{line}", self.file),
        }
    }
}

/// One rule: its steps in order. A step that does not match ends the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What it does.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub place: Place,
    /// As it is written, without its comment and counters.
    pub text: String,
}

/// One chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Name, unique in the table.
    pub name: String,
    /// Present for base chains.
    pub base: Option<Base>,
    /// The rules in order.
    pub rules: Vec<Rule>,
    /// Where it is declared.
    pub place: Place,
}

/// One table. Verdicts name chains by their place in `chains`.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What wrote it.
    pub backend: Backend,
    /// Family.
    pub family: TableFamily,
    /// Name.
    pub name: String,
    /// The chains in order of declaration.
    pub chains: Vec<Chain>,
}

impl Table {
    /// A chain as a reader finds it again: family, table and chain.
    #[must_use]
    pub fn chain_name(&self, chain: &Chain) -> String {
        format!("{} {} {}", self.family.name(), self.name, chain.name)
    }
}

/// Something that was not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What, in words.
    pub what: String,
}

/// A whole ruleset; several files may be joined into one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ruleset {
    /// The tables, in order of registration.
    pub tables: Vec<Table>,
    /// What was not understood outside of rules; it may matter for any question.
    pub notes: Vec<Note>,
}

impl Ruleset {
    /// Adds another ruleset's tables after the own ones.
    pub fn join(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.notes.extend(other.notes);
    }
}
