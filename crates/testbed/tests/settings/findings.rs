//! Settings that are wrong on this host, each made so for real: what is found, and that it is true.

use std::time::Duration;

use testbed::{HostOptions, Reply};

use crate::settled::Settled;

/// A socket on `[::]:7070`, which systemd opens by the kernel's default, and a service for each
/// connection.
fn host(name: &str) -> Settled {
    let options = HostOptions::new()
        .file("/etc/systemd/system/dual.socket", "[Socket]\nListenStream=7070\nAccept=yes\n")
        .file("/etc/systemd/system/dual@.service", "[Service]\nExecStart=/bin/sleep 60\n");
    let host = Settled::boot(name, &options);
    host.run(&["systemctl", "start", "dual.socket"]);
    host
}

#[test]
fn sockets_that_answer_ipv4_or_not() {
    let host = host("dual");
    let told = host.settings();
    let key = "net.ipv6.bindv6only";
    assert_eq!(told.setting(key)["bears_on"], "tcp/7070 on [::] answers IPv4 too");
    assert!(told.findings("no-ipv4-by-default").is_empty());

    let number = host.lab.number();
    host.host.join(number).unwrap();
    host.run(&["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
    let told = host.settings();
    let found = told.findings("ipv6-off-ipv4-open");
    assert_eq!(found.len(), 1, "{:#}", told.0["findings"]);
    assert!(found[0]["text"].as_str().unwrap().contains("tcp/7070 on [::] still answers IPv4"));
    let client = host.lab.client().unwrap();
    let to = format!("192.0.2.{number}:7070").parse().unwrap();
    assert_eq!(client.connect(to, Duration::from_secs(20)).unwrap(), Reply::Connected);
    host.run(&["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0"]);

    host.run(&["sysctl", "-qw", "net.ipv6.bindv6only=1"]);
    host.run(&["systemctl", "restart", "dual.socket"]);
    let told = host.settings();
    assert_eq!(told.findings("no-ipv4-by-default").len(), 1, "{:#}", told.0["findings"]);
    let lasts = told.findings("setting-does-not-last");
    assert_eq!(lasts[0]["severity"], "medium", "{lasts:#?}");
    assert!(lasts[0]["text"].as_str().unwrap().contains("tcp/7070 will answer IPv4 too"));
    assert_eq!(client.connect(to, Duration::from_secs(20)).unwrap(), Reply::Refused);
}

#[test]
fn settings_that_let_others_in() {
    let host = host("let-in");
    let quiet = host.settings();
    let ids = ["no-syn-cookies", "takes-source-routes", "pings-over-ipv6", "address-of-another"];
    for id in ids {
        assert!(quiet.findings(id).is_empty(), "{id}: {:#}", quiet.0["findings"]);
    }
    let set = "sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.conf.all.accept_source_route=1 \
               net.ipv4.conf.host0.accept_source_route=1 net.ipv4.icmp_echo_ignore_all=1 \
               net.ipv4.ip_nonlocal_bind=1; ip link set host0 up; \
               ip -6 address add 2001:db8:1::5/64 dev host0 nodad";
    host.run(&["sh", "-euc", set]);
    host.host
        .write(
            "/etc/systemd/system/far.socket",
            "[Socket]\nListenStream=203.0.113.9:7071\nAccept=yes\n",
        )
        .unwrap();
    host.host
        .write("/etc/systemd/system/far@.service", "[Service]\nExecStart=/bin/true\n")
        .unwrap();
    host.run(&["sh", "-euc", "systemctl daemon-reload; systemctl start far.socket"]);
    let told = host.settings();
    for id in ids {
        let found = told.findings(id);
        assert_eq!(found.len(), 1, "{id}: {:#}", told.0["findings"]);
        assert!(!found[0]["cites"].as_str().unwrap().is_empty());
        assert!(!found[0]["lines"].as_array().unwrap().is_empty(), "{id}");
    }
    let far = told.findings("address-of-another");
    assert_eq!(far[0]["severity"], "medium", "a boot takes ip_nonlocal_bind back: {far:#?}");
    // What is to be done ends what is found.
    let lines: Vec<&str> = ids[..3]
        .iter()
        .map(|id| told.findings(id)[0]["lines"][0]["text"].as_str().unwrap())
        .collect();
    host.host.write("/etc/sysctl.d/99-zz-local.conf", &(lines.join("\n") + "\n")).unwrap();
    host.run(&["/usr/lib/systemd/systemd-sysctl"]);
    let told = host.settings();
    for id in &ids[..3] {
        assert!(told.findings(id).is_empty(), "{id}: {:#}", told.0["findings"]);
    }
}

#[test]
fn the_role_decides() {
    let host = host("roles");
    host.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    assert_eq!(host.settings().0["role"], "server");
    let told = host.settings();
    assert_eq!(told.findings("forwards-for-nobody").len(), 1, "{:#}", told.0["findings"]);
    let as_router = host.run(&["whyopen", "settings", "--role", "router", "-o", "json"]);
    assert!(!as_router.contains("forwards-for-nobody"));
    assert!(
        as_router.contains("\"role\":\"router\"") || as_router.contains("\"role\": \"router\"")
    );
    // In a pipe, without root, and on a narrow screen.
    let narrow = host.run(&["whyopen", "settings", "--width", "60"]);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(!narrow.contains('\u{1b}'));
    let nobody = host.host.run_as_nobody(&["whyopen", "settings"]).unwrap().ok().unwrap();
    assert!(nobody.contains("SETTING") && nobody.contains("SET BY"), "{nobody}");
}
