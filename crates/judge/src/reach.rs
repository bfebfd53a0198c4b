//! Who can reach a row, as far as it is known.
//!
//! The firewall is not evaluated yet: whether anything arrives is [`Verdict::Unknown`], with every
//! source possible. What is known is which address families can arrive at all: that follows from
//! the socket alone, and [`Arrival`] says it.

use std::net::IpAddr;

use facts::{Family, Kind, Socket};

/// An address family on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Whether packets of a family can arrive at a socket at all, whatever the firewall says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrival {
    /// They can.
    Yes,
    /// They cannot: the socket does not serve that family.
    No,
    /// The kernel did not tell whether an IPv6 socket is IPv6 only.
    Unknown,
}

/// The verdict about one family of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not known; [`Reach::because`] says why.
    Unknown,
}

/// Who can reach a row over one family. `may` holds every source that is not certainly kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The verdict.
    pub verdict: Verdict,
    /// Source prefixes that are certainly let in.
    pub must: &'static [&'static str],
    /// Source prefixes that may be let in.
    pub may: &'static [&'static str],
    /// Why, in words.
    pub because: &'static str,
}

impl Wire {
    /// The prefix of all its addresses.
    fn everything(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 => &["0.0.0.0/0"],
            Self::Ipv6 => &["::/0"],
        }
    }
}

/// Why every reach is unknown.
pub const NOT_EVALUATED: &str = "the firewall is not evaluated yet by this version";

/// The same for packet sockets, which the firewall does not concern.
pub const PACKET_SOCKET: &str = "a packet socket sees frames before the firewall; its own filter is not evaluated yet by this \
     version";

/// The same for an IPv6 socket read from a place that does not tell `IPV6_V6ONLY`.
pub const V6ONLY_NOT_TOLD: &str = "the kernel did not tell whether this IPv6 socket serves IPv4 too, and the firewall is not \
     evaluated yet by this version";

/// Why reach and what happens at the next boot are unknown where nobody asked for them.
pub const SOCKETS_ONLY: &str = "not looked at (--sockets-only)";

/// Why what happens at the next boot is unknown.
pub const AFTER_BOOT_NOT_EVALUATED: &str =
    "what starts at boot is not evaluated yet by this version";

/// What is known of the reach of a socket over a family; none where that family cannot arrive.
pub fn of(socket: &Socket, wire: Wire) -> Option<Reach> {
    let because = match arrival(socket, wire) {
        Arrival::No => return None,
        Arrival::Unknown => V6ONLY_NOT_TOLD,
        Arrival::Yes if socket.family == Family::Packet => PACKET_SOCKET,
        Arrival::Yes => NOT_EVALUATED,
    };
    Some(Reach { verdict: Verdict::Unknown, must: &[], may: wire.everything(), because })
}

/// Whether a family can arrive at a socket.
pub fn arrival(socket: &Socket, wire: Wire) -> Arrival {
    let yes = |serves| if serves { Arrival::Yes } else { Arrival::No };
    if !socket.is_open() {
        return Arrival::No;
    }
    match socket.family {
        Family::Packet => yes(match socket.protocol.ether_name() {
            Some("all") => true,
            Some("ip") => wire == Wire::Ipv4,
            Some("ip6") => wire == Wire::Ipv6,
            _ => false,
        }),
        Family::Inet => yes(wire == Wire::Ipv4),
        Family::Inet6 => inet6(socket, wire),
        Family::Other => Arrival::Unknown,
    }
}

/// The same for an IPv6 socket, which serves IPv4 as well unless it is `IPV6_V6ONLY` (RFC 3493,
/// sections 3.7 and 5.3).
fn inet6(socket: &Socket, wire: Wire) -> Arrival {
    let IpAddr::V6(local) = socket.local.address else { return Arrival::Unknown };
    let mapped = local.to_ipv4_mapped().is_some();
    match wire {
        Wire::Ipv6 => {
            if mapped {
                Arrival::No
            } else {
                Arrival::Yes
            }
        }
        Wire::Ipv4 if mapped => Arrival::Yes,
        // Only a socket bound to `::` can be both; raw and ping sockets never are (kernel
        // net/ipv6/raw.c, net/ipv4/ping.c ping_lookup).
        Wire::Ipv4 if !local.is_unspecified() || matches!(socket.kind, Kind::Raw | Kind::Ping) => {
            Arrival::No
        }
        Wire::Ipv4 => match socket.v6only {
            Some(true) => Arrival::No,
            Some(false) => Arrival::Yes,
            None => Arrival::Unknown,
        },
    }
}
