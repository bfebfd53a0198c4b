//! Sockets as the kernel lists them.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{CgroupId, IfIndex, Inode, NetnsId, Port, Uid};

/// One socket. Sorted by namespace, then by what it is bound to; see the field order.
///
/// Kept small on purpose: a busy host has 200,000 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Socket {
    /// The network namespace it lives in, which need not be its holder's.
    pub netns: NetnsId,
    /// Its address family.
    pub family: Family,
    /// How data flows through it.
    pub kind: Kind,
    /// The IP protocol; for packet sockets the Ethernet protocol they are bound to.
    pub protocol: Protocol,
    /// Its state; only TCP, MPTCP and SCTP have more than bound and connected.
    pub state: State,
    /// The local address and port.
    pub local: Endpoint,
    /// The other end, for connected sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Endpoint>,
    /// The interface it is bound to (`SO_BINDTODEVICE`, or a packet socket's `sll_ifindex`);
    /// none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<IfIndex>,
    /// `IPV6_V6ONLY`, from the socket's own flag; none where the kernel does not tell it (IPv4,
    /// and sockets read from `/proc/net`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6only: Option<bool>,
    /// Its inode, the key to its holders. 0 for none.
    pub inode: Inode,
    /// Who made it.
    pub uid: Uid,
    /// The cgroup of the process that called `socket()`; accepted sockets carry their listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupId>,
    /// Queue lengths.
    #[serde(default)]
    pub queue: Queue,
}

/// An address with its port. Raw and packet sockets have port 0 here: ask
/// [`Socket::port`], which knows that they have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The IP address; `0.0.0.0` or `::` for any. `::ffff:a.b.c.d` is kept as it is: such a socket
    /// is an IPv6 socket that serves IPv4 only.
    pub address: IpAddr,
    /// The port, 0 where the protocol has none.
    pub port: Port,
}

/// Queue lengths of a socket (`idiag_rqueue`, `idiag_wqueue`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Queue {
    /// For a TCP listener: connections waiting in the accept queue. Otherwise unread bytes.
    pub now: u32,
    /// For a TCP listener: the accept queue's limit; a connection arriving when `now` is above it
    /// is dropped (kernel `sk_acceptq_is_full`). Otherwise unsent bytes.
    pub max: u32,
}

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `AF_INET`.
    Inet,
    /// `AF_INET6`; serves IPv4 as well unless [`Socket::v6only`].
    Inet6,
    /// `AF_PACKET`: frames, before the firewall sees them.
    Packet,
    /// A family this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

/// The type of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `SOCK_STREAM`: TCP, MPTCP, one-to-one SCTP.
    Stream,
    /// `SOCK_DGRAM`: UDP, UDP-Lite; on a packet socket, frames without their link header.
    Dgram,
    /// `SOCK_RAW` over IP.
    Raw,
    /// `SOCK_DGRAM` of ICMP (ping sockets, `net.ipv4.ping_group_range`); its port is the ICMP id.
    Ping,
    /// `SOCK_SEQPACKET`: one-to-many SCTP.
    Seqpacket,
    /// A packet socket.
    Packet,
    /// A type this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

/// The state of a socket, in the words users know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepts connections (`TCP_LISTEN`).
    Listen,
    /// Bound and unconnected: a UDP, raw, ping or packet socket that receives from anyone, or a
    /// TCP socket bound but not listening (`TCP_BOUND_INACTIVE`).
    Bound,
    /// Not bound to a port, not connected.
    Unbound,
    /// `TCP_ESTABLISHED`; for UDP and raw: connected to one peer.
    Established,
    /// `TCP_SYN_SENT`.
    SynSent,
    /// `TCP_SYN_RECV` or `TCP_NEW_SYN_RECV`.
    SynRecv,
    /// `TCP_FIN_WAIT1`.
    FinWait1,
    /// `TCP_FIN_WAIT2`.
    FinWait2,
    /// `TCP_TIME_WAIT`: no process holds it.
    TimeWait,
    /// `TCP_CLOSE_WAIT`.
    CloseWait,
    /// `TCP_LAST_ACK`.
    LastAck,
    /// `TCP_CLOSING`.
    Closing,
    /// A state this version does not know.
    #[serde(other)]
    Other,
}

/// In the order of the fields. As if it were derived, but with numbers that are compared at once: to
/// sort 200,000 connections takes a quarter of the time.
impl Ord for Socket {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let rest = |s: &Self| (s.peer, s.device, s.v6only, s.inode, s.uid, s.cgroup, s.queue);
        self.head()
            .cmp(&other.head())
            .then_with(|| self.local.cmp(&other.local))
            .then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Socket {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// IPv4 before IPv6, then by address and port.
impl Ord for Endpoint {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |end: &Self| match end.address {
            IpAddr::V4(address) => (false, u128::from(address.to_bits()), end.port),
            IpAddr::V6(address) => (true, address.to_bits(), end.port),
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Endpoint {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl State {
    /// Whether a new peer can reach the socket: it listens, or receives datagrams or frames from
    /// anyone. A TCP socket that is bound but does not listen is `Bound` and not open to anyone;
    /// [`Socket::is_open`] tells them apart.
    pub fn is_connected(self) -> bool {
        !matches!(self, Self::Listen | Self::Bound | Self::Unbound)
    }
}

impl Socket {
    /// The fields before the addresses as one number.
    #[inline]
    fn head(&self) -> u128 {
        let kinds = [self.family as u8, self.kind as u8];
        let [family, kind] = kinds.map(u128::from);
        let (netns, protocol) = (u128::from(self.netns.0), u128::from(self.protocol.0));
        netns << 40 | family << 32 | kind << 24 | protocol << 8 | self.state as u128
    }

    /// Whether it has a peer. Of a state that this version does not know, the peer itself tells.
    pub fn is_connected(&self) -> bool {
        if self.state == State::Other { self.peer.is_some() } else { self.state.is_connected() }
    }

    /// Whether anything new can arrive at it: listening streams, and datagram, raw, ping and packet
    /// sockets that are not connected to one peer.
    pub fn is_open(&self) -> bool {
        match self.kind {
            Kind::Stream | Kind::Seqpacket => self.state == State::Listen,
            _ => matches!(self.state, State::Bound | State::Listen | State::Other),
        }
    }

    /// Its port, where its protocol has ports.
    pub fn port(&self) -> Option<Port> {
        match self.kind {
            Kind::Stream | Kind::Dgram | Kind::Seqpacket if self.family != Family::Packet => {
                Some(self.local.port)
            }
            _ => None,
        }
    }
}

/// A protocol number: an IP protocol (IANA "Protocol Numbers"), [`Protocol::MPTCP`], or for packet
/// sockets an Ethernet protocol (IANA "IEEE 802 Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Protocol(pub u16);

impl Protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: Self = Self(1);
    /// Internet Group Management Protocol.
    pub const IGMP: Self = Self(2);
    /// Transmission Control Protocol.
    pub const TCP: Self = Self(6);
    /// User Datagram Protocol.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6. Not a port.
    pub const ICMPV6: Self = Self(58);
    /// Stream Control Transmission Protocol.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite (RFC 3828).
    pub const UDPLITE: Self = Self(136);
    /// "Raw" (IANA: reserved): a raw socket that sends packets with a header of its own. It receives
    /// packets of protocol 255, and no others (raw(7)).
    pub const RAW: Self = Self(255);
    /// Multipath TCP: `IPPROTO_MPTCP` (`include/uapi/linux/in.h`), not a number on the wire.
    pub const MPTCP: Self = Self(262);

    /// The name of an IP protocol, as `/etc/protocols` and firewalls spell it, but `icmp6` for
    /// ICMPv6; none for numbers without a common name.
    pub fn ip_name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "ip",
            1 => "icmp",
            2 => "igmp",
            4 => "ipip",
            6 => "tcp",
            8 => "egp",
            17 => "udp",
            33 => "dccp",
            41 => "ipv6",
            46 => "rsvp",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "icmp6",
            88 => "eigrp",
            89 => "ospf",
            94 => "ipip-encap",
            98 => "encap",
            103 => "pim",
            108 => "ipcomp",
            112 => "vrrp",
            115 => "l2tp",
            132 => "sctp",
            136 => "udplite",
            137 => "mpls-in-ip",
            255 => "raw",
            262 => "mptcp",
            _ => return None,
        })
    }

    /// The name of an Ethernet protocol (`include/uapi/linux/if_ether.h`); none for numbers
    /// without a common name.
    pub fn ether_name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "none",
            0x0003 => "all",
            0x0004 => "802.2",
            0x0800 => "ip",
            0x0806 => "arp",
            0x22f0 => "avtp",
            0x8035 => "rarp",
            0x8100 => "vlan",
            0x86dd => "ip6",
            0x8809 => "lacp",
            0x8863 => "pppoe-disc",
            0x8864 => "pppoe",
            0x888e => "eapol",
            0x8892 => "profinet",
            0x88a8 => "qinq",
            0x88cc => "lldp",
            0x88e1 => "homeplug",
            0x88f7 => "ptp",
            0x8906 => "fcoe",
            0x8914 => "fip",
            _ => return None,
        })
    }
}

impl fmt::Display for Protocol {
    /// The IP name, or `ip-proto-N`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ip-proto-{}", self.0),
        }
    }
}

/// A part of the kernel that holds a socket of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KernelOwner {
    /// The namespace of the socket.
    pub netns: NetnsId,
    /// What it binds: the transport protocol.
    pub protocol: Protocol,
    /// The local port.
    pub port: Port,
    /// Which part of the kernel, as its module is called: `vxlan`, `wireguard`, `nfsd`, `lockd`.
    pub subsystem: String,
    /// Which instance: the link's name (`vx0`), or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Where this was read: "rtnetlink link dump", "/proc/fs/nfsd/portlist".
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket of this kind and state, with a peer or without.
    fn socket(kind: Kind, protocol: Protocol, state: State, has_peer: bool) -> Socket {
        let local = Endpoint { address: std::net::Ipv4Addr::LOCALHOST.into(), port: Port(7) };
        Socket {
            netns: NetnsId(1),
            family: Family::Inet,
            kind,
            protocol,
            state,
            local,
            peer: has_peer.then_some(local),
            device: None,
            v6only: None,
            inode: Inode(1),
            uid: Uid(0),
            cgroup: None,
            queue: Queue::default(),
        }
    }

    #[test]
    fn open_and_connected() {
        let check = |socket: Socket, open: bool, connected: bool| {
            assert_eq!((socket.is_open(), socket.is_connected()), (open, connected), "{socket:?}");
        };
        check(socket(Kind::Stream, Protocol::TCP, State::Listen, false), true, false);
        check(socket(Kind::Stream, Protocol::TCP, State::Bound, false), false, false);
        check(socket(Kind::Stream, Protocol::TCP, State::TimeWait, true), false, true);
        check(socket(Kind::Dgram, Protocol::UDP, State::Bound, false), true, false);
        check(socket(Kind::Dgram, Protocol::UDP, State::Unbound, false), false, false);
        check(socket(Kind::Raw, Protocol::RAW, State::Bound, false), true, false);
        // A state of a newer version.
        check(socket(Kind::Dgram, Protocol::UDP, State::Other, false), true, false);
        check(socket(Kind::Stream, Protocol::TCP, State::Other, true), false, true);
    }

    #[test]
    fn one_namespace_is_kept() {
        let mut snapshot =
            crate::Snapshot::new(crate::Collector::default(), crate::Host::default());
        let mine = socket(Kind::Stream, Protocol::TCP, State::Listen, false);
        let others = Socket { netns: NetnsId(2), ..mine };
        snapshot.sockets = crate::Part::known(vec![mine, others]);
        snapshot.keep_namespace(NetnsId(1));
        assert_eq!(snapshot.sockets.items(), [mine]);
    }

    #[test]
    fn sockets_are_in_the_order_of_their_fields() {
        let base = socket(Kind::Stream, Protocol::TCP, State::Listen, false);
        let end = |address: &str, port| Endpoint {
            address: address.parse().expect("an address"),
            port: Port(port),
        };
        let ends = [("0.0.0.0", 9), ("127.0.0.1", 1), ("127.0.0.1", 300), ("::", 1), ("::1", 0)];
        let mut all = vec![base];
        for (address, port) in ends {
            let local = end(address, port);
            all.push(Socket { local, ..base });
            all.push(Socket { peer: Some(local), ..base });
            all.push(Socket { local, inode: Inode(0), ..base });
        }
        all.extend([
            Socket { netns: NetnsId(u32::MAX), ..base },
            Socket { netns: NetnsId(0), protocol: Protocol(u16::MAX), ..base },
            Socket { family: Family::Other, ..base },
            Socket { kind: Kind::Other, protocol: Protocol(0), ..base },
            Socket { protocol: Protocol::MPTCP, ..base },
            Socket { state: State::Other, ..base },
            Socket { device: Some(IfIndex(1)), inode: Inode(0), ..base },
            Socket { v6only: Some(false), ..base },
            Socket { uid: Uid(5), ..base },
            Socket { cgroup: Some(CgroupId(1)), ..base },
            Socket { queue: Queue { now: 0, max: 1 }, ..base },
        ]);
        let end = |end: &Endpoint| (end.address, end.port);
        let first = |s: &Socket| (s.netns, s.family, s.kind, s.protocol, s.state, end(&s.local));
        let second = |s: &Socket| {
            (s.peer.as_ref().map(end), s.device, s.v6only, s.inode, s.uid, s.cgroup, s.queue)
        };
        for a in &all {
            for b in &all {
                let expect = first(a).cmp(&first(b)).then_with(|| second(a).cmp(&second(b)));
                assert_eq!(a.cmp(b), expect, "{a:?} {b:?}");
            }
        }
    }
}
