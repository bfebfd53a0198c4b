//! systemd-networkd's sockets.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn networkd_listens_for_what_its_files_ask() {
    let network = "[Match]\nName=host0\n[Network]\nIPv6AcceptRA=yes\nDHCP=no\nLLDP=no\n";
    let options = HostOptions::new()
        .enable("systemd-networkd.service")
        .file("/etc/systemd/network/10-lab.network", network);
    let seen = Seen::boot("networkd", &options);
    let wait = "until ss -Hnlwp | grep -q systemd-network; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
    let why = seen.why("icmp6");
    assert_eq!(why.service(), "systemd-networkd");
    let bound = why.says("reasons", "bound by IPv6AcceptRA yes");
    assert_eq!(bound["evidence"][0]["at"], "/etc/systemd/network/10-lab.network");
    assert_eq!(bound["evidence"][0]["line"], 4);
    why.says("to_close", "IPv6AcceptRA=no");
}
