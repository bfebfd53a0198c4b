//! Whether a packet with these addresses may come in there.

use super::Packet;
use super::journey::{Why, question};
use super::route::{Question, look_up};
use super::walk::Walker;
use crate::ir::{Doubt, Family};
use crate::world::{Kind, Link, World};

/// ip6_input.c, ip6_rcv_core.
pub(super) fn before_six(packet: &Packet, link: &Link) -> Option<Why> {
    let (source, destination) = (packet.source, packet.destination);
    let scope = destination >> 112 & 0xf;
    if link.conf.disable_ipv6 {
        Some(Why::Disabled)
    } else if source == 1 || source >> 120 == 0xff {
        Some(Why::Source)
    } else if destination == 1 || destination >> 120 == 0xff && scope <= 1 {
        Some(Why::Destination)
    } else {
        None
    }
}

/// route.c, ip_route_input_slow.
pub(super) fn martian_four(packet: &Packet, link: &Link) -> Option<Why> {
    let (source, destination) = (packet.source, packet.destination);
    let all = u128::from(u32::MAX);
    if source >> 28 == 0xe || source == all {
        return Some(Why::Source);
    }
    let to_all = destination == all || destination == 0 || destination >> 8 == 0x00e0_0000;
    if source == 0 && !to_all {
        return Some(Why::Source);
    }
    if destination == 0 && source != 0 {
        return Some(Why::Destination);
    }
    if destination >> 24 == 127 && !link.conf.route_localnet {
        return Some(Why::Destination);
    }
    (source >> 24 == 127 && !link.conf.route_localnet).then_some(Why::Source)
}

/// fib_frontend.c, fib_validate_source.
pub(super) fn source_four(
    world: &World,
    walker: &mut Walker<'_>,
    link: &Link,
    out: &str,
) -> Option<Why> {
    let packet = walker.packet.clone();
    let conf = link.conf;
    let routing = world.routing(Family::Ipv4);
    // Those without an address may ask all and some groups.
    if packet.source == 0 {
        return None;
    }
    if conf.rp_filter == 0 {
        if conf.accept_local {
            return None;
        }
        if !routing.custom_rules && !routing.custom_local {
            let of = |address: u128| {
                let links = world.links.iter().flat_map(|link| &link.addresses);
                links.clone().any(|own| own.family == Family::Ipv4 && own.address == address)
            };
            if of(packet.source) {
                return Some(Why::OwnSource);
            }
            let is_broadcast = world.broadcast_addresses(Family::Ipv4).contains(packet.source);
            let text = "whether a broadcast address is taken for a source";
            let fails = is_broadcast && walker.oracle.holds(text, Doubt::History);
            return fails.then_some(Why::Source);
        }
    }
    let asked = Question {
        to: packet.source,
        from: packet.destination,
        iif: if out.is_empty() { "lo" } else { out },
        mark: if conf.src_valid_mark { packet.mark } else { 0 },
        sport: packet.dport,
        dport: packet.sport,
        ..question(&packet, link)
    };
    let found = look_up(world, &asked, walker.oracle);
    let no_address = !link.addresses.iter().any(|own| own.family == Family::Ipv4);
    match found.way.kind {
        Kind::Local if !conf.accept_local => Some(Why::OwnSource),
        Kind::Unicast | Kind::Local => {
            let by_here = found.way.links.contains(&link.index);
            let fails = !by_here && (conf.rp_filter == 1 || no_address && conf.rp_filter != 0);
            fails.then_some(Why::ReversePath)
        }
        Kind::Blackhole | Kind::Unreachable | Kind::Prohibit | Kind::Throw => {
            (conf.rp_filter != 0).then_some(Why::ReversePath)
        }
        Kind::Broadcast | Kind::Anycast | Kind::Multicast => Some(Why::Source),
        Kind::Other => {
            let text = "a route of an unknown type";
            walker.oracle.holds(text, Doubt::History).then_some(Why::ReversePath)
        }
    }
}
