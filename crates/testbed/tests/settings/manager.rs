//! What NetworkManager makes of settings when it activates a connection.

use testbed::HostOptions;

use crate::settled::Settled;

const TEMPORARY: &str = "net/ipv6/conf/host0/use_tempaddr";

/// A profile of host0 with these lines of IPv6.
fn profile(ipv6: &str) -> String {
    format!(
        "[connection]\nid=lab\nuuid=5f2a4b60-1111-4222-8333-444455556666\ntype=ethernet\n\
         interface-name=host0\n[ipv4]\nmethod=manual\naddress1=192.0.2.9/24\n[ipv6]\n{ipv6}\n"
    )
}

/// A host whose interface NetworkManager configures by this profile.
fn host(name: &str, ipv6: &str, sysctl: &str) -> Settled {
    const PROFILE: &str = "/etc/NetworkManager/system-connections/lab.nmconnection";
    let options = HostOptions::new()
        .enable("NetworkManager.service")
        .file("/etc/sysctl.d/50-test.conf", sysctl);
    let host = Settled::boot(name, &options);
    host.host.write(PROFILE, &profile(ipv6)).unwrap();
    host.run(&["chmod", "600", PROFILE]);
    host.run(&["nmcli", "connection", "reload"]);
    host.run(&["nmcli", "--wait", "60", "connection", "up", "lab"]);
    host
}

/// Checks what is predicted for this profile, then activates and boots anew.
fn check(name: &str, ipv6: &str, expect: &str) {
    let sysctl = "net.ipv6.conf.default.use_tempaddr = 1\nnet.ipv6.conf.all.use_tempaddr = 2\n";
    let mut host = host(name, ipv6, sysctl);
    assert_eq!(host.value(TEMPORARY), expect, "after the activation");
    let told = host.settings();
    let found = told.setting("net.ipv6.conf.host0.use_tempaddr");
    assert_eq!(found["after_boot"], expect, "{found:#}");
    let interface = told.interface("host0");
    assert_eq!(interface["router_discovery"], "NetworkManager", "{interface:#}");
    assert_eq!(interface["accept_ra"], 0);
    assert_eq!(found["owner"], "NetworkManager", "{found:#}");
    // Whatever was written by hand, the next activation undoes it.
    let other = if expect == "0" { "2" } else { "0" };
    host.run(&["sysctl", "-w", &format!("net.ipv6.conf.host0.use_tempaddr={other}")]);
    host.run(&["nmcli", "--wait", "60", "connection", "up", "lab"]);
    assert_eq!(host.value(TEMPORARY), expect, "after the next activation");
    host.boots_as_predicted();
}

#[test]
fn a_profile_without_privacy_follows_default() {
    check("privacy-unset", "method=auto", "1");
}

#[test]
fn a_profile_turns_temporary_addresses_off() {
    check("privacy-0", "method=auto\nip6-privacy=0", "0");
}

#[test]
fn a_profile_turns_temporary_addresses_on() {
    check("privacy-2", "method=auto\nip6-privacy=2", "2");
}

#[test]
fn ipv6_that_was_turned_off_for_all_is_back_with_a_connection() {
    let sysctl = "net.ipv6.conf.all.disable_ipv6 = 1\n";
    let mut host = host("disabled", "method=auto", sysctl);
    assert_eq!(host.value("net/ipv6/conf/all/disable_ipv6"), "1");
    assert_eq!(host.value("net/ipv6/conf/host0/disable_ipv6"), "0");
    let told = host.settings();
    let found = told.setting("net.ipv6.conf.host0.disable_ipv6");
    assert_eq!(found["after_boot"], "0", "{found:#}");
    let findings = told.findings("undone-at-activation");
    assert_eq!(findings.len(), 1, "{:#}", told.0["findings"]);
    assert_eq!(findings[0]["lines"][0]["text"], "[ipv6]\nmethod=disabled");
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv6/conf/host0/disable_ipv6"), "0");
}

#[test]
fn a_connection_that_is_shared_forwards() {
    let mut host = host("shared", "method=manual\naddress1=2001:db8:9::1/64", "");
    host.host
        .write(
            "/etc/NetworkManager/system-connections/lab.nmconnection",
            &profile("method=manual\naddress1=2001:db8:9::1/64")
                .replace("method=manual\naddress1=192", "method=shared\naddress1=192"),
        )
        .unwrap();
    host.run(&["nmcli", "connection", "reload"]);
    assert_eq!(host.value("net/ipv4/ip_forward"), "0");
    let told = host.settings();
    assert_eq!(told.setting("net.ipv4.ip_forward")["after_boot"], "1");
    assert_eq!(told.interface("host0")["router_discovery"], "nobody");
    host.run(&["nmcli", "--wait", "60", "connection", "up", "lab"]);
    assert_eq!(host.value("net/ipv4/ip_forward"), "1");
    assert_eq!(host.settings().setting("net.ipv4.ip_forward")["owner"], "NetworkManager");
    host.boots_as_predicted();
}
