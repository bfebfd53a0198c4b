//! What a rule of firewalld is about, as conditions of nft(8). Every word of the files is looked at
//! before it is written, so that no file can say more than its own rule.

use std::net::IpAddr;

use super::address::addresses;
use super::config::{Config, Element, Rule};

/// How deep services may include each other (firewalld refuses circles).
const DEPTH: usize = 8;

/// The conditions of what a rule is about, each with a blank behind it; one for each line.
pub(super) fn matches_of(
    config: &Config,
    rule: &Rule,
    element: &Element,
    file: &str,
    depth: usize,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let found = match element {
        Element::All => Some(vec![String::new()]),
        Element::Elsewhere | Element::Forward { .. } => Some(Vec::new()),
        Element::Port { protocol, port: ports } => {
            port(protocol, "dport", ports).map(|one| vec![one])
        }
        Element::SourcePort { protocol, port: ports } => {
            port(protocol, "sport", ports).map(|one| vec![one])
        }
        Element::Protocol(name) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let good = !name.is_empty() && name.chars().all(fits);
            good.then(|| vec![format!("meta l4proto {name} ")])
        }
        Element::Icmp(name) => Some(icmp(name)),
        Element::Service(name) => {
            return service(config, rule, (name, file), depth, notes);
        }
    };
    found.unwrap_or_else(|| {
        notes.push(format!("{file}: {element:?}"));
        Vec::new()
    })
}

/// A service: its ports, for the addresses that it is for, and those of the services in it.
fn service(
    config: &Config,
    rule: &Rule,
    (name, file): (&str, &str),
    depth: usize,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let Some(service) = config.services.get(name).filter(|_| depth < DEPTH) else {
        notes.push(format!("{file}: service {name} was not read"));
        return Vec::new();
    };
    let mut heads = Vec::new();
    let fits = |family: &str| rule.family.as_deref().is_none_or(|wanted| wanted == family);
    for (_, address) in service.destinations.iter().filter(|(family, _)| fits(family)) {
        heads.extend(addresses(config, "daddr", address, false, file, notes));
    }
    let heads = if service.destinations.is_empty() {
        vec![String::new()]
    } else {
        heads.into_iter().map(|head| head + " ").collect()
    };
    let mut all = Vec::new();
    for element in &service.elements {
        for condition in matches_of(config, rule, element, file, depth.saturating_add(1), notes) {
            all.extend(heads.iter().map(|head| format!("{head}{condition}")));
        }
    }
    for included in &service.includes {
        all.extend(self::service(config, rule, (included, file), depth.saturating_add(1), notes));
    }
    all
}

/// `tcp dport 80-90 `.
fn port(protocol: &str, field: &str, ports: &str) -> Option<String> {
    let protocol = ["tcp", "udp", "sctp", "dccp"].into_iter().find(|known| *known == protocol)?;
    let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
    let (low, high): (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    Some(if low == high {
        format!("{protocol} {field} {low} ")
    } else {
        format!("{protocol} {field} {low}-{high} ")
    })
}

/// The messages without which IPv6 does not work; others have no say in who reaches a port.
fn icmp(name: &str) -> Vec<String> {
    let name = match name {
        "neighbour-advertisement" => "nd-neighbor-advert",
        "neighbour-solicitation" => "nd-neighbor-solicit",
        "router-advertisement" => "nd-router-advert",
        "router-solicitation" => "nd-router-solicit",
        _ => return Vec::new(),
    };
    vec![format!("icmpv6 type {name} ")]
}

/// `5/m`, as `limit rate 5/minute `.
pub(super) fn limit(text: &str) -> Option<String> {
    let (rate, per) = text.split_once('/')?;
    let rate: u32 = rate.trim().parse().ok()?;
    let per = match per.trim().chars().next()? {
        's' => "second",
        'm' => "minute",
        'h' => "hour",
        'd' => "day",
        _ => return None,
    };
    Some(format!("limit rate {rate}/{per} "))
}

/// A translation of the destination (`build_policy_forward_port_rules`).
pub(super) fn forward(element: &Element, has_family: bool) -> Option<String> {
    let Element::Forward { protocol, port: from, to_port, to_address } = element else {
        return None;
    };
    let condition = port(protocol, "dport", from)?;
    let to: Option<IpAddr> = match to_address.as_str() {
        "" => None,
        some => Some(some.parse().ok()?),
    };
    let to_port = match to_port.as_str() {
        "" => String::new(),
        some => {
            let (low, high) = some.split_once('-').unwrap_or((some, some));
            let (low, high): (u16, u16) = (low.parse().ok()?, high.parse().ok()?);
            if low == high { format!(":{low}") } else { format!(":{low}-{high}") }
        }
    };
    let family = match (has_family, to) {
        (true, _) => "",
        (false, Some(IpAddr::V6(_))) => "meta nfproto ipv6 ",
        (false, _) => "meta nfproto ipv4 ",
    };
    Some(match to {
        None if to_port.is_empty() => return None,
        None => format!("{family}{condition}redirect to {to_port}"),
        Some(IpAddr::V4(address)) => format!("{family}{condition}dnat ip to {address}{to_port}"),
        Some(IpAddr::V6(address)) if to_port.is_empty() => {
            format!("{family}{condition}dnat ip6 to {address}")
        }
        Some(IpAddr::V6(address)) => {
            format!("{family}{condition}dnat ip6 to [{address}]{to_port}")
        }
    })
}
