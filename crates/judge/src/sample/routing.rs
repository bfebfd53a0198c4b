//! The routes, rules and settings that a namespace has by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use facts::{Address, IfIndex, NextHop, Prefix, Route, RouteKind, RoutingRule, RuleAction};

/// The rules that every namespace begins with (kernel `net/ipv4/fib_rules.c`,
/// `net/ipv6/fib6_rules.c`).
pub(super) fn usual_rules() -> Vec<RoutingRule> {
    let rule = |ipv6, priority, table| RoutingRule {
        ipv6,
        priority,
        action: RuleAction::Table(table),
        invert: false,
        source: None,
        destination: None,
        input: None,
        output: None,
        mark: None,
        tos: 0,
        protocol: None,
        source_ports: None,
        destination_ports: None,
        users: None,
        l3mdev: false,
        suppress_prefix_len: None,
        unknown: Vec::new(),
    };
    vec![
        rule(false, 0, 255),
        rule(false, 32766, 254),
        rule(false, 32767, 253),
        rule(true, 0, 255),
        rule(true, 32766, 254),
    ]
}

/// The settings of an interface, as the kernel begins.
pub(super) fn settings(link: &str) -> BTreeMap<String, String> {
    let four = ["rp_filter", "forwarding", "route_localnet", "accept_local", "src_valid_mark"];
    let of = |family: &str, key: &str| (format!("net/{family}/conf/{link}/{key}"), "0".to_owned());
    let four = four.into_iter().map(|key| of("ipv4", key));
    four.chain(["disable_ipv6", "forwarding"].map(|key| of("ipv6", key))).collect()
}

/// The routes that the kernel makes for an address.
pub(super) fn of_address(address: &Address) -> Vec<Route> {
    let bits = if address.address.is_ipv4() { 32 } else { 128 };
    let whole = |address| Prefix { address, len: bits };
    let local = Route { scope: 254, ..route(255, whole(address.address), RouteKind::Local) };
    let mut routes = vec![local];
    let network =
        Prefix { address: masked(address.address, address.prefix_len), len: address.prefix_len };
    if address.address.is_loopback() {
        routes.push(Route { scope: 254, ..route(255, network, RouteKind::Local) });
    } else if address.prefix_len < bits {
        routes.push(Route { scope: 253, ..route(254, network, RouteKind::Unicast) });
        if let (IpAddr::V4(own), IpAddr::V4(first)) = (address.address, network.address) {
            let free = u32::MAX.checked_shr(address.prefix_len.into()).unwrap_or(0);
            let last = Ipv4Addr::from_bits(own.to_bits() | free);
            for end in [first, last] {
                routes.push(route(255, whole(end.into()), RouteKind::Broadcast));
            }
        }
    }
    let hop = NextHop { link: Some(address.link), gateway: None, flags: 0 };
    for route in &mut routes {
        route.hops.push(hop);
    }
    routes
}

/// A route to everywhere.
pub(super) fn gateway(link: u32, gateway: IpAddr) -> Route {
    let everywhere = match gateway {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let hop = NextHop { link: Some(IfIndex(link)), gateway: Some(gateway), flags: 0 };
    Route {
        protocol: 3,
        hops: vec![hop],
        ..route(254, Prefix { address: everywhere, len: 0 }, RouteKind::Unicast)
    }
}

fn route(table: u32, destination: Prefix, kind: RouteKind) -> Route {
    Route {
        table,
        destination,
        priority: 0,
        kind,
        source: None,
        tos: 0,
        scope: 0,
        protocol: 2,
        flags: 0,
        hops: Vec::new(),
        preferred_source: None,
    }
}

/// An address without the bits behind a prefix.
fn masked(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - len)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - len)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}
