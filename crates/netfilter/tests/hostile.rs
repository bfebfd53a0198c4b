//! Broken and hostile files: an error with a place, or an answer; never a panic, never unbounded
//! work.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "tests"
)]

mod generate;

use generate::{Random, Wants, iptables, nft};
use netfilter::ir::Hook;
use netfilter::rules::{Answer, Question, RulesError, ask, matrix};

const WANTS: Wants = Wants { v6: false, unknown: true, kernel: false };

fn put(bytes: &[u8]) -> Result<Answer, RulesError> {
    let question =
        Question { hook: Hook::Input, protocol: 6, port: 22, source_port: None, family: None };
    ask(&[("hostile", bytes)], &question)
}

/// Pieces that mean something somewhere.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "\"",
    "\n",
    ";",
    "!",
    " . ",
    ":",
    "@",
    "-",
    "/",
    "\\",
    "#",
    "*filter\n",
    "COMMIT\n",
    "-A INPUT",
    "map",
    "vmap",
    "(",
    "elements = {",
    "0xffffffffffffffffffffffffffffffff",
    "/129",
    "65536",
    "\u{0}\u{fffd}é",
];

fn damage(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let place = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap();
        let end = (place + usize::try_from(random.below(30)).unwrap()).min(bytes.len());
        match random.below(4) {
            0 => drop(bytes.drain(place..end)),
            1 => bytes.truncate(place),
            2 => {
                let copy = bytes[place..end].to_vec();
                let to = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap();
                drop(bytes.splice(to..to, copy));
            }
            _ => drop(bytes.splice(place..place, random.of(&PIECES).bytes())),
        }
    }
    bytes
}

#[test]
fn damaged_files_are_told_or_read() {
    let (mut read, mut told) = (0, 0);
    for seed in 0..1500 {
        let mut random = Random::new(seed);
        let text = match seed % 3 {
            0 => iptables(seed / 30, WANTS),
            1 => nft(seed / 30, WANTS),
            _ => JSON.to_owned(),
        };
        match put(&damage(&mut random, &text)) {
            Ok(_) => read += 1,
            Err(RulesError::Parse(error)) => {
                assert!(error.line > 0 && error.column > 0, "{error}");
                told += 1;
            }
            Err(_) => told += 1,
        }
    }
    assert!(read > 100 && told > 100, "{read} read, {told} told");
}

const JSON: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
 {"table": {"family": "inet", "name": "t", "handle": 1}},
 {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
 {"set": {"family": "inet", "name": "s", "table": "t", "type": "ipv4_addr", "handle": 2, "flags": ["interval"], "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": ["11.0.0.1", "11.0.0.9"]}]}},
 {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 3, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@s"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [80, 90]}]}}}, {"accept": null}]}},
 {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 4, "expr": [{"xt": {"type": "match", "name": "conntrack"}}, {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["new", {"accept": null}]]}}}]}}]}"#;

#[test]
fn json_is_read_as_text_is() {
    let answer = put(JSON.as_bytes()).expect("an answer");
    let expect = [["10.0.0.0", "10.255.255.255"], ["11.0.0.1", "11.0.0.9"]];
    assert_eq!(answer.families[0].must, expect.map(|range| range.map(str::to_owned)));
    assert_eq!(answer.families[0].may.len(), 1);
    assert_eq!(answer.families[0].unknown.len(), 1);
}

#[test]
fn deep_and_long_files_are_bounded() {
    // Chains that jump on, far deeper than the kernel allows.
    let mut deep = String::from("*filter\n:INPUT DROP [0:0]\n");
    for chain in 0..5000 {
        deep.push_str(&format!(":c{chain} - [0:0]\n"));
    }
    deep.push_str("-A INPUT -j c0\n");
    for chain in 1..5000 {
        deep.push_str(&format!("-A c{} -j c{chain}\n", chain - 1));
    }
    deep.push_str("COMMIT\n");
    let error = put(deep.as_bytes()).expect_err("too deep").to_string();
    assert!(error.contains("nested more than 512 deep"), "{error}");

    // 40 chains that each jump to the next one twice: 2^40 ways, one summary each.
    let mut wide = String::from("*filter\n:INPUT DROP [0:0]\n");
    for chain in 0..40 {
        wide.push_str(&format!(":c{chain} - [0:0]\n"));
    }
    wide.push_str("-A INPUT -j c0\n");
    for chain in 1..40 {
        let jump = format!("-A c{} -s 10.0.0.{chain} -j c{chain}\n", chain - 1);
        wide.push_str(&jump);
        wide.push_str(&jump);
    }
    wide.push_str("-A c39 -j ACCEPT\nCOMMIT\n");
    assert!(put(wide.as_bytes()).is_ok());
    // The same where the last one changes the packet, so that each way is its own.
    let changing = wide.replace(
        "-A c39 -j ACCEPT",
        "-A c39 -j MARK --set-mark 1\n-A INPUT -m mark --mark 1 -j ACCEPT",
    );
    let error = put(changing.as_bytes()).expect_err("2^40 ways").to_string();
    assert!(error.contains("steps are needed"), "{error}");

    let nested = format!("table ip t {{ chain c {{ ip saddr {}1", "(".repeat(100_000));
    let error = put(nested.as_bytes()).expect_err("too deep").to_string();
    assert!(error.contains("nested more than 64 deep"), "{error}");
    let nested = format!("{{\"nftables\": {}", "[".repeat(100_000));
    assert!(put(nested.as_bytes()).is_err());

    // An anonymous set of 100,000 elements.
    let elements: Vec<String> = (0..100_000)
        .map(|n| format!("10.{}.{}.{}", n >> 15, (n >> 7) & 255, (n * 2) & 255))
        .collect();
    let long = format!(
        "table ip t {{\nchain c {{\ntype filter hook input priority 0; policy drop;\nip saddr {{ {} }} accept\n}}\n}}\n",
        elements.join(", ")
    );
    assert!(put(long.as_bytes()).is_ok());
}

#[test]
fn entangled_rules_end_by_the_budget() {
    // Source x destination x source port, all random: no diagram is small.
    let mut random = Random::new(7);
    let mut text = String::from("*filter\n:INPUT DROP [0:0]\n");
    for _ in 0..3000 {
        let mut address = || format!("{}.{}.0.0/14", random.below(256), random.below(64) * 4);
        let (source, destination) = (address(), address());
        text.push_str(&format!(
            "-A INPUT -s {source} -d {destination} -p tcp --sport {} -j {}\n",
            random.below(65536),
            random.of(&["ACCEPT", "DROP"]),
        ));
    }
    text.push_str("COMMIT\n");
    let question =
        Question { hook: Hook::Input, protocol: 6, port: 22, source_port: None, family: None };
    match matrix(&[("entangled", text.as_bytes())], &question) {
        Ok(answer) => assert!(!answer.families[0].classes.is_empty()),
        Err(error) => assert!(error.to_string().contains("are needed"), "{error}"),
    }
}
