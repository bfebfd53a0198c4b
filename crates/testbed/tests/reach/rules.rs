//! Rules that do nothing of what they were written for, against what clients get.

use std::net::SocketAddr;

use serde_json::Value;
use testbed::HostOptions;

use crate::listing::Listing;
use crate::scene::{Scene, Wire, expect};

/// The texts of findings of this kind about this.
fn told(listing: &Listing, id: &str, subject: &str) -> Vec<String> {
    let all = listing.json["findings"].as_array().expect("findings");
    let its = all.iter().filter(|finding| finding["id"] == id && finding["subject"] == subject);
    its.map(|finding| finding["text"].as_str().unwrap().to_owned()).collect()
}

/// Fails unless there is one such finding, and it names all of these.
#[track_caller]
fn names(listing: &Listing, subject: &str, parts: &[&str]) {
    let told = told(listing, "rule-without-effect", subject);
    assert_eq!(told.len(), 1, "{:#}", listing.json["findings"]);
    for part in parts {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
}

/// Fails if any rule is said to be without effect.
#[track_caller]
fn names_none(listing: &Listing) {
    let all = listing.json["findings"].as_array().expect("findings");
    let found: Vec<&Value> = all.iter().filter(|f| f["id"] == "rule-without-effect").collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// `raw6 :::58` is no listener on port 58: who drops that port still has a socket that receives.
#[test]
fn a_protocol_taken_for_a_port() {
    let scene = Scene::boot("raw58");
    scene.seen.start("probe", &["raw6:58"]);
    names_none(&scene.seen.list());
    let port = "ip6tables -A INPUT -p tcp --dport 58 -j DROP";
    scene.run(port);
    let listing = scene.check(&[expect("[::]:22 ipv6 open", "")]);
    names(&listing, "icmp6", &["ip6 filter INPUT", "58 is the number of the protocol", "receives"]);
    // The client has looked for its neighbour, and the socket has heard it.
    let raw = scene.run("grep ':003A ' /proc/net/raw6");
    let queues = raw.split_whitespace().nth(4).expect("the queues");
    let (_, received) = queues.split_once(':').expect("two of them");
    assert!(u64::from_str_radix(received, 16).unwrap() > 0, "{raw}");
    // With a listener there the rule has its effect.
    scene.seen.start("port", &["tcp:[::]:58,v6only"]);
    names_none(&scene.seen.list());
}

/// A rich rule for one client, and the port open to all.
#[test]
fn a_rich_rule_beside_an_open_port() {
    let options = HostOptions::new().privileged();
    let mut scene = Scene::boot_with("rich", &options);
    let named = scene.client().number();
    scene.run(&format!(
        "systemctl start firewalld
         firewall-cmd --state
         firewall-cmd --zone=public --change-interface=host0
         firewall-cmd --add-rich-rule='rule family=ipv4 source address=192.0.2.{named} port port=80 protocol=tcp accept'
         firewall-cmd --add-port=80/tcp"
    ));
    let listing = scene.check(&[expect("[::]:80 ipv4 open", ""), expect("[::]:22 ipv4 open", "")]);
    names(&listing, "tcp/80", &[&format!("192.0.2.{named}"), "restricts nothing", "dport 80"]);
    scene.run("firewall-cmd --remove-port=80/tcp");
    let listing =
        scene.check(&[expect("[::]:80 ipv4 on_link", ""), expect("[::]:80 ipv6 blocked", "")]);
    names_none(&listing);
}

/// What one base chain accepts, a later one drops: the rule opens nothing.
#[test]
fn an_accept_that_a_later_chain_overrides() {
    let scene = Scene::boot("overridden");
    scene.run(
        "nft add table inet early
         nft 'add chain inet early input { type filter hook input priority -10; policy accept; }'
         nft add rule inet early input tcp dport 80 accept
         nft add table inet late
         nft 'add chain inet late input { type filter hook input priority 0; policy drop; }'
         nft add rule inet late input ct state established accept
         nft add rule inet late input iif lo accept
         nft add rule inet late input tcp dport 22 accept
         nft add rule inet late input icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' accept",
    );
    let blocked =
        [expect("[::]:80 ipv4 blocked", "inet late"), expect("[::]:80 ipv6 blocked", "inet late")];
    let listing = scene.check(&blocked);
    names(
        &listing,
        "tcp/80",
        &["inet early input handle", "lets nobody in", "policy of inet late"],
    );
    // Where the later chain lets it in as well, the rule is as good as another.
    scene.run("nft add rule inet late input tcp dport 80 accept");
    let listing = scene.check(&[expect("[::]:80 ipv4 open", ""), expect("[::]:80 ipv6 open", "")]);
    names_none(&listing);
}

/// A drop behind an accept of the same.
#[test]
fn a_drop_that_nothing_comes_to() {
    let scene = Scene::boot("shadow");
    scene.run(
        "iptables -A INPUT -p tcp --dport 22 -j ACCEPT
         iptables -A INPUT -p tcp --dport 22 -j DROP
         iptables -A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
         iptables -A INPUT -p tcp --dport 80 -j DROP",
    );
    let listing = scene.check(&[expect("[::]:22 ipv4 open", ""), expect("[::]:80 ipv4 open", "")]);
    names(&listing, "tcp/22", &["ip filter INPUT", "keeps nothing out"]);
    // Packets of connections that are there come to the other one, and their end is its effect.
    assert_eq!(told(&listing, "rule-without-effect", "tcp/80"), [""; 0]);
    let to = SocketAddr::new(scene.address(Wire::V4), 22);
    let row = listing.one("tcp", "::", Some(22));
    scene.try_all(to, Wire::V4, &row.0["ipv4"]);
}

/// Rules of the older iptables, where `iptables` is the command of the other backend.
#[test]
fn rules_that_iptables_does_not_show() {
    let scene = Scene::boot("hidden");
    let set =
        |backend: &str| format!("update-alternatives --set iptables /usr/sbin/iptables-{backend}");
    scene.run(&set("nft"));
    scene.run("iptables-legacy -A INPUT -p tcp --dport 80 -j DROP");
    assert!(!scene.run("iptables -S").contains("80"));
    let listing = scene.check(&[expect("[::]:80 ipv4 blocked", "")]);
    let hidden = told(&listing, "hidden-rules", "packet filter");
    assert_eq!(hidden.len(), 1, "{:#}", listing.json["findings"]);
    assert!(hidden[0].starts_with("1 rule of the older iptables (ip filter)"), "{hidden:?}");
    scene.run(&set("legacy"));
    assert!(scene.run("iptables -S").contains("80"));
    let listing = scene.check(&[expect("[::]:80 ipv4 blocked", "")]);
    assert_eq!(told(&listing, "hidden-rules", "packet filter"), [""; 0]);
}
