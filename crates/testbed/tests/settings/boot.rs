//! Settings after a real boot.

use testbed::HostOptions;

use crate::settled::Settled;

#[test]
fn the_order_of_a_boot_is_not_that_of_sysctl_system() {
    let options = HostOptions::new()
        .file("/etc/sysctl.conf", "net.ipv4.ip_default_ttl = 33\n")
        .file("/usr/lib/sysctl.d/zz.conf", "net.ipv4.ip_default_ttl = 31\n");
    let mut host = Settled::boot("order", &options);
    let path = "net/ipv4/ip_default_ttl";
    assert_eq!(host.value(path), "31");
    let told = host.settings();
    let ttl = told.setting("net.ipv4.ip_default_ttl");
    assert_eq!(ttl["after_boot"], "31", "{ttl:#}");
    assert_eq!(ttl["sysctl_system"], "33", "{ttl:#}");
    assert_eq!(ttl["owner"], "/usr/lib/sysctl.d/zz.conf");
    assert_eq!(told.findings("sysctl-order").len(), 1, "{:#}", told.0["findings"]);

    // Its exit status tells of settings that a container may not change.
    host.run(&["sh", "-c", "sysctl --system || true"]);
    assert_eq!(host.value(path), "33");
    let told = host.settings();
    assert_eq!(told.setting("net.ipv4.ip_default_ttl")["now"], "33");
    assert!(host.boots_as_predicted() > 100);
    assert_eq!(host.value(path), "31");
}

#[test]
fn patterns_exclusions_masks_and_what_all_and_default_do() {
    let options = HostOptions::new()
        .file(
            "/etc/sysctl.d/10-a.conf",
            "# patterns and names\nnet.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n\
             net.ipv4.conf.lo.rp_filter = 0\nnet/ipv4/conf/default/arp_ignore = 1\n\
             net.ipv4.conf.default.log_martians=1\nnet.ipv6.conf.all.forwarding = 1\n\
             net.ipv4.ip_forward = 1\n-net.ipv4.no_such_key = 1\nodd line\n",
        )
        .file("/etc/sysctl.d/50-masked.conf", "net.ipv4.ip_default_ttl = 70\n")
        .file("/usr/lib/sysctl.d/50-masked.conf", "net.ipv4.icmp_echo_ignore_all = 1\n")
        .file("/run/sysctl.d/60-lost-at-boot.conf", "net.ipv4.tcp_syncookies = 2\n")
        .file("/etc/sysctl.d/99-z.conf", "net.ipv4.conf.host0.send_redirects = 0\n");
    let mut host = Settled::boot("patterns", &options);
    let told = host.settings();
    let after = |key: &str| told.setting(key)["after_boot"].as_str().unwrap_or("?").to_owned();
    assert_eq!(after("net.ipv4.conf.host0.rp_filter"), "2");
    assert_eq!(after("net.ipv4.conf.host0.arp_ignore"), "1");
    assert_eq!(after("net.ipv4.conf.host0.send_redirects"), "0");
    assert_eq!(after("net.ipv4.conf.host0.forwarding"), "1");
    assert_eq!(after("net.ipv6.conf.host0.forwarding"), "1");
    assert_eq!(after("net.ipv4.ip_default_ttl"), "70");
    let masked = told.setting("net.ipv4.icmp_echo_ignore_all");
    assert_eq!(
        masked["sources"][0]["effect"],
        "not read: /etc/sysctl.d/50-masked.conf takes its place"
    );
    // What follows from forwarding (inet_forward_change).
    assert_eq!(after("net.ipv4.conf.all.accept_redirects"), "0");
    assert!(host.boots_as_predicted() > 100);
}

#[test]
fn a_value_set_by_hand_is_named_and_gone_after_a_boot() {
    let mut host = Settled::boot("by-hand", &HostOptions::new());
    host.run(&["sysctl", "-w", "net.ipv6.bindv6only=1"]);
    let told = host.settings();
    let found = told.setting("net.ipv6.bindv6only");
    assert_eq!(
        (&found["now"], &found["owner"]),
        (&"1".into(), &"by hand or a program".into()),
        "{found:#}"
    );
    assert_eq!(found["after_boot"], "0", "{found:#}");
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv6/bindv6only"), "0");
}

#[test]
fn units_that_set_something() {
    let unit = "[Service]\nType=oneshot\nExecStart=/usr/sbin/sysctl -q -w net.ipv4.ip_default_ttl=55\n\
                [Install]\nWantedBy=multi-user.target\n";
    let options = HostOptions::new()
        .file("/etc/sysctl.d/1.conf", "net.ipv4.ip_default_ttl = 44\n")
        .file("/etc/systemd/system/ttl.service", unit);
    let mut host = Settled::boot("units", &options);
    host.run(&["systemctl", "enable", "ttl.service"]);
    let told = host.settings();
    let ttl = told.setting("net.ipv4.ip_default_ttl");
    assert_eq!(ttl["after_boot"], "55", "{ttl:#}");
    assert_eq!(ttl["sources"][0]["effect"], "changed by what comes after it");
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv4/ip_default_ttl"), "55");
    host.run(&["systemctl", "disable", "ttl.service"]);
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv4/ip_default_ttl"), "44");
}
