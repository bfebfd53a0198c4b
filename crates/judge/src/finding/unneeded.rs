//! A service that others can speak to and that nothing on this host needs, where everything that
//! could need it is known and was looked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, subject};
use crate::Judgement;
use crate::reach::{self, Wire};
use crate::row::Row;
use crate::why::{
    Because, Facts, How, InUse, Outcome, Verdict, closing_units, in_use, may_be_unneeded,
};

/// Finds them: one finding for each service of each namespace, with all that it holds open.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    let mut services: BTreeMap<(usize, &str), Unneeded> = BTreeMap::new();
    for (at, row) in judgement.rows.iter().enumerate().filter(|(_, row)| may_be_unneeded(row)) {
        if is_kept_in(judgement, row) {
            continue;
        }
        let facts = Facts::of(judgement, row);
        let Some(service) = facts.recognised().map(|known| known.service) else { continue };
        let in_use = in_use(&facts, row);
        if in_use.verdict != Verdict::No {
            continue;
        }
        let new = || Unneeded {
            text: format!(
                "{} answers others, and nothing here needs it: {}",
                service.name,
                absent(&in_use)
            ),
            action: action(&facts),
            subjects: BTreeSet::new(),
            rows: Vec::new(),
        };
        let unneeded = services.entry((row.namespace, service.id)).or_insert_with(new);
        unneeded.subjects.insert(subject(judgement, row));
        unneeded.rows.push(at);
    }
    found.extend(services.into_values().map(|Unneeded { text, action, subjects, rows }| Finding {
        id: "unneeded-service",
        severity: Severity::Low,
        subject: subjects.into_iter().collect::<Vec<_>>().join(", "),
        text,
        action,
        rows,
    }));
}

/// Whether nobody outside of this host can speak to a row: then it is no matter.
fn is_kept_in(judgement: &Judgement<'_>, row: &Row<'_>) -> bool {
    let kept = |wire| {
        let verdict = judgement.reach(row, wire).map(|reach| reach.verdict);
        matches!(verdict, None | Some(reach::Verdict::Blocked | reach::Verdict::HostOnly))
    };
    Wire::BOTH.into_iter().all(kept)
}

/// A service that nothing needs.
struct Unneeded {
    text: String,
    action: String,
    subjects: BTreeSet<String>,
    rows: Vec<usize>,
}

/// What was looked for in vain.
fn absent(in_use: &InUse<'_>) -> String {
    let absent = in_use.because.iter().filter_map(|because| match because {
        Because::Need(need, Outcome::Absent) => Some(format!("no {}", need.what)),
        _ => None,
    });
    absent.collect::<Vec<_>>().join(", ")
}

/// What closes it.
fn action(facts: &Facts<'_>) -> String {
    let Some(How::Units { mask, disable, stop }) = closing_units(facts).map(|way| way.how) else {
        return "see what closes it: whyopen why".to_owned();
    };
    let orders = [
        ("systemctl mask --now", mask),
        ("systemctl disable --now", disable),
        ("systemctl stop", stop),
    ];
    let orders = orders.into_iter().filter(|(_, units)| !units.is_empty());
    orders
        .map(|(order, units)| format!("{order} {}", units.join(" ")))
        .collect::<Vec<_>>()
        .join("; ")
}
