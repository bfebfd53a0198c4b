//! `whyopen settings` on the files of other hosts: small trees, each written from documented
//! behaviour.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A folder that is another host's root.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, to: &str) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whyopen"));
        command.arg("settings").arg("--root").arg(self.0.path()).args(arguments);
        command.output().unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        let output = self.run(&["-o", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[track_caller]
fn setting<'j>(json: &'j Value, key: &str) -> &'j Value {
    let all = json["settings"].as_array().unwrap();
    all.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no {key}: {json:#}"))
}

#[track_caller]
fn finding<'j>(json: &'j Value, id: &str) -> Option<&'j Value> {
    json["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id)
}

const MAX: &str = "net.netfilter.nf_conntrack_max";

/// What the init script of CentOS 6 has of this: its defaults, and what it searches.
const INIT_SCRIPT: &str = "#!/bin/sh\n# Default firewall configuration:\nIPTABLES_MODULES=\"\"\n\
    IPTABLES_MODULES_UNLOAD=\"yes\"\nIPTABLES_SYSCTL_LOAD_LIST=\"\"\nload_sysctl() {\n    \
    fgrep $item /etc/sysctl.conf | sysctl -p - >/dev/null\n}\n";

/// A CentOS 6 host with a table of connections that is larger than by default.
fn centos6() -> Tree {
    let tree = Tree::new(&[
        ("/etc/redhat-release", "CentOS release 6.10 (Final)\n"),
        ("/etc/rc.d/rc.sysinit", "#!/bin/bash\n"),
        ("/etc/init.d/iptables", INIT_SCRIPT),
        ("/etc/sysctl.conf", "net.ipv4.ip_forward = 0\nnet.netfilter.nf_conntrack_max = 1000000\n"),
        ("/etc/sysconfig/iptables-config", "IPTABLES_MODULES_UNLOAD=\"yes\"\n"),
        ("/proc/sys/kernel/osrelease", "2.6.32-754.el6.x86_64\n"),
        ("/proc/meminfo", "MemTotal:        1918644 kB\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "1000000\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_buckets", "16384\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_count", "1204\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "86400\n"),
        ("/proc/net/stat/nf_conntrack", "entries drop\n000004b4 00000000\n"),
        (
            "/proc/modules",
            "iptable_filter 2793 1 - Live 0x0\nip_tables 17895 1 iptable_filter, Live 0x0\n\
             xt_state 1492 2 - Live 0x0\nnf_conntrack_ipv4 9186 2 - Live 0x0\n\
             nf_conntrack 79206 2 xt_state,nf_conntrack_ipv4, Live 0x0\n",
        ),
    ]);
    tree.link("/etc/rc.d/rc3.d/S08iptables", "../init.d/iptables");
    tree
}

fn iptables(json: &Value) -> &Value {
    let all = json["restarts"].as_array().unwrap();
    all.iter().find(|restart| restart["service"] == "iptables").unwrap()
}

#[test]
fn a_restart_of_iptables_resets_the_table() {
    let json = centos6().json();
    let restart = iptables(&json);
    assert_eq!(restart["verdict"], "resets", "{restart:#}");
    assert_eq!(restart["flows"], 1204);
    let changes: Vec<String> = restart["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} {} {}", c["key"], c["now"], c["then"]).replace('"', ""))
        .collect();
    assert_eq!(
        changes,
        [
            "net.netfilter.nf_conntrack_max 1000000 65536",
            "net.netfilter.nf_conntrack_tcp_timeout_established 86400 432000",
        ]
    );
    let found = finding(&json, "restart-resets-conntrack").unwrap();
    let text = found["text"].as_str().unwrap();
    assert!(
        text.contains("resets 2 settings") && text.contains("drops 1204 tracked flows"),
        "{text}"
    );
    assert_eq!(found["lines"][0]["file"], "/etc/sysconfig/iptables-config");
    assert_eq!(setting(&json, "net.ipv4.ip_forward")["after_boot"], "0");
}

#[test]
fn the_load_list_means_lines_of_the_file_that_the_script_searches() {
    let tree = centos6();
    tree.write(
        "/etc/sysconfig/iptables-config",
        "IPTABLES_MODULES_UNLOAD=\"yes\"\nIPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack\"\n",
    );
    let json = tree.json();
    let settings = iptables(&json)["settings"].as_array().unwrap();
    // The maximum is in the file; the timeout was set by hand.
    assert_eq!(settings.len(), 1, "{settings:#?}");
    assert_eq!(settings[0]["key"], "net.netfilter.nf_conntrack_tcp_timeout_established");
    // At boot rc.sysinit comes before the module, and the load list after it.
    assert_eq!(setting(&json, MAX)["after_boot"], "1000000");
    assert_eq!(setting(&centos6().json(), MAX)["after_boot"], Value::Null);
    // Slashes do not match a word with a dot.
    tree.write("/etc/sysctl.conf", "net/netfilter/nf_conntrack_max = 1000000\n");
    assert_eq!(iptables(&tree.json())["settings"].as_array().unwrap().len(), 2);
    // Nor is another file searched.
    tree.write("/etc/sysctl.conf", "");
    tree.write("/etc/sysctl.d/x.conf", "net.netfilter.nf_conntrack_max = 1000000\n");
    assert_eq!(iptables(&tree.json())["settings"].as_array().unwrap().len(), 2);
}

#[test]
fn ip6tables_pins_the_module() {
    let tree = centos6();
    tree.write(
        "/proc/modules",
        "nf_conntrack_ipv6 1 2 - Live 0x0\nxt_state 1492 1 - Live 0x0\n\
         nf_conntrack_ipv4 9186 2 - Live 0x0\nip6_tables 1 1 ip6table_filter, Live 0\n\
         nf_conntrack 79206 3 xt_state,nf_conntrack_ipv4,nf_conntrack_ipv6, Live 0x0\n",
    );
    let json = tree.json();
    assert_eq!(iptables(&json)["verdict"], "survives", "{:#}", iptables(&json));
    assert!(iptables(&json)["because"].as_str().unwrap().contains("pinned by ip6tables"));
    assert!(finding(&json, "restart-resets-conntrack").is_none());
}

#[test]
fn what_is_not_known_of_modules_is_no_verdict() {
    let tree = centos6();
    std::fs::remove_file(tree.0.path().join("proc/modules")).unwrap();
    let json = tree.json();
    assert_eq!(iptables(&json)["verdict"], "perhaps");
    tree.write("/etc/sysconfig/iptables-config", "IPTABLES_MODULES_UNLOAD=no\n");
    assert_eq!(iptables(&tree.json())["verdict"], "survives");
}

/// A host with systemd and these files.
fn systemd(files: &[(&str, &str)]) -> Tree {
    let tree = Tree::new(files);
    tree.write("/usr/lib/systemd/systemd", "");
    tree.write("/proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
    tree
}

#[test]
fn a_boot_and_sysctl_system_differ() {
    let tree = systemd(&[
        ("/etc/sysctl.conf", "net.ipv4.conf.all.rp_filter = 1\n"),
        ("/usr/lib/sysctl.d/zz.conf", "net.ipv4.conf.all.rp_filter = 2\n"),
        ("/proc/sys/net/ipv4/conf/all/rp_filter", "1\n"),
    ]);
    tree.link("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
    let json = tree.json();
    let found = setting(&json, "net.ipv4.conf.all.rp_filter");
    assert_eq!((&found["after_boot"], &found["sysctl_system"]), (&"2".into(), &"1".into()));
    assert_eq!(
        finding(&json, "sysctl-order").unwrap()["lines"][0]["text"],
        "net.ipv4.conf.all.rp_filter = 1"
    );
    // Without the link a boot does not read the old file at all.
    std::fs::remove_file(tree.0.path().join("etc/sysctl.d/99-sysctl.conf")).unwrap();
    std::fs::remove_file(tree.0.path().join("usr/lib/sysctl.d/zz.conf")).unwrap();
    let json = tree.json();
    let found = setting(&json, "net.ipv4.conf.all.rp_filter");
    assert_eq!(found["after_boot"], "0", "{found:#}");
    assert_eq!(found["sources"][0]["effect"], "read by sysctl --system, not at boot");
}

#[test]
fn a_module_that_comes_later() {
    let tree = systemd(&[
        ("/etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 1000000\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
        ("/proc/modules", "nf_conntrack 1 1 - Live 0\n"),
        ("/proc/meminfo", "MemTotal: 2000000 kB\n"),
    ]);
    let json = tree.json();
    let found = setting(&json, MAX);
    assert_eq!(found["after_boot"], "65536", "{found:#}");
    let found = finding(&json, "written-before-module").unwrap();
    assert_eq!(found["lines"][0]["file"], "/etc/modules-load.d/nf_conntrack.conf");
    // Two ways to have it there in time, and a firewall that may have it there in time.
    let check = |path: &str, text: &str, expect: Value| {
        tree.write(path, text);
        assert_eq!(setting(&tree.json(), MAX)["after_boot"], expect, "{path}");
        std::fs::remove_file(tree.0.path().join(path.trim_start_matches('/'))).unwrap();
    };
    check("/etc/modules-load.d/x.conf", "nf_conntrack\n", "1000000".into());
    let rule = "ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", \
                RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"\n";
    check("/etc/udev/rules.d/1.rules", rule, "1000000".into());
    check("/etc/systemd/system/sysinit.target.wants/nftables.service", "", Value::Null);
    check("/etc/modprobe.d/x.conf", "options nf_conntrack hashsize=262144\n", "2097152".into());
}

#[test]
fn links_do_not_lead_out_of_the_folder() {
    let secret = tempfile::tempdir().unwrap();
    std::fs::write(secret.path().join("x.conf"), "net.ipv4.ip_forward = 1\n").unwrap();
    let tree = systemd(&[("/etc/hostname", "inner\n")]);
    tree.link("/etc/sysctl.d", secret.path().to_str().unwrap());
    let json = tree.json();
    assert!(json["settings"].as_array().unwrap().is_empty(), "{json:#}");
    assert_eq!(json["host"]["name"], "inner");
}

#[test]
fn hostile_files_are_no_reason_to_fail() {
    let tree = systemd(&[
        ("/etc/sysctl.d/1.conf", "\u{0}\u{1b}[2J=\n=\n-\n[[[=1\nnet.ipv4.conf.*[.x=1\nnet..=\n"),
        ("/proc/modules", "nf_conntrack x y z\n\n\n"),
        ("/proc/sys/net/ipv4/conf/\u{1b}[2J/rp_filter", "1\n"),
        ("/etc/docker/daemon.json", "{"),
    ]);
    std::fs::create_dir_all(tree.0.path().join("etc/sysctl.conf")).unwrap();
    tree.json();
    let text = tree.run(&["--all"]);
    assert_eq!(text.status.code(), Some(0));
    assert!(!text.stdout.contains(&0x1b) && !text.stdout.contains(&0), "raw bytes of the host");
    assert_eq!(tree.run(&["no-such-setting"]).status.code(), Some(4));
    let missing = Path::new("/nonexistent/whyopen");
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyopen"));
    let output = command.args(["settings", "--root"]).arg(missing).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}
