//! Ports that lead elsewhere, and what stands behind them: translations, containers, and namespaces
//! behind a pair of interfaces.

use std::net::SocketAddr;

use serde_json::Value;

use crate::listing::{Listing, Row};
use crate::scene::{Scene, Wire, expect};
use crate::seen::AGENT;

/// A namespace `box` behind the host, in which port 80 is listened at over both families.
const BOX: &str = "
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip netns add box
    ip link add vbox type veth peer name eth0 netns box
    ip address add 10.99.0.1/24 dev vbox
    ip address add fd99::1/64 dev vbox nodad
    ip link set vbox up
    ip -n box link set lo up
    ip -n box address add 10.99.0.2/24 dev eth0
    ip -n box address add fd99::2/64 dev eth0 nodad
    ip -n box link set eth0 up
    ip -n box route add default via 10.99.0.1
    ip -n box route add default via fd99::1
";

impl Scene {
    /// Puts the namespace [`BOX`] behind the host.
    fn add_box(&self) {
        self.run(BOX);
        let start = ["systemd-run", "--quiet", "--service-type=notify", "--unit=boxed"];
        let place = ["--property=NetworkNamespacePath=/run/netns/box", "--"];
        let hold = [AGENT, "hold", "--accept", "tcp:[::]:80,dual"];
        self.seen.run(&[&start[..], &place, &hold].concat());
    }

    /// Compares what is said of a port that leads elsewhere with what clients get.
    #[track_caller]
    fn check_entry(&self, listing: &Listing, port: u16, wire: Wire, verdict: &str, to: &str) {
        let entries = listing.json["entries"].as_array().unwrap();
        let name = wire.name();
        let mut fits = entries.iter().filter(|entry| {
            entry["protocol"] == "tcp" && entry["port"] == port && !entry[name].is_null()
        });
        let (Some(entry), None) = (fits.next(), fits.next()) else {
            panic!("not one entry {port} {wire:?}: {entries:#?}");
        };
        assert_eq!(entry["leads_to"], to, "{entry:#}");
        assert_eq!(entry[name]["verdict"], verdict, "{entry:#}");
        self.try_all(SocketAddr::new(self.address(wire), port), wire, &entry[name]);
    }
}

/// Fails if a port is told to lead elsewhere.
#[track_caller]
fn no_entry(listing: &Listing, port: u16) {
    let entries = listing.json["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["port"] != port), "{port}: {entries:#?}");
}

/// The only row of a port in a namespace other than the host's.
#[track_caller]
fn inner<'l>(listing: &'l Listing, key: &str, name: &str, port: u16) -> Row<'l> {
    let mut rows = listing.all("tcp", Some(port));
    rows.retain(|row| row.0[key] == name);
    assert_eq!(rows.len(), 1, "{name} {port}: {:#}", listing.json);
    rows[0]
}

/// Whether a finding is about a subject.
#[track_caller]
fn finds(listing: &Listing, id: &str, subject: &str) {
    let findings = listing.json["findings"].as_array().unwrap();
    let found = |finding: &Value| finding["id"] == id && finding["subject"] == subject;
    assert!(findings.iter().any(found), "{id} {subject}: {findings:#?}");
}

/// Ports without a socket of the host, which a translation makes: to another namespace, and to
/// other ports of the host itself.
#[test]
fn translations_without_a_socket() {
    let scene = Scene::boot("dnat");
    scene.add_box();
    scene.run(
        "nft -f - <<'END'
table inet nat {
    chain pre {
        type nat hook prerouting priority dstnat;
        meta nfproto ipv4 tcp dport 30080 dnat ip to 10.99.0.2:80
        meta nfproto ipv6 tcp dport 30080 dnat ip6 to [fd99::2]:80
        meta nfproto ipv4 tcp dport 30081 dnat ip to 10.99.0.2:81
        meta nfproto ipv4 tcp dport 30082 dnat ip to 10.99.0.2:80
        tcp dport 8022 redirect to :22
        tcp dport 8080 redirect to :80
        tcp dport 8099 redirect to :99
    }
}
table inet f {
    chain input {
        type filter hook input priority 0; policy drop;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        ct state established,related accept
        tcp dport { 22, 99 } accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        meta l4proto tcp ct original proto-dst 30082 reject
        iifname host0 oifname vbox accept
    }
}
END",
    );
    let listing = scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:80 ipv4 blocked", "policy"),
        expect("[::]:80 ipv6 blocked", "policy"),
    ]);
    scene.check_entry(&listing, 30080, Wire::V4, "open", "10.99.0.2:80");
    scene.check_entry(&listing, 30080, Wire::V6, "open", "[fd99::2]:80");
    // Nothing listens there, and nothing is let through.
    scene.check_entry(&listing, 30081, Wire::V4, "blocked", "10.99.0.2:81");
    no_entry(&listing, 30082);
    scene.check_entry(&listing, 8022, Wire::V4, "open", ":22");
    scene.check_entry(&listing, 8022, Wire::V6, "open", ":22");
    no_entry(&listing, 8080);
    no_entry(&listing, 8099);
    let tcp: Vec<_> = [22, 80, 99, 8022, 8080, 8099, 30080, 30081, 30082, 30083]
        .into_iter()
        .map(|port| ("tcp", port))
        .collect();
    let [open, blocked, unknown] = scene.explains_all(&tcp);
    assert_eq!((open, blocked, unknown), (6, 14, 0));
}

/// Published on the loopback address only, and yet neighbours that send to the other namespace by
/// way of the host get there.
#[test]
fn published_on_loopback_only() {
    let scene = Scene::boot("loopback");
    scene.add_box();
    scene.route_through("10.99.0.0/24");
    scene.route_through("fd99::/64");
    let check = |verdict: &str| {
        let listing = scene.seen.list();
        no_entry(&listing, 8081);
        let row = inner(&listing, "netns", "box", 80);
        for (wire, to) in [(Wire::V4, "10.99.0.2:80"), (Wire::V6, "[fd99::2]:80")] {
            let reach = &row.0[wire.name()];
            assert_eq!(reach["verdict"], verdict, "{reach:#}");
            scene.try_all(to.parse().unwrap(), wire, reach);
        }
    };
    scene.run(
        "nft add table ip nat
         nft 'add chain ip nat out { type nat hook output priority -100; }'
         nft add rule ip nat out ip daddr 127.0.0.1 tcp dport 8081 dnat to 10.99.0.2:80",
    );
    check("open");
    scene.run(
        "nft add table inet f
         nft 'add chain inet f forward { type filter hook forward priority 0; policy drop; }'
         nft add rule inet f forward ct state established accept",
    );
    check("blocked");
}

/// Docker publishes a port around ufw, which denies it; over IPv6 its proxy is behind ufw. What it
/// publishes on the loopback address, neighbours reach at the container's own.
#[test]
fn docker_around_ufw() {
    let scene = Scene::boot("docker-ufw");
    scene.run(
        "mkdir -p /tmp/image/bin
         cp /bin/busybox /tmp/image/bin/
         ln -s busybox /tmp/image/bin/httpd
         systemctl start docker
         tar -C /tmp/image -c . | docker import - box
         ufw allow 22/tcp
         ufw deny 8080
         ufw --force enable
         docker run --detach --name web --publish 8080:80 box /bin/httpd -f -p 80
         docker run --detach --name local --publish 127.0.0.1:8081:80 box /bin/httpd -f -p 80
         for name in web local; do
           for try in $(seq 300); do
             docker exec $name /bin/busybox netstat -lnt | grep -q ':80 ' && break
             sleep 0.2
           done
         done",
    );
    let listing = scene.check(&[
        expect("[::]:22 ipv4 open", ""),
        expect("[::]:22 ipv6 open", ""),
        expect("[::]:80 ipv4 blocked", ""),
        // Docker's proxy holds both; what arrives over IPv4 is translated before it.
        expect("0.0.0.0:8080 ipv4 open", ""),
        expect("[::]:8080 ipv6 blocked", ""),
        expect("127.0.0.1:8081 ipv4 host_only", ""),
    ]);
    no_entry(&listing, 8080);
    finds(&listing, "around-the-firewall", "tcp/8080");
    let web = inner(&listing, "netns_container", "web", 80);
    assert_eq!(web.0["ipv4"]["verdict"], "open", "{:#}", web.0);

    scene.route_through("172.17.0.0/16");
    let local = inner(&listing, "netns_container", "local", 80);
    scene.try_all("172.17.0.3:80".parse().unwrap(), Wire::V4, &local.0["ipv4"]);
    assert_eq!(local.0["ipv4"]["verdict"], "open", "{:#}", local.0);
    let tcp: Vec<_> = [22, 80, 8080, 8081, 8082].into_iter().map(|port| ("tcp", port)).collect();
    let [open, blocked, _] = scene.explains_all(&tcp);
    assert_eq!((open, blocked), (3, 7));
}
