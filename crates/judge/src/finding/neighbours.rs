//! A packet filter that drops neighbour discovery: IPv6 does not work without it (RFC 4890, 4.4.1).

use netfilter::world::Dropped;

use super::{Finding, Severity};
use crate::Judgement;
use crate::reach::{Arrival, Wire};
use crate::row::Scope;

/// Finds interfaces on which neighbours do not find each other, where something is to be reached over
/// IPv6.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    for (at, namespace) in judgement.namespaces.iter().enumerate() {
        let rows = judgement.rows.iter().enumerate().filter(|(_, row)| {
            row.namespace == at
                && row.scope != Scope::Loopback
                && row.port().is_some()
                && row.arrival(Wire::Ipv6) == Arrival::Yes
        });
        let rows: Vec<usize> = rows.map(|(at, _)| at).collect();
        if rows.is_empty() {
            continue;
        }
        let Some(home) = judgement.home(at).filter(|home| home.unread.is_empty()) else { continue };
        let silent = home.world.silent().iter();
        for silence in silent.filter(|silence| silence.dropped != Dropped::NotKnown) {
            let place = if namespace.is_host() { String::new() } else { namespace.label.clone() };
            let effect = if silence.complete {
                "IPv6 does not work there"
            } else {
                "IPv6 works there only among those who know each other already, and not for long"
            };
            found.push(Finding {
                id: "neighbour-discovery-blocked",
                severity: Severity::High,
                rows: rows.clone(),
                subject: format!("{place} {}", silence.interface).trim().to_owned(),
                text: format!(
                    "the packet filter drops neighbour discovery {} {}: {effect}",
                    match silence.dropped {
                        Dropped::Sent => "that this host sends on",
                        _ => "on",
                    },
                    silence.interface
                ),
                action: format!(
                    "accept icmpv6 types 133 to 136 (router and neighbour solicitation and \
                     advertisement) in the {}, before what drops them",
                    match silence.dropped {
                        Dropped::Sent => "output chain",
                        Dropped::Both => "input chain and in the output chain",
                        _ => "input chain",
                    }
                ),
            });
        }
    }
}
