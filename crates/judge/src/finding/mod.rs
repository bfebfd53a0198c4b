//! Findings: what is wrong with something that listens, or with a setting that decides about it, each
//! with what to do about it. What could not be read is a gap and not a finding.

mod accept_queue;
mod backends;
mod by_hand;
mod firewall_after_boot;
mod goes_around;
mod ipv6_unfiltered;
mod neighbours;
mod replaced_executable;
#[cfg(all(test, feature = "sample"))]
mod tests;
mod unneeded;
mod without_effect;

use std::collections::HashMap;
use std::fmt;

use crate::Judgement;
use crate::row::Row;
use crate::settings;

/// How much a finding matters. In ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Should be put right some day.
    Low,
    /// Should be put right soon.
    Medium,
    /// Should be put right now.
    High,
}

/// Something wrong. Its strings may hold names that the host chose: escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of finding, for machines: `accept-queue-full`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `tcp/8080`, with the namespace before it unless that is the host's.
    pub subject: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub action: String,
    /// The positions in [`Judgement::rows`] of the rows it is about; empty
    /// where it is about a setting of the host (`whyopen settings` shows those).
    pub rows: Vec<usize>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// Every finding, the worst first, then in the order of the rows.
pub(crate) fn all(judgement: &Judgement<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, row) in judgement.rows.iter().enumerate() {
        accept_queue::find(judgement, (at, row), &mut found);
        by_hand::find(judgement, (at, row), &mut found);
    }
    replaced_executable::find(judgement, &mut found);
    // These need more than sockets and holders.
    if !judgement.snapshot.collector.sockets_only {
        found.extend(settings::worst(judgement.snapshot));
        firewall_after_boot::find(judgement, &mut found);
        unneeded::find(judgement, &mut found);
        neighbours::find(judgement, &mut found);
        ipv6_unfiltered::find(judgement, &mut found);
        goes_around::find(judgement, &mut found);
        backends::find(judgement, &mut found);
        without_effect::find(judgement, &mut found);
    }
    // One socket for each family gives the same finding twice.
    let mut known = HashMap::new();
    let mut once: Vec<Finding> = Vec::new();
    for mut finding in found {
        let key = (finding.id, finding.subject.clone(), finding.text.clone());
        let at = *known.entry(key).or_insert(once.len());
        match once.get_mut(at) {
            Some(same) => same.rows.append(&mut finding.rows),
            None => once.push(finding),
        }
    }
    once.sort_by_key(|f| std::cmp::Reverse(f.severity));
    once
}

/// What a finding about a row is about.
fn subject(judgement: &Judgement<'_>, row: &Row<'_>) -> String {
    let protocol = row.protocol_name().unwrap_or("ip");
    let at = judgement.namespace_of(row).filter(|n| !n.is_host());
    let namespace = at.map(|n| format!("{} ", n.label)).unwrap_or_default();
    match row.port() {
        Some(port) => format!("{namespace}{protocol}/{port}"),
        None => format!("{namespace}{protocol}"),
    }
}

/// How many subjects a finding names.
const MOST_NAMED: usize = 6;

/// Several subjects as one: the first of them, and how many more there are.
fn several<S: AsRef<str>>(subjects: impl IntoIterator<Item = S>) -> String {
    let mut all = subjects.into_iter();
    let named: Vec<S> = all.by_ref().take(MOST_NAMED).collect();
    let text = named.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match all.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
