//! Whether neighbours find each other: IPv6 is nothing without neighbour discovery.
//!
//! A neighbour that wants to send to this host asks for its link-layer address by a neighbour
//! solicitation (RFC 4861, 7.2), and this host does the same for its replies. What it learns from: the
//! advertisement that answers, the solicitation of others, a router's advertisement, a redirect. If the
//! packet filter drops them all, it cannot send to anyone whom it does not know already.
//!
//! What this host sends passes OUTPUT: its own solicitations, without which it is told nothing, and its
//! advertisements, without which nobody finds it who does not know it already.
//!
//! Deliberately absent: a host that may answer and not ask. Those who look for it are known to it then.

use packet_set::{Arena, Budget, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{Engine, Phase};
use super::doubts::Doubts;
use super::host::{Asked, arrivals};
use super::interfaces::Interfaces;
use super::outcome::{ACCEPT, UNANSWERED, rejected};
use super::path::{Phases, hook_stages};
use super::setup::{Scope, conds, engine, steps};
use crate::ir::{Family, Hook, Reject, Ruleset, Step, Table, Verdict, ct_state};
use crate::world::{Dropped, Silence, World};

/// Router advertisement (RFC 4861, 4.2).
const ROUTER: u128 = 134;

/// Neighbour solicitation (RFC 4861, 4.3).
const SOLICITATION: u128 = 135;

/// Neighbour advertisement (RFC 4861, 4.4).
const ADVERTISEMENT: u128 = 136;

/// Redirect (RFC 4861, 4.5).
const REDIRECT: u128 = 137;

/// The interfaces on which the packet filter drops neighbour discovery for certain, in whole or in what
/// makes others find this host. What is not certainly dropped is taken as let through.
///
/// # Errors
/// The rules need more than the budget, or contradict themselves.
pub fn silences(
    ruleset: &Ruleset,
    world: &World,
    budget: Budget,
) -> Result<Vec<Silence>, EvaluateError> {
    let mut heard = heard(ruleset, world, budget)?;
    let mut sent = sent(ruleset, world, budget)?;
    if heard.is_none() && sent.is_none() {
        return Ok(Vec::new());
    }
    let mut list = Vec::new();
    for link in world.arriving(Family::Ipv6).filter(|link| link.has_neighbours) {
        let mut hears = |kind| passes(&mut heard, Field::IIF, &link.name, kind);
        let is_asked = hears(SOLICITATION)?;
        let is_told = hears(ROUTER)? || hears(REDIRECT)?;
        let is_answered = hears(ADVERTISEMENT)?;
        let mut sends = |kind| passes(&mut sent, Field::OIF, &link.name, kind);
        let (asks, answers) = (sends(SOLICITATION)?, sends(ADVERTISEMENT)?);
        let dropped = match (is_asked, answers) {
            (true, true) => continue,
            (false, true) => Dropped::Arriving,
            (true, false) => Dropped::Sent,
            (false, false) => Dropped::Both,
        };
        let learns = is_asked || is_told || asks && is_answered;
        let complete = !learns && link.knows_neighbours == Some(false);
        list.push(Silence { interface: link.name.clone(), complete, dropped });
    }
    Ok(list)
}

/// Messages of neighbour discovery at one end, and what becomes of them.
struct Messages {
    arena: Arena,
    interfaces: Interfaces,
    says: Diagram,
}

/// What becomes of messages that arrive; none where nothing is hooked there.
fn heard(
    ruleset: &Ruleset,
    world: &World,
    budget: Budget,
) -> Result<Option<Messages>, EvaluateError> {
    let filters = ruleset.tables.iter().filter(|table| table.family.sees(Family::Ipv6));
    let mut hooks = filters.flat_map(|table| &table.chains).filter_map(|chain| chain.base.as_ref());
    if !hooks.any(|base| matches!(base.hook, Hook::Prerouting | Hook::Input)) {
        return Ok(None);
    }
    let groups = RangeSet::from(0xff << 120..=u128::MAX);
    let asked = Asked {
        family: Family::Ipv6,
        protocol: 58,
        ports: RangeSet::from(ROUTER..=REDIRECT),
        destinations: world.reachable_addresses(Family::Ipv6).union(&groups),
    };
    let found = arrivals(ruleset, world, &asked, budget)?;
    let (mut arena, details, interfaces) = found.into_parts();
    let here = RangeSet::one(Interfaces::NONE);
    let here = arena.field_in(Field::OIF, &here, Leaf::IN, Leaf::EMPTY)?;
    let says = arena.intersection(here, details)?;
    Ok(Some(Messages { arena, interfaces, says }))
}

/// What becomes of messages that this host sends; none where nothing keeps any back.
fn sent(
    ruleset: &Ruleset,
    world: &World,
    budget: Budget,
) -> Result<Option<Messages>, EvaluateError> {
    let tables: Vec<&Table> = ruleset
        .tables
        .iter()
        .filter(|table| table.family.sees(Family::Ipv6) && keeps_back(table))
        .collect();
    if tables.is_empty() {
        return Ok(None);
    }
    let none = RangeSet::one(Interfaces::NONE);
    let links = u128::try_from(world.links.len()).unwrap_or(u128::MAX);
    let scope = Scope {
        family: Family::Ipv6,
        protocol: 58,
        ports: RangeSet::of(vec![(SOLICITATION, ADVERTISEMENT)]),
        source_ports: RangeSet::from(0..=0xffff),
        destinations: RangeSet::from(0..=u128::MAX),
        world: Some(world),
        ways_in: none.clone(),
        ways_out: RangeSet::from(1..=links),
        least_hop_limit: 0,
        packet_types: RangeSet::from(0..=2),
        reads: Vec::new(),
    };
    let doubts = Doubts::new(steps(&tables).flat_map(conds), true);
    let mut engine = engine(tables, &scope, budget, doubts);
    // They leave by an interface, as what is forwarded does, and are no replies.
    for phase in [Phase::Raw, Phase::Input] {
        if let Some(universe) = engine.universes.get_mut(&phase) {
            universe.limit(Field::OIF, scope.ways_out.clone());
            universe.limit(Field::IIF, none.clone());
        }
    }
    let tracked = Phase::Input;
    let stages = hook_stages(&engine.tables, Hook::Postrouting, Phases::all(tracked));
    let after = engine.pass(&stages, Diagram::constant(ACCEPT))?;
    let phases = Phases { raw: Some(Phase::Raw), tracked, translated: tracked };
    let stages = hook_stages(&engine.tables, Hook::Output, phases);
    let mut says = engine.pass(&stages, after)?;
    if !ruleset.notes.is_empty() || !world.doubts().is_empty() {
        says = engine.arena.either(says, Diagram::constant(ACCEPT))?;
    }
    for (field, value) in
        [(Field::MARK, 0), (Field::CT_MARK, 0), (Field::CT_STATE, ct_state::INVALID)]
    {
        says = engine.arena.restrict(says, field, value)?;
    }
    Ok(Some(Messages { arena: engine.arena, interfaces: engine.interfaces, says }))
}

/// Whether a table may keep back something that this host sends.
fn keeps_back(table: &Table) -> bool {
    let is_hooked = |base: &crate::ir::Base| matches!(base.hook, Hook::Output | Hook::Postrouting);
    let mut chains: Vec<usize> = (0..table.chains.len())
        .filter(|at| {
            let base = table.chains.get(*at).and_then(|chain| chain.base.as_ref());
            base.is_some_and(is_hooked)
        })
        .collect();
    let mut next = 0;
    while let Some(chain) = chains.get(next).and_then(|at| table.chains.get(*at)) {
        if chain.base.as_ref().is_some_and(|base| base.drops) {
            return true;
        }
        for step in chain.rules.iter().flat_map(|rule| &rule.steps) {
            let Step::Select(list) = step else { continue };
            for (_, verdict) in list {
                match verdict {
                    Verdict::Drop | Verdict::Reject(_) => return true,
                    Verdict::Jump(to) | Verdict::Goto(to) if !chains.contains(to) => {
                        chains.push(*to);
                    }
                    _ => {}
                }
            }
        }
        next += 1;
    }
    false
}

/// Whether messages of a type may get through by an interface. They come from neighbours, or else they
/// do not count: their hop limit is 255 (RFC 4861, 7.1).
fn passes(
    messages: &mut Option<Messages>,
    side: Field,
    interface: &str,
    kind: u128,
) -> Result<bool, Exceeded> {
    let Some(Messages { arena, interfaces, says }) = messages else { return Ok(true) };
    let by = interfaces.matching(&crate::ir::Pattern::Exact(interface.to_owned()));
    let mut all = *says;
    for (field, values) in
        [(Field::HOP_LIMIT, RangeSet::one(255)), (Field::DPORT, RangeSet::one(kind)), (side, by)]
    {
        let guard = arena.field_in(field, &values, Leaf::IN, Leaf::EMPTY)?;
        all = arena.intersection(guard, all)?;
    }
    Ok(arena.outcomes(all).meets(ACCEPT.or(UNANSWERED)))
}

impl Engine<'_> {
    /// What becomes of packets that arrive where neighbours do not find each other: the sender is told
    /// that nobody is there, by its own host or the last router, or so it may be.
    pub(super) fn among_strangers(
        &mut self,
        world: &World,
        asked: &Asked,
        answer: Diagram,
    ) -> Result<Diagram, Exceeded> {
        let silent = if self.family == Family::Ipv6 { world.silent() } else { &[] };
        let mut answer = answer;
        for silence in silent {
            let links = world.links.iter().filter(|link| link.name == silence.interface);
            let links: Vec<u32> = links.map(|link| link.index).collect();
            let links = self.link_numbers(&links);
            let certain = silence.complete && asked.needs_reply();
            let unreachable = rejected(Reject::Unreachable);
            let lost = self.arena.map_leaves(answer, |leaf| {
                if !leaf.meets(ACCEPT.or(UNANSWERED)) {
                    leaf
                } else if certain {
                    leaf.without(ACCEPT.or(UNANSWERED)).or(unreachable)
                } else {
                    leaf.or(unreachable)
                }
            })?;
            answer = self.either_by(Field::IIF, &links, lost, answer)?;
        }
        Ok(answer)
    }
}
