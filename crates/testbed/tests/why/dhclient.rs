//! dhclient: a packet socket and 68/udp, from no unit of its own.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn dhclient_is_known_by_its_package() {
    let seen = Seen::boot("dhclient", &HostOptions::new());
    seen.run(&["systemd-run", "--quiet", "--unit=dhcp", "dhclient", "-d", "host0"]);
    seen.run(&["timeout", "60", "sh", "-c", "until ss -Hnlu | grep -q ':68 '; do sleep 0.1; done"]);
    let port = seen.why("68/udp");
    assert_eq!(port.service(), "dhclient");
    port.says("reasons", "package isc-dhcp-client");
    let packet = seen.why("packet");
    assert_eq!(packet.service(), "dhclient");
    packet.says("not_enough", "a firewall rule for 68/udp");
    packet.says("not_enough", "rules of the firewall's input");
    assert!(packet.rows[0]["why"]["arrives"].as_str().unwrap().contains("firewall drops"));
}
