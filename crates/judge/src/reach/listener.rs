//! Where packets to a row go: the addresses, ports and interfaces that lead to it.

use facts::{Family, Kind, Protocol};
use netfilter::symbolic::Listener;
use packet_set::RangeSet;

use super::home::Home;
use super::{Because, Reach, Verdict, Wire};
use crate::Namespace;
use crate::row::{Row, Scope, plain};

/// What of a row the evaluation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asks {
    /// As one of the host's own addresses, port by port.
    pub(super) own: Vec<Listener>,
    /// As an address that is valid on one link only: no router passes such packets on.
    pub(super) near: Vec<Listener>,
    /// As one of many receivers: broadcast, and groups that this host may have joined. Routers do
    /// not pass these on either.
    pub(super) to_many: Vec<Listener>,
}

impl Asks {
    /// All three.
    pub(super) fn sides(&self) -> [&[Listener]; 3] {
        [&self.own, &self.near, &self.to_many]
    }

    /// The first side that has any, for one of them.
    pub(super) fn first(&self) -> &[Listener] {
        self.sides().into_iter().find(|side| !side.is_empty()).unwrap_or_default()
    }
}

/// The reach of a row that is known without asking the packet filter, or else what to ask it.
pub(super) fn asks(
    row: &Row<'_>,
    wire: Wire,
    home: &Home,
    namespace: Option<&Namespace<'_>>,
) -> Result<Asks, Reach> {
    let device = match row.socket.device {
        Some(index) => match namespace.and_then(|n| n.link(index)) {
            Some(link) => Some(link.name.clone()),
            None => return Err(Reach::unknown(wire, Because::Unread(vec![unread_link()]))),
        },
        None => None,
    };
    let world = &home.world;
    let family = wire.family();
    if let Some(device) = &device
        && namespace.and_then(|n| n.fact).is_some_and(|fact| fact.links.is_complete())
        && !home.sides(wire).ways.contains(device)
    {
        return Err(Reach::nobody(wire, Verdict::Blocked, Because::NothingArrives));
    }
    let own = world.reachable_addresses(family);
    let (own, to_many) = match wire.number(plain(row.socket.local.address)) {
        None if row.scope == Scope::Multicast => (RangeSet::empty(), RangeSet::empty()),
        // `::` or `0.0.0.0`.
        None | Some(0) => {
            let many = if takes_many(row) { many(wire, home) } else { RangeSet::empty() };
            (own, many)
        }
        Some(number) if row.scope == Scope::Multicast => (RangeSet::empty(), RangeSet::one(number)),
        Some(number) if row.scope == Scope::Loopback => (RangeSet::one(number), RangeSet::empty()),
        Some(number) if own.contains(number) => (RangeSet::one(number), RangeSet::empty()),
        Some(_) if is_complete(namespace) => {
            return Err(Reach::nobody(wire, Verdict::Blocked, Because::NoAddress));
        }
        Some(number) => (RangeSet::one(number), RangeSet::empty()),
    };
    let listeners = |addresses: &RangeSet| -> Vec<Listener> {
        if addresses.is_empty() {
            return Vec::new();
        }
        let at = |port| Listener { addresses: addresses.clone(), device: device.clone(), port };
        ports(row).map(at).collect()
    };
    let near = own.intersection(&link_local(wire));
    let own = own.intersection(&link_local(wire).complement(wire.max()));
    Ok(Asks { own: listeners(&own), near: listeners(&near), to_many: listeners(&to_many) })
}

/// Addresses that only neighbours can write to: of IPv4 RFC 3927, and with `route_localnet` loopback,
/// which routers do not pass on (RFC 1122, 3.2.1.3); of IPv6 RFC 4291, section 2.5.6.
fn link_local(wire: Wire) -> RangeSet {
    match wire {
        Wire::Ipv4 => RangeSet::of(vec![(0x7f00_0000, 0x7fff_ffff), (0xa9fe_0000, 0xa9fe_ffff)]),
        Wire::Ipv6 => RangeSet::from(0xfe80 << 112..=(0xfec0 << 112) - 1),
    }
}

/// The ports of a row; for raw sockets of ICMP all types of messages, for other protocols 0.
fn ports(row: &Row<'_>) -> impl Iterator<Item = u16> + use<> {
    let last_type = u16::from(u8::MAX);
    match (row.port(), row.socket.protocol) {
        (Some(port), _) => port.0..=port.0,
        (None, Protocol::ICMP | Protocol::ICMPV6) => 0..=last_type,
        (None, _) => 0..=0,
    }
}

/// Whether a row receives what is sent to many: all but what has connections.
fn takes_many(row: &Row<'_>) -> bool {
    matches!(row.socket.kind, Kind::Dgram | Kind::Raw) && row.socket.family != Family::Packet
}

/// The addresses of many.
fn many(wire: Wire, home: &Home) -> RangeSet {
    let groups = match wire {
        // RFC 5771; RFC 4291, section 2.7.
        Wire::Ipv4 => RangeSet::from(0xe000_0000..=0xefff_ffff),
        Wire::Ipv6 => RangeSet::from(0xff << 120..=u128::MAX),
    };
    home.world.broadcast_addresses(wire.family()).union(&groups)
}

/// Whether all addresses and routes of a namespace were read.
fn is_complete(namespace: Option<&Namespace<'_>>) -> bool {
    let fact = namespace.and_then(|n| n.fact);
    fact.is_some_and(|f| f.addresses.is_complete() && f.routes.is_complete())
}

fn unread_link() -> (String, String) {
    let why = "it is not among those that were read";
    ("the interface that it is bound to".to_owned(), why.to_owned())
}
