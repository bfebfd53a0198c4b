//! The whole path of packets that arrive at a known host: every hook, routing, and the way of the
//! reply.

use packet_set::{Budget, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::answer::Arrivals;
use super::chain::{Engine, Phase, TARGET};
use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::outcome::{ACCEPT, DROP, ELSEWHERE, MARTIAN, NO_ROUTE, UNANSWERED, rejected};
use super::path::{Phases, hook_stages};
use super::route::{Lookup, Says};
use super::setup::{Scope, conds, engine, steps};
use crate::ir::{
    Chain, ChainKind, Family, Hook, NatKind, Note, Reject, Ruleset, Step, Table, TableFamily,
    ct_state, ct_status,
};
use crate::world::{Kind, Way, World};

/// The packets that are asked about: first packets of connections from elsewhere, of one family and
/// protocol, to many ports at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Family.
    pub family: Family,
    /// Transport protocol (IPPROTO_*).
    pub protocol: u8,
    /// Destination ports as the sender writes them; ICMP types; 0 for protocols without either.
    pub ports: RangeSet,
    /// Destinations as the sender writes them, usually [`World::reachable_addresses`], and those of
    /// containers that hosts on the link may write.
    pub destinations: RangeSet,
}

impl Asked {
    /// Whether anything comes about only if the reply arrives: TCP, DCCP and SCTP.
    pub(super) const fn needs_reply(&self) -> bool {
        matches!(self.protocol, 6 | 33 | 132)
    }

    /// Whether replies go to the port that the packet came from.
    const fn has_ports(&self) -> bool {
        matches!(self.protocol, 6 | 17 | 33 | 132 | 136)
    }
}

/// Evaluates the whole path of these packets at this host.
///
/// What is assumed of the packets is what [`evaluate`](super::evaluate) assumes; they arrive on any
/// interface but the loopback. A packet is accepted when it is delivered to a socket of this host, or
/// leaves by an interface. The socket itself is not asked.
///
/// # Errors
/// The rules need more than the budget, or contradict themselves.
pub fn arrivals(
    ruleset: &Ruleset,
    world: &World,
    asked: &Asked,
    budget: Budget,
) -> Result<Arrivals, EvaluateError> {
    let tables: Vec<&Table> =
        ruleset.tables.iter().filter(|table| table.family.sees(asked.family)).collect();
    let doubts = Doubts::new(steps(&tables).flat_map(conds), true);
    let is_related = !doubts.fields().is_empty();
    match arrivals_with(ruleset, &tables, world, asked, budget, doubts) {
        // Taking unknown conditions as unrelated is less exact, and cheaper.
        Err(EvaluateError::Exceeded(_)) if is_related => {
            arrivals_with(ruleset, &tables, world, asked, budget, Doubts::default())
        }
        result => result,
    }
}

fn arrivals_with(
    ruleset: &Ruleset,
    tables: &[&Table],
    world: &World,
    asked: &Asked,
    budget: Budget,
    doubts: Doubts,
) -> Result<Arrivals, EvaluateError> {
    let numbers = |wanted: &dyn Fn(&str) -> bool| -> RangeSet {
        (1_u128..)
            .zip(&world.links)
            .filter(|(_, link)| wanted(&link.name))
            .map(|(number, _)| (number, number))
            .collect()
    };
    let ways_in = world.ways_in(asked.family);
    let broadcast = world.broadcast_addresses(asked.family);
    let multicast = multicast(asked.family);
    let is_to_many = |set: &RangeSet| !set.intersection(&asked.destinations).is_empty();
    let reads_marks = world.routing(asked.family).rules.iter().any(|rule| rule.mark.is_some());
    let mut reads = vec![Field::SOURCE, Field::DESTINATION, Field::IIF, Field::OIF, Field::DPORT];
    reads.extend(reads_marks.then_some(Field::MARK));
    let scope = Scope {
        family: asked.family,
        protocol: asked.protocol,
        ports: asked.ports.clone(),
        source_ports: RangeSet::from(0..=0xffff),
        destinations: asked.destinations.clone(),
        world: Some(world),
        ways_in: numbers(&|name| ways_in.contains(&name)),
        ways_out: numbers(&|_| true),
        least_hop_limit: 0,
        // What is addressed to this host is delivered to it as such.
        packet_types: if is_to_many(&broadcast) || is_to_many(&multicast) {
            RangeSet::from(0..=2)
        } else {
            RangeSet::one(0)
        },
        reads,
    };
    let mut engine = engine(tables.to_vec(), &scope, budget, doubts);
    let translates = |step: &&Step| match step {
        Step::Translate(list) => list.iter().any(|(_, nat)| nat.kind == NatKind::Destination),
        _ => false,
    };
    if steps(tables).any(|step| translates(&step)) {
        engine.targets = Some(Vec::new());
    }
    let after = engine.after_prerouting(world, asked)?;
    let stages = hook_stages(&engine.tables, Hook::Prerouting, Phases::PREROUTING);
    let mut answer = engine.pass(&stages, after)?;
    if asked.family == Family::Ipv6 {
        let unroutable = engine.unroutable()?;
        answer = engine.arena.intersection(unroutable, answer)?;
    }
    answer = engine.among_strangers(world, asked, answer)?;
    answer = engine.outside(ruleset, answer)?;
    if !world.doubts.is_empty() {
        answer = engine.arena.either(answer, Diagram::constant(ACCEPT.or(DROP)))?;
        engine.unknown.extend(world.doubts.iter().cloned());
    }
    let details = engine.arriving(world, &scope, answer)?;
    Arrivals::new(engine, world, asked.clone(), details)
}

/// The groups' addresses.
fn multicast(family: Family) -> RangeSet {
    match family {
        Family::Ipv4 => RangeSet::from(0xe000_0000..=0xefff_ffff),
        Family::Ipv6 => RangeSet::from(0xff << 120..=u128::MAX),
    }
}

/// Delivered to this host.
const LOCAL: Leaf = Leaf::outcome(1);
/// The same, as one of many.
const TO_MANY: Leaf = Leaf::outcome(2);
/// To a group, of which this host may be a member.
const TO_GROUP: Leaf = Leaf::outcome(13);
/// Leaves by the interface.
const OUT: Leaf = Leaf::IN;
const UNREACHABLE: Leaf = rejected(Reject::Unreachable);
const PROHIBITED: Leaf = rejected(Reject::Prohibited);

/// The routing decision, for each interface that the packet is asked to leave by.
struct Decides;

impl Says for Decides {
    fn way(&self, engine: &mut Engine<'_>, way: &Way) -> Result<Diagram, Exceeded> {
        let leaf = match way.kind {
            Kind::Unicast => {
                let out = engine.link_numbers(&way.links);
                // Which of several it is we cannot tell.
                let there = if way.links.len() > 1 { OUT.or(ELSEWHERE) } else { OUT };
                return engine.arena.field_in(Field::OIF, &out, there, ELSEWHERE);
            }
            Kind::Throw => return Ok(Diagram::constant(Leaf::NONE)),
            Kind::Blackhole | Kind::Unreachable | Kind::Prohibit | Kind::Other => {
                return Ok(self.nowhere(way.kind));
            }
            Kind::Local | Kind::Anycast => LOCAL,
            Kind::Broadcast => TO_MANY,
            Kind::Multicast => TO_GROUP,
        };
        engine.here(leaf)
    }

    fn nowhere(&self, kind: Kind) -> Diagram {
        Diagram::constant(match kind {
            Kind::Blackhole => NO_ROUTE,
            Kind::Prohibit => PROHIBITED,
            Kind::Other => LOCAL.or(NO_ROUTE).or(ELSEWHERE),
            _ => UNREACHABLE,
        })
    }
}

impl Engine<'_> {
    /// This outcome for packets that are asked to stay here.
    fn here(&mut self, leaf: Leaf) -> Result<Diagram, Exceeded> {
        let none = RangeSet::one(Interfaces::NONE);
        self.arena.field_in(Field::OIF, &none, leaf, ELSEWHERE)
    }

    /// What happens to packets that have passed prerouting: routed, then INPUT or FORWARD, then the
    /// reply.
    fn after_prerouting(&mut self, world: &World, asked: &Asked) -> Result<Diagram, EvaluateError> {
        let valid = match asked.family {
            Family::Ipv4 => {
                self.phase = Phase::Translated;
                Some(self.valid_source(world)?)
            }
            Family::Ipv6 => None,
        };
        let (mut input, mut forward) = (self.input(world, asked)?, self.forward(world, asked)?);
        if let Some(valid) = valid {
            input = self.arena.intersection(valid, input)?;
            forward = self.arena.intersection(valid, forward)?;
        }
        self.phase = Phase::Translated;
        let decided = self.decision(world)?;
        let mut answer = self.arena.substitute(decided, OUT, forward)?;
        answer = self.arena.substitute(answer, LOCAL, input)?;
        answer = self.arena.substitute(answer, TO_MANY, input)?;
        if self.arena.outcomes(answer).meets(TO_GROUP) {
            // Which groups this host has joined is not read.
            let member = self.arena.either(input, Diagram::constant(DROP))?;
            answer = self.arena.substitute(answer, TO_GROUP, member)?;
        }
        if asked.family == Family::Ipv4 {
            let martians = self.martians(world)?;
            answer = self.arena.intersection(martians, answer)?;
        }
        if self.targets.is_some() {
            // Those that are asked to take no translation take none.
            let plain = RangeSet::one(0);
            let plain = self.arena.field_in(TARGET, &plain, Leaf::IN, ELSEWHERE)?;
            let plain = self.arena.intersection(plain, answer)?;
            let status = RangeSet::one(ct_status::DNAT);
            let guard = self.arena.field_in(Field::CT_STATUS, &status, Leaf::IN, Leaf::NONE)?;
            answer = self.where_holds(guard, answer, plain)?;
        }
        Ok(answer)
    }

    fn input(&mut self, world: &World, asked: &Asked) -> Result<Diagram, EvaluateError> {
        let answered = if asked.has_ports() {
            self.reply_from_here(world)?
        } else {
            Diagram::constant(ACCEPT)
        };
        let stages = hook_stages(&self.tables, Hook::Input, Phases::all(Phase::Input));
        if !self.translates_source(Hook::Input) {
            return self.pass(&stages, answered);
        }
        // The reply goes to the source before its translation.
        let answer = self.pass(&stages, Diagram::constant(ACCEPT))?;
        Ok(self.arena.substitute(answer, ACCEPT, answered)?)
    }

    fn translates_source(&self, hook: Hook) -> bool {
        self.tables.iter().flat_map(|table| &table.chains).any(|chain| {
            let base = chain.base.as_ref();
            base.is_some_and(|base| base.hook == hook && base.kind == ChainKind::Nat)
                && !chain.rules.is_empty()
        })
    }

    fn forward(&mut self, world: &World, asked: &Asked) -> Result<Diagram, EvaluateError> {
        let answered =
            if asked.has_ports() { self.reply_through(world)? } else { Diagram::constant(ACCEPT) };
        let stages = hook_stages(&self.tables, Hook::Postrouting, Phases::all(Phase::Postrouting));
        // The reply goes to the source before its translation.
        let answer = self.pass(&stages, Diagram::constant(ACCEPT))?;
        let answer = self.arena.substitute(answer, ACCEPT, answered)?;
        let stages = hook_stages(&self.tables, Hook::Forward, Phases::all(Phase::Forward));
        let mut answer = self.pass(&stages, answer)?;
        if asked.family == Family::Ipv6 {
            // Not beyond the link (ip6_output.c, ip6_forward): ICMPV6_NOT_NEIGHBOUR.
            let link_local = RangeSet::from(0xfe80 << 112..=(0xfec0 << 112) - 1);
            for (from, leaf) in [(link_local, UNREACHABLE), (RangeSet::one(0), MARTIAN)] {
                let guard = self.arena.field_in(Field::SOURCE, &from, Leaf::IN, Leaf::NONE)?;
                answer = self.where_holds(guard, Diagram::constant(leaf), answer)?;
            }
        }
        Ok(answer)
    }

    /// The routing decision; [`OUT`] and others stand for what follows.
    fn decision(&mut self, world: &World) -> Result<Diagram, Exceeded> {
        let found = self.look_up(world, &Lookup::ARRIVAL, &Decides)?;
        match self.family {
            Family::Ipv6 if world.forwards_six => Ok(found),
            Family::Ipv6 => self.arena.map_leaves(found, |leaf| no_router(leaf, OUT)),
            Family::Ipv4 => {
                let all = RangeSet::one(u32::MAX.into());
                let guard = self.arena.field_in(Field::DESTINATION, &all, Leaf::IN, Leaf::NONE)?;
                let to_all = self.here(TO_MANY)?;
                let found = self.where_holds(guard, to_all, found)?;
                let guard = self.arena.field_in(
                    Field::DESTINATION,
                    &multicast(Family::Ipv4),
                    Leaf::IN,
                    Leaf::NONE,
                )?;
                let to_group = self.here(TO_GROUP)?;
                let found = self.where_holds(guard, to_group, found)?;
                // A host that is no router says nothing (route.c, ip_error).
                let silent = self.arena.map_leaves(found, |leaf| {
                    no_router(leaf, OUT.or(UNREACHABLE).or(PROHIBITED))
                })?;
                let routers: Vec<u32> = world
                    .links
                    .iter()
                    .filter(|link| link.conf.forwarding)
                    .map(|link| link.index)
                    .collect();
                let routers = self.link_numbers(&routers);
                self.either_by(Field::IIF, &routers, found, silent)
            }
        }
    }

    /// One diagram for some values of a field, the other for the rest.
    pub(super) fn either_by(
        &mut self,
        field: Field,
        values: &RangeSet,
        inside: Diagram,
        outside: Diagram,
    ) -> Result<Diagram, Exceeded> {
        let guard = self.arena.field_in(field, values, Leaf::IN, Leaf::NONE)?;
        self.where_holds(guard, inside, outside)
    }

    /// What stands before the first hook and after the last, and is not evaluated: chains of devices
    /// and bridges, and what was not understood outside of rules.
    fn outside(&mut self, ruleset: &Ruleset, answer: Diagram) -> Result<Diagram, EvaluateError> {
        let mut answer = answer;
        for table in &ruleset.tables {
            for chain in &table.chains {
                let Some((field, links, leaf)) = self.is_outside(table, chain) else { continue };
                if links.is_empty() {
                    continue;
                }
                let perhaps = self.arena.either(answer, Diagram::constant(leaf))?;
                answer = self.either_by(field, &links, perhaps, answer)?;
                let what = format!("{}: a chain of a device or bridge", table.chain_name(chain));
                self.unknown.insert(Note { place: chain.place.clone(), what });
            }
        }
        for note in &ruleset.notes {
            // Anything may be missing: nothing is certain.
            let any = Diagram::constant(ACCEPT.or(DROP));
            answer = self.arena.either(answer, any)?;
            self.unknown.insert(note.clone());
        }
        Ok(answer)
    }

    /// Where a chain that is not evaluated can stand in the way: which interfaces, and what becomes of
    /// packets there.
    fn is_outside(&self, table: &Table, chain: &Chain) -> Option<(Field, RangeSet, Leaf)> {
        let base = chain.base.as_ref()?;
        if chain.rules.is_empty() && !base.drops {
            return None;
        }
        let world = self.world?;
        let numbers = |wanted: &dyn Fn(&crate::world::Link) -> bool| {
            let links: Vec<u32> =
                world.links.iter().filter(|link| wanted(link)).map(|link| link.index).collect();
            self.link_numbers(&links)
        };
        let devices = || {
            let none_named = base.devices.is_empty();
            numbers(&|link| {
                none_named || base.devices.contains(&link.name) || link.kind == "bridge"
            })
        };
        let bridges = || numbers(&|link| link.kind == "bridge");
        match (table.family, base.hook) {
            (_, Hook::Ingress) => Some((Field::IIF, devices(), DROP)),
            (TableFamily::Bridge, Hook::Prerouting | Hook::Input) => {
                Some((Field::IIF, bridges(), DROP))
            }
            (_, Hook::Egress) => Some((Field::IIF, devices(), UNANSWERED)),
            (TableFamily::Bridge, Hook::Output | Hook::Postrouting) => {
                Some((Field::IIF, bridges(), UNANSWERED))
            }
            _ => None,
        }
    }

    /// Fixes how the packets arrive, and leaves out those that there cannot be.
    fn arriving(
        &mut self,
        world: &World,
        scope: &Scope<'_>,
        answer: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        let mut answer = self.arrive(answer)?;
        for (field, value) in [
            (Field::MARK, 0),
            (Field::CT_MARK, 0),
            (Field::CT_STATE, ct_state::INVALID),
            (Field::CT_STATUS, 0),
        ] {
            answer = self.arena.restrict(answer, field, value)?;
        }
        let doubts = self.doubts.fields();
        answer = self.arena.keep(answer, |field| !doubts.contains(&field))?;
        answer = self.with_or_without_extensions(answer)?;
        let links = u128::try_from(world.links.len()).unwrap_or(u128::MAX);
        let targets = self.targets.as_ref().map_or(0, Vec::len);
        let mut possible = vec![
            (Field::SOURCE, world.anyone(self.family)),
            (Field::DESTINATION, scope.destinations.clone()),
            (Field::IIF, scope.ways_in.clone()),
            (Field::OIF, RangeSet::from(0..=links)),
            (Field::DPORT, scope.ports.clone()),
            (TARGET, RangeSet::from(0..=u128::try_from(targets).unwrap_or(u128::MAX))),
        ];
        for (field, values) in self.anywhere.open_fields() {
            let known = possible.iter().any(|(other, _)| *other == field);
            if !known && self.read.contains(&field) && field < Field::CT_STATE {
                possible.push((field, values));
            }
        }
        // One guard from the last field up, so that the answer is walked once.
        possible.sort_by_key(|(field, _)| std::cmp::Reverse(*field));
        let mut all = Diagram::constant(Leaf::IN);
        for (field, values) in possible {
            let guard = self.arena.field_in(field, &values, Leaf::IN, Leaf::EMPTY)?;
            all = self.arena.intersection(guard, all)?;
        }
        Ok(self.arena.intersection(all, answer)?)
    }
}

/// What cannot be done by a host that is no router.
fn no_router(leaf: Leaf, needs: Leaf) -> Leaf {
    if leaf.meets(needs) { leaf.without(needs).or(NO_ROUTE) } else { leaf }
}
