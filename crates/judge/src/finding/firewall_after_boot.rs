//! A packet filter that is another one after the next boot: what it keeps out now it lets in then, or
//! the other way round.

use std::collections::BTreeSet;

use super::{Finding, Severity, several, subject};
use crate::Judgement;
use crate::boot::{AfterBootFirewall, Change, Verdict};

/// Finds rows that more, or fewer, can reach after a boot.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    let Some(after) = judgement.firewall_after_boot() else { return };
    // What is not there then cannot be reached.
    let stays = |change: &&Change| {
        let row = judgement.rows.get(change.row);
        row.is_some_and(|row| {
            matches!(judgement.after_boot(row).verdict, Verdict::Returns | Verdict::Maybe)
        })
    };
    let changes: Vec<&Change> = after.changes.iter().filter(stays).collect();
    let (wider, narrower): (Vec<&Change>, Vec<&Change>) =
        changes.into_iter().partition(|change| change.opens());
    if !wider.is_empty() {
        found.push(Finding {
            id: "firewall-not-kept",
            severity: Severity::Medium,
            subject: subjects(judgement, &wider),
            text: format!("more can reach this after a boot than now: {}", loads(after)),
            action: "save the rules that are in the kernel where a service loads them at boot \
                     (/etc/nftables.conf and systemctl enable nftables, or the front-end's own way)"
                .to_owned(),
            rows: rows(&wider),
        });
    }
    if !narrower.is_empty() {
        found.push(Finding {
            id: "firewall-closes-at-boot",
            severity: Severity::Low,
            subject: subjects(judgement, &narrower),
            text: format!("fewer can reach this after a boot than now: {}", loads(after)),
            action: "if it is to stay open, say so in the files that are loaded at boot".to_owned(),
            rows: rows(&narrower),
        });
    }
}

/// What is loaded at boot, in words.
fn loads(after: &AfterBootFirewall) -> String {
    match after.loads.as_slice() {
        [] => format!(
            "nothing loads a firewall at boot, and the {} rules in the kernel are gone then",
            after.rules_now
        ),
        some => {
            format!("{} loads other rules at boot than those in the kernel", some.join(" and "))
        }
    }
}

fn subjects(judgement: &Judgement<'_>, changes: &[&Change]) -> String {
    let rows = changes.iter().filter_map(|change| judgement.rows.get(change.row));
    let all: BTreeSet<String> = rows.map(|row| subject(judgement, row)).collect();
    several(all)
}

fn rows(changes: &[&Change]) -> Vec<usize> {
    let mut rows: Vec<usize> = changes.iter().map(|change| change.row).collect();
    rows.dedup();
    rows
}
