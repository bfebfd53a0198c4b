//! What small rulesets mean, one fact each; as read from the kernel's sources and seen on Linux
//! 6.18.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use netfilter::ir::{Family, Hook};
use netfilter::rules::{Question, ask};

/// The sources as text: `*` for all, `-` for none, else ranges.
fn short(family: Family, ranges: &[[String; 2]]) -> String {
    let last = match family {
        Family::Ipv4 => "255.255.255.255",
        Family::Ipv6 => "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    match ranges {
        [] => "-".to_owned(),
        [[lo, hi]] if matches!(lo.as_str(), "0.0.0.0" | "::") && hi == last => "*".to_owned(),
        list => {
            let one = |[lo, hi]: &[String; 2]| {
                if lo == hi { lo.clone() } else { format!("{lo}-{hi}") }
            };
            list.iter().map(one).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Asks for TCP and compares `must | may` of each family, and how many things are unknown.
fn check(text: &str, hook: Hook, port: u16, expect: &[&str], unknown: usize) {
    let question = Question { hook, protocol: 6, port, source_port: None, family: None };
    let answer = ask(&[("file", text.as_bytes())], &question)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found: Vec<String> = answer
        .families
        .iter()
        .map(|one| format!("{} | {}", short(one.family, &one.must), short(one.family, &one.may)))
        .collect();
    assert_eq!(found, expect, "{text}");
    let named = &answer.families[0].unknown;
    assert_eq!(named.len(), unknown, "{named:?}\n{text}");
}

fn input(rules: &str) -> String {
    format!("*filter\n:INPUT DROP [0:0]\n:u - [0:0]\n:v - [0:0]\n{rules}\nCOMMIT\n")
}

fn nft(rules: &str) -> String {
    format!(
        "table inet t {{\n set s {{ type ipv4_addr; flags interval; elements = {{ 10.0.0.0/8, \
         1.1.1.1 }}\n }}\n chain c {{\n type filter hook input priority 0; policy drop;\n{rules}\n \
         }}\n}}\n"
    )
}

#[test]
fn what_has_a_template_is_not_exempted() {
    let check = |raw: &str, expect: &str, unknown| {
        let text = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n{raw}\nCOMMIT\n{}",
            input("-A INPUT -m conntrack --ctstate NEW -j ACCEPT")
        );
        check(&text, Hook::Input, 22, &[expect], unknown);
    };
    check("-A PREROUTING -j CT --notrack", "- | -", 0);
    check("-A PREROUTING -j CT --zone 5", "* | *", 0);
    check("-A PREROUTING -j CT --zone 5\n-A PREROUTING -j NOTRACK", "- | *", 1);
    check(
        "-A PREROUTING -j CT --zone 5\n-A PREROUTING -m conntrack --ctstate NEW -j DROP",
        "- | *",
        1,
    );
}

#[test]
fn extension_headers_are_the_senders_choice() {
    let check = |rules: &str, expect: &str| {
        let text = format!("# ip6tables-save\n{}", input(rules));
        check(&text, Hook::Input, 22, &[expect], 1);
    };
    // Who sends packets without is not dropped, and who must be let in can send others.
    check("-A INPUT -m rt --rt-type 0 -j DROP\n-A INPUT -j ACCEPT", "* | *");
    check("-A INPUT -m rt ! --rt-type 0 -j DROP\n-A INPUT -j ACCEPT", "* | *");
    check(
        "-A INPUT -s fd00::/8 -m dst -j ACCEPT",
        "- | fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    );
}

#[test]
fn iptables_matches() {
    let check = |rules: &str, expect: &str, unknown: usize| {
        check(&input(rules), Hook::Input, 22, &[expect], unknown);
    };
    check("", "- | -", 0);
    check("-A INPUT -j ACCEPT", "* | *", 0);
    check("[12:345] -A INPUT -p tcp --dport 22 -j ACCEPT", "* | *", 0);
    check("-A INPUT -p tcp --dport ssh -j ACCEPT", "* | *", 0);
    check("-A INPUT -p udp --dport 22 -j ACCEPT", "- | -", 0);
    check(
        "-A INPUT -s ! 10.0.0.0/8 -j ACCEPT",
        "0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255 | 0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255",
        0,
    );
    check(
        "-A INPUT ! -s 0.0.0.0/1 -j ACCEPT",
        "128.0.0.0-255.255.255.255 | 128.0.0.0-255.255.255.255",
        0,
    );
    check(
        "-A INPUT -s 10.0.0.1/255.255.255.254 -j ACCEPT",
        "10.0.0.0-10.0.0.1 | 10.0.0.0-10.0.0.1",
        0,
    );
    check("-A INPUT -s 10.0.0.1,10.0.0.9 -j ACCEPT", "10.0.0.1 10.0.0.9 | 10.0.0.1 10.0.0.9", 0);
    check(
        "-A INPUT -m iprange --src-range 1.1.1.1-1.1.1.9 -j ACCEPT",
        "1.1.1.1-1.1.1.9 | 1.1.1.1-1.1.1.9",
        0,
    );
    check("-A INPUT -p tcp -m multiport --dports 1:21,23 -j ACCEPT", "- | -", 0);
    check("-A INPUT -p tcp -m multiport ! --dports 1:21,23 -j ACCEPT", "* | *", 0);
    // The source port is open, so it may be 22.
    check("-A INPUT -p tcp -m multiport --sports 22 -j ACCEPT", "- | *", 0);
    check("-A INPUT -p tcp -m multiport --ports 22 -j ACCEPT", "* | *", 0);
    check("-A INPUT -p tcp --syn -j ACCEPT", "* | *", 0);
    check("-A INPUT -p tcp ! --syn -j ACCEPT", "- | -", 0);
    check("-A INPUT -p tcp --tcp-flags SYN,ACK ACK -j ACCEPT", "- | -", 0);
    check("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "- | -", 0);
    check("-A INPUT -m state --state NEW -j ACCEPT", "* | *", 0);
    check("-A INPUT -i eth+ -j ACCEPT", "- | *", 0);
    // Both together hold every interface.
    check("-A INPUT -i eth+ -j ACCEPT\n-A INPUT ! -i eth+ -j ACCEPT", "* | *", 0);
    check("-A INPUT -i lo -j ACCEPT", "- | 127.0.0.0-127.255.255.255", 0);
    check("-A INPUT -f -j ACCEPT", "- | -", 0);
    check("-A INPUT -m mark --mark 0x0/0x1 -j ACCEPT", "* | *", 0);
    check("-A INPUT -m mark --mark 0x1 -j ACCEPT", "- | -", 0);
    check("-A INPUT -m limit --limit 3/min -j ACCEPT", "- | *", 1);
    check("-A INPUT -m recent --set --name x -j ACCEPT", "* | *", 0);
    check(
        "-A INPUT -m owner --uid-owner 7 -j ACCEPT\n-A INPUT -m owner ! --uid-owner 7 -j ACCEPT",
        "- | *",
        2,
    );
    // The same unknown thing is equally true twice.
    check(
        "-A INPUT -m set --match-set x src -j DROP\n-A INPUT -m set --match-set x src -j ACCEPT",
        "- | -",
        2,
    );
    check(
        "-A INPUT -m limit --limit 3/min -j DROP\n-A INPUT -m limit --limit 3/min -j ACCEPT",
        "- | *",
        2,
    );
    check("-A INPUT -s 999.1.1.1 -j ACCEPT", "- | *", 1);
    check("-A INPUT -j WHATEVER --some thing", "- | *", 1);
    check("-A INPUT -p tcp --dport 23 -j WHATEVER", "- | -", 0);
    check("-A INPUT -m whatever --some \"-j ACCEPT\" -j ACCEPT", "- | *", 1);
    check("-A INPUT -m comment --comment \"it's # -j DROP\" -j ACCEPT", "* | *", 0);
    check("-A INPUT -j NFQUEUE --queue-num 1", "- | *", 1);
    check("-A INPUT -j LOG --log-prefix \"-j DROP \"\n-A INPUT -j ACCEPT", "* | *", 0);
}

#[test]
fn iptables_chains() {
    let check = |rules: &str, expect: &str| check(&input(rules), Hook::Input, 22, &[expect], 0);
    check("-A INPUT -j u\n-A u -j ACCEPT", "* | *");
    check("-A INPUT -j u\n-A INPUT -j ACCEPT\n-A u -j RETURN\n-A u -j DROP", "* | *");
    check("-A INPUT -j RETURN\n-A INPUT -j ACCEPT", "- | -");
    // The end of a goto chain returns where its caller would.
    check("-A INPUT -g u\n-A INPUT -j ACCEPT", "- | -");
    check("-A INPUT -j u\n-A INPUT -j ACCEPT\n-A u -g v\n-A u -j DROP", "* | *");
    check(
        "-A u -j DROP\n-I INPUT -j ACCEPT\n-I INPUT 1 -s 1.1.1.1 -j u",
        "0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255 | 0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255",
    );
}

#[test]
fn iptables_tables() {
    let filter = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -p tcp --dport 22 -j ACCEPT\n-A FORWARD -d 10.0.0.2 -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";
    let with = |table: &str| format!("{table}COMMIT\n{filter}");
    // What is not tracked is not new.
    let raw = with("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 1.1.1.1 -j CT --notrack\n");
    check(
        &raw,
        Hook::Input,
        22,
        &["0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255 | 0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255"],
        0,
    );
    let mangle = with("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 1.1.1.1 -j DROP\n");
    check(
        &mangle,
        Hook::Input,
        22,
        &["0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255 | 0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255"],
        0,
    );
    // A translation comes before the filter: port 22 is closed, 2222 leads there.
    let redirect = with(
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\n-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 9\n",
    );
    check(&redirect, Hook::Input, 2222, &["* | *"], 0);
    check(&redirect, Hook::Input, 22, &["- | -"], 0);
    let dnat = with(
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 9.0.0.0/8 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80\n",
    );
    check(&dnat, Hook::Forward, 8080, &["9.0.0.0-9.255.255.255 | 9.0.0.0-9.255.255.255"], 0);
    check(&dnat, Hook::Forward, 80, &["- | *"], 0);
}

#[test]
fn marks_are_carried() {
    let text = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 1.1.1.1 -j MARK --set-mark 0x1\n-A PREROUTING -s 1.1.1.2 -j MARK --set-mark 0x2\n-A PREROUTING -j CONNMARK --save-mark\n-A PREROUTING -j MARK --set-mark 0\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m mark --mark 0x1 -j ACCEPT\n-A INPUT -m connmark --mark 0x2 -j ACCEPT\nCOMMIT\n";
    check(text, Hook::Input, 22, &["1.1.1.2 | 1.1.1.2"], 0);
}

#[test]
fn nft_matches() {
    let both = |rules: &str, v4: &str, v6: &str, unknown: usize| {
        check(&nft(rules), Hook::Input, 22, &[v4, v6], unknown);
    };
    both("tcp dport 22 accept", "* | *", "* | *", 0);
    both("tcp dport ssh accept", "* | *", "* | *", 0);
    // Without an address a rule is for both families, with one for its own: the hole of inet.
    both(
        "ip saddr 10.0.0.0/8 drop\naccept",
        "0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255 | 0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255",
        "* | *",
        0,
    );
    both(
        "ip saddr != 10.0.0.0/8 drop\naccept",
        "10.0.0.0-10.255.255.255 | 10.0.0.0-10.255.255.255",
        "* | *",
        0,
    );
    both(
        "ip saddr @s accept",
        "1.1.1.1 10.0.0.0-10.255.255.255 | 1.1.1.1 10.0.0.0-10.255.255.255",
        "- | -",
        0,
    );
    both("meta nfproto ipv6 accept", "- | -", "* | *", 0);
    both("ct state new accept", "* | *", "* | *", 0);
    both("ct state vmap { new : accept, invalid : drop }", "* | *", "* | *", 0);
    both("tcp dport vmap { 23 : accept }", "- | -", "- | -", 0);
    both("tcp dport vmap { 23 : drop, * : accept }", "* | *", "* | *", 0);
    both("tcp flags syn accept", "* | *", "* | *", 0);
    both("tcp flags ! syn,ack accept", "- | -", "- | -", 0);
    both("tcp flags ! rst,ack accept", "* | *", "* | *", 0);
    both("ct state ! established,new accept", "- | -", "- | -", 0);
    both("ct state != established | related accept", "* | *", "* | *", 0);
    both("tcp flags == syn accept", "* | *", "* | *", 0);
    both("tcp flags & (fin | syn | rst | ack) != syn accept", "- | -", "- | -", 0);
    both("tcp flags syn / fin,syn,rst,ack accept", "* | *", "* | *", 0);
    both(
        "ip saddr . tcp dport { 1.1.1.1 . 22, 2.2.2.0/24 . 80 } accept",
        "1.1.1.1 | 1.1.1.1",
        "- | -",
        0,
    );
    both("iifname . tcp dport { \"eth0\" . 22 } accept", "- | *", "- | *", 0);
    both("iifname \"lo\" accept", "- | 127.0.0.0-127.255.255.255", "- | ::1", 0);
    both("limit rate 10/second burst 5 packets accept", "- | *", "- | *", 1);
    both("fib daddr type local accept", "- | *", "- | *", 1);
    both("numgen random mod 2 0 accept", "- | *", "- | *", 1);
    both("tcp option maxseg size 1-500 accept", "- | *", "- | *", 1);
    both("something new accept", "- | *", "- | *", 1);
    both("tcp dport 23 something new accept", "- | -", "- | -", 0);
    both("ip saddr @missing accept", "- | *", "- | -", 1);
    both("xt match \"recent\" accept", "- | *", "- | *", 1);
    both("xt target \"REJECT\"", "- | -", "- | -", 0);
    // The listing leaves out what the kind of refusal implies.
    both("reject with icmp type port-unreachable\naccept", "- | -", "* | *", 0);
    both("reject with icmpv6 port-unreachable\naccept", "* | *", "- | -", 0);
    // The listing writes th dport as tcp dport after a set of protocols.
    both("meta l4proto { tcp, udp } tcp dport 22 accept", "* | *", "* | *", 0);
    both("reject with icmpx type admin-prohibited", "- | -", "- | -", 0);
    both(
        "counter packets 1 bytes 2 log prefix \"x\" level info accept comment \"drop\"",
        "* | *",
        "* | *",
        0,
    );
    both("@th,16,16 22 accept", "- | *", "- | *", 1);
    both("add @d { ip saddr limit rate 3/minute } accept", "- | *", "- | *", 1);
    both(
        "ip saddr & 255.255.255.0 == 1.1.1.0 accept",
        "1.1.1.0-1.1.1.255 | 1.1.1.0-1.1.1.255",
        "- | -",
        0,
    );
    both("meta l4proto tcp jump { accept }", "- | *", "- | *", 1);
}

#[test]
fn nft_base_chains_all_decide() {
    let chain = |name: &str, priority: &str, rules: &str| {
        format!(
            "chain {name} {{\ntype filter hook input priority {priority}; policy accept;\n{rules}\n}}\n"
        )
    };
    let table = |chains: &str| format!("table ip t {{\n{chains}}}\n");
    let accepts_first =
        chain("a", "filter - 10", "accept") + &chain("b", "filter", "ip saddr 1.1.1.1 drop");
    check(
        &table(&accepts_first),
        Hook::Input,
        22,
        &["0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255 | 0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255"],
        0,
    );
    // The order is that of priorities, not of the text.
    let marks = chain("b", "filter + 5", "meta mark 1 drop")
        + &chain("a", "-5", "ip saddr 1.1.1.1 meta mark set 1");
    check(
        &table(&marks),
        Hook::Input,
        22,
        &["0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255 | 0.0.0.0-1.1.1.0 1.1.1.2-255.255.255.255"],
        0,
    );
    // Two files, two backends: both must accept.
    let question =
        Question { hook: Hook::Input, protocol: 6, port: 22, source_port: None, family: None };
    let nft = table(&chain("a", "0", "ip saddr 1.1.1.1 drop"));
    let iptables = input("-A INPUT -s 1.1.1.0/31 -j ACCEPT");
    let files: [(&str, &[u8]); 2] = [("nft", nft.as_bytes()), ("iptables", iptables.as_bytes())];
    let answer = ask(&files, &question).expect("an answer");
    assert_eq!(short(Family::Ipv4, &answer.families[0].may), "1.1.1.0");
}

#[test]
fn once_translated_no_second_nat_chain_is_asked() {
    let text = "table ip n {\nchain a {\ntype nat hook prerouting priority dstnat; policy accept;\ntcp dport 8080 dnat to 10.0.0.1:80\n}\nchain b {\ntype nat hook prerouting priority dstnat + 1; policy accept;\nmeta l4proto tcp dnat to 10.0.0.2:81\n}\nchain f {\ntype filter hook forward priority 0; policy drop;\nip daddr 10.0.0.1 tcp dport 80 accept\nip daddr 10.0.0.2 tcp dport 81 ct original proto-dst 9 accept\n}\n}\n";
    check(text, Hook::Forward, 8080, &["* | *"], 0);
    check(text, Hook::Forward, 9, &["* | *"], 0);
    check(text, Hook::Forward, 7, &["- | -"], 0);
}

#[test]
fn files_for_nft_define_values() {
    let text = "#!/usr/sbin/nft -f\nflush ruleset\ndefine lan = { 10.0.0.0/8, 192.168.0.1-192.168.0.9 }\ndefine ports = { 22, 80 }\ndefine host = 1.1.1.1\ntable ip t {\nchain c {\ntype filter hook input priority 0; policy drop;\nip saddr $lan tcp dport $ports accept\nip saddr { $host, $lan } tcp dport 23 accept\nip saddr $missing tcp dport 24 accept\n}\n}\n";
    let lan = "10.0.0.0-10.255.255.255 192.168.0.1-192.168.0.9";
    check(text, Hook::Input, 22, &[&format!("{lan} | {lan}")], 0);
    check(text, Hook::Input, 23, &[&format!("1.1.1.1 {lan} | 1.1.1.1 {lan}")], 0);
    check(text, Hook::Input, 24, &["- | *"], 1);
}

#[test]
fn chains_that_are_not_evaluated_are_named() {
    let text = |table: &str| {
        format!(
            "{table}\ntable ip t {{\nchain c {{\ntype filter hook input priority 0; policy accept;\n}}\n}}\n"
        )
    };
    let netdev = "table netdev n {\nchain i {\ntype filter hook ingress device \"eth0\" priority 0; policy accept;\nip saddr 1.1.1.1 drop\n}\n}";
    check(&text(netdev), Hook::Input, 22, &["- | *"], 1);
    let bridge =
        "table bridge b {\nchain i {\ntype filter hook input priority 0; policy drop;\n}\n}";
    check(&text(bridge), Hook::Input, 22, &["- | *"], 1);
    let dormant = "table ip d {\nflags dormant\nchain c {\ntype filter hook input priority 0; policy drop;\n}\n}";
    check(&text(dormant), Hook::Input, 22, &["* | *"], 0);
}

#[test]
fn what_is_missing_is_said() {
    let fails = |text: &str, expect: &str| {
        let question =
            Question { hook: Hook::Input, protocol: 6, port: 22, source_port: None, family: None };
        let error = ask(&[("f", text.as_bytes())], &question).expect_err(text).to_string();
        assert_eq!(error, expect, "{text}");
    };
    fails(
        "*filter\n:INPUT DROP [0:0]\n",
        "f:2:1: table filter is not finished by COMMIT: the file is cut off",
    );
    fails(&input("-A NONE -j DROP"), "f:5:4: no chain \"NONE\"");
    fails(&input("-A INPUT -j \"x"), "f:5:13: a quote that is not closed");
    fails(&input("hello"), "f:5:1: expected a table (*), a chain (:), a rule (-A) or COMMIT");
    fails(
        &input("-A INPUT -j u\n-A u -j u"),
        "evaluate chain ip filter u: it jumps back to itself",
    );
    fails("hello world\n", "f:1:1: this is no ruleset: \"hello world\"");
    fails(
        "table ip t {\n chain c {\n  accept\n",
        "f:4:1: expected a rule or \"}\", found the end of the file",
    );
    fails("{\"nftables\": [\n{]}", "f:2:2: key must be a string at line 2 column 2");
    fails("", "no file has a table for IPv4 or IPv6");
    // Two of three lines are understood; the third may be anything.
    let with_include = "include \"x\"\ntable ip t {\nchain c {\ntype filter hook input priority 0; policy accept;\n}\n}\n";
    check(with_include, Hook::Input, 22, &["- | *"], 1);
}
