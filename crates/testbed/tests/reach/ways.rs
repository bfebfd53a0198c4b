//! What is no filter and still decides: routes, reverse paths, queues, translations, programs.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use testbed::Reply;

use crate::scene::{LIMIT, Scene, Wire, contains, expect, v4};
use crate::seen::AGENT;

/// With a strict reverse path, who arrives by another way than the answer would leave is kept out; by
/// its own way it is let in.
#[test]
fn reverse_paths() {
    let mut scene = Scene::boot("reverse");
    scene.client_from("10.1.2.3", "2001:db8:aa::3", true);
    scene.client_from("10.9.2.3", "2001:db8:bb::3", false);
    scene.run(
        "ip link add other type veth peer name end; ip link set other up; ip link set end up
         ip address add 10.9.0.1/16 dev other
         sysctl -qw net.ipv4.conf.all.rp_filter=1",
    );
    let listing = scene.seen.list();
    let row = listing.one("tcp", "::", Some(22));
    let ways = row.0["ipv4"]["ways"].as_array().unwrap();
    let way = ways.iter().find(|way| way["interface"] == "host0").unwrap();
    for (from, let_in) in [("10.1.2.3", true), ("10.9.2.3", false)] {
        assert_eq!(contains(&way["must"], from.parse().unwrap()), let_in, "{from}: {way:#}");
        assert_eq!(contains(&way["may"], from.parse().unwrap()), let_in, "{from}: {way:#}");
    }
    scene.try_all(SocketAddr::new(scene.address(Wire::V4), 22), Wire::V4, way);
}

/// The answer's way out decides as well.
#[test]
fn answers_without_a_way_out() {
    let mut scene = Scene::boot("policy");
    scene.client_from("10.1.2.3", "2001:db8:aa::3", true);
    scene.run("ip route add blackhole 10.1.2.0/24; ip route del 10.1.2.3/32");
    scene.run("ip -6 rule add to 2001:db8:aa::/48 prohibit");
    scene.check(&[expect("[::]:22 ipv4 part", ""), expect("[::]:22 ipv6 part", "")]);
}

/// A socket that is bound to an interface answers by it: over IPv4 even where no route leads there,
/// over IPv6 if one does.
#[test]
fn answers_by_the_interface_of_the_socket() {
    let mut scene = Scene::boot("bound");
    scene.client_from("10.1.2.3", "2001:db8:aa::3", true);
    scene.seen.start("bound", &["tcp:[::]:90,dual,device=host0"]);
    scene.run("ip route add blackhole 10.1.2.0/24; ip route del 10.1.2.3/32");
    scene.run("ip -6 rule add to 2001:db8:aa::/48 prohibit");
    scene.check(&[
        expect("[::]:90 ipv4 open", ""),
        expect("[::]:90 ipv6 part", ""),
        expect("[::]:22 ipv4 part", ""),
    ]);
    // A rule for what leaves by that interface is for such sockets alone.
    scene.run("ip rule add oif host0 prohibit; ip -6 rule add pref 1 oif host0 lookup main");
    scene.check(&[expect("[::]:90 ipv4 open", ""), expect("[::]:90 ipv6 open", "")]);
}

/// Neighbours write to loopback where an interface takes that, and a translation leads there from
/// everywhere.
#[test]
fn loopback_from_elsewhere() {
    let scene = Scene::boot("loopback");
    scene.seen.start("inside", &["tcp:127.0.0.1:631"]);
    let host = v4(scene.number).to_string();
    let inside = |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        scene.first().netns().run(&words).unwrap().ok().unwrap();
    };
    inside("ip address del 127.0.0.1/8 dev lo");
    inside(&format!("ip route add 127.0.0.1 via {host}"));
    inside("sysctl -qw net.ipv4.conf.eth0.route_localnet=1");
    let check = |verdict: &str, to: SocketAddr, expect: Reply| {
        let listing = scene.seen.list();
        let reach = &listing.one("tcp", "127.0.0.1", Some(631)).0["ipv4"];
        assert_eq!(reach["verdict"], verdict, "{reach:#}");
        assert_eq!(scene.first().connect(to, LIMIT).unwrap(), expect, "{to}: {reach:#}");
    };
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 631));
    check("host_only", loopback, Reply::TimedOut);
    scene.run("sysctl -qw net.ipv4.conf.host0.route_localnet=1");
    check("on_link", loopback, Reply::Connected);
    scene.run(
        "nft 'table ip t { chain pre { type nat hook prerouting priority dstnat;
             tcp dport 6310 dnat to 127.0.0.1:631; }; }'",
    );
    check("open", SocketAddr::new(scene.address(Wire::V4), 6310), Reply::Connected);
    // All ports, each to itself; what is written to loopback itself is dropped.
    scene.run(
        "nft flush ruleset
         nft 'table ip t {
             chain pre { type nat hook prerouting priority dstnat;
                 tcp dport != 22 dnat to 127.0.0.1; }
             chain in { type filter hook input priority 0;
                 ip daddr 127.0.0.0/8 ct status & dnat == 0 drop; }
         }'",
    );
    check("open", SocketAddr::new(scene.address(Wire::V4), 631), Reply::Connected);
}

/// A rule gives packets to a socket that they are not addressed to.
#[test]
fn a_rule_that_chooses_the_socket() {
    let scene = Scene::boot("tproxy");
    scene.seen.start("proxy", &["tcp:127.0.0.1:8080,transparent"]);
    scene.run(
        "nft 'table ip t { chain pre { type filter hook prerouting priority mangle;
             tcp dport 443 tproxy to 127.0.0.1:8080 meta mark set 1 accept; }; }'
         ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100",
    );
    let listing = scene.seen.list();
    let reach = &listing.one("tcp", "127.0.0.1", Some(8080)).0["ipv4"];
    assert_eq!(reach["verdict"], "unknown", "{reach:#}");
    assert_eq!(reach["may"], json!(["0.0.0.0/0"]), "{reach:#}");
    let to = SocketAddr::new(scene.address(Wire::V4), 443);
    assert_eq!(scene.first().connect(to, LIMIT).unwrap(), Reply::Connected);
}

/// A port that lets in only what was translated is open by the port that is translated to it.
#[test]
fn a_redirect_past_a_shut_port() {
    let scene = Scene::boot("redirect");
    scene.run(
        "nft 'table inet t {
             chain pre { type nat hook prerouting priority dstnat; tcp dport 443 redirect to :80; }
             chain in { type filter hook input priority 0; ct status & dnat == 0 tcp dport 80 drop; }
         }'",
    );
    let listing = scene.seen.list();
    for (wire, family) in [(Wire::V4, "ipv4"), (Wire::V6, "ipv6")] {
        let reach = &listing.one("tcp", "::", Some(80)).0[family];
        assert_eq!(reach["verdict"], "open", "{reach:#}");
        let to = |port| SocketAddr::new(scene.address(wire), port);
        assert_eq!(scene.first().connect(to(443), LIMIT).unwrap(), Reply::Connected);
        assert_eq!(scene.first().connect(to(80), LIMIT).unwrap(), Reply::TimedOut);
    }
}

/// Whoever does not accept fills its queue, and then nobody gets through.
#[test]
fn a_full_queue() {
    let scene = Scene::boot("full");
    scene.seen.start("lazy", &["tcp:0.0.0.0:90,backlog=0"]);
    let to = SocketAddr::new(scene.address(Wire::V4), 90);
    let fill = format!("connect:{to}");
    scene.seen.start("filler", &[fill.as_str()]);
    let listing = scene.seen.list();
    let row = listing.one("tcp", "0.0.0.0", Some(90));
    let queue = &row.0["accept_queue"];
    assert!(queue["now"].as_u64() > queue["max"].as_u64(), "{queue}");
    // The rules let everyone in; it is the finding that tells.
    let findings = listing.json["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["subject"] == "tcp/90"), "{findings:#?}");
}

/// systemd's own filter is a program on the service's cgroup.
#[test]
fn a_filter_of_the_service() {
    let scene = Scene::boot("service");
    let deny = ["--property=IPAddressDeny=any", "--property=IPAddressAllow=localhost"];
    let start = ["systemd-run", "--quiet", "--service-type=notify", "--unit=walled"];
    let hold = ["--", AGENT, "hold", "--accept", "tcp:[::]:90,dual"];
    scene.seen.run(&[&start[..], &deny, &hold].concat());
    let listing = scene.seen.list();
    let row = listing.one("tcp", "::", Some(90));
    for wire in [Wire::V4, Wire::V6] {
        let reach = &row.0[if wire == Wire::V4 { "ipv4" } else { "ipv6" }];
        // Not known, or blocked: never open.
        assert_eq!(reach["must"], json!([]), "{reach:#}");
        scene.try_all(SocketAddr::new(scene.address(wire), 90), wire, reach);
    }
}
