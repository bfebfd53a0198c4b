//! Findings about the packet filter: what a host with this ruleset is told.

use facts::IptablesBackend;

use crate::judge;
use crate::sample::Sample;

/// What a host with these rulesets and sockets is told.
fn told(
    rulesets: &[(&str, &str)],
    sockets: &[(&str, &str)],
    wanted: fn(&str) -> bool,
) -> Vec<String> {
    let mut host = Sample::new();
    for (name, text) in rulesets {
        host.ruleset(name, text);
    }
    for (protocol, local) in sockets {
        host.bind(protocol, local, &[]);
    }
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let findings = judgement.findings().iter().filter(|finding| wanted(finding.id));
    findings.map(|f| format!("{} {} {}: {}", f.severity, f.id, f.subject, f.text)).collect()
}

/// The same without what is told of single rules.
fn check(rulesets: &[(&str, &str)], sockets: &[(&str, &str)], expect: &[&str]) {
    let found = told(rulesets, sockets, |id| !is_of_rules(id));
    assert_eq!(found, expect, "{rulesets:?}");
}

/// And that alone.
fn check_rules(rulesets: &[(&str, &str)], sockets: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(told(rulesets, sockets, is_of_rules), expect, "{rulesets:?}");
}

fn is_of_rules(id: &str) -> bool {
    matches!(id, "rule-without-effect" | "open-without-socket" | "rules-not-compared")
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
    // Nearly everyone gets in over both.
    let few = "table ip f {\nchain input {\ntype filter hook input priority 0; policy accept;\n\
               ip saddr 10.0.0.0/8 tcp dport 445 drop\n}\n}\n";
    check(&[("a.nft", few)], &[("tcp", "[::]:445")], &[]);
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

/// What the host's command does not show.
#[test]
fn rules_that_iptables_does_not_show() {
    let check = |command, rulesets: &[(&str, &str)], expect: &[&str]| {
        let mut host = Sample::new();
        for (name, text) in rulesets {
            host.ruleset(name, text);
        }
        host.iptables(command);
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let told: Vec<String> = judgement
            .findings()
            .iter()
            .map(|f| format!("{} {}: {}", f.severity, f.id, f.text))
            .collect();
        assert_eq!(told, expect, "{command:?} {rulesets:?}");
    };
    let legacy = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT\n";
    let written = input("ip", "accept");
    let of_iptables = "table ip filter {\nchain INPUT {\ntype filter hook input priority 0; policy \
                       accept;\ntcp dport 23 drop\n}\n}\n";
    let (nft, older) = (IptablesBackend::Nft, IptablesBackend::Legacy);
    check(older, &[("legacy", legacy)], &[]);
    check(nft, &[("a.nft", of_iptables)], &[]);
    check(nft, &[("a.nft", &written)], &[]);
    check(older, &[("a.nft", &written)], &[]);
    check(
        nft,
        &[("legacy", legacy)],
        &[
            "medium hidden-rules: 1 rule of the older iptables (ip filter) is in force, and iptables \
           -S does not show it, since that command is the one for nftables here",
        ],
    );
    check(
        nft,
        &[("legacy", legacy), ("a.nft", &written)],
        &[
            "medium hidden-rules: 1 rule of the older iptables (ip filter) is in force, and iptables \
           -S does not show it, since that command is the one for nftables here; a packet must pass \
           these and those that it shows",
        ],
    );
    check(
        older,
        &[("a.nft", of_iptables)],
        &[
            "medium hidden-rules: 1 rule of iptables-nft (ip filter) is in force, and iptables -S does \
           not show it, since that command is the one for the older iptables here",
        ],
    );
}

/// What keeps neighbours from finding each other, on the way in or out.
#[test]
fn neighbour_discovery() {
    let table = |hook: &str, rules: &str| {
        format!(
            "table ip6 n {{\nchain c {{\ntype filter hook {hook} priority 0;\n{rules}\n}}\n}}\n"
        )
    };
    let check = |rulesets: &[(&str, &str)], expect: &[&str]| {
        check(rulesets, &[("tcp", "[::]:22")], expect);
    };
    let known = "IPv6 works there only among those who know each other already, and not for long";
    let drop = "icmpv6 type 133-137 drop";
    let (heard, sent) = (table("input", drop), table("output", drop));
    let told = |what: &str, effect: &str| {
        format!(
            "high neighbour-discovery-blocked eth0: the packet filter drops neighbour discovery \
             {what} eth0: {effect}"
        )
    };
    check(&[("a.nft", &heard)], &[&told("on", "IPv6 does not work there")]);
    check(&[("a.nft", &sent)], &[&told("that this host sends on", known)]);
    check(&[("a.nft", &heard), ("b.nft", &sent)], &[&told("on", "IPv6 does not work there")]);
    for passes in ["", "icmpv6 type 135 drop", "icmpv6 type 136 ip6 hoplimit 64 drop"] {
        check(&[("a.nft", &table("output", passes))], &[]);
    }
    for passes in ["oifname lo drop", "icmpv6 type 136 limit rate 5/second drop"] {
        check(&[("a.nft", &table("output", passes))], &[]);
    }
    for lost in ["icmpv6 type 136 drop", "ct state untracked drop", "oifname eth0 drop"] {
        check(&[("a.nft", &table("output", lost))], &[&told("that this host sends on", known)]);
        check(
            &[("a.nft", &table("postrouting", lost))],
            &[&told("that this host sends on", known)],
        );
    }
    let policy = "table ip6 n {\nchain c {\ntype filter hook output priority 0; policy drop;\n\
                  ct state established accept\n";
    let closed = format!("{policy}}}\n}}\n");
    check(&[("a.nft", &closed)], &[&told("that this host sends on", known)]);
    check(&[("a.nft", &format!("{policy}meta l4proto ipv6-icmp accept\n}}\n}}\n"))], &[]);
}

/// Rules of INPUT for both families, above what every host needs.
fn both(policy: &str, rules: &str) -> String {
    format!(
        "table inet f {{\nchain input {{\ntype filter hook input priority 0; policy {policy};\n\
         icmpv6 type {{ 133, 134, 135, 136 }} accept\n{rules}\n}}\n}}\n"
    )
}

/// What is told of rules without effect, by their ids and the words before the rule's name.
fn effects(rules: &str, sockets: &[(&str, &str)], expect: &[&str]) {
    check_rules(&[("a.nft", &both("drop", rules))], sockets, expect);
}

#[test]
fn a_protocol_is_no_port() {
    let raw = ("icmp6", "[::]:0");
    let drop = "-A INPUT -p tcp --dport 58 -j DROP";
    let table =
        |rules: &str| format!("# ip6tables\n*filter\n:INPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n");
    let told = "medium rule-without-effect icmp6: the rule \"-A INPUT -p tcp --dport 58 -j DROP\" \
                (ip6 filter INPUT six:4) does nothing: 58 is the number of the protocol ICMPv6 and \
                no port, nothing listens on such a port, and a raw socket receives as before";
    check_rules(&[("six", &table(drop))], &[raw], &[told]);
    check_rules(&[("six", &table(drop))], &[], &[]);
    check_rules(&[("six", &table(drop))], &[raw, ("tcp", "[::]:58")], &[]);
    check_rules(&[("six", &table("-A INPUT -p tcp --dport 59 -j DROP"))], &[raw], &[]);
    // It is about IPv4, where ICMPv6 is not.
    let four = format!("*filter\n:INPUT ACCEPT [0:0]\n{drop}\nCOMMIT\n");
    check_rules(&[("four", &four)], &[raw], &[]);
}

#[test]
fn rules_that_decide_nothing() {
    let ssh = ("tcp", "[::]:22");
    let check = |rules: &str, told: &[&str]| effects(rules, &[ssh], told);
    check("tcp dport 22 accept\ntcp dport 23 drop", &[]);
    check(
        "tcp dport 22 accept\nip saddr 10.0.0.0/8 tcp dport 22 drop",
        &["medium rule-without-effect tcp/22: the rule \"ip saddr 10.0.0.0/8 tcp dport 22 drop\" \
             (inet f input a.nft:6) keeps nothing out: \"tcp dport 22 accept\" (inet f input a.nft:5) \
             lets in before it what it matches"],
    );
    check("ip saddr 10.0.0.0/8 tcp dport 22 drop\ntcp dport 22 accept", &[]);
    check(
        "ip saddr 10.0.0.0/8 tcp dport 22 accept\ntcp dport 22 accept",
        &[
            "medium rule-without-effect tcp/22: the rule \"ip saddr 10.0.0.0/8 tcp dport 22 accept\" \
             (inet f input a.nft:5) restricts nothing: \"tcp dport 22 accept\" (inet f input a.nft:6) \
             lets in others as well",
        ],
    );
    check(
        "tcp dport 22 drop\ntcp dport 22 accept",
        &[
            "low rule-without-effect tcp/22: the rule \"tcp dport 22 accept\" (inet f input a.nft:6) lets \
           nobody in: \"tcp dport 22 drop\" (inet f input a.nft:5) keeps out what it accepts",
        ],
    );
    check(
        "tcp dport 22 ip saddr 10.0.0.0/8 ip saddr 192.0.2.0/24 accept",
        &["low rule-without-effect tcp/22: the rule \"tcp dport 22 ip saddr 10.0.0.0/8 ip saddr \
             192.0.2.0/24 accept\" (inet f input a.nft:5) matches no packet: its conditions exclude \
             each other"],
    );
    // What more than that is not proven.
    check("limit rate 1/second accept\ntcp dport 22 drop\ntcp dport 22 accept", &[]);
    check("tcp dport 22 drop\ntcp dport 22 drop", &[]);
    check("ip saddr 10.0.0.0/8 tcp dport 22 accept\nip saddr 10.1.0.0/16 tcp dport 22 accept", &[]);
    check("ct state new tcp dport 22 accept\ntcp dport 22 drop", &[]);
    check("ct state established tcp dport 22 accept\ntcp dport 22 accept", &[]);
    check("udp dport 22 drop\ntcp dport 22 accept", &[]);
}

#[test]
fn a_later_chain_keeps_out() {
    let early = "table inet a {\nchain early {\ntype filter hook input priority -10; policy accept;\n\
                 tcp dport 80 accept\n}\n}\n";
    let told = "low rule-without-effect tcp/80: the rule \"tcp dport 80 accept\" (inet a early \
                early.nft:4) lets nobody in: the policy of inet f input keeps out what it accepts";
    let sockets = [("tcp", "0.0.0.0:22"), ("tcp", "0.0.0.0:80")];
    let late = both("drop", "iif lo accept\nct state established accept\ntcp dport 22 accept");
    check_rules(&[("early.nft", early), ("late.nft", &late)], &sockets, &[told]);
    let late = both("drop", "tcp dport { 22, 80 } accept");
    check_rules(&[("early.nft", early), ("late.nft", &late)], &sockets, &[]);
    let late = both("drop", "ip saddr 10.0.0.0/8 accept");
    check_rules(&[("early.nft", early), ("late.nft", &late)], &sockets, &[]);
}

#[test]
fn let_in_where_nothing_listens() {
    let told = "info open-without-socket tcp/8080, tcp/9100: the packet filter lets this in, and \
                nothing listens there: what is started on such a port is open at once";
    let ssh = ("tcp", "[::]:22");
    effects("tcp dport 22 accept\ntcp dport 8080 accept\ntcp dport 9100 accept", &[ssh], &[told]);
    effects("tcp dport 22 accept\nudp dport 68 accept\ntcp dport 9000-9100 accept", &[ssh], &[]);
    effects("tcp dport 25 accept", &[("tcp", "127.0.0.1:25")], &[]);
    // It is let in without the rule, too.
    check_rules(&[("a.nft", &both("accept", "tcp dport 8080 accept"))], &[ssh], &[]);
}

/// What programs add for their own purpose is none of anybody's.
#[test]
fn rules_of_engines() {
    let table = |chain: &str| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:{chain} - [0:0]\n-A INPUT -j {chain}\n\
             -A {chain} -s 10.89.0.0/24 -p udp -m udp --dport 53 -j ACCEPT\nCOMMIT\n"
        )
    };
    let dns = [("udp", "0.0.0.0:53")];
    check_rules(&[("a", &table("NETAVARK_INPUT"))], &dns, &[]);
    let told = "medium rule-without-effect udp/53: the rule \"-A mine -s 10.89.0.0/24 -p udp -m udp \
                --dport 53 -j ACCEPT\" (ip filter mine a:5) restricts nothing: the policy of ip filter \
                INPUT lets in others as well";
    check_rules(&[("a", &table("mine"))], &dns, &[told]);
}
