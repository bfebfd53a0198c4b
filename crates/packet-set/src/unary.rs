//! The operations on one diagram: fixing, forgetting and assigning fields, and renaming leaves.

use std::collections::HashMap;

use crate::arena::Arena;
use crate::budget::Exceeded;
use crate::diagram::{Diagram, Leaf};
use crate::field::Field;

/// Results within one operation.
type Memo = HashMap<Diagram, Diagram>;

impl Arena {
    /// What the diagram says of packets whose field is *replaced* by this value: the field no
    /// longer matters. This is both "restrict to the value" and "assign the value, then ask".
    pub fn restrict(
        &mut self,
        diagram: Diagram,
        field: Field,
        value: u128,
    ) -> Result<Diagram, Exceeded> {
        self.choose(diagram, field, value, value)
    }

    /// All outcomes that some value of the field in the range leads to: the field is assigned a
    /// value of the range, we do not know which.
    pub fn choose(
        &mut self,
        diagram: Diagram,
        field: Field,
        lo: u128,
        hi: u128,
    ) -> Result<Diagram, Exceeded> {
        self.choosing(diagram, field, lo, hi, &mut Memo::new())
    }

    /// All outcomes that some value of the field leads to.
    pub fn project(&mut self, diagram: Diagram, field: Field) -> Result<Diagram, Exceeded> {
        self.choose(diagram, field, 0, u128::MAX)
    }

    /// All outcomes that some values of all fields **after** this one in the order lead to.
    pub fn project_after(&mut self, diagram: Diagram, field: Field) -> Result<Diagram, Exceeded> {
        self.projecting(diagram, field, &mut Memo::new())
    }

    /// Each leaf replaced by what `rename` makes of it.
    pub fn map_leaves(
        &mut self,
        diagram: Diagram,
        rename: impl Fn(Leaf) -> Leaf,
    ) -> Result<Diagram, Exceeded> {
        self.mapping(diagram, &rename, &mut Memo::new())
    }

    /// The packets that are not in the set: [`Leaf::IN`] and [`Leaf::NONE`] exchanged.
    pub fn complement(&mut self, set: Diagram) -> Result<Diagram, Exceeded> {
        self.map_leaves(set, |leaf| {
            let rest = leaf.without(Leaf::IN.or(Leaf::NONE));
            let to_none = if leaf.meets(Leaf::IN) { Leaf::NONE } else { Leaf::EMPTY };
            let to_in = if leaf.meets(Leaf::NONE) { Leaf::IN } else { Leaf::EMPTY };
            rest.or(to_none).or(to_in)
        })
    }

    fn choosing(
        &mut self,
        diagram: Diagram,
        field: Field,
        lo: u128,
        hi: u128,
        memo: &mut Memo,
    ) -> Result<Diagram, Exceeded> {
        let place = self.place(diagram);
        if place > field.place() {
            return Ok(diagram);
        }
        if let Some(known) = memo.get(&diagram) {
            return Ok(*known);
        }
        let result = if place == field.place() {
            let chosen = self
                .edges(diagram, field)
                .filter(|(first, last, _)| *first <= hi && *last >= lo)
                .map(|(_, _, child)| child)
                .collect();
            self.any_of(chosen)?
        } else {
            self.rebuild(diagram, |arena, child| arena.choosing(child, field, lo, hi, memo))?
        };
        memo.insert(diagram, result);
        Ok(result)
    }

    fn projecting(
        &mut self,
        diagram: Diagram,
        field: Field,
        memo: &mut Memo,
    ) -> Result<Diagram, Exceeded> {
        if self.place(diagram) > field.place() {
            return Ok(Diagram::constant(self.outcomes(diagram)));
        }
        if let Some(known) = memo.get(&diagram) {
            return Ok(*known);
        }
        let result = self.rebuild(diagram, |arena, child| arena.projecting(child, field, memo))?;
        memo.insert(diagram, result);
        Ok(result)
    }

    fn mapping(
        &mut self,
        diagram: Diagram,
        rename: &impl Fn(Leaf) -> Leaf,
        memo: &mut Memo,
    ) -> Result<Diagram, Exceeded> {
        if let Some(leaf) = diagram.as_constant() {
            return Ok(Diagram::constant(rename(leaf)));
        }
        if let Some(known) = memo.get(&diagram) {
            return Ok(*known);
        }
        let result = self.rebuild(diagram, |arena, child| arena.mapping(child, rename, memo))?;
        memo.insert(diagram, result);
        Ok(result)
    }

    /// The node again, with each child replaced.
    fn rebuild(
        &mut self,
        diagram: Diagram,
        mut change: impl FnMut(&mut Self, Diagram) -> Result<Diagram, Exceeded>,
    ) -> Result<Diagram, Exceeded> {
        let place = self.place(diagram);
        let base = self.pending.len();
        let count = self.edge_count_at(diagram, place);
        self.charge(u64::from(count))?;
        for at in 0..count {
            let (start, child) = self.edge(diagram, place, at);
            let child = change(self, child)?;
            self.push_edge(base, start, child);
        }
        self.finish_node(Field::at(place), base)
    }
}
