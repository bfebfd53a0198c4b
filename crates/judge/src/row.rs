//! Rows: what can be reached, one for each namespace, protocol, kind, address, port, device and
//! state. Sockets that share all of these (SO_REUSEPORT groups) are one row.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use facts::{Family, KernelOwner, Kind, Link, Port, Socket, SystemdUnit};

use crate::namespace::Namespace;
use crate::reach::{self, Arrival, Wire};
use crate::service::{self, Service};

/// From where a bound address can be spoken to, before any firewall. In the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Bound to any address.
    Any,
    /// Bound to one address of the host, or one it may get.
    Address,
    /// Bound to a multicast group or the broadcast address.
    Multicast,
    /// Bound to an address that is valid on one link only.
    LinkLocal,
    /// Bound to loopback.
    Loopback,
}

/// A row. Its holders are asked of the [`Judgement`](crate::Judgement) it belongs to.
#[derive(Debug)]
pub struct Row<'a> {
    /// One of its sockets: all agree in everything that makes a row.
    pub socket: &'a Socket,
    /// All of them; never empty.
    pub sockets: &'a [Socket],
    /// Where its address reaches.
    pub scope: Scope,
    /// The interface that has its address, or that it is bound to.
    pub interface: Option<&'a Link>,
    /// What its port is registered for.
    pub service: Option<&'static Service>,
    /// The position of its namespace in [`Judgement::namespaces`](crate::Judgement::namespaces).
    pub namespace: usize,
    /// Its own position in [`Judgement::rows`](crate::Judgement::rows).
    pub(crate) at: usize,
    pub(crate) holdings: Range<usize>,
    /// The sockets that no process is known to hold, one for each user and cgroup that made them.
    pub(crate) unheld: Vec<&'a Socket>,
    /// The one unit of the system's manager that listens here, if it is one.
    pub(crate) listen_unit: Option<&'a SystemdUnit>,
    /// The parts of the kernel that may hold what no process does.
    pub(crate) kernel: Vec<&'a KernelOwner>,
}

/// Whether two sockets belong to one row. Holds for neighbours in the snapshot's order only, and
/// that order puts all sockets of a row next to each other.
pub(crate) fn same(a: &Socket, b: &Socket) -> bool {
    let key = |s: &Socket| (s.netns, s.family, s.kind, s.protocol, s.state, s.device, s.v6only);
    a.local == b.local && a.peer == b.peer && key(a) == key(b)
}

impl Row<'_> {
    /// Its position in [`Judgement::rows`](crate::Judgement::rows).
    pub fn at(&self) -> usize {
        self.at
    }

    /// Its port, where its protocol has ports.
    pub fn port(&self) -> Option<Port> {
        self.socket.port()
    }

    /// Whether anything new can arrive at it.
    pub fn is_open(&self) -> bool {
        self.socket.is_open()
    }

    /// Whether a family can arrive at it at all.
    pub fn arrival(&self, wire: Wire) -> Arrival {
        reach::arrival(self.socket, wire)
    }

    /// The name of its protocol as firewalls spell it; `packet` for packet sockets.
    pub fn protocol_name(&self) -> Option<&'static str> {
        protocol_name(self.socket)
    }

    /// The accept queue of a TCP listener: the fullest of its sockets.
    pub fn accept_queue(&self) -> Option<facts::Queue> {
        if self.socket.state != facts::State::Listen {
            return None;
        }
        // Above its limit first; among equals the longest.
        self.sockets.iter().map(|s| s.queue).max_by_key(|q| (q.now > q.max, q.now, q.max))
    }
}

/// The name of a socket's protocol; `packet` for packet sockets, none for numbers without a name.
pub fn protocol_name(socket: &Socket) -> Option<&'static str> {
    if socket.family == Family::Packet { Some("packet") } else { socket.protocol.ip_name() }
}

/// A row without its holders.
pub(crate) fn of<'a>(
    sockets: &'a [Socket],
    namespace: usize,
    home: Option<&Namespace<'a>>,
) -> Option<Row<'a>> {
    let socket = sockets.first()?;
    let device = socket.device.and_then(|d| home?.link(d));
    let interface = device.or_else(|| home?.interface_of(plain(socket.local.address)));
    Some(Row {
        socket,
        sockets,
        scope: scope(socket, device),
        interface,
        service: socket.port().and_then(|port| service::of(socket.protocol, port)),
        namespace,
        at: 0,
        holdings: 0..0,
        unheld: Vec::new(),
        listen_unit: None,
        kernel: Vec::new(),
    })
}

/// An address without the IPv6 clothes of an IPv4 one: `::ffff:a.b.c.d` is `a.b.c.d`.
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The scope of what a socket is bound to.
fn scope(socket: &Socket, device: Option<&Link>) -> Scope {
    match plain(socket.local.address) {
        _ if device.is_some_and(|d| d.loopback) => Scope::Loopback,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Scope::Any,
        a if a.is_loopback() => Scope::Loopback,
        a if a.is_multicast() => Scope::Multicast,
        IpAddr::V4(Ipv4Addr::BROADCAST) => Scope::Multicast,
        IpAddr::V4(a) if a.is_link_local() => Scope::LinkLocal,
        IpAddr::V6(a) if a.is_unicast_link_local() => Scope::LinkLocal,
        _ => Scope::Address,
    }
}

/// The order of rows: by namespace, ports before raw, ping and packet sockets, then by port.
pub(crate) fn order(a: &Row<'_>, b: &Row<'_>) -> Ordering {
    fn key<'a>(row: &'a Row<'_>) -> impl Ord + 'a {
        let s = row.socket;
        let class = match s.kind {
            Kind::Stream | Kind::Seqpacket | Kind::Dgram if s.family != Family::Packet => 0,
            Kind::Raw => 1,
            Kind::Ping => 2,
            _ => 3,
        };
        let port = s.port().unwrap_or_default();
        (row.namespace, class, port, s.protocol, s.family, s.local, s.device, s.v6only, s.state)
    }
    key(a).cmp(&key(b))
}
