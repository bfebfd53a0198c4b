//! Findings about the packet filter: what a host with this ruleset is told.

use crate::judge;
use crate::sample::Sample;

/// What a host with these rulesets and sockets is told.
fn check(rulesets: &[(&str, &str)], sockets: &[(&str, &str)], expect: &[&str]) {
    let mut host = Sample::new();
    for (name, text) in rulesets {
        host.ruleset(name, text);
    }
    for (protocol, local) in sockets {
        host.bind(protocol, local, &[]);
    }
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let told: Vec<String> = judgement
        .findings()
        .iter()
        .map(|f| format!("{} {} {}: {}", f.severity, f.id, f.subject, f.text))
        .collect();
    assert_eq!(told, expect, "{rulesets:?}");
}

/// Rules of nftables for IPv4 alone, or for both.
fn input(family: &str, rules: &str) -> String {
    format!(
        "table {family} f {{\nchain input {{\ntype filter hook input priority 0; policy drop;\n\
         {rules}\n}}\n}}\n"
    )
}

#[test]
fn a_filter_for_ipv4_only() {
    let four = input("ip", "tcp dport 22 accept");
    let told = "high ipv6-unfiltered tcp/445: blocked over IPv4 (policy of ip f input), and open to \
                everyone over IPv6";
    check(&[("a.nft", &four)], &[("tcp", "[::]:445")], &[told]);
    check(&[("a.nft", &four)], &[("tcp", "0.0.0.0:445"), ("tcp", "[::]:445")], &[told]);
    check(&[("a.nft", &four)], &[("tcp", "[::]:22")], &[]);
    check(&[("a.nft", &four)], &[("tcp", "0.0.0.0:445")], &[]);
    let both = input("inet", "icmpv6 type 135 accept\ntcp dport 22 accept");
    check(&[("a.nft", &both)], &[("tcp", "[::]:445")], &[]);
}

#[test]
fn a_translation_goes_around_the_input_chain() {
    let translated = "table ip nat {\nchain prerouting {\n\
        type nat hook prerouting priority -100; policy accept;\n\
        tcp dport 8080 redirect to :22\n}\n}\n";
    let to_ssh = input("ip", "tcp dport 22 accept");
    check(
        &[("a.nft", &to_ssh), ("b.nft", translated)],
        &[("tcp", "0.0.0.0:22")],
        &[
            "medium around-the-firewall tcp/8080: open over IPv4 though the input chain does not let \
             it in: it is translated to :22, and that port is let in",
        ],
    );
    let to_both = input("ip", "tcp dport { 22, 8080 } accept");
    check(&[("a.nft", &to_both), ("b.nft", translated)], &[("tcp", "0.0.0.0:22")], &[]);
    check(&[("b.nft", translated)], &[("tcp", "0.0.0.0:22")], &[]);
}

#[test]
fn both_backends() {
    let legacy = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT\n";
    let idle = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    let nftables = input("ip", "accept");
    check(
        &[("legacy", legacy), ("a.nft", &nftables)],
        &[],
        &[
            "low both-backends packet filter: the older iptables (ip filter) and nftables (ip f) both \
           have rules: a packet must pass both, and iptables -S shows only one",
        ],
    );
    check(&[("legacy", idle), ("a.nft", &nftables)], &[], &[]);
    check(&[("legacy", legacy)], &[], &[]);
}
