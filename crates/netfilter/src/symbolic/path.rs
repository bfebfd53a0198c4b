//! The path of a packet through the hooks: which base chains it passes, in which order.

use std::collections::{BTreeSet, HashMap, HashSet};

use packet_set::{Arena, Budget, Diagram, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{ChainId, Engine, Follows, Phase};
use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::marks::Marks;
use super::outcome::{ACCEPT, DROP, Outcome};
use super::universe::Universe;
use crate::concrete::Packet;
use crate::ir::{
    Assign, ChainKind, Cond, Family, Hook, NatKind, Note, Pattern, Rule, Ruleset, Step, Table,
    ct_state, ct_status,
};

/// NF_IP_PRI_CONNTRACK (linux/netfilter_ipv4.h): where connection tracking looks at a packet.
const CONNTRACK_PRIORITY: i32 = -200;

/// The packets that are asked about: first packets of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Family.
    pub family: Family,
    /// To this host or through it.
    pub hook: Hook,
    /// Transport protocol.
    pub protocol: u8,
    /// Destination port, as the sender wrote it.
    pub port: u16,
    /// Source port; none: any.
    pub source_port: Option<u16>,
}

/// The answer: a diagram over [`Field::SOURCE`] and [`Field::DESTINATION`].
pub struct Evaluation {
    /// Holds the diagrams.
    pub arena: Arena,
    /// Source and destination, every other field left open: what may happen on some interface,
    /// with some source port, whatever we did not understand. Destination means the address that
    /// the sender wrote.
    pub rights: Diagram,
    /// The same with every field: interfaces, source port and so on.
    pub details: Diagram,
    /// What was not understood on the way and can matter for these packets.
    pub unknown: Vec<Note>,
    interfaces: Interfaces,
    packets: Packets,
}

impl Evaluation {
    /// A packet for which this outcome is possible: always the same one, with the smallest
    /// addresses, on the first interface. None if there is none.
    #[must_use]
    pub fn witness(&self, outcome: Outcome) -> Option<Packet> {
        let path = self.arena.witness(self.details, |leaf| leaf.meets(outcome.leaf()))?;
        let value = |field: Field| path.iter().find(|(known, _)| *known == field).map(|(_, v)| *v);
        let small = |field: Field| value(field).and_then(|value| u16::try_from(value).ok());
        let byte = |field: Field| value(field).and_then(|value| u8::try_from(value).ok());
        let asked = &self.packets;
        let usual = 49152;
        let sport = small(Field::SPORT).or(asked.source_port).unwrap_or(usual);
        let iif = self.interfaces.name(value(Field::IIF).unwrap_or(u128::MAX))?;
        let mut packet = Packet::arriving(
            asked.family,
            asked.protocol,
            (value(Field::SOURCE).unwrap_or(0), sport),
            (value(Field::DESTINATION).unwrap_or(0), asked.port),
            &iif,
        );
        if asked.hook == Hook::Forward {
            packet.oif = self.interfaces.name(value(Field::OIF).unwrap_or(u128::MAX))?;
        }
        packet.mac_source = value(Field::MAC_SOURCE).unwrap_or(packet.mac_source);
        packet.icmp_code = byte(Field::ICMP_CODE).unwrap_or(packet.icmp_code);
        packet.length = small(Field::LENGTH).unwrap_or(packet.length);
        packet.hop_limit = byte(Field::HOP_LIMIT).unwrap_or(packet.hop_limit);
        packet.dscp = byte(Field::DSCP).unwrap_or(packet.dscp);
        packet.packet_type = byte(Field::PACKET_TYPE).unwrap_or(packet.packet_type);
        Some(packet)
    }
}

/// A base chain on the path, or connection tracking.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Chain { id: ChainId, phase: Phase },
    ConnectionTracking,
}

/// Evaluates the path of these packets, each base chain of every table of the family.
///
/// What is assumed of the packets: they arrive with marks 0, are whole and well-formed, for TCP a
/// SYN, the first of a connection that nothing expected; and they reach the hook (no routing).
pub fn evaluate(
    ruleset: &Ruleset,
    packets: &Packets,
    budget: Budget,
) -> Result<Evaluation, EvaluateError> {
    let tables: Vec<&Table> =
        ruleset.tables.iter().filter(|table| table.family.sees(packets.family)).collect();
    let doubts = Doubts::new(steps(&tables).flat_map(conds));
    let is_related = !doubts.fields().is_empty();
    match evaluate_with(ruleset, &tables, packets, budget, doubts) {
        // Taking unknown conditions as unrelated is less exact, and cheaper.
        Err(EvaluateError::Exceeded(_)) if is_related => {
            evaluate_with(ruleset, &tables, packets, budget, Doubts::default())
        }
        result => result,
    }
}

fn evaluate_with(
    ruleset: &Ruleset,
    tables: &[&Table],
    packets: &Packets,
    budget: Budget,
    doubts: Doubts,
) -> Result<Evaluation, EvaluateError> {
    let mut engine = engine(tables.to_vec(), packets, budget, doubts);
    let stages = stages(&engine.tables, packets.hook);
    for stage in &stages {
        if let Stage::Chain { id, .. } = stage {
            engine.changes(*id, &mut Vec::new())?;
        }
    }
    let mut answer = Diagram::constant(ACCEPT);
    for stage in stages.iter().rev() {
        answer = match stage {
            Stage::ConnectionTracking => engine.track(answer)?,
            Stage::Chain { id, phase } => engine.base_chain(*id, *phase, answer)?,
        };
    }
    answer = engine.before_everything(ruleset, packets, answer)?;
    let details = engine.ask(packets, answer)?;
    let rights = engine.arena.project_after(details, Field::DESTINATION)?;
    Ok(Evaluation {
        arena: engine.arena,
        rights,
        details,
        unknown: engine.unknown.into_iter().collect(),
        interfaces: engine.interfaces,
        packets: packets.clone(),
    })
}

fn rules<'a>(tables: &'a [&'a Table]) -> impl Iterator<Item = &'a Rule> {
    tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
}

fn steps<'a>(tables: &'a [&'a Table]) -> impl Iterator<Item = &'a Step> {
    rules(tables).flat_map(|rule| &rule.steps)
}

/// Every condition of a step.
fn conds(step: &Step) -> Vec<&Cond> {
    match step {
        Step::If(cond) => vec![cond],
        Step::Select(list) => list.iter().map(|(cond, _)| cond).collect(),
        Step::Translate(list) => list.iter().map(|(cond, _)| cond).collect(),
        Step::Set(..) | Step::NoTrack => Vec::new(),
    }
}

/// What the rules look at, all of it.
#[derive(Default)]
struct Looks {
    fields: HashSet<Field>,
    patterns: BTreeSet<Pattern>,
    originals: Vec<RangeSet>,
}

fn looks(tables: &[&Table]) -> Looks {
    let mut found = Looks::default();
    found.patterns.insert(Pattern::Exact("lo".to_owned()));
    for cond in steps(tables).flat_map(conds) {
        cond.visit(&mut |part| match part {
            Cond::In(field, values) | Cond::Masked { field, values, .. } => {
                found.fields.insert(*field);
                if *field == Field::ORIGINAL_DESTINATION {
                    found.originals.push(values.clone());
                }
            }
            Cond::Tuple(fields, entries) => {
                found.fields.extend(fields.iter().copied());
                let original = fields.iter().position(|f| *f == Field::ORIGINAL_DESTINATION);
                if let Some(at) = original {
                    let columns = entries.iter().filter_map(|entry| entry.get(at).copied());
                    found.originals.push(columns.collect());
                }
            }
            Cond::Interface(side, patterns) => {
                found.fields.insert(side.field());
                found.patterns.extend(patterns.iter().cloned());
            }
            _ => {}
        });
    }
    // A mark that is copied to a mark that is read is itself read.
    for _ in 0..2 {
        for step in steps(tables) {
            if let Step::Set(field, Assign::Copy { from, .. }) = step
                && found.fields.contains(field)
            {
                found.fields.insert(*from);
            }
        }
    }
    found
}

fn engine<'a>(
    tables: Vec<&'a Table>,
    packets: &Packets,
    budget: Budget,
    doubts: Doubts,
) -> Engine<'a> {
    let looks = looks(&tables);
    let marks = Marks::new(steps(&tables));
    let anywhere = universe(&tables, packets, &marks, &doubts);
    let untracked = steps(&tables).any(|step| *step == Step::NoTrack);
    let mut universes = HashMap::new();
    let phases =
        [Phase::Raw, Phase::Prerouting, Phase::Translated, Phase::Middle, Phase::Postrouting];
    for phase in phases {
        let mut own = anywhere.clone();
        let tracked = if phase == Phase::Raw { ct_state::INVALID } else { ct_state::NEW };
        let mut states = vec![(tracked, tracked)];
        if untracked {
            states.push((ct_state::UNTRACKED, ct_state::UNTRACKED));
        }
        own.limit(Field::CT_STATE, RangeSet::of(states));
        let leaves = match phase {
            Phase::Raw | Phase::Prerouting | Phase::Translated => false,
            Phase::Middle => packets.hook == Hook::Forward,
            Phase::Postrouting => true,
        };
        let out = if leaves { Interfaces::present() } else { RangeSet::one(Interfaces::NONE) };
        own.limit(Field::OIF, out);
        if matches!(phase, Phase::Raw | Phase::Prerouting) {
            own.limit(Field::DPORT, RangeSet::one(packets.port.into()));
            own.limit(Field::CT_STATUS, RangeSet::one(0));
        }
        universes.insert(phase, own);
    }
    Engine {
        arena: Arena::new(budget),
        interfaces: Interfaces::new(&looks.patterns),
        tables,
        family: packets.family,
        forwards: packets.hook == Hook::Forward,
        doubts,
        marks,
        read: looks.fields,
        original_sets: looks.originals,
        phase: Phase::Raw,
        universes,
        anywhere,
        unknown: BTreeSet::new(),
        summaries: HashMap::new(),
        changes: HashMap::new(),
    }
}

/// The values that the packets can have, translated ones included.
fn universe(tables: &[&Table], packets: &Packets, marks: &Marks, doubts: &Doubts) -> Universe {
    let mut own = Universe::default();
    let mut ports = vec![(u128::from(packets.port), u128::from(packets.port))];
    let mut statuses = vec![(0, 0)];
    for step in steps(tables) {
        let Step::Translate(list) = step else { continue };
        for (_, nat) in list.iter().filter(|(_, nat)| nat.kind == NatKind::Destination) {
            ports.extend(nat.port.map(|(lo, hi)| (lo.into(), hi.into())));
            statuses.push((ct_status::DNAT, ct_status::DNAT));
        }
    }
    own.limit(Field::FAMILY, RangeSet::one(packets.family.value()));
    own.limit(Field::SOURCE, RangeSet::from(0..=packets.family.max_address()));
    own.limit(Field::DESTINATION, RangeSet::from(0..=packets.family.max_address()));
    own.limit(Field::PROTOCOL, RangeSet::one(packets.protocol.into()));
    own.limit(Field::DPORT, RangeSet::of(ports));
    own.limit(Field::ORIGINAL_DPORT, RangeSet::one(packets.port.into()));
    own.limit(Field::ORIGINAL_DESTINATION, RangeSet::from(0..=packets.family.max_address()));
    let any_port = RangeSet::from(0..=0xffff);
    own.limit(Field::SPORT, packets.source_port.map_or(any_port, |p| RangeSet::one(p.into())));
    own.limit(Field::CT_STATUS, RangeSet::of(statuses));
    own.limit(Field::MARK, marks.ranges(Field::MARK));
    own.limit(Field::CT_MARK, marks.ranges(Field::CT_MARK));
    own.limit(Field::IIF, Interfaces::present());
    own.limit(Field::MAC_SOURCE, RangeSet::from(0..=(1 << 48) - 1));
    // What arrives with the last hop limit is not forwarded; with 0, nothing arrives at a router.
    let least = u128::from(packets.hook == Hook::Forward);
    own.limit(Field::HOP_LIMIT, RangeSet::from(least..=255));
    own.limit(Field::DSCP, RangeSet::from(0..=63));
    own.limit(Field::LENGTH, RangeSet::from(0..=0xffff));
    own.limit(Field::PACKET_TYPE, RangeSet::from(0..=2));
    // SYN and nothing else opens a TCP connection (RFC 9293, 3.5); other protocols have no flags.
    own.limit(Field::TCP_FLAGS, RangeSet::one(if packets.protocol == 6 { 0x02 } else { 0 }));
    own.limit(Field::ICMP_CODE, RangeSet::from(0..=255));
    for field in doubts.fields() {
        own.limit(field, RangeSet::all());
    }
    own
}

/// The base chains on the way to the hook and, for forwarded packets, out again.
fn stages(tables: &[&Table], hook: Hook) -> Vec<Stage> {
    let mut hooks = vec![Hook::Prerouting, hook];
    if hook == Hook::Forward {
        hooks.push(Hook::Postrouting);
    }
    let mut list = Vec::new();
    for here in hooks {
        let mut chains = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            for (number, chain) in table.chains.iter().enumerate() {
                if let Some(base) = chain.base.as_ref().filter(|base| base.hook == here) {
                    chains.push((base.priority, (at, number)));
                }
            }
        }
        // A stable sort: chains of one priority run in the order of their registration.
        chains.sort_by_key(|(priority, _)| *priority);
        let mut tracked = here != Hook::Prerouting;
        let mut translated = false;
        for (priority, id) in chains {
            if !tracked && priority >= CONNTRACK_PRIORITY {
                list.push(Stage::ConnectionTracking);
                tracked = true;
            }
            let phase = match here {
                Hook::Prerouting if !tracked => Phase::Raw,
                Hook::Prerouting if translated => Phase::Translated,
                Hook::Prerouting => Phase::Prerouting,
                Hook::Postrouting => Phase::Postrouting,
                _ => Phase::Middle,
            };
            list.push(Stage::Chain { id, phase });
            let chain = tables.get(id.0).and_then(|table| table.chains.get(id.1));
            let base = chain.and_then(|chain| chain.base.as_ref());
            translated |= base.is_some_and(|base| base.kind == ChainKind::Nat);
        }
        if !tracked {
            list.push(Stage::ConnectionTracking);
        }
    }
    list
}

impl Engine<'_> {
    fn base_chain(
        &mut self,
        id: ChainId,
        phase: Phase,
        next: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        self.phase = phase;
        let chain = self.tables.get(id.0).and_then(|table| table.chains.get(id.1));
        let Some(base) = chain.and_then(|chain| chain.base.as_ref()) else { return Ok(next) };
        let (drops, kind, hook) = (base.drops, base.kind, base.hook);
        let returned = if drops { Diagram::constant(DROP) } else { next };
        let answer = self.enter(id, Follows { accepted: next, returned })?;
        if kind != ChainKind::Nat {
            return Ok(answer);
        }
        // Translations see tracked packets only (nf_nat_core.c, nf_nat_inet_fn), and once the
        // destination is translated no second nat chain is asked.
        let mut passes = vec![(Field::CT_STATE, ct_state::UNTRACKED)];
        if hook == Hook::Prerouting {
            passes.push((Field::CT_STATUS, ct_status::DNAT));
        }
        let mut all = answer;
        for (field, value) in passes {
            if self.universe().of(field).is_some_and(|set| set.contains(value) && set.len() > 1) {
                let guard =
                    self.arena.field_in(field, &RangeSet::one(value), Leaf::IN, Leaf::NONE)?;
                all = self.where_holds(guard, next, all)?;
            }
        }
        Ok(all)
    }

    /// What runs before the first hook, and what was not understood outside of rules.
    fn before_everything(
        &mut self,
        ruleset: &Ruleset,
        packets: &Packets,
        answer: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        let perhaps_dropped =
            |engine: &mut Self, answer| engine.arena.either(answer, Diagram::constant(DROP));
        let mut answer = answer;
        for table in &ruleset.tables {
            for chain in &table.chains {
                let is_ingress = chain.base.as_ref().is_some_and(|base| base.hook == Hook::Ingress);
                let idle = chain.rules.is_empty() && chain.base.as_ref().is_none_or(|b| !b.drops);
                if is_ingress && !idle {
                    answer = perhaps_dropped(self, answer)?;
                    let what = format!("{}: an ingress chain", table.chain_name(chain));
                    self.unknown.insert(Note { place: chain.place.clone(), what });
                }
            }
        }
        for note in &ruleset.notes {
            // Anything may be missing: nothing is certain.
            let any = Diagram::constant(ACCEPT.or(DROP));
            answer = self.arena.either(answer, any)?;
            self.unknown.insert(note.clone());
        }
        let _ = packets;
        Ok(answer)
    }

    /// Fixes how the packets arrive, and leaves out those that there cannot be.
    fn ask(&mut self, packets: &Packets, answer: Diagram) -> Result<Diagram, EvaluateError> {
        let mut answer = self.arrive(answer)?;
        for (field, value) in [
            (Field::MARK, 0),
            (Field::CT_MARK, 0),
            (Field::CT_STATE, ct_state::INVALID),
            (Field::CT_STATUS, 0),
            (Field::DPORT, packets.port.into()),
        ] {
            answer = self.arena.restrict(answer, field, value)?;
        }
        self.phase = if packets.hook == Hook::Forward { Phase::Postrouting } else { Phase::Raw };
        for (field, values) in self.universe().open_fields() {
            if field > Field::DESTINATION && self.read.contains(&field) {
                let guard = self.arena.field_in(field, &values, Leaf::IN, Leaf::EMPTY)?;
                answer = self.arena.intersection(guard, answer)?;
            }
        }
        answer = self.on_loopback(answer, Field::IIF, Field::SOURCE)?;
        if packets.hook == Hook::Forward {
            answer = self.on_loopback(answer, Field::OIF, Field::DESTINATION)?;
        }
        Ok(answer)
    }

    /// Leaves out packets on `lo` with other than loopback addresses: those come from this host,
    /// and which addresses it has a ruleset does not say.
    fn on_loopback(
        &mut self,
        answer: Diagram,
        interface: Field,
        address: Field,
    ) -> Result<Diagram, EvaluateError> {
        if !self.read.contains(&interface) {
            return Ok(answer);
        }
        let lo = self.interfaces.matching(&Pattern::Exact("lo".to_owned()));
        let (first, last) = self.family.loopback();
        let elsewhere = self.arena.field_in(interface, &lo, Leaf::EMPTY, Leaf::IN)?;
        let own = RangeSet::from(first..=last);
        let own = self.arena.field_in(address, &own, Leaf::IN, Leaf::NONE)?;
        let possible = self.arena.over(own, elsewhere)?;
        Ok(self.arena.intersection(possible, answer)?)
    }
}
