//! Sets of source addresses.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use facts::Prefix;
use netfilter::symbolic::{Classes, Sure};
use packet_set::RangeSet;

use super::Wire;
use super::cover::Cover;

/// Source addresses of one family. Cheap to copy: many rows share one set, which may be large.
#[derive(Clone, Debug)]
pub struct Sources {
    wire: Wire,
    kept: Rc<Kept>,
    /// All but these.
    inverted: bool,
    /// Addresses that no host elsewhere can have as its source: whether they are in the set means
    /// nothing.
    nobodys: Rc<RangeSet>,
}

/// A set, and what was made of it.
#[derive(Debug)]
struct Kept {
    set: Set,
    /// Its addresses as numbers, and all others, where someone wanted them.
    ranges: [OnceCell<RangeSet>; 2],
    /// Whether these, and all others, are most of everyone, where someone asked.
    most: [OnceCell<bool>; 2],
}

/// How a set is kept.
#[derive(Debug)]
enum Set {
    Ranges(Rc<RangeSet>),
    /// As the evaluation has it, which is small though the ranges are many.
    Classes(Classes, Sure),
}

/// A piece of all addresses: the first, the last, and whether they are in the set.
pub(super) type Piece = (u128, u128, bool);

impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.kept.set, &other.kept.set) {
            _ if self.inverted != other.inverted => false,
            (Set::Ranges(a), Set::Ranges(b)) => Rc::ptr_eq(a, b),
            (Set::Classes(a, of), Set::Classes(b, to)) => of == to && a == b,
            _ => false,
        };
        self.wire == other.wire && (same || self.ranges() == other.ranges())
    }
}

impl Eq for Sources {}

impl Sources {
    /// These addresses, as numbers. `nobodys` are those that no host elsewhere can have.
    pub(crate) fn of(wire: Wire, ranges: Rc<RangeSet>, nobodys: Rc<RangeSet>) -> Self {
        Self::kept(wire, Set::Ranges(ranges), nobodys)
    }

    fn kept(wire: Wire, set: Set, nobodys: Rc<RangeSet>) -> Self {
        let kept = Rc::new(Kept { set, ranges: Default::default(), most: Default::default() });
        Self { wire, kept, inverted: false, nobodys }
    }

    /// The sources that get in, as an evaluation has them.
    pub(super) fn that(wire: Wire, classes: Classes, sure: Sure, nobodys: Rc<RangeSet>) -> Self {
        let set = match classes.few(sure) {
            Some(ranges) => Set::Ranges(Rc::new(ranges)),
            None => Set::Classes(classes, sure),
        };
        Self::kept(wire, set, nobodys)
    }

    /// No address.
    pub fn none(wire: Wire) -> Self {
        Self::of(wire, Rc::default(), Rc::default())
    }

    /// Every address.
    pub fn all(wire: Wire) -> Self {
        Self::of(wire, Rc::new(RangeSet::from(0..=wire.max())), Rc::default())
    }

    /// The family.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// The addresses as numbers.
    pub fn ranges(&self) -> &RangeSet {
        if let (Set::Ranges(ranges), false) = (&self.kept.set, self.inverted) {
            return ranges;
        }
        let [own, others] = &self.kept.ranges;
        let ranges = if self.inverted { others } else { own };
        ranges.get_or_init(|| {
            let inside = self.pieces(0).filter(|(.., is_in)| *is_in);
            inside.map(|(lo, hi, _)| (lo, hi)).collect()
        })
    }

    /// All addresses from this one on, in pieces that cover them.
    pub(super) fn pieces(&self, from: u128) -> Box<dyn Iterator<Item = Piece> + '_> {
        let invert = |(lo, hi, is_in): Piece| (lo, hi, is_in != self.inverted);
        match &self.kept.set {
            Set::Ranges(ranges) => Box::new(pieces(ranges, from, self.wire.max()).map(invert)),
            Set::Classes(classes, sure) => Box::new(classes.pieces(from, *sure).map(invert)),
        }
    }

    /// The addresses that no host elsewhere can have.
    pub(super) fn nobodys(&self) -> &RangeSet {
        &self.nobodys
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match &self.kept.set {
            Set::Classes(classes, sure) if !self.inverted && !classes.anyone(*sure) => true,
            _ => self.is_within(&RangeSet::empty()),
        }
    }

    /// Whether it is everyone: every address that a host elsewhere can have.
    pub fn is_everyone(&self) -> bool {
        match &self.kept.set {
            Set::Classes(classes, sure) if !self.inverted && classes.everyone(*sure) => true,
            _ => self.others().is_empty(),
        }
    }

    /// Whether it is at least half of them.
    pub(crate) fn is_most(&self) -> bool {
        // It is asked for each rule.
        let [own, others] = &self.kept.most;
        let most = if self.inverted { others } else { own };
        *most.get_or_init(|| self.are_most())
    }

    fn are_most(&self) -> bool {
        let half = |(lo, hi): (u128, u128)| hi.saturating_sub(lo) / 2;
        let everyone = self.nobodys.complement(self.wire.max());
        let within = |(lo, hi): (u128, u128)| {
            let parts = everyone.iter_from(lo).take_while(move |(from, _)| *from <= hi);
            parts.map(|(from, to)| half((from.max(lo), to.min(hi)))).sum::<u128>()
        };
        let inside = self.pieces(0).filter(|(.., is_in)| *is_in);
        let own: u128 = inside.map(|(lo, hi, _)| within((lo, hi))).sum();
        own >= everyone.iter().map(half).sum::<u128>() / 2
    }

    /// All the others.
    #[must_use]
    pub fn others(&self) -> Self {
        Self { inverted: !self.inverted, ..self.clone() }
    }

    /// Whether every address is among these.
    pub fn is_within(&self, ranges: &RangeSet) -> bool {
        let inside = self.pieces(0).filter(|(.., is_in)| *is_in);
        inside.map(|(lo, hi, _)| (lo, hi)).all(|piece| covers([ranges, &self.nobodys], piece))
    }

    /// The smallest list of prefixes that covers these and no other address that a host elsewhere
    /// can have, sorted. It is found as far as it is asked for.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        Cover::of(self)
    }

    /// Whether an address is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = self.wire.number(address);
        number.is_some_and(|number| self.pieces(number).next().is_some_and(|(.., is_in)| is_in))
    }
}

/// All numbers from this one on up to `max`, in pieces.
fn pieces(ranges: &RangeSet, from: u128, max: u128) -> impl Iterator<Item = Piece> + '_ {
    let mut at = Some(from).filter(|from| *from <= max);
    let mut list = ranges.iter_from(from);
    let mut next = list.next();
    std::iter::from_fn(move || {
        let start = at?;
        let piece = match next {
            Some((lo, hi)) if lo <= start => {
                next = list.next();
                (start, hi.min(max), true)
            }
            Some((lo, _)) if lo <= max => (start, lo.saturating_sub(1), false),
            _ => (start, max, false),
        };
        at = piece.1.checked_add(1).filter(|at| *at <= max);
        Some(piece)
    })
}

/// Whether every number of a piece is in one of these sets.
fn covers(sets: [&RangeSet; 2], (lo, hi): (u128, u128)) -> bool {
    let mut at = lo;
    loop {
        let found = sets.into_iter().find_map(|set| set.range_at(at));
        match found {
            None => return false,
            Some((_, end)) if end >= hi => return true,
            Some((_, end)) => at = end.saturating_add(1),
        }
    }
}

impl Wire {
    /// Number of bits of an address.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }

    /// The last address as a number.
    pub(crate) fn max(self) -> u128 {
        match self {
            Self::Ipv4 => u32::MAX.into(),
            Self::Ipv6 => u128::MAX,
        }
    }

    /// An address as a number; none for one of the other family.
    pub(crate) fn number(self, address: IpAddr) -> Option<u128> {
        match (self, address) {
            (Self::Ipv4, IpAddr::V4(v4)) => Some(v4.to_bits().into()),
            (Self::Ipv6, IpAddr::V6(v6)) => Some(v6.to_bits()),
            _ => None,
        }
    }

    /// The address of a number; a larger one than there is gives the last.
    pub(crate) fn address(self, number: u128) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            Self::Ipv6 => Ipv6Addr::from_bits(number).into(),
        }
    }

    /// Its family in [`netfilter`].
    pub(crate) fn family(self) -> netfilter::ir::Family {
        match self {
            Self::Ipv4 => netfilter::ir::Family::Ipv4,
            Self::Ipv6 => netfilter::ir::Family::Ipv6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(&str, &str)]) -> RangeSet {
        let number = |text: &str| match text.parse().unwrap() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        list.iter().map(|(lo, hi)| (number(lo), number(hi))).collect()
    }

    fn check(set: &[(&str, &str)], nobodys: &[(&str, &str)], expect: &[&str]) {
        let wire = match set.first() {
            Some((lo, _)) if lo.contains(':') => Wire::Ipv6,
            _ => Wire::Ipv4,
        };
        let sources = Sources::of(wire, Rc::new(ranges(set)), Rc::new(ranges(nobodys)));
        let got: Vec<String> = sources.prefixes().map(|prefix| prefix.to_string()).collect();
        assert_eq!(got, expect, "{set:?} without {nobodys:?}");
    }

    #[test]
    fn the_smallest_cover() {
        check(&[], &[], &[]);
        check(&[("0.0.0.0", "255.255.255.255")], &[], &["0.0.0.0/0"]);
        check(&[("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")], &[], &["::/0"]);
        check(&[("10.0.0.0", "10.255.255.255")], &[], &["10.0.0.0/8"]);
        check(&[("10.0.0.1", "10.0.0.3")], &[], &["10.0.0.1/32", "10.0.0.2/31"]);
        check(
            &[("10.0.0.0", "10.0.0.9"), ("192.0.2.7", "192.0.2.7")],
            &[],
            &["10.0.0.0/29", "10.0.0.8/31", "192.0.2.7/32"],
        );
        check(
            &[("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff")],
            &[("2001:db8::1", "2001:db8::1")],
            &["2001:db8::/64"],
        );
    }

    #[test]
    fn addresses_of_nobody_make_it_smaller_and_never_wider() {
        let nobodys = [
            ("0.0.0.0", "0.0.0.0"),
            ("127.0.0.0", "127.255.255.255"),
            ("192.0.2.0", "192.0.2.0"),
            ("192.0.2.10", "192.0.2.10"),
            ("192.0.2.255", "192.0.2.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("255.255.255.255", "255.255.255.255"),
        ];
        let everyone = [
            ("0.0.0.1", "126.255.255.255"),
            ("128.0.0.0", "192.0.1.255"),
            ("192.0.2.1", "192.0.2.9"),
            ("192.0.2.11", "192.0.2.254"),
            ("192.0.3.0", "223.255.255.255"),
            ("240.0.0.0", "255.255.255.254"),
        ];
        check(&everyone, &nobodys, &["0.0.0.0/0"]);
        check(&everyone[2..4], &nobodys, &["192.0.2.0/24"]);
        check(&[("126.0.0.0", "126.255.255.255")], &nobodys, &["126.0.0.0/8"]);
        check(&[("192.0.2.9", "192.0.2.11")], &nobodys, &["192.0.2.9/32", "192.0.2.11/32"]);
        // Nobody's alone are nothing.
        check(&[("224.0.0.0", "239.255.255.255")], &nobodys, &[]);
    }

    #[test]
    fn everyone_and_no_one() {
        let nobodys = Rc::new(ranges(&[("0.0.0.0", "0.255.255.255")]));
        let of = |list| Sources::of(Wire::Ipv4, Rc::new(ranges(list)), nobodys.clone());
        assert!(of(&[("1.0.0.0", "255.255.255.255")]).is_everyone());
        assert!(!of(&[("2.0.0.0", "255.255.255.255")]).is_everyone());
        assert!(of(&[("0.0.0.0", "0.0.0.9")]).is_empty());
        assert_eq!(
            of(&[("2.0.0.0", "255.255.255.255")]).others().prefixes().next().unwrap().len,
            8
        );
        assert!(of(&[("0.0.0.0", "1.0.0.9")]).is_within(&ranges(&[("1.0.0.0", "1.0.1.0")])));
    }
}
