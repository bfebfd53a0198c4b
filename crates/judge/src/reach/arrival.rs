//! Whether packets of an address family can arrive at a socket at all, whatever the firewall says.

use std::net::IpAddr;

use facts::{Family, Kind, Socket};

/// An address family on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Wire {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }

    /// Its place in [`Wire::BOTH`].
    pub(crate) fn position(self) -> usize {
        match self {
            Self::Ipv4 => 0,
            Self::Ipv6 => 1,
        }
    }
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
