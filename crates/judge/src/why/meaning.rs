//! What a socket without a port means, and what can be sent to it.

use facts::{Family, Kind, Protocol};

use crate::row::Row;

/// A socket that has no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A raw socket of an IP protocol: it gets a copy of every packet of that protocol to this host
    /// that the firewall's input lets in (raw(7); kernel `net/ipv4/raw.c`, `raw_local_deliver`, and
    /// `net/ipv6/raw.c`, `raw6_local_deliver`).
    Raw {
        /// The protocol: its number is in the IP header, and is no port.
        protocol: Protocol,
        /// Whether it is of IPv6.
        ipv6: bool,
    },
    /// A raw socket of protocol 255 (`IPPROTO_RAW`): made to send (raw(7)).
    Sender,
    /// A ping socket: it sends echo requests, and gets the replies to these alone (kernel
    /// `net/ipv4/ping.c`, `ping_rcv`).
    Ping,
    /// A packet socket: it gets copies of frames before the firewall sees them (packet(7)).
    Packet {
        /// Which frames, by their Ethernet protocol; 3: all.
        ethernet: Protocol,
    },
}

/// What a row's sockets mean; none if they have a port.
pub(super) fn of(row: &Row<'_>) -> Option<Meaning> {
    let socket = row.socket;
    Some(match socket.kind {
        _ if socket.family == Family::Packet => Meaning::Packet { ethernet: socket.protocol },
        Kind::Raw if socket.protocol == Protocol::RAW => Meaning::Sender,
        Kind::Raw => {
            Meaning::Raw { protocol: socket.protocol, ipv6: socket.family == Family::Inet6 }
        }
        Kind::Ping => Meaning::Ping,
        _ => return None,
    })
}
