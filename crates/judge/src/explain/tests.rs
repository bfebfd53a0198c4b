//! One packet on sample hosts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use facts::Queue;

use super::{Explanation, Question, Step, explain};
use crate::judge;
use crate::sample::Sample;

const RULES: &str = "table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        tcp dport 22 accept
        ip saddr 10.0.0.0/8 tcp dport 9100 accept
        tcp dport 23 reject
        tcp dport 25 limit rate 3/minute accept
        icmp type echo-request accept
    }
}
table ip nat {
    chain pre {
        type nat hook prerouting priority dstnat;
        tcp dport 8080 redirect to :22
    }
}
";

/// `Open Connected inet filter input …`: verdict, what the client sees, who decided.
fn tell(found: &Explanation) -> String {
    let by = found.decided_by.clone().unwrap_or_default();
    format!("{:?} {:?} {by}", found.opens, found.sees)
}

fn ask(host: Sample, from: &str, to: &str, protocol: u8) -> Result<Explanation, String> {
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let (address, port) = to.rsplit_once(':').unwrap();
    let question = Question {
        from: from.parse().unwrap(),
        to: (!address.is_empty()).then(|| address.parse().unwrap()),
        port: port.parse().unwrap(),
        protocol,
        interface: None,
    };
    explain(&judgement, &question).map_err(|why| why.to_string())
}

fn check(from: &str, to: &str, protocol: u8, expect: &str) {
    let mut host = Sample::new();
    host.ruleset("t", RULES);
    for at in ["0.0.0.0:22", "0.0.0.0:9100", "0.0.0.0:25", "127.0.0.1:631"] {
        host.bind("tcp", at, &[]);
    }
    host.bind("tcp6", "[::]:443", &[]);
    let told = ask(host, from, to, protocol).map_or_else(|why| why, |found| tell(&found));
    assert_eq!(told, expect, "{from} -> {to}");
}

#[test]
fn each_end_has_its_word() {
    check("10.1.2.3", ":9100", 6, "Open Connected inet filter input t:6");
    check("198.51.100.7", ":9100", 6, "Blocked TimedOut policy of inet filter input");
    check("198.51.100.7", ":22", 6, "Open Connected inet filter input t:5");
    check("198.51.100.7", ":8080", 6, "Open Connected inet filter input t:5");
    check("198.51.100.7", ":23", 6, "Blocked Refused inet filter input t:7");
    check("198.51.100.7", ":25", 6, "Unknown Mixed policy of inet filter input");
    check("198.51.100.7", ":0", 1, "Open Answered inet filter input t:9");
}

#[test]
fn questions_without_an_answer_say_why() {
    check(
        "192.0.2.10",
        ":22",
        6,
        "192.0.2.10 is an address of this host; ask for a client elsewhere",
    );
    check("10.1.2.3", "2001:db8::1:22", 6, "source and destination are of different families");
}

#[test]
fn the_socket_decides_last() {
    let mut host = Sample::new();
    host.bind("tcp", "127.0.0.1:631", &[]);
    let found = ask(host, "198.51.100.7", ":631", 6).unwrap();
    assert_eq!(tell(&found), "Blocked Refused no socket is open there");
    assert!(matches!(found.steps.first(), Some(Step::Arrives { guessed: true, .. })));
    let mut host = Sample::new();
    host.bind("tcp", "0.0.0.0:80", &[]).queue = Queue { now: 6, max: 5 };
    let found = ask(host, "198.51.100.7", ":80", 6).unwrap();
    assert_eq!(tell(&found), "Blocked TimedOut its accept queue is full");
}
