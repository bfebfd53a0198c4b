//! What a mistyped target may have meant.

use std::collections::BTreeSet;

use crate::Judgement;
use crate::place::Place;

/// How many near targets are named.
const SHOWN: usize = 3;

/// The open ports nearest to a number, as `111/tcp`.
pub(super) fn nearest_ports(judgement: &Judgement<'_>, number: u32) -> Vec<String> {
    let ports: BTreeSet<(u32, &str)> = judgement
        .rows
        .iter()
        .filter_map(|row| Some((u32::from(row.port()?.0), row.protocol_name()?)))
        .collect();
    let mut ports: Vec<_> = ports.into_iter().collect();
    ports.sort_by_key(|(port, protocol)| (port.abs_diff(number), *port, *protocol));
    ports.truncate(SHOWN);
    ports.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect()
}

/// The names of units, processes, containers, namespaces and services that differ least from a
/// name, if they differ little.
pub(super) fn nearest_names(judgement: &Judgement<'_>, name: &str) -> Vec<String> {
    let allowed = (name.chars().count() / 3).max(2);
    let near = |known: &str| {
        let stem = known.rsplit_once('.').map_or(known, |(stem, _)| stem);
        let distance = |known: &str| edits(&known.to_lowercase(), &name.to_lowercase());
        distance(known).min(distance(stem))
    };
    let mut found: Vec<(usize, &str)> = names(judgement)
        .into_iter()
        .map(|known| (near(known), known))
        .filter(|(distance, known)| {
            *distance <= allowed || (name.len() >= 3 && known.contains(name))
        })
        .collect();
    found.sort_unstable();
    found.truncate(SHOWN);
    found.into_iter().map(|(_, known)| known.to_owned()).collect()
}

/// Every name that would be found.
fn names<'j>(judgement: &'j Judgement<'_>) -> BTreeSet<&'j str> {
    let mut names = BTreeSet::new();
    for row in &judgement.rows {
        names.extend(row.service.map(|s| s.name));
        for holder in judgement.holders(row) {
            names.extend(holder.comm());
            names.extend(holder.socket_unit);
            names.extend(holder.container());
            names.extend(holder.place.into_iter().flat_map(units));
        }
        for creator in judgement.creators(row) {
            names.extend(creator.place.into_iter().flat_map(units));
        }
    }
    let listed = judgement.rows.iter().filter_map(|row| judgement.namespace_of(row));
    names.extend(listed.map(|n| n.label.as_str()));
    names
}

fn units<'j>(place: &'j Place<'_>) -> impl Iterator<Item = &'j str> {
    [place.unit(), place.user_unit(), place.inner_unit(), place.container_name()]
        .into_iter()
        .flatten()
}

/// The Levenshtein distance of two names: how many letters to add, drop or change.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut line: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut diagonal = row;
        let mut left = row.saturating_add(1);
        if let Some(first) = line.first_mut() {
            *first = left;
        }
        for (cell, to) in line.iter_mut().skip(1).zip(&b) {
            let changed = diagonal.saturating_add(usize::from(from != *to));
            diagonal = *cell;
            *cell = changed.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            left = *cell;
        }
    }
    line.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::edits;

    #[test]
    fn distances() {
        let check = |a, b, expect| assert_eq!(edits(a, b), expect, "{a} {b}");
        check("", "abc", 3);
        check("abc", "abc", 0);
        check("rpcbnd", "rpcbind", 1);
        check("kitten", "sitting", 3);
        check("sshd", "ssh", 1);
    }
}
