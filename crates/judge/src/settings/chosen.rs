//! Which address the host sends from over IPv6: as the kernel said, or else by the rules it follows.
//!
//! Sources: RFC 6724, section 5; kernel `net/ipv6/addrconf.c` (`ipv6_dev_get_saddr`,
//! `ipv6_get_saddr_eval`), `net/ipv6/addrlabel.c` (`ip6addrlbl_init_table`). A test asks the kernel
//! about random addresses and compares.

use std::net::{IpAddr, Ipv6Addr};

use facts::{Route, RouteKind};

use super::addresses::{Judged, Kind, Scope};
use super::subject::Subject;

/// The address that the host sends from to a destination far away.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// The address.
    pub address: Judged<'a>,
    /// Whether the kernel said so; else it follows from RFC 6724 and what is known.
    pub by_kernel: bool,
    /// Whether another one is as good by all rules, so that the kernel takes the one that it was
    /// given last: this is the one that lasts longest.
    pub of_equals: bool,
}

/// `IFA_F_*`.
const DADFAILED: u32 = 0x08;
const TENTATIVE: u32 = 0x40;

/// The main routing table.
const MAIN: u32 = 254;

/// A destination of global scope and of the label of most: one that the kernel is asked about.
const FAR_AWAY: Ipv6Addr = Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe);

/// Which address the host sends from over IPv6.
pub(super) fn chosen<'a>(subject: &Subject<'a>, all: &[Judged<'a>]) -> Option<Chosen<'a>> {
    let asked = subject.state.sources.iter().find(|chosen| chosen.destination.is_ipv6());
    let own = subject.namespace.is_some_and(|n| n.own);
    if let Some(asked) = asked.filter(|_| own) {
        let source = asked.source?;
        let address = *all.iter().find(|judged| judged.address.address == source)?;
        return Some(Chosen { address, by_kernel: true, of_equals: false });
    }
    computed(subject, all)
}

/// The default route that the kernel takes; none where none is known, or several are equal, or rules
/// of the administrator's own choose among routing tables.
fn default_route<'a>(subject: &Subject<'a>) -> Option<&'a Route> {
    let namespace = subject.namespace?;
    let usual = |priority| matches!(priority, 0 | 32_766 | 32_767);
    if namespace.rules.items().iter().any(|rule| rule.ipv6 && !usual(rule.priority)) {
        return None;
    }
    let mut routes: Vec<&Route> = namespace
        .routes
        .items()
        .iter()
        .filter(|route| {
            let to = &route.destination;
            to.len == 0
                && to.address.is_ipv6()
                && route.table == MAIN
                && route.kind == RouteKind::Unicast
                && route.source.is_none()
        })
        .collect();
    routes.sort_by_key(|route| route.priority);
    let first = *routes.first()?;
    let alone = routes.get(1).is_none_or(|other| other.priority > first.priority);
    (alone && first.hops.len() == 1).then_some(first)
}

fn computed<'a>(subject: &Subject<'a>, all: &[Judged<'a>]) -> Option<Chosen<'a>> {
    let route = default_route(subject)?;
    let of = |source: IpAddr| all.iter().find(|judged| judged.address.address == source).copied();
    if let Some(source) = route.preferred_source {
        return Some(Chosen { address: of(source)?, by_kernel: false, of_equals: false });
    }
    let out = route.hops.first()?.link?;
    let out_name = all.iter().find_map(|j| j.link.filter(|link| link.index == out));
    let only_out = out_name.is_some_and(|link| {
        subject.number(&format!("net/ipv6/conf/{}/use_oif_addrs_only", link.name)) == Some(1)
    });
    // Those of a VRF are for its own packets.
    let is_of_vrf = |link: &facts::Link| {
        let master = subject.links().iter().find(|other| Some(other.index) == link.master);
        link.vrf_table.is_some() || master.is_some_and(|master| master.vrf_table.is_some())
    };
    let usable = |judged: &&Judged<'_>| {
        judged.address.address.is_ipv6()
            && judged.link.is_some_and(|link| link.up && !is_of_vrf(link))
            && (!only_out || judged.address.link == out)
            && judged.address.flags & (DADFAILED | TENTATIVE) == 0
    };
    let rank = |judged: &Judged<'_>| {
        let IpAddr::V6(ip) = judged.address.address else { return None };
        let link = judged.link.map_or("", |link| link.name.as_str());
        let tempaddr = subject.number(&format!("net/ipv6/conf/{link}/use_tempaddr"));
        let prefers_temporary = tempaddr.is_some_and(|value| value >= 2);
        let common = (u128::from(ip) ^ u128::from(FAR_AWAY)).leading_zeros();
        Some((
            // Rule 2: prefer an appropriate scope.
            judged.scope != Scope::LinkLocal,
            // Rule 3: avoid deprecated addresses.
            !judged.address.is_deprecated(),
            // Rule 5: prefer the outgoing interface.
            judged.address.link == out,
            // Rule 6: prefer a matching label.
            label(ip) == label(FAR_AWAY),
            // Rule 7: prefer temporary addresses where use_tempaddr says so; else the others.
            (judged.kind == Kind::Temporary) == prefers_temporary,
            // The kernel's own: no ORCHID for others, which the labels decide already. Rule 8: the
            // longest prefix in common, no longer than that of the address's own.
            common.min(u32::from(judged.address.prefix_len)),
        ))
    };
    let mut ranked: Vec<_> = all
        .iter()
        .filter(usable)
        .filter_map(|judged| {
            Some((rank(judged)?, judged.address.preferred_s.unwrap_or(u32::MAX), judged))
        })
        .collect();
    ranked.sort_by_key(|(rank, lasts, _)| std::cmp::Reverse((*rank, *lasts)));
    let (best, _, address) = ranked.first()?;
    let of_equals = ranked.get(1).is_some_and(|(other, _, _)| other == best);
    Some(Chosen { address: **address, by_kernel: false, of_equals })
}

/// The kernel's table of labels, where nobody changed it (`ip addrlabel`).
fn label(ip: Ipv6Addr) -> u8 {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => 0,
        [0, 0, 0, 0, 0, 0xffff, _, _] => 4,
        [0, 0, 0, 0, 0, 0, _, _] => 3,
        [0x2001, 0, ..] => 6,
        [0x2001, second, ..] if second & 0xfff0 == 0x10 => 7,
        [0x2002, ..] => 2,
        [first, ..] if first & 0xfe00 == 0xfc00 => 5,
        _ => 1,
    }
}
