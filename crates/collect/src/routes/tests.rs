//! Routes and rules that the tests make, in namespaces of their own: what is read is what was made.
//! Needs root and iproute2. And bytes that no kernel sends.

use std::os::fd::AsFd as _;
use std::process::Command;

use facts::{RouteKind, RuleAction};
use proptest::prelude::*;

use super::*;
use crate::netns::{enter, made};

/// Runs ip(8) in the calling thread's namespace.
fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("run ip(8)").success(), "ip {arguments}");
}

/// Two interfaces that are joined, the first with index 22.
const LINKS: [&str; 4] = [
    "link set lo up",
    "link add d0 index 22 type veth peer name d1",
    "link set d0 up",
    "link set d1 up",
];

/// What is read after these calls of ip(8), without what the kernel made by itself.
fn made_by(calls: &[&str]) -> Read {
    let work = || {
        for call in LINKS {
            ip(call);
        }
        for call in calls {
            ip(call);
        }
        read("this namespace")
    };
    enter(made().as_fd(), work).expect("enter the namespace that was made")
}

/// One route in a line: table, kind, prefix, ways out.
fn describe(route: &Route) -> String {
    let hops = route.hops.iter().map(|hop| match (hop.link, hop.gateway) {
        (Some(link), Some(gateway)) => format!(" {gateway}%{link}"),
        (Some(link), None) => format!(" %{link}"),
        (None, Some(gateway)) => format!(" {gateway}"),
        (None, None) => " ?".to_owned(),
    });
    format!(
        "{} {:?} {}/{}{}",
        route.table,
        route.kind,
        route.destination.address,
        route.destination.len,
        hops.collect::<String>()
    )
}

/// Routes with the protocol `static`, which only the test's own have.
fn check(calls: &[&str], expect: &[&str]) {
    let read = made_by(calls);
    let Part::Known { value } = &read.routes else { panic!("{:?}", read.routes) };
    let mut got: Vec<String> =
        value.iter().filter(|r| r.protocol == 4 || r.table == 77).map(describe).collect();
    got.sort_unstable();
    assert_eq!(got, expect, "{calls:?}");
}

#[test]
fn routes_of_every_kind() {
    check(
        &[
            "addr add 192.0.2.1/24 dev d0",
            "route add default via 192.0.2.254 proto static",
            "route add 10.0.0.0/8 dev d0 table 77 proto static",
            "route add blackhole 198.51.100.0/24 proto static",
            "route add prohibit 198.51.101.0/24 proto static",
            "route add unreachable 198.51.102.0/24 proto static",
            "route add throw 198.51.103.0/24 table 77 proto static",
            "route add local 203.0.113.7 dev d0 table 77 proto static",
        ],
        &[
            "254 Blackhole 198.51.100.0/24",
            "254 Prohibit 198.51.101.0/24",
            "254 Unicast 0.0.0.0/0 192.0.2.254%22",
            "254 Unreachable 198.51.102.0/24",
            "77 Local 203.0.113.7/32 %22",
            "77 Throw 198.51.103.0/24",
            "77 Unicast 10.0.0.0/8 %22",
        ],
    );
}

#[test]
fn several_ways_gateways_of_the_other_family_and_numbered_ones() {
    check(
        &[
            "addr add 192.0.2.1/24 dev d0",
            "-6 addr add 2001:db8::1/64 dev d0 nodad",
            "route add 10.1.0.0/16 proto static nexthop via 192.0.2.2 nexthop via 192.0.2.3",
            "route add 10.2.0.0/16 via inet6 2001:db8::9 dev d0 proto static",
            "nexthop add id 5 via 192.0.2.5 dev d0",
            "nexthop add id 6 via 192.0.2.6 dev d0",
            "nexthop add id 9 group 5/6",
            "nexthop add id 10 blackhole",
            "route add 10.3.0.0/16 nhid 5 proto static",
            "route add 10.4.0.0/16 nhid 9 proto static",
            "route add 10.5.0.0/16 nhid 10 proto static",
            "-6 route add 2001:db8:1::/48 via 2001:db8::2 dev d0 proto static",
        ],
        &[
            "254 Blackhole 10.5.0.0/16",
            "254 Unicast 10.1.0.0/16 192.0.2.2%22 192.0.2.3%22",
            "254 Unicast 10.2.0.0/16 2001:db8::9%22",
            "254 Unicast 10.3.0.0/16 192.0.2.5%22",
            "254 Unicast 10.4.0.0/16 192.0.2.5%22 192.0.2.6%22",
            "254 Unicast 2001:db8:1::/48 2001:db8::2%22",
        ],
    );
}

/// Where the kernel tells only the number of a next hop (`nexthop_compat_mode`), it is looked up.
#[test]
fn numbers_alone_are_looked_up() {
    let work = || {
        LINKS.into_iter().for_each(ip);
        ip("addr add 192.0.2.1/24 dev d0");
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0")
            .expect("write nexthop_compat_mode");
        ip("nexthop add id 5 via 192.0.2.5 dev d0");
        ip("nexthop add id 9 group 5");
        ip("route add 10.3.0.0/16 nhid 5 proto static");
        ip("route add 10.4.0.0/16 nhid 9 proto static");
        read("this namespace")
    };
    let read = enter(made().as_fd(), work).expect("enter the namespace that was made");
    let mine: Vec<_> = read.routes.items().iter().filter(|r| r.protocol == 4).collect();
    assert!(read.routes.is_complete(), "{:?}", read.routes.gaps());
    let got: Vec<String> = mine.into_iter().map(describe).collect();
    assert_eq!(
        got,
        ["254 Unicast 10.3.0.0/16 192.0.2.5%22", "254 Unicast 10.4.0.0/16 192.0.2.5%22"]
    );
}

#[test]
fn the_rules_every_namespace_has() {
    let read = made_by(&[]);
    let tables = |ipv6| -> Vec<(u32, RuleAction)> {
        let rules = read.rules.items().iter().filter(|rule| rule.ipv6 == ipv6);
        rules.map(|rule| (rule.priority, rule.action)).collect()
    };
    let table = RuleAction::Table;
    assert_eq!(tables(false), [(0, table(255)), (32766, table(254)), (32767, table(253))]);
    assert_eq!(tables(true), [(0, table(255)), (32766, table(254))]);
    let local = |route: &&Route| route.table == 255 && route.kind == RouteKind::Local;
    assert!(read.routes.items().iter().any(|route| local(&route)), "{:?}", read.routes);
}

#[test]
fn rules_with_all_they_ask() {
    let read = made_by(&[
        "rule add pref 100 from 10.0.0.0/8 to 192.0.2.0/24 iif d0 fwmark 0x10/0xf0 lookup 77",
        "rule add pref 101 not from 10.0.0.0/8 prohibit",
        "rule add pref 102 ipproto tcp sport 1000-2000 dport 22 uidrange 5-6 oif d0 lookup 78",
        "rule add pref 103 goto 200",
        "rule add pref 104 lookup main suppress_prefixlength 0",
        "rule add pref 105 lookup main suppress_ifgroup 7",
        "rule add pref 106 l3mdev",
        "rule add pref 200 blackhole",
        "-6 rule add pref 100 from 2001:db8::/32 unreachable",
    ]);
    assert!(read.rules.is_complete(), "{:?}", read.rules.gaps());
    let rule = |ipv6: bool, priority: u32| {
        let of = |rule: &&RoutingRule| rule.ipv6 == ipv6 && rule.priority == priority;
        read.rules.items().iter().find(of).unwrap_or_else(|| panic!("{priority}"))
    };
    let first = rule(false, 100);
    assert_eq!(first.input.as_deref(), Some("d0"));
    assert_eq!(first.mark, Some((0x10, 0xf0)));
    assert_eq!(first.source.map(|p| p.len), Some(8));
    assert_eq!(first.destination.map(|p| p.len), Some(24));
    assert_eq!(first.action, RuleAction::Table(77));
    assert_eq!(first.unknown, [0_u16; 0]);
    assert_eq!((rule(false, 101).invert, rule(false, 101).action), (true, RuleAction::Prohibit));
    let third = rule(false, 102);
    assert_eq!(third.protocol, Some(6));
    assert_eq!(third.source_ports, Some((1000, 2000)));
    assert_eq!(third.destination_ports, Some((22, 22)));
    assert_eq!(third.users, Some((5, 6)));
    assert_eq!(third.output.as_deref(), Some("d0"));
    assert_eq!(rule(false, 103).action, RuleAction::Goto(200));
    assert_eq!(rule(false, 104).suppress_prefix_len, Some(0));
    assert_eq!(rule(false, 105).unknown, [13]);
    assert!(rule(false, 106).l3mdev);
    assert_eq!(rule(false, 200).action, RuleAction::Blackhole);
    assert_eq!(rule(true, 100).action, RuleAction::Unreachable);
}

#[test]
fn prefixes_longer_than_addresses_are_refused() {
    let mut body = vec![2, 33, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    assert!(parse_route(&body).is_err());
    body[1] = 32;
    assert!(parse_route(&body).is_ok());
    body[0] = 10;
    body[1] = 129;
    assert!(parse_route(&body).is_err());
}

#[test]
fn a_next_hop_that_runs_over_the_end_is_refused() {
    let mut body = vec![2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    // RTA_MULTIPATH with one rtnexthop whose length is 64, and then 0.
    for length in [64_u8, 0] {
        body.truncate(12);
        body.extend([12, 0, 9, 0, length, 0, 0, 0, 2, 0, 0, 0]);
        assert!(parse_route(&body).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn any_attributes(
        head in proptest::collection::vec(any::<u8>(), 12),
        family in prop::sample::select(vec![2_u8, 10]),
        list in proptest::collection::vec(
            (0_u16..32, proptest::collection::vec(any::<u8>(), 0..20), 0_u16..2), 0..8),
    ) {
        for length in [8, 12] {
            let mut bytes = head[..length].to_vec();
            bytes[0] = family;
            for (kind, value, wrong) in &list {
                let length = u16::try_from(value.len()).unwrap() + 4 + wrong;
                bytes.extend(length.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(value);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            fuzz(&bytes);
        }
    }
}
