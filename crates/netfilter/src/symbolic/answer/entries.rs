//! What is open without a socket of this host: translations, and packets that pass through.

use packet_set::{Arena, Diagram, Field, Leaf, RangeSet};

use super::{Arrivals, MAY, Sources};
use crate::ir::Nat;
use crate::symbolic::EvaluateError;
use crate::symbolic::chain::TARGET;

/// A port that is open through a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The ports, first and last, as clients use them.
    pub ports: (u16, u16),
    /// The destinations, as clients use them.
    pub destinations: RangeSet,
    /// The translation: where it leads to.
    pub nat: Nat,
    /// The interface that packets leave by; none: they are delivered to this host.
    pub out: Option<String>,
    /// Who can use it.
    pub sources: Sources,
}

/// Packets that pass through this host as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The interface that they leave by.
    pub out: String,
    /// Who can send them.
    pub sources: Sources,
}

/// A range of one field.
type Span = (u128, u128);

/// Interface, ports and translation, with the destinations.
type Group = ([Span; 3], Vec<Span>);

impl Arrivals {
    /// The ports that are open through a translation, and where they lead.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn entries(&mut self) -> Result<Vec<Entry>, EvaluateError> {
        self.entries_by(None)
    }

    /// The same for packets that arrive on this interface.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn entries_by(&mut self, way: Option<&str>) -> Result<Vec<Entry>, EvaluateError> {
        let Some(last) = u128::try_from(self.targets.len()).ok().filter(|last| *last > 0) else {
            return Ok(Vec::new());
        };
        let targets = RangeSet::from(1..=last);
        let guard = self.arena.field_in(TARGET, &targets, Leaf::IN, Leaf::EMPTY)?;
        let by = self.addressed(&RangeSet::all(), way)?;
        let guard = self.arena.intersection(by, guard)?;
        let translated = self.arena.intersection(guard, self.ways)?;
        let translated = self.rights(translated)?;
        let kept = [Field::DESTINATION, Field::OIF, Field::DPORT, TARGET];
        let places = self.arena.keep(translated, |field| kept.contains(&field))?;
        let mut boxes = Vec::new();
        open_boxes(&self.arena, places, kept, &mut Vec::new(), &mut boxes);
        let mut groups: Vec<Group> = Vec::new();
        boxes.sort_by_key(|[to, out, port, target]| (*port, *target, *out, *to));
        for [to, out, port, target] in boxes {
            let key = [out, port, target];
            match groups.last_mut() {
                Some((last, list)) if *last == key => list.push(to),
                _ => groups.push((key, vec![to])),
            }
        }
        let mut list = Vec::new();
        for ([out, ports, target], to) in groups {
            for number in target.0..=target.1.min(last) {
                for number_out in out.0..=out.1.min(out.0 + MOST_LINKS) {
                    let place =
                        Place { to: RangeSet::of(to.clone()), out: number_out, target: number };
                    self.entries_at(translated, &place, ports, &mut list)?;
                }
            }
        }
        Ok(list)
    }

    /// The entries of one translation: one for each run of ports with the same sources.
    fn entries_at(
        &mut self,
        translated: Diagram,
        place: &Place,
        ports: (u128, u128),
        list: &mut Vec<Entry>,
    ) -> Result<(), EvaluateError> {
        let at = usize::try_from(place.target).ok().and_then(|number| number.checked_sub(1));
        let Some(nat) = at.and_then(|at| self.targets.get(at)).cloned() else { return Ok(()) };
        let to = self.arena.field_in(Field::DESTINATION, &place.to, Leaf::IN, Leaf::EMPTY)?;
        let part = self.arena.intersection(to, translated)?;
        let part = self.arena.restrict(part, Field::OIF, place.out)?;
        let part = self.arena.restrict(part, TARGET, place.target)?;
        let kept = [Field::SOURCE, Field::DPORT];
        let part = self.arena.keep(part, |field| kept.contains(&field))?;
        let part = self.complete(part)?;
        let numbers: Vec<u128> = (ports.0..=ports.1.min(0xffff)).collect();
        let each = self.arena.restrict_each(part, Field::DPORT, &numbers)?;
        let port = |value: &u128| u16::try_from(*value).unwrap_or(u16::MAX);
        let mut last: Option<Entry> = None;
        for (number, sources) in numbers.iter().zip(each) {
            match &mut last {
                Some(entry) if entry.sources == Sources(sources) => entry.ports.1 = port(number),
                _ => {
                    list.extend(last.take());
                    last = Some(Entry {
                        ports: (port(number), port(number)),
                        destinations: place.to.clone(),
                        nat: nat.clone(),
                        out: self.interfaces.name(place.out),
                        sources: Sources(sources),
                    });
                }
            }
        }
        list.extend(last);
        Ok(())
    }

    /// Who can send packets through this host, untranslated, to these destinations and this port, by
    /// the interface that they leave by. Where nobody can, nothing is listed.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn passages(&mut self, to: &RangeSet, port: u16) -> Result<Vec<Passage>, EvaluateError> {
        self.passages_by(to, port, None)
    }

    /// The same for packets that arrive on this interface.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn passages_by(
        &mut self,
        to: &RangeSet,
        port: u16,
        way: Option<&str>,
    ) -> Result<Vec<Passage>, EvaluateError> {
        let guard = self.addressed(to, way)?;
        let part = self.arena.intersection(guard, self.ways)?;
        let part = self.arena.restrict(part, TARGET, 0)?;
        let part = self.arena.restrict(part, Field::DPORT, port.into())?;
        let part = self.rights(part)?;
        let kept = [Field::SOURCE, Field::OIF];
        let part = self.arena.keep(part, |field| kept.contains(&field))?;
        let mut list = Vec::new();
        for out in self.ways_out.clone() {
            let Some((number, _)) = self.number(&out).iter().next() else { continue };
            let sources = self.arena.restrict(part, Field::OIF, number)?;
            let sources = Sources(self.complete(sources)?);
            if self.anyone_may(sources) {
                list.push(Passage { out, sources });
            }
        }
        Ok(list)
    }
}

/// Most interfaces that one range of an entry is told apart by.
const MOST_LINKS: u128 = 4096;

/// Where an entry is.
struct Place {
    to: RangeSet,
    out: u128,
    target: u128,
}

/// Every box of these fields, in their order, in which something may be open.
fn open_boxes(
    arena: &Arena,
    diagram: Diagram,
    fields: [Field; 4],
    path: &mut Vec<Span>,
    found: &mut Vec<[Span; 4]>,
) {
    if !arena.outcomes(diagram).meets(MAY) {
        return;
    }
    let Some(field) = fields.get(path.len()).copied() else {
        if let Ok(whole) = <[Span; 4]>::try_from(path.as_slice()) {
            found.push(whole);
        }
        return;
    };
    for (lo, hi, child) in arena.edges(diagram, field) {
        path.push((lo, hi));
        open_boxes(arena, child, fields, path, found);
        path.pop();
    }
}
