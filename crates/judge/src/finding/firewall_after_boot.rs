//! A packet filter that is another one after the next boot: what it keeps out now it lets in then, or
//! the other way round.

use std::collections::BTreeSet;

use super::{Finding, Severity, several, subject};
use crate::Judgement;
use crate::boot::{Again, Change, Event, Future, Verdict};

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
    let certain = after.changes.iter().filter(|change| change.is_certain());
    let changes: Vec<&Change> = certain.filter(stays).collect();
    let (wider, narrower): (Vec<&Change>, Vec<&Change>) =
        changes.into_iter().partition(|change| change.opens());
    if !wider.is_empty() {
        found.push(Finding {
            id: "firewall-not-kept",
            severity: Severity::Medium,
            subject: subjects(judgement, &wider),
            text: format!(
                "more can reach this {} than now: {}",
                when(judgement, &wider),
                loads(after)
            ),
            action: keep(after).to_owned(),
            rows: rows(&wider),
        });
    }
    if !narrower.is_empty() {
        found.push(Finding {
            id: "firewall-closes-at-boot",
            severity: Severity::Low,
            subject: subjects(judgement, &narrower),
            text: format!(
                "fewer can reach this {} than now: {}",
                when(judgement, &narrower),
                loads(after)
            ),
            action: if is_firewalld(after) {
                "if it is to stay open: firewall-cmd --runtime-to-permanent"
            } else {
                "if it is to stay open, say so in the files that are loaded at boot"
            }
            .to_owned(),
            rows: rows(&narrower),
        });
    }
}

fn is_firewalld(after: &Future) -> bool {
    after.loads == ["firewalld"]
}

/// How the rules of now are kept.
fn keep(after: &Future) -> &'static str {
    if is_firewalld(after) {
        "if it is to stay closed: firewall-cmd --runtime-to-permanent"
    } else {
        "save the rules that are in the kernel where a service loads them at boot \
         (/etc/nftables.conf and systemctl enable nftables, or the front-end's own way)"
    }
}

/// After what: a command that does the same to all of them is named too.
fn when(judgement: &Judgement<'_>, changes: &[&Change]) -> String {
    let same = |future: &&Future| changes.iter().all(|change| future.changes.contains(change));
    let commands =
        judgement.reloads().iter().filter(same).filter_map(|future| match future.event {
            Event::Command(command) => Some(command),
            Event::Boot => None,
        });
    let mut text = "after a boot".to_owned();
    for command in commands {
        text.push_str(" or ");
        text.push_str(command);
    }
    text
}

/// What is loaded at boot, in words.
fn loads(after: &Future) -> String {
    let again: Vec<&str> = after
        .takes
        .iter()
        .filter(|(_, again)| matches!(again, Again::WithUnit(_)))
        .map(|(manager, _)| manager.name())
        .collect();
    let mut text = match after.loads.as_slice() {
        [] => format!(
            "nothing loads a firewall at boot, and the {} rules in the kernel are gone then",
            after.rules_now
        ),
        [only] if only == "firewalld" => {
            "firewalld loads its permanent configuration, which is another one".to_owned()
        }
        some => {
            format!("{} loads other rules at boot than those in the kernel", some.join(" and "))
        }
    };
    if !again.is_empty() {
        let names = again.join(" and ");
        text.extend(["; ", &names, " makes its own rules again"]);
    }
    text
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
