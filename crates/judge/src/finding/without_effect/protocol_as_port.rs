//! A rule about a port whose number is that of a protocol: 58 is ICMPv6 and has no ports. Who reads
//! `raw6 :::58` as a listener on port 58 writes a rule for it that does nothing.

use facts::{Family, Kind, Protocol};
use netfilter::ir::Hook;
use packet_set::RangeSet;

use super::super::{Finding, Severity};
use super::decider;
use super::named::{self, Does, Named};
use crate::Judgement;
use crate::reach::{Home, Verdict, Wire};
use crate::row::Row;

/// Finds such rules, where a raw socket of that protocol is there and no socket has that port.
pub(super) fn find(
    judgement: &Judgement<'_>,
    namespace: usize,
    home: &Home,
    found: &mut Vec<Finding>,
) {
    let is_raw = |row: &&Row<'_>| {
        row.namespace == namespace
            && row.socket.kind == Kind::Raw
            && row.socket.family != Family::Packet
    };
    let numbers = judgement.rows.iter().filter(is_raw).map(|row| row.socket.protocol.0.into());
    let numbers: RangeSet = numbers.map(|number: u128| (number, number)).collect();
    if numbers.is_empty() {
        return;
    }
    let hooks = [Hook::Prerouting, Hook::Input];
    let chains = named::chains(&home.ruleset, &hooks);
    let rules = named::all(&home.ruleset, &chains, &|ports| ports.is_subset(&numbers));
    for rule in rules {
        let mut rows = judgement.rows.iter().filter(is_raw).filter(|row| {
            let number = u128::from(row.socket.protocol.0);
            rule.ports == RangeSet::one(number)
                && rule.wires.iter().any(|wire| is_meant(judgement, row, *wire, rule.does))
        });
        let Some(row) = rows.next() else { continue };
        if is_a_port(judgement, namespace, &rule) {
            continue;
        }
        let Some(text) = decider::text(&home.ruleset, rule.at) else { continue };
        let holder = judgement.holders(row).next();
        let whose = holder.and_then(|holder| holder.comm().map(|comm| format!("{comm}'s ")));
        let (whose, number) = (whose.unwrap_or("a ".to_owned()), row.socket.protocol.0);
        let protocol = name(row.socket.protocol);
        let more: Vec<usize> = rows.map(Row::at).collect();
        found.push(Finding {
            id: "rule-without-effect",
            severity: if rule.does == Does::KeepOut { Severity::Medium } else { Severity::Low },
            rows: [vec![row.at()], more].concat(),
            subject: super::super::subject(judgement, row),
            text: format!(
                "the rule {text} does nothing: {number} is the number of the protocol {protocol} \
                 and no port, nothing listens on such a port, and {whose}raw socket {}",
                match rule.does {
                    Does::KeepOut => "receives as before",
                    Does::Accept => "still gets nothing",
                }
            ),
            action: action(rule.does, number),
        });
    }
}

/// Whether a rule for this protocol would do what this one does not.
fn is_meant(judgement: &Judgement<'_>, row: &Row<'_>, wire: Wire, does: Does) -> bool {
    let blocked = judgement.reach(row, wire).map(|reach| reach.verdict == Verdict::Blocked);
    blocked == Some(does == Does::Accept)
}

/// Whether a socket or a translation has the port after all.
fn is_a_port(judgement: &Judgement<'_>, namespace: usize, rule: &Named) -> bool {
    let row = |row: &Row<'_>| {
        row.namespace == namespace
            && row.port().is_some_and(|port| rule.names(row.socket.protocol, port))
    };
    let fact = judgement.namespaces.get(namespace).and_then(|namespace| namespace.fact);
    let listed = judgement.snapshot.sockets.is_complete()
        && fact.is_some_and(|fact| fact.sockets.is_complete());
    let translated = || {
        judgement
            .entries()
            .iter()
            .any(|entry| entry.namespace == namespace && rule.names(entry.protocol, entry.port))
    };
    !listed || judgement.rows.iter().any(row) || translated()
}

/// A protocol as people write it.
fn name(protocol: Protocol) -> String {
    match protocol {
        Protocol::ICMP => "ICMP".to_owned(),
        Protocol::ICMPV6 => "ICMPv6".to_owned(),
        other => other.to_string(),
    }
}

fn action(does: Does, number: u16) -> String {
    match (does, number) {
        (Does::KeepOut, 58) => {
            "take it out: IPv6 needs ICMPv6. What is to be dropped of it is told \
                                by its type (icmpv6 type, -m icmp6 --icmpv6-type), and never 133 \
                                to 136"
                .to_owned()
        }
        (Does::KeepOut, _) => {
            format!("filter the protocol (meta l4proto {number}, -p {number}), or take it out")
        }
        (Does::Accept, _) => {
            format!("let the protocol in (meta l4proto {number}, -p {number}), or take it out")
        }
    }
}
