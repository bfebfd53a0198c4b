//! A network namespace as routing sees it: what a packet can arrive on, which addresses are local,
//! and where the others lead.
//!
//! Input: [`facts::NetNamespace`]; output: [`World`], plain data for both evaluators. What could not
//! be read is a named doubt ([`World::doubts`]): with one, nothing is certain.
//!
//! Deliberately absent: VRFs (their interfaces are a doubt), tunnels that carry packets to another
//! interface (xfrm), and the neighbours' tables.

mod links;
mod routes;
mod rules;

pub(crate) use links::Link;
pub(crate) use routes::{Entry, Kind, Strict, Table, Way, flatten};
pub(crate) use rules::{Action, Rule};

use std::collections::BTreeMap;
use std::net::IpAddr;

use facts::{NetNamespace, Part};
use packet_set::{RangeSet, prefixes};

use crate::ir::{Family, Note, Place};

/// The routing of one family.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Routing {
    /// In the order in which they are asked.
    pub(crate) rules: Vec<Rule>,
    /// By number.
    pub(crate) tables: BTreeMap<u32, Table>,
    /// The rules are not those that every namespace begins with.
    pub(crate) custom_rules: bool,
    /// IPv4: there are local routes that no address made (fib_frontend.c, inet_rtm_newroute sets
    /// `fib_has_custom_local_routes`).
    pub(crate) custom_local: bool,
}

/// A network namespace: see the [module](self).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub(crate) links: Vec<Link>,
    pub(crate) four: Routing,
    pub(crate) six: Routing,
    /// `net.ipv6.conf.all.forwarding`.
    pub(crate) forwards_six: bool,
    /// `net.ipv4.tcp_fwmark_accept`: replies have the mark of what they answer.
    pub(crate) mark_accept: bool,
    /// `net.ipv4.icmp_echo_ignore_all`.
    pub(crate) ignores_echo: bool,
    /// Interfaces on which neighbours do not find each other: see [`World::silence`].
    pub(crate) silent: Vec<Silence>,
    /// The interface that sockets of this host are bound to: see [`World::bound_to`].
    pub(crate) bound: Option<u32>,
    /// What of it is not known; with one, nothing is certain.
    pub(crate) doubts: Vec<Note>,
}

/// An interface on which the packet filter keeps neighbour discovery (RFC 4861) from its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// The interface.
    pub interface: String,
    /// Whether this host cannot learn any neighbour's link-layer address, and knows none: nothing it
    /// sends over IPv6 gets out. Otherwise who is known already can be answered, and who knows this
    /// host already can send to it.
    pub complete: bool,
    /// Which messages are dropped.
    pub dropped: Dropped,
}

/// Which messages of neighbour discovery are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Those of neighbours that look for this host.
    Arriving,
    /// Those by which this host answers them.
    Sent,
    /// Both.
    Both,
    /// That could not be found out.
    NotKnown,
}

impl World {
    /// Says on which interfaces neighbours do not find each other, as
    /// [`symbolic::silences`](crate::symbolic::silences) found out. What arrives there over IPv6 is then
    /// not answered, or not for certain.
    pub fn silence(&mut self, silent: Vec<Silence>) {
        self.silent = silent;
    }

    /// The same for sockets of this host that are bound to an interface (`SO_BINDTODEVICE`): what they
    /// reply leaves by it, whatever the routes say. IPv4 takes a destination to which no route leads by
    /// it for a neighbour there (route.c, ip_route_output_key_hash_rcu); IPv6 looks for routes by it
    /// (route.c, ip6_route_output_flags). None if there is no such interface.
    #[must_use]
    pub fn bound_to(&self, interface: &str) -> Option<Self> {
        let bound = Some(self.link(interface)?.index);
        Some(Self { bound, ..self.clone() })
    }

    /// The interfaces on which neighbours do not find each other.
    #[must_use]
    pub fn silent(&self) -> &[Silence] {
        &self.silent
    }

    /// The namespace's links, addresses, routes, routing rules and settings.
    #[must_use]
    pub fn of(namespace: &NetNamespace) -> Self {
        let mut own = Self::default();
        own.missing("interfaces", &namespace.links);
        own.missing("addresses", &namespace.addresses);
        own.missing("routes", &namespace.routes);
        own.missing("routing rules", &namespace.rules);
        own.missing("settings", &namespace.settings);
        own.links = links::links(namespace);
        let empty = BTreeMap::new();
        let settings = namespace.settings.value().unwrap_or(&empty);
        let number = |key: &str| settings.get(key).and_then(|text| text.trim().parse::<u32>().ok());
        let is_on = |key: &str| number(key).is_some_and(|value| value != 0);
        own.forwards_six = is_on("net/ipv6/conf/all/forwarding");
        own.mark_accept = is_on("net/ipv4/tcp_fwmark_accept");
        own.ignores_echo = is_on("net/ipv4/icmp_echo_ignore_all");
        if namespace.settings.is_complete() && number("net/ipv4/conf/all/rp_filter").is_none() {
            own.doubt("settings", "net.ipv4.conf.all.rp_filter is not among them");
        }
        let ignores_down = is_on("net/ipv4/conf/all/ignore_routes_with_linkdown");
        for family in Family::BOTH {
            let ignores = ignores_down && family == Family::Ipv4;
            let tables = routes::tables(namespace.routes.items(), family, ignores);
            let rules = rules::rules(namespace.rules.items(), family);
            let routing = Routing {
                custom_rules: rules::are_custom(&rules, family),
                custom_local: tables.values().any(|table| table.custom_local),
                rules,
                tables,
            };
            if routing.tables.values().any(|table| table.by_source) {
                own.doubt("routes", "a route is for packets from some sources only");
            }
            *own.routing_mut(family) = routing;
        }
        for link in own.links.clone().iter().filter(|link| link.kind == "vrf") {
            own.doubt("interfaces", &format!("{} is a VRF", link.name));
        }
        own
    }

    fn missing<T>(&mut self, what: &str, part: &Part<T>) {
        match part {
            Part::Known { .. } => {}
            Part::NotAsked => self.doubt(what, "were not read"),
            Part::Partial { gaps, .. } => {
                for gap in gaps {
                    self.doubt(what, &format!("{}: {}", gap.what, gap.why));
                }
            }
            Part::Unreadable { gap } => self.doubt(what, &format!("{}: {}", gap.what, gap.why)),
        }
    }

    fn doubt(&mut self, place: &str, what: &str) {
        let place = Place { file: place.into(), line: 0, handle: None };
        self.doubts.push(Note { place, what: what.to_owned() });
    }

    /// What of the namespace is not known; with one of these, nothing is certain.
    #[must_use]
    pub fn doubts(&self) -> &[Note] {
        &self.doubts
    }

    pub(crate) fn routing(&self, family: Family) -> &Routing {
        match family {
            Family::Ipv4 => &self.four,
            Family::Ipv6 => &self.six,
        }
    }

    fn routing_mut(&mut self, family: Family) -> &mut Routing {
        match family {
            Family::Ipv4 => &mut self.four,
            Family::Ipv6 => &mut self.six,
        }
    }

    /// The interfaces that packets of the family can arrive on from elsewhere: up, not the
    /// loopback, and no port of a bridge or bond, whose packets arrive on that.
    #[must_use]
    pub fn ways_in(&self, family: Family) -> Vec<&str> {
        self.arriving(family).map(|link| link.name.as_str()).collect()
    }

    pub(crate) fn arriving(&self, family: Family) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| {
            let is_off = family == Family::Ipv6 && link.conf.disable_ipv6;
            link.up && !link.loopback && !link.is_port && !is_off
        })
    }

    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The addresses that packets are delivered to in this namespace: those of local routes, which
    /// hold the addresses of all interfaces, and of anycast ones.
    #[must_use]
    pub fn local_addresses(&self, family: Family) -> RangeSet {
        self.ranges_of(family, |kind| matches!(kind, Kind::Local | Kind::Anycast))
    }

    /// The same without those that only this host itself can use: 127.0.0.0/8 and `::1`.
    #[must_use]
    pub fn reachable_addresses(&self, family: Family) -> RangeSet {
        let (lo, hi) = family.loopback();
        let others = RangeSet::from(lo..=hi).complement(family.max_address());
        self.local_addresses(family).intersection(&others)
    }

    /// Whether packets to 127.0.0.0/8 are taken from elsewhere: an interface has
    /// `net.ipv4.conf.*.route_localnet`.
    #[must_use]
    pub fn takes_loopback(&self) -> bool {
        self.arriving(Family::Ipv4).any(|link| link.conf.route_localnet)
    }

    /// The broadcast addresses of this namespace's networks, and the limited one (IPv4).
    #[must_use]
    pub fn broadcast_addresses(&self, family: Family) -> RangeSet {
        let networks = self.ranges_of(family, |kind| kind == Kind::Broadcast);
        match family {
            Family::Ipv4 => networks.union(&RangeSet::one(u32::MAX.into())),
            Family::Ipv6 => networks,
        }
    }

    fn ranges_of(&self, family: Family, wanted: impl Fn(Kind) -> bool) -> RangeSet {
        self.routing(family)
            .tables
            .values()
            .flat_map(|table| &table.entries)
            .filter(|entry| entry.routes.iter().any(|route| wanted(route.way.kind)))
            .map(|entry| (entry.lo, entry.hi))
            .collect()
    }

    /// The sources that any host elsewhere can have: not those that stand for this host, for none or
    /// for many. What is open to all of these is open to everyone.
    #[must_use]
    pub fn anyone(&self, family: Family) -> RangeSet {
        let reserved = match family {
            // 0.0.0.0, loopback, multicast and limited broadcast (RFC 6890).
            Family::Ipv4 => RangeSet::of(vec![
                (0, 0),
                (0x7f00_0000, 0x7fff_ffff),
                (0xe000_0000, 0xefff_ffff),
                (0xffff_ffff, 0xffff_ffff),
            ]),
            // ::, ::1, mapped IPv4 and multicast (RFC 4291, 2.4).
            Family::Ipv6 => RangeSet::of(vec![
                (0, 1),
                (0xffff_0000_0000, 0xffff_ffff_ffff),
                (0xff << 120, u128::MAX),
            ]),
        };
        let own = self.own_addresses(family).union(&self.broadcast_addresses(family));
        // A router has the first address of each of its networks, too (RFC 4291, 2.6.1).
        let own = own.union(&self.ranges_of(family, |kind| kind == Kind::Anycast));
        reserved.union(&own).complement(family.max_address())
    }

    /// The address of this host that clients behind an interface are likely to use: of one network
    /// with them if there is one, of global scope, and the smallest.
    #[must_use]
    pub fn address_at(&self, family: Family, interface: &str, client: u128) -> Option<u128> {
        let of_scope = |own: u128| family == Family::Ipv6 && own >> 118 == 0xfe80 >> 6;
        let shared = |own: u128| (own ^ client).leading_zeros();
        let fits = |own: &&links::Own| {
            own.family == family && own.scope < 254 && of_scope(own.address) == of_scope(client)
        };
        let here = self.links.iter().filter(|link| link.name == interface);
        let others = self.links.iter().filter(|link| link.name != interface);
        let best = |links: &mut dyn Iterator<Item = &Link>| {
            let own = links.flat_map(|link| &link.addresses).filter(fits);
            own.map(|own| own.address).max_by_key(|own| (shared(*own), std::cmp::Reverse(*own)))
        };
        best(&mut here.into_iter()).or_else(|| best(&mut others.into_iter()))
    }

    /// The interface that has this address.
    #[must_use]
    pub fn interface_with(&self, family: Family, address: u128) -> Option<&str> {
        let has = |link: &&Link| {
            !link.loopback
                && link.addresses.iter().any(|own| own.family == family && own.address == address)
        };
        self.links.iter().find(has).map(|link| link.name.as_str())
    }

    /// These sources together with those that nobody elsewhere has and that lie between or beside
    /// them: for people, who read 0.0.0.0/0 for everyone.
    #[must_use]
    pub fn filled(&self, family: Family, sources: &RangeSet) -> RangeSet {
        let max = family.max_address();
        let nobody = self.anyone(family).complement(max);
        let cost = |lo, hi| prefixes(&RangeSet::from(lo..=hi), family.width()).len();
        let mut filled = sources.clone();
        for (lo, hi) in nobody.iter() {
            let ends = |at: u128| filled.iter().find(|(_, last)| *last == at);
            let before = lo.checked_sub(1).and_then(ends);
            let after = hi.checked_add(1).and_then(|at| filled.iter().find(|(lo, _)| *lo == at));
            let shorter = match (before, after) {
                (Some(_), Some(_)) => true,
                (Some((first, last)), None) => cost(first, hi) < cost(first, last) || hi == max,
                (None, Some((first, last))) => cost(lo, last) < cost(first, last) || lo == 0,
                (None, None) => false,
            };
            if shorter {
                filled = filled.union(&RangeSet::from(lo..=hi));
            }
        }
        filled
    }

    /// The addresses of the interfaces.
    pub(crate) fn own_addresses(&self, family: Family) -> RangeSet {
        self.links
            .iter()
            .flat_map(|link| &link.addresses)
            .filter(|own| own.family == family)
            .map(|own| (own.address, own.address))
            .collect()
    }

    /// The neighbours on each interface that packets arrive on: the addresses of its networks that
    /// are reached without a router, by name. Link-local ones (`fe80::/10`) are among them.
    #[must_use]
    pub fn on_link(&self, family: Family) -> Vec<(&str, RangeSet)> {
        self.arriving(family)
            .map(|link| {
                let mut ranges: Vec<(u128, u128)> = self
                    .routing(family)
                    .tables
                    .values()
                    .flat_map(|table| &table.entries)
                    .filter(|entry| {
                        entry.routes.iter().any(|route| {
                            let way = &route.way;
                            way.kind == Kind::Unicast
                                && !way.gateway
                                && way.links.contains(&link.index)
                        })
                    })
                    .filter(|entry| entry.len > 0)
                    .map(|entry| (entry.lo, entry.hi))
                    .collect();
                if family == Family::Ipv6 {
                    ranges.push((0xfe80 << 112, (0xfec0 << 112) - 1));
                }
                (link.name.as_str(), RangeSet::of(ranges))
            })
            .collect()
    }
}

/// A network namespace as it is kept in a snapshot, with the addresses 192.0.2.10/24 and
/// 2001:db8::10/64: for examples.
pub const EXAMPLE: &str = include_str!("example.json");

/// An address as a number, with its family.
pub(crate) fn number(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::Ipv4, v4.to_bits().into()),
        IpAddr::V6(v6) => (Family::Ipv6, v6.to_bits()),
    }
}

/// The first and last address of a prefix, and its family.
pub(crate) fn range(prefix: &facts::Prefix) -> (Family, (u128, u128)) {
    let (family, address) = number(prefix.address);
    let free = u32::from(family.width().saturating_sub(prefix.len));
    let host = 1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1) & family.max_address();
    (family, (address & !host, address | host))
}
