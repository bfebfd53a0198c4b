//! Sets and maps of a table. Every table has all of them, of both families.

use super::super::pool::{self, PORTS};
use crate::random::Random;

/// A named set or map.
fn named(word: &str, name: &str, kind: &str, flags: &str, elements: &[String]) -> String {
    let mut text = format!("\t{word} {name} {{\n\t\ttype {kind}\n");
    if !flags.is_empty() {
        text.push_str(&format!("\t\tflags {flags}\n"));
    }
    if !elements.is_empty() {
        text.push_str(&format!("\t\telements = {{ {} }}\n", elements.join(", ")));
    }
    text.push_str("\t}\n");
    text
}

fn owned(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

/// The sets, and the maps without verdicts.
pub(super) fn plain(random: &mut Random) -> String {
    let mut text = String::new();
    for (v6, digit) in [(false, 4), (true, 6)] {
        let kind = if v6 { "ipv6_addr" } else { "ipv4_addr" };
        let elements = if random.one_in(6) { Vec::new() } else { pool::disjoint(random, v6, 6) };
        text.push_str(&named("set", &format!("s{digit}"), kind, "interval", &owned(elements)));
        let elements = pool::addresses(random, v6, 4);
        text.push_str(&named("set", &format!("h{digit}"), kind, "", &owned(elements)));
        let mut elements = owned(pool::addresses(random, v6, 3));
        if let Some(last) = elements.last_mut() {
            last.push_str(" timeout 1h");
        }
        text.push_str(&named("set", &format!("t{digit}"), kind, "timeout", &elements));
        let pairs = pool::disjoint(random, v6, 5);
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|one| {
                let ports = random.of(&["22", "80-8080", "1024-65535", "53"]);
                format!("{one} . {ports}")
            })
            .collect();
        let with_port = format!("{kind} . inet_service");
        text.push_str(&named("set", &format!("p{digit}"), &with_port, "interval", &pairs));
        let triples: Vec<_> = pool::addresses(random, v6, 4)
            .into_iter()
            .map(|one| format!("{one} . {} . {}", random.of(&["tcp", "udp"]), random.of(&PORTS)))
            .collect();
        let kind3 = format!("{kind} . inet_proto . inet_service");
        text.push_str(&named("set", &format!("q{digit}"), &kind3, "", &triples));
        let marks: Vec<_> = pool::disjoint(random, v6, 4)
            .into_iter()
            .map(|one| format!("{one} : 0x{}", 1 + random.below(3)))
            .collect();
        text.push_str(&named(
            "map",
            &format!("m{digit}"),
            &format!("{kind} : mark"),
            "interval",
            &marks,
        ));
        let targets: Vec<_> = pool::some(random, &PORTS, 3)
            .into_iter()
            .map(|one| format!("{one} : {}", pool::address(random, v6)))
            .collect();
        let kind_nat = format!("inet_service : {kind}");
        text.push_str(&named("map", &format!("d{digit}"), &kind_nat, "", &targets));
    }
    let ports = pool::some(random, &["22", "53", "80-90", "443", "1024-2222", "8080"], 4);
    text.push_str(&named("set", "ports", "inet_service", "interval", &owned(ports)));
    let names = pool::some(random, &["\"eth0\"", "\"lo\"", "\"wg0\"", "\"eth1\""], 3);
    text.push_str(&named("set", "ifs", "ifname", "", &owned(names)));
    let pairs: Vec<_> = pool::some(random, &["\"eth0\"", "\"wg0\"", "\"eth1\""], 3)
        .into_iter()
        .map(|one| format!("{one} . {}", random.of(&PORTS)))
        .collect();
    text.push_str(&named("set", "ifports", "ifname . inet_service", "", &pairs));
    text
}

/// The verdict maps, which name the chains.
pub(super) fn with_verdicts(random: &mut Random) -> String {
    let mut text = String::new();
    let verdict = |random: &mut Random| {
        random.of(&["accept", "drop", "jump u1", "goto u2", "jump u3", "return", "continue"])
    };
    for (v6, digit) in [(false, 4), (true, 6)] {
        let kind = if v6 { "ipv6_addr" } else { "ipv4_addr" };
        let mut elements: Vec<_> = pool::disjoint(random, v6, 5)
            .into_iter()
            .map(|one| format!("{one} : {}", verdict(random)))
            .collect();
        if random.one_in(3) {
            elements.push(format!("* : {}", verdict(random)));
        }
        let map = format!("{kind} : verdict");
        text.push_str(&named("map", &format!("v{digit}"), &map, "interval", &elements));
        let elements: Vec<_> = pool::disjoint(random, v6, 4)
            .into_iter()
            .map(|one| {
                let ports = random.of(&["22", "80-8080", "0-1023"]);
                format!("{one} . {ports} : {}", verdict(random))
            })
            .collect();
        let map = format!("{kind} . inet_service : verdict");
        text.push_str(&named("map", &format!("w{digit}"), &map, "interval", &elements));
    }
    let mut elements: Vec<_> = pool::some(random, &PORTS, 4)
        .into_iter()
        .map(|one| format!("{one} : {}", verdict(random)))
        .collect();
    if random.one_in(4) {
        elements.push(format!("* : {}", verdict(random)));
    }
    text.push_str(&named("map", "vp", "inet_service : verdict", "", &elements));
    let elements: Vec<_> = pool::some(random, &["\"eth0\"", "\"wg0\"", "\"lo\""], 3)
        .into_iter()
        .map(|one| format!("{one} : {}", verdict(random)))
        .collect();
    text.push_str(&named("map", "vi", "ifname : verdict", "", &elements));
    text
}
