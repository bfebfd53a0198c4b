//! What receives packets without a port: NetworkManager's and dhclient's sockets.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn network_manager_holds_a_raw_icmpv6_socket() {
    let seen = Seen::boot("nm", &HostOptions::new().enable("NetworkManager.service"));
    // It looks for routers, as on any network with IPv6: for that it opens the socket.
    let nmcli = ["nmcli", "--wait", "0", "connection"];
    let profile = ["type", "ethernet", "con-name", "lab", "ifname", "host0"];
    let methods = ["ipv4.method", "disabled", "ipv6.method", "auto"];
    seen.run(&[&nmcli[..], &["add"], &profile, &methods].concat());
    seen.run(&[&nmcli[..], &["up", "lab"]].concat());
    let wait = "until ss -Hnlwp | grep -q NetworkManager; do sleep 0.1; done";
    seen.run(&["timeout", "30", "sh", "-c", wait]);
    let listing = seen.list();
    let rows = listing.all("icmp6", None);
    assert_eq!(rows.len(), 1, "{:#}", listing.json);
    let row = rows[0];
    assert_eq!(row.0["kind"], "raw");
    assert_eq!(row.held_by(), [("NetworkManager", "NetworkManager.service")]);
    seen.agrees_with_ss(&listing);
}

#[test]
fn dhclient_holds_a_packet_socket() {
    let seen = Seen::boot("dhclient", &HostOptions::new());
    seen.run(&["systemd-run", "--quiet", "--unit=dhcp", "dhclient", "-d", "host0"]);
    seen.run(&["timeout", "20", "sh", "-c", "until ss -Hnlu | grep -q ':68 '; do sleep 0.1; done"]);
    let listing = seen.list();
    let packet: Vec<_> = listing.all("packet", None);
    assert!(!packet.is_empty(), "{:#}", listing.json);
    for row in packet {
        assert_eq!(row.held_by(), [("dhclient", "dhcp.service")], "{:#}", row.0);
        assert_eq!(row.0["kind"], "packet");
        assert_eq!(row.0["device"], "host0");
    }
    let row = listing.one("udp", "0.0.0.0", Some(68));
    assert_eq!(row.held_by(), [("dhclient", "dhcp.service")]);
    seen.agrees_with_ss(&listing);
}
