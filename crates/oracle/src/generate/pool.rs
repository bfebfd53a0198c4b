//! The values that rules are made of.

use crate::probe::text;
use crate::random::Random;

/// Networks, with short and long prefixes, and one with bits set behind its prefix at the end.
const NETWORKS: [[&str; 18]; 2] = [
    [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.2.0/25",
        "10.1.2.3",
        "10.1.2.4/31",
        "10.1.2.3/32",
        "192.168.7.0/28",
        "192.168.7.9",
        "192.168.0.0/16",
        "172.16.0.0/12",
        "0.0.0.0/1",
        "128.0.0.0/2",
        "10.1.0.0/17",
        "10.1.2.128/27",
        "127.0.0.0/8",
        "8.0.0.0/5",
        "10.0.0.0/7",
    ],
    [
        "fd00::/8",
        "fd01::/16",
        "fd01:2::/32",
        "fd01:2::/64",
        "fd01:2::3",
        "fd01:2::4/127",
        "fd01:2::3/128",
        "2001:db8:7::/124",
        "2001:db8:7::9",
        "2001:db8::/32",
        "fc00::/7",
        "::/1",
        "8000::/2",
        "fd01:2::/33",
        "fd01:2::/61",
        "fe80::/10",
        "2000::/3",
        "2001:db8:7::/65",
    ],
];

/// Networks and ranges that do not overlap: sets are made of some of them. Some are neighbours.
const DISJOINT: [[&str; 12]; 2] = [
    [
        "10.0.0.0/16",
        "10.1.0.0/23",
        "10.1.2.3",
        "10.1.2.4/31",
        "10.1.2.200-10.1.3.7",
        "10.1.128.0/17",
        "172.16.0.0/12",
        "192.168.7.0/29",
        "192.168.7.9",
        "192.168.7.10-192.168.7.13",
        "9.255.255.0-9.255.255.255",
        "200.0.0.0/6",
    ],
    [
        "fd00::/16",
        "fd01:1::/32",
        "fd01:2::3",
        "fd01:2::4/127",
        "fd01:2::c8-fd01:2::1:7",
        "fd01:2:0:8000::/49",
        "2001:db8:6::/48",
        "2001:db8:7::/125",
        "2001:db8:7::9",
        "2001:db8:7::a-2001:db8:7::d",
        "fcff::-fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::/3",
    ],
];

/// Single addresses that do not overlap with each other.
const ADDRESSES: [[&str; 6]; 2] = [
    ["10.1.2.3", "10.1.2.4", "10.1.2.5", "192.168.7.9", "10.0.0.1", "172.16.0.1"],
    ["fd01:2::3", "fd01:2::4", "fd01:2::5", "2001:db8:7::9", "fd00::1", "2001:db8::1"],
];

/// Ports.
pub(super) const PORTS: [&str; 8] = ["22", "53", "80", "443", "2222", "8080", "1024", "65535"];

/// Port ranges.
pub(super) const PORT_RANGES: [(&str, &str); 5] =
    [("22", "80"), ("1024", "65535"), ("0", "1023"), ("8000", "8100"), ("2222", "2223")];

fn of<const N: usize>(lists: &'static [[&'static str; N]; 2], v6: bool) -> &'static [&'static str] {
    let [four, six] = lists;
    if v6 { six } else { four }
}

/// A network of the family.
pub(super) fn network(random: &mut Random, v6: bool) -> &'static str {
    random.maybe(of(&NETWORKS, v6)).copied().unwrap_or("::")
}

/// A single address.
pub(super) fn address(random: &mut Random, v6: bool) -> &'static str {
    random.maybe(of(&ADDRESSES, v6)).copied().unwrap_or("::")
}

/// Single addresses, each once.
pub(super) fn addresses(random: &mut Random, v6: bool, most: usize) -> Vec<&'static str> {
    some(random, of(&ADDRESSES, v6), most)
}

/// Networks, ranges and addresses that do not overlap, each once.
pub(super) fn disjoint(random: &mut Random, v6: bool, most: usize) -> Vec<&'static str> {
    some(random, of(&DISJOINT, v6), most)
}

/// Between one and `most` of the list, each once, in any order.
pub(super) fn some<'a>(random: &mut Random, list: &[&'a str], most: usize) -> Vec<&'a str> {
    let mut rest = list.to_vec();
    let wanted = 1 + random.below(most.min(rest.len()));
    (0..wanted).map(|_| rest.swap_remove(random.below(rest.len()))).collect()
}

/// A range of addresses, with both ends at no round number.
pub(super) fn range(random: &mut Random, v6: bool) -> (String, String) {
    let base: u128 = if v6 { 0xfd01_0002 << 96 } else { 0x0a01_0200 };
    let lo = base + u128::try_from(random.below(600)).unwrap_or(0);
    let hi = lo + u128::try_from(random.below(700)).unwrap_or(0);
    (text(v6, lo), text(v6, hi))
}
