//! What the evaluation of a namespace's packet filter says of many rows, as verdicts.

use std::collections::HashMap;
use std::rc::Rc;

use facts::Protocol;
use netfilter::ir::Reject;
use netfilter::symbolic::{
    Arrivals, Asked, Classes, EvaluateError, Listener, Outcome, Sources as Handle, Sure,
};
use packet_set::{Budget, RangeSet};

use super::home::{Home, Sides};
use super::listener::Asks;
use super::lists::Lists;
use super::{Because, ClientSees, Reach, Sources, Verdict, Wire};
use crate::row::Row;

/// By which interfaces something can arrive, and what becomes of it: for each side of
/// [`Asks::sides`].
type Ways = [Vec<(usize, Classes)>; 3];

/// The answers about all rows of a group.
pub(super) struct Answers<'h> {
    home: &'h Home,
    wire: Wire,
    protocol: Protocol,
    arrivals: Arrivals,
    rows: Vec<Ways>,
    /// What was made of the same ways before: on most hosts rows have few different ones.
    made: HashMap<Ways, Made>,
}

/// Who certainly is let in, who may be, and why it is not certain.
type Found = (Sources, Sources, Option<Because>);

/// What the ways of a row come to.
#[derive(Clone)]
struct Made {
    must: Sources,
    may: Sources,
    /// Why it is not certain for all that can be expected to come.
    doubt: Option<Because>,
    seen: Seen,
}

/// What clients may see.
#[derive(Clone, Copy, Default)]
struct Seen {
    refused: bool,
    timed_out: bool,
    unreachable: bool,
    prohibited: bool,
    /// To some that can be expected to come no reply gets out.
    unanswered: bool,
    /// By the same interface, to others it does.
    answered: bool,
}

impl<'h> Answers<'h> {
    /// Asks about all of them at once.
    pub(super) fn of(
        home: &'h Home,
        wire: Wire,
        protocol: Protocol,
        rows: &[Option<&Asks>],
    ) -> Result<Self, EvaluateError> {
        let all = || rows.iter().copied().flatten();
        let listeners = || all().flat_map(Asks::sides).flatten();
        let mut destinations: Vec<&RangeSet> = listeners().map(|l| &l.addresses).collect();
        destinations.dedup();
        let asked = Asked {
            family: wire.family(),
            protocol: u8::try_from(protocol.0).unwrap_or(u8::MAX),
            ports: listeners().map(|l| (l.port.into(), l.port.into())).collect(),
            destinations: destinations.into_iter().flat_map(RangeSet::iter).collect(),
        };
        // Those that are evaluated together are bound to one interface, or to none.
        let device = listeners().find_map(|listener| listener.device.as_deref());
        let (world, budget) = (home.world_of(device), Budget::default());
        let mut arrivals = netfilter::symbolic::arrivals(&home.ruleset, &world, &asked, budget)?;
        let mut found: Vec<Ways> = vec![Ways::default(); rows.len()];
        for (way, name) in home.sides(wire).ways.iter().enumerate() {
            ask_by(&mut arrivals, (way, name), rows, &mut found)?;
        }
        Ok(Self { home, wire, protocol, arrivals, rows: found, made: HashMap::new() })
    }

    /// The evaluation itself.
    pub(super) fn into_arrivals(self) -> Arrivals {
        self.arrivals
    }

    /// The reach of one row, with the address lists of its own.
    pub(super) fn reach(&mut self, at: usize, row: &Row<'_>, lists: &Lists) -> Reach {
        let ways = self.rows.get(at).cloned().unwrap_or_default();
        let made = self.made.get(&ways).cloned().unwrap_or_else(|| {
            let made = self.make(&ways);
            self.made.insert(ways, made.clone());
            made
        });
        let reach = self.judge(made, lists);
        let full = row.accept_queue().is_some_and(|queue| queue.now > queue.max);
        if full && !reach.may.is_empty() {
            return Reach {
                verdict: Verdict::Unknown,
                must: Sources::none(self.wire),
                client_sees: Some(ClientSees::TimedOut),
                because: Because::QueueFull,
                ..reach
            };
        }
        reach
    }

    /// The verdict.
    fn judge(&self, made: Made, lists: &Lists) -> Reach {
        let Made { mut must, mut may, mut doubt, mut seen } = made;
        let sides = self.home.sides(self.wire);
        let sources = |set| Sources::of(self.wire, set, sides.nobodys.clone());
        let mut because = Because::Filter;
        if let Some(passes) = &lists.passes {
            let before = may.clone();
            must = sources(Rc::new(must.ranges().intersection(passes)));
            may = sources(Rc::new(may.ranges().intersection(passes)));
            if may != before {
                because = Because::AddressLists(lists.unit.clone());
                seen.timed_out = true;
            }
        }
        if let Some(reason) = &lists.doubt
            && !may.is_empty()
        {
            must = Sources::none(self.wire);
            doubt = Some(reason.clone());
            seen.timed_out = true;
        }
        let verdict = match &doubt {
            _ if may.is_empty() => Verdict::Blocked,
            Some(reason) => {
                because = reason.clone();
                Verdict::Unknown
            }
            None if must.is_empty() => {
                because = Because::ElsewhereOnly;
                Verdict::Unknown
            }
            None if must.is_everyone() => Verdict::Open,
            None if must.is_within(&sides.on_link) => Verdict::OnLink,
            None => Verdict::Part,
        };
        let silent = self.home.world.silent();
        let is_plain = match &because {
            Because::Doubts(named) => named.is_empty(),
            other => matches!(other, Because::Filter | Because::ElsewhereOnly),
        };
        if self.wire == Wire::Ipv6
            && seen.unreachable
            && is_plain
            && !silent.is_empty()
            && matches!(verdict, Verdict::Blocked | Verdict::Unknown)
        {
            because = Because::Strangers(silent.iter().map(|one| one.interface.clone()).collect());
        }
        let client_sees = Some(seen.word(self.protocol, &must, &may));
        Reach { verdict, must, may, client_sees, because }
    }

    /// What the ways of a row come to.
    fn make(&self, ways: &Ways) -> Made {
        let (must, may, doubt) = self.alike(ways).unwrap_or_else(|| self.by_ways(ways));
        let mut seen = Seen::default();
        let shown = ways.iter().find(|side| !side.is_empty());
        let sides = self.home.sides(self.wire);
        for (way, classes) in shown.into_iter().flatten() {
            seen.add(&classes.refusals());
            let comes = |outcome| {
                let set = classes.that_may(outcome);
                let region = sides.region(*way);
                let set = region.map(|region| set.intersection(region)).unwrap_or(set);
                !set.is_subset(&sides.nobodys)
            };
            if comes(Outcome::Unanswered) {
                seen.unanswered = true;
                seen.answered |= comes(Outcome::Accepted);
            }
            if doubt.is_some() {
                seen.add(&classes.outcomes());
            }
        }
        seen.timed_out |= matches!(doubt, Some(Because::Program(_)));
        let Some(chooser) = self.home.chooser() else { return Made { must, may, doubt, seen } };
        // Whom a program takes away from this socket we do not know; what a rule takes is no longer
        // certain already.
        let takes = self.home.programs.iter().any(|program| program.diverts);
        if must.is_everyone() && !takes {
            return Made { must, may, doubt, seen };
        }
        Made {
            must: if takes { Sources::none(self.wire) } else { must },
            may: self.sources(RangeSet::from(0..=self.wire.max())),
            doubt: Some(Because::Program(chooser.to_owned())),
            seen: Seen { timed_out: true, ..seen },
        }
    }

    fn sources(&self, set: RangeSet) -> Sources {
        Sources::of(self.wire, Rc::new(set), self.home.sides(self.wire).nobodys.clone())
    }

    /// Who certainly is let in, who may be, and why it is not certain, where it is all the same by
    /// which interface and to which of its addresses a packet comes. Most hosts' rules do not ask
    /// that, and so the sets need not be put together.
    fn alike(&self, ways: &Ways) -> Option<Found> {
        let sides = self.home.sides(self.wire);
        let [own, ..] = ways;
        let (_, first) = own.first()?;
        let is_alike = own.len() == sides.ways.len()
            && self.home.programs.is_empty()
            && ways.iter().flatten().all(|(_, classes)| classes == first);
        if !is_alike {
            return None;
        }
        let sources = |sure| Sources::that(self.wire, first.clone(), sure, sides.nobodys.clone());
        let is_nobodys =
            |(lo, hi): (u128, u128)| sides.nobodys.range_at(lo).is_some_and(|(_, end)| end >= hi);
        let doubt =
            if first.doubtful().all(is_nobodys) { None } else { Some(Because::Doubts(Vec::new())) };
        Some((sources(Sure::Must), sources(Sure::May), doubt))
    }

    /// The same where each interface and kind of address has its own answer.
    fn by_ways(&self, ways: &Ways) -> Found {
        let sides = self.home.sides(self.wire);
        let [own, near, many] = ways.each_ref().map(|ways| self.sets(ways));
        let neighbours = &sides.on_link;
        let must = [&near, &many].into_iter().fold(certainly(&own, sides), |must, sets| {
            must.union(&certainly(sets, sides).intersection(neighbours))
        });
        let may = either(own.iter().chain(&near).chain(&many).map(|set| &set.may));
        let proven = must.union(&sides.nobodys);
        let groups = || Because::Groups;
        let other = || Because::Doubts(Vec::new());
        let doubt = Self::doubt(&own, &likely(&own, sides), &proven, other)
            .or_else(|| {
                Self::doubt(&near, &likely(&near, sides).intersection(neighbours), &proven, other)
            })
            .or_else(|| {
                Self::doubt(&many, &likely(&many, sides).intersection(neighbours), &proven, groups)
            });
        (self.sources(must), self.sources(may), doubt)
    }

    /// Why it is not proven that all who can be expected to come are let in, if it is not.
    fn doubt(
        sets: &[Set],
        likely: &RangeSet,
        proven: &RangeSet,
        other: impl FnOnce() -> Because,
    ) -> Option<Because> {
        if likely.is_subset(proven) {
            return None;
        }
        let program = sets.iter().find_map(|set| set.program.clone());
        Some(program.map_or_else(other, Because::Program))
    }

    /// The sources of each way.
    fn sets(&self, ways: &[(usize, Classes)]) -> Vec<Set> {
        let of = |(way, classes): &(usize, Classes)| {
            let (must, may) = (classes.ranges(Sure::Must), classes.ranges(Sure::May));
            Set::by(self.home, self.wire, *way, (must, may))
        };
        ways.iter().map(of).collect()
    }
}

/// The sources that get in by one interface.
pub(super) struct Set {
    pub(super) way: usize,
    pub(super) must: RangeSet,
    pub(super) may: RangeSet,
    /// A program of which it is not known what it lets through.
    pub(super) program: Option<String>,
}

impl Set {
    /// What the evaluation says of an interface.
    pub(super) fn of(home: &Home, wire: Wire, arrivals: &Arrivals, at: (usize, Handle)) -> Self {
        let (way, handle) = at;
        Self::by(home, wire, way, (arrivals.must(handle), arrivals.may(handle)))
    }

    /// Those that certainly get in and that may, and no more than programs there let be certain.
    fn by(home: &Home, wire: Wire, way: usize, (must, may): (RangeSet, RangeSet)) -> Self {
        let name = home.sides(wire).ways.get(way);
        let program = home
            .programs
            .iter()
            .find(|program| program.link.is_none() || program.link.as_ref() == name);
        Self {
            way,
            must: if program.is_some() { RangeSet::empty() } else { must },
            may,
            program: program.map(|program| program.label.clone()),
        }
    }
}

/// What the sources that get in by several interfaces come to: those that certainly do, all that
/// may, and why it is not certain for all that can be expected to come.
pub(super) fn joined(sets: &[Set], sides: &Sides) -> (RangeSet, RangeSet, Option<Because>) {
    let must = certainly(sets, sides);
    let may = either(sets.iter().map(|set| &set.may));
    let proven = must.union(&sides.not_guests);
    let other = || Because::Doubts(Vec::new());
    let doubt = Answers::doubt(sets, &likely(sets, sides), &proven, other);
    (must, may, doubt)
}

/// Asks about every row, by one interface.
fn ask_by(
    arrivals: &mut Arrivals,
    (way, name): (usize, &String),
    rows: &[Option<&Asks>],
    found: &mut [Ways],
) -> Result<(), EvaluateError> {
    let mut list: Vec<Listener> = Vec::new();
    let mut of: Vec<(usize, usize)> = Vec::new();
    for (at, asks) in rows.iter().enumerate() {
        let Some(asks) = asks else { continue };
        for (side, listeners) in asks.sides().into_iter().enumerate() {
            for listener in listeners {
                if listener.device.as_ref().is_none_or(|device| device == name) {
                    list.push(Listener { device: Some(name.clone()), ..listener.clone() });
                    of.push((at, side));
                }
            }
        }
    }
    let all = arrivals.classes(&list)?;
    for ((at, side), classes) in of.into_iter().zip(all) {
        if let Some(ways) = found.get_mut(at).and_then(|ways| ways.get_mut(side)) {
            // The types of ICMP messages differ little.
            let one = (way, classes);
            if !ways.contains(&one) {
                ways.push(one);
            }
        }
    }
    Ok(())
}

/// Those that are certainly let in: by the interface that they belong to, or where that is not one
/// alone, by each.
fn certainly(sets: &[Set], sides: &Sides) -> RangeSet {
    let mut found = RangeSet::empty();
    let mut by_each = RangeSet::from(0..=u128::MAX);
    for way in 0..sides.ways.len() {
        let by_this = either(sets.iter().filter(|set| set.way == way).map(|set| &set.must));
        by_each = by_each.intersection(&by_this);
        if let Some(region) = sides.region(way) {
            found = found.union(&by_this.intersection(region));
        }
    }
    if sides.ways.is_empty() { found } else { found.union(&by_each) }
}

/// Those that can be expected to come, and may be let in.
fn likely(sets: &[Set], sides: &Sides) -> RangeSet {
    let mut found = RangeSet::empty();
    for set in sets {
        found = found.union(&match sides.region(set.way) {
            Some(region) => set.may.intersection(&region.union(&sides.of_several)),
            None => set.may.clone(),
        });
    }
    found
}

fn either<'s>(sets: impl Iterator<Item = &'s RangeSet>) -> RangeSet {
    sets.flat_map(RangeSet::iter).collect()
}

impl Seen {
    fn add(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Accepted => {}
                Outcome::Rejected(Reject::Port | Reject::Reset) => self.refused = true,
                Outcome::Rejected(Reject::Unreachable) => self.unreachable = true,
                Outcome::Rejected(Reject::Prohibited) => self.prohibited = true,
                _ => self.timed_out = true,
            }
        }
    }

    /// In one word.
    fn word(self, protocol: Protocol, must: &Sources, may: &Sources) -> ClientSees {
        let open = match protocol {
            Protocol::TCP | Protocol::SCTP => ClientSees::Connected,
            _ if !self.unanswered => ClientSees::Answered,
            _ if self.answered => ClientSees::Mixed,
            _ => ClientSees::TimedOut,
        };
        if must.is_everyone() {
            return open;
        }
        let all = [
            (!may.is_empty(), open),
            (self.refused, ClientSees::Refused),
            (self.timed_out, ClientSees::TimedOut),
            (self.unreachable, ClientSees::Unreachable),
            (self.prohibited, ClientSees::Prohibited),
        ];
        let mut seen = all.into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
        match (seen.next(), seen.next()) {
            (Some(only), None) => only,
            (None, _) => ClientSees::TimedOut,
            _ => ClientSees::Mixed,
        }
    }
}
