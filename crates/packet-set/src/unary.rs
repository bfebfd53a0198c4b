//! The operations on one diagram: fixing, forgetting and assigning fields, and renaming leaves.

use std::collections::HashMap;
use std::rc::Rc;

use crate::arena::{Arena, mask};
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

    /// All outcomes that some values of all fields that are not kept lead to, in one pass.
    ///
    /// ```
    /// use packet_set::{Arena, Budget, Field, Leaf, RangeSet};
    /// # fn main() -> Result<(), packet_set::Exceeded> {
    /// let mut arena = Arena::new(Budget::default());
    /// let port = arena.field_in(Field::DPORT, &RangeSet::one(22), Leaf::IN, Leaf::NONE)?;
    /// let net = arena.field_in(Field::SOURCE, &RangeSet::one(9), Leaf::IN, Leaf::NONE)?;
    /// let both = arena.intersection(net, port)?;
    /// let sources = arena.keep(both, |field| field == Field::SOURCE)?;
    /// assert_eq!(arena.at(sources, |_| 9), Leaf::IN.or(Leaf::NONE));
    /// assert_eq!(arena.at(sources, |_| 8), Leaf::NONE);
    /// # Ok(()) }
    /// ```
    pub fn keep(
        &mut self,
        diagram: Diagram,
        kept: impl Fn(Field) -> bool,
    ) -> Result<Diagram, Exceeded> {
        // The last bit of a mask stands for several fields.
        let all = (0..63).filter(|place| kept(Field::at(*place)));
        let fields = all.fold(0, |all, place| all | mask(place));
        self.keeping(diagram, &kept, fields, &mut Memo::new())
    }

    /// What the diagram says for each of these values of a field, as [`Arena::restrict`] would one
    /// by one. What does not depend on the field is looked at once for all values.
    pub fn restrict_each(
        &mut self,
        diagram: Diagram,
        field: Field,
        values: &[u128],
    ) -> Result<Vec<Diagram>, Exceeded> {
        let list = self.restricting(diagram, field, values, &mut HashMap::new())?;
        Ok(list.to_vec())
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
        if !self.may_look_at(diagram, field) {
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

    fn keeping(
        &mut self,
        diagram: Diagram,
        kept: &impl Fn(Field) -> bool,
        fields: u64,
        memo: &mut Memo,
    ) -> Result<Diagram, Exceeded> {
        let Some(field) = self.top(diagram) else { return Ok(diagram) };
        if self.looks_within(diagram, fields) {
            return Ok(diagram);
        }
        if let Some(known) = memo.get(&diagram) {
            return Ok(*known);
        }
        let result = if kept(field) {
            self.rebuild(diagram, |arena, child| arena.keeping(child, kept, fields, memo))?
        } else {
            let children = self.children(diagram, field);
            self.charge(children.len() as u64)?;
            let mut list = Vec::with_capacity(children.len());
            for child in children {
                list.push(self.keeping(child, kept, fields, memo)?);
            }
            list.sort_unstable();
            list.dedup();
            self.any_of(list)?
        };
        memo.insert(diagram, result);
        Ok(result)
    }

    /// The different children of a node.
    fn children(&self, diagram: Diagram, field: Field) -> Vec<Diagram> {
        let mut list: Vec<Diagram> =
            self.edges(diagram, field).map(|(_, _, child)| child).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    fn restricting(
        &mut self,
        diagram: Diagram,
        field: Field,
        values: &[u128],
        memo: &mut HashMap<Diagram, Rc<[Diagram]>>,
    ) -> Result<Rc<[Diagram]>, Exceeded> {
        if let Some(known) = memo.get(&diagram) {
            return Ok(Rc::clone(known));
        }
        let place = self.place(diagram);
        let list: Rc<[Diagram]> = if place == field.place() || !self.may_look_at(diagram, field) {
            // Where the diagram does not look at the field, its only child is itself.
            self.charge(values.len() as u64)?;
            values.iter().map(|value| self.child_at(diagram, field, *value)).collect()
        } else {
            let here = Field::at(place);
            let edges: Vec<_> = self.edges(diagram, here).map(|(lo, _, kid)| (lo, kid)).collect();
            let mut kids = Vec::with_capacity(edges.len());
            for (_, kid) in &edges {
                kids.push(self.restricting(*kid, field, values, memo)?);
            }
            let mut list = Vec::with_capacity(values.len());
            let mut known: HashMap<Vec<Diagram>, Diagram> = HashMap::new();
            // Values that no edge tells apart have one answer. The different children are few.
            let mut different: Vec<_> =
                edges.iter().zip(&kids).map(|((_, kid), list)| (*kid, list)).collect();
            different.sort_unstable_by_key(|(kid, _)| *kid);
            different.dedup_by_key(|(kid, _)| *kid);
            for at in 0..values.len() {
                let pick = |kids: &Rc<[Diagram]>| kids.get(at).copied().unwrap_or(diagram);
                let key: Vec<Diagram> = different.iter().map(|(_, kids)| pick(kids)).collect();
                self.charge(key.len() as u64)?;
                if let Some(same) = known.get(&key) {
                    list.push(*same);
                    continue;
                }
                let made = self
                    .node(here, edges.iter().zip(&kids).map(|((lo, _), kids)| (*lo, pick(kids))))?;
                known.insert(key, made);
                list.push(made);
            }
            list.into()
        };
        memo.insert(diagram, Rc::clone(&list));
        Ok(list)
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
