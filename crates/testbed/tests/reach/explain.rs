//! `whyopen explain`: what it says of a packet, and what becomes of it.

use std::net::SocketAddr;

use crate::scene::{Scene, Wire};
use crate::seen::AGENT;

/// Everything that a client can see, over both families and protocols, from neighbours and from
/// elsewhere.
#[test]
fn every_end() {
    let mut scene = Scene::boot("explain");
    scene.client_from("10.1.2.3", "2001:db8:aa::3", true);
    let hold = [
        AGENT,
        "hold",
        "--accept",
        "udp:[::]:53,dual",
        "udp:[::]:54,dual",
        "udp:127.0.0.1:55",
        "udp:[::]:56,dual",
        "tcp:127.0.0.1:90",
        "tcp:[::1]:91",
        "tcp:[::]:92,dual",
        "tcp:[::]:93,dual",
        "tcp:[::]:94,dual",
    ];
    scene.seen.host.start_service("more", &hold).unwrap();
    scene.run(
        "nft -f - <<'END'
table inet f {
    set friends { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
    chain early {
        type filter hook prerouting priority raw;
        tcp dport 92 drop
        tcp dport 94 meta mark set 0x7
    }
    chain input {
        type filter hook input priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        meta l4proto { tcp, udp } th dport vmap {
            22 : accept, 53 : accept, 54 : jump no, 55 : accept, 80 : jump friends,
            81 : jump refuse, 82 : jump no, 90 : accept, 91 : accept, 92 : accept, 93 : accept,
            95 : accept, 57 : accept }
        meta mark 0x7 accept
    }
    chain friends { ip saddr @friends accept; ip6 saddr 2001:db8:aa::/48 accept; }
    chain refuse { reject with tcp reset; }
    chain no { reject with icmpx type admin-prohibited; }
    chain late { type filter hook input priority 10; tcp dport 93 reject; }
}
END",
    );
    let mut ports: Vec<(&str, u16)> =
        [22, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96].map(|port| ("tcp", port)).into();
    ports.extend([53, 54, 55, 56, 57].map(|port| ("udp", port)));
    let [open, blocked, unknown] = scene.explains_all(&ports);
    assert_eq!(unknown, 0);
    assert_eq!((open, blocked), (14, 50));
    // A listener whose queue is full gets nothing more.
    scene.seen.start("lazy", &["tcp:[::]:95,dual,backlog=0"]);
    let to = SocketAddr::new(scene.address(Wire::V4), 95);
    scene.seen.start("filler", &[format!("connect:{to}").as_str()]);
    assert_eq!(scene.explains_all(&[("tcp", 95)]), [0, 4, 0]);
}
