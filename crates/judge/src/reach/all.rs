//! Every reach of a judgement: which rows share an evaluation, made when one of them is asked about.

use std::cell::OnceCell;
use std::collections::HashMap;

use facts::{IfIndex, Protocol};

use super::evaluate::{self, Evaluated};
use super::home::Home;
use super::{Arrival, Because, Reach, Wire, combine, inner};
use crate::Judgement;
use crate::row::{Row, Scope};

/// What rows have in common whose reach is evaluated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The position of their namespace.
    pub(crate) namespace: usize,
    /// The family.
    pub(crate) wire: Wire,
    /// The protocol on the wire; none for packet sockets.
    pub(crate) protocol: Option<Protocol>,
    /// The interface they are bound to: it decides the way of what they reply.
    pub(crate) device: Option<IfIndex>,
}

/// Rows that are evaluated together.
#[derive(Debug)]
struct Group {
    key: Key,
    /// Their positions.
    rows: Vec<usize>,
    evaluated: OnceCell<Evaluated>,
}

/// The reach of every row.
#[derive(Debug, Default)]
pub(crate) struct Reaches {
    groups: Vec<Group>,
    /// For each row and family: the group, and the place in it.
    places: Vec<[Option<(usize, usize)>; 2]>,
    /// What they finally come to, with the ways in and out of their namespaces.
    finals: Vec<[OnceCell<Reach>; 2]>,
    /// The packet filter and routes of each namespace.
    homes: Vec<OnceCell<Home>>,
}

impl Reaches {
    /// Sorts rows into groups.
    pub(crate) fn of(rows: &[Row<'_>], namespaces: usize) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<Key, usize> = HashMap::new();
        let mut places = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            places.push(Wire::BOTH.map(|wire| {
                if row.arrival(wire) == Arrival::No {
                    return None;
                }
                let key = Key {
                    namespace: row.namespace,
                    wire,
                    protocol: on_the_wire(row, wire),
                    device: row.socket.device,
                };
                let group = *known.entry(key).or_insert(groups.len());
                if group == groups.len() {
                    groups.push(Group { key, rows: Vec::new(), evaluated: OnceCell::new() });
                }
                let rows = &mut groups.get_mut(group)?.rows;
                rows.push(at);
                Some((group, rows.len().saturating_sub(1)))
            }));
        }
        let homes = (0..namespaces).map(|_| OnceCell::new()).collect();
        let finals = rows.iter().map(|_| [OnceCell::new(), OnceCell::new()]).collect();
        Self { groups, places, finals, homes }
    }

    /// The reach of a row over a family; none where that cannot arrive.
    pub(crate) fn get(&self, judgement: &Judgement<'_>, row: usize, wire: Wire) -> Option<&Reach> {
        let within = self.within(judgement, row, wire)?;
        let cell = self.finals.get(row)?.get(wire.position())?;
        Some(cell.get_or_init(|| finish(judgement, row, wire, within)))
    }

    /// The same as far as the row's own namespace decides.
    pub(crate) fn within(
        &self,
        judgement: &Judgement<'_>,
        row: usize,
        wire: Wire,
    ) -> Option<&Reach> {
        let (evaluated, place) = self.evaluated(judgement, row, wire)?;
        evaluated.reaches.get(place)
    }

    /// The evaluation that a row takes part in, and its place there.
    pub(crate) fn evaluated(
        &self,
        judgement: &Judgement<'_>,
        row: usize,
        wire: Wire,
    ) -> Option<(&Evaluated, usize)> {
        let (group, place) = self.places.get(row)?.get(wire.position()).copied().flatten()?;
        let group = self.groups.get(group)?;
        let evaluated = group.evaluated.get_or_init(|| {
            let rows: Vec<&Row<'_>> =
                group.rows.iter().filter_map(|at| judgement.rows.get(*at)).collect();
            if judgement.snapshot.collector.sockets_only {
                return Evaluated::unknown(wire, &Because::NotAsked, rows.len());
            }
            evaluate::group(judgement, group.key, &rows)
        });
        Some((evaluated, place))
    }

    /// The packet filter and routes of a namespace.
    pub(crate) fn home(&self, judgement: &Judgement<'_>, namespace: usize) -> Option<&Home> {
        let fact = judgement.namespaces.get(namespace)?.fact;
        Some(self.homes.get(namespace)?.get_or_init(|| Home::of(fact)))
    }
}

/// What a row's reach comes to with the ways into its namespace, and with the translations that lead
/// to it or take its port.
fn finish(judgement: &Judgement<'_>, row: usize, wire: Wire, within: &Reach) -> Reach {
    let (Some(row), false) = (judgement.rows.get(row), judgement.snapshot.collector.sockets_only)
    else {
        return within.clone();
    };
    if row.port().is_none() {
        return within.clone();
    }
    let is_loopback = row.scope == Scope::Loopback;
    let namespace = judgement.namespaces.get(row.namespace);
    let is_inner = namespace.is_some_and(|n| inner::is_inner(judgement, n));
    let mut reach = match namespace {
        Some(namespace) if is_inner && !is_loopback => {
            inner::gated(judgement, namespace, row, wire, within)
        }
        _ => within.clone(),
    };
    for entry in judgement.entries() {
        let Some(home) = judgement.home(entry.namespace) else { continue };
        let taken = entry.reach.get(wire.position()).and_then(Option::as_ref);
        let taken = taken.filter(|_| !is_inner && entry.takes(row));
        for by_entry in entry.to(row, wire).chain(taken) {
            // Bound to loopback stays the reason unless someone gets there.
            if !is_loopback || !by_entry.may.is_empty() {
                reach = combine::either(wire, home.sides(wire), &reach, by_entry);
            }
        }
    }
    reach
}

/// The protocol of the packets that arrive at a row.
pub(super) fn on_the_wire(row: &Row<'_>, wire: Wire) -> Option<Protocol> {
    use facts::{Family, Kind};
    match row.socket.kind {
        _ if row.socket.family == Family::Packet => None,
        Kind::Ping if wire == Wire::Ipv6 => Some(Protocol::ICMPV6),
        _ if row.socket.protocol == Protocol::MPTCP => Some(Protocol::TCP),
        _ => Some(row.socket.protocol),
    }
}
