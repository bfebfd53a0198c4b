//! Which other rule decides about what a rule was written for.

use netfilter::concrete::{Decision, Oracle, Packet, possible, walk};
use netfilter::ir::{Doubt, Hook, Place, Rule, Ruleset, Step, Table, Verdict};
use netfilter::symbolic::{Outcome, RuleAt};

use super::View;
use super::named;

/// A rule or policy, as a reader finds it again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decides {
    /// `"tcp dport 22 accept" (inet filter input handle 7)`, `the policy of inet filter input`.
    pub(super) text: String,
    /// Whether it is a policy.
    pub(super) is_policy: bool,
}

/// `"tcp dport 22 accept" (inet filter input handle 7)`.
pub(super) fn text(ruleset: &Ruleset, at: RuleAt) -> Option<String> {
    let table = ruleset.tables.get(at.table)?;
    let chain = table.chains.get(at.chain)?;
    let rule = chain.rules.get(at.rule)?;
    Some(rule_text(&table.chain_name(chain), &rule.place, &rule.text))
}

fn rule_text(chain: &str, place: &Place, text: &str) -> String {
    match place.handle {
        Some(handle) => format!("\"{text}\" ({chain} handle {handle})"),
        None => format!("\"{text}\" ({chain} {place})"),
    }
}

impl View<'_, '_> {
    /// What keeps a packet out, where that is a chain of the way in.
    pub(super) fn refuses(&self, packet: &Packet) -> Option<Decides> {
        use netfilter::concrete::Decider;
        let decision = self.decision(packet, false)?;
        let is_known = |name: &str| {
            self.chains.iter().any(|(table, chain)| {
                let table = self.home.ruleset.tables.get(*table);
                let of = table.and_then(|table| Some((table, table.chains.get(*chain)?)));
                of.is_some_and(|(table, chain)| table.chain_name(chain) == name)
            })
        };
        match decision.decider {
            Decider::Rule { chain, place, text } if is_known(&chain) => {
                Some(Decides { text: rule_text(&chain, &place, &text), is_policy: false })
            }
            Decider::Policy { chain } if is_known(&chain) => {
                Some(Decides { text: format!("the policy of {chain}"), is_policy: true })
            }
            _ => None,
        }
    }

    /// What lets a packet in among the chains that a rule belongs to.
    pub(super) fn lets_in(&self, packet: &Packet, beside: RuleAt) -> Option<Decides> {
        let decision = self.decision(packet, true)?;
        let table = self.home.ruleset.tables.get(beside.table)?;
        let (base, own) = base_of(table, beside)?;
        let last = decision.trace.iter().rev().find_map(|trace| {
            let chain = own.iter().find_map(|at| {
                let chain = table.chains.get(*at)?;
                (table.chain_name(chain) == trace.chain).then_some(chain)
            })?;
            let rule = chain.rules.iter().find(|rule| rule.place == trace.place)?;
            accepts(rule).then(|| rule_text(&trace.chain, &trace.place, &trace.text))
        });
        Some(match last {
            Some(text) => Decides { text, is_policy: false },
            None => Decides { text: format!("the policy of {base}"), is_policy: true },
        })
    }

    /// The walk of a packet that ends so.
    fn decision(&self, packet: &Packet, accepted: bool) -> Option<Decision> {
        let found = possible(&self.home.ruleset, packet, Hook::Input).ok()?;
        found.decisions.into_iter().find(|d| (d.outcome == Outcome::Accepted) == accepted)
    }
}

/// The base chain that leads to a rule, and the chains that it leads to; none if several do.
fn base_of(table: &Table, at: RuleAt) -> Option<(String, Vec<usize>)> {
    let mut found = None;
    for (number, chain) in table.chains.iter().enumerate() {
        if chain.base.as_ref().is_none_or(|base| base.hook != Hook::Input) {
            continue;
        }
        let own = named::from(table, vec![number]);
        if own.contains(&at.chain) && found.replace((table.chain_name(chain), own)).is_some() {
            return None;
        }
    }
    found
}

/// Takes every open question for answered in the plainest way.
struct Plain;

impl Oracle for Plain {
    fn holds(&mut self, _: &str, _: Doubt) -> bool {
        false
    }

    fn choose(&mut self, _: &str, _: u32) -> u32 {
        0
    }

    fn pick(&mut self, first: u128, _: u128) -> u128 {
        first
    }
}

/// One of the walks of a packet: where nothing that is not understood holds.
pub(super) fn one_walk(ruleset: &Ruleset, packet: &Packet) -> Option<Decision> {
    walk(ruleset, packet, Hook::Input, &mut Plain).ok()
}

/// Whether a packet came to a rule on its walk, and matched.
pub(super) fn passes(ruleset: &Ruleset, at: RuleAt, decision: &Decision) -> bool {
    let named = || {
        let table = ruleset.tables.get(at.table)?;
        let chain = table.chains.get(at.chain)?;
        Some((table.chain_name(chain), &chain.rules.get(at.rule)?.place))
    };
    let Some((chain, place)) = named() else { return false };
    decision.trace.iter().any(|trace| trace.place == *place && trace.chain == chain)
}

/// Whether a rule may accept.
fn accepts(rule: &Rule) -> bool {
    rule.steps.iter().any(|step| match step {
        Step::Select(list) => list.iter().any(|(_, verdict)| *verdict == Verdict::Accept),
        _ => false,
    })
}
