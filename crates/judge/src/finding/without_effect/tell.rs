//! Rules without effect, in words: few, and alike ones together.

use std::collections::{BTreeMap, BTreeSet};

use facts::Protocol;
use netfilter::symbolic::EvaluateError;

use super::super::{Finding, Severity, several};
use super::named::Named;
use super::{View, Without, decider};
use crate::firewall::Manager;

/// How many findings of this kind there are at most for one namespace.
const MOST_TOLD: usize = 8;

/// How many rules are walked to, to say which other one decides.
const MOST_WALKED: usize = 16;

/// What several rules have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Contradictory,
    /// With what lets it in.
    LetInBefore(String),
    /// With what keeps it out.
    KeptOut(String),
    /// With what lets the others in.
    OthersToo(String),
    Unused,
}

/// Tells of all rules of a namespace.
pub(super) fn all(view: &View<'_, '_>, judged: &[(&Named, Without)], found: &mut Vec<Finding>) {
    let mut groups: BTreeMap<Kind, Vec<&Named>> = BTreeMap::new();
    for (rule, without) in judged.iter().take(MOST_WALKED) {
        if let Some(kind) = kind(view, rule, without) {
            groups.entry(kind).or_default().push(*rule);
        }
    }
    let findings = groups.into_iter().filter_map(|(kind, rules)| finding(view, &kind, &rules));
    found.extend(findings.take(MOST_TOLD));
}

/// How a rule is without effect, and because of what.
fn kind(view: &View<'_, '_>, rule: &Named, without: &Without) -> Option<Kind> {
    match without {
        Without::Contradictory => Some(Kind::Contradictory),
        Without::LetInBefore(packet) => {
            Some(Kind::LetInBefore(view.lets_in(packet, rule.at)?.text))
        }
        Without::KeptOut(packet) => Some(Kind::KeptOut(view.refuses(packet)?.text)),
        Without::NotMissed => {
            let decides = view.lets_in(&view.let_in_as_well(rule)?, rule.at)?;
            // Who is let in before others are banned, is let in for that.
            (!decides.is_policy || !bans(view)).then_some(Kind::OthersToo(decides.text))
        }
        Without::Unused => view.is_unused(rule).then_some(Kind::Unused),
    }
}

/// Whether a program adds rules against single clients.
fn bans(view: &View<'_, '_>) -> bool {
    let managers = view.judgement.firewall(view.namespace).map(|f| f.managers).unwrap_or_default();
    managers.iter().any(|manager| matches!(manager, Manager::Fail2ban | Manager::CrowdSec))
}

fn finding(view: &View<'_, '_>, kind: &Kind, rules: &[&Named]) -> Option<Finding> {
    let first = rules.first()?;
    let rule = decider::text(&view.home.ruleset, first.at)?;
    let more = match rules.len().saturating_sub(1) {
        0 => String::new(),
        1 => " (and 1 more rule)".to_owned(),
        more => format!(" (and {more} more rules)"),
    };
    let (severity, text, action) = match kind {
        Kind::Contradictory => (
            Severity::Low,
            format!("the rule {rule}{more} matches no packet: its conditions exclude each other"),
            "write one rule for each, or take it out".to_owned(),
        ),
        Kind::LetInBefore(by) => (
            Severity::Medium,
            format!(
                "the rule {rule}{more} keeps nothing out: {by} lets in before it what it matches"
            ),
            "move it before that one, or take one of the two out".to_owned(),
        ),
        Kind::KeptOut(by) => (
            Severity::Low,
            format!("the rule {rule}{more} lets nobody in: {by} keeps out what it accepts"),
            "let it in there too, or take this rule out".to_owned(),
        ),
        Kind::OthersToo(by) => (
            Severity::Medium,
            format!("the rule {rule}{more} restricts nothing: {by} lets in others as well"),
            "if only these are meant, take the wider one out; else this rule is not needed"
                .to_owned(),
        ),
        Kind::Unused => (
            Severity::Info,
            "the packet filter lets this in, and nothing listens there: what is started on such a \
             port is open at once"
                .to_owned(),
            "take the rules out if nothing is to listen there".to_owned(),
        ),
    };
    let rows: BTreeSet<usize> = match kind {
        Kind::Unused => BTreeSet::new(),
        _ => rules.iter().flat_map(|rule| view.rows(rule)).collect(),
    };
    Some(Finding {
        id: if *kind == Kind::Unused { "open-without-socket" } else { "rule-without-effect" },
        severity,
        rows: rows.into_iter().collect(),
        subject: subject(view, rules),
        text,
        action,
    })
}

/// `tcp/22, tcp/80`, with the namespace before it unless that is the host's.
fn subject(view: &View<'_, '_>, rules: &[&Named]) -> String {
    let mut ports = BTreeSet::new();
    for rule in rules {
        for (lo, hi) in rule.ports.iter() {
            ports.extend(rule.protocols.iter().map(|protocol| (lo, hi, *protocol)));
        }
    }
    let name = |(lo, hi, protocol): &(u128, u128, u8)| {
        let protocol = Protocol((*protocol).into());
        let last = if lo == hi { String::new() } else { format!("-{hi}") };
        format!("{protocol}/{lo}{last}")
    };
    in_namespace(view, &several(ports.iter().map(name)))
}

fn in_namespace(view: &View<'_, '_>, text: &str) -> String {
    let namespace = view.judgement.namespaces.get(view.namespace);
    match namespace.filter(|namespace| !namespace.is_host()) {
        Some(namespace) => format!("{} {text}", namespace.label),
        None => text.to_owned(),
    }
}

/// There are too many rules to look at each.
pub(super) fn too_many(view: &View<'_, '_>) -> Finding {
    not_looked_at(view, &format!("there are {} on the way in", view.rules))
}

/// Not all of those that seem to be in vain are looked at.
pub(super) fn not_all(view: &View<'_, '_>, looked_at: usize, others: usize) -> Finding {
    let all = looked_at.saturating_add(others);
    not_looked_at(view, &format!("of {all} that may be, {looked_at} were"))
}

/// The evaluation took too much.
pub(super) fn too_much(view: &View<'_, '_>, error: &EvaluateError) -> Finding {
    not_looked_at(view, &error.to_string())
}

fn not_looked_at(view: &View<'_, '_>, why: &str) -> Finding {
    Finding {
        id: "rules-not-compared",
        severity: Severity::Info,
        rows: Vec::new(),
        subject: in_namespace(view, "packet filter"),
        text: format!("whether rules are without effect was not looked for in all: {why}"),
        action: "ask about single packets: whyopen explain --from ADDRESS --to :PORT".to_owned(),
    }
}
