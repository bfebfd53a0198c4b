//! Addresses, prefixes and sets of firewalld's files as conditions of nft(8).

use std::net::IpAddr;

use super::config::{Address, Config};

/// Conditions on an address, one for each family that it has addresses of.
pub(super) fn addresses(
    config: &Config,
    field: &str,
    address: &Address,
    invert: bool,
    file: &str,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let not = if invert { "!= " } else { "" };
    let named = match address {
        Address::Ip(one) => std::slice::from_ref(one),
        Address::Mac(mac) => {
            let is_mac = mac.len() == 17
                && mac.split(':').all(|b| b.len() == 2 && u8::from_str_radix(b, 16).is_ok());
            if is_mac {
                return vec![format!("ether {field} {not}{mac}")];
            }
            notes.push(format!("{file}: address {mac}"));
            return Vec::new();
        }
        Address::Set(set) => {
            let Some(entries) = config.sets.get(set) else {
                notes.push(format!("{file}: set {set} was not read"));
                return Vec::new();
            };
            entries
        }
    };
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for text in named {
        match prefix(text) {
            Some((text, true)) => six.push(text),
            Some((text, false)) => four.push(text),
            None => notes.push(format!("{file}: address {text}")),
        }
    }
    let families = [("ip", four), ("ip6", six)].into_iter().filter(|(_, all)| !all.is_empty());
    families
        .map(|(family, all)| match all.as_slice() {
            [one] => format!("{family} {field} {not}{one}"),
            _ => format!("{family} {field} {not}{{ {} }}", all.join(", ")),
        })
        .collect()
}

/// An address or prefix as nft has it, and whether it is of IPv6; what stands behind the length of
/// the prefix is cut off, as firewalld does.
fn prefix(text: &str) -> Option<(String, bool)> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length.trim().parse::<u32>().ok()?)),
    };
    let address: IpAddr = address.trim().parse().ok()?;
    let is_six = address.is_ipv6();
    let Some(length) = length else { return Some((address.to_string(), is_six)) };
    let address = match address {
        IpAddr::V4(address) => {
            let kept = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
            IpAddr::from((address.to_bits() & kept).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let kept = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
            IpAddr::from((address.to_bits() & kept).to_be_bytes())
        }
    };
    Some((format!("{address}/{length}"), is_six))
}
