//! The whole path at a known host: who reaches a port, by which interface, and why not.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod host;

use host::namespace;
use netfilter::ir::{Family, Ruleset};
use netfilter::rules::load;
use netfilter::symbolic::{Arrivals, Asked, Listener, Outcome, Sources, arrivals};
use netfilter::syntax::address_text;
use netfilter::world::World;
use packet_set::{Budget, RangeSet, prefixes};

const HOST: &str = "
    link eth0
    link eth1
    address 192.0.2.10/24 dev eth0
    address 10.0.0.1/8 dev eth1
    address 2001:db8::10/64 dev eth0
    address fe80::1/64 dev eth0
    address fe80::2/64 dev eth1
    route default dev eth0 via 192.0.2.1
    route ::/0 dev eth0 via fe80::99 metric 1024
";

struct Found {
    world: World,
    family: Family,
    answer: Arrivals,
}

fn ask(spec: &str, rules: &str, family: Family, protocol: u8, to: Option<RangeSet>) -> Found {
    let world = World::of(&namespace(spec));
    let files = [("t", rules.as_bytes())];
    let ruleset = if rules.is_empty() { Ruleset::default() } else { load(&files).unwrap() };
    let asked = Asked {
        family,
        protocol,
        ports: RangeSet::from(0..=0xffff),
        destinations: to.unwrap_or_else(|| world.reachable_addresses(family)),
    };
    let answer = arrivals(&ruleset, &world, &asked, Budget::default()).unwrap();
    Found { world, family, answer }
}

impl Found {
    fn listener(&self, port: u16) -> Listener {
        Listener { addresses: self.world.reachable_addresses(self.family), device: None, port }
    }

    fn words(&self, set: &RangeSet) -> String {
        let set = self.world.filled(self.family, set);
        let width = self.family.width();
        let text = |one: packet_set::Prefix| {
            format!("{}/{}", address_text(self.family, one.address), one.length)
        };
        let list: Vec<_> = prefixes(&set, width).into_iter().map(text).collect();
        if list.is_empty() { "none".to_owned() } else { list.join(" ") }
    }

    fn tell(&self, sources: Sources) -> String {
        let (must, may) = (self.answer.must(sources), self.answer.may(sources));
        let tail = match self.answer.refusals(sources).as_slice() {
            [] => String::new(),
            list => format!("; others {list:?}"),
        };
        if must == may {
            format!("{}{tail}", self.words(&must))
        } else {
            format!("must {}, may {}{tail}", self.words(&must), self.words(&may))
        }
    }

    fn port(&mut self, port: u16) -> String {
        let listener = self.listener(port);
        let sources = self.answer.listeners(&[listener]).unwrap()[0];
        self.tell(sources)
    }

    fn ways(&mut self, port: u16) -> Vec<String> {
        let listener = self.listener(port);
        let ways = self.answer.ways_in(&listener).unwrap();
        ways.iter().map(|way| format!("{}: {}", way.interface, self.tell(way.sources))).collect()
    }
}

fn check(spec: &str, rules: &str, family: Family, expect: &[(u16, &str)]) {
    let mut found = ask(&format!("{HOST}{spec}"), rules, family, 6, None);
    for (port, sources) in expect {
        assert_eq!(found.port(*port), *sources, "port {port} with {spec} and {rules}");
    }
}

#[test]
fn without_rules_everyone_reaches_everything() {
    check("", "", Family::Ipv4, &[(22, "0.0.0.0/0")]);
    check("", "", Family::Ipv6, &[(22, "::/0")]);
    let found = ask(HOST, "", Family::Ipv4, 6, None);
    assert!(found.answer.unknown.is_empty(), "{:?}", found.answer.unknown);
}

#[test]
fn reverse_path_filters() {
    let strict = "set net/ipv4/conf/eth1/rp_filter 1";
    let mut found = ask(&format!("{HOST}{strict}"), "", Family::Ipv4, 6, None);
    assert_eq!(found.ways(22), ["eth0: 0.0.0.0/0", "eth1: 10.0.0.0/8; others [Martian]"]);
    let loose = "set net/ipv4/conf/all/rp_filter 2";
    let no_default = "link eth0\naddress 192.0.2.10/24 dev eth0\nset net/ipv4/conf/all/rp_filter 2";
    let mut found = ask(no_default, "", Family::Ipv4, 6, None);
    assert_eq!(found.port(22), "192.0.2.0/24; others [Martian]");
    check(loose, "", Family::Ipv4, &[(22, "0.0.0.0/0")]);
}

#[test]
fn no_way_back_is_no_connection() {
    let no_default = "link eth0\naddress 192.0.2.10/24 dev eth0";
    let mut found = ask(no_default, "", Family::Ipv4, 6, None);
    assert_eq!(found.port(22), "192.0.2.0/24; others [Unanswered]");
    // A datagram arrives without an answer.
    let mut found = ask(no_default, "", Family::Ipv4, 17, None);
    assert_eq!(found.port(22), "0.0.0.0/0");
}

#[test]
fn replies_pass_output() {
    let rules = "table inet f {
        chain output {
            type filter hook output priority 0; policy drop;
            ct state established ip daddr 10.0.0.0/8 tcp sport 22 accept
            oifname eth1 tcp sport 80 accept
        }
    }";
    check(
        "",
        rules,
        Family::Ipv4,
        &[
            (22, "10.0.0.0/8; others [Unanswered]"),
            (80, "10.0.0.0/8; others [Unanswered]"),
            (443, "none; others [Unanswered]"),
        ],
    );
}

#[test]
fn policy_routing_by_mark() {
    let rules = "table ip m {
        chain pre {
            type filter hook prerouting priority mangle; policy accept;
            ip saddr 198.51.100.0/24 meta mark set 7
        }
    }";
    let blackhole = "rule 100 fwmark 7/7 lookup 100\nroute blackhole 0.0.0.0/0 table 100";
    // Before the local table.
    check(&blackhole.replace("rule 100", "rule 0"), rules, Family::Ipv4, &[(22, "0.0.0.0/0")]);
    let first = "rule 0 not fwmark 7/7 lookup 255\nrule 1 fwmark 7/7 blackhole";
    let without_local = format!("{HOST}{first}");
    let mut found = ask(&without_local, rules, Family::Ipv4, 6, None);
    // The rule 0 of every namespace still comes first.
    assert_eq!(found.port(22), "0.0.0.0/0");
}

#[test]
fn translations_are_entries() {
    let rules = "table ip nat {
        chain pre {
            type nat hook prerouting priority dstnat; policy accept;
            tcp dport 8080 dnat to 10.9.9.9:80
            tcp dport 8443 redirect to :443
            ip saddr 10.0.0.0/8 tcp dport 9000-9001 dnat to 10.9.9.9
        }
    }
    table inet f {
        chain in { type filter hook input priority 0; policy drop; tcp dport 443 accept; }
        chain fwd {
            type filter hook forward priority 0; policy drop;
            ct state established accept
            ip daddr 10.9.9.9 accept
        }
    }";
    let forwards = "set net/ipv4/conf/eth0/forwarding 1\nset net/ipv4/conf/eth1/forwarding 1";
    let mut found = ask(&format!("{HOST}{forwards}"), rules, Family::Ipv4, 6, None);
    assert_eq!(found.port(8080), "none");
    assert_eq!(found.port(443), "0.0.0.0/0");
    let entries = found.answer.entries().unwrap();
    let told: Vec<String> = entries
        .iter()
        .map(|entry| {
            let (lo, hi) = entry.ports;
            let out = entry.out.as_deref().unwrap_or("here");
            let to = match entry.nat.address {
                Some((lo, hi)) if lo == hi => address_text(Family::Ipv4, lo),
                _ => "own".to_owned(),
            };
            let port = entry.nat.port.map_or(0, |(lo, _)| lo);
            format!("{lo}-{hi} to {to}:{port} by {out}: {}", found.tell(entry.sources))
        })
        .collect();
    assert_eq!(
        told,
        [
            "8080-8080 to 10.9.9.9:80 by eth1: 0.0.0.0/0",
            "8443-8443 to own:443 by here: 0.0.0.0/0",
            "9000-9001 to 10.9.9.9:0 by eth1: 10.0.0.0/8",
        ]
    );
}

#[test]
fn neighbours_pass_to_containers() {
    let spec = "link docker0\naddress 172.17.0.1/16 dev docker0
        set net/ipv4/conf/eth0/forwarding 1\nset net/ipv4/conf/docker0/forwarding 1
        set net/ipv4/conf/eth1/forwarding 0";
    let container = RangeSet::one(0xac11_0002);
    let mut found = ask(&format!("{HOST}{spec}"), "", Family::Ipv4, 6, Some(container.clone()));
    let passages = found.answer.passages(&container, 80).unwrap();
    assert_eq!(passages.len(), 1);
    assert_eq!(passages[0].out, "docker0");
    assert_eq!(found.tell(passages[0].sources), "0.0.0.0/0");
}

#[test]
fn what_is_not_known_makes_nothing_certain() {
    let mut host = namespace(HOST);
    host.routes = facts::Part::NotAsked;
    let world = World::of(&host);
    assert_eq!(world.doubts().len(), 1);
    let asked = Asked {
        family: Family::Ipv4,
        protocol: 6,
        ports: RangeSet::one(22),
        destinations: RangeSet::one(0xc000_020a),
    };
    let mut found =
        arrivals(&Ruleset::default(), &world, &asked, Budget::default()).expect("an answer");
    let listener = Listener { addresses: asked.destinations, device: None, port: 22 };
    let sources = found.listeners(&[listener]).unwrap()[0];
    assert!(found.everyone_may(sources) && found.must(sources).is_empty());
    assert_eq!(found.unknown[0].place.to_string(), "routes");
}

#[test]
fn witnesses_tell_the_outcome() {
    let rules = "table ip f {
        chain in { type filter hook input priority 0; policy accept; ip saddr 10.0.0.0/8 reject; }
    }";
    let found = ask(HOST, rules, Family::Ipv4, 6, None);
    let listener = found.listener(22);
    let refused = Outcome::Rejected(netfilter::ir::Reject::Port).leaf();
    let packet = found.answer.witness(&listener, |leaf| leaf == refused).unwrap();
    assert_eq!(address_text(Family::Ipv4, packet.source), "10.0.0.0");
    assert_eq!(packet.dport, 22);
}
