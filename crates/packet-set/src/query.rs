//! Questions to a finished diagram.

use std::collections::HashSet;

use crate::arena::Arena;
use crate::diagram::{Diagram, Leaf};
use crate::field::Field;
use crate::ranges::RangeSet;

impl Arena {
    /// The leaf of one packet; `value` tells each field that is asked for.
    pub fn at(&self, diagram: Diagram, value: impl Fn(Field) -> u128) -> Leaf {
        let mut here = diagram;
        while let Some(field) = self.top(here) {
            here = self.child_at(here, field, value(field));
        }
        here.as_constant().unwrap_or(Leaf::EMPTY)
    }

    /// What the diagram says further of packets with this value in the field; the diagram itself
    /// if it does not look at the field first.
    #[must_use]
    pub fn child_at(&self, diagram: Diagram, field: Field, value: u128) -> Diagram {
        let place = field.place();
        let (mut low, mut high) = (0, self.edge_count_at(diagram, place));
        // The last edge that starts at or before the value.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.start(diagram, middle).is_some_and(|start| start <= value) {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.edge(diagram, place, low).1
    }

    /// The values of a field, up to `max`, for which the diagram gives a wanted leaf. The diagram
    /// looks at no other field; values below which it does are left out.
    pub fn ranges(
        &self,
        diagram: Diagram,
        field: Field,
        max: u128,
        wanted: impl Fn(Leaf) -> bool,
    ) -> RangeSet {
        self.edges(diagram, field)
            .filter(|(start, _, child)| *start <= max && child.as_constant().is_some_and(&wanted))
            .map(|(start, last, _)| (start, last.min(max)))
            .collect()
    }

    /// Whether no packet has this outcome.
    #[must_use]
    pub fn is_empty(&self, diagram: Diagram, outcome: Leaf) -> bool {
        !self.outcomes(diagram).meets(outcome)
    }

    /// A packet with a wanted leaf: the fields that matter with a value each, in order. Always
    /// the same one: the smallest values, the earlier fields first. None if there is none.
    pub fn witness(
        &self,
        diagram: Diagram,
        wanted: impl Fn(Leaf) -> bool,
    ) -> Option<Vec<(Field, u128)>> {
        let mut without = HashSet::new();
        let mut path = Vec::new();
        self.find_witness(diagram, &wanted, &mut without, &mut path).then_some(path)
    }

    fn find_witness(
        &self,
        diagram: Diagram,
        wanted: &impl Fn(Leaf) -> bool,
        without: &mut HashSet<Diagram>,
        path: &mut Vec<(Field, u128)>,
    ) -> bool {
        let Some(field) = self.top(diagram) else {
            return diagram.as_constant().is_some_and(wanted);
        };
        if without.contains(&diagram) {
            return false;
        }
        for (start, _, child) in self.edges(diagram, field) {
            path.push((field, start));
            if self.find_witness(child, wanted, without, path) {
                return true;
            }
            path.pop();
        }
        without.insert(diagram);
        false
    }
}
