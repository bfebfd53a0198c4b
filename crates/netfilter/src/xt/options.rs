//! How the values of options are written.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::{address_text, netmask};

/// The options of a match or target, in order.
pub(super) type Options = Vec<Opt>;

/// `lo` or `lo:hi`.
pub(super) fn span<T: Copy + PartialEq + std::fmt::Display>(lo: T, hi: T) -> String {
    if lo == hi { lo.to_string() } else { format!("{lo}:{hi}") }
}

/// `lo` or `lo-hi`.
pub(super) fn dashed<T: Copy + PartialEq + std::fmt::Display>(lo: T, hi: T) -> String {
    if lo == hi { lo.to_string() } else { format!("{lo}-{hi}") }
}

/// A port range: no option where every port is meant. None if it ends before it begins, which no
/// text says.
pub(super) fn ports(name: &str, (lo, hi): (u16, u16), negated: bool) -> Option<Options> {
    let asks = (lo, hi) != (0, u16::MAX) || negated;
    let option = || Opt::new(name, span(lo, hi)).negate_if(negated);
    (lo <= hi).then(|| asks.then(option).into_iter().collect())
}

/// An address with its mask, as a prefix length where it is one.
pub(super) fn network(family: Family, address: u128, mask: u128) -> String {
    let text = address_text(family, address);
    if mask == family.max_address() {
        return text;
    }
    match (0..=family.width()).find(|length| netmask(family, *length) == Some(mask)) {
        Some(length) => format!("{text}/{length}"),
        None => format!("{text}/{}", address_text(family, mask)),
    }
}

/// A value and, where it is not all ones, a mask.
pub(super) fn masked(value: u32, mask: u32) -> String {
    if mask == u32::MAX { format!("{value:#x}") } else { format!("{value:#x}/{mask:#x}") }
}

/// The names of the bits that are set, with commas. None if a bit has no name, or none is set.
pub(super) fn names(bits: u32, table: &[(u32, &str)]) -> Option<String> {
    let known = table.iter().fold(0, |all, (bit, _)| all | bit);
    if bits == 0 || bits & !known != 0 {
        return None;
    }
    let list: Vec<&str> =
        table.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    Some(list.join(","))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
