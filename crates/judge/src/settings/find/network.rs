//! Neighbours, pings, and denials that explain a port that is not open.

use std::net::IpAddr;

use facts::{Link, Prefix};

use super::super::addresses::Scope;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    pings(subject, settings, found);
    neighbour_table(subject, found);
    two_on_one_link(settings, found);
    denials(settings, found);
}

/// Pings are off for one family alone.
fn pings(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    let (four, six) = ("net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all");
    let global = settings
        .addresses
        .iter()
        .find(|judged| judged.address.address.is_ipv6() && judged.scope == Scope::Global);
    let Some(global) = global else { return };
    if subject.number(four) != Some(1) || subject.number(six) != Some(0) {
        return;
    }
    found.push(
        Says {
            id: "pings-over-ipv6",
            severity: Severity::Info,
            subject: &key::dotted(six),
            text: format!(
                "pings are not answered over IPv4 ({} is 1), but over IPv6 they are: {}",
                key::dotted(four),
                global.address.address
            ),
            action: format!("sysctl -w {}=1, or 0 for the other", key::dotted(six)),
            lines: vec![(OWN_FILE.to_owned(), line(six, "1"))],
            cites: "kernel Documentation/networking/ip-sysctl.rst, echo_ignore_all",
        }
        .into(),
    );
}

/// The table of neighbours was full: who is not in it is not answered.
fn neighbour_table(subject: &Subject<'_>, found: &mut Vec<Found>) {
    for (folder, name, full) in [
        ("ipv4", "ARP", subject.state.arp_table_full),
        ("ipv6", "neighbour discovery", subject.state.nd_table_full),
    ] {
        let Some(full) = full.filter(|full| *full > 0) else { continue };
        let path = format!("net/{folder}/neigh/default/gc_thresh3");
        let Some(limit) = subject.number(&path) else { continue };
        let wanted = limit.saturating_mul(4).to_string();
        found.push(
            Says {
                id: "neighbour-table-full",
                severity: Severity::Medium,
                subject: &key::dotted(&path),
                text: format!(
                    "the table of {name} was full {full} times since the boot ({limit} entries at \
                     most): hosts on the link that were not in it got no answer"
                ),
                action: format!(
                    "if its links have that many hosts, raise it: sysctl -w {}={wanted}; else see who \
                     asks for so many: ip -statistics neighbour",
                    key::dotted(&path)
                ),
                lines: vec![(OWN_FILE.to_owned(), line(&path, &wanted))],
                cites: "kernel Documentation/networking/ip-sysctl.rst, gc_thresh3; RFC 6583, section 6",
            }
            .into(),
        );
    }
}

/// Two interfaces on one link: each answers ARP for the address of the other.
fn two_on_one_link(settings: &Settings<'_>, found: &mut Vec<Found>) {
    let of_card = |link: &Link| link.up && !link.loopback && link.kind.is_empty();
    let cards: Vec<(&str, Prefix)> = settings
        .addresses
        .iter()
        .filter_map(|judged| {
            let link = judged.link.filter(|link| of_card(link))?;
            let IpAddr::V4(ip) = judged.address.address else { return None };
            let len = judged.address.prefix_len;
            let mask = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(len))).unwrap_or(0);
            let net = std::net::Ipv4Addr::from(u32::from(ip) & mask);
            (len < 32).then_some((link.name.as_str(), Prefix { address: net.into(), len }))
        })
        .collect();
    let pair = cards.iter().enumerate().find_map(|(at, (name, prefix))| {
        let others = cards.get(at.saturating_add(1)..)?;
        let other = others.iter().find(|(other, p)| other != name && p == prefix)?;
        Some((*name, other.0, *prefix))
    });
    let Some((one, other, prefix)) = pair else { return };
    let counts = |link: &str, name: &str| {
        let path = format!("net/ipv4/conf/{link}/{name}");
        settings.ledger(&path).and_then(|ledger| ledger.effective)
    };
    let plain =
        |link: &str| counts(link, "arp_filter") == Some(0) && counts(link, "arp_ignore") == Some(0);
    if !plain(one) || !plain(other) {
        return;
    }
    let path = "net/ipv4/conf/all/arp_ignore";
    found.push(
        Says {
            id: "arp-for-each-other",
            severity: Severity::Info,
            subject: &key::dotted(path),
            text: format!(
                "{one} and {other} are both in {}/{}, and each answers ARP for the address of the other: \
                 packets for one may arrive on the other, past rules that name its interface",
                prefix.address, prefix.len
            ),
            action: format!("sysctl -w {}=1", key::dotted(path)),
            lines: vec![(OWN_FILE.to_owned(), line(path, "1"))],
            cites: "kernel Documentation/networking/ip-sysctl.rst, arp_filter and arp_ignore",
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
