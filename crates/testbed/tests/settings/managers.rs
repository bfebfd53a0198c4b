//! What systemd-networkd and ifupdown make of settings when they configure an interface.

use testbed::HostOptions;

use crate::settled::Settled;

const TEMPORARY: &str = "net.ipv6.conf.host0.use_tempaddr";

#[test]
fn networkd_sets_what_its_file_says() {
    let file = "/etc/systemd/network/10-lab.network";
    let network = "[Match]\nName=host0\n[Network]\nAddress=192.0.2.9/24\n\
                   IPv6PrivacyExtensions=yes\n";
    let options = HostOptions::new()
        .enable("systemd-networkd.service")
        .file("/etc/sysctl.d/1.conf", "net.ipv6.conf.default.use_tempaddr = 1\n")
        .file(file, network);
    let mut host = Settled::boot("networkd", &options);
    configured(&host);
    let told = host.settings();
    let found = told.setting(TEMPORARY);
    assert_eq!((&found["now"], &found["after_boot"]), (&"2".into(), &"2".into()), "{found:#}");
    assert_eq!(found["owner"], "systemd-networkd", "{found:#}");
    let sources = found["sources"].as_array().unwrap();
    assert_eq!((&sources[0]["file"], &sources[0]["line"]), (&file.into(), &5.into()));
    let interface = told.interface("host0");
    assert_eq!(interface["router_discovery"], "systemd-networkd", "{interface:#}");
    assert_eq!(interface["accept_ra"], 0, "the kernel's own is off");
    // What `default` asks for is undone, and the line to write is one of networkd's.
    let undone = told.findings("undone-at-activation");
    assert_eq!(undone.len(), 1, "{:#}", told.0["findings"]);
    let line = &undone[0]["lines"][0];
    assert_eq!(line["text"], "[Network]\nIPv6PrivacyExtensions=prefer-public");
    // By hand it does not last.
    host.run(&["sysctl", "-qw", "net.ipv6.conf.host0.use_tempaddr=0"]);
    host.boots_as_predicted();
    configured(&host);
    assert_eq!(host.value("net/ipv6/conf/host0/use_tempaddr"), "2");

    // The default of networkd is none, whatever the kernel's `default` says.
    host.host.write(file, &network.replace("IPv6PrivacyExtensions=yes\n", "")).unwrap();
    assert_eq!(host.settings().setting(TEMPORARY)["after_boot"], "0");
    host.host.reboot().unwrap();
    configured(&host);
    assert_eq!(host.value("net/ipv6/conf/host0/use_tempaddr"), "0");
}

/// Waits until networkd has configured the interface.
fn configured(host: &Settled) {
    let wait = "for i in $(seq 600); do networkctl status host0 | grep -q 'State:.*configured' && \
                exit 0; sleep 0.1; done; networkctl status host0; exit 1";
    host.run(&["sh", "-euc", wait]);
}

#[test]
fn ifupdown_sets_its_own_defaults() {
    let interfaces = "auto lo host0\niface lo inet loopback\niface host0 inet6 auto\n  privext 2\n  \
                      up sysctl -qw net.ipv4.ip_default_ttl=88\n";
    let options =
        HostOptions::new().enable("networking.service").file("/etc/network/interfaces", interfaces);
    let mut host = Settled::boot("ifupdown", &options);
    let told = host.settings();
    let check = |name: &str, value: &str, line: u32| {
        let found = told.setting(&format!("net.ipv6.conf.host0.{name}"));
        assert_eq!(
            (&found["now"], &found["after_boot"]),
            (&value.into(), &value.into()),
            "{found:#}"
        );
        assert_eq!(found["owner"], "ifupdown", "{found:#}");
        assert_eq!(found["sources"][0]["line"], line, "{found:#}");
    };
    check("use_tempaddr", "2", 4);
    check("accept_ra", "2", 3);
    check("autoconf", "1", 3);
    assert_eq!(told.interface("host0")["router_discovery"], "kernel");
    assert_eq!(told.setting("net.ipv4.ip_default_ttl")["after_boot"], "88");
    host.run(&["sysctl", "-qw", "net.ipv6.conf.host0.accept_ra=0"]);
    host.boots_as_predicted();
}
