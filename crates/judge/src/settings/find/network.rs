//! Settings that open or close ways to this host, and denials that explain a port that is not open.

use facts::Port;

use super::super::role::Role;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    loopback_from_outside(subject, found);
    forwards_for_nobody(subject, settings, found);
    redirects_on_a_router(subject, settings, found);
    ports_that_may_be_taken(subject, found);
    queue_limit(subject, found);
    denials(settings, found);
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

/// It forwards, and nothing here needs that.
fn forwards_for_nobody(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    let path = "net/ipv4/ip_forward";
    if !matches!(settings.role, Role::Server | Role::Desktop) || subject.number(path) != Some(1) {
        return;
    }
    // Bridges and tunnels are made to forward; one interface alone forwards back to where it came from.
    let others = subject.links().iter().filter(|link| !link.loopback);
    if others.clone().any(|link| !matches!(link.kind.as_str(), "" | "veth")) {
        return;
    }
    let real: Vec<&str> = others.map(|link| link.name.as_str()).collect();
    if real.is_empty() {
        return;
    }
    let set = settings.ledger(path).and_then(|ledger| ledger.winner());
    let by = set
        .map_or("by hand or by a program".to_owned(), |s| format!("by {} line {}", s.file, s.line));
    found.push(
        Says {
            id: "forwards-for-nobody",
            severity: Severity::Low,
            subject: &key::dotted(path),
            text: format!(
                "it forwards IPv4 among {}, set {by}, and no container engine, tunnel or bridge here \
                 needs that",
                real.join(", ")
            ),
            action: "sysctl -w net.ipv4.ip_forward=0, unless others use this host as a router".to_owned(),
            lines: vec![(OWN_FILE.to_owned(), line(path, "0"))],
            cites: "RFC 1122, section 3.3.4.2 (a host that is no router must not forward)",
        }
        .into(),
    );
}

/// A router must not follow redirects.
fn redirects_on_a_router(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    if settings.role != Role::Router {
        return;
    }
    for link in subject.links().iter().filter(|link| !link.loopback) {
        let path = format!("net/ipv4/conf/{}/accept_redirects", link.name);
        if settings.ledger(&path).and_then(|ledger| ledger.effective) != Some(1) {
            continue;
        }
        found.push(
            Says {
                id: "router-follows-redirects",
                severity: Severity::Low,
                subject: &key::dotted(&path),
                text: format!("this router follows ICMP redirects that arrive on {}", link.name),
                action: format!("sysctl -w {}=0", key::dotted(&path)),
                lines: vec![(OWN_FILE.to_owned(), line(&path, "0"))],
                cites: "RFC 1812, section 5.2.7.2",
            }
            .into(),
        );
    }
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
            s.netns == namespace.id
                && s.state == facts::State::Listen
                && !s.local.address.is_loopback()
        })
        .filter_map(facts::Socket::port)
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
            && socket.state == facts::State::Listen
            && socket.queue.max == limit
            && socket.queue.now > socket.queue.max
    });
    let Some(Port(port)) = full.and_then(facts::Socket::port) else { return };
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

/// A security module denied a program its socket.
fn denials(settings: &Settings<'_>, found: &mut Vec<Found>) {
    let mut seen = std::collections::BTreeSet::new();
    for denial in settings.denials.iter().filter(|denial| !denial.only_recorded) {
        if !seen.insert((&denial.module, &denial.program, &denial.operation, denial.port)) {
            continue;
        }
        let what = denial.port.map_or_else(
            || denial.operation.clone(),
            |port| format!("{} of port {port}", denial.operation),
        );
        let action = match (denial.module.as_str(), denial.port) {
            ("selinux", Some(port)) => {
                format!(
                    "if it should have it: semanage port -a -t TYPE -p tcp {port} (semanage-port(8))"
                )
            }
            ("selinux", None) => format!("see ausearch -m avc -c {}", denial.program),
            _ => format!(
                "see its profile in /etc/apparmor.d, and aa-logprof(8) for {}",
                denial.program
            ),
        };
        found.push(
            Says {
                id: "denied",
                severity: Severity::Medium,
                subject: &denial.program,
                text: format!("{} denied {} to {}", denial.module, what, denial.program),
                action,
                lines: vec![],
                cites: "the kernel's or audit daemon's log of this host",
            }
            .into(),
        );
    }
}
