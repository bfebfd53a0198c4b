//! A port that the packet filter keeps from some over IPv4, and from nobody over IPv6: the filter for
//! IPv6 was forgotten.

use std::collections::BTreeMap;

use super::{Finding, Severity, subject};
use crate::Judgement;
use crate::reach::{Verdict, Wire};
use crate::row::{Row, Scope};

/// Finds them: one finding for each port, whether one socket serves both families or two do.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    let mut ports: BTreeMap<_, Vec<(usize, &Row<'_>)>> = BTreeMap::new();
    for (at, row) in judgement.rows.iter().enumerate().filter(|(_, row)| row.scope == Scope::Any) {
        if let Some(port) = row.port() {
            ports.entry((row.namespace, port, row.socket.protocol)).or_default().push((at, row));
        }
    }
    for rows in ports.into_values() {
        let Some((_, first)) = rows.first() else { continue };
        let over = |wire| {
            rows.iter().filter_map(move |(_, row)| Some((*row, judgement.reach(row, wire)?)))
        };
        let is_kept_back =
            |verdict| matches!(verdict, Verdict::Blocked | Verdict::Part | Verdict::OnLink);
        let open = over(Wire::Ipv6).any(|(_, reach)| reach.verdict == Verdict::Open);
        if !open || !over(Wire::Ipv4).all(|(_, reach)| is_kept_back(reach.verdict)) {
            continue;
        }
        // Kept back by a rule or a policy, not because nothing leads here over IPv4.
        let decider =
            over(Wire::Ipv4).find_map(|(row, _)| judgement.reason(row, Wire::Ipv4)?.decided_by);
        let Some(decider) = decider else { continue };
        let blocked = over(Wire::Ipv4).all(|(_, reach)| reach.verdict == Verdict::Blocked);
        let kept = if blocked { "blocked" } else { "open to some only" };
        found.push(Finding {
            id: "ipv6-unfiltered",
            severity: Severity::High,
            rows: rows.iter().map(|(at, _)| *at).collect(),
            subject: subject(judgement, first),
            text: format!("{kept} over IPv4 ({decider}), and open to everyone over IPv6"),
            action: "write the same rules for IPv6 (ip6tables, or a table of the family inet), or \
                     bind it to IPv4 alone"
                .to_owned(),
        });
    }
}
