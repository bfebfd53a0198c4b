//! Which rules of the way in make no difference, whatever packet comes.
//!
//! One evaluation answers for many rules: [`PROBE`], a further field of the diagram, says which of them
//! is looked at. For one of its values a rule marks what comes to it, for another it is left out, for 0
//! everything is as it is. As the last field it stands below all others, so that one walk over the
//! diagram meets everything that is true of any packet, and compares.
//!
//! The packets are all that a hook can meet, and not first ones alone: of any state, with any flags
//! and marks, on any interface, `lo` as well. What is said to make no difference makes none for any of
//! them. Conditions that are not understood may hold or not: a rule that is said to be reached by
//! nothing is so in either case.
//!
//! Deliberately absent: what stands before the hook. Packets that never get there are taken as ones
//! that do, which can only give a rule more to decide.

use std::collections::HashSet;

use packet_set::{Arena, Budget, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{Engine, Phase};
use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::outcome::ACCEPT;
use super::path::{Phases, hook_stages};
use super::setup::{Scope, conds, engine, steps};
use crate::concrete::Packet;
use crate::ir::{ChainKind, Family, Hook, Pattern, Rule, Ruleset, Step, Table, ct_state};

/// Which rule is looked at, and how: 0 none; for the rule at place n of a list 2n + 1 marks what comes
/// to it, and 2n + 2 leaves it out.
const PROBE: Field = Field::at(Field::FREE + 16);

/// What comes to the rule that is looked at, and matches.
const REACHED: Leaf = Leaf::outcome(13);

/// A rule by its places in the lists of a [`Ruleset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleAt {
    /// The table.
    pub table: usize,
    /// The chain in the table.
    pub chain: usize,
    /// The rule in the chain.
    pub rule: usize,
}

impl RuleAt {
    /// The rule itself.
    #[must_use]
    pub fn of<'r>(&self, ruleset: &'r Ruleset) -> Option<&'r Rule> {
        ruleset.tables.get(self.table)?.chains.get(self.chain)?.rules.get(self.rule)
    }
}

/// Rules that are asked about, and for which packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRules {
    /// Family.
    pub family: Family,
    /// Transport protocol (IPPROTO_*).
    pub protocol: u8,
    /// Destination ports, as the rules see them.
    pub ports: RangeSet,
    /// The sources that any of the rules is for. Others are not looked at, which makes it cheap where
    /// these are few.
    pub sources: RangeSet,
    /// The rules: each one ends with one verdict, which is to accept, drop or refuse.
    pub rules: Vec<RuleAt>,
}

/// What a rule does for packets of one family and protocol. New connections are first packets from
/// elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Some packet may come to it and match.
    pub is_reached: bool,
    /// Without it something might become of a packet that does not now, or nothing is known of that.
    pub is_needed: bool,
    /// Some new connection may come to it and match.
    pub meets_new: bool,
    /// Of new connections that come to it and match, one may be let in by all chains of the hook.
    pub lets_in: bool,
    /// A new connection that it matches, whether it comes to it or not, that is certainly let in.
    pub let_in: Option<Packet>,
    /// One that it matches and that is certainly not let in: one that comes to it, if any does.
    pub kept_out: Option<Packet>,
}

impl Effect {
    /// Of a rule about which nothing is proven.
    pub const UNPROVEN: Self = Self {
        is_reached: true,
        is_needed: true,
        meets_new: true,
        lets_in: true,
        let_in: None,
        kept_out: None,
    };

    /// The effects for two kinds of packets as one.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            is_reached: self.is_reached || other.is_reached,
            is_needed: self.is_needed || other.is_needed,
            meets_new: self.meets_new || other.meets_new,
            lets_in: self.lets_in || other.lets_in,
            let_in: self.let_in.or(other.let_in),
            kept_out: self.kept_out.or(other.kept_out),
        }
    }

    /// Whether it does all that it says.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_reached && self.is_needed && self.lets_in
    }
}

/// Finds out what rules of the hook to this host ([`Hook::Input`]) do, in the order in which they were
/// asked about.
///
/// # Errors
/// The rules need more than the budget, or contradict themselves.
pub fn effects(
    ruleset: &Ruleset,
    asked: &AskedRules,
    budget: Budget,
) -> Result<Vec<Effect>, EvaluateError> {
    let tables: Vec<&Table> =
        ruleset.tables.iter().filter(|table| table.family.sees(asked.family)).collect();
    let unproven = vec![Effect::UNPROVEN; asked.rules.len()];
    // What was not understood outside of rules may be anything. Translations on the way in are asked
    // for new connections alone.
    if !ruleset.notes.is_empty() || tables.iter().any(|table| translates(table)) {
        return Ok(unproven);
    }
    let doubts = Doubts::new(steps(&tables).flat_map(conds), false);
    let mut engine = engine(tables, &scope(asked), budget, doubts);
    limit(&mut engine, asked);
    engine.probes = asked
        .rules
        .iter()
        .zip(0..)
        .filter_map(|(at, number)| Some((std::ptr::from_ref(at.of(ruleset)?), number)))
        .collect();
    let stages = hook_stages(&engine.tables, Hook::Input, Phases::all(Phase::Input));
    let answer = engine.pass(&stages, Diagram::constant(ACCEPT))?;
    engine.phase = Phase::Input;
    let answer = engine.possible(answer)?;
    let new = engine.new_connections(asked.protocol, answer)?;
    let mut effects = vec![
        Effect {
            is_reached: false,
            is_needed: false,
            meets_new: false,
            lets_in: false,
            ..Effect::UNPROVEN
        };
        asked.rules.len()
    ];
    Walk::over(&engine.arena, answer, |number, says| {
        let Some(effect) = effects.get_mut(number) else { return };
        effect.is_reached = true;
        effect.is_needed |= says.as_it_is != says.without || !is_one(says.as_it_is);
    });
    Walk::over(&engine.arena, new, |number, says| {
        let Some(effect) = effects.get_mut(number) else { return };
        effect.meets_new = true;
        effect.lets_in |= says.as_it_is.meets(ACCEPT);
    });
    for ((effect, at), number) in effects.iter_mut().zip(&asked.rules).zip(0..) {
        if let Some(rule) = at.of(ruleset).filter(|_| !effect.is_plain()) {
            engine.compare(asked, (number, rule), new, effect)?;
        }
    }
    Ok(effects)
}

/// Whether a table translates what comes in.
fn translates(table: &Table) -> bool {
    table.chains.iter().any(|chain| {
        let base = chain.base.as_ref();
        base.is_some_and(|base| base.hook == Hook::Input && base.kind == ChainKind::Nat)
            && !chain.rules.is_empty()
    })
}

/// Everything that can come to the hook.
fn scope(asked: &AskedRules) -> Scope<'static> {
    Scope {
        family: asked.family,
        protocol: asked.protocol,
        ports: asked.ports.clone(),
        source_ports: RangeSet::from(0..=0xffff),
        destinations: RangeSet::from(0..=asked.family.max_address()),
        world: None,
        ways_in: Interfaces::present(),
        ways_out: Interfaces::present(),
        least_hop_limit: 0,
        packet_types: RangeSet::from(0..=2),
        reads: vec![Field::SOURCE, Field::DPORT, Field::IIF, Field::CT_STATE, Field::TCP_FLAGS],
    }
}

/// The packets are of any state, go either way, and come from where it is asked about.
fn limit(engine: &mut Engine<'_>, asked: &AskedRules) {
    let protocol = asked.protocol;
    let max = engine.family.max_address();
    let Some(universe) = engine.universes.get_mut(&Phase::Input) else { return };
    let any = RangeSet::from(0..=max);
    universe.limit(Field::SOURCE, asked.sources.intersection(&any));
    universe.limit(Field::CT_STATE, RangeSet::from(ct_state::INVALID..=ct_state::UNTRACKED));
    universe.limit(Field::CT_DIRECTION, RangeSet::from(0..=1));
    // IPS_* up to IPS_DYING.
    universe.limit(Field::CT_STATUS, RangeSet::from(0..=0x3ff));
    universe.limit(Field::TCP_FLAGS, RangeSet::from(0..=if protocol == 6 { 0xff } else { 0 }));
    universe.limit(Field::ORIGINAL_DPORT, RangeSet::from(0..=0xffff));
    universe.limit(Field::ORIGINAL_DESTINATION, any);
}

/// Whether a leaf holds one outcome, which is certain then.
fn is_one(leaf: Leaf) -> bool {
    leaf.bits().is_power_of_two()
}

impl Engine<'_> {
    /// What a rule says, with its probes where it is asked about.
    pub(super) fn probed(&mut self, rule: &Rule, says: Diagram) -> Result<Diagram, Exceeded> {
        let Some(number) = self.probes.get(&std::ptr::from_ref(rule)) else { return Ok(says) };
        let (reached, without) = (RangeSet::one(2 * number + 1), RangeSet::one(2 * number + 2));
        let marked = self.arena.field_in(PROBE, &reached, REACHED, Leaf::NONE)?;
        let says = self.arena.over(marked, says)?;
        let there = self.arena.field_in(PROBE, &without, Leaf::NONE, Leaf::IN)?;
        self.arena.intersection(there, says)
    }

    /// Leaves out packets that there cannot be.
    fn possible(&mut self, answer: Diagram) -> Result<Diagram, Exceeded> {
        let mut fields = self.universe().open_fields();
        fields.sort_by_key(|(field, _)| std::cmp::Reverse(*field));
        let mut all = Diagram::constant(Leaf::IN);
        for (field, values) in fields {
            if self.read.contains(&field) {
                let guard = self.arena.field_in(field, &values, Leaf::IN, Leaf::EMPTY)?;
                all = self.arena.intersection(guard, all)?;
            }
        }
        self.arena.intersection(all, answer)
    }

    /// The first packets from elsewhere among them.
    fn new_connections(&mut self, protocol: u8, answer: Diagram) -> Result<Diagram, Exceeded> {
        let own = self.interfaces.matching(&Pattern::Exact("lo".to_owned()));
        let own = own.union(&RangeSet::one(Interfaces::NONE));
        let elsewhere = own.complement(u128::MAX);
        let guard = self.arena.field_in(Field::IIF, &elsewhere, Leaf::IN, Leaf::EMPTY)?;
        let mut answer = self.arena.intersection(guard, answer)?;
        // SYN and nothing else (RFC 9293, 3.5).
        let flags = if protocol == 6 { 0x02 } else { 0 };
        for (field, value) in
            [(Field::CT_STATE, ct_state::NEW), (Field::CT_DIRECTION, 0), (Field::TCP_FLAGS, flags)]
        {
            answer = self.arena.restrict(answer, field, value)?;
        }
        Ok(answer)
    }

    /// What becomes of new connections that a rule matches.
    fn compare(
        &mut self,
        asked: &AskedRules,
        (number, rule): (u128, &Rule),
        new: Diagram,
        effect: &mut Effect,
    ) -> Result<(), Exceeded> {
        let mut all = Diagram::constant(Leaf::IN);
        for step in &rule.steps {
            let Step::If(cond) = step else { continue };
            let holds = self.condition(cond, &mut Vec::new())?;
            all = self.arena.intersection(holds, all)?;
        }
        let all = self.new_connections(asked.protocol, all)?;
        let matched = self
            .arena
            .map_leaves(all, |leaf| if leaf.meets(Leaf::IN) { Leaf::IN } else { Leaf::EMPTY })?;
        let come = self.arena.restrict(new, PROBE, 2 * number + 1)?;
        let come = self
            .arena
            .map_leaves(come, |leaf| if leaf.meets(REACHED) { Leaf::IN } else { Leaf::EMPTY })?;
        let new = self.arena.restrict(new, PROBE, 0)?;
        let matched = self.plain(matched, new)?;
        effect.let_in = self.packet(asked, matched, |leaf| leaf == ACCEPT);
        let refused = if effect.meets_new { self.plain(come, new)? } else { matched };
        effect.kept_out =
            self.packet(asked, refused, |leaf| !leaf.is_empty() && !leaf.meets(ACCEPT));
        Ok(())
    }

    /// Of these packets those without marks and translations, and all that may become of each,
    /// whatever is not understood.
    fn plain(&mut self, these: Diagram, new: Diagram) -> Result<Diagram, Exceeded> {
        let doubts = self.doubts.fields();
        let mut both = [these, new];
        for diagram in &mut both {
            *diagram = self.arrive(*diagram)?;
            for field in [Field::MARK, Field::CT_MARK, Field::CT_STATUS] {
                *diagram = self.arena.restrict(*diagram, field, 0)?;
            }
            *diagram = self.arena.keep(*diagram, |field| !doubts.contains(&field))?;
        }
        let [these, new] = both;
        self.arena.intersection(these, new)
    }

    /// The first packet with a wanted leaf.
    fn packet(
        &self,
        asked: &AskedRules,
        diagram: Diagram,
        wanted: impl Fn(Leaf) -> bool,
    ) -> Option<Packet> {
        let path = self.arena.witness(diagram, wanted)?;
        let value = |field: Field| path.iter().find(|(known, _)| *known == field).map(|(_, v)| *v);
        let elsewhere = Interfaces::present().iter().next().map_or(1, |(first, _)| first);
        let iif = self.interfaces.name(value(Field::IIF).unwrap_or(elsewhere))?;
        let first = |set: &RangeSet| set.iter().next().map_or(0, |(first, _)| first);
        let port = u16::try_from(value(Field::DPORT).unwrap_or(first(&asked.ports))).ok()?;
        let from = (first(&asked.sources), 49152);
        let mut packet = Packet::arriving(asked.family, asked.protocol, from, (1, port), &iif);
        for (field, value) in path {
            packet.set(field, value);
        }
        Some(packet)
    }
}

/// What is said of the packets at one place of the diagram, of which some come to a rule.
struct Says {
    as_it_is: Leaf,
    without: Leaf,
}

/// A walk over all that a diagram says.
struct Walk<'a, F> {
    arena: &'a Arena,
    seen: HashSet<Diagram>,
    found: F,
}

impl<'a, F: FnMut(usize, Says)> Walk<'a, F> {
    /// Calls the function with each rule that is reached, by its number, wherever it is.
    fn over(arena: &'a Arena, diagram: Diagram, found: F) {
        Self { arena, seen: HashSet::new(), found }.walk(diagram);
    }

    fn walk(&mut self, diagram: Diagram) {
        let Some(field) = self.arena.top(diagram) else { return };
        if !self.seen.insert(diagram) {
            return;
        }
        if field != PROBE {
            let mut children: Vec<Diagram> =
                self.arena.edges(diagram, field).map(|(_, _, child)| child).collect();
            children.dedup();
            for child in children {
                self.walk(child);
            }
            return;
        }
        let says = |value| {
            let child = self.arena.child_at(diagram, PROBE, value);
            child.as_constant().unwrap_or(Leaf::EMPTY)
        };
        let as_it_is = says(0);
        for (lo, hi, child) in self.arena.edges(diagram, PROBE) {
            if child.as_constant().is_none_or(|leaf| !leaf.meets(REACHED)) {
                continue;
            }
            for value in lo..=hi {
                let Ok(number) = usize::try_from(value.saturating_sub(1) / 2) else { return };
                (self.found)(number, Says { as_it_is, without: says(value + 1) });
            }
        }
    }
}
