//! The operations on two diagrams, and the memory of results that keeps them fast.

use crate::arena::Arena;
use crate::budget::Exceeded;
use crate::diagram::{Diagram, Leaf};
use crate::field::Field;

/// The operation "all outcomes of both"; other numbers are the outcome to substitute.
const UNION: u8 = 16;

/// Results of earlier operations. Lossy: a result may be forgotten, and is then computed again.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    operation: u8,
    left: Diagram,
    right: Diagram,
    result: Diagram,
}

/// No operation has this number.
const FREE: Entry = Entry {
    operation: u8::MAX,
    left: Diagram::constant(Leaf::EMPTY),
    right: Diagram::constant(Leaf::EMPTY),
    result: Diagram::constant(Leaf::EMPTY),
};

/// Most entries that the cache grows to: 16 MiB.
const MOST_ENTRIES: usize = 1 << 20;

impl Cache {
    pub(crate) fn new() -> Self {
        Self { entries: vec![FREE; 1 << 10] }
    }

    fn slot(&self, operation: u8, left: Diagram, right: Diagram) -> usize {
        let key = (u64::from(left.0) << 32 | u64::from(right.0)) ^ (u64::from(operation) << 27);
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = (hash >> 40) as usize;
        slot & (self.entries.len() - 1)
    }

    fn find(&self, operation: u8, left: Diagram, right: Diagram) -> Option<Diagram> {
        let entry = self.entries.get(self.slot(operation, left, right))?;
        let known = entry.operation == operation && entry.left == left && entry.right == right;
        known.then_some(entry.result)
    }

    fn insert(&mut self, entry: Entry, nodes: usize) {
        if nodes > self.entries.len() && self.entries.len() < MOST_ENTRIES {
            // The old results are still the most recent ones: keep them.
            let old = std::mem::take(&mut self.entries);
            self.entries = vec![FREE; old.len() * 2];
            for entry in old.into_iter().filter(|entry| entry.operation != u8::MAX) {
                self.put(entry);
            }
        }
        self.put(entry);
    }

    fn put(&mut self, entry: Entry) {
        let slot = self.slot(entry.operation, entry.left, entry.right);
        if let Some(place) = self.entries.get_mut(slot) {
            *place = entry;
        }
    }
}

impl Arena {
    /// `left`, with each occurrence of one outcome replaced by what `right` says of the packet.
    ///
    /// `outcome` is a leaf of one element; more or fewer leave `left` as it is.
    pub fn substitute(
        &mut self,
        left: Diagram,
        outcome: Leaf,
        right: Diagram,
    ) -> Result<Diagram, Exceeded> {
        match u8::try_from(outcome.bits().trailing_zeros()) {
            Ok(number) if outcome.bits().is_power_of_two() => self.apply(number, left, right),
            _ => Ok(left),
        }
    }

    /// First decided wins: `first`, and `second` where the first has [`Leaf::NONE`].
    pub fn over(&mut self, first: Diagram, second: Diagram) -> Result<Diagram, Exceeded> {
        self.substitute(first, Leaf::NONE, second)
    }

    /// All outcomes of both. Of sets: not the union of sets, which is [`Arena::over`].
    pub fn either(&mut self, left: Diagram, right: Diagram) -> Result<Diagram, Exceeded> {
        self.apply(UNION, left, right)
    }

    /// A whole list, first decided wins; folded by halves, so that a list of n simple rules takes
    /// in the order of n log n. An empty list decides nothing.
    pub fn first_decided(&mut self, mut list: Vec<Diagram>) -> Result<Diagram, Exceeded> {
        while list.len() > 1 {
            let mut halves = Vec::with_capacity(list.len().div_ceil(2));
            for pair in list.chunks(2) {
                halves.push(match pair {
                    [first, second] => self.over(*first, *second)?,
                    [only] => *only,
                    _ => continue,
                });
            }
            list = halves;
        }
        Ok(list.first().copied().unwrap_or(Diagram::constant(Leaf::NONE)))
    }

    /// All outcomes of a list of diagrams.
    pub fn any_of(&mut self, mut list: Vec<Diagram>) -> Result<Diagram, Exceeded> {
        while list.len() > 1 {
            let mut halves = Vec::with_capacity(list.len().div_ceil(2));
            for pair in list.chunks(2) {
                halves.push(match pair {
                    [first, second] => self.either(*first, *second)?,
                    [only] => *only,
                    _ => continue,
                });
            }
            list = halves;
        }
        Ok(list.first().copied().unwrap_or(Diagram::constant(Leaf::EMPTY)))
    }

    /// The packets that are in both sets (leaves [`Leaf::IN`] and [`Leaf::NONE`]).
    pub fn intersection(&mut self, a: Diagram, b: Diagram) -> Result<Diagram, Exceeded> {
        self.substitute(a, Leaf::IN, b)
    }

    fn apply(&mut self, op: u8, left: Diagram, right: Diagram) -> Result<Diagram, Exceeded> {
        if let Some(known) = known_result(op, left, right) {
            return Ok(known);
        }
        if op != UNION && !self.outcomes(left).meets(Leaf::outcome(op)) {
            return Ok(left);
        }
        if let Some(cached) = self.cache.find(op, left, right) {
            return Ok(cached);
        }
        let place = self.place(left).min(self.place(right));
        let (left_count, right_count) =
            (self.edge_count_at(left, place), self.edge_count_at(right, place));
        let base = self.pending.len();
        let (mut i, mut j) = (0, 0);
        let mut start = 0;
        loop {
            let (_, first) = self.edge(left, place, i);
            let (_, second) = self.edge(right, place, j);
            let child = self.apply(op, first, second)?;
            self.push_edge(base, start, child);
            let next_left = if i + 1 < left_count { self.start(left, i + 1) } else { None };
            let next_right = if j + 1 < right_count { self.start(right, j + 1) } else { None };
            start = match (next_left, next_right) {
                (None, None) => break,
                (Some(x), None) => {
                    i += 1;
                    x
                }
                (None, Some(y)) => {
                    j += 1;
                    y
                }
                (Some(x), Some(y)) => {
                    i += u32::from(x <= y);
                    j += u32::from(y <= x);
                    x.min(y)
                }
            };
        }
        // What was merged again by equal children has been work, too.
        self.charge(u64::from(i) + u64::from(j) + 1)?;
        let result = self.finish_node(Field::at(place), base)?;
        let nodes = self.node_count();
        self.cache.insert(Entry { operation: op, left, right, result }, nodes);
        Ok(result)
    }
}

/// The result where it can be told from the handles alone.
fn known_result(op: u8, left: Diagram, right: Diagram) -> Option<Diagram> {
    let first = left.as_constant();
    if op == UNION {
        return match (first, right.as_constant()) {
            (Some(a), Some(b)) => Some(Diagram::constant(a.or(b))),
            (Some(Leaf::EMPTY), _) => Some(right),
            (_, Some(Leaf::EMPTY)) => Some(left),
            _ if left == right => Some(left),
            _ => None,
        };
    }
    let outcome = Leaf::outcome(op);
    match (first, right.as_constant()) {
        (Some(a), _) if !a.meets(outcome) => Some(left),
        (Some(a), _) if a == outcome => Some(right),
        (Some(a), Some(b)) => Some(Diagram::constant(a.without(outcome).or(b))),
        (_, Some(b)) if b == outcome => Some(left),
        _ => None,
    }
}
