//! Sets of ipset(8), as lines before a dump of iptables: to that they are comments.

use super::pool;
use crate::backend::IPSET;
use crate::random::Random;

/// How many there are; the last is a list of others.
const COUNT: usize = 5;

/// What an element is made of.
#[derive(Clone, Copy)]
enum Part {
    Address,
    Network,
    Port,
    AnyPort,
    Interface,
    Mac,
}

use Part::{Address, AnyPort, Interface, Mac, Network, Port};

/// Types, and whether they are for IPv6, too.
const TYPES: [(&str, &[Part], bool); 10] = [
    ("hash:ip", &[Address], true),
    ("hash:net", &[Network], true),
    ("hash:ip,port", &[Address, Port], true),
    ("hash:net,port", &[Network, Port], true),
    ("hash:ip,port,ip", &[Address, Port, Address], true),
    ("hash:ip,port,net", &[Address, Port, Network], true),
    ("hash:net,iface", &[Network, Interface], true),
    ("bitmap:port", &[AnyPort], true),
    ("bitmap:ip", &[Address], false),
    ("bitmap:ip,mac", &[Address, Mac], false),
];

/// The sets that rules can ask.
pub(super) struct Sets {
    /// Their names, and how many sides they have.
    list: Vec<(String, usize)>,
    /// The lines that make them.
    pub(super) lines: String,
}

impl Sets {
    /// Some sets, or none.
    pub(super) fn some(random: &mut Random, v6: bool) -> Self {
        let mut own = Self { list: Vec::new(), lines: String::new() };
        if random.one_in(2) {
            return own;
        }
        for number in 0..COUNT - 1 {
            let fitting: Vec<_> = TYPES.iter().filter(|(_, _, both)| *both || !v6).collect();
            if let Some((kind, parts, _)) = random.maybe(&fitting).copied() {
                own.add(random, v6, number, kind, parts);
            }
        }
        let name = format!("s{}", COUNT - 1);
        own.line(&format!("create {name} list:set"));
        for number in 0..COUNT - 1 {
            if random.one_in(2) {
                own.line(&format!("add {name} s{number}"));
            }
        }
        own.list.push((name, 2));
        own
    }

    fn line(&mut self, line: &str) {
        self.lines.push_str(&format!("{IPSET}{line}\n"));
    }

    fn add(&mut self, random: &mut Random, v6: bool, number: usize, kind: &str, parts: &[Part]) {
        let name = format!("s{number}");
        let of_network = kind.contains("net");
        let options = match kind {
            "bitmap:port" => "range 0-65535",
            "bitmap:ip" if random.one_in(3) => "range 10.1.0.0/16 netmask 25",
            "bitmap:ip" | "bitmap:ip,mac" => "range 10.1.0.0/16",
            "hash:ip" if random.one_in(4) && !v6 => "netmask 24",
            _ if v6 => "family inet6",
            _ => "",
        };
        self.line(&format!("create {name} {kind} {options}"));
        let physical = kind == "hash:net,iface" && random.one_in(3);
        for _ in 0..=random.below(5) {
            let words: Vec<String> =
                parts.iter().map(|part| element(random, v6, *part, kind)).collect();
            let mut words = words.join(",");
            if physical && random.one_in(4) {
                words = words.replace(",e", ",physdev:e");
            }
            let nomatch = if of_network && random.one_in(3) { " nomatch" } else { "" };
            self.line(&format!("add {name} {words}{nomatch}"));
        }
        self.list.push((name, parts.len()));
    }

    /// A match that asks one of them.
    pub(super) fn asked(&self, random: &mut Random) -> Option<String> {
        let (name, sides) = random.maybe(&self.list)?;
        let sides = if random.one_in(12) { random.below(3) + 1 } else { *sides };
        let sides: Vec<&str> = (0..sides).map(|_| random.of(&["src", "src", "dst"])).collect();
        let not = if random.one_in(4) { "! " } else { "" };
        let nomatch = if random.one_in(8) { " --return-nomatch" } else { "" };
        Some(format!("-m set {not}--match-set {name} {}{nomatch}", sides.join(",")))
    }
}

fn element(random: &mut Random, v6: bool, part: Part, kind: &str) -> String {
    match part {
        // Within the range of the bitmaps.
        Address if kind.starts_with("bitmap") => {
            random.of(&["10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.0.0", "10.1.255.255"]).to_owned()
        }
        Address => pool::address(random, v6).to_owned(),
        Network => loop {
            // None is for everything.
            let network = pool::network(random, v6);
            if !network.starts_with("::/") && !network.starts_with("0.0.0.0/") {
                return network.to_owned();
            }
        },
        Port => {
            let icmp = if v6 { "icmpv6:128/0" } else { "icmp:8/0" };
            let port = random.of(&pool::PORTS);
            match random.below(8) {
                0..5 => format!("tcp:{port}"),
                5 | 6 => format!("udp:{port}"),
                _ => random.of(&[icmp, "esp:0"]).to_owned(),
            }
        }
        AnyPort => random.of(&pool::PORTS).to_owned(),
        Interface => random.of(&["eth0", "eth1", "wg0", "lo"]).to_owned(),
        Mac => random.of(&["02:00:00:00:00:01", "02:00:00:00:00:02"]).to_owned(),
    }
}
