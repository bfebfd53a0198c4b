//! Why a reach is what it is, in full: the deciding rule, a packet, interface by interface.

use std::borrow::Cow;

use facts::Protocol;
use netfilter::concrete::{Decider, Event, Packet, journeys};
use netfilter::symbolic::{Arrivals, Asked, Listener, Outcome};
use netfilter::world::World;
use packet_set::{Budget, RangeSet};

use super::evaluate::Evaluated;
use super::home::{Home, Sides};
use super::inner;
use super::{Because, Entry, Reach, Reason, Sources, Verdict, Way, Wire};
use crate::Judgement;
use crate::explain::decider_words;
use crate::row::Row;

/// How many things that were not understood are kept.
const MOST_DOUBTS: usize = 32;

/// The reason of the reach of a row.
pub(crate) fn of(
    judgement: &Judgement<'_>,
    row: &Row<'_>,
    (wire, reach): (Wire, &Reach),
    (evaluated, place): (&Evaluated, usize),
) -> Option<Reason> {
    let plain = || Reason { decided_by: None, because: reach.because.clone(), ways: Vec::new() };
    if let (Because::Filter, Some(told)) = (&reach.because, translations(judgement, row, wire)) {
        let because = Because::Decides(told);
        return Some(Reason { decided_by: None, because, ways: Vec::new() });
    }
    let asks = evaluated.asks.get(place).and_then(Option::as_ref);
    let (Some(asks), Some(kept)) = (asks, &evaluated.arrivals) else { return Some(plain()) };
    let home = judgement.home(row.namespace)?;
    // Of ICMP the echo request stands for all types.
    let usual = if wire == Wire::Ipv4 { 8 } else { 128 };
    let listeners = asks.first();
    let usual = listeners.iter().find(|l| row.port().is_none() && l.port == usual);
    let Some(listener) = usual.or(listeners.first()) else { return Some(plain()) };
    let mut arrivals = kept.0.borrow_mut();
    let (protocol, sides) = (evaluated.protocol?, home.sides(wire));
    let world = home.world_of(listener.device.as_deref());
    let mut view = View { home, world, wire, protocol, sides, arrivals: &mut arrivals };
    let found: Vec<(Way, Why)> = view
        .sides
        .ways
        .iter()
        .filter(|way| listener.device.as_ref().is_none_or(|device| device == *way))
        .filter_map(|way| view.way(way, listener))
        .collect();
    let wanted = |(way, _): &&(Way, Why)| !way.may.is_empty() || reach.may.is_empty();
    let first = found.iter().find(wanted).or(found.first());
    let decided_by = first.and_then(|(_, why)| why.decided_by.clone());
    let namespace = judgement.namespaces.get(row.namespace);
    let is_inner = namespace.is_some_and(|namespace| inner::is_inner(judgement, namespace));
    let because = match &reach.because {
        Because::Filter if is_inner => {
            return Some(Reason {
                decided_by: None,
                because: Because::Forwarding,
                ways: Vec::new(),
            });
        }
        Because::Doubts(known) if known.is_empty() => Because::Doubts(view.doubts(listener)),
        Because::Filter => first.map_or(Because::Filter, |(_, why)| why.because(reach)),
        other => other.clone(),
    };
    // What would decide is not what does.
    let decided_by = decided_by.filter(|_| !matches!(because, Because::Strangers(_)));
    Some(Reason { decided_by, because, ways: found.into_iter().map(|(way, _)| way).collect() })
}

/// The translations that lead to a row or take its port, where they decide who reaches it.
fn translations(judgement: &Judgement<'_>, row: &Row<'_>, wire: Wire) -> Option<String> {
    let of_family = |entry: &&Entry| entry.reach.get(wire.position()).is_some_and(Option::is_some);
    let entries = || judgement.entries().iter().filter(of_family);
    let own = judgement.reach_within(row.at, wire);
    let is_direct = own.is_some_and(|own| !own.may.is_empty()) && !entries().any(|e| e.takes(row));
    if is_direct {
        return None;
    }
    let its = |entry: &&Entry| entry.takes(row) || entry.to(row, wire).next().is_some();
    let told: Vec<String> = entries()
        .filter(its)
        .map(|entry| format!("port {} is translated to {}", entry.port, entry.leads_to))
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Why something gets in or does not.
struct Why {
    decided_by: Option<String>,
    /// The rule or policy in full.
    text: Option<String>,
    /// The same for those that do not get in, where others do.
    others: Option<String>,
    /// Whether it is for routing that others do not get in.
    by_routing: bool,
}

impl Why {
    fn because(&self, reach: &Reach) -> Because {
        let others = match (&self.others, reach.verdict) {
            (_, Verdict::Open | Verdict::Blocked) => String::new(),
            (Some(others), _) => format!("; others: {others}"),
            (None, _) if self.by_routing => {
                "; others have no route here, or replies to them have none back".to_owned()
            }
            _ => String::new(),
        };
        match &self.text {
            Some(text) => Because::Decides(format!("{text}{others}")),
            None if self.by_routing => Because::Routing,
            None => Because::NothingFilters,
        }
    }
}

/// What is looked at.
struct View<'v> {
    home: &'v Home,
    world: Cow<'v, World>,
    wire: Wire,
    protocol: Protocol,
    sides: &'v Sides,
    arrivals: &'v mut Arrivals,
}

impl View<'_> {
    /// Who gets in by an interface, and why.
    fn way(&mut self, name: &str, listener: &Listener) -> Option<(Way, Why)> {
        let listener = Listener { device: Some(name.to_owned()), ..listener.clone() };
        let handle = *self.arrivals.listeners(std::slice::from_ref(&listener)).ok()?.first()?;
        let (must, may) = (self.arrivals.must(handle), self.arrivals.may(handle));
        let refusals = self.arrivals.refusals(handle);
        let nobodys = self.sides.nobodys.clone();
        let sources = |set: &RangeSet| Sources::of(self.wire, set.clone().into(), nobodys.clone());
        let let_in = self.packet(&listener, &may, true);
        let kept_out = self.packet(&listener, &may.complement(self.wire.max()), false);
        let decided =
            |packet: &Option<Packet>, accepted: bool| self.decider(packet.as_ref()?, accepted);
        let (inside, outside) = (decided(&let_in, true), decided(&kept_out, false));
        let shown = if may.is_empty() { &outside } else { &inside };
        let by_routing = refusals.iter().any(|outcome| {
            matches!(outcome, Outcome::NoRoute | Outcome::Martian | Outcome::Unanswered)
        });
        let why = Why {
            decided_by: shown.as_ref().and_then(decider_words),
            text: shown.as_ref().and_then(text),
            others: outside.as_ref().filter(|_| !may.is_empty()).and_then(text),
            by_routing,
        };
        let witness = let_in.or(kept_out).map(|packet| self.words(&packet));
        let way = Way {
            interface: name.to_owned(),
            must: sources(&must),
            may: sources(&may),
            decided_by: why.decided_by.clone(),
            translated: None,
            witness,
        };
        Some((way, why))
    }

    /// A packet from one of these sources that may get in, or that certainly does not: from an
    /// address as it is used in examples, or from a neighbour, or another, and rather from one that a
    /// host has than from the first of a network.
    fn packet(&self, listener: &Listener, sources: &RangeSet, gets_in: bool) -> Option<Packet> {
        let example = match self.wire {
            // RFC 5737; RFC 3849.
            Wire::Ipv4 => 0xc633_6407,
            Wire::Ipv6 => 0x2001_0db8_0000_0000_0000_0000_0000_0007,
        };
        let nobodys = self.sides.nobodys.complement(self.wire.max());
        let sources = sources.intersection(&nobodys);
        let neighbours = sources.intersection(&self.sides.on_link);
        let likely = |set: &RangeSet| plausible(self.wire, set);
        let mut tries = vec![RangeSet::one(example).intersection(&sources)];
        tries.extend(likely(&neighbours));
        tries.extend(likely(&sources));
        tries.extend([neighbours, sources]);
        tries.iter().filter(|set| !set.is_empty()).find_map(|set| {
            self.arrivals
                .witness_from(listener, set, |leaf| self.arrivals.may_leaf(leaf) == gets_in)
        })
    }

    /// Who decides about a packet that is for this host: the rules are walked with the addresses and
    /// routes that it has.
    fn decider(&self, packet: &Packet, accepted: bool) -> Option<Decider> {
        let found = journeys(&self.home.ruleset, &self.world, packet).ok()?;
        // Where no reply is needed, it does not matter that none gets out.
        let gets_in = |outcome| match outcome {
            Outcome::Accepted => true,
            Outcome::Unanswered => !packet.needs_reply(),
            _ => false,
        };
        let mut here = found.list.into_iter().filter(|journey| journey.out.is_none());
        let journey = here.find(|journey| gets_in(journey.outcome) == accepted)?;
        if accepted && journey.outcome == Outcome::Unanswered {
            // Who lets it in is not who keeps the reply in.
            let mut events = journey.events.into_iter().rev();
            return events.find_map(|event| match event {
                Event::Hook { reply: false, decider, .. } => Some(decider),
                _ => None,
            });
        }
        Some(journey.decider)
    }

    /// A packet in words.
    fn words(&self, packet: &Packet) -> String {
        let [from, to] = [packet.source, packet.destination].map(|a| self.wire.address(a));
        let has_ports = matches!(packet.protocol, 6 | 17 | 132 | 136);
        let end = |address: std::net::IpAddr, port: u16| {
            if has_ports {
                std::net::SocketAddr::new(address, port).to_string()
            } else {
                address.to_string()
            }
        };
        format!("{} -> {} by {}", end(from, packet.sport), end(to, packet.dport), packet.iif)
    }

    /// What was not understood and matters for this port.
    fn doubts(&self, listener: &Listener) -> Vec<String> {
        let asked = Asked {
            ports: RangeSet::one(listener.port.into()),
            destinations: listener.addresses.clone(),
            family: self.wire.family(),
            protocol: u8::try_from(self.protocol.0).unwrap_or(u8::MAX),
        };
        let (ruleset, world) = (&self.home.ruleset, &self.world);
        let again = netfilter::symbolic::arrivals(ruleset, world, &asked, Budget::default());
        let unknown = match &again {
            Ok(again) => &again.unknown,
            Err(_) => &self.arrivals.unknown,
        };
        unknown
            .iter()
            .take(MOST_DOUBTS)
            .map(|note| format!("{}: {}", note.place, note.what))
            .collect()
    }
}

/// From how many ranges of a set a source is tried.
const MOST_TRIED: usize = 4;

/// Addresses of a set that hosts are likely to have, one of each of its first ranges: not the first or
/// last of a range, which may be a network's own or its broadcast address.
pub(crate) fn plausible(wire: Wire, set: &RangeSet) -> Vec<RangeSet> {
    let usual = 7;
    let of_range = |(lo, hi): (u128, u128)| {
        let octet = if wire == Wire::Ipv4 { lo & 0xff } else { lo & u128::from(u64::MAX) };
        // The seventh of a network that begins here or within it, or else the next one.
        let seventh = if octet <= usual { lo - octet + usual } else { lo.saturating_add(1) };
        let inner = (seventh < hi).then_some(seventh);
        RangeSet::one(inner.unwrap_or(if hi - lo > 1 { lo + 1 } else { lo }))
    };
    set.iter().take(MOST_TRIED).map(of_range).collect()
}

/// The same with the rule.
fn text(decider: &Decider) -> Option<String> {
    let by = decider_words(decider)?;
    match decider {
        Decider::Rule { text, .. } => Some(format!("{by}: {text}")),
        _ => Some(by),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn addresses_that_hosts_have() {
        let check = |range: (&str, &str), expect: &str| {
            let numbers = [range.0, range.1, expect].map(|text| {
                let address: IpAddr = text.parse().unwrap();
                Wire::BOTH.into_iter().find_map(|wire| Some((wire, wire.number(address)?))).unwrap()
            });
            let [(wire, lo), (_, hi), (_, expect)] = numbers;
            let found = plausible(wire, &RangeSet::from(lo..=hi));
            assert_eq!(found, [RangeSet::one(expect)], "{range:?}");
        };
        check(("192.0.2.0", "192.0.2.255"), "192.0.2.7");
        check(("192.0.2.1", "192.0.2.9"), "192.0.2.7");
        check(("192.0.2.128", "192.0.2.255"), "192.0.2.129");
        check(("10.0.0.0", "10.255.255.255"), "10.0.0.7");
        check(("192.0.2.4", "192.0.2.7"), "192.0.2.5");
        check(("192.0.2.4", "192.0.2.5"), "192.0.2.4");
        check(("192.0.2.9", "192.0.2.9"), "192.0.2.9");
        check(("2001:db8:5::", "2001:db8:5:0:ffff:ffff:ffff:ffff"), "2001:db8:5::7");
        check(("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "fe80::7");
    }
}
