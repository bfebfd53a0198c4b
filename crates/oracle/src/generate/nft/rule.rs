//! Rules of nft.

use super::super::pool::{self, PORT_RANGES, PORTS};
use super::{Table, USERS};
use crate::random::Random;

/// Makes one rule of a chain.
pub(super) struct Rule<'a> {
    random: &'a mut Random,
    table: &'a Table,
    /// Type, hook and priority of the chain, or `user`.
    place: &'a str,
    first_user: usize,
    v6: bool,
}

impl<'a> Rule<'a> {
    pub(super) fn new(
        random: &'a mut Random,
        table: &'a Table,
        place: &'a str,
        first_user: usize,
    ) -> Self {
        let v6 = table.v6(random);
        Self { random, table, place, first_user, v6 }
    }

    pub(super) fn text(&mut self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.source());
        parts.extend(self.destination());
        parts.extend(self.interface());
        parts.extend(self.transport());
        for _ in 0..self.random.below(3) {
            parts.extend(self.other());
        }
        parts.push(self.end());
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }

    fn ip(&self) -> &'static str {
        if self.v6 { "ip6" } else { "ip" }
    }

    fn digit(&self) -> u8 {
        if self.v6 { 6 } else { 4 }
    }

    fn not(&mut self) -> &'static str {
        if self.random.one_in(4) { "!= " } else { "" }
    }

    fn source(&mut self) -> Option<String> {
        let (ip, digit, v6, not) = (self.ip(), self.digit(), self.v6, self.not());
        Some(match self.random.below(16) {
            0..4 => format!("{ip} saddr {not}{}", pool::network(self.random, v6)),
            4 => {
                let (lo, hi) = pool::range(self.random, v6);
                format!("{ip} saddr {not}{lo}-{hi}")
            }
            5 => {
                let list = pool::disjoint(self.random, v6, 5).join(", ");
                format!("{ip} saddr {not}{{ {list} }}")
            }
            6 => format!("{ip} saddr {not}@{}{digit}", self.random.of(&["s", "h", "t"])),
            7 => format!("{ip} saddr . tcp dport {not}@p{digit}"),
            8 => format!("{ip} saddr . meta l4proto . th dport {not}@q{digit}"),
            9 if !v6 => format!("ip saddr & 255.0.255.0 == 10.0.{}.0", self.random.below(3)),
            9 => format!("ip6 saddr & ffff:0:ffff:: == fd01:0:{}::", self.random.below(3)),
            10 => {
                let network = pool::network(self.random, v6);
                let op = self.random.of(&["<", "<=", ">", ">=", "=="]);
                let address = network.split('/').next().unwrap_or(network);
                format!("{ip} saddr {op} {address}")
            }
            _ => return None,
        })
    }

    fn destination(&mut self) -> Option<String> {
        let (ip, digit, v6, not) = (self.ip(), self.digit(), self.v6, self.not());
        Some(match self.random.below(20) {
            0..3 => format!("{ip} daddr {not}{}", pool::network(self.random, v6)),
            3 => format!("{ip} daddr {not}@{}{digit}", self.random.of(&["s", "h"])),
            4 => {
                let (one, other) = (pool::address(self.random, v6), pool::network(self.random, v6));
                let third = pool::address(self.random, v6);
                format!("{ip} saddr . {ip} daddr {not}{{ {one} . {other}, {third} . {one} }}")
            }
            5 => format!("{ip} daddr . udp dport @p{digit}"),
            _ => return None,
        })
    }

    fn interface(&mut self) -> Option<String> {
        let not = self.not();
        let sees_out = ["forward", "postrouting"].iter().any(|hook| self.place.contains(hook));
        Some(match self.random.below(20) {
            0 | 1 => {
                let name = self.random.of(&["eth0", "eth1", "eth*", "lo", "wg0", "e*", "nosuch"]);
                format!("iifname {not}\"{name}\"")
            }
            2 => format!("iifname {not}{{ \"eth1\", \"wg0\" }}"),
            3 => format!("iifname {not}@ifs"),
            4 => format!("iif {not}\"{}\"", self.random.of(&["eth0", "lo", "wg0"])),
            5 => "iifname . tcp dport @ifports".to_owned(),
            6 => format!("iifname {not}{{ \"eth*\", \"lo\" }}"),
            7 | 8 if sees_out => {
                format!("oifname {not}\"{}\"", self.random.of(&["eth1", "eth*", "other9", "lo"]))
            }
            9 if sees_out => {
                format!("oif {not}\"{}\"", self.random.of(&["eth1", "other9"]))
            }
            10 => format!("oifname {not}\"eth1\""),
            _ => return None,
        })
    }

    fn transport(&mut self) -> Option<String> {
        let not = self.not();
        let (lo, hi) = self.random.maybe(&PORT_RANGES).copied().unwrap_or(("1", "2"));
        let port = self.random.of(&PORTS);
        let protocol = self.random.of(&["tcp", "tcp", "udp"]);
        let icmp = if self.v6 { "icmpv6" } else { "icmp" };
        Some(match self.random.below(30) {
            0..4 => format!("{protocol} dport {not}{port}"),
            4 => format!("{protocol} dport {not}{lo}-{hi}"),
            5 => {
                let list = pool::some(self.random, &PORTS, 4).join(", ");
                format!("{protocol} dport {not}{{ {list} }}")
            }
            6 => format!("{protocol} dport {not}{{ 22, 80-90, 8080 }}"),
            7 => format!("{protocol} dport {not}@ports"),
            8 => format!("{protocol} sport {not}{lo}-{hi}"),
            9 => format!("tcp sport {} {port}", self.random.of(&["<", "<=", ">", ">=", "!="])),
            10 => format!("meta l4proto {{ tcp, udp }} th dport {not}{port}"),
            11 => format!("th dport {not}{port}"),
            12 => format!("meta l4proto {not}{}", self.random.of(&["tcp", "udp", "esp"])),
            13 => format!("meta l4proto {not}{{ tcp, udp }}"),
            14 => format!("tcp sport . tcp dport {{ 40000 . {port}, {lo}-{hi} . 22 }}"),
            15 => {
                let flags = self.random.of(&[
                    "tcp flags syn",
                    "tcp flags syn / fin,syn,rst,ack",
                    "tcp flags & (fin|syn|rst|ack) == syn",
                    "tcp flags != syn",
                    "tcp flags & (fin|syn) == (fin|syn)",
                    "tcp flags & (fin|syn|rst|psh|ack|urg) == 0x0",
                    "tcp flags { syn, syn | ack }",
                    "tcp flags syn,ack",
                    "tcp flags != syn,ack",
                    "tcp flags ! syn",
                ]);
                flags.to_owned()
            }
            16 if self.v6 => {
                let kind = self.random.of(&["echo-request", "echo-reply", "nd-neighbor-solicit"]);
                format!("{icmp} type {not}{kind}")
            }
            16 => {
                let kind = self.random.of(&["echo-request", "timestamp-request", "echo-reply"]);
                format!("{icmp} type {not}{kind}")
            }
            17 => format!("{icmp} type {not}{{ echo-request, echo-reply }}"),
            18 => format!("{icmp} code {not}0"),
            19 if self.v6 => format!("ip6 nexthdr {not}{}", self.random.of(&["tcp", "udp", "58"])),
            19 => format!("ip protocol {not}{}", self.random.of(&["tcp", "udp", "icmp"])),
            20 => format!("{} nexthdr {not}{{ 6, 17 }}", self.ip())
                .replace("ip nexthdr", "ip protocol"),
            _ => return None,
        })
    }

    fn other(&mut self) -> Option<String> {
        let (ip, v6, not) = (self.ip(), self.v6, self.not());
        Some(match self.random.below(40) {
            0..3 => {
                let states = self.random.of(&[
                    "established,related",
                    "new",
                    "{ new, untracked }",
                    "{ established, new }",
                    "untracked",
                    "invalid",
                    "new,untracked",
                    "invalid,untracked",
                ]);
                format!("ct state {not}{states}")
            }
            3 => format!("ct state & ({}) == new", self.random.of(&["new", "new|established"])),
            4 => format!(
                "ct status {}",
                self.random.of(&["dnat", "snat", "!= dnat", "confirmed", "dnat,snat"])
            ),
            5 => "meta mark & 0x00000003 == 0x00000001".to_owned(),
            6 => {
                format!("meta mark {not}{}", self.random.of(&["0x1", "0x0", "{ 0x1, 0x2 }", "1-2"]))
            }
            7 => format!("ct mark {not}{}", self.random.of(&["0x0", "0x1"])),
            8 => "ct mark & 0x00000001 == 0x00000000".to_owned(),
            9 => format!("meta l4proto tcp ct original proto-dst {not}{}", self.random.of(&PORTS)),
            10 => format!("ct original {ip} daddr {not}{}", pool::network(self.random, v6)),
            11 => format!("ct original {ip} saddr {not}{}", pool::network(self.random, v6)),
            12 => format!("ct direction {not}{}", self.random.of(&["original", "reply"])),
            13 if self.table.family == "inet" => {
                format!("meta nfproto {not}{}", self.random.of(&["ipv4", "ipv6"]))
            }
            14 => "counter packets 0 bytes 0".to_owned(),
            15 => "limit rate 1000/second burst 3 packets".to_owned(),
            16 => "limit rate over 1000/second burst 3 packets".to_owned(),
            17 => "log prefix \"x\" level info".to_owned(),
            18 => format!("meta length {}", self.random.of(&["48", "0-50", "> 50", "!= 48"])),
            19 if v6 => {
                format!("ip6 hoplimit {}", self.random.of(&["64", "< 64", "> 63", "!= 64"]))
            }
            19 => format!("ip ttl {}", self.random.of(&["64", "< 64", "> 63", "!= 64"])),
            20 => format!(
                "{ip} dscp {not}{}",
                self.random.of(&["cs0", "af11", "0x2e", "{ cs0, ef }"])
            ),
            21 => {
                format!("meta pkttype {not}{}", self.random.of(&["host", "unicast", "multicast"]))
            }
            22 => format!("fib daddr type {not}{}", self.random.of(&["local", "unicast"])),
            23 => format!(
                "fib saddr . iif oif {}",
                self.random.of(&["missing", "exists", "\"eth0\""])
            ),
            24 => format!("ct protocol {not}{}", self.random.of(&["tcp", "udp"])),
            // Not `ct l3proto`: nft leaves it out when it lists a rule.
            26 => format!("meta protocol {not}{}", self.random.of(&["ip", "ip6"])),
            27 => format!("ether saddr {not}02:00:00:00:00:0{}", 1 + self.random.below(2)),
            28 if v6 => format!("ip6 length {}", self.random.of(&["28", "> 20", "!= 16"])),
            28 => format!("ip length {}", self.random.of(&["48", "> 40", "!= 36"])),
            29 => "meta skuid 7".to_owned(),
            30 => "ip frag-off & 0x1fff == 0".to_owned(),
            31 => "meta iiftype ether".to_owned(),
            32 => "ct expiration > 1s".to_owned(),
            33 => format!("ct reply {ip} saddr {not}{}", pool::network(self.random, v6)),
            34 => format!("meta l4proto tcp ct reply proto-src {not}{}", self.random.of(&PORTS)),
            35 => format!(
                "meta l4proto tcp ct original proto-src {not}{}",
                self.random.of(&["40000", "1-1023"])
            ),
            36 => "numgen random mod 2 0".to_owned(),
            _ => return None,
        })
    }

    fn end(&mut self) -> String {
        let (ip, digit, v6) = (self.ip(), self.digit(), self.v6);
        if self.first_user < USERS && self.random.one_in(6) {
            let user = self.first_user + self.random.below(USERS - self.first_user);
            return format!("{} u{user}", self.random.of(&["jump", "jump", "goto"]));
        }
        // The maps jump to u1, u2 and u3.
        if self.first_user == 0 && self.random.one_in(8) {
            return match self.random.below(7) {
                0 | 1 => "tcp dport vmap @vp".to_owned(),
                2 => format!("{ip} saddr vmap @v{digit}"),
                3 => format!("{ip} saddr . tcp dport vmap @w{digit}"),
                4 => "iifname vmap @vi".to_owned(),
                5 => format!("{ip} daddr . th dport vmap @w{digit}"),
                _ => "meta l4proto vmap { tcp : jump u1, udp : goto u3 }".to_owned(),
            };
        }
        if self.place.starts_with("nat") {
            return self.translation();
        }
        let text = match self.random.below(30) {
            0 => "ct state vmap { invalid : drop, established : accept, new : continue }",
            1 => "ct state vmap { established : accept, new : accept, untracked : drop }",
            2 => "meta mark set 0x00000001",
            3 => "meta mark set meta mark | 0x00000002",
            4 => "meta mark set meta mark & 0xfffffffe",
            5 => "meta mark set meta mark ^ 0x3",
            6 => "ct mark set meta mark",
            7 => "meta mark set ct mark",
            8 => "ct mark set 0x00000001",
            9 => "ct mark set ct mark | 0x00000002",
            10 if v6 => "meta mark set ip6 saddr map @m6",
            10 => "meta mark set ip saddr map @m4",
            11 => "tcp dport vmap { 22 : accept, 80-90 : drop, 8080 : return }",
            12 => "tcp dport vmap { 22 : accept, 80 : accept }",
            13 if self.place.contains("prerouting") => "notrack",
            13 if !self.place.contains("user") => self.random.of(&[
                "reject",
                "reject with tcp reset",
                "reject with icmpx type admin-prohibited",
            ]),
            14 => "meta mark vmap { 0x1 : accept, 0x2 : drop }",
            15 if v6 => "ip6 hoplimit set 10",
            15 => "ip ttl set 10",
            16 if v6 => "ip6 dscp set af11",
            16 => "ip dscp set af11",
            17..20 => "return",
            20..25 => "drop",
            _ => "accept",
        };
        text.to_owned()
    }

    fn translation(&mut self) -> String {
        let (ip, digit, v6) = (self.ip(), self.digit(), self.v6);
        let to = pool::address(self.random, v6);
        let with_port = if v6 { format!("[{to}]:8080") } else { format!("{to}:8080") };
        // In a table for both families the translation names its own.
        let own = if self.table.family == "inet" { ip } else { "" };
        if self.place.contains("prerouting") {
            return match self.random.below(8) {
                0 => format!("dnat {own} to {to}"),
                1 => format!("meta l4proto tcp dnat {own} to {with_port}"),
                2 => "meta l4proto { tcp, udp } dnat to :22".to_owned(),
                3 if self.table.redirects => "meta l4proto tcp redirect to :22".to_owned(),
                3 => format!("dnat {own} to tcp dport map @d{digit}"),
                4 => format!("dnat {own} to tcp dport map {{ 22 : {to}, 80 : {to} }}"),
                5 => format!("ct mark set 0x1 dnat {own} to {to}"),
                _ => self.random.of(&["accept", "return", "continue"]).to_owned(),
            };
        }
        if self.place.contains("postrouting") && self.random.one_in(3) {
            return "masquerade".to_owned();
        }
        match self.random.below(4) {
            0 => format!("snat {own} to {to}"),
            _ => self.random.of(&["accept", "return"]).to_owned(),
        }
    }
}
