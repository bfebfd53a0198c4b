//! How packets get into a namespace that is not the host's: through it, or past it.

use facts::{Link, OtherNetns};
use netfilter::symbolic::{Arrivals, Asked};
use packet_set::{Budget, RangeSet};

use super::answers::{Set, joined};
use super::{Because, Reach, Verdict, Wire, combine};
use crate::row::Row;
use crate::{Judgement, Namespace};

/// Whether packets get into a namespace through the host's or our own.
pub(crate) fn is_inner(judgement: &Judgement<'_>, namespace: &Namespace<'_>) -> bool {
    !is_outer(namespace) && judgement.namespaces.iter().any(is_outer)
}

/// Whether a namespace is where packets from elsewhere arrive.
fn is_outer(namespace: &Namespace<'_>) -> bool {
    namespace.fact.is_some_and(|fact| fact.host || fact.own)
}

/// How packets get to an interface.
enum Gate {
    /// As they are on the network: past every other namespace.
    Open,
    /// Routed by the namespace at this place, out of the interface of this name.
    Through(usize, String),
    /// By a way that is not evaluated.
    Unknown(String),
}

/// What of the reach of a row within its namespace is left when the way in is looked at.
pub(super) fn gated(
    judgement: &Judgement<'_>,
    namespace: &Namespace<'_>,
    row: &Row<'_>,
    wire: Wire,
    own: &Reach,
) -> Reach {
    let Some(home) = judgement.home(row.namespace) else { return own.clone() };
    // Who is a guest is for the namespace to say that they come in by.
    let outer = judgement.namespaces.iter().position(is_outer).and_then(|at| judgement.home(at));
    let sides = outer.unwrap_or(home).sides(wire);
    let mut all: Option<Reach> = None;
    for name in &home.sides(wire).ways {
        let Some(link) = namespace.links().iter().find(|link| link.name == *name) else { continue };
        for gate in gates(judgement, namespace, link) {
            let by_this = match gate {
                Gate::Open => own.clone(),
                Gate::Unknown(what) => unknown(wire, own, what),
                Gate::Through(outer, out) => {
                    let through = through(judgement, (outer, &out), namespace, (row, wire));
                    match through {
                        Ok(through) => combine::both(wire, sides, own, &through),
                        Err(what) => unknown(wire, own, what),
                    }
                }
            };
            all = Some(match all {
                Some(before) => combine::either(wire, sides, &before, &by_this),
                None => by_this,
            });
        }
    }
    all.unwrap_or_else(|| {
        let links = namespace.fact.map(|fact| &fact.links);
        // With loopback alone nothing arrives; without even that, not all was seen.
        if links.is_some_and(|links| links.is_complete() && !links.items().is_empty()) {
            return Reach::nobody(wire, Verdict::Blocked, Because::NothingArrives);
        }
        let what = "no interface that packets could arrive on was found".to_owned();
        Reach::unknown(wire, Because::WayInNotKnown(what))
    })
}

/// The way in is not known: what its own rules keep out is kept out.
fn unknown(wire: Wire, own: &Reach, what: String) -> Reach {
    Reach { may: own.may.clone(), ..Reach::unknown(wire, Because::WayInNotKnown(what)) }
}

/// How packets get to an interface of a namespace.
fn gates(judgement: &Judgement<'_>, namespace: &Namespace<'_>, link: &Link) -> Vec<Gate> {
    if matches!(link.kind.as_str(), "bridge" | "bond" | "team") {
        let ports = namespace.links().iter().filter(|port| port.master == Some(link.index));
        return ports.flat_map(|port| gates(judgement, namespace, port)).collect();
    }
    let unknown = |what: String| vec![Gate::Unknown(what)];
    let (lower, other) = match (link.lower, link.lower_netns) {
        (Some(lower), Some(OtherNetns::Found(other))) => (lower, other),
        (_, Some(_)) => {
            return unknown(format!("{} leads to a namespace that was not found", link.name));
        }
        // A device of its own.
        (None, None) if link.kind.is_empty() => return vec![Gate::Open],
        (_, None) => return unknown(format!("{} is a {}", link.name, link.kind)),
    };
    let at = judgement.namespaces.iter().position(|n| n.id == other);
    let Some((at, outer)) = at.and_then(|at| Some((at, judgement.namespaces.get(at)?))) else {
        return unknown(format!("{} leads to a namespace that was not read", link.name));
    };
    if !is_outer(outer) {
        return unknown(format!("{} leads to network namespace {}", link.name, outer.label));
    }
    if matches!(link.kind.as_str(), "macvlan" | "ipvlan" | "vlan") {
        return vec![Gate::Open];
    }
    if link.kind != "veth" {
        return unknown(format!("{} is a {}", link.name, link.kind));
    }
    let Some(end) = outer.link(lower) else {
        return unknown(format!("the other end of {} was not found", link.name));
    };
    let Some(master) = end.master.and_then(|master| outer.link(master)) else {
        return vec![Gate::Through(at, end.name.clone())];
    };
    if master.kind != "bridge" {
        return unknown(format!("{} is a port of {}", end.name, master.name));
    }
    let mut gates = vec![Gate::Through(at, master.name.clone())];
    let elsewhere = |port: &&Link| port.master == Some(master.index) && port.kind != "veth";
    if outer.links().iter().any(|port| elsewhere(&port)) {
        gates.push(Gate::Open);
    }
    gates
}

/// Who can send packets through a namespace to a row of another, out of this interface.
fn through(
    judgement: &Judgement<'_>,
    (outer, out): (usize, &str),
    namespace: &Namespace<'_>,
    (row, wire): (&Row<'_>, Wire),
) -> Result<Reach, String> {
    let home = judgement.home(outer).ok_or("the host's packet filter was not read")?;
    if let Some((what, why)) = home.unread.first() {
        return Err(format!("{what} not read: {why}"));
    }
    let protocol = super::all::on_the_wire(row, wire).ok_or("it is a packet socket")?;
    let addresses: RangeSet = namespace
        .addresses()
        .iter()
        .filter(|address| !address.address.is_loopback() && address.scope == 0)
        .filter_map(|address| wire.number(address.address))
        .map(|number| (number, number))
        .collect();
    let port = row.port().map_or(0, |port| port.0);
    let asked = Asked {
        family: wire.family(),
        protocol: u8::try_from(protocol.0).unwrap_or(u8::MAX),
        ports: RangeSet::one(port.into()),
        destinations: addresses.clone(),
    };
    let budget = Budget::default();
    let mut arrivals: Arrivals =
        netfilter::symbolic::arrivals(&home.ruleset, &home.world, &asked, budget)
            .map_err(|error| error.to_string())?;
    let sides = home.sides(wire);
    let mut sets = Vec::new();
    for (way, name) in sides.ways.iter().enumerate().filter(|(_, name)| *name != out) {
        let found = arrivals
            .passages_by(&addresses, port, Some(name))
            .map_err(|error| error.to_string())?;
        for passage in found.into_iter().filter(|passage| passage.out == out) {
            sets.push(Set::of(home, wire, &arrivals, (way, passage.sources)));
        }
    }
    let (must, may, doubt) = joined(&sets, sides);
    Ok(combine::reach(wire, sides, (must, may), doubt, None))
}
