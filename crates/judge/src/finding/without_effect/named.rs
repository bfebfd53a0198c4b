//! What a rule names that somebody wrote to let a port in, or to keep it out.

use std::collections::BTreeMap;

use netfilter::ir::{Chain, Cond, Hook, Rule, Ruleset, Side, Step, Table, Verdict, ct_state};
use netfilter::symbolic::RuleAt;
use packet_set::{Field, RangeSet};

use crate::firewall::Manager;
use crate::reach::Wire;

/// What a rule does that ends with one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Accept,
    /// Drops or refuses.
    KeepOut,
}

/// A rule that names ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) at: RuleAt,
    pub(super) does: Does,
    /// The families whose packets its table sees and it does not leave out.
    pub(super) wires: Vec<Wire>,
    /// The protocols, each with ports.
    pub(super) protocols: Vec<u8>,
    pub(super) ports: RangeSet,
    /// The sources that it is for; none: not for some of them.
    pub(super) sources: Option<RangeSet>,
    /// Whether it is for some destinations.
    pub(super) has_destination: bool,
    /// Whether it is for some interfaces.
    pub(super) has_interface: bool,
    /// Whether its conditions leave no packet, though each for itself would.
    pub(super) is_contradictory: bool,
}

/// A list of ports that is longer is no name of a service.
const MOST_PORTS: u128 = 1024;

/// TCP, UDP and SCTP.
const PROTOCOLS: [u8; 3] = [6, 17, 132];

/// The chains of each table, by their places, that packets to this host may come to at these hooks.
pub(super) fn chains(ruleset: &Ruleset, hooks: &[Hook]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (table, of) in ruleset.tables.iter().enumerate() {
        let is_base = |chain: &Chain| chain.base.as_ref().is_some_and(|b| hooks.contains(&b.hook));
        let bases = of.chains.iter().enumerate().filter(|(_, chain)| is_base(chain));
        let own = from(of, bases.map(|(at, _)| at).collect());
        found.extend(own.into_iter().map(|chain| (table, chain)));
    }
    found
}

/// The chains of a table that these lead to, with them.
pub(super) fn from(table: &Table, mut chains: Vec<usize>) -> Vec<usize> {
    let mut next = 0;
    while let Some(chain) = chains.get(next).and_then(|at| table.chains.get(*at)) {
        for to in chain.rules.iter().flat_map(leads_to) {
            if !chains.contains(&to) {
                chains.push(to);
            }
        }
        next += 1;
    }
    chains
}

/// The chains that a rule leads to.
fn leads_to(rule: &Rule) -> Vec<usize> {
    let verdicts = rule.steps.iter().flat_map(|step| match step {
        Step::Select(list) => list.as_slice(),
        _ => &[],
    });
    let to = |verdict: &Verdict| match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(*chain),
        _ => None,
    };
    verdicts.filter_map(|(_, verdict)| to(verdict)).collect()
}

/// The rules of these chains that name such ports, but for those that a program made for its own
/// purpose: nobody means anything by them.
pub(super) fn all(
    ruleset: &Ruleset,
    chains: &[(usize, usize)],
    wanted: &dyn Fn(&RangeSet) -> bool,
) -> Vec<Named> {
    let mut found = Vec::new();
    for (table, chain) in chains {
        let Some(of) = ruleset.tables.get(*table) else { continue };
        let Some(own) = of.chains.get(*chain) else { continue };
        if Manager::of(&of.name, &own.name).is_some_and(|manager| !manager.is_front_end()) {
            continue;
        }
        let wires = Wire::BOTH.into_iter().filter(|wire| of.family.sees(wire.family()));
        let wires: Vec<Wire> = wires.collect();
        let rules = own.rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| ports(rule).is_some_and(wanted));
        found.extend(rules.filter_map(|(rule, of)| {
            named(RuleAt { table: *table, chain: *chain, rule }, of, wires.clone())
        }));
    }
    found
}

/// The first ports that a rule names: most rules name none.
fn ports(rule: &Rule) -> Option<&RangeSet> {
    fn within(cond: &Cond) -> Option<&RangeSet> {
        match cond {
            Cond::In(Field::DPORT, ports) => Some(ports),
            Cond::All(parts) => parts.iter().find_map(within),
            _ => None,
        }
    }
    rule.steps.iter().find_map(|step| match step {
        Step::If(cond) => within(cond),
        _ => None,
    })
}

/// What a rule names, if it names ports and all of it is understood.
fn named(at: RuleAt, rule: &Rule, wires: Vec<Wire>) -> Option<Named> {
    let (last, others) = rule.steps.split_last()?;
    let Step::Select(list) = last else { return None };
    let does = match list.as_slice() {
        [(Cond::Always, Verdict::Accept)] => Does::Accept,
        [(Cond::Always, Verdict::Drop | Verdict::Reject(_))] => Does::KeepOut,
        _ => return None,
    };
    let mut fields = Fields::default();
    for step in others {
        let Step::If(cond) = step else { return None };
        fields.add(cond)?;
    }
    let of = |field| fields.values.get(&field);
    let protocols = of(Field::PROTOCOL)?;
    let known = PROTOCOLS.iter().map(|number| (u128::from(*number), u128::from(*number)));
    let ports = of(Field::DPORT)?.clone();
    let states = of(Field::CT_STATE);
    let many = ports.iter().map(|(lo, hi)| hi - lo + 1).sum::<u128>() > MOST_PORTS;
    let only_known = protocols.is_subset(&known.collect());
    if many || !only_known || states.is_some_and(|states| !states.contains(ct_state::NEW)) {
        return None;
    }
    let family = of(Field::FAMILY);
    let is_of = |wire: &Wire| family.is_none_or(|set| set.contains(wire.family().value()));
    Some(Named {
        at,
        does,
        wires: wires.into_iter().filter(is_of).collect(),
        protocols: PROTOCOLS.into_iter().filter(|p| protocols.contains((*p).into())).collect(),
        sources: fields
            .seen
            .contains(&Field::SOURCE)
            .then(|| fields.values.get(&Field::SOURCE).cloned().unwrap_or_else(RangeSet::all)),
        has_destination: fields.seen.contains(&Field::DESTINATION),
        has_interface: fields.seen.contains(&Field::IIF),
        is_contradictory: fields.values.values().any(RangeSet::is_empty),
        ports,
    })
}

/// What conditions that must all hold say of single fields.
#[derive(Default)]
struct Fields {
    values: BTreeMap<Field, RangeSet>,
    seen: Vec<Field>,
}

impl Fields {
    /// Adds a condition; none if it is not understood, or is no matter of ports and addresses.
    fn add(&mut self, cond: &Cond) -> Option<()> {
        match cond {
            Cond::Always => {}
            Cond::All(parts) => return parts.iter().try_for_each(|part| self.add(part)),
            // An empty set that somebody means to fill.
            Cond::In(_, values) if values.is_empty() => return None,
            Cond::In(field, values) => {
                self.see(*field)?;
                let known = self.values.entry(*field);
                let before = known.or_insert_with(RangeSet::all);
                *before = before.intersection(values);
            }
            other => {
                let mut seen = Vec::new();
                let mut understood = true;
                other.visit(&mut |part| match part {
                    Cond::In(field, _) | Cond::Masked { field, .. } => seen.push(*field),
                    Cond::Tuple(fields, _) => seen.extend(fields),
                    Cond::Interface(side, _) => {
                        understood &= *side == Side::In;
                        seen.push(Field::IIF);
                    }
                    Cond::Never | Cond::Fib(_) | Cond::Unknown(..) => understood = false,
                    Cond::Always | Cond::All(_) | Cond::Any(_) | Cond::Not(_) => {}
                });
                understood.then_some(())?;
                seen.into_iter().try_for_each(|field| self.see(field))?;
            }
        }
        Some(())
    }

    /// Notes a field; none for what only programs look at.
    fn see(&mut self, field: Field) -> Option<()> {
        const USUAL: [Field; 8] = [
            Field::FAMILY,
            Field::SOURCE,
            Field::DESTINATION,
            Field::PROTOCOL,
            Field::DPORT,
            Field::IIF,
            Field::CT_STATE,
            Field::TCP_FLAGS,
        ];
        self.seen.push(field);
        USUAL.contains(&field).then_some(())
    }
}
