//! From where sources come: the interface that the route to each leads out of.
//!
//! A packet may claim any source on any interface, but its sender gets the answer only if the route
//! back leads to it. What is *certainly* let in is therefore judged by the interface that its source
//! belongs to; where that is not one alone, by all of them.

use std::collections::BTreeMap;

use facts::{NetNamespace, Route, RouteKind, RuleAction};
use packet_set::RangeSet;

use super::Wire;

/// For each interface by its index, the sources that belong to it and to no other. None where the
/// rules of the routing policy are not those that every namespace begins with.
pub(super) fn of(fact: &NetNamespace, wire: Wire) -> Option<BTreeMap<u32, RangeSet>> {
    if !has_usual_rules(fact, wire) {
        return None;
    }
    let mut entries: Vec<Entry> = Vec::new();
    for route in fact.routes.items().iter().filter(|route| counts(route, wire)) {
        let (lo, hi) = range(route, wire);
        entries.push(Entry {
            lo,
            hi,
            // The table `main` is asked before `default`, and the lower metric counts.
            rank: (route.destination.len, route.table != MAIN, route.priority),
            links: links(route),
        });
    }
    entries.sort_by_key(|entry| (entry.lo, entry.rank.0, entry.rank.1, entry.rank.2));
    let mut regions: BTreeMap<u32, Vec<(u128, u128)>> = BTreeMap::new();
    for (lo, hi, links) in flat(&entries) {
        if let [only] = links.as_slice() {
            regions.entry(*only).or_default().push((lo, hi));
        }
    }
    Some(regions.into_iter().map(|(link, ranges)| (link, RangeSet::of(ranges))).collect())
}

/// The table `main` (`RT_TABLE_MAIN`).
const MAIN: u32 = 254;
/// The table `default` (`RT_TABLE_DEFAULT`).
const DEFAULT: u32 = 253;
/// The table `local` (`RT_TABLE_LOCAL`).
const LOCAL: u32 = 255;

/// Whether the routing policy is the one that every namespace begins with (kernel
/// `net/ipv4/fib_rules.c`, `fib_default_rules_init`); a kernel without policy routing tells none.
fn has_usual_rules(fact: &NetNamespace, wire: Wire) -> bool {
    let of_family = fact.rules.items().iter().filter(|r| r.ipv6 == (wire == Wire::Ipv6));
    let usual = |rule: &facts::RoutingRule| {
        let RuleAction::Table(table) = rule.action else { return false };
        let plain = rule.source.is_none_or(|p| p.len == 0)
            && rule.destination.is_none_or(|p| p.len == 0)
            && rule.input.is_none()
            && rule.output.is_none()
            && rule.mark.is_none()
            && rule.tos == 0
            && rule.protocol.is_none()
            && rule.source_ports.is_none()
            && rule.destination_ports.is_none()
            && rule.suppress_prefix_len.is_none()
            && !rule.invert
            && !rule.l3mdev
            && rule.unknown.is_empty();
        plain && [LOCAL, MAIN, DEFAULT].contains(&table)
    };
    fact.rules.is_complete() && fact.routes.is_complete() && of_family.into_iter().all(usual)
}

/// Whether a route leads to others, alive and of the family.
fn counts(route: &Route, wire: Wire) -> bool {
    // RTNH_F_DEAD is 1.
    let alive = route.flags & 1 == 0;
    [MAIN, DEFAULT].contains(&route.table)
        && alive
        && route.destination.address.is_ipv6() == (wire == Wire::Ipv6)
        && !matches!(route.kind, RouteKind::Multicast | RouteKind::Throw)
}

/// The interfaces that a route leads out of; none for those that lead nowhere.
fn links(route: &Route) -> Vec<u32> {
    if route.kind != RouteKind::Unicast {
        return Vec::new();
    }
    let alive = route.hops.iter().filter(|hop| hop.flags & 1 == 0);
    let mut links: Vec<u32> = alive.filter_map(|hop| hop.link.map(|link| link.0)).collect();
    links.sort_unstable();
    links.dedup();
    links
}

fn range(route: &Route, wire: Wire) -> (u128, u128) {
    let address = match route.destination.address {
        std::net::IpAddr::V4(v4) => v4.to_bits().into(),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    };
    let free = u32::from(wire.bits().saturating_sub(route.destination.len));
    let low = 1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1);
    (address & !low, (address | low).min(wire.max()))
}

/// A route as it counts.
struct Entry {
    lo: u128,
    hi: u128,
    /// How long its prefix is, whether its table is asked later, and its metric.
    rank: (u8, bool, u32),
    links: Vec<u32>,
}

impl Entry {
    /// Whether it counts before another one, of two that hold an address.
    fn beats(&self, other: &Self) -> bool {
        let later = |entry: &Self| (entry.rank.1, std::cmp::Reverse(entry.rank.0), entry.rank.2);
        later(self) < later(other)
    }
}

/// Which interfaces each range of addresses belongs to. Prefixes hold one another or are apart, so
/// that one stack of those that are open is enough.
fn flat(entries: &[Entry]) -> Vec<(u128, u128, Vec<u32>)> {
    let mut bounds: Vec<u128> = entries.iter().map(|entry| entry.lo).collect();
    bounds.extend(entries.iter().filter_map(|entry| entry.hi.checked_add(1)));
    bounds.sort_unstable();
    bounds.dedup();
    let mut found = Vec::with_capacity(bounds.len());
    let mut open: Vec<&Entry> = Vec::new();
    let mut next = entries.iter().peekable();
    for (at, start) in bounds.iter().enumerate() {
        open.retain(|entry| entry.hi >= *start);
        while let Some(entry) = next.next_if(|entry| entry.lo == *start) {
            open.push(entry);
        }
        let end = bounds.get(at.saturating_add(1)).map_or(u128::MAX, |next| next.saturating_sub(1));
        let best =
            open.iter().copied().reduce(|best, entry| if entry.beats(best) { entry } else { best });
        let Some(best) = best else { continue };
        // Routes that count alike: which of them is taken is not known.
        let alike = open.iter().filter(|entry| !best.beats(entry) && !entry.beats(best));
        let mut links: Vec<u32> = alike.flat_map(|entry| entry.links.iter().copied()).collect();
        links.sort_unstable();
        links.dedup();
        found.push((*start, end, links));
    }
    found
}

#[cfg(test)]
mod tests {
    use facts::{IfIndex, NextHop, Part, Prefix};

    use super::*;

    fn route(text: &str) -> Route {
        let words: Vec<&str> = text.split(' ').collect();
        let (address, len) = words[0].split_once('/').unwrap();
        let hop = |link: &str| NextHop {
            link: Some(IfIndex(link.parse().unwrap())),
            gateway: None,
            flags: 0,
        };
        Route {
            table: words.get(3).map_or(MAIN, |table| table.parse().unwrap()),
            destination: Prefix { address: address.parse().unwrap(), len: len.parse().unwrap() },
            priority: words.get(2).map_or(0, |metric| metric.parse().unwrap()),
            kind: if words[1] == "-" { RouteKind::Unreachable } else { RouteKind::Unicast },
            source: None,
            tos: 0,
            scope: 0,
            protocol: 0,
            flags: 0,
            hops: words[1].split(',').filter(|word| *word != "-").map(hop).collect(),
            preferred_source: None,
        }
    }

    /// To which interface each of these addresses belongs; 0: to none, or not to one alone.
    fn check(routes: &[&str], expect: &[(&str, u32)]) {
        let fact = NetNamespace {
            routes: Part::known(routes.iter().map(|text| route(text)).collect()),
            rules: Part::known(Vec::new()),
            ..NetNamespace::default()
        };
        let wire = if routes[0].contains(':') { Wire::Ipv6 } else { Wire::Ipv4 };
        let regions = of(&fact, wire).unwrap();
        for (address, link) in expect {
            let number = wire.number(address.parse().unwrap()).unwrap();
            let found: Vec<u32> =
                regions.iter().filter(|(_, r)| r.contains(number)).map(|(link, _)| *link).collect();
            assert_eq!(
                found,
                if *link == 0 { vec![] } else { vec![*link] },
                "{address} {routes:?}"
            );
        }
    }

    #[test]
    fn the_longest_prefix_and_the_lower_metric_count() {
        check(&["0.0.0.0/0 2"], &[("0.0.0.0", 2), ("255.255.255.255", 2)]);
        check(
            &["0.0.0.0/1 2", "10.0.0.0/8 3", "10.1.0.0/16 2", "10.1.1.0/24 -"],
            &[
                ("9.255.255.255", 2),
                ("10.0.0.0", 3),
                ("10.1.0.255", 2),
                ("10.1.1.0", 0),
                ("10.1.1.255", 0),
                ("10.1.2.0", 2),
                ("10.2.0.0", 3),
                ("11.0.0.0", 2),
                ("128.0.0.0", 0),
            ],
        );
        check(&["0.0.0.0/0 2 100", "0.0.0.0/0 3 50"], &[("1.2.3.4", 3)]);
        // By which of two it goes is not known.
        check(&["0.0.0.0/0 2,3", "10.0.0.0/8 3"], &[("1.2.3.4", 0), ("10.2.3.4", 3)]);
        check(
            &["fe80::/64 2 256", "fe80::/64 3 256", "::/0 3 1024"],
            &[("fe80::1", 0), ("fe80:0:0:1::", 3), ("2001:db8::1", 3)],
        );
        // `main` before `default`.
        check(&["0.0.0.0/0 2 0 253", "0.0.0.0/1 3"], &[("10.0.0.1", 3), ("192.0.2.1", 2)]);
    }
}
