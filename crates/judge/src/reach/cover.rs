//! The smallest list of prefixes around a set of sources.

use facts::Prefix;

use super::sources::Sources;

/// The prefixes one after the other: none of them is looked for before it is asked for, since a set
/// may need a hundred thousand.
pub(super) struct Cover<'s> {
    sources: &'s Sources,
    /// Where the next may begin.
    from: Option<u128>,
}

impl<'s> Cover<'s> {
    pub(super) fn of(sources: &'s Sources) -> Self {
        Self { sources, from: Some(0) }
    }

    /// The first address from this one on that has to be covered.
    fn needed(&self, from: u128) -> Option<u128> {
        let inside = self.sources.pieces(from).filter(|(.., is_in)| *is_in);
        inside.into_iter().find_map(|(lo, hi, _)| self.first(lo, hi))
    }

    /// The first address of a piece that somebody can have.
    fn first(&self, lo: u128, hi: u128) -> Option<u128> {
        match self.sources.nobodys().range_at(lo) {
            None => Some(lo),
            Some((_, end)) => end.checked_add(1).filter(|next| *next <= hi),
        }
    }

    /// The last address of a piece that somebody can have.
    fn last(&self, lo: u128, hi: u128) -> Option<u128> {
        match self.sources.nobodys().range_at(hi) {
            None => Some(hi),
            Some((start, _)) => start.checked_sub(1).filter(|last| *last >= lo),
        }
    }

    /// The largest block around an address that holds nothing but these and nobody's, and the last
    /// address of it that has to be covered.
    fn block(&self, start: u128) -> (u8, u128) {
        let (mut bits, mut last) = (0, start);
        while bits < self.sources.wire().bits() {
            // What the next larger block has more.
            let flip = 1_u128.checked_shl(bits.into()).unwrap_or(0);
            let more = around(start ^ flip, bits);
            let (allowed, found) = self.allowed(more);
            if !allowed {
                break;
            }
            last = last.max(found.unwrap_or(start));
            bits += 1;
        }
        (bits, last)
    }

    /// Whether a block holds nothing but these and nobody's, and the last address of it that has to be
    /// covered, if there is one.
    fn allowed(&self, (lo, hi): (u128, u128)) -> (bool, Option<u128>) {
        let mut last = None;
        for (from, to, is_in) in self.sources.pieces(lo).take_while(|(from, ..)| *from <= hi) {
            let to = to.min(hi);
            if is_in {
                last = self.last(from, to).or(last);
            } else if self.sources.nobodys().range_at(from).is_none_or(|(_, end)| end < to) {
                return (false, None);
            }
        }
        (true, last)
    }
}

impl Iterator for Cover<'_> {
    type Item = Prefix;

    fn next(&mut self) -> Option<Prefix> {
        let start = self.needed(self.from?)?;
        let (bits, last) = self.block(start);
        // The smallest block around all that is needed of it.
        let bits = bits.min(bits_of(start ^ last));
        let (lo, hi) = around(start, bits);
        let wire = self.sources.wire();
        self.from = hi.checked_add(1).filter(|next| *next <= wire.max());
        Some(Prefix { address: wire.address(lo), len: wire.bits().saturating_sub(bits) })
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
