//! The test bed keeps its promises: hosts boot, reboot and lose their power, clients see what is
//! there, nothing stays behind and the machine's own network is not touched.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test of effects; its helpers fail the test"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use testbed::{HostOptions, Image, Lab, Netns, Reply};

const AGENT: &str = env!("CARGO_BIN_EXE_testbed-agent");

fn machine(arguments: &[&str]) -> String {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything about the machine's network that a test could change by mistake.
fn network_of_this_machine() -> Vec<String> {
    let routes = machine(&["ip", "route", "show", "table", "all"]);
    let routes6 = machine(&["ip", "-6", "route", "show", "table", "all"]);
    // A router's announcement refreshes this; it says nothing about us.
    let without_expiry = |text: &str| {
        text.lines().map(|l| l.split(" expires ").next().unwrap_or_default().to_owned()).collect()
    };
    let mut all: Vec<String> = vec![
        machine(&["ip", "-d", "link"]),
        machine(&["ip", "-br", "address"]),
        machine(&["ip", "rule"]),
        machine(&["ip", "-6", "rule"]),
        machine(&["nft", "list", "ruleset"]),
    ];
    all.extend::<Vec<String>>(without_expiry(&routes));
    all.extend::<Vec<String>>(without_expiry(&routes6));
    let mut sysctls = Vec::new();
    settings_below(Path::new("/proc/sys/net"), &mut sysctls);
    settings_below(Path::new("/proc/sys/kernel"), &mut sysctls);
    assert!(sysctls.len() > 500, "only {} settings", sysctls.len());
    all.append(&mut sysctls);
    all
}

fn settings_below(directory: &Path, into: &mut Vec<String>) {
    // Counters and fresh random numbers: the kernel itself changes them at every look.
    const VOLATILE: &[&str] = &["random", "nf_conntrack_count", "ns_last_pid", "tcp_fastopen_key"];
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if VOLATILE.iter().any(|volatile| name == *volatile) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            settings_below(&path, into);
        } else if let Ok(value) = fs::read_to_string(&path) {
            into.push(format!("{}={value}", path.display()));
        }
    }
    into.sort_unstable();
}

/// Where anything with this name exists on the machine.
fn traces_of(name: &str) -> Vec<String> {
    let found = machine(&["find", "/sys/fs/cgroup", "-name", name]);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut traces: Vec<String> = found.lines().map(str::to_owned).collect();
    traces.extend(mounts.lines().filter(|l| l.contains(name)).map(str::to_owned));
    let processes = machine(&["ps", "-e", "-o", "args"]);
    traces.extend(processes.lines().filter(|l| l.contains(name)).map(str::to_owned));
    traces
}

#[test]
fn a_host_lives_and_leaves_nothing() {
    let before = network_of_this_machine();
    let lab = Lab::new().unwrap();
    let options =
        HostOptions::new().enable("rpcbind.socket").file("/etc/written-before-boot", "yes\n");
    let mut host = lab.host("life", &options).unwrap();
    let number = lab.number();
    host.join(number).unwrap();
    let run = |arguments: &[&str]| host.run(arguments).unwrap().ok().unwrap();

    assert_eq!(run(&["hostname"]).trim(), host.name());
    assert_eq!(run(&["cat", "/proc/1/comm"]), "systemd\n");
    assert_eq!(run(&["cat", "/etc/written-before-boot"]), "yes\n");
    assert_eq!(run(&["systemctl", "is-active", "rpcbind.socket"]), "active\n");
    assert_eq!(host.run_as_nobody(&["id", "-un"]).unwrap().ok().unwrap(), "nobody\n");
    assert!(host.run(&["false"]).unwrap().ok().is_err());
    let failed = host.run(&["systemctl", "list-units", "--failed", "--no-legend"]).unwrap();
    assert_eq!(failed.ok().unwrap(), "");

    // A service listens; a client tells open from closed, and silence from refusal.
    host.push(Path::new(AGENT), "/usr/local/bin/testbed-agent").unwrap();
    let listen = ["/usr/local/bin/testbed-agent", "hold", "--accept", "tcp:[::]:8080"];
    host.start_service("listener", &listen).unwrap();
    let client = lab.client().unwrap();
    let connect = |address: &str| {
        let to: SocketAddr = address.parse().unwrap();
        client.connect(to, Duration::from_secs(1)).unwrap()
    };
    assert_eq!(connect(&format!("192.0.2.{number}:8080")), Reply::Connected);
    assert_eq!(connect(&format!("[2001:db8:1::{number}]:8080")), Reply::Connected);
    assert_eq!(connect(&format!("192.0.2.{number}:8081")), Reply::Refused);
    let drop_it = "add table inet t; add chain inet t c { type filter hook input priority 0; }; \
        add rule inet t c tcp dport 8081 drop; add rule inet t c tcp dport 8082 reject with icmpx admin-prohibited";
    run(&["nft", drop_it]);
    assert_eq!(connect(&format!("192.0.2.{number}:8081")), Reply::TimedOut);
    assert_eq!(connect(&format!("192.0.2.{number}:8082")), Reply::Unreachable);

    // What was written stays over a reboot, a power-off and a power cut; what ran does not.
    run(&["sh", "-c", "echo kept > /etc/written-before-reboot"]);
    let boot_time = |host: &testbed::Host| {
        host.run(&["stat", "-c", "%Z", "/proc/1"]).unwrap().ok().unwrap();
        host.leader_pid().unwrap()
    };
    let mut leaders = vec![boot_time(&host)];
    host.reboot().unwrap();
    leaders.push(boot_time(&host));
    host.power_off().unwrap();
    assert!(host.run(&["true"]).is_err(), "a host that is off runs nothing");
    host.power_on().unwrap();
    leaders.push(boot_time(&host));
    host.power_cut().unwrap();
    host.power_on().unwrap();
    leaders.push(boot_time(&host));
    leaders.dedup();
    assert_eq!(leaders.len(), 4, "{leaders:?}");
    let kept = host.run(&["cat", "/etc/written-before-reboot"]).unwrap().ok().unwrap();
    assert_eq!(kept, "kept\n");
    let gone = host.run(&["systemctl", "is-active", "listener"]).unwrap();
    assert_eq!(gone.stdout, "inactive\n");

    let name = host.name().to_owned();
    assert_ne!(traces_of(&name), Vec::<String>::new());
    drop(host);
    drop((client, lab));
    assert_eq!(traces_of(&name), Vec::<String>::new());

    let after = network_of_this_machine();
    let differences: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).collect();
    assert_eq!(differences, Vec::new());
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_killed_test_leaves_no_process() {
    // Making the image takes longer than a boot may.
    Image::ready().unwrap();
    // This test binary again, running only the test below, which never ends by itself.
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let name = format!("testbed-{}-0-victim", victim.id());
    let deadline = Instant::now() + Duration::from_secs(60);
    while traces_of(&name).len() < 3 {
        assert!(Instant::now() < deadline, "the victim did not boot a host");
        thread::sleep(Duration::from_millis(50));
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    let processes = || machine(&["ps", "-e", "-o", "args"]).contains(&name);
    while processes() {
        assert!(Instant::now() < deadline, "processes of the killed test go on");
        thread::sleep(Duration::from_millis(50));
    }
    // The next host that boots removes the directories.
    let lab = Lab::new().unwrap();
    let host = lab.host("next", &HostOptions::new()).unwrap();
    assert_eq!(traces_of(&name), Vec::<String>::new());
    drop(host);
}

#[test]
#[ignore = "not a test: what a_killed_test_leaves_no_process kills"]
fn victim() {
    let lab = Lab::new().unwrap();
    let host = lab.host("victim", &HostOptions::new()).unwrap();
    thread::sleep(Duration::from_secs(600));
    drop((host, lab));
}

#[test]
fn a_namespace_is_its_own() {
    let netns = Netns::new().unwrap();
    let links = netns.run(&["ip", "-br", "link"]).unwrap().ok().unwrap();
    let names: Vec<_> = links.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names.first(), Some(&"lo"));
    assert!(!names.contains(&"eth0"), "{links}");
    let path = netns.path();
    drop(netns);
    assert!(!path.exists());
}
