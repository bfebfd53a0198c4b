//! One packet for an answer.

use std::collections::HashSet;

use packet_set::{Arena, Diagram, Field, Leaf, RangeSet};

use super::{Arrivals, Listener};
use crate::concrete::Packet;
use crate::symbolic::chain::TARGET;
use crate::symbolic::outcome::ELSEWHERE;

impl Arrivals {
    /// A packet to this listener with a wanted leaf: always the same one, with the smallest values.
    #[must_use]
    pub fn witness(&self, listener: &Listener, wanted: impl Fn(Leaf) -> bool) -> Option<Packet> {
        self.witness_from(listener, &RangeSet::all(), wanted)
    }

    /// The same from one of these sources.
    #[must_use]
    pub fn witness_from(
        &self,
        listener: &Listener,
        sources: &RangeSet,
        wanted: impl Fn(Leaf) -> bool,
    ) -> Option<Packet> {
        let device = listener.device.as_deref().map(|name| self.number(name));
        let fits = |field: Field, lo: u128, hi: u128| -> Option<u128> {
            let within = |set: &RangeSet| {
                set.intersection(&RangeSet::from(lo..=hi)).iter().next().map(|(first, _)| first)
            };
            match field {
                Field::SOURCE => within(sources),
                Field::DESTINATION => within(&listener.addresses),
                Field::IIF => match &device {
                    Some(number) => within(number),
                    None => Some(lo),
                },
                Field::OIF | TARGET => within(&RangeSet::one(0)),
                Field::DPORT => within(&RangeSet::one(listener.port.into())),
                _ => Some(lo),
            }
        };
        self.find(fits, wanted).map(|path| self.packet(&path, listener))
    }

    /// What may happen to one packet: for each interface that it may leave by (none: it stays here),
    /// a leaf. For tests and for packets whose path is known otherwise.
    #[must_use]
    pub fn at(&self, packet: &Packet) -> Vec<(Leaf, Option<String>)> {
        let targets = u128::try_from(self.targets.len()).unwrap_or(0);
        let links = u128::try_from(self.ways_out.len()).unwrap_or(0);
        let iif = self.number(&packet.iif).iter().next().map_or(0, |(number, _)| number);
        (0..=links)
            .map(|out| {
                let leaf = (0..=targets).fold(Leaf::EMPTY, |all, target| {
                    all.or(self.arena.at(self.details, |field| match field {
                        Field::IIF => iif,
                        Field::OIF => out,
                        TARGET => target,
                        other => packet.value(other),
                    }))
                });
                (leaf.without(ELSEWHERE), self.interfaces.name(out))
            })
            .filter(|(leaf, _)| !leaf.is_empty())
            .collect()
    }

    /// The first path of [`Self::details`] whose values fit and whose leaf is wanted.
    fn find(
        &self,
        fits: impl Fn(Field, u128, u128) -> Option<u128>,
        wanted: impl Fn(Leaf) -> bool,
    ) -> Option<Vec<(Field, u128)>> {
        let mut path = Vec::new();
        let mut without = HashSet::new();
        walk(&self.arena, self.details, &fits, &wanted, &mut without, &mut path).then_some(path)
    }

    fn packet(&self, path: &[(Field, u128)], listener: &Listener) -> Packet {
        let value = |field: Field| path.iter().find(|(known, _)| *known == field).map(|(_, v)| *v);
        let usual = 49152;
        let number = value(Field::IIF).or_else(|| {
            let name = listener.device.as_ref().or(self.ways_in.first())?;
            self.number(name).iter().next().map(|(number, _)| number)
        });
        let iif = number.and_then(|number| self.interfaces.name(number)).unwrap_or_default();
        let first = |set: &RangeSet| set.iter().next().map(|(lo, _)| lo);
        let destination = value(Field::DESTINATION).or_else(|| first(&listener.addresses));
        let mut packet = Packet::arriving(
            self.asked.family,
            self.asked.protocol,
            (1, usual),
            (destination.unwrap_or(0), listener.port),
            &iif,
        );
        for (field, value) in path {
            packet.set(*field, *value);
        }
        packet.original_dport = listener.port;
        packet.dport = listener.port;
        packet
    }
}

fn walk(
    arena: &Arena,
    diagram: Diagram,
    fits: &impl Fn(Field, u128, u128) -> Option<u128>,
    wanted: &impl Fn(Leaf) -> bool,
    without: &mut HashSet<Diagram>,
    path: &mut Vec<(Field, u128)>,
) -> bool {
    let Some(field) = arena.top(diagram) else {
        return diagram.as_constant().is_some_and(|leaf| !leaf.is_empty() && wanted(leaf));
    };
    if without.contains(&diagram) {
        return false;
    }
    for (lo, hi, child) in arena.edges(diagram, field) {
        let Some(value) = fits(field, lo, hi) else { continue };
        path.push((field, value));
        if walk(arena, child, fits, wanted, without, path) {
            return true;
        }
        path.pop();
    }
    without.insert(diagram);
    false
}
