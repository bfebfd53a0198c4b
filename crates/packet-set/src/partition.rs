//! The coarsest partition of addresses into classes with the same rights, as source and as
//! destination.

use std::collections::HashMap;

use crate::arena::Arena;
use crate::diagram::{Diagram, Leaf};
use crate::field::Field;
use crate::ranges::RangeSet;

/// Classes of addresses, and what each may do with each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The classes, in the order of their smallest address; together they hold every address.
    pub classes: Vec<RangeSet>,
    /// For each class as source, in the same order, the leaf towards each class as destination.
    pub rights: Vec<Vec<Leaf>>,
}

/// A step function over addresses: sorted first values, each with a number.
type Steps = Vec<(u128, u32)>;

/// Partitions the addresses up to `max` by a diagram that looks at [`Field::SOURCE`] and
/// [`Field::DESTINATION`] only.
///
/// Two addresses share a class exactly if exchanging one for the other as source changes no leaf,
/// and likewise as destination. Takes in the order of `e log k` for the `k` different rows with
/// `e` intervals together, and the square of the number of classes for the result.
///
/// ```
/// use packet_set::{Arena, Budget, Field, Leaf, RangeSet, by_rights};
/// # fn main() -> Result<(), packet_set::Exceeded> {
/// let mut arena = Arena::new(Budget::default());
/// let to_server = arena.field_in(Field::DESTINATION, &RangeSet::one(9), Leaf::IN, Leaf::NONE)?;
/// let partition = by_rights(&arena, to_server, 255);
/// // The server, and the rest.
/// assert_eq!(partition.classes.len(), 2);
/// assert_eq!(partition.rights[0], [Leaf::NONE, Leaf::IN]);
/// # Ok(()) }
/// ```
#[must_use]
pub fn by_rights(arena: &Arena, diagram: Diagram, max: u128) -> Partition {
    let (as_source, rows) = sources(arena, diagram, max);
    let as_destination = destinations(arena, &rows, max);
    let both = overlay(&as_source, &as_destination);
    let classes = collect_classes(&both, max);
    // The smallest address of a class stands for it.
    let examples: Vec<u128> =
        classes.iter().filter_map(|set| set.iter().next()).map(|(lo, _)| lo).collect();
    let rights = examples.iter().map(|source| rights_of(arena, diagram, *source, &examples));
    Partition { rights: rights.collect(), classes }
}

/// The leaf towards each of these destinations, which are sorted.
fn rights_of(arena: &Arena, diagram: Diagram, source: u128, destinations: &[u128]) -> Vec<Leaf> {
    let row = arena.child_at(diagram, Field::SOURCE, source);
    let mut edges = arena.edges(row, Field::DESTINATION).peekable();
    destinations
        .iter()
        .map(|address| {
            while edges.next_if(|(_, last, _)| last < address).is_some() {}
            edges.peek().and_then(|(_, _, leaf)| leaf.as_constant()).unwrap_or(Leaf::EMPTY)
        })
        .collect()
}

/// Which row each source has, and the different rows.
fn sources(arena: &Arena, diagram: Diagram, max: u128) -> (Steps, Vec<Diagram>) {
    let mut numbers = HashMap::new();
    let mut rows = Vec::new();
    let steps = arena
        .edges(diagram, Field::SOURCE)
        .filter(|(start, _, _)| *start <= max)
        .map(|(start, _, row)| {
            let number = *numbers.entry(row).or_insert_with(|| {
                rows.push(row);
                next_number(rows.len() - 1)
            });
            (start, number)
        })
        .collect();
    (steps, rows)
}

/// A class number for each destination, equal where all rows give the same leaf.
fn destinations(arena: &Arena, rows: &[Diagram], max: u128) -> Steps {
    let mut list: Vec<Steps> = rows
        .iter()
        .map(|row| {
            arena
                .edges(*row, Field::DESTINATION)
                .filter(|(start, _, _)| *start <= max)
                .map(|(start, _, leaf)| {
                    (start, u32::from(leaf.as_constant().unwrap_or(Leaf::EMPTY).bits()))
                })
                .collect()
        })
        .collect();
    while list.len() > 1 {
        list = list
            .chunks(2)
            .filter_map(|pair| match pair {
                [a, b] => Some(overlay(a, b)),
                [only] => Some(only.clone()),
                _ => None,
            })
            .collect();
    }
    list.pop().unwrap_or_default()
}

/// The coarsest step function that tells apart what either tells apart.
fn overlay(a: &Steps, b: &Steps) -> Steps {
    let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
    let mut merged: Steps = Vec::with_capacity(a.len().max(b.len()));
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut here = (0, 0);
    loop {
        let start = match (left.peek(), right.peek()) {
            (None, None) => return merged,
            (Some((x, _)), None) => *x,
            (None, Some((y, _))) => *y,
            (Some((x, _)), Some((y, _))) => *x.min(y),
        };
        if let Some((_, number)) = left.next_if(|(x, _)| *x == start) {
            here.0 = *number;
        }
        if let Some((_, number)) = right.next_if(|(y, _)| *y == start) {
            here.1 = *number;
        }
        let fresh = next_number(numbers.len());
        let number = *numbers.entry(here).or_insert(fresh);
        if merged.last().is_none_or(|(_, last)| *last != number) {
            merged.push((start, number));
        }
    }
}

fn next_number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The addresses of each number, in the order of their smallest address.
fn collect_classes(steps: &Steps, max: u128) -> Vec<RangeSet> {
    let mut order = HashMap::new();
    let mut ranges: Vec<Vec<(u128, u128)>> = Vec::new();
    for (at, (start, number)) in steps.iter().enumerate() {
        let last = steps.get(at + 1).map_or(max, |(next, _)| next - 1);
        let class = *order.entry(*number).or_insert_with(|| {
            ranges.push(Vec::new());
            ranges.len() - 1
        });
        if let Some(list) = ranges.get_mut(class) {
            list.push((*start, last));
        }
    }
    ranges.into_iter().map(RangeSet::of).collect()
}
