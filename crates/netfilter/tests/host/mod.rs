//! A network namespace from a few lines, much as the commands of ip(8) write it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use facts::{
    Address, IfIndex, Link, NetNamespace, NextHop, Part, Prefix, Route, RouteKind, RoutingRule,
    RuleAction,
};

/// A namespace with `lo` and the rules that every one begins with. Lines:
///
/// * `link NAME`
/// * `address ADDRESS/LENGTH dev NAME`: with the routes that the kernel makes for it
/// * `route [local|unreachable|blackhole|prohibit|throw|broadcast|anycast|multicast] PREFIX
///   [dev NAME]... [via ADDRESS] [table N] [metric N]`
/// * `rule PRIORITY [-6] [not] [from P] [to P] [iif NAME] [fwmark V/M] [dport N] [proto N]
///   lookup N|goto N|blackhole|unreachable|prohibit|nop [suppress N]`
/// * `set PATH VALUE`
pub(crate) fn namespace(spec: &str) -> NetNamespace {
    let mut own = Spec::default();
    own.line("link lo");
    own.line("address 127.0.0.1/8 dev lo");
    own.line("address ::1/128 dev lo");
    for rule in ["0 lookup 255", "32766 lookup 254", "32767 lookup 253"] {
        own.line(&format!("rule {rule}"));
    }
    for rule in ["0 -6 lookup 255", "32766 -6 lookup 254"] {
        own.line(&format!("rule {rule}"));
    }
    own.line("set net/ipv4/conf/all/rp_filter 0");
    for line in spec.lines().map(str::trim).filter(|line| !line.is_empty()) {
        own.line(line);
    }
    own.rules.sort_by_key(|rule| (rule.ipv6, rule.priority));
    NetNamespace {
        links: Part::known(own.links),
        addresses: Part::known(own.addresses),
        routes: Part::known(own.routes),
        rules: Part::known(own.rules),
        settings: Part::known(own.settings),
        ..NetNamespace::default()
    }
}

#[derive(Default)]
struct Spec {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
    rules: Vec<RoutingRule>,
    settings: BTreeMap<String, String>,
}

fn prefix(text: &str) -> Prefix {
    if text == "default" {
        return prefix("0.0.0.0/0");
    }
    let (address, len) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().unwrap();
    let width = if address.is_ipv4() { 32 } else { 128 };
    Prefix { address, len: len.parse().unwrap_or(width) }
}

impl Spec {
    fn index(&self, name: &str) -> IfIndex {
        self.links.iter().find(|link| link.name == name).map(|link| link.index).expect(name)
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["link", name] => {
                let index = IfIndex(u32::try_from(self.links.len() + 1).unwrap());
                self.links.push(Link {
                    index,
                    name: (*name).to_owned(),
                    up: true,
                    loopback: *name == "lo",
                    ..Link::default()
                });
            }
            ["address", text, "dev", name] => self.address(prefix(text), name),
            ["route", rest @ ..] => self.route(rest),
            ["rule", rest @ ..] => self.rule(rest),
            ["set", path, value] => {
                self.settings.insert((*path).to_owned(), (*value).to_owned());
            }
            _ => panic!("{line}"),
        }
    }

    fn address(&mut self, prefix: Prefix, name: &str) {
        let link = self.index(name);
        let host = name == "lo";
        self.addresses.push(Address {
            link,
            address: prefix.address,
            prefix_len: prefix.len,
            scope: if host { 254 } else { 0 },
            flags: 0x80,
            preferred_s: None,
            valid_s: None,
        });
        let hop = NextHop { link: Some(link), gateway: None, flags: 0 };
        let plain = |table: u32, destination: Prefix, kind: RouteKind| Route {
            table,
            destination,
            priority: if prefix.address.is_ipv6() && table == 254 { 256 } else { 0 },
            kind,
            source: None,
            tos: 0,
            scope: 0,
            protocol: 2,
            flags: 0,
            hops: vec![hop],
            preferred_source: None,
        };
        let width = if prefix.address.is_ipv4() { 32 } else { 128 };
        let single = Prefix { address: prefix.address, len: width };
        self.routes.push(plain(255, single, RouteKind::Local));
        match prefix.address {
            IpAddr::V4(v4) => {
                let host_bits = u32::MAX.checked_shr(prefix.len.into()).unwrap_or(0);
                let network =
                    Prefix { address: (v4.to_bits() & !host_bits).into_ip(), len: prefix.len };
                if host {
                    self.routes.push(plain(255, network, RouteKind::Local));
                } else if prefix.len < 32 {
                    self.routes.push(plain(254, network, RouteKind::Unicast));
                    let last = Prefix { address: (v4.to_bits() | host_bits).into_ip(), len: 32 };
                    self.routes.push(plain(255, last, RouteKind::Broadcast));
                }
            }
            IpAddr::V6(v6) if !host => {
                let host_bits = u128::MAX.checked_shr(prefix.len.into()).unwrap_or(0);
                let address = std::net::Ipv6Addr::from_bits(v6.to_bits() & !host_bits).into();
                self.routes.push(plain(
                    254,
                    Prefix { address, len: prefix.len },
                    RouteKind::Unicast,
                ));
                let group = Prefix { address: "ff00::".parse().unwrap(), len: 8 };
                self.routes.push(plain(255, group, RouteKind::Multicast));
            }
            IpAddr::V6(_) => {}
        }
    }

    fn route(&mut self, words: &[&str]) {
        let kinds = [
            ("local", RouteKind::Local),
            ("unreachable", RouteKind::Unreachable),
            ("blackhole", RouteKind::Blackhole),
            ("prohibit", RouteKind::Prohibit),
            ("throw", RouteKind::Throw),
            ("broadcast", RouteKind::Broadcast),
            ("anycast", RouteKind::Anycast),
            ("multicast", RouteKind::Multicast),
        ];
        let (kind, words) = match kinds.iter().find(|(name, _)| words.first() == Some(name)) {
            Some((_, kind)) => (*kind, &words[1..]),
            None => (RouteKind::Unicast, words),
        };
        let mut route = Route {
            table: if kind == RouteKind::Local { 255 } else { 254 },
            destination: prefix(words[0]),
            priority: 0,
            kind,
            source: None,
            tos: 0,
            scope: 0,
            protocol: 3,
            flags: 0,
            hops: Vec::new(),
            preferred_source: None,
        };
        for pair in words[1..].chunks(2) {
            match pair {
                ["dev", name] => {
                    let link = Some(self.index(name));
                    route.hops.push(NextHop { link, gateway: None, flags: 0 });
                }
                ["via", gateway] => {
                    let gateway = Some(gateway.parse().unwrap());
                    route.hops.iter_mut().for_each(|hop| hop.gateway = gateway);
                }
                ["table", number] => route.table = number.parse().unwrap(),
                ["metric", number] => route.priority = number.parse().unwrap(),
                _ => panic!("{pair:?}"),
            }
        }
        self.routes.push(route);
    }

    fn rule(&mut self, words: &[&str]) {
        let mut rule = RoutingRule {
            ipv6: false,
            priority: words[0].parse().unwrap(),
            action: RuleAction::Nop,
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
        let mut rest = words[1..].iter();
        while let Some(word) = rest.next() {
            let mut next = || *rest.next().unwrap();
            match *word {
                "-6" => rule.ipv6 = true,
                "not" => rule.invert = true,
                "from" => rule.source = Some(prefix(next())),
                "to" => rule.destination = Some(prefix(next())),
                "iif" => rule.input = Some(next().to_owned()),
                "fwmark" => {
                    let (value, mask) = next().split_once('/').unwrap();
                    rule.mark = Some((value.parse().unwrap(), mask.parse().unwrap()));
                }
                "dport" => {
                    let port = next().parse().unwrap();
                    rule.destination_ports = Some((port, port));
                }
                "proto" => rule.protocol = Some(next().parse().unwrap()),
                "lookup" => rule.action = RuleAction::Table(next().parse().unwrap()),
                "goto" => rule.action = RuleAction::Goto(next().parse().unwrap()),
                "suppress" => rule.suppress_prefix_len = Some(next().parse().unwrap()),
                "blackhole" => rule.action = RuleAction::Blackhole,
                "unreachable" => rule.action = RuleAction::Unreachable,
                "prohibit" => rule.action = RuleAction::Prohibit,
                "nop" => rule.action = RuleAction::Nop,
                _ => panic!("{word}"),
            }
        }
        self.rules.push(rule);
    }
}

trait IntoIp {
    fn into_ip(self) -> IpAddr;
}

impl IntoIp for u32 {
    fn into_ip(self) -> IpAddr {
        std::net::Ipv4Addr::from_bits(self).into()
    }
}
