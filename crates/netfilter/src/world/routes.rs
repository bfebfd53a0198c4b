//! Routing tables: for each prefix the routes that count, and which prefix counts for an address.

use std::collections::BTreeMap;

use facts::{Route, RouteKind};

use super::range;
use crate::ir::Family;

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    /// Of a type that we do not know.
    Other,
}

/// A route's way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) kind: Kind,
    /// The interfaces of its live hops.
    pub(crate) links: Vec<u32>,
    /// Whether some hop is a router.
    pub(crate) gateway: bool,
}

/// A route of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) tos: u8,
    pub(crate) metric: u32,
    pub(crate) way: Way,
}

/// A prefix with its routes, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) lo: u128,
    pub(crate) hi: u128,
    pub(crate) len: u8,
    pub(crate) routes: Vec<Alias>,
}

/// A routing table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Some route counts for packets from some sources only.
    pub(crate) by_source: bool,
    /// Some local route was not made by the kernel for an address.
    pub(crate) custom_local: bool,
}

/// The interface that a route must lead to, where only such count (route.c, rt6_need_strict).
pub(crate) type Strict = Option<u32>;

impl Entry {
    /// The ways that a packet may take by this prefix: one where it is certain; none where the
    /// prefix does not count.
    pub(crate) fn ways(&self, family: Family, strict: Strict) -> Vec<&Way> {
        let fits = |alias: &&Alias| strict.is_none_or(|link| alias.way.links.contains(&link));
        let mut fitting = self.routes.iter().filter(fits).peekable();
        let Some(first) = fitting.peek().copied() else { return Vec::new() };
        let mut found: Vec<&Way> = fitting
            // A route for a type of service may count or not, and so the next one. Of IPv6, routes
            // of one metric are tried in an order of their own.
            .scan(false, |done, alias| {
                let is_open = match family {
                    Family::Ipv4 => alias.tos != 0,
                    Family::Ipv6 => alias.metric == first.metric,
                };
                let take = !*done && (is_open || family == Family::Ipv4);
                *done |= !is_open;
                take.then_some(&alias.way)
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The tables of a family.
pub(super) fn tables(routes: &[Route], family: Family, ignores_down: bool) -> BTreeMap<u32, Table> {
    let mut prefixes: BTreeMap<u32, BTreeMap<(u128, u8), Entry>> = BTreeMap::new();
    let mut tables: BTreeMap<u32, Table> = BTreeMap::new();
    for route in routes {
        let (of, (lo, hi)) = range(&route.destination);
        // RTNH_F_DEAD (linux/rtnetlink.h).
        if of != family || route.flags & 1 != 0 {
            continue;
        }
        let table = tables.entry(route.table).or_default();
        table.by_source |= route.source.is_some_and(|source| source.len > 0);
        // RTPROT_KERNEL is 2.
        table.custom_local |= route.kind == RouteKind::Local && route.protocol != 2;
        let Some(way) = way(route, ignores_down) else { continue };
        let len = route.destination.len;
        let entry = prefixes
            .entry(route.table)
            .or_default()
            .entry((lo, len))
            .or_insert_with(|| Entry { lo, hi, len, routes: Vec::new() });
        entry.routes.push(Alias { tos: route.tos, metric: route.priority, way });
    }
    for (number, entries) in prefixes {
        let mut entries: Vec<Entry> = entries.into_values().collect();
        for entry in &mut entries {
            entry.routes.sort_by_key(|alias| (std::cmp::Reverse(alias.tos), alias.metric));
        }
        tables.entry(number).or_default().entries = entries;
    }
    tables
}

/// The way of a route; none if no hop of it is alive (fib_trie.c, fib_table_lookup).
fn way(route: &Route, ignores_down: bool) -> Option<Way> {
    let kind = match route.kind {
        RouteKind::Unicast => Kind::Unicast,
        RouteKind::Local => Kind::Local,
        RouteKind::Broadcast => Kind::Broadcast,
        RouteKind::Anycast => Kind::Anycast,
        RouteKind::Multicast => Kind::Multicast,
        RouteKind::Blackhole => Kind::Blackhole,
        RouteKind::Unreachable => Kind::Unreachable,
        RouteKind::Prohibit => Kind::Prohibit,
        RouteKind::Throw => Kind::Throw,
        RouteKind::Other(_) => Kind::Other,
    };
    // RTNH_F_DEAD, RTNH_F_LINKDOWN.
    let is_alive = |flags: u8| flags & 1 == 0 && !(ignores_down && flags & 16 != 0);
    let mut links: Vec<u32> = route
        .hops
        .iter()
        .filter(|hop| is_alive(hop.flags))
        .filter_map(|hop| hop.link.map(|link| link.0))
        .collect();
    links.sort_unstable();
    links.dedup();
    let needs_link = matches!(kind, Kind::Unicast | Kind::Multicast);
    if needs_link && links.is_empty() {
        return None;
    }
    Some(Way { kind, links, gateway: route.hops.iter().any(|hop| hop.gateway.is_some()) })
}

/// Which of the prefixes counts from which address on: the longest that holds it. The list begins
/// at 0; prefixes that do not count are left out by the caller.
pub(crate) fn flatten<'a>(
    entries: impl Iterator<Item = &'a Entry>,
) -> Vec<(u128, Option<&'a Entry>)> {
    let mut list: Vec<&Entry> = entries.collect();
    list.sort_by_key(|entry| (entry.lo, entry.len));
    let mut flat: Vec<(u128, Option<&Entry>)> = vec![(0, None)];
    let mut open: Vec<&Entry> = Vec::new();
    let push =
        |start: u128, entry: Option<&'a Entry>, flat: &mut Vec<(u128, Option<&'a Entry>)>| {
            if flat.last().is_some_and(|(at, _)| *at == start) {
                flat.pop();
            }
            flat.push((start, entry));
        };
    for entry in list {
        while open.last().is_some_and(|last| last.hi < entry.lo) {
            if let Some(last) = open.pop() {
                // Those around it may end with it.
                while open.last().is_some_and(|outer| outer.hi == last.hi) {
                    open.pop();
                }
                if let Some(next) = last.hi.checked_add(1) {
                    push(next, open.last().copied(), &mut flat);
                }
            }
        }
        push(entry.lo, Some(entry), &mut flat);
        open.push(entry);
    }
    while let Some(last) = open.pop() {
        while open.last().is_some_and(|outer| outer.hi == last.hi) {
            open.pop();
        }
        if let Some(next) = last.hi.checked_add(1) {
            push(next, open.last().copied(), &mut flat);
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let entry = |lo, hi, len| Entry { lo, hi, len, routes: Vec::new() };
        let check = |entries: &[Entry], expect: &[(u128, Option<u8>)]| {
            let found: Vec<_> = flatten(entries.iter())
                .into_iter()
                .map(|(start, entry)| (start, entry.map(|entry| entry.len)))
                .collect();
            assert_eq!(found, expect);
        };
        check(&[], &[(0, None)]);
        check(&[entry(0, u128::MAX, 0)], &[(0, Some(0))]);
        check(
            &[entry(0, 255, 0), entry(16, 31, 4), entry(16, 17, 7), entry(31, 31, 8)],
            &[
                (0, Some(0)),
                (16, Some(7)),
                (18, Some(4)),
                (31, Some(8)),
                (32, Some(0)),
                (256, None),
            ],
        );
        check(
            &[entry(8, 15, 5), entry(12, 15, 6)],
            &[(0, None), (8, Some(5)), (12, Some(6)), (16, None)],
        );
    }
}
