//! Questions of rules to the host's routing, for one packet.

use packet_set::Field;

use super::condition::Host;
use super::route::{Question, look_up};
use super::{Oracle, Packet};
use crate::ir::{Doubt, Family, Fib, FibAsk, Side};
use crate::world::{Kind, World};

/// Gives up where a lookup leaves something open.
pub(super) struct Certain(pub(super) bool);

impl Oracle for Certain {
    fn holds(&mut self, _: &str, _: Doubt) -> bool {
        self.0 = false;
        false
    }

    fn choose(&mut self, _: &str, _: u32) -> u32 {
        self.0 = false;
        0
    }

    fn pick(&mut self, first: u128, _: u128) -> u128 {
        self.0 = false;
        first
    }
}

/// Whether it holds; none where we cannot tell.
pub(super) fn fib_holds(
    fib: &Fib,
    world: &World,
    packet: &Packet,
    host: &Host<'_>,
) -> Option<bool> {
    if packet.is_reply && fib.side.is_some() {
        return None;
    }
    let address = packet.value(fib.address);
    let name = match fib.side {
        None => None,
        Some(Side::In) => Some(packet.iif.as_str()),
        Some(Side::Out) if host.sees_oif => Some(packet.oif.as_str()),
        Some(Side::Out) => Some(""),
    };
    let link = name.map(|name| world.link(name).map_or(0, |link| link.index));
    match &fib.asks {
        FibAsk::Type(bits) | FibAsk::AddressType(bits) => {
            let six = packet.family == Family::Ipv6;
            let as_iptables = matches!(fib.asks, FibAsk::AddressType(_));
            // More than the addresses of this host would have to be asked.
            let known = Fib::LOCAL | Fib::ANYCAST | Fib::MULTICAST | Fib::BROADCAST;
            let only_local = as_iptables || link.is_some();
            if six && (bits & !known != 0 || only_local && *bits != Fib::LOCAL) {
                return None;
            }
            Some(address_type(world, packet.family, address, link) & bits != 0)
        }
        FibAsk::Route(names) => {
            let (way, certain) = route(fib, world, packet, link);
            let leads = way.kind == Kind::Unicast
                && link.is_none_or(|link| way.links.contains(&link))
                && (names.is_empty()
                    || way.links.iter().any(|index| {
                        let of = world.links.iter().find(|link| link.index == *index);
                        of.is_some_and(|link| names.iter().any(|name| name.matches(&link.name)))
                    }));
            (certain && way.links.len() <= 1).then_some(leads)
        }
        FibAsk::ReversePath { loose, accept_local } => {
            let arrived = world.link(&packet.iif).map_or(0, |link| link.index);
            let (way, certain) = route(fib, world, packet, Some(arrived));
            let leads = way.kind == Kind::Unicast || *accept_local && way.kind == Kind::Local;
            certain.then_some(leads && (*loose || way.links.contains(&arrived)))
        }
    }
}

fn route(
    fib: &Fib,
    world: &World,
    packet: &Packet,
    link: Option<u32>,
) -> (crate::world::Way, bool) {
    let (to, from) = if fib.address == Field::SOURCE {
        (packet.source, packet.destination)
    } else {
        (packet.destination, packet.source)
    };
    let arrived = world.link(&packet.iif).map_or(0, |link| link.index);
    let mut oracle = Certain(true);
    let asked = Question {
        family: packet.family,
        to,
        from,
        iif: "lo",
        mark: if fib.with_mark { packet.mark } else { 0 },
        protocol: packet.protocol,
        sport: packet.sport,
        dport: packet.dport,
        link: link.unwrap_or(arrived),
        of_socket: false,
        bound: None,
    };
    let found = look_up(world, &asked, &mut oracle);
    (found.way, oracle.0)
}

/// The type of an address as a bit; of IPv6 with an interface, only whether it is local.
fn address_type(world: &World, family: Family, address: u128, link: Option<u32>) -> u16 {
    let local = world.routing(family).tables.get(&255);
    let entries = local.map_or(&[][..], |table| &table.entries);
    let holds = |kind: Kind| {
        entries.iter().any(|entry| {
            (entry.lo..=entry.hi).contains(&address)
                && entry.routes.iter().any(|route| route.way.kind == kind)
        })
    };
    if family == Family::Ipv6 {
        if let Some(link) = link {
            let own = world.links.iter().find(|one| one.index == link);
            let is_own = |own: &crate::world::Link| {
                own.addresses.iter().any(|one| one.family == family && one.address == address)
            };
            // Of the other types more than the interface is asked.
            return if own.is_some_and(is_own) { Fib::LOCAL } else { Fib::UNICAST };
        }
        return if address >> 120 == 0xff {
            Fib::MULTICAST
        } else if holds(Kind::Local) {
            Fib::LOCAL
        } else if holds(Kind::Anycast) {
            Fib::ANYCAST
        } else {
            Fib::UNICAST
        };
    }
    if address == 0 || address == u128::from(u32::MAX) {
        return Fib::BROADCAST;
    }
    if address >> 28 == 0xe {
        return Fib::MULTICAST;
    }
    let best = entries
        .iter()
        .filter(|entry| (entry.lo..=entry.hi).contains(&address))
        .max_by_key(|entry| entry.len);
    let way = best.and_then(|entry| entry.ways(family, None).first().copied().cloned());
    let way = way.filter(|way| link.is_none_or(|link| way.links.first() == Some(&link)));
    match way.map(|way| way.kind) {
        Some(Kind::Local) => Fib::LOCAL,
        Some(Kind::Broadcast) => Fib::BROADCAST,
        Some(Kind::Multicast) => Fib::MULTICAST,
        Some(Kind::Anycast) => Fib::ANYCAST,
        _ => Fib::UNICAST,
    }
}
