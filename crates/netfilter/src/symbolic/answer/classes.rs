//! The sources of many listeners at once, in classes of those that are treated alike.
//!
//! A host's rules tell many sources apart, and for each of its ports few of them. So the sources are
//! spread over classes once, and what is kept for a port is one leaf for each class.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use packet_set::{Arena, Diagram, Field, Leaf, RangeSet};

use super::{Arrivals, Listener, MAY, MUST};
use crate::symbolic::{EvaluateError, Outcome};

/// The most pieces that are few.
const FEW: usize = 512;

/// All sources of a family in pieces, each of which belongs to a class.
struct Spread {
    /// First address and class of each piece, in order, without a gap.
    pieces: Vec<(u128, u32)>,
    /// For each class what is further asked of its packets, and its pieces.
    classes: Vec<(Diagram, Vec<u32>)>,
    /// The last address.
    max: u128,
}

impl Spread {
    fn of(arena: &Arena, part: Diagram, max: u128) -> Self {
        let mut pieces = Vec::new();
        let mut classes: Vec<(Diagram, Vec<u32>)> = Vec::new();
        let mut known: HashMap<Diagram, u32> = HashMap::new();
        for (start, _, child) in arena.edges(part, Field::SOURCE) {
            if start > max {
                break;
            }
            let class = *known.entry(child).or_insert_with(|| {
                classes.push((child, Vec::new()));
                u32::try_from(classes.len() - 1).unwrap_or(u32::MAX)
            });
            if let Some((_, own)) = classes.get_mut(class as usize) {
                own.push(u32::try_from(pieces.len()).unwrap_or(u32::MAX));
            }
            pieces.push((start, class));
        }
        Self { pieces, classes, max }
    }
}

/// Who can reach something, and what becomes of the others. Cheap to keep for many ports.
#[derive(Clone)]
pub struct Classes {
    spread: Rc<Spread>,
    /// What becomes of each class.
    leaves: Rc<[Leaf]>,
}

impl PartialEq for Classes {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.spread, &other.spread) && self.leaves == other.leaves
    }
}

impl Eq for Classes {}

impl Hash for Classes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.spread).hash(state);
        self.leaves.hash(state);
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classes").field("may", &self.ranges(Sure::May)).finish_non_exhaustive()
    }
}

/// How sure it has to be that a source gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sure {
    /// It certainly does.
    Must,
    /// It is not certain that it does not.
    May,
}

impl Sure {
    const fn leaf(self) -> Leaf {
        match self {
            Self::Must => MUST,
            Self::May => MAY,
        }
    }
}

impl Classes {
    /// All sources from this one on in pieces: first, last, and whether they get in.
    pub fn pieces(&self, from: u128, sure: Sure) -> impl Iterator<Item = (u128, u128, bool)> + '_ {
        let list = &self.spread.pieces;
        let first = list.partition_point(|(start, _)| *start <= from).saturating_sub(1);
        let rest = list.get(first..).unwrap_or_default();
        let ends = rest.iter().skip(1).map(|(start, _)| start - 1).chain([self.spread.max]);
        let wanted = sure.leaf();
        rest.iter().zip(ends).filter(move |(_, last)| from <= *last).map(
            move |((start, class), last)| (from.max(*start), last, self.leaf(*class).meets(wanted)),
        )
    }

    /// The sources that get in, if they or all others are few: without a look at each piece.
    #[must_use]
    pub fn few(&self, sure: Sure) -> Option<RangeSet> {
        let of = |inside: bool| {
            let wanted = move |leaf: &Leaf| leaf.meets(sure.leaf()) == inside;
            let all = self.spread.classes.iter().zip(self.leaves.iter());
            all.filter(move |(_, leaf)| wanted(leaf)).map(|((_, pieces), _)| pieces)
        };
        let ranges = |inside: bool| -> RangeSet {
            let list = &self.spread.pieces;
            let range = |at: &u32| {
                let (start, _) = list.get(*at as usize)?;
                let next = list.get((*at as usize).saturating_add(1));
                Some((*start, next.map_or(self.spread.max, |(next, _)| next - 1)))
            };
            of(inside).flatten().filter_map(range).collect()
        };
        if of(true).map(Vec::len).sum::<usize>() <= FEW {
            return Some(ranges(true));
        }
        let others_are_few = of(false).map(Vec::len).sum::<usize>() <= FEW;
        others_are_few.then(|| ranges(false).complement(self.spread.max))
    }

    fn leaf(&self, class: u32) -> Leaf {
        self.leaves.get(class as usize).copied().unwrap_or(Leaf::EMPTY)
    }

    /// All of those that get in.
    #[must_use]
    pub fn ranges(&self, sure: Sure) -> RangeSet {
        let inside = self.pieces(0, sure).filter(|(.., is_in)| *is_in);
        inside.map(|(lo, hi, _)| (lo, hi)).collect()
    }

    /// Those that may get in with this outcome.
    #[must_use]
    pub fn that_may(&self, outcome: Outcome) -> RangeSet {
        let is_one = |leaf: &Leaf| leaf.meets(MAY) && leaf.meets(outcome.leaf());
        if !self.leaves.iter().any(is_one) {
            return RangeSet::empty();
        }
        let list = &self.spread.pieces;
        let ends = list.iter().skip(1).map(|(start, _)| start - 1).chain([self.spread.max]);
        let those = list.iter().zip(ends).filter(|((_, class), _)| is_one(&self.leaf(*class)));
        those.map(|((start, _), last)| (*start, last)).collect()
    }

    /// Whether any source may get in.
    #[must_use]
    pub fn anyone(&self, sure: Sure) -> bool {
        self.leaves.iter().any(|leaf| leaf.meets(sure.leaf()))
    }

    /// Whether all sources do.
    #[must_use]
    pub fn everyone(&self, sure: Sure) -> bool {
        self.leaves.iter().all(|leaf| leaf.meets(sure.leaf()))
    }

    /// The sources that may get in and not certainly do, in pieces.
    pub fn doubtful(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let is_doubtful = |leaf: &Leaf| leaf.meets(MAY) && !leaf.meets(MUST);
        let any = self.leaves.iter().any(is_doubtful);
        let musts = self.pieces(0, Sure::Must);
        let mays = any.then(|| self.pieces(0, Sure::May)).into_iter().flatten();
        mays.zip(musts)
            .filter(|((.., may), (.., must))| *may && !must)
            .map(|((lo, hi, _), _)| (lo, hi))
    }

    /// What becomes of packets of some source.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.gathered(|_| true)
    }

    /// What becomes of packets of those who do not get in.
    #[must_use]
    pub fn refusals(&self) -> Vec<Outcome> {
        self.gathered(|leaf| !leaf.meets(MAY))
    }

    fn gathered(&self, wanted: impl Fn(Leaf) -> bool) -> Vec<Outcome> {
        let wanted = self.leaves.iter().filter(|leaf| wanted(**leaf));
        let all = wanted.fold(Leaf::EMPTY, |all, leaf| all.or(*leaf));
        Outcome::ALL.into_iter().filter(|one| all.meets(one.leaf())).collect()
    }
}

/// What the listeners of a list are bound to, and those of each.
type Groups<'l> = Vec<((&'l RangeSet, Option<&'l str>), Vec<(usize, u128)>)>;

/// Listeners that are bound to the same, with their place in the list and their port.
pub(super) fn groups(list: &[Listener]) -> Groups<'_> {
    let mut known = HashMap::new();
    let mut groups: Groups<'_> = Vec::new();
    for (at, listener) in list.iter().enumerate() {
        let key = (&listener.addresses, listener.device.as_deref());
        let place = *known.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push((key, Vec::new()));
        }
        if let Some((_, members)) = groups.get_mut(place) {
            members.push((at, listener.port.into()));
        }
    }
    groups
}

/// The classes of sources that were made already, by the diagram that they come from.
#[derive(Default)]
pub(super) struct Spreads(HashMap<Diagram, Rc<Spread>>);

impl Arrivals {
    /// The same as [`Self::listeners`], for callers that keep the answers about many ports.
    ///
    /// # Errors
    /// The budget does not suffice.
    pub fn classes(&mut self, list: &[Listener]) -> Result<Vec<Classes>, EvaluateError> {
        let max = self.asked.family.max_address();
        let mut found: Vec<Option<Classes>> = vec![None; list.len()];
        for ((addresses, device), members) in groups(list) {
            let part = self.part(addresses, device)?;
            let arena = &self.arena;
            let spread = self.spreads.0.entry(part);
            let spread = spread.or_insert_with(|| Rc::new(Spread::of(arena, part, max)));
            for (at, port) in members {
                let leaf = |(class, _): &(Diagram, Vec<u32>)| {
                    let child = arena.child_at(*class, Field::DPORT, port);
                    child.as_constant().unwrap_or(Leaf::EMPTY)
                };
                let leaves = spread.classes.iter().map(leaf).collect();
                if let Some(place) = found.get_mut(at) {
                    *place = Some(Classes { spread: Rc::clone(spread), leaves });
                }
            }
        }
        // Each listener is in a group.
        Ok(found.into_iter().flatten().collect())
    }
}
