//! Rules without effect: somebody wrote them to keep a port closed, or to open it, and no packet or no
//! open socket is treated otherwise for them.
//!
//! Judged from the evaluated ruleset ([`netfilter::symbolic::effects`]), for all packets. Only rules
//! that name ports are asked about: what firewalls and engines add beside these has many that never
//! match, and is meant so.

mod decider;
mod named;
mod protocol_as_port;
mod tell;

use std::collections::BTreeMap;

use facts::{Port, Protocol};
use netfilter::concrete::Packet;
use netfilter::ir::Hook;
use netfilter::symbolic::{AskedRules, Effect, EvaluateError, Outcome, effects};
use packet_set::{Budget, RangeSet};

use super::Finding;
use crate::Judgement;
use crate::reach::{self, Home, Wire};
use crate::row::{Row, Scope};
use named::{Does, Named};

/// The most rules that are asked about.
const MOST_RULES: usize = 32;

/// The most rules on the way in that are evaluated for it: some 10 ms.
const MOST_LOOKED_AT: usize = 12_000;

/// The most of them for which it is also looked for ports at which nothing listens.
const MOST_FOR_UNUSED: usize = 1000;

/// What all evaluations of a namespace may take together, beside looking at each rule: some 10 ms.
const BUDGET: Budget = Budget { nodes: 200_000, edges: 1_000_000, steps: 500_000 };

/// What looking at a rule is charged with.
const STEPS_OF_A_RULE: u64 = 1000;

/// A namespace that is looked at.
struct View<'v, 'a> {
    judgement: &'v Judgement<'a>,
    namespace: usize,
    home: &'v Home,
    /// The chains of the way in, by their tables and places.
    chains: Vec<(usize, usize)>,
    /// How many rules these have.
    rules: usize,
    /// The ports with a socket that others may reach, of each protocol.
    open: BTreeMap<u16, RangeSet>,
}

/// Finds them in every namespace whose ruleset could be read.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    for namespace in 0..judgement.namespaces.len() {
        let Some(home) = judgement.home(namespace) else { continue };
        // A rule that is not among those that were read may be what gives another one its effect.
        if !home.unread.is_empty() || !home.ruleset.notes.is_empty() {
            continue;
        }
        protocol_as_port::find(judgement, namespace, home, found);
        let chains = named::chains(&home.ruleset, &[Hook::Input]);
        let of = |(table, chain): &(usize, usize)| {
            Some(home.ruleset.tables.get(*table)?.chains.get(*chain)?.rules.len())
        };
        let rules = chains.iter().filter_map(of).sum();
        let open = open_ports(judgement, namespace);
        let view = View { judgement, namespace, home, chains, rules, open };
        let rules = view.asked_about();
        if rules.is_empty() {
            continue;
        }
        if view.rules > MOST_LOOKED_AT {
            found.push(tell::too_many(&view));
            continue;
        }
        let (rules, others) = rules.split_at(rules.len().min(MOST_RULES));
        if !others.is_empty() {
            found.push(tell::not_all(&view, rules.len(), others.len()));
        }
        let mut rules = rules.to_vec();
        rules.retain(|rule| !view.is_seen_to_work(rule));
        let rules = &rules;
        match view.effects(rules) {
            Ok(effects) => {
                let judged = rules
                    .iter()
                    .zip(&effects)
                    .filter_map(|(rule, effect)| Some((rule, Without::of(rule, effect)?)));
                tell::all(&view, &judged.collect::<Vec<_>>(), found);
            }
            Err(error) => found.push(tell::too_much(&view, &error)),
        }
    }
}

/// The ports of sockets that others may reach.
fn open_ports(judgement: &Judgement<'_>, namespace: usize) -> BTreeMap<u16, RangeSet> {
    let rows = judgement
        .rows
        .iter()
        .filter(|row| row.namespace == namespace && row.is_open() && row.scope != Scope::Loopback);
    let mut ports: BTreeMap<u16, Vec<(u128, u128)>> = BTreeMap::new();
    for row in rows {
        if let Some(port) = row.port() {
            let own = ports.entry(on_the_wire(row.socket.protocol).0).or_default();
            own.push((port.0.into(), port.0.into()));
        }
    }
    ports.into_iter().map(|(protocol, list)| (protocol, RangeSet::of(list))).collect()
}

/// Whether some of these ports are among the others.
fn meets(ports: &RangeSet, others: &RangeSet) -> bool {
    ports.iter().any(|(lo, hi)| {
        others.contains(lo) || lo < hi && !others.intersection(&RangeSet::from(lo..=hi)).is_empty()
    })
}

/// What packets of a protocol have as theirs.
fn on_the_wire(protocol: Protocol) -> Protocol {
    if protocol == Protocol::MPTCP { Protocol::TCP } else { protocol }
}

/// How a rule is without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Without {
    /// Its conditions leave no packet.
    Contradictory,
    /// What it is to keep out is let in before it; the packet shows it.
    LetInBefore(Packet),
    /// What it accepts is dropped all the same.
    KeptOut(Packet),
    /// It is for some sources, and would not be missed by them.
    NotMissed,
    /// It lets in where nothing listens.
    Unused,
}

impl Without {
    /// What is proven of a rule.
    fn of(rule: &Named, effect: &Effect) -> Option<Self> {
        if rule.is_contradictory {
            return Some(Self::Contradictory);
        }
        match rule.does {
            Does::KeepOut if !effect.is_reached => effect.let_in.clone().map(Self::LetInBefore),
            // Whether it comes to the rule and is dropped later, or is dropped before.
            Does::Accept if !effect.lets_in => {
                let lost = effect.meets_new || effect.let_in.is_none() && !effect.is_reached;
                effect.kept_out.clone().filter(|_| lost).map(Self::KeptOut)
            }
            Does::Accept if rule.sources.is_some() && !effect.is_needed => Some(Self::NotMissed),
            Does::Accept if effect.is_needed => Some(Self::Unused),
            Does::KeepOut | Does::Accept => None,
        }
    }
}

impl View<'_, '_> {
    /// The rules that are asked about: those for which what others can reach does not prove already
    /// that they have the effect that they seem to have.
    fn asked_about(&self) -> Vec<Named> {
        let for_unused = self.rules <= MOST_FOR_UNUSED && self.is_listed();
        let wanted =
            |ports: &RangeSet| for_unused || self.open.values().any(|open| meets(ports, open));
        let mut list = named::all(&self.home.ruleset, &self.chains, &wanted);
        list.retain(|rule| {
            rule.is_contradictory
                || self.is_suspicious(rule)
                || for_unused && !self.has_row(rule) && self.is_unused(rule)
        });
        list
    }

    /// Whether a packet shows that a rule does what it says, so that nothing has to be proven.
    fn is_seen_to_work(&self, rule: &Named) -> bool {
        if rule.is_contradictory || rule.does == Does::Accept && !self.has_row(rule) {
            return false;
        }
        rule.wires.iter().any(|wire| {
            let own = rule.sources.clone().unwrap_or_else(RangeSet::all);
            let packets = self.packets(rule, *wire, &own);
            packets.into_iter().any(|packet| {
                let Some(decision) = decider::one_walk(&self.home.ruleset, &packet) else {
                    return false;
                };
                let comes = decider::passes(&self.home.ruleset, rule.at, &decision);
                let accepted = decision.outcome == Outcome::Accepted;
                comes && (rule.does == Does::KeepOut || accepted && rule.sources.is_none())
            })
        })
    }

    /// New connections to the first port of a rule from some of these sources, as hosts have them.
    fn packets(&self, rule: &Named, wire: Wire, sources: &RangeSet) -> Vec<Packet> {
        let (Some(port), Some(protocol)) = (rule.each_port().next(), rule.protocols.first()) else {
            return Vec::new();
        };
        let sides = self.home.sides(wire);
        let others = sources.intersection(&sides.nobodys.complement(wire.max()));
        let Some(way) = sides.ways.first() else { return Vec::new() };
        let from = reach::plausible(wire, &others);
        let from = from.iter().filter_map(|set| set.iter().next());
        let packet = |(source, _): (u128, u128)| {
            let to = self.home.world.address_at(wire.family(), way, source)?;
            let ends = ((source, 49152), (to, port.0));
            Some(Packet::arriving(wire.family(), *protocol, ends.0, ends.1, way))
        };
        from.filter_map(packet).collect()
    }

    /// A new connection to the ports of a rule, from one that it does not name and that is let in as
    /// most others are.
    fn let_in_as_well(&self, rule: &Named) -> Option<Packet> {
        let own = rule.sources.as_ref()?;
        let rows = self.rows(rule);
        let rows = || rows.iter().filter_map(|at| self.judgement.rows.get(*at));
        rule.wires.iter().find_map(|wire| {
            let most = |row: &Row<'_>| {
                let reach = self.judgement.reach(row, *wire);
                reach.is_some_and(|reach| reach.must.is_most())
            };
            // All that it is about: else it may be for the others.
            if !rows().all(most) || rows().next().is_none() {
                return None;
            }
            let others = own.complement(Wire::max(*wire));
            self.packets(rule, *wire, &others).into_iter().find(|packet| {
                let decision = decider::one_walk(&self.home.ruleset, packet);
                decision.is_some_and(|d| d.outcome == Outcome::Accepted)
            })
        })
    }

    /// Whether a rule seems not to have its effect on some socket, by who can reach that.
    fn is_suspicious(&self, rule: &Named) -> bool {
        self.has_row(rule)
            && self.rows(rule).into_iter().filter_map(|at| self.judgement.rows.get(at)).any(|row| {
                let reaches = rule.wires.iter().filter_map(|wire| self.judgement.reach(row, *wire));
                reaches.into_iter().any(|reach| match (rule.does, &rule.sources) {
                    (Does::KeepOut, Some(own)) => !reach.may.ranges().intersection(own).is_empty(),
                    (Does::KeepOut, None) => !reach.may.is_empty(),
                    (Does::Accept, Some(own)) => {
                        reach.may.is_most() || reach.may.ranges().intersection(own).is_empty()
                    }
                    (Does::Accept, None) if rule.has_interface => !reach.may.is_everyone(),
                    (Does::Accept, None) => reach.may.is_empty(),
                })
            })
    }

    /// What they do, for all families and protocols together.
    fn effects(&self, rules: &[Named]) -> Result<Vec<Effect>, EvaluateError> {
        // Those for some sources are asked about together, which leaves out all other sources.
        let mut groups: BTreeMap<(usize, u8, bool), Vec<usize>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            for wire in &rule.wires {
                for protocol in &rule.protocols {
                    let key = (wire.position(), *protocol, rule.sources.is_some());
                    groups.entry(key).or_default().push(at);
                }
            }
        }
        let budget = self.budget(groups.len());
        let mut all: Vec<Option<Effect>> = vec![None; rules.len()];
        for ((wire, protocol, _), places) in groups {
            let of = || places.iter().filter_map(|at| rules.get(*at));
            let Some(wire) = Wire::BOTH.get(wire) else { continue };
            let asked = AskedRules {
                family: wire.family(),
                protocol,
                ports: of().flat_map(|rule| rule.ports.iter()).collect(),
                sources: of().flat_map(Named::each_source).collect(),
                rules: of().map(|rule| rule.at).collect(),
            };
            let found = effects(&self.home.ruleset, &asked, budget)?;
            for (at, effect) in places.into_iter().zip(found) {
                if let Some(slot) = all.get_mut(at) {
                    *slot = Some(match slot.take() {
                        Some(before) => before.with(effect),
                        None => effect,
                    });
                }
            }
        }
        // A rule for no family at all has no effect that could be asked about.
        Ok(all.into_iter().map(|effect| effect.unwrap_or(Effect::UNPROVEN)).collect())
    }

    /// What one of so many evaluations may take.
    fn budget(&self, groups: usize) -> Budget {
        let looks = STEPS_OF_A_RULE.saturating_mul(self.rules as u64);
        let share = BUDGET.steps.checked_div(groups as u64).unwrap_or(BUDGET.steps);
        Budget { steps: share.saturating_add(looks), ..BUDGET }
    }

    /// The rows that a rule is about, over any of its families.
    fn rows(&self, rule: &Named) -> Vec<usize> {
        let rows = self.judgement.rows.iter().enumerate().filter(|(_, row)| {
            row.namespace == self.namespace
                && row.is_open()
                && rule.wires.iter().any(|wire| self.judgement.reach(row, *wire).is_some())
                && row.port().is_some_and(|port| rule.names(row.socket.protocol, port))
        });
        rows.map(|(at, _)| at).collect()
    }

    /// Whether a socket that others may reach is on one of its ports.
    fn has_row(&self, rule: &Named) -> bool {
        let open = rule.protocols.iter().filter_map(|own| self.open.get(&u16::from(*own)));
        open.into_iter().any(|open| meets(&rule.ports, open))
    }

    /// Whether it lets in where nothing is.
    fn is_unused(&self, rule: &Named) -> bool {
        let taken = |port: Port| {
            let rows = self.judgement.rows.iter().filter(|row| row.namespace == self.namespace);
            rows.filter_map(Row::port).any(|other| other == port)
                || self.judgement.entries().iter().any(|entry| {
                    (entry.port..=entry.last_port).contains(&port)
                        || entry.leads_to.ends_with(&format!(":{port}"))
                })
        };
        let count: u128 = rule.ports.iter().map(|(lo, hi)| hi - lo + 1).sum();
        rule.does == Does::Accept
            && !rule.has_destination
            && !rule.is_contradictory
            && count <= MOST_UNUSED
            && rule.each_port().all(|port| !PASSING.contains(&port.0) && !taken(port))
    }

    /// Whether all sockets of the namespace are known.
    fn is_listed(&self) -> bool {
        let namespace = self.judgement.namespaces.get(self.namespace);
        let fact = namespace.and_then(|namespace| namespace.fact);
        self.judgement.snapshot.sockets.is_complete()
            && fact.is_some_and(|fact| fact.sockets.is_complete())
    }
}

/// A rule for more ports keeps a range open for what may come.
const MOST_UNUSED: u128 = 16;

/// Ports of clients of DHCP, and of names and services on the link: what listens there comes and goes,
/// and distributions let it in beforehand.
const PASSING: [u16; 6] = [67, 68, 546, 547, 1900, 5353];

impl Named {
    /// Whether it names a port of a protocol.
    fn names(&self, protocol: Protocol, port: Port) -> bool {
        let protocol = on_the_wire(protocol);
        self.ports.contains(port.0.into())
            && self.protocols.iter().any(|own| u16::from(*own) == protocol.0)
    }

    /// Every range of the sources that it is for.
    fn each_source(&self) -> Vec<(u128, u128)> {
        self.sources.as_ref().map_or_else(|| vec![(0, u128::MAX)], |own| own.iter().collect())
    }

    fn each_port(&self) -> impl Iterator<Item = Port> + '_ {
        let each = self.ports.iter().flat_map(|(lo, hi)| lo..=hi);
        each.filter_map(|port| u16::try_from(port).ok().map(Port))
    }
}
