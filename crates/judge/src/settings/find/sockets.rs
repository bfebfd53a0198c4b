//! Settings that decide what a socket answers, and whether it can be opened again.

use std::net::IpAddr;

use facts::{Port, Socket, State};

use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    loopback_from_outside(subject, found);
    ports_that_may_be_taken(subject, found);
    queue_limit(subject, found);
    only_ipv6(subject, found);
    ipv6_is_off(subject, found);
    address_of_another(subject, settings, found);
    no_cookies(subject, found);
}

/// The open sockets of the namespace.
fn open<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Socket> + use<'a> {
    let namespace = subject.namespace.map(|namespace| namespace.id);
    let all = subject.snapshot.sockets.items().iter();
    all.filter(move |socket| Some(socket.netns) == namespace && socket.is_open())
}

/// `tcp/80, udp/53`: the ports of sockets, a few of them.
fn named<'s>(sockets: impl Iterator<Item = &'s Socket>) -> String {
    let mut names: Vec<(Port, String)> = sockets
        .filter_map(|socket| {
            let port = socket.port()?;
            let protocol = socket.protocol.ip_name().unwrap_or("?");
            Some((port, format!("{protocol}/{}", port.0)))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let shown: Vec<&str> = names.iter().take(4).map(|(_, name)| name.as_str()).collect();
    let text = shown.join(", ");
    match names.len().saturating_sub(shown.len()) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Open sockets on `[::]` that are for IPv6 only, or not.
fn any_ipv6<'a>(subject: &Subject<'a>, v6only: bool) -> impl Iterator<Item = &'a Socket> + use<'a> {
    open(subject).filter(move |socket| {
        socket.local.address.is_ipv6()
            && socket.local.address.is_unspecified()
            && socket.v6only == Some(v6only)
            && socket.port().is_some()
    })
}

/// The ports of [`any_ipv6`] that no socket of IPv4 has as well.
pub(super) fn on_any_ipv6(subject: &Subject<'_>, v6only: bool) -> String {
    let four: Vec<_> = open(subject)
        .filter(|socket| socket.local.address.is_ipv4())
        .map(|socket| (socket.protocol, socket.local.port))
        .collect();
    let has_four = |socket: &&Socket| four.contains(&(socket.protocol, socket.local.port));
    named(any_ipv6(subject, v6only).filter(|socket| !has_four(socket)))
}

/// What on this host a setting bears on, where that can be told.
pub(in super::super) fn bears_on(subject: &Subject<'_>, path: &str) -> Option<String> {
    let some = |text: String, rest: &str| (!text.is_empty()).then(|| format!("{text} {rest}"));
    match path {
        "net/ipv6/bindv6only" => {
            let both = some(named(any_ipv6(subject, false)), "on [::] answers IPv4 too");
            let six = some(named(any_ipv6(subject, true)), "on [::] is for IPv6 only");
            let texts: Vec<String> = [both, six].into_iter().flatten().collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        "net/ipv6/conf/all/disable_ipv6" => {
            some(named(any_ipv6(subject, false)), "on [::] answers IPv4 also where IPv6 is off")
        }
        "net/core/somaxconn" => {
            let limit = u32::try_from(subject.number(path)?).ok()?;
            let at_limit = |s: &&Socket| s.state == State::Listen && s.queue.max == limit;
            some(named(open(subject).filter(at_limit)), "has an accept queue of this length")
        }
        "net/ipv4/ip_local_port_range" | "net/ipv4/ip_local_reserved_ports" => {
            let range = subject.value("net/ipv4/ip_local_port_range")?;
            let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
            let (first, last) = (ends.next()?, ends.next()?);
            let within = |s: &&Socket| {
                s.state == State::Listen && s.port().is_some_and(|p| (first..=last).contains(&p.0))
            };
            some(named(open(subject).filter(within)), "listens within the range")
        }
        _ => None,
    }
}

/// `bindv6only`: what is bound to `[::]` answers no IPv4.
fn only_ipv6(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let path = "net/ipv6/bindv6only";
    if subject.number(path) != Some(1) {
        return;
    }
    let names = on_any_ipv6(subject, true);
    if names.is_empty() {
        return;
    }
    found.push(
        Says {
            id: "no-ipv4-by-default",
            severity: Severity::Info,
            subject: &key::dotted(path),
            text: format!(
                "{} is 1, and {names} on [::] does not answer IPv4, unless it asked for that itself",
                key::dotted(path)
            ),
            action: format!(
                "if it should answer IPv4: sysctl -w {}=0, and start it anew",
                key::dotted(path)
            ),
            lines: vec![(OWN_FILE.to_owned(), line(path, "0"))],
            cites: "ipv6(7), IPV6_V6ONLY; RFC 3493, section 5.3",
        }
        .into(),
    );
}

/// IPv6 is off, and what listens on `[::]` still answers IPv4.
fn ipv6_is_off(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let mut links = subject.links().iter().filter(|link| !link.loopback).peekable();
    if links.peek().is_none() {
        return;
    }
    let is_off =
        |name: &str| subject.number(&format!("net/ipv6/conf/{name}/disable_ipv6")) == Some(1);
    if !links.all(|link| is_off(&link.name)) {
        return;
    }
    let names = named(any_ipv6(subject, false));
    if names.is_empty() {
        return;
    }
    found.push(
        Says {
            id: "ipv6-off-ipv4-open",
            severity: Severity::Info,
            subject: "net.ipv6.conf.all.disable_ipv6",
            text: format!(
                "IPv6 is off on every interface, and {names} on [::] still answers IPv4: such a socket \
                 serves both"
            ),
            action: "bind it to 127.0.0.1, or filter it, where it should not be reachable".to_owned(),
            lines: vec![],
            cites: "ipv6(7), about IPv4 connections; RFC 3493, section 3.7",
        }
        .into(),
    );
}

/// Bound to an address that this host does not have, which only `ip_nonlocal_bind` allows.
fn address_of_another(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    let Some(namespace) = subject.namespace else { return };
    let own: Vec<IpAddr> = namespace.addresses.items().iter().map(|a| a.address).collect();
    if !namespace.addresses.is_complete() {
        return;
    }
    let local = |ip: IpAddr| {
        let mut routes = namespace.routes.items().iter();
        routes.any(|route| route.kind == facts::RouteKind::Local && route.destination.contains(ip))
    };
    for (ipv6, path) in [(false, "net/ipv4/ip_nonlocal_bind"), (true, "net/ipv6/ip_nonlocal_bind")]
    {
        if subject.number(path) != Some(1) {
            continue;
        }
        let foreign = open(subject).find(|socket| {
            let ip = socket.local.address;
            ip.is_ipv6() == ipv6
                && !ip.is_unspecified()
                && !ip.is_loopback()
                && !ip.is_multicast()
                && socket.port().is_some()
                && !own.contains(&ip)
                && !local(ip)
        });
        let Some(socket) = foreign else { continue };
        let name = named(std::iter::once(socket));
        let then = settings.ledger(path).and_then(|ledger| ledger.after_boot.as_deref());
        let lost = then == Some("0");
        let text =
            format!("{name} is bound to {}, which this host does not have", socket.local.address);
        let (severity, rest) = if lost {
            let rest = format!(
                "; after a boot {} is 0, and it cannot be bound again while the address is elsewhere",
                key::dotted(path)
            );
            (Severity::Medium, rest)
        } else {
            (Severity::Info, ": it answers as soon as the address comes here".to_owned())
        };
        found.push(
            Says {
                id: "address-of-another",
                severity,
                subject: &key::dotted(path),
                text: text + &rest,
                action: if lost {
                    format!("write it down: {OWN_FILE}")
                } else {
                    format!("if the address never comes: sysctl -w {}=0", key::dotted(path))
                },
                lines: vec![(OWN_FILE.to_owned(), line(path, if lost { "1" } else { "0" }))],
                cites: "kernel Documentation/networking/ip-sysctl.rst, ip_nonlocal_bind",
            }
            .into(),
        );
    }
}

/// Without cookies a few packets close a port for all.
fn no_cookies(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let path = "net/ipv4/tcp_syncookies";
    if subject.number(path) != Some(0) {
        return;
    }
    let listens =
        |socket: &&Socket| socket.state == State::Listen && !socket.local.address.is_loopback();
    let names = named(open(subject).filter(listens));
    if names.is_empty() {
        return;
    }
    found.push(
        Says {
            id: "no-syn-cookies",
            severity: Severity::Low,
            subject: &key::dotted(path),
            text: format!(
                "{} is 0: a few forged SYNs fill the queue of {names}, and nobody else gets in",
                key::dotted(path)
            ),
            action: format!("sysctl -w {}=1", key::dotted(path)),
            lines: vec![(OWN_FILE.to_owned(), line(path, "1"))],
            cites: "RFC 4987, section 3.6; kernel Documentation/networking/ip-sysctl.rst, tcp_syncookies",
        }
        .into(),
    );
}

/// `route_localnet` lets others on the link speak to what is bound to 127.0.0.1.
fn loopback_from_outside(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let on =
        |link: &str| subject.number(&format!("net/ipv4/conf/{link}/route_localnet")) == Some(1);
    let all = on("all");
    let link = subject
        .links()
        .iter()
        .find(|link| !link.loopback && link.kind.is_empty() && (all || on(&link.name)));
    let Some(link) = link else { return };
    let Some(namespace) = subject.namespace else { return };
    let bound = subject.snapshot.sockets.items().iter().any(|socket| {
        socket.netns == namespace.id
            && socket.is_open()
            && socket.local.address.is_loopback()
            && socket.local.address.is_ipv4()
    });
    if !bound {
        return;
    }
    let path = format!("net/ipv4/conf/{}/route_localnet", if all { "all" } else { &link.name });
    found.push(
        Says {
            id: "loopback-from-outside",
            severity: Severity::Medium,
            subject: &key::dotted(&path),
            text: format!(
                "{} is 1: hosts on the link of {} can send to services bound to 127.0.0.1, unless the \
                 firewall drops it",
                key::dotted(&path),
                link.name
            ),
            action: format!(
                "sysctl -w {}=0, or drop packets to 127.0.0.0/8 that do not come from lo",
                key::dotted(&path)
            ),
            lines: vec![(OWN_FILE.to_owned(), line(&path, "0"))],
            cites: "CVE-2020-8558; kernel Documentation/networking/ip-sysctl.rst, route_localnet",
        }
        .into(),
    );
}

/// Services on ports that the kernel gives to outgoing connections.
fn ports_that_may_be_taken(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let range = subject.value("net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    let (Some(first), Some(last)) = (ends.next(), ends.next()) else { return };
    let reserved = subject.value("net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    let is_reserved = |port: u16| {
        reserved.split(',').any(|part| match part.trim().split_once('-') {
            Some((a, b)) => {
                a.parse().is_ok_and(|a: u16| a <= port) && b.parse().is_ok_and(|b: u16| port <= b)
            }
            None => part.trim().parse() == Ok(port),
        })
    };
    let Some(namespace) = subject.namespace else { return };
    let mut ports: Vec<u16> = subject
        .snapshot
        .sockets
        .items()
        .iter()
        .filter(|s| {
            s.netns == namespace.id && s.state == State::Listen && !s.local.address.is_loopback()
        })
        .filter_map(Socket::port)
        .filter(|Port(port)| (first..=last).contains(port) && !is_reserved(*port))
        .map(|port| port.0)
        // A port that was given, not chosen, differs each time: only registered ones are pinned.
        .filter(|port| crate::service::of(facts::Protocol::TCP, Port(*port)).is_some())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let Some(port) = ports.first() else { return };
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let value =
        if reserved.trim().is_empty() { list.clone() } else { format!("{reserved},{list}") };
    let path = "net/ipv4/ip_local_reserved_ports";
    found.push(
        Says {
            id: "port-may-be-taken",
            severity: Severity::Info,
            subject: &format!("tcp/{port}"),
            text: format!(
                "{list} lies in ip_local_port_range ({first}-{last}): an outgoing connection may have it \
                 when its service starts"
            ),
            action: format!("reserve it: sysctl -w {}={value}", key::dotted(path)),
            lines: vec![(OWN_FILE.to_owned(), line(path, &value))],
            cites: "kernel Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports",
        }
        .into(),
    );
}

/// A full accept queue whose limit is the kernel's.
fn queue_limit(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let path = "net/core/somaxconn";
    let Some(limit) = subject.number(path).and_then(|n| u32::try_from(n).ok()) else { return };
    let Some(namespace) = subject.namespace else { return };
    let full = subject.snapshot.sockets.items().iter().find(|socket| {
        socket.netns == namespace.id
            && socket.state == State::Listen
            && socket.queue.max == limit
            && socket.queue.now > socket.queue.max
    });
    let Some(Port(port)) = full.and_then(Socket::port) else { return };
    let wanted = limit.saturating_mul(2).to_string();
    found.push(
        Says {
            id: "queue-limit",
            severity: Severity::Low,
            subject: &key::dotted(path),
            text: format!(
                "the accept queue of port {port} is full, and somaxconn ({limit}) limits it"
            ),
            action: format!(
                "if its program keeps up: sysctl -w {}={wanted}, and restart it",
                key::dotted(path)
            ),
            lines: vec![(OWN_FILE.to_owned(), line(path, &wanted))],
            cites: "listen(2), about somaxconn",
        }
        .into(),
    );
}
