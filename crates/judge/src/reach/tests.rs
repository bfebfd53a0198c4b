//! Verdicts on sample hosts: what a socket and a ruleset come to.

use facts::{AddressFilter, AttachPoint, Prefix, Queue, Snapshot};

use super::{ClientSees, Reach, Verdict, Wire};
use crate::judge;
use crate::sample::Sample;

/// `open connected`, `part 10.0.0.0/8 mixed`, `unknown 10.0.0.0/8..0.0.0.0/0 mixed`.
fn describe(reach: &Reach) -> String {
    let list = |sources: &super::Sources| {
        let texts: Vec<String> = sources.prefixes().map(|prefix| prefix.to_string()).collect();
        if texts.is_empty() { "none".to_owned() } else { texts.join(",") }
    };
    let verdict = match reach.verdict {
        Verdict::Open => "open".to_owned(),
        Verdict::HostOnly => "host_only".to_owned(),
        Verdict::Blocked => "blocked".to_owned(),
        Verdict::Part => format!("part {}", list(&reach.must)),
        Verdict::OnLink => format!("on_link {}", list(&reach.must)),
        Verdict::Unknown => format!("unknown {}..{}", list(&reach.must), list(&reach.may)),
    };
    match (reach.verdict, reach.client_sees) {
        (Verdict::Open | Verdict::HostOnly, _) | (_, None) => verdict,
        (_, Some(sees)) => format!("{verdict} {sees:?}"),
    }
}

/// What the only socket of a host comes to, over both families; `-` where one cannot arrive.
fn verdicts(snapshot: &Snapshot) -> [String; 2] {
    let judgement = judge(snapshot);
    let Some(row) = judgement.rows.first() else { return Default::default() };
    Wire::BOTH.map(|wire| match judgement.reach(row, wire) {
        Some(reach) => {
            // The reason must not fall over either.
            assert!(judgement.reason(row, wire).is_some());
            describe(reach)
        }
        None => "-".to_owned(),
    })
}

/// A host with this ruleset and one socket on any address.
fn check(ruleset: &str, socket: (&str, &str), expect: [&str; 2]) {
    let mut host = Sample::new();
    host.ruleset("test.nft", ruleset);
    host.bind(socket.0, socket.1, &[]);
    assert_eq!(verdicts(&host.build()), expect, "{socket:?} behind {ruleset}");
}

/// An input chain of the family inet with this policy and these rules.
fn input(policy: &str, rules: &str) -> String {
    format!(
        "table inet filter {{\nchain input {{\ntype filter hook input priority 0; policy {policy};\n\
         {rules}\n}}\n}}\n"
    )
}

#[test]
fn plain_hosts() {
    check("", ("tcp", "[::]:22"), ["open", "open"]);
    check("", ("udp", "0.0.0.0:53"), ["open", "-"]);
    check("", ("tcp", "127.0.0.1:25"), ["host_only", "-"]);
    check("", ("tcp", "[::1]:25"), ["-", "host_only"]);
    check("", ("tcp", "192.0.2.10:80"), ["open", "-"]);
    // No interface has it.
    check("", ("tcp", "192.0.2.99:80"), ["blocked", "-"]);
    check(&input("drop", ""), ("tcp", "[::]:22"), ["blocked TimedOut", "blocked TimedOut"]);
    check(
        &input("accept", "tcp dport 22 reject with tcp reset"),
        ("tcp", "[::]:22"),
        ["blocked Refused", "blocked Refused"],
    );
    let find = "icmpv6 type { 133, 134, 135, 136 } accept\n";
    let rules = format!("{find}tcp dport 22 accept");
    check(&input("drop", &rules), ("tcp", "[::]:22"), ["open", "open"]);
    check(
        &input("drop", "ip saddr 10.0.0.0/8 tcp dport 9100 accept"),
        ("tcp", "[::]:9100"),
        ["part 10.0.0.0/8 Mixed", "blocked TimedOut"],
    );
    check(
        &input("drop", "ip saddr 192.0.2.0/24 tcp dport 9100 accept\nip6 saddr fe80::/10 accept"),
        ("tcp", "[::]:9100"),
        ["on_link 192.0.2.0/24 Mixed", "on_link fe80::/10 Mixed"],
    );
}

/// Without neighbour discovery there is no reply, and over UDP only a guess.
#[test]
fn neighbours_have_to_find_each_other() {
    let check = |rules: &str, socket, expect| {
        check(&input("drop", rules), (socket, "[::]:22"), ["open", expect]);
    };
    let (lost, guess) = ("blocked Unreachable", "unknown none..::/0 Mixed");
    check("tcp dport 22 accept", "tcp", lost);
    check("udp dport 22 accept", "udp", guess);
    // Discovery is never tracked, and its hop limit is 255.
    check("ct state new accept\ntcp dport 22 accept", "tcp", lost);
    check("icmpv6 type 135 ct state untracked accept\ntcp dport 22 accept", "tcp", "open");
    check("icmpv6 type 135 ip6 hoplimit 255 accept\ntcp dport 22 accept", "tcp", "open");
    check("icmpv6 type 135 ip6 hoplimit 64 accept\ntcp dport 22 accept", "tcp", lost);
    check("icmpv6 type echo-request accept\ntcp dport 22 accept", "tcp", lost);
    // Others cannot find this host, which they may know all the same.
    check("icmpv6 type 136 accept\ntcp dport 22 accept", "tcp", guess);
    check("icmpv6 type 135 limit rate 1/second accept\ntcp dport 22 accept", "tcp", "open");
}

/// Whom this host does not answer cannot find it, but for those who know it already.
#[test]
fn neighbours_have_to_be_answered() {
    let check = |rules: &str, expect| {
        let chain = "chain output {\ntype filter hook output priority 0; policy accept;";
        let table = format!("table inet filter {{\n{chain}\n{rules}\n}}\n}}\n");
        check(&table, ("tcp", "[::]:22"), ["open", expect]);
    };
    let guess = "unknown none..::/0 Mixed";
    check("icmpv6 type 136 drop", guess);
    check("meta l4proto ipv6-icmp drop", guess);
    check("ct state untracked drop", guess);
    check("icmpv6 type 136 oifname lo drop", "open");
    check("icmpv6 type 135 drop", "open");
    check("icmpv6 type 136 limit rate 1/second drop", "open");
}

#[test]
fn what_is_not_certain_is_not_said_to_be() {
    check(
        &input("drop", "tcp dport 22 limit rate 3/minute accept"),
        ("tcp", "0.0.0.0:22"),
        ["unknown none..0.0.0.0/0 Mixed", "-"],
    );
    check(
        &input("drop", "ip saddr 10.0.0.0/8 accept\ntcp dport 22 limit rate 3/minute accept"),
        ("tcp", "0.0.0.0:22"),
        ["unknown 10.0.0.0/8..0.0.0.0/0 Mixed", "-"],
    );
}

#[test]
fn programs_beside_the_packet_filter() {
    for point in [AttachPoint::Xdp, AttachPoint::TcIngress, AttachPoint::TcxEgress] {
        let mut host = Sample::new();
        host.attached(point, 2, "mine");
        host.bind("tcp", "0.0.0.0:22", &[]);
        let snapshot = host.build();
        assert_eq!(verdicts(&snapshot), ["unknown none..0.0.0.0/0 Mixed", "-"], "{point:?}");
        let judgement = judge(&snapshot);
        let reason = judgement.reason(&judgement.rows[0], Wire::Ipv4).unwrap().because;
        assert!(reason.to_string().contains("mine on eth0"), "{reason}");
    }
    // Chooses among sockets: anything may come.
    let mut host = Sample::new();
    host.ruleset("test.nft", &input("drop", "tcp dport 80 accept"));
    host.attached(AttachPoint::SocketLookup, 2, "steer");
    host.bind("tcp", "0.0.0.0:22", &[]);
    assert_eq!(verdicts(&host.build())[0], "unknown none..0.0.0.0/0 Mixed");
}

#[test]
fn address_lists_of_systemd() {
    let prefix = |text: &str, len| Prefix { address: text.parse().unwrap(), len };
    let everyone = vec![prefix("0.0.0.0", 0), prefix("::", 0)];
    let check = |allow: &[Prefix], deny: &[Prefix], expect: [&str; 2]| {
        let mut host = Sample::new();
        let unit = host.cgroup("/system.slice/web.service");
        let lists = AddressFilter { allow: allow.to_vec(), deny: deny.to_vec() };
        host.cgroup_program(unit, Some(lists));
        host.bind("tcp", "[::]:80", &[]).cgroup = Some(unit);
        assert_eq!(verdicts(&host.build()), expect, "{allow:?} {deny:?}");
    };
    check(&[], &[], ["open", "open"]);
    check(&[], &everyone, ["blocked TimedOut", "blocked TimedOut"]);
    check(&everyone, &everyone, ["open", "open"]);
    check(&[prefix("10.0.0.0", 8)], &everyone, ["part 10.0.0.0/8 Mixed", "blocked TimedOut"]);
    check(
        &[],
        &[prefix("10.0.0.0", 8)],
        [
            "part 0.0.0.0/5,8.0.0.0/7,11.0.0.0/8,12.0.0.0/6,16.0.0.0/4,32.0.0.0/3,64.0.0.0/2,\
             128.0.0.0/1 Mixed",
            "open",
        ],
    );
    let mut host = Sample::new();
    let unit = host.cgroup("/system.slice/web.service");
    host.cgroup_program(unit, None);
    host.bind("tcp", "0.0.0.0:80", &[]).cgroup = Some(unit);
    assert_eq!(verdicts(&host.build())[0], "unknown none..0.0.0.0/0 Mixed");
}

#[test]
fn a_full_accept_queue_lets_nobody_in_for_now() {
    let mut host = Sample::new();
    host.bind("tcp", "0.0.0.0:80", &[]).queue = Queue { now: 6, max: 5 };
    assert_eq!(verdicts(&host.build())[0], "unknown none..0.0.0.0/0 TimedOut");
}

#[test]
fn without_a_router_only_neighbours_are_answered() {
    let mut host = Sample::new();
    host.without_gateway();
    host.bind("tcp", "0.0.0.0:80", &[]);
    assert_eq!(verdicts(&host.build())[0], "on_link 192.0.2.0/24 Mixed");
}

#[test]
fn two_interfaces_and_the_sources_behind_them() {
    let build = |ruleset: &str, rp_filter: &str| {
        let mut host = Sample::new();
        host.link(3, "lan0").address(3, "10.0.0.1", 8, 0);
        host.setting("net/ipv4/conf/all/rp_filter", rp_filter);
        host.ruleset("test.nft", ruleset);
        host.bind("tcp", "0.0.0.0:80", &[]);
        host.build()
    };
    let lan = input("drop", "iifname \"lan0\" accept");
    assert_eq!(verdicts(&build("", "0"))[0], "open");
    // Others may send by lan0, but the answer does not go there.
    assert_eq!(verdicts(&build(&lan, "0"))[0], "on_link 10.0.0.0/8 Mixed");
    assert_eq!(verdicts(&build(&lan, "1"))[0], "on_link 10.0.0.0/8 Mixed");
}

#[test]
fn nothing_is_known_without_root() {
    let mut host = Sample::new();
    host.without_root().bind("tcp", "[::]:22", &[]);
    let expect = ["unknown none..0.0.0.0/0", "unknown none..::/0"];
    assert_eq!(verdicts(&host.build()), expect);
}

/// Ports without a socket of their own, as `8080/tcp -> :80 open -`.
fn entries(snapshot: &Snapshot) -> Vec<String> {
    let judgement = judge(snapshot);
    let of = |reach: &Option<Reach>| reach.as_ref().map_or("-".to_owned(), describe);
    judgement
        .open_entries()
        .map(|entry| {
            let [four, six] = entry.reach.each_ref().map(of);
            let container = entry.container.as_deref().unwrap_or("host");
            format!("{}/{} {} {container} {four} {six}", entry.port, entry.protocol, entry.leads_to)
        })
        .collect()
}

#[test]
fn a_redirect_is_an_entry_where_something_listens() {
    let nat = "table ip nat {\nchain pre {\ntype nat hook prerouting priority -100;\n\
               tcp dport 8080 redirect to :80\ntcp dport 8081 redirect to :81\n}\n}\n";
    let mut host = Sample::new();
    host.ruleset("nat.nft", nat).ruleset("f.nft", &input("drop", "tcp dport 80 accept"));
    host.bind("tcp", "[::]:80", &[]);
    assert_eq!(entries(&host.build()), ["8080/tcp :80 host open -"]);
}

/// Docker with a container that publishes port 80 as 8080, and these rules for what is forwarded.
fn docker(forward: &str, proxy: bool) -> Snapshot {
    let mut host = Sample::new();
    host.link(3, "docker0").address(3, "172.17.0.1", 16, 0);
    for link in ["all", "eth0", "docker0"] {
        host.setting(&format!("net/ipv4/conf/{link}/forwarding"), "1");
    }
    host.ruleset(
        "docker",
        &format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n\
             -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
             -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n\
             COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n{forward}\nCOMMIT\n"
        ),
    );
    host.ruleset("f.nft", &input("drop", ""));
    if proxy {
        host.bind("tcp", "0.0.0.0:8080", &[]);
    }
    host.link(4, "veth1").veth(4, 3, 4_026_532_300, 2);
    host.namespace(4_026_532_300, &["web"], None);
    host.link(1, "lo").link(2, "eth0").veth(2, 0, 4_026_531_840, 4);
    host.address(2, "172.17.0.2", 16, 0).gateway(2, "172.17.0.1");
    host.bind("tcp", "0.0.0.0:80", &[]);
    host.build()
}

#[test]
fn a_published_port_of_a_container() {
    let allowed = "-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n\
                   -A FORWARD -i docker0 ! -o docker0 -j ACCEPT";
    let snapshot = docker(allowed, false);
    assert_eq!(entries(&snapshot), ["8080/tcp 172.17.0.2:80 host open -"]);
    // Directly, too: nothing keeps others from routing to the container's own address.
    let judgement = judge(&snapshot);
    let inside = judgement.rows.iter().find(|row| row.namespace == 1).unwrap();
    assert_eq!(describe(judgement.reach(inside, Wire::Ipv4).unwrap()), "open");
    // With docker-proxy the port has a socket, whose own firewall does not matter.
    let snapshot = docker(allowed, true);
    assert_eq!(entries(&snapshot), [""; 0]);
    assert_eq!(verdicts(&snapshot)[0], "open");
    // Nothing is forwarded.
    let snapshot = docker("", false);
    assert_eq!(entries(&snapshot), [""; 0]);
    let judgement = judge(&snapshot);
    let inside = judgement.rows.iter().find(|row| row.namespace == 1).unwrap();
    assert_eq!(describe(judgement.reach(inside, Wire::Ipv4).unwrap()), "blocked");
}

/// The rule that decides stands where the packet meets it first, with the addresses that the host has.
#[test]
fn who_decides() {
    let check = |ruleset: &str, expect: &str| {
        let mut host = Sample::new();
        host.ruleset("t", ruleset);
        host.bind("tcp", "0.0.0.0:22", &[]);
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let row = judgement.rows.first().unwrap();
        let reason = judgement.reason(row, Wire::Ipv4).unwrap();
        assert_eq!(reason.because.to_string(), expect, "{ruleset}");
    };
    check("", "nothing filters it");
    check(&input("accept", ""), "policy of inet filter input");
    check(&input("drop", "tcp dport 22 accept"), "inet filter input t:4: tcp dport 22 accept");
    // As ufw asks whether the packet is for this host at all.
    let jump = "jump elsewhere\n}\nchain elsewhere {\nfib daddr type local return\ndrop\n";
    check(&input("drop", jump), "policy of inet filter input");
    // What is dropped before it comes to the input chain.
    let raw = "table ip raw {\nchain pre {\ntype filter hook prerouting priority raw;\n\
               tcp dport 22 drop\n}\n}\n";
    check(&(input("accept", "") + raw), "ip raw pre t:10: tcp dport 22 drop");
    // What keeps the reply in.
    let out = "table ip f {\nchain out {\ntype filter hook output priority 0;\n\
               tcp sport 22 drop\n}\n}\n";
    check(&(input("accept", "") + out), "ip f out t:10: tcp sport 22 drop");
}

/// A datagram arrives whether or not it can be answered.
#[test]
fn replies_that_stay_inside() {
    let check = |socket: &str, rules: &str, expect: (Verdict, ClientSees, &str)| {
        let mut host = Sample::new();
        let out = format!(
            "table ip f {{\nchain out {{\ntype filter hook output priority 0;\n{rules}\n}}\n}}\n"
        );
        host.ruleset("t", &(input("accept", "") + &out));
        host.bind(socket, "0.0.0.0:53", &[]);
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let row = judgement.rows.first().unwrap();
        let reach = judgement.reach(row, Wire::Ipv4).unwrap();
        let because = judgement.reason(row, Wire::Ipv4).unwrap().because.to_string();
        let told = (reach.verdict, reach.client_sees.unwrap(), &*because);
        assert_eq!(told, expect, "{socket} {rules}");
    };
    let lets_in = "policy of inet filter input";
    check("udp", "", (Verdict::Open, ClientSees::Answered, lets_in));
    check("udp", "udp sport 53 drop", (Verdict::Open, ClientSees::TimedOut, lets_in));
    check("udp", "ip daddr 10.0.0.0/8 drop", (Verdict::Open, ClientSees::Mixed, lets_in));
    check(
        "tcp",
        "tcp sport 53 drop",
        (Verdict::Blocked, ClientSees::TimedOut, "ip f out t:10: tcp sport 53 drop"),
    );
}

/// A translation leads past what keeps its target's own port shut, and to loopback.
#[test]
fn what_translations_lead_to() {
    let check = |rules: &str, nat: &str, sockets: &[&str], expect: &[&str]| {
        let mut host = Sample::new();
        let nat = format!(
            "table ip n {{\nchain pre {{\ntype nat hook prerouting priority dstnat;\n{nat}\n}}\n}}\n"
        );
        host.ruleset("t", &(input("accept", rules) + &nat));
        for socket in sockets {
            host.bind("tcp", socket, &[]);
        }
        host.setting("net/ipv4/conf/eth0/route_localnet", "1");
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let told: Vec<String> = judgement
            .rows
            .iter()
            .map(|row| {
                let reach = judgement.reach(row, Wire::Ipv4).unwrap();
                format!("{} {}", row.socket.local.port, describe(reach))
            })
            .collect();
        assert_eq!(told, expect, "{rules} {nat} {sockets:?}");
    };
    let shut = "ct status & dnat == 0 tcp dport 8443 drop";
    let to = "ip saddr 10.0.0.0/8 tcp dport 443 redirect to :8443";
    check(shut, to, &["0.0.0.0:8443"], &["8443 part 10.0.0.0/8 Mixed"]);
    // Which address of the interface a redirect takes is not looked up.
    check(shut, to, &["192.0.2.10:8443"], &["8443 unknown none..10.0.0.0/8 Mixed"]);
    check(shut, "tcp dport 443 dnat to 192.0.2.10:8443", &["192.0.2.10:8443"], &["8443 open"]);
    // A comparison of the whole status reads bits that are not known.
    let whole = "ct status != dnat tcp dport 8443 drop";
    check(whole, to, &["0.0.0.0:8443"], &["8443 unknown none..0.0.0.0/0 Mixed"]);
    check("tcp dport 8443 drop", to, &["0.0.0.0:8443"], &["8443 blocked TimedOut"]);
    // With route_localnet, neighbours write to loopback, and translations lead there.
    let closed = "ip daddr 127.0.0.0/8 ct status & dnat == 0 drop";
    check(closed, "", &["127.0.0.1:631"], &["631 blocked TimedOut"]);
    check("", "", &["127.0.0.1:631"], &["631 on_link 192.0.2.0/24 Connected"]);
    check(closed, "tcp dport 80 dnat to 127.0.0.1:631", &["127.0.0.1:631"], &["631 open"]);
    // All ports, each to itself.
    let all = "ip daddr 192.0.2.10 meta l4proto tcp dnat to 127.0.0.1";
    check(closed, all, &["127.0.0.1:631"], &["631 open"]);
    let range = "tcp dport 9000 dnat to 127.0.0.1:600-700";
    check(closed, range, &["127.0.0.1:631"], &["631 unknown none..0.0.0.0/0 Mixed"]);
}

/// A rule with tproxy gives packets to whatever socket it names, and so does a program.
#[test]
fn what_chooses_the_socket() {
    let rule = "table ip t {\nchain pre {\ntype filter hook prerouting priority mangle;\n\
                tcp dport 80 tproxy to 127.0.0.1:8080 accept\n}\n}\n";
    let unknown = "unknown none..0.0.0.0/0";
    check(rule, ("tcp", "127.0.0.1:8080"), [unknown, "-"]);
    let rule = input("drop", "") + rule;
    let mixed = format!("{unknown} Mixed");
    check(&rule, ("tcp", "0.0.0.0:8080"), [&mixed, "-"]);
    let rule = rule.replace("policy drop", "policy accept");
    check(&rule, ("tcp", "0.0.0.0:22"), ["open", "-"]);
    let mut host = Sample::new();
    host.attached(AttachPoint::SocketLookup, 0, "steer");
    host.bind("tcp", "127.0.0.1:8080", &[]);
    assert_eq!(verdicts(&host.build())[0], unknown);
}
