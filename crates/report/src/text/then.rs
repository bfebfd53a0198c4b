//! Who can reach rows once the packet filter is loaded anew: by a boot, or by a command.

use judge::Judgement;
use judge::boot::{Again, Change, Event, Future, Verdict};
use judge::reach::Wire;
use judge::row::{Row, Scope};

use super::cell::reach_text;
use super::detail::{Answer, row_name};
use crate::escape::Text;

/// The answers; none where nothing changes.
pub(super) fn describe(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> Vec<Answer> {
    let is_asked = |row: &&&Row<'_>| {
        let of_host = judgement.namespace_of(row).is_some_and(judge::Namespace::is_host);
        of_host && row.is_open() && row.port().is_some() && row.scope != Scope::Loopback
    };
    let rows: Vec<&Row<'_>> = rows.iter().filter(is_asked).copied().collect();
    if rows.is_empty() {
        return Vec::new();
    }
    // What is not there after a boot, nobody reaches.
    let gone = rows.iter().all(|row| judgement.after_boot(row).verdict == Verdict::DoesNotReturn);
    // What several events have in common is said once.
    let mut told: Vec<(Vec<&Future>, Text)> = Vec::new();
    for future in judgement.firewall_after_boot().into_iter().chain(judgement.reloads()) {
        if gone && future.event == Event::Boot {
            continue;
        }
        let text = one(judgement, future, &rows);
        if text.is_empty() {
            continue;
        }
        match told.iter_mut().find(|(_, known)| *known == text) {
            Some((futures, _)) => futures.push(future),
            None => told.push((vec![future], text)),
        }
    }
    let answers = told.iter().map(|(futures, text)| {
        let mut whole = Text::fixed("after ");
        for (at, future) in futures.iter().enumerate() {
            whole.push(if at > 0 { " or " } else { "" }).push(event(future));
        }
        whole.push(": ").push_text(text);
        whole.into()
    });
    answers.collect()
}

fn event(future: &Future) -> &'static str {
    match future.event {
        Event::Boot => "a boot",
        Event::Command(command) => command,
    }
}

/// What one event changes.
fn one(judgement: &Judgement<'_>, future: &Future, rows: &[&Row<'_>]) -> Text {
    let mut text = Text::default();
    if rows.iter().any(|row| is_forwarded(judgement, row)) {
        engine(future, &mut text);
        return text;
    }
    if let Some(first) = future.unclear.first() {
        text.push("not known: ").push_host(first);
        let more = future.unclear.len().saturating_sub(1);
        if more > 0 {
            text.push(" (and ").push_plain(more).push(" more)");
        }
        return text;
    }
    let changes: Vec<&Change> =
        future.changes.iter().filter(|c| rows.iter().any(|row| row.at() == c.row)).collect();
    // The rows that the change is not about, if it is not about all that the family arrives at.
    for wire in Wire::BOTH {
        let mut groups: Vec<(&Change, Vec<&Row<'_>>)> = Vec::new();
        for change in changes.iter().filter(|change| change.wire == wire) {
            let row = rows.iter().find(|row| row.at() == change.row);
            let same = |(known, _): &&mut (&Change, Vec<&Row<'_>>)| {
                reach_text(&known.now) == reach_text(&change.now)
                    && reach_text(&known.then) == reach_text(&change.then)
            };
            match groups.iter_mut().find(same) {
                Some((_, rows)) => rows.extend(row),
                None => groups.push((change, row.into_iter().copied().collect())),
            }
        }
        let all = rows.iter().filter(|row| judgement.reach(row, wire).is_some()).count();
        for (change, of) in groups {
            text.push(if text.is_empty() { "" } else { "; " });
            if of.len() < all {
                for (at, row) in of.iter().enumerate() {
                    text.push(if at > 0 { ", " } else { "" }).push_text(&row_name(row));
                }
                text.push(" ");
            }
            text.push(wire.name()).push(" ").push_text(&reach_text(&change.then));
            text.push(" (").push_text(&reach_text(&change.now)).push(" now)");
        }
    }
    text
}

/// Whether a container engine forwards the row's port.
fn is_forwarded(judgement: &Judgement<'_>, row: &Row<'_>) -> bool {
    judgement.holders(row).any(|holder| holder.forwards_to.is_some())
}

/// What becomes of the rules of a container engine.
fn engine(future: &Future, text: &mut Text) {
    for (manager, again) in &future.takes {
        if *manager != judge::firewall::Manager::Docker {
            continue;
        }
        match again {
            Again::WithUnit(unit) => {
                text.push("Docker makes its rules for the port again when ").push(unit);
                text.push(" starts");
            }
            Again::Told => {
                text.push("Docker makes its rules for the port again at once");
            }
            Again::Restart(unit) => {
                text.push("Docker's rules for the port are gone until ").push(unit);
                text.push(" is started again");
            }
        }
    }
}
