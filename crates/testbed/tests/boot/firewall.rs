//! The packet filter after a boot: what is said before it, and what a client finds after it.

use std::net::SocketAddr;
use std::time::Duration;

use testbed::{HostOptions, Reply};

use crate::predicted::Predicted;
use crate::seen::{AGENT, Seen, WHYOPEN};

/// A drop is what takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Rules that let 22 in, and nothing else that is new.
pub(crate) const STRICT: &str = "table inet f { chain input { type filter hook input priority 0; policy drop; \
    ct state established,related accept; iif lo accept; icmpv6 type { 133, 134, 135, 136 } accept; \
    tcp dport 22 accept; }; }";

/// A host with the address 192.0.2.N that listens on 7031.
pub(crate) fn listening(name: &str, options: HostOptions) -> (Seen, u8) {
    let unit = format!(
        "[Service]\nType=notify\nExecStart={AGENT} hold --accept tcp:0.0.0.0:7031\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    let options = options.file("/etc/systemd/system/listener.service", &unit);
    let seen = Seen::boot(name, &options);
    let number = seen.lab.number();
    seen.host.join(number).unwrap();
    seen.run(&["systemctl", "enable", "--quiet", "--now", "listener.service"]);
    wait_for_firewalld(&seen);
    (seen, number)
}

/// firewalld has its name on the bus before it has loaded anything: systemd takes it for started.
fn wait_for_firewalld(seen: &Seen) {
    let wait = "if systemctl --quiet is-active firewalld; then \
        timeout 60 sh -c 'until firewall-cmd --state; do sleep 0.1; done' >&2; fi";
    seen.run(&["sh", "-euc", wait]);
}

/// Boots a host that listens on 7031 and lets `script` change its firewall. Compares the findings about
/// the next boot with `told`, and what a client finds at 7031 now and after that boot with `replies`.
#[track_caller]
pub(crate) fn check(
    name: &str,
    options: HostOptions,
    script: &str,
    told: &[&str],
    replies: [Reply; 2],
) {
    let (mut seen, number) = listening(name, options);
    seen.run(&["sh", "-euc", script]);
    let text = seen.run(&[WHYOPEN, "-a", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found: Vec<String> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["id"].as_str().unwrap().starts_with("firewall-"))
        .map(|f| format!("{} {}", f["id"].as_str().unwrap(), f["subject"].as_str().unwrap()))
        .collect();
    assert_eq!(found, told, "{:#}", json["findings"]);

    let client = seen.lab.client().unwrap();
    let to = SocketAddr::new(format!("192.0.2.{number}").parse().unwrap(), 7031);
    assert_eq!(client.connect(to, LIMIT).unwrap(), replies[0], "before the boot");
    Predicted::of(&seen.host).holds_after_a_boot(&mut seen.host);
    seen.host.join(number).unwrap();
    wait_for_firewalld(&seen);
    assert_eq!(client.connect(to, LIMIT).unwrap(), replies[1], "after the boot");
}

#[test]
fn rules_in_the_kernel_alone_are_gone() {
    check(
        "by-hand",
        HostOptions::new(),
        &format!("echo '{STRICT}' | nft -f -"),
        &["firewall-not-kept tcp/7031"],
        [Reply::TimedOut, Reply::Connected],
    );
}

#[test]
fn rules_on_disk_are_loaded() {
    let options = || {
        let text = "flush ruleset\ninclude \"/etc/nftables.d/*.nft\"\n";
        HostOptions::new()
            .enable("nftables.service")
            .file("/etc/nftables.conf", text)
            .file("/etc/nftables.d/input.nft", &format!("{STRICT}\n"))
    };
    check(
        "flushed",
        options(),
        "nft flush ruleset",
        &["firewall-closes-at-boot tcp/7031"],
        [Reply::Connected, Reply::TimedOut],
    );
    check("kept", options(), "nft -f /etc/nftables.conf", &[], [Reply::TimedOut; 2]);
}

#[test]
fn ufw_loads_what_it_was_told() {
    check(
        "ufw",
        HostOptions::new().enable("ufw.service"),
        "ufw --force enable >&2; ufw allow 22/tcp >&2",
        &[],
        [Reply::TimedOut; 2],
    );
    check(
        "ufw-disabled",
        HostOptions::new().enable("ufw.service"),
        &format!("ufw allow 7031/tcp >&2; echo '{STRICT}' | nft -f -"),
        &["firewall-not-kept tcp/7031"],
        [Reply::TimedOut, Reply::Connected],
    );
}

#[test]
fn firewalld_keeps_what_is_permanent() {
    let options = || HostOptions::new().enable("firewalld.service");
    check(
        "runtime-port",
        options(),
        "firewall-cmd --add-port=7031/tcp >&2",
        &["firewall-closes-at-boot tcp/7031"],
        [Reply::Connected, Reply::Unreachable],
    );
    check(
        "permanent-port",
        options(),
        "firewall-cmd --permanent --add-port=7031/tcp >&2",
        &["firewall-not-kept tcp/7031"],
        [Reply::Unreachable, Reply::Connected],
    );
    // A zone of its own for the interface, with a service that includes the port, and a rich rule.
    let service = "<service><port port=\"7030-7035\" protocol=\"tcp\"/></service>";
    check(
        "permanent-zone",
        options().file("/etc/firewalld/services/lab.xml", service),
        "firewall-cmd --permanent --zone=work --change-interface=host0 >&2
         firewall-cmd --permanent --zone=work --add-service=lab >&2
         firewall-cmd --permanent --zone=trusted --add-source=198.51.100.0/24 >&2
         firewall-cmd --reload >&2",
        &[],
        [Reply::Connected; 2],
    );
    check(
        "rich-rule",
        options(),
        "firewall-cmd --permanent --add-port=7031/tcp >&2
         firewall-cmd --reload >&2
         firewall-cmd --permanent --add-rich-rule='rule family=\"ipv4\" source \
             address=\"192.0.2.0/24\" port port=\"7031\" protocol=\"tcp\" drop' >&2",
        &["firewall-closes-at-boot tcp/7031"],
        [Reply::Connected, Reply::TimedOut],
    );
}
