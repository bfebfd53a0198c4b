//! What is not known, in a sentence or two of the head: gaps of one kind are told together, and
//! losses of whole namespaces come first.

use std::io::{self, Write};

use facts::{Gap, Remedy, Uid};
use judge::Judgement;

use super::page::Page;
use crate::escape::Text;

/// How many lines each of the two sentences has: what root would add, and what else is missing.
const LINES: usize = 2;

/// How many gaps a line names at most.
const SHOWN: usize = 16;

/// Writes what root would add, and what else could not be read.
pub(super) fn write<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    let snapshot = judgement.snapshot;
    let read = || judgement.gaps.iter().filter(|g| !is_of_this_version(g) && !g.minor);
    let root = folded(read().filter(|g| g.remedy == Some(Remedy::Root)), false);
    let other = folded(read().filter(|g| g.remedy != Some(Remedy::Root)), true);
    if !root.is_empty() {
        // Root may lack capabilities too, in a container or under a hardened unit.
        let is_root = snapshot.collector.uid == Uid(0);
        let lead = if is_root { "Not permitted to this root: " } else { "Root would add: " };
        page.sentence(&limited(lead, &root, LINES, page.width()))?;
    }
    if !other.is_empty() {
        page.sentence(&limited("Not read: ", &other, LINES, page.width()))?;
    }
    if !root.is_empty() && !snapshot.holders.is_complete() {
        let text = "Where no process is known, HELD BY is who made the socket.";
        page.sentence(&Text::fixed(text))?;
    }
    Ok(())
}

/// Whether a gap is what this version does not judge or nobody asked for: the head says that in its own words.
fn is_of_this_version(gap: &Gap) -> bool {
    gap.why == judge::reach::SOCKETS_ONLY
}

/// As many items as these lines have room for, and how many more there are.
fn limited(lead: &'static str, items: &[Text], lines: usize, width: usize) -> Text {
    let fits = |text: &Text| text.wrap(width.saturating_sub(2)).len() <= lines;
    let made = |shown: &[Text]| {
        let mut text = Text::fixed(lead);
        for (at, item) in shown.iter().enumerate() {
            text.push(if at > 0 { "; " } else { "" }).push_text(item);
        }
        let more = items.len().saturating_sub(shown.len());
        if more > 0 {
            text.push("; ").push_plain(more).push(" more (-o json)");
        }
        text.push(".");
        text
    };
    let whole = (1..=items.len().min(SHOWN)).rev().filter_map(|n| items.get(..n)).map(made);
    if let Some(text) = whole.into_iter().find(fits) {
        return text;
    }
    let Some(first) = items.first() else { return made(&[]) };
    let cut = (1..first.width()).rev().map(|columns| made(&[first.cut(columns)]));
    cut.into_iter().find(fits).unwrap_or_else(|| made(&[]))
}

/// Gaps that are told together.
#[derive(Debug)]
struct Kind<'g> {
    /// What is missing: of each place, or of other users.
    what: Vec<&'g str>,
    /// Of which namespaces; empty if that is told by `what`.
    places: Vec<&'g str>,
    /// Of how many processes of other users.
    processes: Option<u32>,
    why: &'g str,
}

/// The gaps by kind, with the reason of the first of each where that is wanted.
fn folded<'g>(gaps: impl Iterator<Item = &'g Gap>, with_why: bool) -> Vec<Text> {
    let mut kinds: Vec<Kind<'g>> = Vec::new();
    for gap in gaps {
        let (what, place, processes) = match (of_namespace(&gap.what), of_users(&gap.what)) {
            (Some((what, place)), _) => (what, Some(place), None),
            (None, Some((what, processes))) => (what, None, Some(processes)),
            (None, None) => (gap.what.as_str(), None, None),
        };
        let known = kinds.iter_mut().find(|kind| match (place, processes) {
            (Some(place), _) => kind.places.contains(&place),
            (None, Some(_)) => kind.processes.is_some(),
            (None, None) => kind.what == [what] && kind.places.is_empty(),
        });
        match known {
            Some(kind) => {
                if !kind.what.contains(&what) {
                    kind.what.push(what);
                }
                kind.processes = kind.processes.max(processes);
            }
            None => kinds.push(Kind {
                what: vec![what],
                places: place.into_iter().collect(),
                processes,
                why: &gap.why,
            }),
        }
    }
    let mut merged: Vec<Kind<'g>> = Vec::new();
    for mut kind in kinds {
        kind.what.sort_by_key(|what| *what != SOCKETS);
        let same = |k: &&mut Kind<'_>| {
            !kind.places.is_empty() && !k.places.is_empty() && k.what == kind.what
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.places.append(&mut kind.places),
            None => merged.push(kind),
        }
    }
    merged.sort_by_key(|kind| kind.places.is_empty() || kind.what.first() != Some(&SOCKETS));
    merged.iter().map(|kind| kind.text(with_why)).collect()
}

/// What is lost with a whole namespace.
const SOCKETS: &str = "sockets";

/// `sockets of network namespace blue`: what, and of which.
fn of_namespace(what: &str) -> Option<(&str, &str)> {
    let (what, place) = what.split_once(" of ")?;
    let is_one = place.starts_with("network namespace ") || place == "the host's network namespace";
    is_one.then_some((what, place))
}

/// `holders of sockets of other users (567 processes)`: what, and of how many.
fn of_users(what: &str) -> Option<(&str, u32)> {
    let (what, count) = what.rsplit_once(" of other users (")?;
    let count = count.strip_suffix(" processes)").or_else(|| count.strip_suffix(" process)"))?;
    Some((what, count.parse().ok()?))
}

impl Kind<'_> {
    fn text(&self, with_why: bool) -> Text {
        let mut text = Text::default();
        for (at, what) in self.what.iter().enumerate() {
            let last = at.saturating_add(1) == self.what.len();
            text.push(match at {
                0 => "",
                _ if last => " and ",
                _ => ", ",
            });
            text.push_host(what);
        }
        match self.places.as_slice() {
            [] => {}
            [only] => {
                text.push(" of ").push_host(only);
            }
            several => {
                text.push(" of ").push_plain(several.len()).push(" other network namespaces");
            }
        }
        if let Some(count) = self.processes {
            text.push(" of other users (").push_plain(count);
            text.push(if count == 1 { " process)" } else { " processes)" });
        }
        if with_why {
            text.push(": ").push_host(self.why);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_one_kind_are_one() {
        let check = |whats: &[&str], expect: &[&str]| {
            let gaps: Vec<Gap> = whats.iter().map(|what| Gap::new(*what, "why")).collect();
            let got: Vec<String> =
                folded(gaps.iter(), false).iter().map(|t| t.as_str().to_owned()).collect();
            assert_eq!(got, expect);
        };
        check(
            &[
                "names of users",
                "interfaces of network namespace a",
                "addresses of network namespace a",
                "sockets of network namespace a",
                "interfaces of network namespace b",
                "addresses of network namespace b",
                "sockets of network namespace b",
                "holders of sockets of other users (567 processes)",
                "network namespaces of processes of other users (568 processes)",
            ],
            &[
                "sockets, interfaces and addresses of 2 other network namespaces",
                "names of users",
                "holders of sockets and network namespaces of processes of other users (568 \
                 processes)",
            ],
        );
        check(
            &["sockets of the host's network namespace", "sockets of vxlan in network namespace a"],
            &["sockets of the host's network namespace", "sockets of vxlan in network namespace a"],
        );
        check(
            &["executables of other users (1 process)"],
            &["executables of other users (1 process)"],
        );
    }

    #[test]
    fn never_more_lines_than_there_are() {
        let items: Vec<Text> =
            (0..20).map(|n| Text::host(&format!("item {n} {}", "word ".repeat(n)))).collect();
        for width in 60..=96 {
            for lines in 1..=2 {
                let text = limited("Not read: ", &items, lines, width);
                assert!(text.wrap(width - 2).len() <= lines, "{text}");
                assert!(text.as_str().ends_with("more (-o json)."), "{text}");
                let long = [Text::host(&"word ".repeat(90))];
                assert!(limited("Not read: ", &long, lines, width).wrap(width - 2).len() <= lines);
            }
        }
    }
}
