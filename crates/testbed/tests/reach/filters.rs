//! Filters written by hand, in every kind of table.

use std::net::SocketAddr;

use testbed::Reply;

use crate::scene::{LIMIT, Scene, Wire, expect};

#[test]
fn no_filter() {
    let scene = Scene::boot("bare");
    scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 open", ""),
        expect("0.0.0.0:81 ipv4 open", ""),
        expect("[::]:82 ipv6 open", ""),
    ]);
}

#[test]
fn a_filter_for_ipv4_only() {
    let scene = Scene::boot("four-only");
    scene.run("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP");
    scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 open", ""),
        expect("[::]:80 ipv4 blocked", "policy"),
        expect("[::]:80 ipv6 open", ""),
    ]);
}

/// What one base chain accepts, a later one may still drop.
#[test]
fn accepted_early_and_dropped_later() {
    let scene = Scene::boot("early");
    scene.run(
        "nft add table inet f
         nft 'add chain inet f early { type filter hook input priority -10; policy accept; }'
         nft add rule inet f early tcp dport 80 accept
         nft 'add chain inet f late { type filter hook input priority 0; policy drop; }'
         nft add rule inet f late tcp dport 22 accept
         nft add rule inet f late icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' accept",
    );
    scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 open", ""),
        expect("[::]:80 ipv4 blocked", "inet f late"),
        expect("[::]:80 ipv6 blocked", "inet f late"),
    ]);
}

/// `iptables -S` shows nothing of it.
#[test]
fn the_older_tables_under_empty_nftables() {
    let scene = Scene::boot("older");
    scene.run(
        "iptables-legacy -A INPUT -p tcp --dport 80 -j DROP
         nft add table inet f
         nft 'add chain inet f input { type filter hook input priority 0; policy accept; }'",
    );
    scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:80 ipv4 blocked", ""),
        expect("[::]:80 ipv6 open", ""),
    ]);
}

/// What a client sees of each way to say no.
#[test]
fn ways_to_say_no() {
    let scene = Scene::boot("no");
    scene.seen.start("one", &["--accept", "tcp:127.0.0.1:90", "tcp:[::1]:91"]);
    scene.run(
        "nft add table inet f
         nft 'add chain inet f input { type filter hook input priority 0; policy accept; }'
         nft add rule inet f input tcp dport 22 reject with tcp reset
         nft add rule inet f input tcp dport 80 reject
         nft add rule inet f input tcp dport 81 drop
         nft add rule inet f input tcp dport 82 reject with icmpx admin-prohibited",
    );
    scene.check(&[
        expect("[::]:22 ipv4 blocked", "inet f input"),
        expect("[::]:22 ipv6 blocked", "inet f input"),
        expect("[::]:80 ipv4 blocked", "inet f input"),
        expect("[::]:80 ipv6 blocked", "inet f input"),
        expect("0.0.0.0:81 ipv4 blocked", "inet f input"),
        expect("[::]:82 ipv6 blocked", "inet f input"),
        expect("127.0.0.1:90 ipv4 host_only", ""),
        expect("[::1]:91 ipv6 host_only", ""),
    ]);
}

/// Part of the network: clients inside and outside of it.
#[test]
fn sources_that_are_let_in() {
    let mut scene = Scene::boot("part");
    scene.client_from("10.1.2.3", "2001:db8:aa::3", true);
    scene.client_from("11.1.2.3", "2001:db8:bb::3", true);
    scene.run(
        "nft add table inet f
         nft 'add chain inet f input { type filter hook input priority 0; policy drop; }'
         nft add rule inet f input icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' accept
         nft add rule inet f input ip saddr 10.0.0.0/8 tcp dport 22 accept
         nft add rule inet f input ip6 saddr 2001:db8:aa::/48 tcp dport 22 accept
         nft add rule inet f input tcp dport 80 accept",
    );
    let listing = scene.check(&[
        expect("[::]:22 ipv4 part", "inet f input"),
        expect("[::]:22 ipv6 part", "inet f input"),
        expect("[::]:80 ipv4 open", ""),
        expect("[::]:80 ipv6 open", ""),
    ]);
    let row = listing.one("tcp", "::", Some(22));
    assert_eq!(row.0["ipv4"]["must"], serde_json::json!(["10.0.0.0/8"]));
    assert_eq!(row.0["ipv6"]["must"], serde_json::json!(["2001:db8:aa::/48"]));
}

/// Who cannot find its neighbour cannot send to it: all of IPv6 is unreachable.
#[test]
fn neighbour_discovery_that_is_dropped() {
    let scene = Scene::boot("nd");
    scene.run("ip6tables -A INPUT -p icmpv6 -j DROP");
    scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 blocked", ""),
        expect("[::]:82 ipv6 blocked", ""),
    ]);
}

/// Who is not answered cannot find this host, and who knows it already can speak to it all the same.
#[test]
fn neighbour_discovery_that_is_not_sent() {
    let mut scene = Scene::boot("nd-out");
    let to = SocketAddr::new(scene.address(Wire::V6), 22);
    assert_eq!(scene.first().connect(to, LIMIT).unwrap(), Reply::Connected);
    scene.run("ip6tables -A OUTPUT -p icmpv6 -j DROP");
    assert_eq!(scene.client().connect(to, LIMIT).unwrap(), Reply::Unreachable);
    assert_eq!(scene.first().connect(to, LIMIT).unwrap(), Reply::Connected);
    let listing = scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 unknown", ""),
        expect("[::]:82 ipv6 unknown", ""),
    ]);
    let findings = listing.json["findings"].as_array().unwrap();
    let found = findings.iter().find(|f| f["id"] == "neighbour-discovery-blocked");
    let text = found.unwrap_or_else(|| panic!("{findings:#?}"))["text"].as_str().unwrap();
    assert!(text.contains("that this host sends on host0"), "{text}");
}

/// 58 is the number of the protocol ICMPv6, and no port.
#[test]
fn a_drop_of_port_58_does_nothing() {
    let scene = Scene::boot("port58");
    scene.run("ip6tables -A INPUT -p tcp --dport 58 -j DROP");
    scene.check(&[expect("[::]:22 ipv6 open", ""), expect("[::]:82 ipv6 open", "")]);
}
