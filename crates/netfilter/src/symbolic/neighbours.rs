//! Whether neighbours find each other: IPv6 is nothing without neighbour discovery.
//!
//! A neighbour that wants to send to this host asks for its link-layer address by a neighbour
//! solicitation (RFC 4861, 7.2), and this host does the same for its replies. What it learns from: the
//! advertisement that answers, the solicitation of others, a router's advertisement, a redirect. If the
//! packet filter drops them all, it cannot send to anyone whom it does not know already.
//!
//! Deliberately absent: what this host sends of it (OUTPUT). A host that may not ask or answer is
//! taken as one that may.

use packet_set::{Budget, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::answer::Arrivals;
use super::chain::Engine;
use super::host::{Asked, arrivals};
use super::interfaces::Interfaces;
use super::outcome::{ACCEPT, UNANSWERED, rejected};
use crate::ir::{Family, Hook, Reject, Ruleset};
use crate::world::{Silence, World};

/// Neighbour solicitation (RFC 4861, 4.3).
const SOLICITATION: u128 = 135;

/// Router advertisement, neighbour solicitation and advertisement, redirect (RFC 4861, 4).
const DISCOVERY: (u128, u128) = (134, 137);

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
    let filters = ruleset.tables.iter().filter(|table| table.family.sees(Family::Ipv6));
    let mut hooks = filters.flat_map(|table| &table.chains).filter_map(|chain| chain.base.as_ref());
    if !hooks.any(|base| matches!(base.hook, Hook::Prerouting | Hook::Input)) {
        return Ok(Vec::new());
    }
    let groups = RangeSet::from(0xff << 120..=u128::MAX);
    let asked = Asked {
        family: Family::Ipv6,
        protocol: 58,
        ports: RangeSet::of(vec![DISCOVERY]),
        destinations: world.reachable_addresses(Family::Ipv6).union(&groups),
    };
    let mut found = arrivals(ruleset, world, &asked, budget)?;
    let mut list = Vec::new();
    for link in world.arriving(Family::Ipv6).filter(|link| link.has_neighbours) {
        let asks = passes(&mut found, &link.name, (SOLICITATION, SOLICITATION))?;
        if !asks {
            let learns = passes(&mut found, &link.name, DISCOVERY)?;
            let complete = !learns && link.knows_neighbours == Some(false);
            list.push(Silence { interface: link.name.clone(), complete });
        }
    }
    Ok(list)
}

/// Whether messages of some of these types may get to this host by an interface. They come from
/// neighbours, or else they do not count: their hop limit is 255 (RFC 4861, 7.1).
fn passes(
    found: &mut Arrivals,
    interface: &str,
    (first, last): (u128, u128),
) -> Result<bool, Exceeded> {
    let by = found.number(interface);
    let arena = &mut found.arena;
    let mut all = found.details;
    for (field, values) in [
        (Field::HOP_LIMIT, RangeSet::one(255)),
        (Field::DPORT, RangeSet::from(first..=last)),
        (Field::OIF, RangeSet::one(Interfaces::NONE)),
        (Field::IIF, by),
    ] {
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
