//! Random namespaces for the pool of values of the random rulesets.

#![allow(clippy::format_push_string, reason = "text is text")]

use super::generate::{NETWORKS, Random};

const LINKS: [&str; 4] = ["eth0", "eth1", "wg0", "other9"];

/// The lines of a namespace: see `host::namespace`.
pub(crate) fn lines(seed: u64, v6: bool) -> String {
    let mut random = Random::new(seed ^ 0x9e37);
    let mut text = String::new();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for link in LINKS {
        add(format!("link {link}"));
        for (name, rarity) in
            [("rp_filter", 3), ("accept_local", 5), ("route_localnet", 5), ("src_valid_mark", 4)]
        {
            if random.one_in(rarity) {
                let value = if name == "rp_filter" { 1 + random.below(2) } else { 1 };
                add(format!("set net/ipv4/conf/{link}/{name} {value}"));
            }
        }
        if !random.one_in(3) {
            add(format!("set net/ipv4/conf/{link}/forwarding 1"));
        }
        if random.one_in(12) {
            add(format!("set net/ipv6/conf/{link}/disable_ipv6 1"));
        }
    }
    if !random.one_in(3) {
        add("set net/ipv6/conf/all/forwarding 1".to_owned());
    }
    if random.one_in(5) {
        add("set net/ipv4/tcp_fwmark_accept 1".to_owned());
    }
    let addresses: [&[&str]; 2] = [
        &["10.1.2.3/24", "10.1.2.4/32", "192.168.7.9/28", "198.18.0.1/30", "10.9.9.9/8"],
        &["fd01:2::3/64", "fd01:2::4/128", "2001:db8:7::9/124", "fe80::1/64", "fe80::2/64"],
    ];
    for address in addresses[usize::from(v6)] {
        if !random.one_in(4) {
            add(format!("address {address} dev {}", random.of(&LINKS)));
        }
    }
    if !random.one_in(4) {
        let default = if v6 { "::/0" } else { "0.0.0.0/0" };
        let gateway = if v6 { "fe80::9" } else { "10.1.2.77" };
        add(format!("route {default} dev {} via {gateway} metric 9", random.of(&LINKS)));
    }
    let kinds = ["", "", "", "", "unreachable ", "blackhole ", "prohibit ", "throw ", "local "];
    for number in 0..random.below(7) {
        let network = random.of(&NETWORKS[usize::from(v6)]);
        let kind = random.of(&kinds);
        let table = random.of(&["254", "254", "100", "101", "255"]);
        // Different metrics: which of several equal routes counts is not asked here.
        let mut line = format!("route {kind}{network} metric {}", number + 20);
        if kind.is_empty() || kind == "local " {
            line.push_str(&format!(" dev {}", random.of(&LINKS)));
        }
        if kind.is_empty() && random.one_in(5) {
            line.push_str(&format!(" dev {}", random.of(&LINKS)));
        }
        add(format!("{line} table {table}"));
    }
    let own = if v6 { "-6 " } else { "" };
    for number in 0..random.below(5) {
        let mut line = format!("rule {} {own}", 10 + number * 10);
        if random.one_in(6) {
            line.push_str("not ");
        }
        match random.below(5) {
            0 => line.push_str(&format!("from {} ", random.of(&NETWORKS[usize::from(v6)]))),
            1 => line.push_str(&format!("to {} ", random.of(&NETWORKS[usize::from(v6)]))),
            2 => line.push_str(&format!("iif {} ", random.of(&["eth0", "lo", "wg0"]))),
            3 => line.push_str(&format!("fwmark {} ", random.of(&["1/1", "2/3", "0/1"]))),
            _ => line.push_str(random.of(&["dport 22 ", "proto 6 ", "", "dport 2222 "])),
        }
        line.push_str(random.of(&[
            "lookup 100",
            "lookup 101",
            "lookup 254 suppress 0",
            "goto 40",
            "goto 32766",
            "unreachable",
            "blackhole",
            "prohibit",
            "nop",
        ]));
        add(line);
    }
    text
}

/// The names of the interfaces that packets arrive on.
pub(crate) const ARRIVE: [&str; 4] = LINKS;
