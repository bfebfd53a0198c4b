//! Sockets of every kind.

use crate::seen::Seen;

#[test]
fn dual_stack_and_v6only_are_told_apart() {
    let seen = Seen::boot("dual", &testbed::HostOptions::new());
    seen.host.join(10).unwrap();
    seen.start(
        "listener",
        &[
            "tcp:[::]:8000,dual",
            "tcp:[::]:8001,v6only",
            "tcp:[::ffff:192.0.2.10]:8002",
            "tcp:0.0.0.0:8003",
            "udp:[::]:8000,dual",
            "udp:[::]:8001,v6only",
            "tcp:[::]:8004,v6only",
            "tcp:0.0.0.0:8004",
        ],
    );
    let listing = seen.list();
    let check = |protocol, address, port, v6only: Option<bool>, ipv4: bool, ipv6: bool| {
        let row = listing.one(protocol, address, Some(port));
        assert_eq!(row.0["v6only"].as_bool(), v6only, "{:#}", row.0);
        assert_eq!(!row.0["ipv4"].is_null(), ipv4, "IPv4: {:#}", row.0);
        assert_eq!(!row.0["ipv6"].is_null(), ipv6, "IPv6: {:#}", row.0);
        assert_eq!(row.held_by(), [("testbed-agent", "listener.service")]);
    };
    check("tcp", "::", 8000, Some(false), true, true);
    check("tcp", "::", 8001, Some(true), false, true);
    check("tcp", "::ffff:192.0.2.10", 8002, Some(false), true, false);
    check("tcp", "0.0.0.0", 8003, None, true, false);
    check("udp", "::", 8000, Some(false), true, true);
    check("udp", "::", 8001, Some(true), false, true);
    check("tcp", "::", 8004, Some(true), false, true);
    check("tcp", "0.0.0.0", 8004, None, true, false);
    seen.agrees_with_ss(&listing);
}

#[test]
fn every_protocol_is_named() {
    let seen = Seen::boot("kinds", &testbed::HostOptions::new());
    // Ping sockets are for the groups that this names (icmp(7)).
    seen.run(&["sh", "-c", "echo '0 100' > /proc/sys/net/ipv4/ping_group_range"]);
    seen.start(
        "listener",
        &[
            "udplite:0.0.0.0:9000",
            "mptcp:0.0.0.0:9001",
            "raw4:1",
            "raw4:89",
            "raw4:255",
            "raw6:58",
            "ping4",
            "ping6",
            "packet",
            "bound:0.0.0.0:9002",
            "udp:127.0.0.1:9003",
        ],
    );
    let listing = seen.list();
    let check = |protocol, address, port, kind, state| {
        let row = listing.one(protocol, address, port);
        assert_eq!((row.0["kind"].as_str(), row.0["state"].as_str()), (Some(kind), Some(state)));
        assert_eq!(row.held_by(), [("testbed-agent", "listener.service")], "{:#}", row.0);
    };
    check("udplite", "0.0.0.0", Some(9000), "dgram", "bound");
    check("mptcp", "0.0.0.0", Some(9001), "stream", "listen");
    check("ospf", "0.0.0.0", None, "raw", "bound");
    check("raw", "0.0.0.0", None, "raw", "bound");
    check("icmp6", "::", None, "raw", "bound");
    check("packet", "*", None, "packet", "bound");
    check("tcp", "0.0.0.0", Some(9002), "stream", "bound");
    check("udp", "127.0.0.1", Some(9003), "dgram", "bound");
    // An MPTCP listener is one socket, though the kernel lists it under both protocols.
    assert!(listing.all("tcp", Some(9001)).is_empty());
    let icmp: Vec<_> = listing.all("icmp", None).iter().map(|r| r.0["kind"].clone()).collect();
    assert!(icmp.contains(&"raw".into()), "{icmp:?}");
}

#[test]
fn a_reuseport_group_is_one_row_with_all_holders() {
    let seen = Seen::boot("reuseport", &testbed::HostOptions::new());
    for unit in ["one", "two", "three"] {
        seen.start(unit, &["tcp:0.0.0.0:7070,reuseport", "udp:[::]:7070,reuseport"]);
    }
    let listing = seen.list();
    for (protocol, address) in [("tcp", "0.0.0.0"), ("udp", "::")] {
        let row = listing.one(protocol, address, Some(7070));
        let units: Vec<_> = row.held_by().iter().map(|h| h.1).collect();
        assert_eq!(units, ["one.service", "three.service", "two.service"]);
        assert_eq!(row.0["sockets"], 3, "{:#}", row.0);
    }
    seen.agrees_with_ss(&listing);
}

#[test]
fn the_accept_queue_is_shown() {
    let seen = Seen::with_sockets("queue", &["tcp:127.0.0.1:7100,backlog=5"]);
    // Nobody accepts.
    seen.start("clients", &["connect:127.0.0.1:7100", "connect:127.0.0.1:7100"]);
    let row_of = |listing: &crate::listing::Listing| {
        listing.one("tcp", "127.0.0.1", Some(7100)).0["accept_queue"].clone()
    };
    assert_eq!(row_of(&seen.list()), serde_json::json!({"now": 2, "max": 5}));
}

#[test]
fn connected_sockets_are_not_listed_unless_asked_for() {
    let seen = Seen::with_sockets("connected", &["tcp:127.0.0.1:7200", "connect:127.0.0.1:7200"]);
    let listing = seen.list();
    assert!(listing.rows().all(|row| row.0["state"] != "established"));
    assert_eq!(listing.all("tcp", Some(7200)).len(), 1);
}
