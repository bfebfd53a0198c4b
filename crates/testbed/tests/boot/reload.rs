//! The packet filter after a front-end was told to load its rules again: what is said before, and what a
//! client finds then.

use std::net::SocketAddr;

use serde_json::Value;
use testbed::{HostOptions, Reply};

use crate::firewall::{LIMIT, STRICT, listening};
use crate::seen::{Seen, WHYOPEN};

/// What is said of the host and of 7031 on it.
fn told(seen: &Seen) -> (Value, Value) {
    let text = seen.run(&[WHYOPEN, "-a", "-o", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    let sockets = json["sockets"].as_array().unwrap();
    let row = sockets.iter().find(|row| row["port"] == 7031).unwrap();
    (json["firewall_then"].clone(), row["reach_then"].clone())
}

/// Lets `script` change the firewall of a host that listens on 7031. Compares what is said of it after
/// `command` with `expect` (`none` for no change), and what a client finds before and after it with
/// `replies`.
#[track_caller]
fn check(
    name: &str,
    options: HostOptions,
    script: &str,
    command: &str,
    expect: &str,
    replies: [Reply; 2],
) {
    let (seen, number) = listening(name, options);
    seen.run(&["sh", "-euc", script]);
    let (of_host, of_row) = told(&seen);
    let of_host = of_host.as_array().unwrap();
    let known = of_host.iter().find(|then| then["when"] == command);
    let known = known.unwrap_or_else(|| panic!("nothing is said of {command}: {of_host:#?}"));
    assert_eq!(known["unclear"], Value::Array(Vec::new()), "{of_host:#?}");
    let changes = of_row.as_array().map(Vec::as_slice).unwrap_or_default();
    let change = changes.iter().find(|then| then["when"] == command);
    let verdict = change.map_or("none", |then| then["ipv4"]["verdict"].as_str().unwrap());
    assert_eq!(verdict, expect, "{of_row:#}");
    let screen = seen.run(&[WHYOPEN, "7031", "--width", "200"]);
    assert_eq!(screen.contains(command), expect != "none", "{screen}");

    let client = seen.lab.client().unwrap();
    let to = SocketAddr::new(format!("192.0.2.{number}").parse().unwrap(), 7031);
    assert_eq!(client.connect(to, LIMIT).unwrap(), replies[0], "before {command}");
    seen.run(&["sh", "-euc", &format!("{command} >&2")]);
    assert_eq!(client.connect(to, LIMIT).unwrap(), replies[1], "after {command}");
}

#[test]
fn firewalld_forgets_what_is_not_permanent() {
    let options = || HostOptions::new().enable("firewalld.service");
    let command = "firewall-cmd --reload";
    let closed = [Reply::Connected, Reply::Unreachable];
    check(
        "runtime-port",
        options(),
        "firewall-cmd --add-port=7031/tcp >&2",
        command,
        "blocked",
        closed,
    );
    // It takes the rules of iptables with it, and leaves other tables of nftables.
    let permanent = "firewall-cmd --permanent --add-port=7031/tcp >&2; firewall-cmd --reload >&2";
    check(
        "iptables",
        options(),
        &format!("{permanent}; iptables -A INPUT -p tcp --dport 7031 -j DROP"),
        command,
        "open",
        [Reply::TimedOut, Reply::Connected],
    );
    check(
        "others",
        options(),
        &format!("{permanent}; echo '{STRICT}' | nft -f -"),
        command,
        "none",
        [Reply::TimedOut; 2],
    );
}

#[test]
fn nftables_takes_everything_of_nftables() {
    let options = || {
        HostOptions::new()
            .enable("nftables.service")
            .file("/etc/nftables.conf", "flush ruleset\ntable inet own {\n}\n")
    };
    let command = "systemctl restart nftables";
    let opened = [Reply::TimedOut, Reply::Connected];
    check("by-hand", options(), &format!("echo '{STRICT}' | nft -f -"), command, "open", opened);
    let drop = "-A INPUT -p tcp --dport 7031 -j DROP";
    check("iptables", options(), &format!("iptables-nft {drop}"), command, "open", opened);
    check(
        "legacy",
        options(),
        &format!("iptables-legacy {drop}"),
        command,
        "none",
        [Reply::TimedOut; 2],
    );
}

#[test]
fn ufw_makes_its_own_chains_again() {
    let options = || HostOptions::new().enable("ufw.service");
    let command = "ufw reload";
    let own = "ufw --force enable >&2; ufw allow 7031/tcp >&2";
    check(
        "changed",
        options(),
        &format!("{own}; iptables -D ufw-user-input -p tcp --dport 7031 -j ACCEPT"),
        command,
        "open",
        [Reply::TimedOut, Reply::Connected],
    );
    // A rule of somebody else stays, and what it does is not guessed.
    let (seen, _) = listening("foreign", options());
    seen.run(&["sh", "-euc", &format!("{own}; iptables -I INPUT -p tcp --dport 7031 -j DROP")]);
    let (of_host, _) = told(&seen);
    let then = of_host.as_array().unwrap().iter().find(|then| then["when"] == command).unwrap();
    assert!(then["unclear"].to_string().contains("ufw leaves rules of others"), "{of_host:#}");
}

/// The service of Debian's netfilter-persistent, which runs what its plugins do.
#[test]
fn files_of_iptables_take_the_place_of_their_tables() {
    let unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
        ExecStart=sh -c 'iptables-restore < /etc/iptables/rules.v4'\n\
        [Install]\nWantedBy=multi-user.target\n";
    let options = || {
        let rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
            -A INPUT -p tcp --dport 7039 -j DROP\nCOMMIT\n";
        HostOptions::new()
            .file("/etc/systemd/system/netfilter-persistent.service", unit)
            .file("/etc/iptables/rules.v4", rules)
            .file(
                "/usr/sbin/netfilter-persistent",
                "#!/bin/sh\nexec systemctl restart netfilter-persistent\n",
            )
    };
    let start = "systemctl enable --quiet --now netfilter-persistent; \
        chmod 755 /usr/sbin/netfilter-persistent";
    let command = "netfilter-persistent reload";
    check(
        "by-hand",
        options(),
        &format!("{start}; iptables -A INPUT -p tcp --dport 7031 -j DROP"),
        command,
        "open",
        [Reply::TimedOut, Reply::Connected],
    );
    check(
        "others",
        options(),
        &format!("{start}; echo '{STRICT}' | nft -f -"),
        command,
        "none",
        [Reply::TimedOut; 2],
    );
}
