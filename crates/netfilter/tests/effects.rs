//! Which rules make no difference, and which do.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use netfilter::ir::{Family, Ruleset};
use netfilter::rules::load;
use netfilter::symbolic::{AskedRules, Effect, RuleAt, effects};
use packet_set::{Budget, RangeSet};

/// Every rule of a ruleset with this in its text.
fn rules_with(ruleset: &Ruleset, text: &str) -> Vec<RuleAt> {
    let mut found = Vec::new();
    for (table, of) in ruleset.tables.iter().enumerate() {
        for (chain, of) in of.chains.iter().enumerate() {
            let wanted = of.rules.iter().enumerate().filter(|(_, rule)| rule.text.contains(text));
            found.extend(wanted.map(|(rule, _)| RuleAt { table, chain, rule }));
        }
    }
    found
}

/// `reached needed new in` of the one rule with this text, over TCP and IPv4; what it lacks is left
/// out.
fn effect(ruleset: &str, rule: &str) -> (String, Effect) {
    let ruleset = load(&[("test", ruleset.as_bytes())]).unwrap();
    let rules = rules_with(&ruleset, rule);
    assert_eq!(rules.len(), 1, "{rule}: {ruleset:#?}");
    let asked = AskedRules {
        family: Family::Ipv4,
        protocol: 6,
        ports: RangeSet::from(22..=80),
        sources: RangeSet::all(),
        rules,
    };
    let effect = effects(&ruleset, &asked, Budget::default()).unwrap().remove(0);
    let words = [
        (effect.is_reached, "reached"),
        (effect.is_needed, "needed"),
        (effect.meets_new, "new"),
        (effect.lets_in, "in"),
    ];
    let words: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    (words.join(" "), effect)
}

/// A chain of INPUT with these rules.
fn chain(name: &str, priority: i32, policy: &str, rules: &str) -> String {
    format!(
        "table inet {name} {{\nset s {{\ntype ipv4_addr\nflags dynamic\n}}\nchain input {{\n\
         type filter hook input priority {priority}; policy {policy};\n{rules}\n}}\n}}\n"
    )
}

fn check(rules: &str, rule: &str, expect: &str) {
    assert_eq!(effect(&chain("f", 0, "drop", rules), rule).0, expect, "{rule} of {rules}");
}

#[test]
fn what_comes_to_a_rule() {
    check("tcp dport 22 accept", "22 accept", "reached needed new in");
    check("tcp dport 22 accept\ntcp dport 22 drop", "drop", "");
    check("ip saddr 10.0.0.0/8 accept\ntcp dport 22 drop", "drop", "reached new");
    check("accept\ntcp dport 22 drop", "drop", "");
    // Packets of other states come to it.
    check("ct state new accept\ntcp dport 22 drop", "drop", "reached");
    check("tcp flags syn accept\ntcp dport 22 drop", "drop", "reached");
    check("iifname != \"lo\" accept\ntcp dport 22 drop", "drop", "reached");
    check("meta mark 0 accept\ntcp dport 22 drop", "drop", "");
    check("meta mark 7 accept\ntcp dport 22 drop", "drop", "reached new");
    // Together they leave nothing.
    check(
        "ip saddr 0.0.0.0/1 tcp dport 22 accept\nip saddr 128.0.0.0/1 accept\ntcp dport 22 drop",
        "22 drop",
        "",
    );
    check("udp dport 22 drop\ntcp dport 22 accept", "udp dport", "");
}

#[test]
fn what_is_not_understood_proves_nothing() {
    let limit = "limit rate 1/second accept";
    for rule in [limit, "ip saddr @s accept", "meta cgroup 5 accept", "socket transparent 1 accept"]
    {
        check(&format!("{rule}\ntcp dport 22 drop"), "22 drop", "reached needed new in");
        check(&format!("{rule}\ntcp dport 22 accept"), "22 accept", "reached needed new in");
    }
    // Whatever the rate, nothing is left.
    check("queue num 7\ntcp dport 22 drop", "22 drop", "");
    check("tcp dport 22 limit rate 1/second accept\naccept\ntcp dport 22 drop", "22 drop", "");
}

#[test]
fn what_would_be_the_same_without() {
    let check = |rules: &str, expect: &str| check(rules, "ip saddr", expect);
    check("ip saddr 10.0.0.0/8 tcp dport 22 accept\ntcp dport 22 accept", "reached new in");
    check("tcp dport 22 accept\nip saddr 10.0.0.0/8 tcp dport 22 accept", "");
    check("ip saddr 10.0.0.0/8 tcp dport 22 accept", "reached needed new in");
    for other in ["iifname eth0", "limit rate 1/second", "ip daddr 10.0.0.1"] {
        let rules = format!("ip saddr 10.0.0.0/8 tcp dport 22 accept\n{other} tcp dport 22 accept");
        check(&rules, "reached needed new in");
    }
}

/// Where only some sources are asked about, it is the same for them.
#[test]
fn only_some_sources() {
    let rules = "ip saddr 192.0.2.0/24 drop\ntcp dport 22 accept\n\
                 ip saddr 10.0.0.0/8 tcp dport 22 drop\nip saddr 11.0.0.0/8 tcp dport 22 drop\n\
                 ip saddr 11.0.0.0/8 tcp dport 23 drop";
    let ruleset = load(&[("test", chain("f", 0, "drop", rules).as_bytes())]).unwrap();
    let asked = |sources| {
        let rules = rules_with(&ruleset, "saddr 1");
        let (family, ports) = (Family::Ipv4, RangeSet::from(22..=80));
        let asked = AskedRules { family, protocol: 6, ports, sources, rules };
        effects(&ruleset, &asked, Budget::default()).unwrap()
    };
    let of = RangeSet::from(0x0a00_0000..=0x0bff_ffff);
    let (all, some) = (asked(RangeSet::all()), asked(of));
    let reached = |list: &[Effect]| list.iter().map(|one| one.is_reached).collect::<Vec<_>>();
    assert_eq!(reached(&all), [true, false, false, true]);
    assert_eq!(reached(&all)[1..], reached(&some)[1..]);
}

#[test]
fn a_later_chain_has_the_last_word() {
    let check = |early: &str, late: &str, expect: &str| {
        let both = chain("a", -10, "accept", early) + &chain("b", 0, "drop", late);
        assert_eq!(effect(&both, "tcp dport 80").0, expect, "{early}; {late}");
    };
    check("tcp dport 80 accept", "tcp dport 22 accept", "reached new");
    check("tcp dport 80 accept", "ct state established accept", "reached new");
    check("tcp dport 80 accept", "iifname lo accept", "reached new");
    check("tcp dport 80 accept\ndrop", "tcp dport 22-90 accept", "reached needed new in");
    check("tcp dport 80 accept", "ip saddr 10.0.0.0/8 accept", "reached new in");
}

#[test]
fn chains_that_are_jumped_to() {
    let table = |jump: &str| {
        format!(
            "*filter\n:INPUT DROP [0:0]\n:mine - [0:0]\n{jump}\n\
             -A mine -p tcp -m tcp --dport 22 -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n\
             COMMIT\n"
        )
    };
    let check = |jump: &str, expect: &str| {
        assert_eq!(effect(&table(jump), "-A mine").0, expect, "{jump}");
    };
    check("", "");
    check("-A INPUT -p udp -j mine", "");
    check("-A INPUT -p tcp -j mine", "reached needed new");
    check("-A INPUT -s 10.0.0.0/8 -j mine", "reached needed new");
    check("-A INPUT -p tcp -j ACCEPT\n-A INPUT -p tcp -j mine", "");
}
