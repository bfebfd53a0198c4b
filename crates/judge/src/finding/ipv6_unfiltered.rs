//! Ports that the packet filter keeps from most over IPv4, and from nobody over IPv6: the filter for
//! IPv6 was forgotten.

use std::collections::BTreeMap;

use super::{Finding, Severity, several, subject};
use crate::Judgement;
use crate::reach::{Reach, Verdict, Wire};
use crate::row::{Row, Scope};

/// For how many ports it is looked for the rule or policy that decides. On a host with more, the
/// others are kept back as one of these is.
const MOST_ASKED: usize = 16;

/// What is alike of several ports: their namespace, whether they are blocked, and by what.
type Key = (usize, bool, String);

/// Finds them: one finding for all that the same rule or policy keeps back, whether one socket serves
/// both families or two do.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    let mut ports: BTreeMap<_, Vec<(usize, &Row<'_>)>> = BTreeMap::new();
    for (at, row) in judgement.rows.iter().enumerate().filter(|(_, row)| row.scope == Scope::Any) {
        if let Some(port) = row.port() {
            ports.entry((row.namespace, port, row.socket.protocol)).or_default().push((at, row));
        }
    }
    let mut groups: BTreeMap<Key, Vec<Vec<(usize, &Row<'_>)>>> = BTreeMap::new();
    let mut asked: Vec<(usize, &Reach, Option<String>)> = Vec::new();
    for rows in ports.into_values().filter(|rows| is_unfiltered(judgement, rows)) {
        let mut over =
            rows.iter().filter_map(|(_, row)| Some((*row, judgement.reach(row, Wire::Ipv4)?)));
        let Some((row, reach)) = over.next() else { continue };
        let alike = |(namespace, known, _): &&(usize, &Reach, Option<String>)| {
            (*namespace, known.verdict) == (row.namespace, reach.verdict) && known.may == reach.may
        };
        let decider = if asked.len() < MOST_ASKED {
            let decider = judgement.reason(row, Wire::Ipv4).and_then(|reason| reason.decided_by);
            asked.push((row.namespace, reach, decider.clone()));
            decider
        } else {
            asked.iter().find(alike).and_then(|(.., decider)| decider.clone())
        };
        // Kept back by a rule or a policy, not because nothing leads here over IPv4.
        if let Some(decider) = decider {
            let blocked = reach.verdict == Verdict::Blocked;
            groups.entry((row.namespace, blocked, decider)).or_default().push(rows);
        }
    }
    found.extend(groups.into_iter().map(|(key, ports)| finding(judgement, &key, &ports)));
}

/// Whether the rows of a port are open over IPv6 and, all of them, kept back over IPv4.
fn is_unfiltered(judgement: &Judgement<'_>, rows: &[(usize, &Row<'_>)]) -> bool {
    let over = |wire| rows.iter().filter_map(move |(_, row)| judgement.reach(row, wire));
    // Some that are banned, as fail2ban does, are no filter that was forgotten.
    let is_kept_back = |reach: &Reach| match reach.verdict {
        Verdict::Part => !reach.may.is_most(),
        verdict => matches!(verdict, Verdict::Blocked | Verdict::OnLink),
    };
    over(Wire::Ipv6).any(|reach| reach.verdict == Verdict::Open)
        && over(Wire::Ipv4).all(is_kept_back)
}

fn finding(
    judgement: &Judgement<'_>,
    (_, blocked, decider): &Key,
    ports: &[Vec<(usize, &Row<'_>)>],
) -> Finding {
    let first = ports.iter().filter_map(|rows| rows.first());
    let kept = if *blocked { "blocked" } else { "open to some only" };
    Finding {
        id: "ipv6-unfiltered",
        severity: Severity::High,
        rows: ports.iter().flatten().map(|(at, _)| *at).collect(),
        subject: several(first.map(|(_, row)| subject(judgement, row))),
        text: format!("{kept} over IPv4 ({decider}), and open to everyone over IPv6"),
        action:
            "write the same rules for IPv6 (ip6tables, or a table of the family inet), or bind \
                 it to IPv4 alone"
                .to_owned(),
    }
}
