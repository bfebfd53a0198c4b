//! Sets of source addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use facts::Prefix;
use packet_set::RangeSet;

use super::Wire;

/// Source addresses of one family. Cheap to copy: many rows share one set, which may be large.
#[derive(Clone, Debug)]
pub struct Sources {
    wire: Wire,
    ranges: Rc<RangeSet>,
    /// Addresses that no host elsewhere can have as its source: whether they are in the set means
    /// nothing.
    nobodys: Rc<RangeSet>,
}

impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        let same = Rc::ptr_eq(&self.ranges, &other.ranges) || self.ranges == other.ranges;
        self.wire == other.wire && same
    }
}

impl Eq for Sources {}

impl Sources {
    /// These addresses, as numbers. `nobodys` are those that no host elsewhere can have.
    pub(crate) fn of(wire: Wire, ranges: Rc<RangeSet>, nobodys: Rc<RangeSet>) -> Self {
        Self { wire, ranges, nobodys }
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
        &self.ranges
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_subset(&self.nobodys)
    }

    /// Whether it is everyone: every address that a host elsewhere can have.
    pub fn is_everyone(&self) -> bool {
        self.ranges.union(&self.nobodys).complement(self.wire.max()).is_empty()
    }

    /// Whether it is at least half of them.
    pub(crate) fn is_most(&self) -> bool {
        let size = |set: &RangeSet| set.iter().map(|(lo, hi)| (hi - lo) / 2).sum::<u128>();
        let everyone = self.nobodys.complement(self.wire.max());
        size(&self.ranges.intersection(&everyone)) >= size(&everyone) / 2
    }

    /// All the others.
    #[must_use]
    pub fn others(&self) -> Self {
        let rest = self.ranges.union(&self.nobodys).complement(self.wire.max());
        Self { ranges: Rc::new(rest), ..self.clone() }
    }

    /// Whether every address is among these.
    pub fn is_within(&self, ranges: &RangeSet) -> bool {
        self.ranges.is_subset(&ranges.union(&self.nobodys))
    }

    /// The smallest list of prefixes that covers these and no other address that a host elsewhere
    /// can have, sorted.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let needed = self.ranges.intersection(&self.nobodys.complement(self.wire.max()));
        let allowed = needed.union(&self.nobodys);
        let allowed: Vec<(u128, u128)> = allowed.iter().collect();
        let needed: Vec<(u128, u128)> = needed.iter().collect();
        let mut cover = Vec::new();
        let mut from = needed.first().map(|(lo, _)| *lo);
        while let Some(start) = from {
            let (_, end) = self.block(start, &allowed);
            // The smallest block around all that is needed of it.
            let (lo, hi) = around(start, bits_of(start ^ last_within(&needed, end)));
            let len = self.wire.bits() - bits_of(lo ^ hi);
            cover.push(Prefix { address: self.wire.address(lo), len });
            from = hi.checked_add(1).and_then(|next| first_from(&needed, next));
        }
        cover
    }

    /// The largest block that holds an address and nothing that is not allowed.
    fn block(&self, start: u128, allowed: &[(u128, u128)]) -> (u128, u128) {
        let at = allowed.partition_point(|(_, hi)| *hi < start);
        let Some(&(low, high)) = allowed.get(at) else { return (start, start) };
        let fits = |bits: &u8| {
            let (lo, hi) = around(start, *bits);
            low <= lo && hi <= high
        };
        let bits = (0..=self.wire.bits()).rev().find(fits).unwrap_or(0);
        around(start, bits)
    }

    /// Whether an address is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.wire.number(address).is_some_and(|number| self.ranges.contains(number))
    }
}

/// How many low bits a number needs.
fn bits_of(number: u128) -> u8 {
    u8::try_from(u128::BITS - number.leading_zeros()).unwrap_or(u8::MAX)
}

/// The aligned block of this many bits around an address.
fn around(address: u128, bits: u8) -> (u128, u128) {
    let low = 1_u128.checked_shl(bits.into()).map_or(u128::MAX, |bit| bit - 1);
    (address & !low, address | low)
}

/// The last address of these ranges that is not behind another.
fn last_within(ranges: &[(u128, u128)], limit: u128) -> u128 {
    let after = ranges.partition_point(|(lo, _)| *lo <= limit);
    let last = after.checked_sub(1).and_then(|at| ranges.get(at));
    last.map_or(limit, |(_, hi)| (*hi).min(limit))
}

/// The first address of these ranges that is not before another.
fn first_from(ranges: &[(u128, u128)], limit: u128) -> Option<u128> {
    let at = ranges.partition_point(|(_, hi)| *hi < limit);
    ranges.get(at).map(|(lo, _)| (*lo).max(limit))
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
        let got: Vec<String> = sources.prefixes().iter().map(ToString::to_string).collect();
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
        assert_eq!(of(&[("2.0.0.0", "255.255.255.255")]).others().prefixes()[0].len, 8);
        assert!(of(&[("0.0.0.0", "1.0.0.9")]).is_within(&ranges(&[("1.0.0.0", "1.0.1.0")])));
    }
}
