//! CPU time of answers from ruleset files, and how it grows.
//!
//! Prints a table; the last column is the time divided by that of the line before, to be held
//! against the growth of the input (2 to 2.2 for n log n when the input doubles). With
//! `WHYOPEN_RULESETS` set to the directory of real rulesets, those are asked for their matrix, too.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::format_push_string,
    missing_docs,
    reason = "a benchmark reads its clock and prints"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use netfilter::ir::{Cond, Family, Hook, Rule, Ruleset};
use netfilter::rules::{Question, ask, load, matrix};
use netfilter::symbolic::{Asked, AskedRules, Listener, RuleAt, arrivals, effects};
use netfilter::syntax::network;
use netfilter::world::{EXAMPLE, World};
use packet_set::{Budget, Field, RangeSet};

/// CPU time of this thread in milliseconds (proc_pid_schedstat: time on the CPU in ns).
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let on_cpu = stat.split_whitespace().next().expect("time on the CPU");
    on_cpu.parse::<f64>().expect("a number") / 1e6
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }

    fn prefix(&mut self) -> String {
        let length = 14 + self.below(19);
        let address = u32::try_from(self.below(1 << 32)).expect("32 bits");
        format!("{}/{length}", Ipv4Addr::from_bits(address))
    }
}

/// A host's list: 60% blocklist drops, the others open services.
fn host(count: u64) -> String {
    let mut random = Random(0x5eed);
    let mut text = String::from("*filter\n:INPUT DROP [0:0]\n");
    for _ in 0..count {
        let source = random.prefix();
        if random.below(100) < 60 {
            text.push_str(&format!("-A INPUT -s {source} -j DROP\n"));
        } else {
            let port = random.below(2000);
            text.push_str(&format!(
                "-A INPUT -s {source} -p tcp -m tcp --dport {port} -j ACCEPT\n"
            ));
        }
    }
    text + "-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
}

/// A gateway: per network a chain of source and destination pairs, as offices write them.
fn gateway(count: u64) -> String {
    let mut random = Random(0x6a7e);
    let mut text = String::from("*filter\n:FORWARD DROP [0:0]\n");
    for network in 0..40 {
        text.push_str(&format!(":n{network} - [0:0]\n"));
    }
    for network in 0..40 {
        text.push_str(&format!("-A FORWARD -i eth0.{network} -j n{network}\n"));
    }
    for _ in 0..count {
        let (network, host) = (random.below(40), random.below(250));
        let source = format!("10.{network}.{}.{host}", random.below(4));
        let server = format!("192.168.{}.{}", random.below(4), random.below(30));
        let rule = match random.below(4) {
            0 => format!("-s {source} -m mac --mac-source 02:00:00:00:00:{host:02x} -j RETURN"),
            1 => format!("-s {source} -j DROP"),
            2 => format!("-d {server} -p tcp -m multiport --dports 22,80,443 -j ACCEPT"),
            _ => format!("-s {source}/26 -d {server} -p tcp --dport 22 -j ACCEPT"),
        };
        text.push_str(&format!("-A n{network} {rule}\n"));
    }
    text + "COMMIT\n"
}

/// One rule with a set.
fn with_set(count: u64) -> String {
    let mut random = Random(0xadd5);
    let mut elements: Vec<u64> = (0..count).map(|_| random.below(1 << 32)).collect();
    elements.sort_unstable();
    elements.dedup();
    let elements: Vec<String> = elements
        .iter()
        .map(|one| Ipv4Addr::from_bits(u32::try_from(*one).expect("32 bits")).to_string())
        .collect();
    format!(
        "table ip t {{\n set s {{\n type ipv4_addr\n elements = {{ {} }}\n }}\n chain c {{\n type filter \
         hook input priority 0; policy accept;\n ip saddr @s drop\n }}\n}}\n",
        elements.join(",\n")
    )
}

fn line(what: &str, before: &mut f64, parse_ms: f64, answer_ms: f64) {
    let growth = if *before > 0.0 { (parse_ms + answer_ms) / *before } else { 0.0 };
    println!("{what:<40} {parse_ms:>9.1} {answer_ms:>10.1} {growth:>7.2}");
    *before = parse_ms + answer_ms;
}

/// Time to parse, then time to answer (which parses again) without that.
fn measure(what: &str, before: &mut f64, text: &str, hook: Hook, as_matrix: bool) {
    let files = [("bench", text.as_bytes())];
    let question = Question { hook, protocol: 6, port: 22, source_port: None, family: None };
    let start = cpu_ms();
    load(&files).expect("a ruleset");
    let parsed = cpu_ms();
    if as_matrix {
        matrix(&files, &question).expect("a matrix");
    } else {
        ask(&files, &question).expect("an answer");
    }
    let parse_ms = parsed - start;
    line(what, before, parse_ms, (cpu_ms() - parsed - parse_ms).max(0.0));
}

/// A host with many services: rules for each family as [`host`] makes them, a set of prefixes that are
/// dropped, and listeners. Everything that the first screen asks: both families, TCP and UDP.
fn first_screen(rules: u64, prefixes: u64, listeners: u16) -> String {
    let mut random = Random(0xf125);
    let mut list: Vec<u64> = (0..prefixes).map(|_| random.below(1 << 24)).collect();
    list.sort_unstable();
    list.dedup();
    let four: Vec<String> = list
        .iter()
        .map(|one| format!("{}/24", Ipv4Addr::from_bits(u32::try_from(one << 8).expect("32 bits"))))
        .collect();
    let six: Vec<String> = list
        .iter()
        .map(|one| format!("{}/48", Ipv6Addr::from_bits(0x2a << 120 | u128::from(*one) << 80)))
        .collect();
    let mut text = format!(
        "table inet f {{\n set four {{ type ipv4_addr; flags interval; elements = {{ {} }} }}\n set six {{ \
         type ipv6_addr; flags interval; elements = {{ {} }} }}\n chain in {{ type filter hook input \
         priority 0; policy drop;\n ct state established,related accept\n ip saddr @four drop\n ip6 saddr \
         @six drop\n",
        four.join(",\n"),
        six.join(",\n")
    );
    for at in 0..rules {
        let (source, port) = (random.prefix(), random.below(u64::from(listeners)) + 1000);
        let net = u128::from(random.below(1 << 32));
        let rule = match random.below(10) {
            0..5 => format!("ip saddr {source} drop"),
            5 => format!("ip6 saddr {}/48 drop", Ipv6Addr::from_bits(0x2a << 120 | net << 80)),
            6 => format!(
                "ip6 saddr {}/40 tcp dport {port} accept",
                Ipv6Addr::from_bits(0x2a << 120 | (net >> 8) << 88)
            ),
            7 => format!("ip saddr {source} udp dport {port} accept"),
            _ => format!("ip saddr {source} tcp dport {port} accept"),
        };
        text.push_str(&format!(" {rule} comment \"{at}\"\n"));
    }
    for port in (1000..1000 + listeners).filter(|port| port % 3 == 0) {
        text.push_str(&format!(" meta l4proto {{ tcp, udp }} th dport {port} accept\n"));
    }
    text + " }\n}\n"
}

/// Who reaches each of the listeners, over TCP and UDP; how many of the answers say "everyone".
fn answer_all(ruleset: &Ruleset, listeners: u16) -> usize {
    let namespace = serde_json::from_str(EXAMPLE).expect("the example");
    let world = World::of(&namespace);
    let mut open = 0;
    for family in Family::BOTH {
        for protocol in [6, 17] {
            let asked = Asked {
                family,
                protocol,
                ports: RangeSet::from(0..=0xffff),
                destinations: world.reachable_addresses(family),
            };
            let mut found =
                arrivals(ruleset, &world, &asked, Budget::default()).expect("an answer");
            let addresses = world.reachable_addresses(family);
            let list: Vec<Listener> = (1000..1000 + listeners)
                .map(|port| Listener { addresses: addresses.clone(), device: None, port })
                .collect();
            let sources = found.listeners(&list).expect("an answer");
            found.entries().expect("entries");
            open += sources.iter().filter(|one| found.anyone_may(**one)).count();
        }
    }
    open
}

/// The cost of the first screen of a host.
fn screens() {
    let mut before = 0.0;
    for rules in [2_500, 5_000, 10_000, 100_000] {
        let text = first_screen(rules, 50_000, 200);
        let start = cpu_ms();
        let ruleset = load(&[("bench", text.as_bytes())]).expect("a ruleset");
        let parsed = cpu_ms();
        assert!(answer_all(&ruleset, 200) > 200, "some are open");
        let what = format!("200 listeners, {rules} rules, 50000 prefixes");
        line(&what, &mut before, parsed - start, cpu_ms() - parsed);
    }
}

/// So many rules are asked about at most for a host's findings.
const ASKED: usize = 32;

/// The effects of rules for TCP over IPv4, within the budget of findings.
fn effects_of(ruleset: &Ruleset) -> String {
    let chain = ruleset.tables.first().and_then(|table| table.chains.first()).expect("a chain");
    let is_asked = |rule: &Rule| rule.text.contains("tcp dport") && rule.text.contains("ip saddr");
    let asked = || chain.rules.iter().enumerate().filter(|(_, rule)| is_asked(rule)).take(ASKED);
    let port = |rule: &Rule| -> u128 {
        let word = rule.text.split(' ').skip_while(|word| *word != "dport").nth(1);
        word.and_then(|word| word.parse().ok()).expect("a port")
    };
    let source = |rule: &Rule| -> Vec<(u128, u128)> {
        let word = rule.text.split(' ').skip_while(|word| *word != "saddr").nth(1);
        match network(Field::SOURCE, word.expect("a source")) {
            Some((_, Cond::In(_, set))) => set.iter().collect(),
            other => unreachable!("{other:?}"),
        }
    };
    let asked = AskedRules {
        family: Family::Ipv4,
        protocol: 6,
        ports: asked().map(|(_, rule)| (port(rule), port(rule))).collect(),
        sources: asked().flat_map(|(_, rule)| source(rule)).collect(),
        rules: asked().map(|(rule, _)| RuleAt { table: 0, chain: 0, rule }).collect(),
    };
    let steps = 500_000 + 1000 * chain.rules.len() as u64;
    let budget = Budget { nodes: 200_000, edges: 1_000_000, steps };
    match effects(ruleset, &asked, budget) {
        Ok(found) => {
            let lacking = found.iter().filter(|effect| !effect.is_plain()).count();
            format!("{lacking} of {ASKED} without effect")
        }
        Err(error) => error.to_string(),
    }
}

/// The cost of looking for rules without effect.
fn in_vain() {
    for prefixes in [0, 10_000, 50_000] {
        let mut before = 0.0;
        for rules in [1_250, 2_500, 5_000, 10_000] {
            let text = first_screen(rules, prefixes, 200);
            let start = cpu_ms();
            let ruleset = load(&[("bench", text.as_bytes())]).expect("a ruleset");
            let parsed = cpu_ms();
            let found = effects_of(&ruleset);
            let answered = cpu_ms();
            line(
                &format!("{rules} rules, {prefixes} prefixes"),
                &mut before,
                parsed - start,
                answered - parsed,
            );
            println!("    {found}");
        }
    }
}

fn main() {
    println!("{:<40} {:>9} {:>10} {:>7}", "input", "parse ms", "answer ms", "growth");
    let only = |what: &str| std::env::args().any(|word| word == what);
    if !only("screens") {
        println!("rules without effect");
        in_vain();
        if only("effects") {
            return;
        }
    }
    println!("first screens");
    screens();
    if only("screens") {
        return;
    }
    let mut before = 0.0;
    for count in [12_500, 25_000, 50_000, 100_000] {
        measure(&format!("{count} rules of a host"), &mut before, &host(count), Hook::Input, false);
    }
    let mut before = 0.0;
    for count in [2_500, 5_000, 10_000] {
        let text = gateway(count);
        measure(
            &format!("matrix of a gateway's {count} rules"),
            &mut before,
            &text,
            Hook::Forward,
            true,
        );
    }
    let mut before = 0.0;
    for count in [125_000, 250_000, 500_000] {
        let text = with_set(count);
        measure(&format!("a set of {count} addresses"), &mut before, &text, Hook::Input, false);
    }
    let Some(real) = std::env::var_os("WHYOPEN_RULESETS") else { return };
    for name in ["big_v4_4841", "big_v6_5584"] {
        let path = std::path::Path::new(&real).join(name);
        let text = std::fs::read_to_string(&path).expect("a real ruleset");
        measure(&format!("matrix of {name}"), &mut 0.0, &text, Hook::Forward, true);
    }
}
