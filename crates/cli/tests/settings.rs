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

#[test]
fn thousands_of_lines_take_no_long_time() {
    let mut lines: Vec<String> = (0..30_000).map(|n| format!("net.ipv4.x{n} = {n}\n")).collect();
    lines.extend((0..3_000).map(|n| format!("net.ipv4.conf.*.x{n} = 1\nodd\n")));
    let tree = systemd(&[("/etc/sysctl.d/1.conf", &lines.concat())]);
    let json = tree.json();
    assert_eq!(json["settings"].as_array().unwrap().len(), 30_000);
    assert_eq!(json["findings"].as_array().unwrap().len(), 1, "{:#}", json["findings"]);
}

#[test]
fn modes_of_apparmor() {
    let tree = systemd(&[
        ("/sys/module/apparmor/parameters/enabled", "Y\n"),
        ("/sys/kernel/security/apparmor/profiles", "/usr/sbin/x (enforce)\ny (complain)\n"),
        (
            "/var/log/audit/audit.log",
            "type=AVC msg=audit(1:2): apparmor=\"DENIED\" operation=\"capable\" profile=\"x\" pid=1 \
             comm=\"named\" capability=10 capname=\"net_bind_service\"\n",
        ),
    ]);
    let json = tree.json();
    let profiles = &json["apparmor_profiles"];
    assert_eq!((&profiles["enforced"], &profiles["complaining"]), (&1.into(), &1.into()));
    assert_eq!(json["denial_logs"][0], "/var/log/audit/audit.log");
    let found = finding(&json, "denied").unwrap();
    assert!(found["text"].as_str().unwrap().contains("net_bind_service to named"), "{found:#}");
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
    let found = finding(&json, "not-read-at-boot").unwrap();
    assert_eq!(found["lines"][0]["file"], "/etc/sysctl.d/99-zz-local.conf");
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
fn the_unit_of_iptables_services() {
    let script =
        INIT_SCRIPT.replace("fgrep $item /etc/sysctl.conf", "fgrep -hs $item /etc/sysctl.d/*");
    let tree = systemd(&[
        ("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n"),
        ("/usr/libexec/iptables/iptables.init", &script),
        ("/etc/systemd/system/basic.target.wants/iptables.service", ""),
        (
            "/etc/sysconfig/iptables-config",
            "IPTABLES_MODULES_UNLOAD=\"yes\"\nIPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack\"\n",
        ),
        ("/etc/sysctl.d/90-table.conf", "net.netfilter.nf_conntrack_max = 1000000\n"),
        ("/proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64\n"),
        ("/proc/meminfo", "MemTotal:        1918644 kB\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "1000000\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "77\n"),
        ("/proc/modules", "nf_conntrack 1 1 iptable_nat, Live 0\niptable_nat 1 0 - Live 0\n"),
    ]);
    let json = tree.json();
    let restart = iptables(&json);
    assert_eq!(restart["verdict"], "resets", "{restart:#}");
    let changes = restart["settings"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{restart:#}");
    assert_eq!((&changes[0]["now"], &changes[0]["then"]), (&"77".into(), &"30".into()));
    // The load list comes after systemd-sysctl, which comes before the module.
    let found = setting(&json, MAX);
    assert_eq!(found["after_boot"], "1000000", "{found:#}");
    let effects: Vec<&Value> =
        found["sources"].as_array().unwrap().iter().map(|source| &source["effect"]).collect();
    assert_eq!(effects, ["too early: nf_conntrack is not loaded yet", "sets it"]);
    assert!(finding(&json, "written-before-module").is_none());
}

#[test]
fn a_module_that_sets_its_settings_itself() {
    let tree = systemd(&[
        ("/etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 1000000\n"),
        (
            "/etc/modprobe.d/x.conf",
            "install nf_conntrack /sbin/modprobe --ignore-install nf_conntrack && \
             /sbin/sysctl -w net.netfilter.nf_conntrack_max=500000\n",
        ),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "500000\n"),
        ("/proc/modules", "nf_conntrack 1 1 - Live 0\n"),
        ("/proc/meminfo", "MemTotal: 2000000 kB\n"),
    ]);
    let found = setting(&tree.json(), MAX).clone();
    assert_eq!(
        (&found["after_boot"], &found["owner"]),
        (&"500000".into(), &"module option".into())
    );
    // Loaded early, the files of sysctl.d come after it.
    tree.write("/etc/modules-load.d/x.conf", "nf_conntrack\n");
    assert_eq!(setting(&tree.json(), MAX)["after_boot"], "1000000");
}

#[test]
fn the_command_line_and_options_of_ipv6() {
    let tree = systemd(&[
        ("/proc/cmdline", "ro sysctl.net.ipv4.ip_forward=1 ipv6.disable_ipv6=1\n"),
        ("/proc/sys/net/ipv4/ip_forward", "1\n"),
        ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
        ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1\n"),
        ("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n"),
    ]);
    let json = tree.json();
    let after = |json: &Value, key: &str| setting(json, key)["after_boot"].clone();
    assert_eq!(after(&json, "net.ipv4.ip_forward"), "1");
    assert_eq!(setting(&json, "net.ipv4.ip_forward")["owner"], "kernel command line");
    // Of `all` it says nothing (addrconf_init_net).
    assert_eq!(after(&json, "net.ipv6.conf.all.disable_ipv6"), "0");
    assert_eq!(after(&json, "net.ipv6.conf.eth0.disable_ipv6"), "1");
    tree.write("/proc/cmdline", "ipv6.disable=1\n");
    let json = tree.json();
    let found = setting(&json, "net.ipv6.conf.eth0.disable_ipv6");
    assert_eq!(found["after_boot"], Value::Null);
    assert_eq!(found["because"], "there is no IPv6 after a boot: /proc/cmdline line 1");
}

const TEMPORARY: &str = "net.ipv6.conf.eth0.use_tempaddr";

/// What is said of temporary addresses where these files configure eth0: value after a boot, and
/// file and line of the source.
#[track_caller]
fn temporary(files: &[(&str, &str)], after: &str, file: &str, line: u32) -> Tree {
    let tree = systemd(files);
    let found = setting(&tree.json(), TEMPORARY).clone();
    assert_eq!(found["after_boot"], after, "{found:#}");
    let sources = found["sources"].as_array().unwrap();
    let source = sources.last().unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!((&source["file"], &source["line"]), (&file.into(), &line.into()), "{found:#}");
    tree
}

#[test]
fn who_configures_an_interface_of_another_host() {
    let netplan = "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      \
                   ipv6-privacy: true\n";
    temporary(&[("/etc/netplan/50-x.yaml", netplan)], "2", "/etc/netplan/50-x.yaml", 6);
    // A later file goes before it, and one in /run takes the place of that of its name.
    let off = netplan.replace("true\n", "false\n");
    temporary(
        &[("/etc/netplan/50-x.yaml", netplan), ("/etc/netplan/60-y.yaml", &off)],
        "0",
        "/etc/netplan/60-y.yaml",
        6,
    );
    temporary(
        &[("/etc/netplan/50-x.yaml", netplan), ("/run/netplan/50-x.yaml", &off)],
        "0",
        "/run/netplan/50-x.yaml",
        6,
    );
    // What netplan made of it leads back to it.
    let made = "/run/NetworkManager/system-connections/netplan-eth0.nmconnection";
    let profile = "[connection]\nid=netplan-eth0\nuuid=1\ninterface-name=eth0\n[ipv6]\n\
                   method=auto\nip6-privacy=2\n";
    let enabled = "/etc/systemd/system/multi-user.target.wants/NetworkManager.service";
    let tree = temporary(
        &[("/etc/NetworkManager/system-connections/x", profile), (enabled, "")],
        "2",
        "/etc/NetworkManager/system-connections/x",
        7,
    );
    assert_eq!(
        setting(&tree.json(), TEMPORARY)["because"],
        "/etc/NetworkManager/system-connections/x line 7 (NetworkManager)"
    );
    let state = "/run/NetworkManager/devices/0";
    temporary(
        &[
            ("/etc/netplan/50-x.yaml", netplan),
            (made, profile),
            (state, "[device]\nmanaged=true\nconnection-uuid=1\n"),
            (enabled, ""),
        ],
        "2",
        "/etc/netplan/50-x.yaml",
        6,
    );
    temporary(
        &[("/etc/network/interfaces", "auto eth0\niface eth0 inet6 auto\n  privext 2\n")],
        "2",
        "/etc/network/interfaces",
        3,
    );
    let ifcfg = "/etc/sysconfig/network-scripts/ifcfg-eth0";
    temporary(&[(ifcfg, "DEVICE=eth0\nIPV6_PRIVACY=rfc3041\n")], "2", ifcfg, 2);
}

#[test]
fn what_a_restart_leaves_of_use_tempaddr_is_said_where_it_is_configured() {
    let netplan = "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n";
    let tree = systemd(&[
        ("/etc/netplan/50-x.yaml", netplan),
        ("/etc/sysctl.d/1.conf", "net.ipv6.conf.default.use_tempaddr = 2\n"),
        ("/proc/sys/net/ipv6/conf/default/use_tempaddr", "2\n"),
        ("/proc/sys/net/ipv6/conf/all/use_tempaddr", "0\n"),
        ("/proc/sys/net/ipv6/conf/eth0/use_tempaddr", "0\n"),
    ]);
    let json = tree.json();
    let found = finding(&json, "undone-at-activation").unwrap();
    assert_eq!(found["lines"][0]["file"], "/etc/netplan/50-x.yaml", "{found:#}");
    let expect = "network:\n  ethernets:\n    eth0:\n      ipv6-privacy: true";
    assert_eq!(found["lines"][0]["text"], expect);
    // The text view shows the lines as they are to be written.
    let text = String::from_utf8(tree.run(&["--width", "60"]).stdout).unwrap();
    assert!(text.contains("                  ipv6-privacy: true\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
}

#[test]
fn kube_proxy_sets_the_table_by_processors() {
    let volume = "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~configmap/kube-proxy/config.conf";
    let config = "kind: KubeProxyConfiguration\nmode: \"\"\nconntrack:\n  maxPerCore: null\n  \
                  min: 200000\n  tcpCloseWaitTimeout: 0s\n  tcpEstablishedTimeout: 2h0m0s\n";
    let tree = systemd(&[
        (volume, config),
        ("/etc/systemd/system/multi-user.target.wants/kubelet.service", ""),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "200000\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "7200\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait", "60\n"),
        ("/proc/sys/net/ipv4/conf/all/route_localnet", "1\n"),
        ("/etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_tcp_timeout_established = 99\n"),
    ]);
    let json = tree.json();
    assert_eq!(json["role"], "container host");
    let check = |key: &str, after: Value, line: Value| {
        let found = setting(&json, key);
        assert_eq!(found["after_boot"], after, "{found:#}");
        let all = found["sources"].as_array().unwrap();
        let line_of = |s: &Value| s["stage"] == "kube-proxy" && s["line"] == line;
        assert_eq!(all.iter().any(line_of), line != 0, "{found:#}");
    };
    // The processors of that host are not known.
    check(MAX, Value::Null, 4.into());
    check("net.netfilter.nf_conntrack_tcp_timeout_established", "7200".into(), 7.into());
    check("net.netfilter.nf_conntrack_tcp_timeout_close_wait", "60".into(), 0.into());
    check("net.ipv4.conf.all.route_localnet", "1".into(), Value::Null);
}

#[test]
fn denials_and_whether_they_are_known() {
    let tree = systemd(&[
        ("/sys/fs/selinux/enforce", "1"),
        (
            "/var/log/audit/audit.log",
            "type=AVC msg=audit(1:2): avc:  denied  { name_bind } for  pid=9 comm=\"nginx\" \
             src=8081 scontext=a tcontext=b tclass=tcp_socket permissive=0\n",
        ),
    ]);
    let json = tree.json();
    assert_eq!(json["selinux"], "enforcing");
    let found = finding(&json, "denied").unwrap();
    assert!(found["action"].as_str().unwrap().contains("semanage port"), "{found:#}");
    let said = |tree: &Tree| {
        let text = String::from_utf8(tree.run(&[]).stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    tree.write("/var/log/audit/audit.log", "");
    assert!(said(&tree).contains("not the cause of a port that is not open"), "{}", said(&tree));
    std::fs::remove_file(tree.0.path().join("var/log/audit/audit.log")).unwrap();
    assert!(said(&tree).contains("denied a socket is not known"), "{}", said(&tree));
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
