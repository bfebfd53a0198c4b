//! The whole path of one packet at a known host, step by step.

use super::possible::enumerate;
use super::reply::reply;
use super::route::{Found, Question, look_up};
use super::source::{before_six, martian_four, source_four};
use super::walk::{Decider, Trace, WalkError, Walker};
use super::{Oracle, Packet};
use crate::ir::{Family, Hook, Reject, Ruleset, TableFamily};
use crate::symbolic::Outcome;
use crate::world::{Kind, Link, World};

/// One thing that happened to the packet, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Rules of a hook did something to it.
    Hook {
        /// The hook.
        hook: Hook,
        /// Whether it is the reply.
        reply: bool,
        /// The rules that did something, in order.
        rules: Vec<Trace>,
        /// Who let it pass or made an end of it.
        decider: Decider,
        /// The end, if there was one.
        end: Option<Outcome>,
    },
    /// The destination was translated.
    Translated {
        /// The new destination.
        address: u128,
        /// The new port.
        port: u16,
    },
    /// Dropped for its addresses, before routing.
    Martian(Why),
    /// Where routing sends it.
    Routed(Routed),
}

impl Event {
    /// Whether it happened to the reply.
    #[must_use]
    pub const fn is_of_reply(&self) -> bool {
        match self {
            Self::Hook { reply, .. } => *reply,
            Self::Routed(routed) => routed.reply,
            Self::Translated { .. } | Self::Martian(_) => false,
        }
    }
}

/// Why a packet with these addresses cannot come in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The source is none that a host can have: loopback, multicast, broadcast or none.
    Source,
    /// The destination is none that can be addressed from elsewhere.
    Destination,
    /// The source is an address of this host.
    OwnSource,
    /// The route back leads elsewhere (`rp_filter`).
    ReversePath,
    /// The interface does no IPv6.
    Disabled,
}

/// A routing decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// Whether it is the reply that was routed.
    pub reply: bool,
    /// The interface that it leaves by; none: it does not leave.
    pub out: Option<String>,
    /// To this host.
    pub local: bool,
    /// The routing table that decided.
    pub table: Option<u32>,
    /// What became of it where it neither leaves nor is local.
    pub end: Option<Outcome>,
}

/// The path of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The end: [`Outcome::Accepted`] is delivered here or sent on, and can be answered.
    pub outcome: Outcome,
    /// Who decided, where it was a rule or policy.
    pub decider: Decider,
    /// The interface that a forwarded packet leaves by; none: delivered here.
    pub out: Option<String>,
    /// The packet as it is delivered or leaves.
    pub packet: Packet,
}

/// All that may happen to a packet at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journeys {
    /// One for each different end (outcome and interface), in the order found.
    pub list: Vec<Journey>,
    /// The unknown things that were asked.
    pub asked: Vec<String>,
    /// Whether every combination of answers was walked.
    pub complete: bool,
}

/// Walks the packet for every combination of answers to what is unknown, up to a bound.
///
/// # Errors
/// The rules cannot be walked.
pub fn journeys(ruleset: &Ruleset, world: &World, packet: &Packet) -> Result<Journeys, WalkError> {
    let mut list: Vec<Journey> = Vec::new();
    let (asked, complete) = enumerate(|oracle| {
        let found = journey(ruleset, world, packet, oracle)?;
        let known = |one: &Journey| one.outcome == found.outcome && one.out == found.out;
        if !list.iter().any(known) {
            list.push(found);
        }
        Ok(())
    })?;
    Ok(Journeys { list, asked, complete })
}

/// The path of a packet that arrives on [`Packet::iif`].
///
/// # Errors
/// The rules cannot be walked.
pub fn journey(
    ruleset: &Ruleset,
    world: &World,
    packet: &Packet,
    oracle: &mut dyn Oracle,
) -> Result<Journey, WalkError> {
    let mut walker = Walker::new(packet, Some(world), oracle);
    let mut events = Vec::new();
    let end = arrive(ruleset, world, &mut walker, &mut events)?;
    let (outcome, decider) = match end {
        Some(end) => end,
        None => (Outcome::Accepted, walker.decider.clone()),
    };
    let here = walker.packet.clone();
    let out = Some(here.oif.clone()).filter(|name| !name.is_empty());
    let mut own = Journey { events, outcome, decider, out, packet: here };
    let has_ports = matches!(packet.protocol, 6 | 17 | 33 | 132 | 136);
    if own.outcome == Outcome::Accepted && has_ports {
        let lost = reply(ruleset, world, &own.packet, packet, walker.oracle, &mut own.events)?;
        if let Some(decider) = lost {
            own.outcome = Outcome::Unanswered;
            own.decider = decider;
        }
    }
    Ok(own)
}

type End = (Outcome, Decider);

/// From the interface to the socket or out again.
fn arrive(
    ruleset: &Ruleset,
    world: &World,
    walker: &mut Walker<'_>,
    events: &mut Vec<Event>,
) -> Result<Option<End>, WalkError> {
    let link = world.link(&walker.packet.iif).cloned();
    let Some(link) = link else { return Ok(Some((Outcome::NoRoute, Decider::Nobody))) };
    let martian = |why: Why, events: &mut Vec<Event>| {
        events.push(Event::Martian(why));
        Ok(Some((Outcome::Martian, Decider::Nobody)))
    };
    if walker.packet.family == Family::Ipv6
        && let Some(why) = before_six(&walker.packet, &link)
    {
        return martian(why, events);
    }
    let before = (walker.packet.destination, walker.packet.dport);
    if let Some(end) = hook(ruleset, walker, Hook::Prerouting, events)? {
        return Ok(Some(end));
    }
    let (address, port) = (walker.packet.destination, walker.packet.dport);
    if (address, port) != before {
        events.push(Event::Translated { address, port });
    }
    if walker.packet.family == Family::Ipv4
        && let Some(why) = martian_four(&walker.packet, &link)
    {
        return martian(why, events);
    }
    let decision = decide(world, walker, &link);
    if decision.end.is_none() && walker.packet.family == Family::Ipv4 {
        let out = decision.out.clone().unwrap_or_default();
        if let Some(why) = source_four(world, walker, &link, &out) {
            return martian(why, events);
        }
    }
    let (out, local, end) = (decision.out.clone(), decision.local, decision.end);
    events.push(Event::Routed(decision));
    if let Some(outcome) = end {
        return Ok(Some((outcome, Decider::Nobody)));
    }
    if local {
        return hook(ruleset, walker, Hook::Input, events);
    }
    walker.packet.oif = out.unwrap_or_default();
    if walker.packet.family == Family::Ipv6 {
        let source = walker.packet.source;
        if source >> 118 == 0xfe80 >> 6 {
            return Ok(Some((Outcome::Rejected(Reject::Unreachable), Decider::Nobody)));
        }
        if source == 0 {
            return martian(Why::Source, events);
        }
    }
    if let Some(end) = hook(ruleset, walker, Hook::Forward, events)? {
        return Ok(Some(end));
    }
    hook(ruleset, walker, Hook::Postrouting, events)
}

/// The chains of one hook.
pub(super) fn hook(
    ruleset: &Ruleset,
    walker: &mut Walker<'_>,
    here: Hook,
    events: &mut Vec<Event>,
) -> Result<Option<End>, WalkError> {
    let before = walker.trace.len();
    let earlier = std::mem::replace(&mut walker.decider, Decider::Nobody);
    let end = walker.pass(ruleset, here)?;
    let rules = walker.trace.get(before..).unwrap_or_default().to_vec();
    let decider = end.as_ref().map_or_else(|| walker.decider.clone(), |(_, by)| by.clone());
    if walker.decider == Decider::Nobody {
        walker.decider = earlier;
    }
    if decider != Decider::Nobody || !rules.is_empty() {
        events.push(Event::Hook {
            hook: here,
            reply: walker.packet.is_reply,
            rules,
            decider,
            end: end.as_ref().map(|(outcome, _)| *outcome),
        });
    }
    Ok(end)
}

pub(super) fn question<'a>(packet: &'a Packet, link: &Link) -> Question<'a> {
    Question {
        family: packet.family,
        to: packet.destination,
        from: packet.source,
        iif: &packet.iif,
        mark: packet.mark,
        protocol: packet.protocol,
        sport: packet.sport,
        dport: packet.dport,
        link: link.index,
        of_socket: false,
        bound: None,
    }
}

/// One of the ways out.
pub(super) fn out_of(world: &World, found: &Found, oracle: &mut dyn Oracle) -> Option<String> {
    let count = u32::try_from(found.way.links.len()).unwrap_or(u32::MAX);
    let at = if count > 1 { oracle.choose("which hop of a route", count) } else { 0 };
    let index = found.way.links.get(usize::try_from(at).unwrap_or(0))?;
    world.links.iter().find(|link| link.index == *index).map(|link| link.name.clone())
}

fn decide(world: &World, walker: &mut Walker<'_>, link: &Link) -> Routed {
    let packet = &walker.packet;
    let family = packet.family;
    let mut routed = Routed { reply: false, out: None, local: false, table: None, end: None };
    if family == Family::Ipv4
        && (packet.destination == u128::from(u32::MAX) || packet.destination >> 28 == 0xe)
    {
        routed.local = true;
        if packet.destination >> 28 == 0xe && !walker.oracle.holds(GROUP, crate::ir::Doubt::History)
        {
            routed.end = Some(Outcome::Dropped);
        }
        return routed;
    }
    let found = look_up(world, &question(packet, link), walker.oracle);
    routed.table = found.by.map(|(table, _)| table);
    let forwards = match family {
        Family::Ipv4 => link.conf.forwarding,
        Family::Ipv6 => world.forwards_six,
    };
    let says_so = family == Family::Ipv6 || forwards;
    let refused =
        |kind: Reject| Some(if says_so { Outcome::Rejected(kind) } else { Outcome::NoRoute });
    match found.way.kind {
        Kind::Local | Kind::Anycast | Kind::Broadcast => routed.local = true,
        Kind::Multicast => {
            routed.local = true;
            if !walker.oracle.holds(GROUP, crate::ir::Doubt::History) {
                routed.end = Some(Outcome::Dropped);
            }
        }
        Kind::Unicast if forwards => routed.out = out_of(world, &found, walker.oracle),
        Kind::Unicast | Kind::Blackhole => routed.end = Some(Outcome::NoRoute),
        Kind::Prohibit => routed.end = refused(Reject::Prohibited),
        Kind::Unreachable | Kind::Throw => routed.end = refused(Reject::Unreachable),
        Kind::Other => match walker.oracle.choose("a route of an unknown type", 2) {
            0 => routed.local = true,
            _ => routed.end = Some(Outcome::NoRoute),
        },
    }
    routed
}

const GROUP: &str = "whether this host is a member of the group";

/// Chains of devices and bridges that a packet may meet before the first hook, and that are not
/// walked: their names.
#[must_use]
pub fn not_walked(ruleset: &Ruleset, packet: &Packet) -> Vec<String> {
    let mut list = Vec::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            let Some(base) = &chain.base else { continue };
            let idle = chain.rules.is_empty() && !base.drops;
            let here = base.devices.is_empty() || base.devices.contains(&packet.iif);
            let outside = base.hook == Hook::Ingress && here
                || table.family == TableFamily::Bridge
                    && matches!(base.hook, Hook::Prerouting | Hook::Input);
            if outside && !idle {
                list.push(format!("{}: a chain of a device or bridge", table.chain_name(chain)));
            }
        }
    }
    list
}
