//! What this host passes on for others: whether somebody needs that, and what a router must not do.

use super::super::role::Role;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    forwards_for_nobody(subject, settings, found);
    redirects_on_a_router(subject, settings, found);
    any_source(subject, settings, found);
    source_routes(subject, settings, found);
    bridged(subject, found);
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
            cites: "RFC 1122, section 3.1: forwarding is off unless it is asked for",
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

/// A router that lets in packets whose source cannot be where they come from.
fn any_source(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    if settings.role != Role::Router || subject.number("net/ipv4/ip_forward") != Some(1) {
        return;
    }
    let routes = subject.namespace.map_or(&[][..], |n| n.routes.items());
    let default = routes.iter().find(|route| {
        route.destination.len == 0 && route.destination.address.is_ipv4() && route.table == 254
    });
    let out = default.and_then(|route| route.hops.first()?.link);
    let Some(link) = subject.links().iter().find(|link| Some(link.index) == out) else { return };
    let path = format!("net/ipv4/conf/{}/rp_filter", link.name);
    if settings.ledger(&path).and_then(|ledger| ledger.effective) != Some(0) {
        return;
    }
    found.push(
        Says {
            id: "router-takes-any-source",
            severity: Severity::Low,
            subject: &key::dotted(&path),
            text: format!(
                "this router takes packets on {}, where its default route leads, whatever their source: \
                 also with addresses of its own networks",
                link.name
            ),
            action: format!(
                "sysctl -w {}=1, or 2 where packets and answers go different ways",
                key::dotted(&path)
            ),
            lines: vec![(OWN_FILE.to_owned(), line(&path, "1"))],
            cites: "RFC 3704 (BCP 84), section 2; kernel Documentation/networking/ip-sysctl.rst, rp_filter",
        }
        .into(),
    );
}

/// Packets that choose their own way.
fn source_routes(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    let link = subject.links().iter().filter(|link| !link.loopback && link.up).find(|link| {
        let path = format!("net/ipv4/conf/{}/accept_source_route", link.name);
        settings.ledger(&path).and_then(|ledger| ledger.effective) == Some(1)
    });
    let Some(link) = link else { return };
    let path = "net/ipv4/conf/all/accept_source_route";
    let forwards = subject.number("net/ipv4/ip_forward") == Some(1);
    found.push(
        Says {
            id: "takes-source-routes",
            severity: if forwards { Severity::Medium } else { Severity::Low },
            subject: &key::dotted(path),
            text: format!(
                "packets that arrive on {} may say by which hosts they and the answers go: who sends them \
                 gets around filters that know addresses",
                link.name
            ),
            action: format!("sysctl -w {}=0", key::dotted(path)),
            lines: vec![(OWN_FILE.to_owned(), line(path, "0"))],
            cites: "RFC 7126, sections 4.3.5 and 4.4.5",
        }
        .into(),
    );
}

/// What a bridge forwards between its ports passes the rules of iptables, or should.
fn bridged(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let path = "net/bridge/bridge-nf-call-iptables";
    let now = subject.number(path);
    let active = |unit: &str| subject.is_active(unit) == Some(true);
    if active("kubelet.service") && now != Some(1) {
        let text = match now {
            Some(_) => format!("{} is 0", key::dotted(path)),
            None => "the module br_netfilter is not loaded".to_owned(),
        };
        found.push(
            Says {
                id: "bridged-past-iptables",
                severity: Severity::Low,
                subject: &key::dotted(path),
                text: format!(
                    "{text}: what pods on one bridge of this host send to each other goes past the rules \
                     of iptables, those of Services and network policies too"
                ),
                action: "load br_netfilter and set it, unless the network plugin has no bridge".to_owned(),
                lines: vec![
                    ("/etc/modules-load.d/br_netfilter.conf".to_owned(), "br_netfilter".to_owned()),
                    (OWN_FILE.to_owned(), line(path, "1")),
                ],
                cites: "Kubernetes documentation, Network Plugins, about bridge-nf-call-iptables",
            }
            .into(),
        );
        return;
    }
    if now != Some(1) || !active("docker.service") {
        return;
    }
    let links = subject.links();
    let port = links.iter().find_map(|port| {
        let bridge = links.iter().find(|link| Some(link.index) == port.master)?;
        (bridge.kind == "bridge" && port.kind.is_empty()).then_some((bridge, port))
    });
    let Some((bridge, port)) = port else { return };
    found.push(
        Says {
            id: "bridge-meets-docker",
            severity: Severity::Low,
            subject: &key::dotted(path),
            text: format!(
                "{} is 1, and Docker has iptables drop what is forwarded: that concerns what {} forwards \
                 between {} and its other ports too",
                key::dotted(path),
                bridge.name,
                port.name
            ),
            action: format!(
                "let it through: iptables -I DOCKER-USER -i {0} -o {0} -j ACCEPT; or sysctl -w \
                 {1}=0 if no container depends on it",
                bridge.name,
                key::dotted(path)
            ),
            lines: vec![],
            cites: "Docker documentation, Packet filtering and firewalls, about Docker on a router",
        }
        .into(),
    );
}
