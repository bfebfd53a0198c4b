//! IPv6 addresses: their kinds, and which of them the kernel sends from.

use std::time::Duration;

use testbed::{HostOptions, Reply};

use crate::settled::{Settled, Told};

/// A host with an address that the kernel makes temporary ones of.
fn host(name: &str) -> Settled {
    let host = Settled::boot(name, &HostOptions::new());
    host.run(&["sysctl", "-w", "net.ipv6.conf.host0.use_tempaddr=2"]);
    host.run(&["ip", "link", "set", "host0", "up"]);
    let add = "ip -6 address add 2001:db8:1::5054:ff:fe12:3456/64 dev host0 mngtmpaddr \
               valid_lft 3600 preferred_lft 1800 && \
               ip -6 route add default via 2001:db8:1::1 dev host0";
    host.run(&["sh", "-euc", add]);
    // Duplicate address detection (RFC 4862, section 5.4).
    let settled = "for i in $(seq 600); do ip -6 address show dev host0 | grep -q tentative || exit 0; \
                   sleep 0.1; done; exit 1";
    host.run(&["sh", "-euc", settled]);
    host
}

fn kinds(told: &Told) -> Vec<&str> {
    let all = told.0["addresses"].as_array().unwrap();
    let mut kinds: Vec<&str> = all.iter().map(|a| a["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

#[test]
fn the_kernel_prefers_the_temporary_address_and_keeps_it_after_0() {
    let host = host("temporary");
    let told = host.settings();
    assert_eq!(kinds(&told), ["eui64", "link_local", "temporary"], "{:#}", told.0["addresses"]);
    let all = told.0["addresses"].as_array().unwrap();
    let temporary = all.iter().find(|a| a["kind"] == "temporary").unwrap();
    assert_eq!(told.0["chosen"]["address"], temporary["address"], "{:#}", told.0["chosen"]);
    assert_eq!(told.0["chosen"]["by_kernel"], true);
    assert!(temporary["preferred_s"].as_u64().unwrap() <= 1800, "{temporary:#}");
    assert!(told.findings("temporary-address-stays").is_empty());
    // A server whose address nobody publishes: worth knowing.
    assert_eq!(told.findings("temporary-source")[0]["severity"], "info");

    host.run(&["sysctl", "-w", "net.ipv6.conf.host0.use_tempaddr=0"]);
    let told = host.settings();
    let found = told.findings("temporary-address-stays");
    assert_eq!(found.len(), 1, "{:#}", told.0["findings"]);
    // It still answers: nothing listens there, and that is said from there.
    let address = temporary["address"].as_str().unwrap();
    let client = host.lab.client().unwrap();
    let to = format!("[{address}]:9").parse().unwrap();
    assert_eq!(client.connect(to, Duration::from_secs(30)).unwrap(), Reply::Refused);
    let shown = host.run(&["ip", "-6", "address", "show", "dev", "host0"]);
    assert!(shown.contains(address), "{shown}");
    let action = found[0]["action"].as_str().unwrap();
    let command = action.split(": ").nth(1).unwrap();
    host.run(&["sh", "-euc", command]);
    assert!(host.settings().findings("temporary-address-stays").is_empty());
    let reply = client.connect(to, Duration::from_secs(5)).unwrap();
    assert_ne!(reply, Reply::Refused, "it is gone");
}

#[test]
fn a_server_that_publishes_its_address() {
    let host = host("published");
    host.host
        .write("/etc/cron.d/ddns", "*/5 * * * * root /usr/local/bin/ddns-route53 run\n")
        .unwrap();
    let told = host.settings();
    let found = told.findings("temporary-source");
    assert_eq!(found[0]["severity"], "medium", "{:#}", told.0["findings"]);
    assert!(found[0]["text"].as_str().unwrap().contains("ddns-route53 (/etc/cron.d/ddns)"));
    let screen = host.run(&["/usr/local/bin/whyopen"]);
    assert!(screen.contains("ddns-route53"), "it is on the first screen:\n{screen}");
}
