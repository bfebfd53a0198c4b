//! What the parsers share: errors with a place, and the text forms of addresses and numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use packet_set::{Field, RangeSet};
use thiserror::Error;

use crate::ir::{Cond, Family};

/// A file that is not a ruleset, or one that the tool it is meant for would refuse.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct ParseError {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
}

/// An address of either family as a number, and its family.
#[must_use]
pub fn address(text: &str) -> Option<(Family, u128)> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some((Family::Ipv4, u128::from(v4.to_bits())));
    }
    text.parse::<Ipv6Addr>().ok().map(|v6| (Family::Ipv6, v6.to_bits()))
}

/// An address as text.
#[must_use]
pub fn address_text(family: Family, value: u128) -> String {
    match family {
        #[expect(clippy::cast_possible_truncation, reason = "IPv4 values are below 2^32")]
        Family::Ipv4 => Ipv4Addr::from_bits(value as u32).to_string(),
        Family::Ipv6 => Ipv6Addr::from_bits(value).to_string(),
    }
}

/// The netmask of a prefix length.
#[must_use]
pub fn netmask(family: Family, length: u8) -> Option<u128> {
    let free = family.width().checked_sub(length)?;
    let host = 1_u128.checked_shl(u32::from(free)).map_or(u128::MAX, |bit| bit - 1);
    Some(family.max_address() & !host)
}

/// `address`, `address/length` or `address/mask`, as a condition on the field.
#[must_use]
pub fn network(field: Field, text: &str) -> Option<(Family, Cond)> {
    let (base, suffix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let (family, value) = address(base)?;
    let mask = match suffix {
        None => family.max_address(),
        Some(suffix) => match suffix.parse::<u8>() {
            Ok(length) => netmask(family, length)?,
            Err(_) => address(suffix).filter(|(of, _)| *of == family)?.1,
        },
    };
    Some((family, masked_address(field, family, value & mask, mask)))
}

/// An address under a mask; the value has no bits besides.
#[must_use]
pub fn masked_address(field: Field, family: Family, value: u128, mask: u128) -> Cond {
    let host = family.max_address() & !mask;
    // A mask with its ones first is a range.
    if host & (host.wrapping_add(1)) == 0 {
        return Cond::In(field, RangeSet::from(value..=value | host));
    }
    Cond::Masked { field, mask, values: RangeSet::one(value) }
}

/// A number in decimal, hexadecimal (0x) or octal (leading 0), as `strtoul` reads it.
#[must_use]
pub fn number(text: &str) -> Option<u128> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u128::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u128::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// A link-layer address as a number of 48 bits.
#[must_use]
pub fn mac(text: &str) -> Option<u128> {
    let mut octets = 0;
    let mut value = 0;
    for part in text.split(':') {
        value = value << 8 | u128::from(u8::from_str_radix(part, 16).ok()?);
        octets += 1;
    }
    (octets == 6).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_in_their_spellings() {
        let check = |text: &str, expect: Option<(u128, u128)>| {
            let found = network(Field::SOURCE, text).map(|(_, cond)| match cond {
                Cond::In(_, set) => set.iter().next().unwrap(),
                _ => (1, 0),
            });
            assert_eq!(found, expect, "{text}");
        };
        check("10.1.2.3/8", Some((0x0a00_0000, 0x0aff_ffff)));
        check("10.1.2.3/255.255.0.0", Some((0x0a01_0000, 0x0a01_ffff)));
        check("0.0.0.0/0", Some((0, 0xffff_ffff)));
        check("::/0", Some((0, u128::MAX)));
        check("::1/128", Some((1, 1)));
        check("10.0.0.1/255.0.0.255", Some((1, 0)));
        check("10.0.0.1/33", None);
        check("example.org", None);
    }
}
