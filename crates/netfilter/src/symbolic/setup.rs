//! What is known before the evaluation: which fields the rules read, and which values there can be.

use std::collections::{BTreeSet, HashMap, HashSet};

use packet_set::{Arena, Budget, Field, RangeSet};

use super::chain::{Engine, Phase};
use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::marks::Marks;
use super::question::Packets;
use super::universe::Universe;
use crate::ir::{Assign, Cond, Hook, NatKind, Pattern, Rule, Step, Table, ct_state, ct_status};

fn rules<'a>(tables: &'a [&'a Table]) -> impl Iterator<Item = &'a Rule> {
    tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
}

pub(super) fn steps<'a>(tables: &'a [&'a Table]) -> impl Iterator<Item = &'a Step> {
    rules(tables).flat_map(|rule| &rule.steps)
}

/// Every condition of a step.
pub(super) fn conds(step: &Step) -> Vec<&Cond> {
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

pub(super) fn engine<'a>(
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
