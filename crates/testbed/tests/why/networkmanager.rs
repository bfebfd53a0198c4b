//! NetworkManager's raw ICMPv6 socket: router discovery for profiles with method auto.

use testbed::HostOptions;

use crate::seen::{Seen, WHYOPEN};

#[test]
fn router_discovery_is_for_profiles_with_method_auto() {
    let seen = Seen::boot("nm", &HostOptions::new().enable("NetworkManager.service"));
    let nmcli = ["nmcli", "--wait", "0", "connection"];
    let profile = ["type", "ethernet", "con-name", "lab", "ifname", "host0"];
    let methods = ["ipv4.method", "disabled", "ipv6.method", "auto"];
    seen.run(&[&nmcli[..], &["add"], &profile, &methods].concat());
    seen.run(&[&nmcli[..], &["up", "lab"]].concat());
    let wait = "until ss -Hnlwp | grep -q NetworkManager; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
    // No router answers, so that the profile is not set up yet: it may be the reason.
    let why = seen.why("icmp6");
    why.is_in_use("unknown");
    why.says("because", "lab, ipv4.method disabled, ipv6.method auto");

    // With an IPv4 address it is set up, and goes on looking for routers.
    let set = ["connection", "modify", "lab", "ipv4.method", "manual", "ipv4.addresses"];
    seen.run(&[&["nmcli"], &set[..], &["192.0.2.10/24", "ipv6.may-fail", "yes"]].concat());
    seen.run(&["nmcli", "--wait", "60", "connection", "up", "lab"]);
    let wait = "until ss -Hnlwp | grep -q NetworkManager \
        && grep -qs connection-uuid /run/NetworkManager/devices/*; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
    let why = seen.why("icmp6");
    assert_eq!(why.service(), "networkmanager");
    why.is_in_use("yes");
    let found = why.says("because", "lab on host0, ipv4.method manual, ipv6.method auto");
    let file = found["evidence"][0]["at"].as_str().unwrap();
    assert!(file.starts_with("/etc/NetworkManager/system-connections/lab"), "{found:#}");
    why.says("not_enough", "port 58");
    why.says("not_enough", "dropping all of ICMPv6");
    why.says("to_close", "ipv6.method manual");
    let screen = seen.run(&[WHYOPEN, "-a"]);
    assert!(screen.contains("router adverts"), "{screen}");
    let whole = seen.prose("icmp6");
    assert!(whole.contains("58 is the number of the protocol"), "{whole}");

    // As the base says: another method closes it.
    seen.run(&["nmcli", "connection", "modify", "lab", "ipv6.method", "link-local"]);
    seen.run(&["nmcli", "connection", "up", "lab"]);
    let wait = "while ss -Hnlwp | grep -q NetworkManager; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
}
