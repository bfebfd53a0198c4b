//! Ranges of addresses as the smallest list of prefixes.

use crate::RangeSet;

/// The addresses that share their first `length` bits with `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// First address; the bits after `length` are zero.
    pub address: u128,
    /// Number of bits that count, up to the family's width (32 or 128).
    pub length: u8,
}

/// The smallest list of prefixes that covers exactly these addresses, sorted by address.
///
/// `width` is the family's number of address bits, 32 or 128; larger addresses are left out.
///
/// ```
/// use packet_set::{Prefix, RangeSet, prefixes};
/// let cover = prefixes(&RangeSet::from(0x0a00_0000..=0x0a00_0102), 32);
/// let of = |address, length| Prefix { address, length };
/// assert_eq!(cover, [of(0x0a00_0000, 24), of(0x0a00_0100, 31), of(0x0a00_0102, 32)]);
/// ```
#[must_use]
pub fn prefixes(set: &RangeSet, width: u8) -> Vec<Prefix> {
    let width = width.min(128);
    let max = if width == 128 { u128::MAX } else { (1_u128 << width) - 1 };
    let mut cover = Vec::new();
    for (lo, hi) in set.iter() {
        let hi = hi.min(max);
        let mut next = Some(lo).filter(|lo| *lo <= hi);
        while let Some(address) = next {
            let (bits, last) = largest_block(address, hi, width);
            cover.push(Prefix { address, length: width - bits });
            next = last.checked_add(1).filter(|start| *start <= hi);
        }
    }
    cover
}

/// The largest aligned block that starts at `address` and ends by `hi`: its bits and last address.
fn largest_block(address: u128, hi: u128, width: u8) -> (u8, u128) {
    let (mut bits, mut last) = (0, address);
    while bits < width {
        let wider = address | low_bits(bits + 1);
        // Not aligned to the wider block, or the wider block is too large.
        if address & low_bits(bits + 1) != 0 || wider > hi {
            break;
        }
        bits += 1;
        last = wider;
    }
    (bits, last)
}

/// A number whose lowest `bits` bits are set.
fn low_bits(bits: u8) -> u128 {
    1_u128.checked_shl(u32::from(bits)).map_or(u128::MAX, |high| high - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_one_prefix() {
        let whole = Prefix { address: 0, length: 0 };
        assert_eq!(prefixes(&RangeSet::all(), 128), [whole]);
        assert_eq!(prefixes(&RangeSet::all(), 32), [whole]);
        assert!(prefixes(&RangeSet::empty(), 32).is_empty());
    }

    #[test]
    fn everything_but_one_address_takes_one_prefix_a_bit() {
        let but_one = RangeSet::one(7).complement(u128::from(u32::MAX));
        assert_eq!(prefixes(&but_one, 32).len(), 32);
    }
}
