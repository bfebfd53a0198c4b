//! The way of the reply to one packet.

use super::fib::Certain;
use super::journey::{Event, Routed, hook, out_of, question};
use super::route::{Found, Question, look_up};
use super::walk::{Decider, WalkError, Walker};
use super::{Oracle, Packet};
use crate::ir::{Doubt, Family, Hook, Ruleset};
use crate::symbolic::Outcome;
use crate::world::{Kind, World};

/// The way of the reply; who lost it, if it does not get out.
pub(super) fn reply(
    ruleset: &Ruleset,
    world: &World,
    last: &Packet,
    first: &Packet,
    oracle: &mut dyn Oracle,
    events: &mut Vec<Event>,
) -> Result<Option<Decider>, WalkError> {
    // To the source before its translation.
    let mut packet = Packet { source: first.source, sport: first.sport, ..last.clone() }.reply();
    if last.oif.is_empty() {
        if world.mark_accept {
            packet.mark = last.mark;
        }
        return sent(ruleset, world, &packet, &first.iif, oracle, events);
    }
    packet.iif.clone_from(&last.oif);
    returned(ruleset, world, &packet, oracle, events)
}

fn no_way(events: &mut Vec<Event>, table: Option<u32>) -> Decider {
    events.push(Event::Routed(Routed {
        reply: true,
        out: None,
        local: false,
        table,
        end: Some(Outcome::Unanswered),
    }));
    Decider::Nobody
}

fn sent(
    ruleset: &Ruleset,
    world: &World,
    packet: &Packet,
    arrived: &str,
    oracle: &mut dyn Oracle,
    events: &mut Vec<Event>,
) -> Result<Option<Decider>, WalkError> {
    let Some(link) = world.link(arrived) else { return Ok(Some(no_way(events, None))) };
    let asked =
        Question { iif: "lo", of_socket: true, bound: world.bound, ..question(packet, link) };
    let (out, table) = way_of_socket(world, &asked, oracle);
    let Some(out) = out else { return Ok(Some(no_way(events, table))) };
    let mut walker = Walker::new(packet, Some(world), oracle);
    walker.packet.oif = out;
    if let Some((_, decider)) = hook(ruleset, &mut walker, Hook::Output, events)? {
        return Ok(Some(decider));
    }
    // A new mark makes it be routed again (netfilter.c, ip_route_me_harder): iptables' mangle and
    // chains of type route do, others do not.
    let marked = walker.packet.mark;
    if marked != packet.mark
        && walker.oracle.holds("whether the reply is routed again", Doubt::History)
    {
        let asked = Question { mark: marked, ..asked };
        let (out, table) = way_of_socket(world, &asked, walker.oracle);
        let Some(out) = out else { return Ok(Some(no_way(events, table))) };
        walker.packet.oif = out;
    }
    if let Some((_, decider)) = hook(ruleset, &mut walker, Hook::Postrouting, events)? {
        return Ok(Some(decider));
    }
    events.push(Event::Routed(Routed {
        reply: true,
        out: Some(walker.packet.oif.clone()),
        local: false,
        table,
        end: None,
    }));
    Ok(None)
}

fn returned(
    ruleset: &Ruleset,
    world: &World,
    packet: &Packet,
    oracle: &mut dyn Oracle,
    events: &mut Vec<Event>,
) -> Result<Option<Decider>, WalkError> {
    let mut walker = Walker::new(packet, Some(world), oracle);
    if let Some((_, decider)) = hook(ruleset, &mut walker, Hook::Prerouting, events)? {
        return Ok(Some(decider));
    }
    let Some(link) = world.link(&packet.iif) else { return Ok(Some(no_way(events, None))) };
    if packet.family == Family::Ipv4 && !link.conf.forwarding {
        return Ok(Some(no_way(events, None)));
    }
    let asked = question(&walker.packet, link);
    let found = look_up(world, &asked, walker.oracle);
    let table = found.by.map(|(table, _)| table);
    let Some(out) = way_back(world, &found, walker.oracle) else {
        return Ok(Some(no_way(events, table)));
    };
    walker.packet.oif.clone_from(&out);
    for here in [Hook::Forward, Hook::Postrouting] {
        if let Some((_, decider)) = hook(ruleset, &mut walker, here, events)? {
            return Ok(Some(decider));
        }
    }
    let end = None;
    events.push(Event::Routed(Routed { reply: true, out: Some(out), local: false, table, end }));
    Ok(None)
}

/// The interface that a socket's reply leaves by, and the table that says so. One that is bound to an
/// interface takes an IPv4 address to which no route leads by that for a neighbour (route.c,
/// ip_route_output_key_hash_rcu).
fn way_of_socket(
    world: &World,
    asked: &Question<'_>,
    oracle: &mut dyn Oracle,
) -> (Option<String>, Option<u32>) {
    if let (Some(bound), Family::Ipv4) = (asked.bound, asked.family) {
        let link = world.links.iter().find(|link| link.index == bound);
        return (link.map(|link| link.name.clone()), None);
    }
    let found = look_up(world, asked, oracle);
    (way_back(world, &found, oracle), found.by.map(|(table, _)| table))
}

/// The interface that a reply leaves by.
fn way_back(world: &World, found: &Found, oracle: &mut dyn Oracle) -> Option<String> {
    match found.way.kind {
        Kind::Unicast | Kind::Broadcast => out_of(world, found, oracle),
        Kind::Local => world.links.iter().find(|link| link.loopback).map(|link| link.name.clone()),
        Kind::Other => oracle
            .holds("a route of an unknown type", Doubt::History)
            .then(|| out_of(world, found, oracle))
            .flatten(),
        _ => None,
    }
}

/// The interface by which this host reaches an address of its own accord; none where there is no one
/// way, and for addresses of this host.
#[must_use]
pub fn interface_towards(world: &World, family: Family, address: u128) -> Option<String> {
    let is_local = family == Family::Ipv6 && address >> 118 == 0xfe80 >> 6;
    let mut ways = world.arriving(family);
    if is_local {
        // Every interface has such neighbours.
        let only = ways.next().filter(|_| ways.next().is_none());
        return only.map(|link| link.name.clone());
    }
    let mut oracle = Certain(true);
    let asked = Question {
        family,
        to: address,
        from: 0,
        iif: "lo",
        mark: 0,
        protocol: 0,
        sport: 0,
        dport: 0,
        link: 0,
        of_socket: false,
        bound: None,
    };
    let found = look_up(world, &asked, &mut oracle);
    if !oracle.0 || found.way.kind != Kind::Unicast {
        return None;
    }
    out_of(world, &found, &mut oracle).filter(|_| oracle.0)
}
