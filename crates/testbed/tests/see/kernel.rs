//! Sockets that the kernel itself holds.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn a_vxlan_link_holds_its_port() {
    let seen = Seen::boot("vxlan", &HostOptions::new());
    let add = "ip link add vx0 type vxlan id 42 dstport 4789 dev host0 remote 192.0.2.200";
    seen.run(&["sh", "-c", add]);
    seen.run(&["ip", "link", "set", "vx0", "up"]);
    let listing = seen.list();
    let rows = listing.all("udp", Some(4789));
    assert!(!rows.is_empty(), "{:#}", listing.json);
    for row in rows {
        let holder = row.holder();
        assert_eq!(holder["kind"], "kernel", "{:#}", row.0);
        assert_eq!(holder["detail"], "vxlan vx0", "{:#}", row.0);
        assert!(holder["pid"].is_null());
    }
    seen.agrees_with_ss(&listing);
}
