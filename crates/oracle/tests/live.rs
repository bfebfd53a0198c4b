//! Rulesets that nft loads, as the kernel tells them over netlink and as nft lists them: both must
//! mean the same. As root, in network namespaces of its own.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test asks a kernel"
)]

use std::os::fd::AsFd as _;

use facts::{NetNamespace, Part};
use netfilter::ir::{Cond, Ruleset, Step, Verdict};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use testbed::Netns;

/// What whyopen sees in a namespace.
fn look(netns: &Netns) -> NetNamespace {
    let path = netns.path();
    std::thread::scope(|scope| {
        let run = || {
            let file = rustix::fs::open(&path, OFlags::RDONLY, Mode::empty()).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let request = collect::sockets::Request {
                reach: true,
                this_netns_only: true,
                ..collect::sockets::Request::default()
            };
            let found = collect::sockets::collect(&request, &collect::netns::Leads::default());
            found.namespaces.items()[0].clone()
        };
        scope.spawn(run).join().unwrap()
    })
}

/// The ruleset as the kernel tells it, and as nft lists it.
fn both(rules: &str) -> (Ruleset, Ruleset) {
    let netns = Netns::new().unwrap();
    netns.run(&["ip", "link", "add", "eth0", "type", "bridge"]).unwrap().ok().unwrap();
    netns.run(&["nft", rules]).unwrap().ok().unwrap();
    let seen = look(&netns);
    let listed = netns.run(&["nft", "list", "ruleset"]).unwrap().ok().unwrap();
    let Part::Known { value: dump } = &seen.ruleset else { panic!("{:?}", seen.ruleset) };
    let live = netfilter::live::ruleset(dump, seen.links.items());
    let text = netfilter::rules::read("listed", listed.as_bytes()).unwrap();
    (live, text)
}

/// Rules of a chain of a table, as written and as they should be shown.
fn check(family: &str, hook: &str, rules: &[(&str, &str)]) {
    let list = rules.iter().map(|(rule, _)| *rule).collect::<Vec<_>>().join("\n");
    let ruleset = format!(
        "table {family} t {{
            set named {{ type ipv4_addr; flags interval; elements = {{ 10.0.0.0/8, 192.0.2.7 }} }}
            chain other {{ counter; }}
            chain c {{ type filter hook {hook} priority 0; policy drop; {list}
 }}
        }}"
    );
    let (live, text) = both(&ruleset);
    assert_eq!(live.notes, []);
    let chain = |ruleset: &Ruleset| {
        let chains = &ruleset.tables[0].chains;
        chains.iter().find(|chain| chain.name == "c").unwrap().clone()
    };
    let (live, text) = (chain(&live), chain(&text));
    assert_eq!(live.base, text.base);
    let shown: Vec<&str> = live.rules.iter().map(|rule| rule.text.as_str()).collect();
    let expect: Vec<&str> = rules.iter().map(|(_, text)| *text).collect();
    assert_eq!(shown, expect);
    for rule in &live.rules {
        for step in &rule.steps {
            match step {
                Step::If(cond) => cond.visit(&mut |cond| {
                    assert!(!matches!(cond, Cond::Unknown(..)), "{}: {step:?}", rule.text);
                }),
                Step::Select(list) => {
                    for (_, verdict) in list {
                        assert!(!matches!(verdict, Verdict::Unknown(_)), "{}: {step:?}", rule.text);
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn addresses_and_ports() {
    check(
        "inet",
        "input",
        &[
            ("ip saddr 10.1.2.3 tcp dport 22 accept", "ip saddr 10.1.2.3 tcp dport 22 accept"),
            ("ip saddr 10.0.0.0/8 accept", "ip saddr 10.0.0.0/8 accept"),
            ("ip saddr 10.1.0.0/17 accept", "ip saddr 10.1.0.0/17 accept"),
            ("ip saddr != 10.1.0.0/16 drop", "ip saddr != 10.1.0.0/16 drop"),
            ("ip saddr & 255.0.0.255 == 10.0.0.1 drop", "ip saddr & 255.0.0.255 == 10.0.0.1 drop"),
            (
                "ip saddr 192.0.2.1 ip daddr 192.0.2.2 drop",
                "ip saddr 192.0.2.1 ip daddr 192.0.2.2 drop",
            ),
            (
                "ip6 saddr 2001:db8::/32 udp sport 53 drop",
                "ip6 saddr 2001:db8::/32 udp sport 53 drop",
            ),
            ("ip saddr 10.0.0.1-10.0.0.9 drop", "ip saddr 10.0.0.1-10.0.0.9 drop"),
            ("tcp dport != 1-1023 drop", "tcp dport != 1-1023 drop"),
            ("tcp dport > 1023 drop", "tcp dport > 1023 drop"),
            ("tcp dport { 22, 80-90 } accept", "tcp dport { 22, 80-90 } accept"),
            ("ip saddr @named accept", "ip saddr @named accept"),
            ("ip saddr != @named drop", "ip saddr != @named drop"),
            (
                "ip saddr . tcp dport { 192.0.2.1 . 22, 192.0.2.2 . 80 } accept",
                "ip saddr . tcp dport { 192.0.2.1 . 22, 192.0.2.2 . 80 } accept",
            ),
            (
                "ip saddr . tcp dport { 10.0.0.0/8 . 22, 192.0.2.2 . 80-90 } accept",
                "ip saddr . tcp dport { 10.0.0.0/8 . 22, 192.0.2.2 . 80-90 } accept",
            ),
            ("icmp type echo-request accept", "icmp type echo-request accept"),
            (
                "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
            ),
            (
                "tcp flags syn / fin,syn,rst,ack accept",
                "tcp flags & (fin | syn | rst | ack) == syn accept",
            ),
            ("ip dscp cs1 accept", "ip dscp 0x08 accept"),
            ("ip6 dscp cs1 accept", "ip6 dscp 0x08 accept"),
            ("ether saddr 02:00:00:00:00:01 accept", "ether saddr 02:00:00:00:00:01 accept"),
            ("ip ttl < 5 drop", "ip ttl < 5 drop"),
            ("meta length > 1000 drop", "meta length > 1000 drop"),
        ],
    );
}

#[test]
fn states_marks_and_interfaces() {
    check(
        "inet",
        "input",
        &[
            ("ct state established,related accept", "ct state established,related accept"),
            ("ct state invalid drop", "ct state invalid drop"),
            (
                "ct state vmap { established : accept, new : jump other }",
                "ct state vmap { established : accept, new : jump other }",
            ),
            ("iifname \"eth0\" accept", "iifname \"eth0\" accept"),
            ("iifname \"et*\" accept", "iifname \"et*\" accept"),
            ("iifname != { \"eth0\", \"lo\" } drop", "iifname != { \"eth0\", \"lo\" } drop"),
            ("iif lo accept", "iif \"lo\" accept"),
            ("iif != lo drop", "iif != \"lo\" drop"),
            ("iif { lo, eth0 } accept", "iif { \"lo\", \"eth0\" } accept"),
            ("meta mark 0x10 accept", "meta mark 0x00000010 accept"),
            ("meta mark & 0xff == 0x10 accept", "meta mark & 0xff == 0x00000010 accept"),
            ("meta mark 5-10 accept", "meta mark 0x00000005-0x0000000a accept"),
            ("meta mark set 0x1", "meta mark set 0x00000001"),
            ("ct mark set meta mark", "ct mark set meta mark"),
            ("meta mark set ct mark & 0xff", "meta mark set ct mark & 0xff"),
            ("meta mark set meta mark | 0x1", "meta mark set meta mark | 0x1"),
            ("ct status dnat accept", "ct status dnat accept"),
            (
                "meta l4proto tcp ct original proto-dst 22 accept",
                "meta l4proto tcp ct original proto-dst 22 accept",
            ),
            ("ct original ip daddr 192.0.2.1 accept", "ct original ip daddr 192.0.2.1 accept"),
            ("ct original ip6 daddr fc00::/7 accept", "ct original ip6 daddr fc00::/7 accept"),
            ("meta nfproto ipv4 accept", "meta nfproto ipv4 accept"),
            ("meta l4proto udp accept", "meta l4proto udp accept"),
            ("meta pkttype broadcast drop", "meta pkttype broadcast drop"),
            ("counter log prefix \"x\" reject", "log prefix \"x\" reject"),
            ("ip protocol tcp reject with tcp reset", "ip protocol tcp reject with tcp reset"),
            (
                "reject with icmp type host-prohibited",
                "meta nfproto ipv4 reject with icmp host-prohibited",
            ),
            ("fib daddr type local accept", "fib daddr type local accept"),
            (
                "fib daddr type { local, broadcast } accept",
                "fib daddr type { local, broadcast } accept",
            ),
            ("fib saddr . mark . iif oif missing drop", "fib saddr . mark . iif oif missing drop"),
            ("fib saddr . iif oif exists accept", "fib saddr . iif oif exists accept"),
            ("fib saddr . iif oifname \"eth0\" accept", "fib saddr . iif oifname \"eth0\" accept"),
            ("goto other", "goto other"),
        ],
    );
}
