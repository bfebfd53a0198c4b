//! What is known before the evaluation: which fields the rules read, and which values there can be.

use std::collections::{BTreeSet, HashMap, HashSet};

use packet_set::{Arena, Budget, Field, RangeSet};

use super::chain::{Engine, Phase, REPLY_OIF, REPLY_TYPE};
use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::marks::Marks;
use super::question::Packets;
use super::universe::Universe;
use crate::ir::{
    Assign, Cond, Family, FibAsk, Hook, NatKind, Pattern, Rule, Step, Table, ct_state, ct_status,
};
use crate::world::World;

/// Which packets the evaluation is about.
pub(super) struct Scope<'a> {
    pub(super) family: Family,
    pub(super) protocol: u8,
    /// Destination ports, or ICMP types, as the sender wrote them.
    pub(super) ports: RangeSet,
    pub(super) source_ports: RangeSet,
    /// Destinations, as the sender wrote them.
    pub(super) destinations: RangeSet,
    /// The host, where it is known.
    pub(super) world: Option<&'a World>,
    /// The interfaces that packets arrive on.
    pub(super) ways_in: RangeSet,
    /// The interfaces that packets leave by.
    pub(super) ways_out: RangeSet,
    pub(super) least_hop_limit: u8,
    pub(super) packet_types: RangeSet,
    /// What is looked at besides what the rules look at.
    pub(super) reads: Vec<Field>,
}

impl Scope<'_> {
    /// The packets of a question to a ruleset alone.
    pub(super) fn of(packets: &Packets) -> Self {
        let forwards = packets.hook == Hook::Forward;
        let any_port = RangeSet::from(0..=0xffff);
        Self {
            family: packets.family,
            protocol: packets.protocol,
            ports: RangeSet::one(packets.port.into()),
            source_ports: packets.source_port.map_or(any_port, |port| RangeSet::one(port.into())),
            destinations: RangeSet::from(0..=packets.family.max_address()),
            world: None,
            ways_in: Interfaces::present(),
            ways_out: Interfaces::present(),
            // What arrives with hop limit 0 is no business of a router.
            least_hop_limit: u8::from(forwards),
            packet_types: RangeSet::from(0..=2),
            reads: Vec::new(),
        }
    }
}

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
    originals: HashMap<Field, Vec<(u128, RangeSet)>>,
}

const ORIGINALS: [Field; 2] = [Field::ORIGINAL_DESTINATION, Field::ORIGINAL_DPORT];

fn looks(tables: &[&Table]) -> Looks {
    let mut found = Looks::default();
    found.patterns.insert(Pattern::Exact("lo".to_owned()));
    for cond in steps(tables).flat_map(conds) {
        cond.visit(&mut |part| match part {
            Cond::In(field, values) => {
                found.fields.insert(*field);
                if ORIGINALS.contains(field) {
                    found.originals.entry(*field).or_default().push((u128::MAX, values.clone()));
                }
            }
            Cond::Masked { field, mask, values } => {
                found.fields.insert(*field);
                if ORIGINALS.contains(field) {
                    found.originals.entry(*field).or_default().push((*mask, values.clone()));
                }
            }
            Cond::Tuple(fields, entries) => {
                found.fields.extend(fields.iter().copied());
                for (at, field) in fields.iter().enumerate().filter(|(_, f)| ORIGINALS.contains(f))
                {
                    let column = entries.iter().filter_map(|entry| entry.get(at).copied());
                    let column = (u128::MAX, column.collect());
                    found.originals.entry(*field).or_default().push(column);
                }
            }
            Cond::Interface(side, patterns) => {
                found.fields.insert(side.field());
                found.patterns.extend(patterns.iter().cloned());
            }
            Cond::Fib(fib) => {
                found.fields.insert(fib.address);
                found.fields.extend(fib.side.map(crate::ir::Side::field));
                if fib.with_mark {
                    found.fields.insert(Field::MARK);
                }
                if let FibAsk::Route(patterns) = &fib.asks {
                    found.patterns.extend(patterns.iter().cloned());
                }
            }
            _ => {}
        });
    }
    found
}

pub(super) fn engine<'a>(
    tables: Vec<&'a Table>,
    scope: &Scope<'a>,
    budget: Budget,
    doubts: Doubts,
) -> Engine<'a> {
    let mut looks = looks(&tables);
    looks.fields.extend(scope.reads.iter().copied());
    // A mark that is copied to a mark that is read is itself read.
    for _ in 0..2 {
        for step in steps(&tables) {
            if let Step::Set(field, Assign::Copy { from, .. }) = step
                && looks.fields.contains(field)
            {
                looks.fields.insert(*from);
            }
        }
    }
    let marks = Marks::new(steps(&tables));
    let anywhere = universe(&tables, scope, &marks, &doubts);
    let untracked = steps(&tables).any(|step| *step == Step::NoTrack);
    let mut universes = HashMap::new();
    for phase in Phase::ALL {
        universes.insert(phase, in_phase(phase, anywhere.clone(), scope, untracked));
    }
    let interfaces = match scope.world {
        Some(world) => Interfaces::of(world.links.iter().map(|link| link.name.as_str())),
        None => Interfaces::new(&looks.patterns),
    };
    Engine {
        arena: Arena::new(budget),
        interfaces,
        tables,
        family: scope.family,
        protocol: scope.protocol,
        world: scope.world,
        targets: None,
        doubts,
        marks,
        read: looks.fields,
        originals: looks.originals,
        phase: Phase::Raw,
        tracked_state: ct_state::NEW,
        universes,
        anywhere,
        unknown: BTreeSet::new(),
        summaries: HashMap::new(),
        changes: HashMap::new(),
        probes: HashMap::new(),
    }
}

/// The values that packets can have in one part of the path.
fn in_phase(phase: Phase, anywhere: Universe, scope: &Scope<'_>, untracked: bool) -> Universe {
    let mut own = anywhere;
    let mut states = vec![match phase {
        phase if phase.is_raw() => ct_state::INVALID,
        phase if phase.is_reply() => ct_state::ESTABLISHED,
        _ => ct_state::NEW,
    }];
    if !phase.is_raw() && ct_state::of_icmp_types(scope.family, scope.protocol).is_some() {
        states.extend([ct_state::INVALID, ct_state::UNTRACKED]);
    }
    if untracked {
        states.push(ct_state::UNTRACKED);
        // The reply to a packet that was not tracked.
        if phase.is_reply() {
            states.extend([ct_state::INVALID, ct_state::NEW]);
        }
    }
    own.limit(Field::CT_STATE, states.into_iter().map(|state| (state, state)).collect());
    let leaves = matches!(phase, Phase::Forward | Phase::Postrouting);
    let back = matches!(phase, Phase::BackRaw | Phase::Back | Phase::BackForward);
    let out = if leaves || back { scope.ways_out.clone() } else { RangeSet::one(Interfaces::NONE) };
    own.limit(Field::OIF, out);
    let reply_out = match phase {
        Phase::ReplyRaw | Phase::Reply | Phase::BackForward => scope.ways_out.clone(),
        _ => RangeSet::one(Interfaces::NONE),
    };
    own.limit(REPLY_OIF, reply_out);
    if matches!(phase, Phase::Raw | Phase::Prerouting) {
        own.limit(Field::DPORT, scope.ports.clone());
        own.limit(Field::DESTINATION, scope.destinations.clone());
        own.limit(Field::CT_STATUS, RangeSet::one(0));
    }
    if phase.is_reply() {
        // SYN and ACK (RFC 9293, 3.5).
        own.limit(Field::TCP_FLAGS, RangeSet::one(if scope.protocol == 6 { 0x12 } else { 0 }));
        own.limit(Field::PACKET_TYPE, RangeSet::one(0));
        own.limit(Field::MAC_SOURCE, RangeSet::from(0..=(1 << 48) - 1));
    }
    own
}

/// The values that the packets can have, translated ones included.
fn universe(tables: &[&Table], scope: &Scope<'_>, marks: &Marks, doubts: &Doubts) -> Universe {
    let mut own = Universe::default();
    let mut ports: Vec<_> = scope.ports.iter().collect();
    let mut destinations: Vec<_> = scope.destinations.iter().collect();
    let mut statuses = vec![(0, 0)];
    for step in steps(tables) {
        let Step::Translate(list) = step else { continue };
        for (_, nat) in list.iter().filter(|(_, nat)| nat.kind == NatKind::Destination) {
            ports.extend(nat.port.map(|(lo, hi)| (lo.into(), hi.into())));
            destinations.extend(nat.address);
            statuses.push((ct_status::DNAT, ct_status::DNAT));
        }
    }
    let any_address = RangeSet::from(0..=scope.family.max_address());
    own.limit(Field::FAMILY, RangeSet::one(scope.family.value()));
    own.limit(Field::SOURCE, any_address.clone());
    own.limit(Field::DESTINATION, RangeSet::of(destinations).intersection(&any_address));
    own.limit(Field::PROTOCOL, RangeSet::one(scope.protocol.into()));
    own.limit(Field::DPORT, RangeSet::of(ports));
    own.limit(Field::ORIGINAL_DPORT, scope.ports.clone());
    own.limit(Field::ORIGINAL_DESTINATION, scope.destinations.clone());
    own.limit(Field::SPORT, scope.source_ports.clone());
    own.limit(Field::CT_STATUS, RangeSet::of(statuses));
    own.limit(Field::CT_DIRECTION, RangeSet::one(0));
    let extensions = u128::from(scope.family == Family::Ipv6);
    own.limit(Field::EXTENSIONS, RangeSet::from(0..=extensions));
    own.limit(Field::MARK, marks.ranges(Field::MARK));
    own.limit(Field::CT_MARK, marks.ranges(Field::CT_MARK));
    own.limit(Field::IIF, scope.ways_in.clone());
    own.limit(Field::MAC_SOURCE, RangeSet::from(0..=(1 << 48) - 1));
    own.limit(Field::HOP_LIMIT, RangeSet::from(u128::from(scope.least_hop_limit)..=255));
    own.limit(Field::DSCP, RangeSet::from(0..=63));
    own.limit(Field::LENGTH, RangeSet::from(0..=0xffff));
    own.limit(Field::PACKET_TYPE, scope.packet_types.clone());
    // SYN and nothing else opens a TCP connection (RFC 9293, 3.5); other protocols have no flags.
    own.limit(Field::TCP_FLAGS, RangeSet::one(if scope.protocol == 6 { 0x02 } else { 0 }));
    own.limit(Field::ICMP_CODE, RangeSet::from(0..=255));
    // Of echo replies (RFC 792, RFC 4443, 4.2).
    let echo_reply = if scope.family == Family::Ipv4 { 0 } else { 129 };
    own.limit(REPLY_TYPE, RangeSet::one(echo_reply));
    for field in doubts.fields() {
        own.limit(field, RangeSet::all());
    }
    own
}
