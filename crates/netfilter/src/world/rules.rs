//! The rules of the routing policy.

use facts::{RoutingRule, RuleAction};

use super::range;
use crate::ir::Family;

/// What a rule does with a packet that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Action {
    /// Looks in a table; routes with prefixes of at most this length do not count.
    Table(u32, Option<u32>),
    /// Goes on at the rule at this place of the list.
    Goto(usize),
    #[default]
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
    /// We do not know.
    Other,
}

/// A rule; see [`facts::RoutingRule`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rule {
    pub(crate) priority: u32,
    pub(crate) action: Action,
    pub(crate) invert: bool,
    pub(crate) source: Option<(u128, u128)>,
    pub(crate) destination: Option<(u128, u128)>,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) mark: Option<(u32, u32)>,
    pub(crate) protocol: Option<u8>,
    pub(crate) source_ports: Option<(u16, u16)>,
    pub(crate) destination_ports: Option<(u16, u16)>,
    /// For the user of packets that arrive, which is that of the namespace's root.
    pub(crate) users: Option<(u32, u32)>,
    /// It can match, for reasons that we do not read: its words.
    pub(crate) doubt: Option<String>,
}

/// The rules of a family, in the order in which they are asked.
pub(super) fn rules(all: &[RoutingRule], family: Family) -> Vec<Rule> {
    let mut own: Vec<&RoutingRule> =
        all.iter().filter(|rule| rule.ipv6 == (family == Family::Ipv6)).collect();
    own.sort_by_key(|rule| rule.priority);
    let at = |priority: u32, from: usize| {
        // fib_rules.c, fib_nl_newrule: only forward; a target that is not there is no jump.
        own.iter().enumerate().skip(from + 1).find(|(_, rule)| rule.priority == priority)
    };
    own.iter()
        .enumerate()
        .map(|(place, rule)| Rule {
            priority: rule.priority,
            action: match rule.action {
                RuleAction::Table(table) => Action::Table(table, rule.suppress_prefix_len),
                RuleAction::Goto(to) => {
                    at(to, place).map_or(Action::Nop, |(at, _)| Action::Goto(at))
                }
                RuleAction::Nop => Action::Nop,
                RuleAction::Blackhole => Action::Blackhole,
                RuleAction::Unreachable => Action::Unreachable,
                RuleAction::Prohibit => Action::Prohibit,
                RuleAction::Other(_) => Action::Other,
            },
            invert: rule.invert,
            source: rule.source.as_ref().map(|prefix| range(prefix).1),
            destination: rule.destination.as_ref().map(|prefix| range(prefix).1),
            input: rule.input.clone(),
            output: rule.output.clone(),
            mark: rule.mark.filter(|(_, mask)| *mask != 0),
            protocol: rule.protocol.filter(|protocol| *protocol != 0),
            source_ports: rule.source_ports,
            destination_ports: rule.destination_ports,
            users: rule.users.filter(|(first, last)| (*first, *last) != (0, u32::MAX)),
            doubt: doubt(rule),
        })
        .collect()
}

/// What of a rule we do not read.
fn doubt(rule: &RoutingRule) -> Option<String> {
    let what = if rule.l3mdev {
        "l3mdev"
    } else if rule.tos != 0 {
        "tos"
    } else if !rule.unknown.is_empty() {
        "a condition that is not known"
    } else {
        return None;
    };
    Some(format!("routing rule {}: {what}", rule.priority))
}

/// Whether these are other rules than a namespace begins with (fib_rules.c, fib_default_rule_add).
pub(super) fn are_custom(rules: &[Rule], family: Family) -> bool {
    let list: Vec<(u32, Action)> = rules
        .iter()
        .map(|rule| {
            let plain = Rule { priority: rule.priority, action: rule.action, ..Rule::default() };
            // What a rule asks for makes it another one.
            (rule.priority, if *rule == plain { rule.action } else { Action::Other })
        })
        .collect();
    let local = (0, Action::Table(255, None));
    let main = (32766, Action::Table(254, None));
    let default = (32767, Action::Table(253, None));
    match family {
        Family::Ipv4 => list != [local, main, default],
        Family::Ipv6 => list != [local, main],
    }
}
