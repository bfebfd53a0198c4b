//! What is attached in namespaces that the tests make, which needs root, iproute2 and tc(8); and
//! programs as bytes.

use std::os::fd::AsFd as _;
use std::process::Command;

use facts::{AddressFilter, Prefix};
use proptest::prelude::*;

use super::*;
use crate::netns::{enter, made};

/// Runs a program in the calling thread's namespace.
fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.expect("run it").success(), "{command}");
}

#[test]
fn filters_of_interfaces_are_told_and_queues_are_not() {
    let work = || {
        run("ip link add d0 index 22 type veth peer name d1 index 23");
        run("tc qdisc add dev d0 root tbf rate 1mbit burst 10kb latency 70ms");
        let before = read("here", &[], &[]);
        run("tc qdisc add dev d0 clsact");
        run("tc qdisc add dev d1 ingress");
        let empty = read("here", &[], &[]);
        run(
            "tc filter add dev d0 egress protocol ip prio 1 u32 match ip src 10.0.0.0/8 flowid 1:1",
        );
        run(
            "tc filter add dev d1 ingress protocol ip prio 7 u32 match ip src 10.0.0.0/8 flowid 1:1",
        );
        (before, empty, read("here", &[], &[]))
    };
    let (before, empty, filled) = enter(made().as_fd(), work).expect("enter the namespace");
    assert_eq!(before, Part::known(vec![]));
    assert_eq!(empty, Part::known(vec![]));
    let attached = |point, link, name: &str| Attached {
        point,
        link: Some(IfIndex(link)),
        name: name.to_owned(),
        program: None,
    };
    assert_eq!(
        filled,
        Part::known(vec![
            attached(AttachPoint::TcIngress, 23, "u32"),
            attached(AttachPoint::TcEgress, 22, "u32"),
        ])
    );
}

/// An instruction as it lies in memory of a little-endian machine.
fn instruction(code: u8, destination: u8, source: u8, offset: i16, constant: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [c0, c1, c2, c3] = constant.to_ne_bytes();
    [code, destination | source << 4, o0, o1, c0, c1, c2, c3]
}

/// A look into a map as systemd writes it, as far as it matters.
fn lookup(map: i32, verdict: i32) -> Vec<[u8; 8]> {
    vec![
        instruction(0x18, 1, 1, 0, map),
        instruction(0, 0, 0, 0, 0),
        instruction(0x85, 0, 0, 0, 1),
        instruction(0x15, 0, 0, 1, 0),
        instruction(0x44, 8, 0, 0, verdict),
    ]
}

fn decision() -> Vec<[u8; 8]> {
    vec![
        instruction(0xb7, 0, 0, 0, 1),
        instruction(0x55, 8, 0, 1, 2),
        instruction(0xb7, 0, 0, 0, 0),
        instruction(0x95, 0, 0, 0, 0),
    ]
}

/// The filter that a program is, with these maps.
#[cfg(target_endian = "little")]
fn check(parts: &[Vec<[u8; 8]>], expect: Option<(&[&str], &[&str])>) {
    let bytes = parts.concat().concat();
    let maps = |number| match number {
        5 => Some(vec![(prefix("10.0.0.0/8"), 1)]),
        6 => Some(vec![(prefix("192.0.2.0/24"), 2), (prefix("10.1.0.0/16"), 2)]),
        7 => Some(vec![(prefix("192.0.2.0/24"), 9)]),
        _ => None,
    };
    let filter = systemd::lookups(&bytes).and_then(|lookups| {
        let mut filter = AddressFilter::default();
        for lookup in lookups {
            lookup.add_to(&mut filter, maps)?;
        }
        Some(filter)
    });
    let list = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect();
    let expect = expect.map(|(allow, deny)| AddressFilter { allow: list(allow), deny: list(deny) });
    assert_eq!(filter, expect, "{parts:?}");
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').unwrap();
    Prefix { address: address.parse().unwrap(), len: len.parse().unwrap() }
}

#[test]
#[cfg(target_endian = "little")]
fn what_the_filter_of_systemd_asks() {
    let any = |verdict| vec![instruction(0x44, 8, 0, 0, verdict)];
    let everything: &[&str] = &["0.0.0.0/0", "::/0"];
    // IPAddressAllow=10.0.0.0/8, IPAddressDeny=any.
    check(&[lookup(5, 1), any(2), decision()], Some((&["10.0.0.0/8"], everything)));
    check(
        &[lookup(6, 2), lookup(5, 1), decision()],
        Some((&["10.0.0.0/8"], &["192.0.2.0/24", "10.1.0.0/16"])),
    );
    check(
        &[any(1), lookup(6, 2), decision()],
        Some((everything, &["192.0.2.0/24", "10.1.0.0/16"])),
    );
    // Only the counting of packets.
    check(&[decision()], Some((&[], &[])));
    // A map that cannot be read, one with other values, another bit, no decision, no program.
    check(&[lookup(4, 2), decision()], None);
    check(&[lookup(7, 2), decision()], None);
    check(&[lookup(5, 4), decision()], None);
    check(&[lookup(5, 1)], None);
    check(&[], None);
    // A change after the decision.
    check(&[decision(), any(2)], None);
}

#[test]
fn entries_of_maps() {
    let value = 2_u64.to_ne_bytes();
    let key = |len: u32, address: &[u8]| [&len.to_ne_bytes(), address].concat();
    assert_eq!(systemd::entry(&key(8, &[10, 0, 0, 0]), &value), Some((prefix("10.0.0.0/8"), 2)));
    assert_eq!(systemd::entry(&key(0, &[0; 16]), &value), Some((prefix("::/0"), 2)));
    for (key, value) in [
        (key(33, &[10, 0, 0, 0]), &value[..]),
        (key(129, &[0; 16]), &value[..]),
        (key(8, &[10, 0, 0]), &value[..]),
        (key(8, &[10, 0, 0, 0]), &value[..4]),
        (vec![], &value[..]),
    ] {
        assert_eq!(systemd::entry(&key, value), None);
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }
}
