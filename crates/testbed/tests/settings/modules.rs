//! Connection tracking on a kernel with modules: what the init script of iptables does to it, and a
//! value that is written before the module is there.

use std::path::Path;

use serde_json::Value;
use testbed::{Printed, emulate};

use crate::settled::BINARY;

/// An init script as Red Hat's is documented to be: it flushes its rules, removes the modules that use
/// what its tables brought, and sets again what its configuration names.
const INIT_SCRIPT: &str = r#"#!/bin/sh
IPTABLES_MODULES_UNLOAD="yes"
IPTABLES_SYSCTL_LOAD_LIST=""
. /etc/sysconfig/iptables-config
remove() {
    for user in $(awk -v m="$1" '$1 == m { print $4 }' /proc/modules | tr ',-' '  '); do
        remove "$user"
    done
    modprobe -r "$1" 2> /dev/null || true
}
stop() {
    iptables-legacy -F
    iptables-legacy -X
    if [ "$IPTABLES_MODULES_UNLOAD" = yes ]; then
        for module in iptable_filter ip_tables x_tables nf_nat nf_conntrack; do
            remove $module
        done
    fi
}
start() {
    iptables-legacy -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
    for item in $IPTABLES_SYSCTL_LOAD_LIST; do
        fgrep $item /etc/sysctl.conf | while IFS=' =' read -r key value; do
            sysctl -q -w "$key=$value"
        done
    done
}
case $1 in
    start) start ;;
    restart) stop; start ;;
esac
"#;

const MAX: &str = "net.netfilter.nf_conntrack_max";

/// Boots an emulated host with these files, where systemd-sysctl and then iptables have started.
fn host(files: &[(&str, &str)], script: &str) -> Printed {
    let mut all = vec![
        ("/usr/lib/systemd/systemd", ""),
        ("/etc/init.d/iptables", INIT_SCRIPT),
        ("/etc/rc3.d/S08iptables", ""),
    ];
    if !files.iter().any(|(path, _)| *path == "/etc/sysconfig/iptables-config") {
        all.push(("/etc/sysconfig/iptables-config", "IPTABLES_MODULES_UNLOAD=\"yes\"\n"));
    }
    all.extend_from_slice(files);
    let boot = "chmod 755 /etc/init.d/iptables\nip link set lo up\n\
                for f in /etc/modules-load.d/*.conf; do [ -e $f ] && modprobe $(cat $f); done\n\
                /lib/systemd/systemd-sysctl 2>&1 || true\n/etc/init.d/iptables start\n\
                value() { cat /proc/sys/net/netfilter/nf_conntrack_$1; }\n\
                told() { echo; echo \"@@ $1\"; whyopen settings nf_conntrack -o json; }\n\
                see() { echo; echo \"@@ $1\"; }\n";
    let whyopen: &Path = &BINARY;
    let script = format!("{boot}{script}");
    emulate(&all, &[("/usr/local/bin/whyopen", whyopen)], &script).unwrap()
}

#[track_caller]
fn told(printed: &Printed, section: &str) -> Value {
    let text = printed.section(section);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:.400}"))
}

#[track_caller]
fn setting<'j>(told: &'j Value, key: &str) -> &'j Value {
    let all = told["settings"].as_array().unwrap();
    all.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no {key}: {told:#}"))
}

fn iptables(told: &Value) -> &Value {
    let all = told["restarts"].as_array().unwrap();
    all.iter().find(|restart| restart["service"] == "iptables").unwrap()
}

#[test]
fn a_restart_of_iptables_and_a_value_before_its_module() {
    let printed = host(
        &[("/etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 1000000\n")],
        "see booted; value max\ntold boot\n\
         sysctl -q -w net.netfilter.nf_conntrack_max=1000000 net.netfilter.nf_conntrack_udp_timeout=77\n\
         ping -q -c 1 127.0.0.1 > /dev/null\ntold before\n\
         /etc/init.d/iptables restart\nsee restarted; value max; value udp_timeout; value count\n\
         ip6tables-legacy -A INPUT -m conntrack --ctstate NEW -j ACCEPT\n\
         sysctl -q -w net.netfilter.nf_conntrack_max=1000000\ntold with6\n\
         /etc/init.d/iptables restart\nsee pinned; value max\n",
    );
    // Written before the module: a boot ends with the kernel's default, which is computed.
    let boot = told(&printed, "boot");
    let booted = printed.section("booted");
    assert_ne!(booted, "1000000");
    assert_eq!(setting(&boot, MAX)["now"], booted);
    assert_eq!(setting(&boot, MAX)["after_boot"], booted, "{:#}", setting(&boot, MAX));
    assert_eq!(boot["conntrack"]["default_max"].to_string(), booted);
    let all = boot["findings"].as_array().unwrap();
    assert!(all.iter().any(|f| f["id"] == "written-before-module"), "{all:#?}");

    // A restart resets.
    let before = told(&printed, "before");
    let restart = iptables(&before);
    assert_eq!(restart["verdict"], "resets", "{restart:#}");
    assert!(restart["flows"].as_u64().unwrap() >= 1, "{restart:#}");
    let then = |key: &str| {
        let changes = restart["settings"].as_array().unwrap();
        changes.iter().find(|c| c["key"] == key).unwrap()["then"].as_str().unwrap().to_owned()
    };
    let mut restarted = printed.section("restarted").lines();
    assert_eq!(restarted.next(), Some(then(MAX).as_str()));
    assert_eq!(restarted.next(), Some(then("net.netfilter.nf_conntrack_udp_timeout").as_str()));
    assert_eq!(restarted.next(), Some("0"), "no flow is left");

    // With rules of ip6tables it does not.
    let with6 = told(&printed, "with6");
    assert_eq!(iptables(&with6)["verdict"], "survives", "{:#}", iptables(&with6));
    assert_eq!(printed.section("pinned"), "1000000");
}

#[test]
fn a_module_that_is_there_in_time_and_a_load_list() {
    let printed = host(
        &[
            ("/etc/modules-load.d/nf_conntrack.conf", "nf_conntrack\n"),
            ("/etc/modprobe.d/x.conf", "options nf_conntrack hashsize=262144\n"),
            ("/etc/sysctl.conf", "net.netfilter.nf_conntrack_max = 1000000\n"),
            ("/etc/sysctl.d/1.conf", "net.netfilter.nf_conntrack_max = 1000000\n"),
            (
                "/etc/sysconfig/iptables-config",
                "IPTABLES_MODULES_UNLOAD=yes\nIPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack\"\n",
            ),
        ],
        "see booted; value max\ntold boot\nsysctl -q -w net.netfilter.nf_conntrack_udp_timeout=77\n\
         told before\n/etc/init.d/iptables restart\nsee restarted; value max; value udp_timeout\n\
         iptables-legacy -F; modprobe -r iptable_filter xt_conntrack nf_conntrack || true\n\
         modprobe nf_conntrack\n\
         see default; value max; value buckets\n",
    );
    let boot = told(&printed, "boot");
    assert_eq!(printed.section("booted"), "1000000");
    assert_eq!(setting(&boot, MAX)["after_boot"], "1000000", "{:#}", setting(&boot, MAX));
    let restart = iptables(&told(&printed, "before")).clone();
    let changes = restart["settings"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "only what the load list does not set again: {restart:#}");
    assert_eq!(changes[0]["key"], "net.netfilter.nf_conntrack_udp_timeout");
    assert_eq!(printed.section("restarted"), "1000000\n30");
    let default = printed.section("default").replace('\n', " ");
    let told = &boot["conntrack"];
    assert_eq!(default, format!("{} {}", told["default_max"], told["default_buckets"]));
    assert_eq!(default, "2097152 262144");
}
