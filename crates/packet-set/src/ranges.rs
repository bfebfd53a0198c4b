//! Sorted lists of closed ranges: the values of one field.

use std::ops::RangeInclusive;

/// A set of numbers: closed ranges, sorted, disjoint and not adjacent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RangeSet(Vec<(u128, u128)>);

impl RangeSet {
    /// The set without elements.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Every number.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(0, u128::MAX)])
    }

    /// One number.
    #[must_use]
    pub fn one(value: u128) -> Self {
        Self(vec![(value, value)])
    }

    /// The union of these ranges, in any order; a range whose end is before its start is empty.
    #[must_use]
    pub fn of(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.retain(|(lo, hi)| lo <= hi);
        // Adaptive merge sort: lists that a kernel printed are sorted already.
        if !ranges.is_sorted() {
            ranges.sort_unstable();
        }
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (lo, hi) in ranges {
            match merged.last_mut() {
                Some(last) if last.1 == u128::MAX || lo <= last.1 + 1 => last.1 = last.1.max(hi),
                _ => merged.push((lo, hi)),
            }
        }
        Self(merged)
    }

    /// The ranges in order, as (first, last).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u128, u128)> + '_ {
        self.0.iter().copied()
    }

    /// The ranges that end at this number or after it; the first may hold it.
    pub fn iter_from(&self, value: u128) -> impl Iterator<Item = (u128, u128)> + '_ {
        let first = self.0.partition_point(|(_, hi)| *hi < value);
        self.0.get(first..).unwrap_or_default().iter().copied()
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the number is an element.
    #[must_use]
    pub fn contains(&self, value: u128) -> bool {
        self.range_at(value).is_some()
    }

    /// The whole range that holds a number, as (first, last); none if it is no element.
    #[must_use]
    pub fn range_at(&self, value: u128) -> Option<(u128, u128)> {
        let after = self.0.partition_point(|(lo, _)| *lo <= value);
        let range = after.checked_sub(1).and_then(|at| self.0.get(at));
        range.copied().filter(|(_, hi)| value <= *hi)
    }

    /// The elements of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(self.len() + other.len());
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if b < a => right.next(),
                (None, _) => right.next(),
                _ => left.next(),
            };
            let Some((lo, hi)) = next else { return Self(merged) };
            match merged.last_mut() {
                Some(last) if last.1 == u128::MAX || lo <= last.1 + 1 => last.1 = last.1.max(hi),
                _ => merged.push((lo, hi)),
            }
        }
    }

    /// The elements of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(&(a, b)), Some(&(c, d))) = (left.peek(), right.peek()) {
            let (lo, hi) = (a.max(c), b.min(d));
            if lo <= hi {
                both.push((lo, hi));
            }
            if b < d {
                left.next()
            } else {
                right.next()
            };
        }
        Self(both)
    }

    /// The numbers up to `max` that are not elements.
    #[must_use]
    pub fn complement(&self, max: u128) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(0);
        for (lo, hi) in self.iter() {
            if let Some(start) = next
                && lo > start
                && start <= max
            {
                gaps.push((start, (lo - 1).min(max)));
            }
            next = hi.checked_add(1);
        }
        if let Some(start) = next
            && start <= max
        {
            gaps.push((start, max));
        }
        Self(gaps)
    }

    /// Whether every element of this set is one of the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.intersection(other) == *self
    }
}

impl From<RangeInclusive<u128>> for RangeSet {
    fn from(range: RangeInclusive<u128>) -> Self {
        Self::of(vec![range.into_inner()])
    }
}

impl FromIterator<(u128, u128)> for RangeSet {
    fn from_iter<I: IntoIterator<Item = (u128, u128)>>(ranges: I) -> Self {
        Self::of(ranges.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> impl Strategy<Value = RangeSet> {
        proptest::collection::vec((0_u128..40, 0_u128..40), 0..6).prop_map(RangeSet::of)
    }

    proptest! {
        #[test]
        fn sets_agree_with_membership(a in small(), b in small(), x in 0_u128..60) {
            prop_assert_eq!(a.union(&b).contains(x), a.contains(x) || b.contains(x));
            prop_assert_eq!(a.intersection(&b).contains(x), a.contains(x) && b.contains(x));
            prop_assert_eq!(a.complement(50).contains(x), x <= 50 && !a.contains(x));
            prop_assert!(a.intersection(&b).is_subset(&a));
            let both = a.iter().chain(b.iter()).collect();
            prop_assert_eq!(a.union(&b), RangeSet::of(both));
            prop_assert_eq!(a.range_at(x), a.iter().find(|(lo, hi)| (*lo..=*hi).contains(&x)));
        }
    }

    #[test]
    fn whole_range_has_no_complement() {
        assert!(RangeSet::all().complement(u128::MAX).is_empty());
        assert_eq!(RangeSet::empty().complement(u128::MAX), RangeSet::all());
    }
}
